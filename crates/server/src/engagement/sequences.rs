//! Sequences.

use axum::{Json as JsonBody, extract::State};
use syncline_model::Sequence;

use super::records::{self, GetRecord, ListRecords, RecordBody, RecordList};
use crate::{
    AppState,
    error::ApiResult,
    extract::{ConnectionCaller, Path, Query},
};

/// The connection's sequences.
#[utoipa::path(get, path = "/sequences", tag = "Sequences", operation_id = "listSequences",
    params(ListRecords, ("x-customer-id" = String, Header), ("x-provider-name" = String, Header)),
    responses((status = 200, description = "Sequences", body = RecordList<Sequence>)))]
pub(crate) async fn list_sequences(
    ConnectionCaller { connection }: ConnectionCaller,
    State(state): State<AppState>,
    Query(asked): Query<ListRecords>,
) -> ApiResult<JsonBody<RecordList<Sequence>>> {
    records::list(&state, &connection, asked).await
}

/// One sequence.
#[utoipa::path(get, path = "/sequences/{sequence_id}", tag = "Sequences", operation_id = "getSequence",
    params(GetRecord, ("sequence_id" = String, Path, description = "The sequence's id"),
        ("x-customer-id" = String, Header), ("x-provider-name" = String, Header)),
    responses((status = 200, description = "The sequence", body = RecordBody<Sequence>)))]
pub(crate) async fn get_sequence(
    ConnectionCaller { connection }: ConnectionCaller,
    State(state): State<AppState>,
    Path(id): Path<String>,
    Query(asked): Query<GetRecord>,
) -> ApiResult<JsonBody<RecordBody<Sequence>>> {
    records::get(&state, &connection, &id, &asked).await
}
