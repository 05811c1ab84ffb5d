//! `/Users`: queries by position, and one user by id.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use syncline_model::{Object, User};
use syncline_store::{RecordQuery, Row, Search};
use utoipa::{IntoParams, ToSchema};

use super::{
    ScimBody, attributes::Attributes, directory::Directory, filter::Filter, parameters::Parameters,
    resource::Base, user::ScimUser,
};
use crate::{
    AppState,
    error::{ApiError, ApiResult},
    extract::Path,
};

pub(super) const LIST_RESPONSE: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";

const DEFAULT_COUNT: i64 = 100;
/// The service provider configuration tells it to clients.
const MAX_COUNT: i64 = 1000;

/// Parameters that are not known are ignored, as SCIM asks for.
#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct ListUsers {
    /// `userName eq "…"`, `id eq "…"`, `emails.value eq "…"`, `active eq true` or `active eq false`.
    filter: Option<String>,
    /// The position of the first user; 1 by default.
    start_index: Option<String>,
    /// At most so many users, up to 1000; 100 by default, and 0 for the total alone.
    count: Option<String>,
    /// Show only these attributes, separated by commas, and the id.
    attributes: Option<String>,
    /// Show all attributes but these.
    excluded_attributes: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct GetUser {
    /// Show only these attributes, separated by commas, and the id.
    attributes: Option<String>,
    /// Show all attributes but these.
    excluded_attributes: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ListResponse)]
pub(crate) struct UserList {
    schemas: [&'static str; 1],
    /// Of all users that the filter finds.
    total_results: i64,
    start_index: i64,
    items_per_page: usize,
    #[serde(rename = "Resources")]
    #[schema(value_type = Vec<ScimUser>)]
    resources: Vec<Value>,
}

/// The placeholder of the path.
#[derive(Deserialize)]
pub(crate) struct NamedUser {
    user_id: String,
}

/// The customer's users, deleted ones included, in the order of their ids.
#[utoipa::path(get, path = "/Users", tag = "Users", operation_id = "listScimUsers",
    params(ListUsers, ("x-customer-id" = Option<String>, Header), ("x-provider-name" = Option<String>, Header)),
    responses((status = 200, description = "Users", body = UserList, content_type = "application/scim+json")))]
pub(crate) async fn list_users(
    Directory { connection, base }: Directory,
    State(state): State<AppState>,
    Parameters(asked): Parameters<ListUsers>,
) -> ApiResult<ScimBody<UserList>> {
    let filter = asked.filter.as_deref().map(Filter::parse).transpose()?;
    let start_index = whole_number("startIndex", asked.start_index.as_deref(), 1)?.max(1);
    let count = whole_number("count", asked.count.as_deref(), DEFAULT_COUNT)?.clamp(0, MAX_COUNT);
    let attributes = Attributes::parse(
        asked.attributes.as_deref(),
        asked.excluded_attributes.as_deref(),
    )?;
    let query = RecordQuery {
        connection: &connection,
        modified: None,
        include_deleted: true,
        include_raw_data: false,
        search: filter.as_ref().map(|filter| Search::User(filter.search())),
        cursor: None,
        offset: start_index - 1,
        reverse: false,
        limit: count,
    };
    let total_results = state.store.count_records(Object::User, &query).await?;
    let resources = if count == 0 || start_index > total_results {
        Vec::new()
    } else {
        let rows = state.store.list_records(&query).await?.rows;
        let users = rows.into_iter().map(|row| shown(row, &base, &attributes));
        users.collect::<ApiResult<_>>()?
    };
    Ok(ScimBody(UserList {
        schemas: [LIST_RESPONSE],
        total_results,
        start_index,
        items_per_page: resources.len(),
        resources,
    }))
}

/// One user, also a deleted one.
#[utoipa::path(get, path = "/Users/{user_id}", tag = "Users", operation_id = "getScimUser",
    params(GetUser, ("user_id" = String, Path, description = "The user's id at the provider"),
        ("x-customer-id" = Option<String>, Header), ("x-provider-name" = Option<String>, Header)),
    responses((status = 200, description = "The user", body = ScimUser, content_type = "application/scim+json")))]
pub(crate) async fn get_user(
    Directory { connection, base }: Directory,
    State(state): State<AppState>,
    Path(NamedUser { user_id }): Path<NamedUser>,
    Parameters(asked): Parameters<GetUser>,
) -> ApiResult<ScimBody<Value>> {
    let attributes = Attributes::parse(
        asked.attributes.as_deref(),
        asked.excluded_attributes.as_deref(),
    )?;
    let found = state.store.get_record(&connection, &user_id, false).await?;
    let row = found.ok_or_else(|| ApiError::NotFound(format!("there is no user {user_id}")))?;
    Ok(ScimBody(shown(row, &base, &attributes)?))
}

fn whole_number(name: &str, given: Option<&str>, default: i64) -> ApiResult<i64> {
    given.map_or(Ok(default), |text| {
        text.parse()
            .map_err(|_| ApiError::validation(name, "must be a whole number"))
    })
}

fn shown(row: Row<User>, base: &Base, attributes: &Attributes) -> ApiResult<Value> {
    let user = serde_json::to_value(ScimUser::new(row, base));
    let user = user.map_err(|error| ApiError::Internal(error.to_string()))?;
    Ok(attributes.of(user))
}
