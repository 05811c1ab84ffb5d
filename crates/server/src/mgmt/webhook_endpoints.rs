//! Webhook endpoints: where an application receives its events.

use axum::{Json as JsonBody, extract::State, http::StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use syncline_model::{Time, webhook::EVENT_TYPES};
use syncline_store::{WebhookEndpoint, WebhookEndpointChange};
use syncline_webhooks::parse_target;
use utoipa::{IntoParams, ToSchema};

use super::webhook_messages::{WebhookMessageBody, message_body};
use crate::{
    AppState,
    cursor::{self, MAX_PAGE_SIZE, ResultList, cut, links, page_request, position},
    error::{ApiError, ApiResult},
    extract::{Caller, Json, Path, Query},
};

/// The list that this module's cursors belong to.
const LIST: &str = "webhook_endpoints";
const MAX_DESCRIPTION_CHARS: usize = 500;

#[derive(Serialize, ToSchema)]
#[schema(as = webhook_endpoint)]
pub(crate) struct WebhookEndpointBody {
    id: String,
    url: String,
    /// The event types that it receives; empty: all.
    event_types: Vec<String>,
    description: String,
    enabled: bool,
    /// Why Syncline disabled it: it answered 410, or all attempts failed for five days.
    #[schema(required = true)]
    disabled_reason: Option<String>,
    #[serde(with = "syncline_model::time::millis")]
    #[schema(value_type = String, format = DateTime)]
    created_at: Time,
}

/// An endpoint with its secret, which is returned only here.
#[derive(Serialize, ToSchema)]
#[schema(as = webhook_endpoint_with_secret)]
pub(crate) struct WebhookEndpointWithSecret {
    #[serde(flatten)]
    endpoint: WebhookEndpointBody,
    /// The secret that signs what is sent to this endpoint, as in Standard Webhooks: `whsec_` and
    /// base64.
    secret: String,
}

impl From<WebhookEndpoint> for WebhookEndpointBody {
    fn from(endpoint: WebhookEndpoint) -> Self {
        Self {
            id: endpoint.id,
            url: endpoint.url,
            event_types: endpoint.event_types.0,
            description: endpoint.description,
            enabled: endpoint.enabled,
            disabled_reason: endpoint.disabled_reason,
            created_at: endpoint.created_at.into(),
        }
    }
}

impl WebhookEndpointWithSecret {
    fn new(endpoint: WebhookEndpoint, secret: &SecretString) -> Self {
        Self {
            endpoint: endpoint.into(),
            secret: secret.expose_secret().to_owned(),
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListWebhookEndpoints {
    cursor: Option<String>,
    /// 1 to 1000; default 1000.
    page_size: Option<String>,
}

/// Webhook endpoints, oldest first.
#[utoipa::path(get, path = "/webhook_endpoints", tag = "Webhooks",
    operation_id = "getWebhookEndpoints", params(ListWebhookEndpoints),
    responses((status = 200, description = "Webhook endpoints",
        body = ResultList<WebhookEndpointBody>)))]
pub(crate) async fn list_webhook_endpoints(
    caller: Caller,
    Query(query): Query<ListWebhookEndpoints>,
) -> ApiResult<JsonBody<ResultList<WebhookEndpointBody>>> {
    let size = cursor::page_size(query.page_size.as_deref(), MAX_PAGE_SIZE, MAX_PAGE_SIZE)?;
    let position = position(query.cursor.as_deref(), LIST)?;
    let request = page_request(position.as_ref(), size);
    let rows = caller.tenant.list_webhook_endpoints(&request).await?;
    let page = cut(rows, size, position.as_ref());
    let total = page.total(caller.tenant.count_webhook_endpoints()).await?;
    let (next, previous) = links(&page, LIST, |endpoint| endpoint.id.as_str());
    Ok(JsonBody(ResultList {
        next,
        previous,
        results: page.rows.into_iter().map(Into::into).collect(),
        total_count: total.count,
        total_count_is_exact: total.is_exact,
    }))
}

#[derive(Deserialize, ToSchema)]
#[schema(as = create_webhook_endpoint)]
pub(crate) struct CreateWebhookEndpoint {
    /// An http or https URL on the public internet, without credentials.
    #[schema(max_length = 2048)]
    url: String,
    /// `sync.complete`, `sync.paused`, `connection.created`, `connection.deleted`,
    /// `webhook_endpoint.disabled`; empty: all.
    #[schema(nullable = false)]
    event_types: Option<Vec<String>>,
    #[schema(max_length = 500, nullable = false)]
    description: Option<String>,
    #[schema(nullable = false)]
    enabled: Option<bool>,
}

/// Creates a webhook endpoint. It receives events from now on.
#[utoipa::path(post, path = "/webhook_endpoints", tag = "Webhooks",
    operation_id = "createWebhookEndpoint", request_body = CreateWebhookEndpoint,
    responses((status = 201, description = "The endpoint with its secret",
        body = WebhookEndpointWithSecret)))]
