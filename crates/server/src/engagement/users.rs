//! Users.

use axum::{Json as JsonBody, extract::State};
use syncline_model::User;

use super::records::{self, GetRecord, ListAnswer, ListRecords, RecordBody, RecordList};
use crate::{
    AppState,
    error::ApiResult,
    extract::{ConnectionCaller, Path, Query},
};

/// The connection's users.
#[utoipa::path(get, path = "/users", tag = "Users", operation_id = "listUsers",
    params(ListRecords, ("x-customer-id" = String, Header), ("x-provider-name" = String, Header)),
    responses((status = 200, description = "Users", body = RecordList<User>)))]
pub(crate) async fn list_users(
    ConnectionCaller { connection, .. }: ConnectionCaller,
    State(state): State<AppState>,
    Query(asked): Query<ListRecords>,
) -> ApiResult<ListAnswer> {
    records::list::<User>(&state, &connection, asked).await
}

/// One user.
#[utoipa::path(get, path = "/users/{user_id}", tag = "Users", operation_id = "getUser",
    params(GetRecord, ("user_id" = String, Path, description = "The user's id"),
        ("x-customer-id" = String, Header), ("x-provider-name" = String, Header)),
    responses((status = 200, description = "The user", body = RecordBody<User>)))]
pub(crate) async fn get_user(
    ConnectionCaller { connection, .. }: ConnectionCaller,
    State(state): State<AppState>,
    Path(id): Path<String>,
    Query(asked): Query<GetRecord>,
) -> ApiResult<JsonBody<RecordBody<User>>> {
    records::get(&state, &connection, &id, &asked).await
}
