//! Contacts.

use axum::{Json as JsonBody, extract::State};
use syncline_model::Contact;

use super::records::{self, GetRecord, ListRecords, RecordBody, RecordList};
use crate::{
    AppState,
    error::ApiResult,
    extract::{ConnectionCaller, Path, Query},
};

/// The connection's contacts.
#[utoipa::path(get, path = "/contacts", tag = "Contacts", operation_id = "listContacts",
    params(ListRecords, ("x-customer-id" = String, Header), ("x-provider-name" = String, Header)),
    responses((status = 200, description = "Contacts", body = RecordList<Contact>)))]
pub(crate) async fn list_contacts(
    ConnectionCaller { connection }: ConnectionCaller,
    State(state): State<AppState>,
    Query(asked): Query<ListRecords>,
) -> ApiResult<JsonBody<RecordList<Contact>>> {
    records::list(&state, &connection, asked).await
}

/// One contact.
#[utoipa::path(get, path = "/contacts/{contact_id}", tag = "Contacts", operation_id = "getContact",
    params(GetRecord, ("contact_id" = String, Path, description = "The contact's id"),
        ("x-customer-id" = String, Header), ("x-provider-name" = String, Header)),
    responses((status = 200, description = "The contact", body = RecordBody<Contact>)))]
pub(crate) async fn get_contact(
    ConnectionCaller { connection }: ConnectionCaller,
    State(state): State<AppState>,
    Path(id): Path<String>,
    Query(asked): Query<GetRecord>,
) -> ApiResult<JsonBody<RecordBody<Contact>>> {
    records::get(&state, &connection, &id, &asked).await
}
