//! Webhook messages: what was sent, to which endpoints, and the result of each attempt.

use std::collections::HashMap;

use axum::Json as JsonBody;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use syncline_model::{Time, webhook::DeliveryState};
use syncline_store::{MessageFilter, WebhookAttempt, WebhookDelivery, WebhookMessage};
use utoipa::{IntoParams, ToSchema};

use crate::{
    cursor::{self, MAX_PAGE_SIZE, ResultList, cut, links, page_request, position},
    error::{ApiError, ApiResult},
    extract::{Caller, Path, Query},
};

/// The list that this module's cursors belong to.
const LIST: &str = "webhook_messages";
const PAGE_SIZE: i64 = 100;

#[derive(Serialize, ToSchema)]
#[schema(as = webhook_message)]
pub(crate) struct WebhookMessageBody {
    /// The `webhook-id` of every attempt and replay.
    id: String,
    event_type: String,
    /// The body that is sent.
    #[schema(value_type = Object)]
    payload: Value,
    #[serde(with = "syncline_model::time::millis")]
    #[schema(value_type = String, format = DateTime)]
    created_at: Time,
    deliveries: Vec<DeliveryBody>,
    /// Oldest first.
    attempts: Vec<AttemptBody>,
}

/// The state of a message at one endpoint.
#[derive(Serialize, ToSchema)]
#[schema(as = webhook_delivery)]
pub(crate) struct DeliveryBody {
    endpoint_id: String,
    status: DeliveryState,
    #[serde(with = "syncline_model::time::millis_or_null")]
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    next_attempt_at: Option<Time>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = webhook_attempt)]
pub(crate) struct AttemptBody {
    endpoint_id: String,
    #[serde(with = "syncline_model::time::millis")]
    #[schema(value_type = String, format = DateTime)]
    attempted_at: Time,
    /// Null: there was no answer.
    #[schema(required = true)]
    response_status: Option<i64>,
    /// The beginning of the answer's body.
    #[schema(required = true)]
    response_body: Option<String>,
    /// Null: it was delivered.
    #[schema(required = true)]
    error: Option<String>,
    duration_ms: i64,
    #[serde(with = "syncline_model::time::millis_or_null")]
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    next_attempt_at: Option<Time>,
}

impl From<WebhookDelivery> for DeliveryBody {
    fn from(delivery: WebhookDelivery) -> Self {
        let pending = delivery.state == DeliveryState::Pending;
        Self {
            endpoint_id: delivery.endpoint_id,
            next_attempt_at: pending.then_some(delivery.due_at.into()),
            status: delivery.state,
        }
    }
}

impl From<WebhookAttempt> for AttemptBody {
    fn from(attempt: WebhookAttempt) -> Self {
        Self {
            endpoint_id: attempt.endpoint_id,
            attempted_at: attempt.attempted_at.into(),
            response_status: attempt.response_status,
            response_body: attempt.response_body,
            error: attempt.error,
            duration_ms: attempt.duration_ms,
            next_attempt_at: attempt.next_attempt_at.map(Into::into),
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListWebhookMessages {
    cursor: Option<String>,
    /// 1 to 1000; default 100.
    page_size: Option<String>,
    event_type: Option<String>,
    /// Messages that have or had a delivery to this endpoint.
    endpoint_id: Option<String>,
    /// `pending`, `delivered` or `failed`: messages that have a delivery in this state.
    status: Option<String>,
}

/// Webhook messages, newest first.
#[utoipa::path(get, path = "/webhook_messages", tag = "Webhooks",
    operation_id = "getWebhookMessages", params(ListWebhookMessages),
    responses((status = 200, description = "Webhook messages",
        body = ResultList<WebhookMessageBody>)))]
pub(crate) async fn list_webhook_messages(
    caller: Caller,
    Query(query): Query<ListWebhookMessages>,
) -> ApiResult<JsonBody<ResultList<WebhookMessageBody>>> {
    let size = cursor::page_size(query.page_size.as_deref(), PAGE_SIZE, MAX_PAGE_SIZE)?;
    let position = position(query.cursor.as_deref(), LIST)?;
    let state = query.status.map(DeliveryState::try_from).transpose();
    let state = state.map_err(|unknown| ApiError::validation("status", unknown.to_string()))?;
    let filter = MessageFilter {
        event_type: query.event_type,
        endpoint_id: query.endpoint_id,
        state,
    };
    let request = page_request(position.as_ref(), size);
    let rows = caller
        .tenant
        .list_webhook_messages(&filter, &request)
        .await?;
    let page = cut(rows, size, position.as_ref());
    let total = page
        .total(caller.tenant.count_webhook_messages(&filter))
        .await?;
    let (next, previous) = links(&page, LIST, |message| message.id.as_str());
    Ok(JsonBody(ResultList {
        next,
        previous,
        results: bodies(&caller, page.rows).await?,
        total_count: total.count,
        total_count_is_exact: total.is_exact,
    }))
}

/// One webhook message.
#[utoipa::path(get, path = "/webhook_messages/{webhook_message_id}", tag = "Webhooks",
    operation_id = "getWebhookMessage",
    params(("webhook_message_id" = String, Path, description = "The message's id")),
    responses((status = 200, description = "The message", body = WebhookMessageBody)))]
