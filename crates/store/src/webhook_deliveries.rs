//! Webhook deliveries, from the workers' side.
//!
//! Workers lease an endpoint, not a delivery. The holder sends its due deliveries one by one, in
//! the order of the events, so a slow endpoint occupies one worker and delays no other. A failed
//! delivery waits for its next attempt, and later ones are sent before it.
//!
//! Pending deliveries are found by partial indexes that contain nothing else: untried ones in the
//! order of their events, and failed ones by their due time. So neither a backlog nor delivered
//! messages slow it down. Times written by a clock that was ahead are ignored: a lease that ends
//! too far in the future doesn't hold, and a delivery that was tried in the future is due.

use chrono::TimeDelta;
use secrecy::SecretString;
use serde_json::Value;
use sqlx::types::Json;
use sqlx_macros::FromRow;
use syncline_model::{
    CLOCKS_DIFFER_BY, Time,
    event::{WEBHOOK_ENDPOINT_DISABLED, WebhookEndpointDisabled},
    webhook::{Attempt, DeliveryState, Next, reason_to_disable},
};

use crate::{
    Store, StoreError,
    db::{Db, Tx, run},
    key_set::KeySet,
    timestamp::{Timestamp, at},
};

/// An endpoint that this process has leased.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct LeasedEndpoint {
    pub id: String,
    fence: i64,
}

/// An unleased endpoint with due deliveries.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct DueEndpoint {
    pub id: String,
    pub application_id: String,
    /// Its last attempt failed.
    pub failing: bool,
}

/// The next delivery to an endpoint. Not `Debug`, because it contains secrets.
pub struct DueDelivery {
    pub message_id: String,
    pub event_type: String,
    pub payload: Value,
    pub url: String,
    /// The secrets that sign, newest first.
    pub secrets: Vec<SecretString>,
    pub attempts_made: usize,
    id: String,
    schedule: i64,
}

#[derive(FromRow)]
struct DueRow {
    id: String,
    schedule: i64,
    attempts_made: i64,
    message_id: String,
    event_type: String,
    payload: Json<Value>,
    url: String,
}

#[derive(FromRow)]
struct HeldRow {
    application_id: String,
    description: String,
    failing_since: Option<Timestamp>,
}

impl Store {
    /// Up to `limit` endpoints with due deliveries that are not leased. Applications take turns,
    /// starting with those that hold the fewest leases; within an application, first endpoints
    /// whose last attempt succeeded, then those that have waited longest for a turn. `lease` is the
    /// longest duration of a lease.
    pub async fn due_endpoints(
        &self,
        lease: TimeDelta,
        limit: i64,
    ) -> Result<Vec<DueEndpoint>, StoreError> {
        // Skips from endpoint to endpoint, so the cost depends on the number of endpoints with
        // pending deliveries.
        const SQL: &str = "
            WITH RECURSIVE untried (id) AS (
                SELECT min(endpoint_id) FROM webhook_deliveries
                WHERE state = 'pending' AND attempts_made = 0
                UNION ALL
                SELECT (SELECT min(d.endpoint_id) FROM webhook_deliveries d
                        WHERE d.state = 'pending' AND d.attempts_made = 0
                          AND d.endpoint_id > untried.id)
                FROM untried WHERE untried.id IS NOT NULL
            ), retried (id) AS (
                SELECT min(endpoint_id) FROM webhook_deliveries
                WHERE state = 'pending' AND attempts_made > 0
                UNION ALL
                SELECT (SELECT min(d.endpoint_id) FROM webhook_deliveries d
                        WHERE d.state = 'pending' AND d.attempts_made > 0
                          AND d.endpoint_id > retried.id)
                FROM retried WHERE retried.id IS NOT NULL
            ), owed (id) AS (
                SELECT id FROM untried
                UNION
                SELECT id FROM retried r WHERE EXISTS (
                    SELECT 1 FROM webhook_deliveries d
                    WHERE d.endpoint_id = r.id AND d.state = 'pending' AND d.attempts_made > 0
                      AND d.due_at <= $1)
                  OR EXISTS (
                    SELECT 1 FROM webhook_deliveries d
                    WHERE d.endpoint_id = r.id AND d.state = 'pending' AND d.attempts_made > 0
                      AND d.tried_at > $2)
            ), waiting AS (
                SELECT e.id, e.application_id, e.leased_until,
                       e.failing_since IS NOT NULL AS failing,
                       e.lease_owner IS NOT NULL AND e.leased_until > $1
                           AND e.leased_until <= $3 AS held
                FROM owed CROSS JOIN webhook_endpoints e WHERE e.id = owed.id AND e.enabled
            )
            SELECT id, application_id, failing
            FROM (
                SELECT id, application_id, failing, held, leased_until,
                       row_number() OVER (
                           PARTITION BY application_id
                           ORDER BY held DESC, failing, leased_until, id) AS turn
                FROM waiting) in_turn
            WHERE NOT held ORDER BY turn, failing, leased_until, id LIMIT $4";
        let now = self.now();
        let mut reader = self.db.read().await?;
        Ok(run!(reader, |c| sqlx::query_as(SQL)
            .bind(at(now))
            .bind(at(now + CLOCKS_DIFFER_BY))
            .bind(at(now + lease + CLOCKS_DIFFER_BY))
            .bind(limit)
            .fetch_all(c)
            .await)?)
    }

