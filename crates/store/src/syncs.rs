//! Syncs: one per connection and object, with its schedule and pauses.

use std::collections::BTreeMap;

use sqlx_macros::FromRow;
use syncline_model::{
    Object, ProviderName, Time,
    event::{ConnectionRef, Event},
};

use crate::{
    Connection, PageRequest, Store, StoreError, Tenant,
    again::again,
    db::{KeySet, Tx, run},
    providers::parse_provider,
    sync_configs::{SyncConfig, wanted},
    tenant::{Scoped, scoped},
    timestamp::{Timestamp, at},
};

#[derive(Debug, Clone)]
pub struct Sync {
    pub id: String,
    pub connection_id: String,
    pub sync_config_id: String,
    pub object: Object,
    pub paused: bool,
    pub paused_reason: Option<String>,
    /// Paused except for one attempt a day, because its object could not be read.
    pub probes: bool,
    pub next_run_at: Time,
    /// When a run was requested that hasn't started yet.
    pub triggered_at: Option<Time>,
    /// Until when a run of its provider account waits for records; other runs of the account don't
    /// start before.
    pub account_waits_until: Option<Time>,
    pub customer_id: String,
    pub provider: ProviderName,
}

/// Which syncs a list shows.
#[derive(Debug, Clone, Default)]
pub struct SyncFilter {
    pub customer_id: Option<String>,
    pub provider_name: Option<String>,
    pub object: Option<String>,
    pub runs: RunsOfSync,
}

/// Filters syncs by the state of their runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RunsOfSync {
    #[default]
    Any,
    /// A run is active: in this state, or in any of `queued`, `running` and `waiting`.
    Active(Option<&'static str>),
    /// No run is active, and none will start by itself.
    Paused,
    /// No run is active; the next one will start by itself.
    Idle,
    /// No run is active, and the newest one succeeded.
    Succeeded,
    /// No run is active, and the newest one failed.
    Failed,
}

#[derive(FromRow)]
struct SyncRow {
    id: String,
    connection_id: String,
    sync_config_id: String,
    object: String,
    paused: bool,
    paused_reason: Option<String>,
    paused_cause: Option<String>,
    next_run_at: Timestamp,
    triggered_at: Option<Timestamp>,
    account_waits_until: Option<Timestamp>,
    customer_id: String,
    provider_name: String,
}

impl TryFrom<SyncRow> for Sync {
    type Error = StoreError;

    fn try_from(row: SyncRow) -> Result<Self, StoreError> {
        Ok(Self {
            object: parse_object("syncs", &row.id, &row.object)?,
            provider: parse_provider("connections", &row.connection_id, &row.provider_name)?,
            id: row.id,
            connection_id: row.connection_id,
            sync_config_id: row.sync_config_id,
            paused: row.paused,
            paused_reason: row.paused_reason,
            probes: row.paused && row.paused_cause.as_deref() == Some(FORBIDDEN_CAUSE),
            next_run_at: row.next_run_at.into(),
            triggered_at: row.triggered_at.map(Into::into),
            account_waits_until: row.account_waits_until.map(Into::into),
            customer_id: row.customer_id,
        })
    }
}

/// Syncs with their connection, and until when their account waits (`schedule.rs`).
macro_rules! select {
    () => {
        "SELECT s.id, s.connection_id, s.sync_config_id, s.object, s.paused, s.paused_reason,
                s.paused_cause, s.next_run_at, s.triggered_at, waits.until AS account_waits_until,
                c.customer_id, c.provider_name
         FROM syncs s JOIN connections c ON c.id = s.connection_id
         LEFT JOIN (
            SELECT sharing.account_id, COALESCE(CAST(sharing.limits AS text), '') AS limits,
                   max(w.due_at) AS until
            FROM sync_runs w JOIN connections sharing ON sharing.id = w.connection_id
            WHERE w.put_off_at IS NOT NULL AND w.id = w.scan_id AND w.state = 'waiting'
              AND w.waiting_reason IN ('records_per_hour', 'records_per_day')
            GROUP BY sharing.account_id, COALESCE(CAST(sharing.limits AS text), '')) waits ON waits.account_id = c.account_id
            AND waits.limits = COALESCE(CAST(c.limits AS text), '')
         WHERE s.application_id = $1 "
    };
}

