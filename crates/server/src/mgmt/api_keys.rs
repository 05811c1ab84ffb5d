//! API keys: who may call, and what they may do. For admins only.

use axum::{Json as JsonBody, extract::State, http::StatusCode};
use serde::{Deserialize, Deserializer, Serialize};
use syncline_model::{ApiKey, GrantViolation, Grants, Policy, Role, Time};
use syncline_store::NewApiKey;
use utoipa::{IntoParams, ToSchema};

use crate::{
    AppState,
    actions::catalogue::check_grants,
    cursor::{self, MAX_PAGE_SIZE, ResultList, cut, links, page_request, position},
    error::{ApiError, ApiResult},
    extract::{Caller, Json, Path, Query},
    texts::check_name,
};

/// The list that this module's cursors belong to.
const LIST: &str = "api_keys";
const MAX_NAME_CHARS: usize = 255;

#[derive(Serialize, ToSchema)]
#[schema(as = api_key)]
pub(crate) struct ApiKeyBody {
    id: String,
    application_id: String,
    name: String,
    role: Role,
    /// Replaces the role's rules for passthrough, writes and credits. Null: the role's rules apply.
    #[schema(required = true)]
    policy: Option<Policy>,
    /// What an agent may do. Null for other roles.
    #[schema(required = true)]
    grants: Option<Grants>,
    #[serde(with = "syncline_model::time::millis")]
    #[schema(value_type = String, format = DateTime)]
    created_at: Time,
    /// With a precision of a minute.
    #[serde(with = "syncline_model::time::millis_or_null")]
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    last_used_at: Option<Time>,
    #[serde(with = "syncline_model::time::millis_or_null")]
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    expires_at: Option<Time>,
    #[serde(with = "syncline_model::time::millis_or_null")]
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    revoked_at: Option<Time>,
}

impl From<ApiKey> for ApiKeyBody {
    fn from(key: ApiKey) -> Self {
        Self {
            id: key.id,
            application_id: key.application_id,
            name: key.name,
            role: key.role,
            policy: key.policy,
            grants: key.grants,
            created_at: key.created_at,
            last_used_at: key.last_used_at,
            expires_at: key.expires_at,
            revoked_at: key.revoked_at,
        }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = created_api_key)]
pub(crate) struct CreatedApiKey {
    #[serde(flatten)]
    key: ApiKeyBody,
    /// The key itself. It can't be shown again.
    api_key: String,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListApiKeys {
    cursor: Option<String>,
    /// 1 to 1000; default 1000.
    page_size: Option<String>,
}

/// The application's API keys, newest first, including revoked and expired ones.
#[utoipa::path(get, path = "/api_keys", tag = "API Keys", operation_id = "getApiKeys",
    params(ListApiKeys),
    responses((status = 200, description = "API keys", body = ResultList<ApiKeyBody>)))]
pub(crate) async fn list_api_keys(
    caller: Caller,
    Query(query): Query<ListApiKeys>,
) -> ApiResult<JsonBody<ResultList<ApiKeyBody>>> {
    let size = cursor::page_size(query.page_size.as_deref(), MAX_PAGE_SIZE, MAX_PAGE_SIZE)?;
    let position = position(query.cursor.as_deref(), LIST)?;
    let page = page_request(position.as_ref(), size);
    let rows = caller.tenant.list_api_keys(&page).await?;
    let page = cut(rows, size, position.as_ref());
    let total = page.total(caller.tenant.count_api_keys()).await?;
    let (next, previous) = links(&page, LIST, |key| key.id.as_str());
    Ok(JsonBody(ResultList {
        next,
        previous,
        results: page.rows.into_iter().map(Into::into).collect(),
        total_count: total.count,
        total_count_is_exact: total.is_exact,
    }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = create_api_key)]
pub(crate) struct CreateApiKey {
    /// A name to recognize the key by; not empty.
    #[schema(min_length = 1, max_length = 255)]
    name: String,
    role: Role,
    /// Without a policy, the role decides.
    #[serde(default)]
    #[schema(nullable = true)]
    policy: Option<Policy>,
    /// What an agent may do. Required for the role `agent`, and for no other.
    #[serde(default)]
    #[schema(nullable = true)]
    grants: Option<Grants>,
    /// When the key becomes invalid. Without it the key doesn't expire.
    #[serde(default, deserialize_with = "time")]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Time>,
}

/// Creates an API key of this application. Only this answer contains the key itself.
///
/// A key can't create one that may do more than itself, or that is valid for longer: that is 403.
#[utoipa::path(post, path = "/api_keys", tag = "API Keys", operation_id = "createApiKey",
    request_body = CreateApiKey,
    responses((status = 201, description = "The API key", body = CreatedApiKey)))]
pub(crate) async fn create_api_key(
    caller: Caller,
    State(state): State<AppState>,
    Json(body): Json<CreateApiKey>,
) -> ApiResult<(StatusCode, JsonBody<CreatedApiKey>)> {
    check(&body, state.clock.now())?;
    check_agent(&state, &body)?;
    if let Err(beyond) =
        caller
            .key
            .check_can_grant(body.role, body.policy.as_ref(), body.expires_at)
    {
        return Err(caller.refuse(goes_beyond(beyond)));
    }
    let api_key = syncline_store::new_api_key(&state.ids);
    let new = NewApiKey {
        name: &body.name,
        key: &api_key,
        role: body.role,
        policy: body.policy.as_ref(),
        grants: body.grants.as_ref(),
        expires_at: body.expires_at,
    };
    let key = caller.tenant.create_api_key(&new).await?;
    let key = key.ok_or_else(|| ApiError::Internal("a new key is in use already".to_owned()))?;
    let created = CreatedApiKey {
        key: key.into(),
        api_key,
    };
    Ok((StatusCode::CREATED, JsonBody(created)))
}