    /// Leases these endpoints, except for those that are leased by others meanwhile, disabled or
    /// deleted.
    pub async fn lease_endpoints(
        &self,
        ids: &[&str],
        owner: &str,
        lease: TimeDelta,
    ) -> Result<Vec<LeasedEndpoint>, StoreError> {
        macro_rules! sql {
            ($lock:literal) => {
                concat!(
                    "UPDATE webhook_endpoints
                     SET leased_until = $4, lease_owner = $5, fence = fence + 1
                     WHERE id IN (
                        SELECT e.id FROM webhook_endpoints e
                        WHERE e.id IN (SELECT key FROM json_each($1)) AND e.enabled
                          AND (e.lease_owner IS NULL OR e.leased_until <= $2 OR e.leased_until > $3) ",
                    $lock,
                    ") RETURNING id, fence"
                )
            };
        }
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        // SQLite has one writer, so it needs no lock.
        let sql = match &self.db {
            Db::Pg(_) => sql!("FOR UPDATE OF e SKIP LOCKED"),
            Db::Lite { .. } => sql!(""),
        };
        let now = self.now();
        let mut tx = self.db.begin().await?;
        let leased = run!(tx, |c| sqlx::query_as(sql)
            .bind(KeySet::new(ids))
            .bind(at(now))
            .bind(at(now + lease + CLOCKS_DIFFER_BY))
            .bind(at(now + lease))
            .bind(owner)
            .fetch_all(c)
            .await)?;
        tx.commit().await?;
        Ok(leased)
    }

    /// The oldest due event of an endpoint, among the untried ones and the failed one that is due
    /// first. `None` if nothing is due, or if the endpoint is disabled, deleted, or leased by
    /// another worker by now.
    pub async fn next_delivery(
        &self,
        endpoint: &LeasedEndpoint,
    ) -> Result<Option<DueDelivery>, StoreError> {
        const SQL: &str = "
            SELECT d.id, d.schedule, d.attempts_made, d.message_id, m.event_type, m.payload, e.url
            FROM webhook_endpoints e
            JOIN (
                SELECT * FROM (
                    SELECT endpoint_id, message_id, id, schedule, attempts_made
                    FROM webhook_deliveries
                    WHERE endpoint_id = $1 AND state = 'pending' AND attempts_made = 0
                    ORDER BY message_id LIMIT 1) untried
                UNION ALL
                SELECT * FROM (
                    SELECT endpoint_id, message_id, id, schedule, attempts_made
                    FROM webhook_deliveries
                    WHERE endpoint_id = $1 AND state = 'pending' AND attempts_made > 0
                      AND due_at <= $3
                    ORDER BY due_at, message_id LIMIT 1) retried
                UNION ALL
                SELECT * FROM (
                    SELECT endpoint_id, message_id, id, schedule, attempts_made
                    FROM webhook_deliveries
                    WHERE endpoint_id = $1 AND state = 'pending' AND attempts_made > 0
                      AND tried_at > $4
                    ORDER BY tried_at LIMIT 1) tried_in_the_future
            ) d ON d.endpoint_id = e.id
            JOIN outbox m ON m.id = d.message_id
            WHERE e.id = $1 AND e.fence = $2 AND e.enabled
            ORDER BY d.message_id LIMIT 1";
        let now = self.now();
        let mut reader = self.db.read().await?;
        let row: Option<DueRow> = run!(reader, |c| sqlx::query_as(SQL)
            .bind(&endpoint.id)
            .bind(endpoint.fence)
            .bind(at(now))
            .bind(at(now + CLOCKS_DIFFER_BY))
            .fetch_optional(c)
            .await)?;
        drop(reader);
        let Some(row) = row else { return Ok(None) };
        let secrets = self.signing_secrets(&endpoint.id).await?;
        Ok(Some(DueDelivery {
            message_id: row.message_id,
            event_type: row.event_type,
            payload: row.payload.0,
            url: row.url,
            secrets,
            attempts_made: usize::try_from(row.attempts_made).unwrap_or(usize::MAX),
            id: row.id,
            schedule: row.schedule,
        }))
    }

    /// Stores the result of an attempt and what follows, and extends the lease to `leased_until`.
    /// `false`: another worker has the lease by now, and nothing was written.
    pub async fn record_attempt(
        &self,
        endpoint: &LeasedEndpoint,
        delivery: &DueDelivery,
        attempt: &Attempt,
        leased_until: Time,
    ) -> Result<bool, StoreError> {
        const HOLD: &str = "
            UPDATE webhook_endpoints
            SET leased_until = $3,
                failing_since = CASE WHEN $4 THEN NULL
                                     WHEN failing_since <= $5 THEN failing_since ELSE $5 END
            WHERE id = $1 AND fence = $2
            RETURNING application_id, description, failing_since";
        const DELIVERY: &str = "
            UPDATE webhook_deliveries
            SET state = $3, due_at = COALESCE($4, due_at), attempts_made = attempts_made + 1,
                tried_at = $5
            WHERE id = $1 AND schedule = $2";
        let next = attempt.next(delivery.attempts_made);
        let (state, due_at) = match next {
            Next::Delivered => (DeliveryState::Delivered, None),
            Next::At(time) => (DeliveryState::Pending, Some(time)),
            Next::GivenUp => (DeliveryState::Failed, None),
        };
        let mut tx = self.db.begin().await?;
        let held: Option<HeldRow> = run!(tx, |c| sqlx::query_as(HOLD)
            .bind(&endpoint.id)
            .bind(endpoint.fence)
            .bind(at(leased_until))
            .bind(attempt.succeeded())
            .bind(at(attempt.attempted_at))
            .fetch_optional(c)
            .await)?;
        let Some(held) = held else { return Ok(false) };
        run!(tx, |c| sqlx::query(DELIVERY)
            .bind(&delivery.id)
            .bind(delivery.schedule)
            .bind(state.as_str())
            .bind(at(due_at))
            .bind(at(attempt.attempted_at))
            .execute(c)
            .await
            .map(drop))?;
        self.insert_attempt(&mut tx, endpoint, delivery, attempt, due_at)
            .await?;
        let reason = held
            .failing_since
            .and_then(|since| reason_to_disable(attempt, since.into()));
        if let Some(reason) = reason {
            self.disable_endpoint(&mut tx, endpoint, &held, &reason)
                .await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    /// Releases the endpoint. The end of the lease is kept as the time of its last turn.
    pub async fn release_endpoint(&self, endpoint: &LeasedEndpoint) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE webhook_endpoints SET leased_until = $3, lease_owner = NULL
            WHERE id = $1 AND fence = $2";
        let now = self.now();
        let mut tx = self.db.begin().await?;
        run!(tx, |c| sqlx::query(SQL)
            .bind(&endpoint.id)
            .bind(endpoint.fence)
            .bind(at(now))
            .execute(c)
            .await
            .map(drop))?;
        Ok(tx.commit().await?)
    }

    /// Releases endpoints that processes with this name prefix left leased.
    pub async fn free_endpoints_of(&self, owner_prefix: &str) -> Result<u64, StoreError> {
        const SQL: &str = "
            UPDATE webhook_endpoints SET leased_until = $1, lease_owner = NULL
            WHERE leased_until > $1 AND substr(lease_owner, 1, length($2)) = $2";
        let now = self.now();
        let mut tx = self.db.begin().await?;
        let freed = run!(tx, |c| sqlx::query(SQL)
            .bind(at(now))
            .bind(owner_prefix)
            .execute(c)
            .await?
            .rows_affected());
        tx.commit().await?;
        Ok(freed)
    }

    async fn insert_attempt(
        &self,
        tx: &mut Tx,
        endpoint: &LeasedEndpoint,
        delivery: &DueDelivery,
        attempt: &Attempt,
        next_attempt_at: Option<Time>,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            INSERT INTO webhook_attempts
                (id, message_id, endpoint_id, attempted_at, duration_ms, response_status,
                 response_body, error, next_attempt_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
        let id = self.new_id();
        let duration_ms = i64::try_from(attempt.duration.as_millis()).unwrap_or(i64::MAX);
        run!(tx, |c| sqlx::query(SQL)
            .bind(&id)
            .bind(&delivery.message_id)
            .bind(&endpoint.id)
            .bind(at(attempt.attempted_at))
            .bind(duration_ms)
            .bind(attempt.response_status.map(i64::from))
            .bind(&attempt.response_body)
            .bind(&attempt.error)
            .bind(at(next_attempt_at))
            .execute(c)
            .await
            .map(drop))?;
        Ok(())
    }

    /// Disables an endpoint. Its pending deliveries stay and are sent when it is enabled again. The
    /// application's other endpoints get an event.
    async fn disable_endpoint(
        &self,
        tx: &mut Tx,
        endpoint: &LeasedEndpoint,
        held: &HeldRow,
        reason: &str,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE webhook_endpoints SET enabled = false, disabled_reason = $2 WHERE id = $1";
        run!(tx, |c| sqlx::query(SQL)
            .bind(&endpoint.id)
            .bind(reason)
            .execute(c)
            .await
            .map(drop))?;
        self.tell(
            tx,
            &held.application_id,
            WEBHOOK_ENDPOINT_DISABLED,
            WebhookEndpointDisabled::payload(&endpoint.id, &held.description, reason),
        )
        .await
    }
}