pub(crate) async fn get_webhook_message(
    caller: Caller,
    Path(id): Path<String>,
) -> ApiResult<JsonBody<WebhookMessageBody>> {
    message_body(&caller, &id).await
}

/// Sends a message again, with the same id, to every enabled endpoint that receives its event type
/// or received the message before.
#[utoipa::path(post, path = "/webhook_messages/{webhook_message_id}/_replay", tag = "Webhooks",
    operation_id = "replayWebhookMessage",
    params(("webhook_message_id" = String, Path, description = "The message's id")),
    responses((status = 200, description = "The message", body = WebhookMessageBody)))]
pub(crate) async fn replay_webhook_message(
    caller: Caller,
    Path(id): Path<String>,
) -> ApiResult<JsonBody<WebhookMessageBody>> {
    let message = find(&caller, &id).await?;
    if caller.tenant.replay_webhook_message(&message).await? == 0 {
        return Err(ApiError::Conflict(format!(
            "no enabled webhook endpoint asks for {}",
            message.event_type
        )));
    }
    message_body(&caller, &id).await
}

/// A message, as the API shows it.
pub(crate) async fn message_body(
    caller: &Caller,
    id: &str,
) -> ApiResult<JsonBody<WebhookMessageBody>> {
    let message = find(caller, id).await?;
    let mut shown = bodies(caller, vec![message]).await?;
    shown.pop().map(JsonBody).ok_or_else(|| unknown(id))
}

async fn find(caller: &Caller, id: &str) -> ApiResult<WebhookMessage> {
    let message = caller.tenant.get_webhook_message(id).await?;
    message.ok_or_else(|| unknown(id))
}

async fn bodies(
    caller: &Caller,
    messages: Vec<WebhookMessage>,
) -> ApiResult<Vec<WebhookMessageBody>> {
    let ids: Vec<&str> = messages.iter().map(|message| message.id.as_str()).collect();
    let mut deliveries: HashMap<String, Vec<DeliveryBody>> = HashMap::new();
    for delivery in caller.tenant.webhook_deliveries(&ids).await? {
        let of_message = deliveries.entry(delivery.message_id.clone()).or_default();
        of_message.push(delivery.into());
    }
    let mut attempts: HashMap<String, Vec<AttemptBody>> = HashMap::new();
    for attempt in caller.tenant.webhook_attempts(&ids).await? {
        let of_message = attempts.entry(attempt.message_id.clone()).or_default();
        of_message.push(attempt.into());
    }
    Ok(messages
        .into_iter()
        .map(|message| WebhookMessageBody {
            deliveries: deliveries.remove(&message.id).unwrap_or_default(),
            attempts: attempts.remove(&message.id).unwrap_or_default(),
            id: message.id,
            event_type: message.event_type,
            payload: message.payload.0,
            created_at: message.created_at.into(),
        })
        .collect())
}

fn unknown(id: &str) -> ApiError {
    ApiError::NotFound(format!("Can't find webhook message with id {id}"))
}