/// The statement texts of one kind of list.
struct ListStatements {
    forward: Scoped,
    backward: Scoped,
    count: Scoped,
}

macro_rules! filtered {
    ($runs:literal) => {
        concat!(
            "AND (CAST($2 AS text) IS NULL OR c.customer_id = $2)
             AND (CAST($3 AS text) IS NULL OR c.provider_name = $3)
             AND (CAST($4 AS text) IS NULL OR s.object = $4) ",
            $runs
        )
    };
}

/// The list of syncs that match `$runs`, which may use a state as `$5`. Each has a separate text,
/// so that each uses its own index.
macro_rules! list_of {
    ($runs:literal) => {
        ListStatements {
            forward: scoped(concat!(
                select!(),
                filtered!($runs),
                " AND (CAST($6 AS text) IS NULL OR s.id > $6) ORDER BY s.id ASC LIMIT $7"
            )),
            backward: scoped(concat!(
                select!(),
                filtered!($runs),
                " AND (CAST($6 AS text) IS NULL OR s.id < $6) ORDER BY s.id DESC LIMIT $7"
            )),
            count: scoped(concat!(
                "SELECT count(*) FROM syncs s JOIN connections c ON c.id = s.connection_id
                 WHERE s.application_id = $1 ",
                filtered!($runs)
            )),
        }
    };
}

impl RunsOfSync {
    fn state(self) -> Option<&'static str> {
        match self {
            Self::Active(state) => state,
            _ => None,
        }
    }

    fn statements(self) -> ListStatements {
        const ANY: ListStatements = list_of!("AND CAST($5 AS text) IS NULL");
        const ACTIVE: ListStatements = list_of!(
            "AND s.id IN (
                SELECT active.sync_id FROM sync_runs active
                WHERE active.sync_id IS NOT NULL
                  AND active.state IN ('queued', 'running', 'waiting')
                  AND (CAST($5 AS text) IS NULL OR active.state = $5))"
        );
        const PAUSED: ListStatements = list_of!(
            "AND s.paused AND CAST($5 AS text) IS NULL
             AND NOT EXISTS (SELECT 1 FROM sync_runs active WHERE active.sync_id = s.id
                AND active.state IN ('queued', 'running', 'waiting'))"
        );
        const IDLE: ListStatements = list_of!(
            "AND NOT s.paused AND CAST($5 AS text) IS NULL
             AND NOT EXISTS (SELECT 1 FROM sync_runs active WHERE active.sync_id = s.id
                AND active.state IN ('queued', 'running', 'waiting'))"
        );
        const SUCCEEDED: ListStatements = list_of!(
            "AND s.failing_since IS NULL AND s.last_succeeded_at IS NOT NULL
             AND CAST($5 AS text) IS NULL
             AND NOT EXISTS (SELECT 1 FROM sync_runs active WHERE active.sync_id = s.id
                AND active.state IN ('queued', 'running', 'waiting'))"
        );
        const FAILED: ListStatements = list_of!(
            "AND s.failing_since IS NOT NULL AND CAST($5 AS text) IS NULL
             AND NOT EXISTS (SELECT 1 FROM sync_runs active WHERE active.sync_id = s.id
                AND active.state IN ('queued', 'running', 'waiting'))"
        );
        match self {
            Self::Any => ANY,
            Self::Active(_) => ACTIVE,
            Self::Paused => PAUSED,
            Self::Idle => IDLE,
            Self::Succeeded => SUCCEEDED,
            Self::Failed => FAILED,
        }
    }
}

/// The cause of a pause that ends with new credentials.
pub(crate) const CREDENTIALS_CAUSE: &str = "credentials";
/// The cause of a pause that ends with new credentials, or when one of the daily attempts succeeds.
pub(crate) const FORBIDDEN_CAUSE: &str = "forbidden";

/// The initial pause of new syncs that don't run by themselves.
#[derive(Clone, Copy)]
pub(crate) struct NewPause {
    cause: &'static str,
    reason: &'static str,
}

/// For a connection that `syncline sync` created.
pub(crate) const FOREGROUND_PAUSE: NewPause = NewPause {
    cause: "foreground",
    reason: "`syncline sync` reads it on demand; resume it to have it synced on its schedule",
};

