//! Mailboxes.

use axum::{Json as JsonBody, extract::State};
use syncline_model::Mailbox;

use super::records::{self, GetRecord, ListAnswer, ListRecords, RecordBody, RecordList};
use crate::{
    AppState,
    error::ApiResult,
    extract::{ConnectionCaller, Path, Query},
};

/// The connection's mailboxes.
#[utoipa::path(get, path = "/mailboxes", tag = "Mailboxes", operation_id = "listMailboxes",
    params(ListRecords, ("x-customer-id" = String, Header), ("x-provider-name" = String, Header)),
    responses((status = 200, description = "Mailboxes", body = RecordList<Mailbox>)))]
pub(crate) async fn list_mailboxes(
    ConnectionCaller { connection, .. }: ConnectionCaller,
    State(state): State<AppState>,
    Query(asked): Query<ListRecords>,
) -> ApiResult<ListAnswer> {
    records::list::<Mailbox>(&state, &connection, asked).await
}

/// One mailbox.
#[utoipa::path(get, path = "/mailboxes/{mailbox_id}", tag = "Mailboxes", operation_id = "getMailbox",
    params(GetRecord, ("mailbox_id" = String, Path, description = "The mailbox's id"),
        ("x-customer-id" = String, Header), ("x-provider-name" = String, Header)),
    responses((status = 200, description = "The mailbox", body = RecordBody<Mailbox>)))]
pub(crate) async fn get_mailbox(
    ConnectionCaller { connection, .. }: ConnectionCaller,
    State(state): State<AppState>,
    Path(id): Path<String>,
    Query(asked): Query<GetRecord>,
) -> ApiResult<JsonBody<RecordBody<Mailbox>>> {
    records::get(&state, &connection, &id, &asked).await
}
