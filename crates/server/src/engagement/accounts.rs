//! Accounts.

use axum::{Json as JsonBody, extract::State};
use syncline_model::Account;

use super::records::{self, GetRecord, ListRecords, RecordBody, RecordList};
use crate::{
    AppState,
    error::ApiResult,
    extract::{ConnectionCaller, Path, Query},
};

/// The connection's accounts.
#[utoipa::path(get, path = "/accounts", tag = "Accounts", operation_id = "listAccounts",
    params(ListRecords, ("x-customer-id" = String, Header), ("x-provider-name" = String, Header)),
    responses((status = 200, description = "Accounts", body = RecordList<Account>)))]
pub(crate) async fn list_accounts(
    ConnectionCaller { connection }: ConnectionCaller,
    State(state): State<AppState>,
    Query(asked): Query<ListRecords>,
) -> ApiResult<JsonBody<RecordList<Account>>> {
    records::list(&state, &connection, asked).await
}

/// One account.
#[utoipa::path(get, path = "/accounts/{account_id}", tag = "Accounts", operation_id = "getAccount",
    params(GetRecord, ("account_id" = String, Path, description = "The account's id"),
        ("x-customer-id" = String, Header), ("x-provider-name" = String, Header)),
    responses((status = 200, description = "The account", body = RecordBody<Account>)))]
pub(crate) async fn get_account(
    ConnectionCaller { connection }: ConnectionCaller,
    State(state): State<AppState>,
    Path(id): Path<String>,
    Query(asked): Query<GetRecord>,
) -> ApiResult<JsonBody<RecordBody<Account>>> {
    records::get(&state, &connection, &id, &asked).await
}
