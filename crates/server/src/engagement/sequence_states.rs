//! Sequence states.

use axum::{Json as JsonBody, extract::State};
use syncline_model::SequenceState;

use super::records::{self, GetRecord, ListRecords, RecordBody, RecordList};
use crate::{
    AppState,
    error::ApiResult,
    extract::{ConnectionCaller, Path, Query},
};

/// The connection's sequence states.
#[utoipa::path(get, path = "/sequence_states", tag = "SequenceStates", operation_id = "listSequenceStates",
    params(ListRecords, ("x-customer-id" = String, Header), ("x-provider-name" = String, Header)),
    responses((status = 200, description = "Sequence states", body = RecordList<SequenceState>)))]
pub(crate) async fn list_sequence_states(
    ConnectionCaller { connection }: ConnectionCaller,
    State(state): State<AppState>,
    Query(asked): Query<ListRecords>,
) -> ApiResult<JsonBody<RecordList<SequenceState>>> {
    records::list(&state, &connection, asked).await
}

/// One sequence state.
#[utoipa::path(get, path = "/sequence_states/{sequence_state_id}", tag = "SequenceStates", operation_id = "getSequenceState",
    params(GetRecord, ("sequence_state_id" = String, Path, description = "The sequence state's id"),
        ("x-customer-id" = String, Header), ("x-provider-name" = String, Header)),
    responses((status = 200, description = "The sequence state", body = RecordBody<SequenceState>)))]
pub(crate) async fn get_sequence_state(
    ConnectionCaller { connection }: ConnectionCaller,
    State(state): State<AppState>,
    Path(id): Path<String>,
    Query(asked): Query<GetRecord>,
) -> ApiResult<JsonBody<RecordBody<SequenceState>>> {
    records::get(&state, &connection, &id, &asked).await
}
