//! Accounts: lists, gets, searches and writes.

use axum::{Json as JsonBody, extract::State, http::StatusCode};
use serde::Deserialize;
use syncline_model::{Account, draft::AccountDraft};
use syncline_store::Search;
use utoipa::ToSchema;

use super::{
    cached,
    find_accounts::{Wanted, find},
    records::{
        self, GetRecord, ListAnswer, ListRecords, Pagination, RecordBody, RecordList, SearchRecords,
    },
    upsert,
    writes::{Created, Given, Updated},
};
use crate::{
    AppState, cursor,
    error::ApiResult,
    extract::{ConnectionCaller, Json, Path, Query},
    remote::Remote,
};

/// The connection's accounts.
#[utoipa::path(get, path = "/accounts", tag = "Accounts", operation_id = "listAccounts",
    params(ListRecords, ("x-customer-id" = String, Header), ("x-provider-name" = String, Header)),
    responses((status = 200, description = "Accounts", body = RecordList<Account>)))]
pub(crate) async fn list_accounts(
    ConnectionCaller { connection, .. }: ConnectionCaller,
    State(state): State<AppState>,
    Query(asked): Query<ListRecords>,
) -> ApiResult<ListAnswer> {
    records::list::<Account>(&state, &connection, asked).await
}

/// One account.
#[utoipa::path(get, path = "/accounts/{account_id}", tag = "Accounts", operation_id = "getAccount",
    params(GetRecord, ("account_id" = String, Path, description = "The account's id"),
        ("x-customer-id" = String, Header), ("x-provider-name" = String, Header)),
    responses((status = 200, description = "The account", body = RecordBody<Account>)))]
pub(crate) async fn get_account(
    ConnectionCaller { connection, .. }: ConnectionCaller,
    State(state): State<AppState>,
    Path(id): Path<String>,
    Query(asked): Query<GetRecord>,
) -> ApiResult<JsonBody<RecordBody<Account>>> {
    records::get(&state, &connection, &id, &asked).await
}

#[derive(Deserialize, ToSchema)]
#[schema(as = search_accounts)]
pub(crate) struct SearchAccounts {
    filter: AccountFilter,
}

/// At least one of them is required; an account must match all that are given.
#[derive(Deserialize, ToSchema)]
#[schema(as = account_filter)]
pub(super) struct AccountFilter {
    /// The whole name, case-insensitive.
    name: Option<String>,
    /// Such as `example.com`, case-insensitive.
    domain: Option<String>,
}

/// Accounts with a name, a domain, or both.
#[utoipa::path(post, path = "/accounts/_search", tag = "Accounts", operation_id = "searchAccounts",
    params(SearchRecords, ("x-customer-id" = String, Header), ("x-provider-name" = String, Header)),
    request_body = SearchAccounts,
    responses((status = 200, description = "Accounts", body = RecordList<Account>)))]
pub(crate) async fn search_accounts(
    ConnectionCaller { connection, .. }: ConnectionCaller,
    State(state): State<AppState>,
    Query(asked): Query<SearchRecords>,
    Json(body): Json<SearchAccounts>,
) -> ApiResult<ListAnswer> {
    let AccountFilter { name, domain } = body.filter;
    let wanted = Wanted::new("filter", name, domain)?;
    if asked.read_from_cache {
        let search = Search::Account {
            name: wanted.name.as_deref(),
            domain: wanted.domain.as_deref(),
        };
        return cached::search::<Account>(&state, &connection, &asked, search).await;
    }
    // The provider returns few hits, so all of them are shown.
    let size = asked.page_size.as_deref();
    cursor::page_size(size, cached::SEARCH_PAGE_SIZE, cached::SEARCH_PAGE_SIZE)?;
    if asked.cursor.is_some() {
        return Err(cursor::foreign());
    }
    let remote = Remote::of(&state, &connection).await?;
    let found = find(&state, &remote, &wanted, &[]).await?;
    let now = state.clock.now();
    let records: Vec<_> = found
        .into_iter()
        .map(|account| RecordBody::live(account, now, asked.include_raw_data))
        .collect();
    ListAnswer::of(&RecordList {
        pagination: Pagination {
            next: None,
            previous: None,
            total_count: i64::try_from(records.len()).ok(),
        },
        records,
    })
}

/// Creates an account. Apollo needs a name or a domain.
#[utoipa::path(post, path = "/accounts", tag = "Accounts", operation_id = "createAccount",
    params(("x-customer-id" = String, Header), ("x-provider-name" = String, Header)),
    request_body = Given<AccountDraft>,
    responses((status = 201, description = "The account's id", body = Created)))]
pub(crate) async fn create_account(
    ConnectionCaller { connection, .. }: ConnectionCaller,
    State(state): State<AppState>,
    Json(body): Json<Given<AccountDraft>>,
) -> ApiResult<(StatusCode, JsonBody<Created>)> {
    let remote = Remote::of(&state, &connection).await?;
    let wrote = remote
        .capabilities()
        .record_writes()?
        .create_account(&remote.session(), &body.record)
        .await?;
    let created = Created::of(&state, &remote, wrote).await;
    Ok((StatusCode::CREATED, JsonBody(created)))
}

/// Changes the given fields of an account.
#[utoipa::path(patch, path = "/accounts/{account_id}", tag = "Accounts",
    operation_id = "updateAccount", request_body = Given<AccountDraft>,
    params(("account_id" = String, Path, description = "The account's id"),
        ("x-customer-id" = String, Header), ("x-provider-name" = String, Header)),
    responses((status = 200, description = "The account was changed", body = Updated)))]
pub(crate) async fn update_account(
    ConnectionCaller { connection, .. }: ConnectionCaller,
    State(state): State<AppState>,
    Path(id): Path<String>,
    Json(body): Json<Given<AccountDraft>>,
) -> ApiResult<JsonBody<Updated>> {
    let remote = Remote::of(&state, &connection).await?;
    let wrote = remote
        .capabilities()
        .record_writes()?
        .update_account(&remote.session(), &id, &body.record)
        .await?;
    Ok(JsonBody(Updated::of(&state, &remote, wrote).await))
}

#[derive(Deserialize, ToSchema)]
#[schema(as = upsert_account)]
pub(crate) struct UpsertAccount {
    record: AccountDraft,
    /// What the account is searched by.
    upsert_on: AccountFilter,
}

/// Updates the account with this name, domain or both, or creates it. Concurrent calls for the same
/// account run one after the other, so that it is created once.
#[utoipa::path(post, path = "/accounts/_upsert", tag = "Accounts", operation_id = "upsertAccount",
    params(("x-customer-id" = String, Header), ("x-provider-name" = String, Header)),
    request_body = UpsertAccount,
    responses((status = 201, description = "The account's id", body = Created)))]
pub(crate) async fn upsert_account(
    ConnectionCaller { connection, .. }: ConnectionCaller,
    State(state): State<AppState>,
    Json(body): Json<UpsertAccount>,
) -> ApiResult<(StatusCode, JsonBody<Created>)> {
    let AccountFilter { name, domain } = body.upsert_on;
    let wanted = Wanted::new("upsert_on", name, domain)?;
    let remote = Remote::of(&state, &connection).await?;
    let created = upsert::account(&state, &remote, &wanted, body.record).await?;
    Ok((StatusCode::CREATED, JsonBody(created)))
}
