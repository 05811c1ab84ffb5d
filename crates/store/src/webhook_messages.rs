//! Webhook messages from the callers' side: their content, deliveries and attempts.

use serde_json::Value;
use sqlx::types::Json;
use sqlx_macros::FromRow;
use syncline_model::{Time, event::WEBHOOK_TEST, first_id_of, webhook::DeliveryState};

use crate::{
    PageRequest, StoreError, Tenant, Total, WebhookEndpoint,
    db::run,
    key_set::KeySet,
    outbox::wants,
    tenant::{Scoped, scoped},
    timestamp::{Timestamp, at},
    totals::{Counted, total_sql},
};

/// Messages per transaction of a replay.
const REPLAY_BATCH: i64 = 500;

#[derive(Debug, Clone, FromRow)]
pub struct WebhookMessage {
    pub id: String,
    pub event_type: String,
    pub payload: Json<Value>,
    pub created_at: Timestamp,
}

/// The delivery of a message to one endpoint.
#[derive(Debug, Clone)]
pub struct WebhookDelivery {
    pub message_id: String,
    pub endpoint_id: String,
    pub state: DeliveryState,
    /// For a pending one: when the next attempt is due.
    pub due_at: Timestamp,
}

#[derive(FromRow)]
struct DeliveryRow {
    message_id: String,
    endpoint_id: String,
    state: String,
    due_at: Timestamp,
}

impl TryFrom<DeliveryRow> for WebhookDelivery {
    type Error = StoreError;

    fn try_from(row: DeliveryRow) -> Result<Self, StoreError> {
        let state =
            DeliveryState::try_from(row.state).map_err(|unknown| StoreError::Inconsistent {
                table: "webhook_deliveries",
                column: "state",
                row: row.message_id.clone(),
                reason: unknown.to_string(),
            })?;
        Ok(Self {
            message_id: row.message_id,
            endpoint_id: row.endpoint_id,
            state,
            due_at: row.due_at,
        })
    }
}

#[derive(Debug, Clone, FromRow)]
pub struct WebhookAttempt {
    pub message_id: String,
    pub endpoint_id: String,
    pub attempted_at: Timestamp,
    pub duration_ms: i64,
    pub response_status: Option<i64>,
    pub response_body: Option<String>,
    pub error: Option<String>,
    pub next_attempt_at: Option<Timestamp>,
}

/// Filters a list of messages; `None` matches all.
#[derive(Debug, Clone, Default)]
pub struct MessageFilter {
    pub event_type: Option<String>,
    /// Messages with a delivery to this endpoint.
    pub endpoint_id: Option<String>,
    /// Messages with a delivery in this state.
    pub state: Option<DeliveryState>,
}

macro_rules! filter {
    () => {
        "application_id = $1
         AND (CAST($2 AS text) IS NULL OR event_type = $2)
         AND ((CAST($3 AS text) IS NULL AND CAST($4 AS text) IS NULL) OR EXISTS (
            SELECT 1 FROM webhook_deliveries d WHERE d.message_id = outbox.id
              AND (CAST($3 AS text) IS NULL OR d.endpoint_id = $3)
              AND (CAST($4 AS text) IS NULL OR d.state = $4))) "
    };
}

macro_rules! messages_sql {
    ($columns:literal, $rest:literal) => {
        scoped(concat!(
            "SELECT ",
            $columns,
            " FROM outbox WHERE ",
            filter!(),
            $rest
        ))
    };
}

impl Tenant {
    /// Newest first.
    pub async fn list_webhook_messages(
        &self,
        filter: &MessageFilter,
        page: &PageRequest,
    ) -> Result<Vec<WebhookMessage>, StoreError> {
        const FORWARD: Scoped = messages_sql!(
            "id, event_type, payload, created_at",
            "AND (CAST($5 AS text) IS NULL OR id < $5) ORDER BY id DESC LIMIT $6"
        );
        const BACKWARD: Scoped = messages_sql!(
            "id, event_type, payload, created_at",
            "AND (CAST($5 AS text) IS NULL OR id > $5) ORDER BY id LIMIT $6"
        );
        let sql = if page.reverse { BACKWARD } else { FORWARD };
        let mut reader = self.read().await?;
        Ok(run!(reader, query_as(sql), |q, c| q
            .bind(&filter.event_type)
            .bind(&filter.endpoint_id)
            .bind(filter.state.map(DeliveryState::as_str))
            .bind(&page.cursor)
            .bind(page.limit)
            .fetch_all(c)
            .await)?)
    }

    pub async fn count_webhook_messages(
        &self,
        filter: &MessageFilter,
    ) -> Result<Total, StoreError> {
        const SQL: Scoped = scoped(total_sql!(
            "outbox",
            "application_id, id, event_type",
            "application_id = $1",
            filter!()
        ));
        let mut reader = self.read().await?;
        let counted: Counted = run!(reader, query_as(SQL), |q, c| q
            .bind(&filter.event_type)
            .bind(&filter.endpoint_id)
            .bind(filter.state.map(DeliveryState::as_str))
            .fetch_one(c)
            .await)?;
        Ok(counted.into())
    }