pub(crate) async fn create_webhook_endpoint(
    caller: Caller,
    State(state): State<AppState>,
    Json(body): Json<CreateWebhookEndpoint>,
) -> ApiResult<(StatusCode, JsonBody<WebhookEndpointWithSecret>)> {
    let url = checked_url(&state, &body.url)?;
    let settings = WebhookEndpointChange {
        url: None,
        event_types: checked_event_types(body.event_types)?,
        description: checked_description(body.description)?,
        enabled: body.enabled,
    };
    let (endpoint, secret) = caller
        .tenant
        .create_webhook_endpoint(&url, &settings)
        .await?;
    let body = WebhookEndpointWithSecret::new(endpoint, &secret);
    Ok((StatusCode::CREATED, JsonBody(body)))
}

/// One webhook endpoint.
#[utoipa::path(get, path = "/webhook_endpoints/{webhook_endpoint_id}", tag = "Webhooks",
    operation_id = "getWebhookEndpoint",
    params(("webhook_endpoint_id" = String, Path, description = "The endpoint's id")),
    responses((status = 200, description = "The endpoint", body = WebhookEndpointBody)))]
pub(crate) async fn get_webhook_endpoint(
    caller: Caller,
    Path(id): Path<String>,
) -> ApiResult<JsonBody<WebhookEndpointBody>> {
    Ok(JsonBody(find(&caller, &id).await?.into()))
}

#[derive(Deserialize, ToSchema)]
#[schema(as = update_webhook_endpoint)]
pub(crate) struct UpdateWebhookEndpoint {
    /// An http or https URL on the public internet, without credentials.
    #[schema(max_length = 2048, nullable = false)]
    url: Option<String>,
    /// As when creating an endpoint.
    #[schema(nullable = false)]
    event_types: Option<Vec<String>>,
    #[schema(max_length = 500, nullable = false)]
    description: Option<String>,
    #[schema(nullable = false)]
    enabled: Option<bool>,
}

/// Changes the given fields. Enabling an endpoint sends the messages that waited for it.
#[utoipa::path(patch, path = "/webhook_endpoints/{webhook_endpoint_id}", tag = "Webhooks",
    operation_id = "updateWebhookEndpoint", request_body = UpdateWebhookEndpoint,
    params(("webhook_endpoint_id" = String, Path, description = "The endpoint's id")),
    responses((status = 200, description = "The endpoint", body = WebhookEndpointBody)))]
pub(crate) async fn update_webhook_endpoint(
    caller: Caller,
    State(state): State<AppState>,
    Path(id): Path<String>,
    Json(body): Json<UpdateWebhookEndpoint>,
) -> ApiResult<JsonBody<WebhookEndpointBody>> {
    let url = body.url.as_deref();
    let change = WebhookEndpointChange {
        url: url.map(|url| checked_url(&state, url)).transpose()?,
        event_types: checked_event_types(body.event_types)?,
        description: checked_description(body.description)?,
        enabled: body.enabled,
    };
    let updated = caller.tenant.update_webhook_endpoint(&id, &change).await?;
    let endpoint = updated.ok_or_else(|| unknown(&id))?;
    Ok(JsonBody(endpoint.into()))
}

/// Deletes a webhook endpoint; messages that wait for it are not sent any more.
#[utoipa::path(delete, path = "/webhook_endpoints/{webhook_endpoint_id}", tag = "Webhooks",
    operation_id = "deleteWebhookEndpoint",
    params(("webhook_endpoint_id" = String, Path, description = "The endpoint's id")),
    responses((status = 204, description = "The endpoint is gone")))]
pub(crate) async fn delete_webhook_endpoint(
    caller: Caller,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    if caller.tenant.delete_webhook_endpoint(&id).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(unknown(&id))
    }
}

/// Gives the endpoint a new secret. For 24 hours the old one stays valid: each webhook carries a
/// signature by each of them.
#[utoipa::path(post, path = "/webhook_endpoints/{webhook_endpoint_id}/_rotate_secret",
    tag = "Webhooks", operation_id = "rotateWebhookEndpointSecret",
    params(("webhook_endpoint_id" = String, Path, description = "The endpoint's id")),
    responses((status = 200, description = "The endpoint with its new secret",
        body = WebhookEndpointWithSecret)))]