pub(crate) fn pause_of_config(config: &SyncConfig) -> Option<NewPause> {
    let paused = NewPause {
        cause: "config",
        reason: "auto_start_on_connection is false",
    };
    (!config.config.starts_on_connection()).then_some(paused)
}

impl Tenant {
    pub async fn list_syncs(
        &self,
        filter: &SyncFilter,
        page: &PageRequest,
    ) -> Result<Vec<Sync>, StoreError> {
        let statements = filter.runs.statements();
        let sql = if page.reverse {
            statements.backward
        } else {
            statements.forward
        };
        let mut reader = self.read().await?;
        let rows: Vec<SyncRow> = run!(reader, query_as(sql), |q, c| q
            .bind(&filter.customer_id)
            .bind(&filter.provider_name)
            .bind(&filter.object)
            .bind(filter.runs.state())
            .bind(&page.cursor)
            .bind(page.limit)
            .fetch_all(c)
            .await)?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    pub async fn count_syncs(&self, filter: &SyncFilter) -> Result<i64, StoreError> {
        let sql = filter.runs.statements().count;
        let mut reader = self.read().await?;
        Ok(run!(reader, query_scalar(sql), |q, c| q
            .bind(&filter.customer_id)
            .bind(&filter.provider_name)
            .bind(&filter.object)
            .bind(filter.runs.state())
            .fetch_one(c)
            .await)?)
    }

    pub async fn find_sync(
        &self,
        connection: &Connection,
        object: Object,
    ) -> Result<Option<Sync>, StoreError> {
        const SQL: Scoped = scoped(concat!(
            select!(),
            "AND s.connection_id = $2 AND s.object = $3"
        ));
        let mut reader = self.read().await?;
        let row: Option<SyncRow> = run!(reader, query_as(SQL), |q, c| q
            .bind(&connection.id)
            .bind(object.as_str())
            .fetch_optional(c)
            .await)?;
        row.map(TryInto::try_into).transpose()
    }
}

impl Store {
    /// Stops a sync from starting runs. An active run continues. Idempotent: the event is written
    /// only once.
    pub async fn pause_sync(
        &self,
        sync: &Sync,
        connection: &ConnectionRef,
        reason: &str,
    ) -> Result<(), StoreError> {
        again(|| self.pause_sync_once(sync, connection, reason)).await
    }

    async fn pause_sync_once(
        &self,
        sync: &Sync,
        connection: &ConnectionRef,
        reason: &str,
    ) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        self.pause_sync_in(&mut tx, &sync.id, sync.object, connection, reason, "manual")
            .await?;
        Ok(tx.commit().await?)
    }

    pub(crate) async fn pause_sync_in(
        &self,
        tx: &mut Tx,
        sync_id: &str,
        object: Object,
        connection: &ConnectionRef,
        reason: &str,
        cause: &str,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE syncs SET paused = true, paused_reason = $2, paused_cause = $3
            WHERE id = $1 AND NOT paused";
        // A pause by a user replaces an automatic one, so that it doesn't end automatically.
        const BY_HAND: &str = "
            UPDATE syncs SET paused_reason = $2, paused_cause = $3
            WHERE id = $1 AND paused AND $3 = 'manual'";
        run!(tx, |c| sqlx::query(BY_HAND)
            .bind(sync_id)
            .bind(reason)
            .bind(cause)
            .execute(c)
            .await
            .map(drop))?;
        let paused = run!(tx, |c| sqlx::query(SQL)
            .bind(sync_id)
            .bind(reason)
            .bind(cause)
            .execute(c)
            .await?
            .rows_affected());
        if paused == 1 {
            let event = Event::SyncPaused {
                object,
                reason: reason.to_owned(),
            };
            self.write_event(tx, connection, &event).await?;
        }
        Ok(())
    }

    /// Resumes a sync at its next due time, at most one period from now.
    pub async fn resume_sync(&self, sync: &Sync) -> Result<(), StoreError> {
        again(|| self.resume_sync_once(sync)).await
    }