/// One API key.
#[utoipa::path(get, path = "/api_keys/{api_key_id}", tag = "API Keys", operation_id = "getApiKey",
    params(("api_key_id" = String, Path, description = "The API key's id")),
    responses((status = 200, description = "The API key", body = ApiKeyBody)))]
pub(crate) async fn get_api_key(
    caller: Caller,
    Path(id): Path<String>,
) -> ApiResult<JsonBody<ApiKeyBody>> {
    let key = caller.tenant.get_api_key(&id).await?;
    let key = key.ok_or_else(|| unknown(&id))?;
    Ok(JsonBody(key.into()))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = update_api_key)]
pub(crate) struct UpdateApiKey {
    grants: Grants,
}

/// Replaces what an agent may do, at once. Keys of other roles can't be changed.
#[utoipa::path(patch, path = "/api_keys/{api_key_id}", tag = "API Keys",
    operation_id = "updateApiKey",
    params(("api_key_id" = String, Path, description = "The API key's id")),
    request_body = UpdateApiKey,
    responses((status = 200, description = "The API key", body = ApiKeyBody)))]
pub(crate) async fn update_api_key(
    caller: Caller,
    State(state): State<AppState>,
    Path(id): Path<String>,
    Json(body): Json<UpdateApiKey>,
) -> ApiResult<JsonBody<ApiKeyBody>> {
    let key = caller.tenant.get_api_key(&id).await?;
    let key = key.ok_or_else(|| unknown(&id))?;
    if key.role != Role::Agent {
        return Err(ApiError::Conflict(
            "only an agent has grants: revoke this API key, and create another".to_owned(),
        ));
    }
    check_named(&state, &body.grants)?;
    if let Err(beyond) = caller
        .key
        .check_can_grant(Role::Agent, None, key.expires_at)
    {
        return Err(caller.refuse(goes_beyond(beyond)));
    }
    caller.tenant.set_grants(&id, &body.grants).await?;
    Ok(JsonBody(ApiKeyBody::from(ApiKey {
        grants: Some(body.grants),
        ..key
    })))
}

/// Revokes an API key at once. It stays in the list, with `revoked_at`.
#[utoipa::path(delete, path = "/api_keys/{api_key_id}", tag = "API Keys",
    operation_id = "deleteApiKey",
    params(("api_key_id" = String, Path, description = "The API key's id")),
    responses((status = 204, description = "The API key is unknown from now on")))]
pub(crate) async fn revoke_api_key(
    caller: Caller,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    if caller.tenant.revoke_api_key(&id).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(unknown(&id))
    }
}

fn unknown(id: &str) -> ApiError {
    ApiError::NotFound(format!("Can't find API key with id {id}"))
}

fn check(body: &CreateApiKey, now: Time) -> ApiResult<()> {
    if body.name.trim().is_empty() {
        let reason = format!("must have 1 to {MAX_NAME_CHARS} characters");
        return Err(ApiError::validation("name", reason));
    }
    check_name("name", &body.name, MAX_NAME_CHARS)?;
    if let Some(policy) = &body.policy {
        policy.check().map_err(|wrong| {
            ApiError::validation(format!("policy.{}", wrong.field), wrong.reason)
        })?;
    }
    if body.expires_at.is_some_and(|end| end <= now) {
        return Err(ApiError::validation("expires_at", "must be in the future"));
    }
    Ok(())
}

/// An agent has grants in the place of a policy, and only an agent has some.
fn check_agent(state: &AppState, body: &CreateApiKey) -> ApiResult<()> {
    match (body.role, &body.grants, &body.policy) {
        (Role::Agent, None, _) => Err(ApiError::validation(
            "grants",
            "an agent needs grants; {} allows nothing",
        )),
        (Role::Agent, _, Some(_)) => Err(ApiError::validation(
            "policy",
            "an agent has grants, and no policy",
        )),
        (Role::Agent, Some(grants), None) => check_named(state, grants),
        (_, Some(_), _) => Err(ApiError::validation("grants", "are for the role agent")),
        (_, None, _) => Ok(()),
    }
}

fn check_named(state: &AppState, grants: &Grants) -> ApiResult<()> {
    let checked = check_grants(&state.providers, grants);
    checked.map_err(|wrong| ApiError::validation(format!("grants.{}", wrong.field), wrong.reason))
}

fn goes_beyond(beyond: GrantViolation) -> String {
    let what = match beyond {
        GrantViolation::Role => "has a role that this key doesn't have".to_owned(),
        GrantViolation::Policy => {
            "may do what this one may not: give it a policy whose rules lie within \
                           this one's"
                .to_owned()
        }
        GrantViolation::Expiry(end) => format!(
            "is valid for longer than this one: give it an expires_at of {} or earlier",
            syncline_model::time::format(end)
        ),
    };
    format!("this API key can't make one that {what}")
}

/// RFC 3339, truncated to the milliseconds that are stored.
fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Time>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| parse(&text).map_err(serde::de::Error::custom))
        .transpose()
}

fn parse(text: &str) -> Result<Time, String> {
    let time = chrono::DateTime::parse_from_rfc3339(text);
    let millis = time.ok().map(|time| time.timestamp_millis());
    millis
        .and_then(Time::from_timestamp_millis)
        .ok_or_else(|| format!("'{text}' is not an RFC 3339 time such as 2030-01-31T12:00:00Z"))
}