pub(crate) async fn rotate_webhook_secret(
    caller: Caller,
    Path(id): Path<String>,
) -> ApiResult<JsonBody<WebhookEndpointWithSecret>> {
    let rotated = caller.tenant.rotate_webhook_secret(&id).await?;
    let (endpoint, secret) = rotated.ok_or_else(|| unknown(&id))?;
    Ok(JsonBody(WebhookEndpointWithSecret::new(endpoint, &secret)))
}

/// Sends a `webhook.test` event to this endpoint, whatever its event types.
#[utoipa::path(post, path = "/webhook_endpoints/{webhook_endpoint_id}/_test", tag = "Webhooks",
    operation_id = "testWebhookEndpoint",
    params(("webhook_endpoint_id" = String, Path, description = "The endpoint's id")),
    responses((status = 200, description = "The message; ask for it again to see its attempts",
        body = WebhookMessageBody)))]
pub(crate) async fn test_webhook_endpoint(
    caller: Caller,
    Path(id): Path<String>,
) -> ApiResult<JsonBody<WebhookMessageBody>> {
    let endpoint = find_enabled(&caller, &id).await?;
    let message_id = caller.tenant.test_webhook_endpoint(&endpoint).await?;
    message_body(&caller, &message_id).await
}

#[derive(Deserialize, ToSchema)]
#[schema(as = replay_to_webhook_endpoint)]
pub(crate) struct ReplayToEndpoint {
    /// Messages written at this time or later.
    #[schema(value_type = String, format = DateTime)]
    since: Time,
    /// Only those that were never delivered.
    #[serde(default)]
    only_failed: bool,
}

#[derive(Serialize, ToSchema)]
#[schema(as = webhook_replay)]
pub(crate) struct Replay {
    /// How many messages are sent again.
    messages: usize,
}

/// Sends the endpoint all messages of its event types again, from a time on, including those that
/// were written while it was disabled or didn't exist.
#[utoipa::path(post, path = "/webhook_endpoints/{webhook_endpoint_id}/_replay", tag = "Webhooks",
    operation_id = "replayToWebhookEndpoint", request_body = ReplayToEndpoint,
    params(("webhook_endpoint_id" = String, Path, description = "The endpoint's id")),
    responses((status = 200, description = "What is sent again", body = Replay)))]
pub(crate) async fn replay_to_webhook_endpoint(
    caller: Caller,
    Path(id): Path<String>,
    Json(body): Json<ReplayToEndpoint>,
) -> ApiResult<JsonBody<Replay>> {
    let endpoint = find_enabled(&caller, &id).await?;
    let messages = caller
        .tenant
        .replay_to_webhook_endpoint(&endpoint, body.since, body.only_failed)
        .await?;
    Ok(JsonBody(Replay { messages }))
}

fn checked_event_types(given: Option<Vec<String>>) -> ApiResult<Option<Vec<String>>> {
    let Some(mut event_types) = given else {
        return Ok(None);
    };
    let wrong = event_types
        .iter()
        .position(|event_type| !EVENT_TYPES.contains(&event_type.as_str()));
    if let Some(at) = wrong {
        return Err(ApiError::validation(
            format!("event_types[{at}]"),
            format!(
                "'{}' is none of {}",
                event_types[at],
                EVENT_TYPES.join(", ")
            ),
        ));
    }
    event_types.sort_unstable();
    event_types.dedup();
    Ok(Some(event_types))
}

fn checked_description(given: Option<String>) -> ApiResult<Option<String>> {
    match given {
        Some(description) if description.chars().count() > MAX_DESCRIPTION_CHARS => {
            Err(ApiError::validation(
                "description",
                format!("must not be longer than {MAX_DESCRIPTION_CHARS} characters"),
            ))
        }
        given => Ok(given),
    }
}

fn checked_url(state: &AppState, url: &str) -> ApiResult<String> {
    parse_target(url, state.allow_private_targets)
        .map(|url| url.to_string())
        .map_err(|error| ApiError::validation("url", error.to_string()))
}

async fn find(caller: &Caller, id: &str) -> ApiResult<WebhookEndpoint> {
    let endpoint = caller.tenant.get_webhook_endpoint(id).await?;
    endpoint.ok_or_else(|| unknown(id))
}

async fn find_enabled(caller: &Caller, id: &str) -> ApiResult<WebhookEndpoint> {
    let endpoint = find(caller, id).await?;
    if endpoint.enabled {
        return Ok(endpoint);
    }
    Err(ApiError::Conflict(format!(
        "webhook endpoint {id} is disabled: enable it first"
    )))
}

fn unknown(id: &str) -> ApiError {
    ApiError::NotFound(format!("Can't find webhook endpoint with id {id}"))
}
