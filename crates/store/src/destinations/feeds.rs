//! The work of destinations: connections whose changes a destination lacks, leased by workers.
//!
//! A transaction that takes a stamp makes the connection's feeds due (`change_feed/stamps.rs`). A worker
//! leases a feed, writes what changed, and releases it; under the lock of the change feed, so that what
//! commits meanwhile makes it due again. How far a destination came is stored there, together with the
//! rows; here it is only shown.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use serde_json::Value;
use sqlx::types::Json;
use sqlx_macros::FromRow;
use syncline_model::{
    ConnectionSyncConfig, DestinationConfig, DestinationSecrets, Time, event::ConnectionRef,
};

use super::{BUILT_IN_DESTINATION, parse_config};
use crate::{
    Store, StoreError,
    db::{Db, Tx, run},
    providers::parse_provider,
    sync_configs::SyncConfig,
    timestamp::at,
};

/// A leased feed, with all that is needed to write to its destination.
#[derive(Debug, Clone)]
pub struct DestinationFeed {
    pub destination_id: String,
    pub destination_name: String,
    /// Grows when the destination is updated.
    pub destination_version: i64,
    pub config: DestinationConfig,
    pub secrets: DestinationSecrets,
    pub connection: ConnectionRef,
    /// The connection's own schema, for PostgreSQL.
    pub schema: Option<String>,
    /// Its changes are still to be written. Otherwise there are only removals.
    pub fed: bool,
    /// Grows with each lease.
    pub fence: i64,
}

#[derive(FromRow)]
struct LeasedRow {
    connection_id: String,
    application_id: String,
    customer_id: String,
    provider_name: String,
    fed: bool,
    fence: i64,
}

#[derive(FromRow)]
struct DueDestination {
    id: String,
    name: String,
    r#type: String,
    config: Json<Value>,
    secrets: String,
    version: i64,
    failures: i64,
}