    async fn resume_sync_once(&self, sync: &Sync) -> Result<(), StoreError> {
        const PERIOD: &str = "SELECT period_ms FROM syncs WHERE id = $1";
        const SQL: &str = "
            UPDATE syncs
            SET paused = false, paused_reason = NULL, paused_cause = NULL,
                next_run_at = CASE WHEN next_run_at > $2 THEN $2 ELSE next_run_at END
            WHERE id = $1";
        let mut tx = self.db.begin().await?;
        let period: i64 = run!(tx, |c| sqlx::query_scalar(PERIOD)
            .bind(&sync.id)
            .fetch_one(c)
            .await)?;
        let latest = self.now() + chrono::TimeDelta::milliseconds(period);
        run!(tx, |c| sqlx::query(SQL)
            .bind(&sync.id)
            .bind(at(latest))
            .execute(c)
            .await
            .map(drop))?;
        Ok(tx.commit().await?)
    }

    /// Requests a run as soon as none is active; also while the sync is paused. A requested full
    /// refresh stays requested until a run starts with it.
    pub async fn trigger_sync(&self, sync: &Sync, full_refresh: bool) -> Result<(), StoreError> {
        again(|| self.trigger_sync_once(sync, full_refresh)).await
    }

    async fn trigger_sync_once(&self, sync: &Sync, full_refresh: bool) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE syncs SET triggered_at = $2, full_refresh = (full_refresh OR $3) WHERE id = $1";
        let mut tx = self.db.begin().await?;
        let now = self.now();
        run!(tx, |c| sqlx::query(SQL)
            .bind(&sync.id)
            .bind(at(now))
            .bind(full_refresh)
            .execute(c)
            .await
            .map(drop))?;
        Ok(tx.commit().await?)
    }

    /// Creates a config's syncs on one connection, due at once.
    pub(crate) async fn create_syncs(
        &self,
        tx: &mut Tx,
        connection_id: &str,
        config: &SyncConfig,
        pause: Option<NewPause>,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            INSERT INTO syncs
                (id, application_id, connection_id, sync_config_id, object, period_ms, paused,
                 paused_reason, paused_cause, next_run_at, full_refresh, last_stamp_ms, created_at,
                 fresh_ms)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, false, $11, $10, $13)
            ON CONFLICT (connection_id, object) DO UPDATE
            SET period_ms = excluded.period_ms,
                next_run_at = CASE WHEN syncs.next_run_at > $12 THEN $12
                                   ELSE syncs.next_run_at END";
        for (object, period_ms) in wanted(&config.config) {
            let (id, now) = (self.new_id(), self.now());
            // Rows of an earlier sync of the object keep their stamps; new stamps continue after
            // them.
            let newest = self.newest_row(tx, connection_id, object).await?;
            run!(tx, |c| sqlx::query(SQL)
                .bind(&id)
                .bind(&config.application_id)
                .bind(connection_id)
                .bind(&config.id)
                .bind(object.as_str())
                .bind(period_ms)
                .bind(pause.is_some())
                .bind(pause.map(|it| it.reason))
                .bind(pause.map(|it| it.cause))
                .bind(at(now))
                .bind(newest.map_or(0, |newest| newest.timestamp_millis()))
                .bind(at(now + chrono::TimeDelta::milliseconds(period_ms)))
                .bind(now.timestamp_millis())
                .execute(c)
                .await
                .map(drop))?;
        }
        Ok(())
    }

    /// Creates or updates the config's syncs on every connection of its provider.
    pub(crate) async fn follow_config(
        &self,
        tx: &mut Tx,
        config: &SyncConfig,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            SELECT c.id, EXISTS (
                SELECT 1 FROM syncs s
                WHERE s.connection_id = c.id AND s.paused AND s.paused_cause = $3)
            FROM connections c WHERE c.application_id = $1 AND c.provider_name = $2";
        let connections: Vec<(String, bool)> = run!(tx, |c| sqlx::query_as(SQL)
            .bind(&config.application_id)
            .bind(config.provider.as_str())
            .bind(FOREGROUND_PAUSE.cause)
            .fetch_all(c)
            .await)?;
        for (connection_id, in_foreground) in connections {
            let pause = if in_foreground {
                Some(FOREGROUND_PAUSE)
            } else {
                pause_of_config(config)
            };
            self.create_syncs(tx, &connection_id, config, pause).await?;
        }
        Ok(())
    }

    /// Deletes the config's syncs of objects that are not `wanted`, and returns how many. A scan
    /// that serves a deleted sync is dropped as a whole; the other sync that it served runs again.
    pub(crate) async fn delete_syncs_outside(
        &self,
        tx: &mut Tx,
        sync_config_id: &str,
        wanted: &BTreeMap<Object, i64>,
    ) -> Result<u64, StoreError> {
        const RUNS: &str = "
            DELETE FROM sync_runs
            WHERE sync_id IS NOT NULL AND state IN ('queued', 'running', 'waiting')
              AND scan_id IN (
                SELECT r.scan_id FROM sync_runs r JOIN syncs s ON s.id = r.sync_id
                WHERE s.sync_config_id = $1 AND s.object IN (SELECT key FROM json_each($2))
                  AND r.state IN ('queued', 'running', 'waiting'))
            RETURNING sync_id";
        const AGAIN: &str = "
            UPDATE syncs SET triggered_at = $2 WHERE id IN (SELECT key FROM json_each($1))";
        const SYNCS: &str = "
            DELETE FROM syncs
            WHERE sync_config_id = $1 AND object IN (SELECT key FROM json_each($2))";
        // A scan that started between the two deletes has lost its leading run.
        const LEADERLESS: &str = "
            DELETE FROM sync_runs
            WHERE state IN ('queued', 'running', 'waiting')
              AND sync_id IN (SELECT id FROM syncs WHERE sync_config_id = $1)
              AND NOT EXISTS (SELECT 1 FROM sync_runs leader WHERE leader.id = sync_runs.scan_id)
            RETURNING sync_id";
        let unwanted: Vec<&str> = Object::ALL
            .iter()
            .filter(|object| !wanted.contains_key(object))
            .map(|object| object.as_str())
            .collect();
        let now = self.now();
        let mut dropped: Vec<String> = run!(tx, |c| sqlx::query_scalar(RUNS)
            .bind(sync_config_id)
            .bind(KeySet::new(&unwanted))
            .fetch_all(c)
            .await)?;
        let deleted = run!(tx, |c| sqlx::query(SYNCS)
            .bind(sync_config_id)
            .bind(KeySet::new(&unwanted))
            .execute(c)
            .await?
            .rows_affected());
        let leaderless: Vec<String> = run!(tx, |c| sqlx::query_scalar(LEADERLESS)
            .bind(sync_config_id)
            .fetch_all(c)
            .await)?;
        dropped.extend(leaderless);
        run!(tx, |c| sqlx::query(AGAIN)
            .bind(KeySet::new(&dropped))
            .bind(at(now))
            .execute(c)
            .await
            .map(drop))?;
        Ok(deleted)
    }

    /// Locks a connection's syncs until the transaction ends.
    pub(crate) async fn lock_syncs(
        &self,
        tx: &mut Tx,
        connection_id: &str,
    ) -> Result<Vec<(String, Object)>, StoreError> {
        const SQL: &str = "
            UPDATE syncs SET paused = paused WHERE connection_id = $1 RETURNING id, object";
        let rows: Vec<(String, String)> = run!(tx, |c| sqlx::query_as(SQL)
            .bind(connection_id)
            .fetch_all(c)
            .await)?;
        rows.into_iter()
            .map(|(id, object)| Ok((id.clone(), parse_object("syncs", &id, &object)?)))
            .collect()
    }

    pub(crate) async fn resume_after_new_credentials(
        &self,
        tx: &mut Tx,
        connection_id: &str,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE syncs
            SET paused = false, paused_reason = NULL, paused_cause = NULL, next_run_at = $3
            WHERE connection_id = $1 AND paused AND paused_cause IN ($2, $4)";
        let now = self.now();
        run!(tx, |c| sqlx::query(SQL)
            .bind(connection_id)
            .bind(CREDENTIALS_CAUSE)
            .bind(at(now))
            .bind(FORBIDDEN_CAUSE)
            .execute(c)
            .await
            .map(drop))?;
        Ok(())
    }
}

pub(crate) fn parse_object(
    table: &'static str,
    row: &str,
    name: &str,
) -> Result<Object, StoreError> {
    name.parse().map_err(|error| StoreError::Inconsistent {
        table,
        column: "object",
        row: row.to_owned(),
        reason: format!("{error}"),
    })
}