    pub async fn get_webhook_message(
        &self,
        id: &str,
    ) -> Result<Option<WebhookMessage>, StoreError> {
        const SQL: Scoped = scoped(
            "SELECT id, event_type, payload, created_at FROM outbox
             WHERE application_id = $1 AND id = $2",
        );
        let mut reader = self.read().await?;
        Ok(run!(reader, query_as(SQL), |q, c| q
            .bind(id)
            .fetch_optional(c)
            .await)?)
    }

    /// The deliveries of these messages.
    pub async fn webhook_deliveries(
        &self,
        message_ids: &[&str],
    ) -> Result<Vec<WebhookDelivery>, StoreError> {
        const SQL: Scoped = scoped(
            "SELECT d.message_id, d.endpoint_id, d.state, d.due_at
             FROM outbox m JOIN webhook_deliveries d ON d.message_id = m.id
             WHERE m.application_id = $1 AND m.id IN (SELECT key FROM json_each($2))
             ORDER BY d.id",
        );
        let mut reader = self.read().await?;
        let rows: Vec<DeliveryRow> = run!(reader, query_as(SQL), |q, c| q
            .bind(KeySet::new(message_ids))
            .fetch_all(c)
            .await)?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    /// All attempts to deliver these messages, oldest first.
    pub async fn webhook_attempts(
        &self,
        message_ids: &[&str],
    ) -> Result<Vec<WebhookAttempt>, StoreError> {
        const SQL: Scoped = scoped(
            "SELECT a.message_id, a.endpoint_id, a.attempted_at, a.duration_ms, a.response_status,
                    a.response_body, a.error, a.next_attempt_at
             FROM outbox m JOIN webhook_attempts a ON a.message_id = m.id
             WHERE m.application_id = $1 AND m.id IN (SELECT key FROM json_each($2))
             ORDER BY a.id",
        );
        let mut reader = self.read().await?;
        Ok(run!(reader, query_as(SQL), |q, c| q
            .bind(KeySet::new(message_ids))
            .fetch_all(c)
            .await)?)
    }

    /// Sends a message again, under its id, to every enabled endpoint that is subscribed to its
    /// type or got it before; returns the number of endpoints.
    pub async fn replay_webhook_message(
        &self,
        message: &WebhookMessage,
    ) -> Result<usize, StoreError> {
        const ENDPOINTS: Scoped = scoped(
            "SELECT e.id, e.url, e.description, e.event_types, e.enabled, e.disabled_reason,
                    e.created_at
             FROM webhook_endpoints e WHERE e.application_id = $1 AND e.enabled ORDER BY e.id",
        );
        let had_before = self.webhook_deliveries(&[&message.id]).await?;
        let mut tx = self.begin().await?;
        let endpoints: Vec<WebhookEndpoint> =
            run!(tx, query_as(ENDPOINTS), |q, c| q.fetch_all(c).await)?;
        let mut told = 0;
        for endpoint in endpoints {
            let had = had_before
                .iter()
                .any(|delivery| delivery.endpoint_id == endpoint.id);
            let asks = message.event_type != WEBHOOK_TEST
                && wants(&endpoint.event_types, &message.event_type);
            if had || asks {
                self.store()
                    .owe(tx.unscoped(), &message.id, &endpoint.id)
                    .await?;
                told += 1;
            }
        }
        tx.commit().await?;
        Ok(told)
    }

    /// Sends an endpoint again all subscribed messages since then, or only those that were never
    /// delivered to it; returns the number of messages.
    pub async fn replay_to_webhook_endpoint(
        &self,
        endpoint: &WebhookEndpoint,
        since: Time,
        only_failed: bool,
    ) -> Result<usize, StoreError> {
        const SQL: Scoped = scoped(
            "SELECT id, event_type, payload, created_at FROM outbox
             WHERE application_id = $1 AND id > $2 AND created_at >= $3
               AND (NOT $4 OR EXISTS (
                SELECT 1 FROM webhook_deliveries d
                WHERE d.message_id = outbox.id AND d.endpoint_id = $5 AND d.state = 'failed'))
             ORDER BY id LIMIT $6",
        );
        let mut after = first_id_of(since);
        let mut told = 0;
        loop {
            let mut tx = self.begin().await?;
            let messages: Vec<WebhookMessage> = run!(tx, query_as(SQL), |q, c| q
                .bind(&after)
                .bind(at(since))
                .bind(only_failed)
                .bind(&endpoint.id)
                .bind(REPLAY_BATCH)
                .fetch_all(c)
                .await)?;
            let Some(last) = messages.last() else { break };
            after.clone_from(&last.id);
            for message in &messages {
                let asks = message.event_type != WEBHOOK_TEST
                    && wants(&endpoint.event_types, &message.event_type);
                if asks {
                    self.store()
                        .owe(tx.unscoped(), &message.id, &endpoint.id)
                        .await?;
                    told += 1;
                }
            }
            tx.commit().await?;
        }
        Ok(told)
    }
}