impl Store {
    /// Leases due feeds, at most `of_each` of a destination together with those that this process
    /// works on already (`busy`). Of a destination that failed only one is tried.
    pub async fn claim_destination_feeds(
        &self,
        owner: &str,
        lease: TimeDelta,
        limit: usize,
        of_each: usize,
        busy: &BTreeMap<String, usize>,
    ) -> Result<Vec<DestinationFeed>, StoreError> {
        let mut claimed = Vec::new();
        for destination in self.due_destinations().await? {
            let most = if destination.failures > 0 { 1 } else { of_each };
            let working = busy.get(&destination.id).copied().unwrap_or(0);
            let free = most.saturating_sub(working).min(limit - claimed.len());
            if free == 0 {
                continue;
            }
            match self.claim_of(&destination, owner, lease, free).await {
                Ok(feeds) => claimed.extend(feeds),
                // Such as secrets under a lost key: the others go on.
                Err(error @ StoreError::Inconsistent { .. }) => {
                    let retry_at = self.now() + TimeDelta::hours(1);
                    self.note_destination_failure(&destination.id, &error.to_string(), retry_at)
                        .await?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(claimed)
    }

    /// Destinations with due feeds, except for those that failed a moment ago. The feed that waits
    /// longest comes first.
    async fn due_destinations(&self) -> Result<Vec<DueDestination>, StoreError> {
        // Skips from destination to destination, so the cost depends on their number.
        const SQL: &str = "
            WITH RECURSIVE due (id) AS (
                SELECT min(destination_id) FROM destination_feeds WHERE due_at IS NOT NULL
                UNION ALL
                SELECT (SELECT min(f.destination_id) FROM destination_feeds f
                        WHERE f.due_at IS NOT NULL AND f.destination_id > due.id)
                FROM due WHERE due.id IS NOT NULL
            ), first AS (
                SELECT due.id, (SELECT min(f.due_at) FROM destination_feeds f
                                WHERE f.destination_id = due.id AND f.due_at IS NOT NULL) AS due_at
                FROM due WHERE due.id IS NOT NULL
            )
            SELECT d.id, d.name, d.type, d.config, d.secrets, d.version, d.failures
            FROM first JOIN destinations d ON d.id = first.id
            WHERE first.due_at <= $1 AND (d.retry_at IS NULL OR d.retry_at <= $1 OR d.retry_at > $2)
            ORDER BY first.due_at, d.id";
        let now = self.now();
        let mut reader = self.db.read().await?;
        Ok(run!(reader, |c| sqlx::query_as(SQL)
            .bind(at(now))
            .bind(at(now + LONGEST_DELAY))
            .fetch_all(c)
            .await)?)
    }

    async fn claim_of(
        &self,
        destination: &DueDestination,
        owner: &str,
        lease: TimeDelta,
        limit: usize,
    ) -> Result<Vec<DestinationFeed>, StoreError> {
        macro_rules! sql {
            ($lock:literal) => {
                concat!(
                    "UPDATE destination_feeds
                     SET due_at = $3, lease_owner = $4, fence = fence + 1
                     WHERE destination_id = $1 AND connection_id IN (
                        SELECT f.connection_id FROM destination_feeds f
                        WHERE f.destination_id = $1 AND f.due_at <= $2
                        ORDER BY f.due_at LIMIT $5 ",
                    $lock,
                    ") AND due_at <= $2
                     RETURNING connection_id, application_id, customer_id, provider_name, fed, fence"
                )
            };
        }
        const OWN_CONFIG: &str = "SELECT connection_sync_config FROM connections WHERE id = $1";
        let config = parse_config(
            &destination.id,
            &destination.r#type,
            destination.config.0.clone(),
        )?;
        let secrets = self.destination_secrets(
            &destination.id,
            config.destination_type(),
            &destination.secrets,
        )?;
        let sql = match &self.db {
            Db::Pg(_) => sql!("FOR UPDATE SKIP LOCKED"),
            Db::Lite { .. } => sql!(""),
        };
        let now = self.now();
        let mut tx = self.db.begin().await?;
        let rows: Vec<LeasedRow> = run!(tx, |c| sqlx::query_as(sql)
            .bind(&destination.id)
            .bind(at(now))
            .bind(at(now + lease))
            .bind(owner)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(c)
            .await)?;
        let mut feeds = Vec::with_capacity(rows.len());
        for row in rows {
            let own: Option<Option<Json<ConnectionSyncConfig>>> =
                run!(tx, |c| sqlx::query_scalar(OWN_CONFIG)
                    .bind(&row.connection_id)
                    .fetch_optional(c)
                    .await)?;
            let provider =
                parse_provider("destination_feeds", &row.connection_id, &row.provider_name)?;
            feeds.push(DestinationFeed {
                destination_id: destination.id.clone(),
                destination_name: destination.name.clone(),
                destination_version: destination.version,
                config: config.clone(),
                secrets: secrets.clone(),
                connection: ConnectionRef {
                    application_id: row.application_id,
                    connection_id: row.connection_id,
                    customer_id: row.customer_id,
                    provider_id: String::new(),
                    provider,
                },
                schema: own.flatten().and_then(|own| own.0.own_schema()),
                fed: row.fed,
                fence: row.fence,
            });
        }
        tx.commit().await?;
        Ok(feeds)
    }

    /// `false` if another worker has leased it by now.
    pub async fn extend_destination_lease(
        &self,
        feed: &DestinationFeed,
        lease: TimeDelta,
    ) -> Result<bool, StoreError> {
        let until = self.now() + lease;
        let mut tx = self.db.begin().await?;
        let moved = self
            .move_destination_feed(&mut tx, feed, Some(until))
            .await?;
        tx.commit().await?;
        Ok(moved)
    }

    /// Notes how far the destination came, and releases the feed: it is due again if there is more.
    pub async fn release_destination_feed(
        &self,
        feed: &DestinationFeed,
        stamp_ms: i64,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE destination_feeds
            SET stamp_ms = $4, written_at = $5, lease_owner = NULL,
                due_at = CASE
                    WHEN fed AND COALESCE((SELECT f.last_stamp_ms FROM change_feeds f
                                           WHERE f.connection_id = $2), 0) > $4 THEN $5
                    WHEN EXISTS (SELECT 1 FROM destination_removals r
                                 WHERE r.destination_id = $1 AND r.connection_id = $2) THEN $5
                END
            WHERE destination_id = $1 AND connection_id = $2 AND fence = $3";
        const SUCCESS: &str = "
            UPDATE destinations SET failing_since = NULL, failures = 0, error = NULL, retry_at = NULL
            WHERE id = $1 AND failing_since IS NOT NULL AND version = $2";
        let now = self.now();
        let mut tx = self.db.begin().await?;
        // What takes a stamp holds it until its commit.
        self.lock_feed_if_there(&mut tx, &feed.connection.connection_id)
            .await?;
        run!(tx, |c| sqlx::query(SQL)
            .bind(&feed.destination_id)
            .bind(&feed.connection.connection_id)
            .bind(feed.fence)
            .bind(stamp_ms)
            .bind(at(now))
            .execute(c)
            .await
            .map(drop))?;
        run!(tx, |c| sqlx::query(SUCCESS)
            .bind(&feed.destination_id)
            .bind(feed.destination_version)
            .execute(c)
            .await
            .map(drop))?;
        Ok(tx.commit().await?)
    }

    /// Releases the leases of earlier processes of this kind; see `free_leases_of`.
    pub async fn free_destination_feeds_of(&self, owner_prefix: &str) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE destination_feeds SET due_at = $1, lease_owner = NULL
            WHERE due_at > $1 AND substr(lease_owner, 1, length($2)) = $2";
        let now = self.now();
        let mut tx = self.db.begin().await?;
        run!(tx, |c| sqlx::query(SQL)
            .bind(at(now))
            .bind(owner_prefix)
            .execute(c)
            .await
            .map(drop))?;
        Ok(tx.commit().await?)
    }

    /// Releases a feed whose turn is over; it stays due.
    pub async fn yield_destination_feed(&self, feed: &DestinationFeed) -> Result<(), StoreError> {
        let now = self.now();
        let mut tx = self.db.begin().await?;
        self.move_destination_feed(&mut tx, feed, Some(now)).await?;
        tx.wakes(&self.destinations_due);
        Ok(tx.commit().await?)
    }

    /// The destination failed: nothing is tried before `retry_at`.
    pub async fn fail_destination(
        &self,
        feed: &DestinationFeed,
        error: &str,
        retry_at: Time,
    ) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        self.move_destination_feed(&mut tx, feed, Some(retry_at))
            .await?;
        tx.commit().await?;
        self.note_destination_failure(&feed.destination_id, error, retry_at)
            .await
    }

    async fn note_destination_failure(
        &self,
        destination_id: &str,
        error: &str,
        retry_at: Time,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE destinations
            SET failing_since = COALESCE(failing_since, $2), failures = failures + 1, error = $3,
                retry_at = $4
            WHERE id = $1";
        let now = self.now();
        let mut tx = self.db.begin().await?;
        run!(tx, |c| sqlx::query(SQL)
            .bind(destination_id)
            .bind(at(now))
            .bind(error)
            .bind(at(retry_at))
            .execute(c)
            .await
            .map(drop))?;
        Ok(tx.commit().await?)
    }

    /// How often in a row a destination has failed.
    pub async fn destination_failures(&self, destination_id: &str) -> Result<i64, StoreError> {
        const SQL: &str = "SELECT failures FROM destinations WHERE id = $1";
        let mut reader = self.db.read().await?;
        let failures: Option<i64> = run!(reader, |c| sqlx::query_scalar(SQL)
            .bind(destination_id)
            .fetch_optional(c)
            .await)?;
        Ok(failures.unwrap_or(0))
    }

    async fn move_destination_feed(
        &self,
        tx: &mut Tx,
        feed: &DestinationFeed,
        due_at: Option<Time>,
    ) -> Result<bool, StoreError> {
        const SQL: &str = "
            UPDATE destination_feeds SET due_at = $4
            WHERE destination_id = $1 AND connection_id = $2 AND fence = $3";
        let moved = run!(tx, |c| sqlx::query(SQL)
            .bind(&feed.destination_id)
            .bind(&feed.connection.connection_id)
            .bind(feed.fence)
            .bind(at(due_at))
            .execute(c)
            .await?
            .rows_affected());
        Ok(moved == 1)
    }

    /// The connection is gone, and so is what the destination had of it.
    pub async fn end_destination_feed(&self, feed: &DestinationFeed) -> Result<(), StoreError> {
        const SQL: &str = "
            DELETE FROM destination_feeds
            WHERE destination_id = $1 AND connection_id = $2 AND fence = $3";
        let mut tx = self.db.begin().await?;
        run!(tx, |c| sqlx::query(SQL)
            .bind(&feed.destination_id)
            .bind(&feed.connection.connection_id)
            .bind(feed.fence)
            .execute(c)
            .await
            .map(drop))?;
        Ok(tx.commit().await?)
    }

    /// Feeds a connection's changes to the destination that its config names.
    pub(crate) async fn follow_destination(
        &self,
        tx: &mut Tx,
        connection_id: &str,
        config: &SyncConfig,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            INSERT INTO destination_feeds
                (destination_id, connection_id, application_id, customer_id, provider_name, due_at,
                 fence, fed)
            SELECT d.id, c.id, c.application_id, c.customer_id, c.provider_name, $3, 0, true
            FROM destinations d JOIN connections c ON c.application_id = d.application_id
            WHERE c.id = $1 AND d.name = $2
            ON CONFLICT (connection_id, destination_id) DO UPDATE
            SET fed = true, due_at = COALESCE(destination_feeds.due_at, excluded.due_at)";
        if config.destination_name == BUILT_IN_DESTINATION {
            return Ok(());
        }
        let now = self.now();
        tx.wakes(&self.destinations_due);
        run!(tx, |c| sqlx::query(SQL)
            .bind(connection_id)
            .bind(&config.destination_name)
            .bind(at(now))
            .execute(c)
            .await
            .map(drop))?;
        Ok(())
    }

    /// A config was deleted: its destination gets no more changes, and still removals.
    pub(crate) async fn stop_feeding(
        &self,
        tx: &mut Tx,
        config: &SyncConfig,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE destination_feeds SET fed = false
            WHERE application_id = $1 AND provider_name = $2 AND destination_id IN (
                SELECT id FROM destinations WHERE application_id = $1 AND name = $3)";
        run!(tx, |c| sqlx::query(SQL)
            .bind(&config.application_id)
            .bind(config.provider.as_str())
            .bind(&config.destination_name)
            .execute(c)
            .await
            .map(drop))?;
        Ok(())
    }

    /// Has the connection's destinations look at the change that this transaction makes.
    pub(crate) async fn make_destinations_due(
        &self,
        tx: &mut Tx,
        connection_id: &str,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE destination_feeds
            SET due_at = CASE WHEN destination_id IN (SELECT id FROM destinations WHERE type = 's3')
                              THEN $3 ELSE $2 END
            WHERE connection_id = $1 AND due_at IS NULL";
        let now = self.now();
        tx.wakes(&self.destinations_due);
        run!(tx, |c| sqlx::query(SQL)
            .bind(connection_id)
            .bind(at(now))
            .bind(at(now + GATHERED_FOR))
            .execute(c)
            .await
            .map(drop))?;
        Ok(())
    }
}

/// For how long changes are gathered before they become files: each batch makes one for each object.
const GATHERED_FOR: TimeDelta = TimeDelta::minutes(1);

/// No destination is left alone for longer than this; a later time was written by a clock that was ahead.
const LONGEST_DELAY: TimeDelta = TimeDelta::hours(1);
