//! The tick's half of the queue: which syncs are due and may start.
//!
//! The result doesn't depend on who calls it or how often. A sync is due when it was triggered, or
//! when it isn't paused and its time has come, and it has no active run. `starts.rs` creates new
//! scans for due syncs, `joins.rs` adds them to scans that have just begun.
//!
//! The cost depends on the number of due syncs, not of all syncs: one indexed query per kind of
//! being due, and a few look-ups per due sync. Syncs that may not start yet stay due, so the next
//! query begins after them. If there are very many, the next tick continues where this one stopped;
//! that position is only kept in memory, and losing it does no harm.

use std::{collections::BTreeMap, sync::MutexGuard};

use chrono::{DateTime, TimeDelta};
use sqlx_macros::FromRow;
use syncline_model::Time;

use crate::{
    Store, StoreError,
    db::run,
    sync_control::FORBIDDEN_CAUSE,
    timestamp::{Timestamp, at},
};

/// The maximum number of due syncs per query and kind.
const BATCH: i64 = 500;
/// The maximum number of consecutive queries in a tick that start nothing.
const MAX_EMPTY_LOOKS: usize = 4;

/// A due sync, as the query found it.
#[derive(FromRow)]
pub(crate) struct Due {
    way: i64,
    pub(crate) id: String,
    pub(crate) connection_id: String,
    object: String,
    /// The object whose pages it is read from.
    pub(crate) scan_object: String,
    next_run_at: Timestamp,
    /// It has no active run, and no waiting run of its account blocks it.
    may_start: bool,
    /// A scan of its pages is active.
    scan_is_active: bool,
}

/// A sync, locked for the transaction.
#[derive(FromRow)]
pub(crate) struct LockedSync {
    pub(crate) id: String,
    pub(crate) connection_id: String,
    pub(crate) object: String,
    /// The object whose pages it is read from.
    pub(crate) scan_object: String,
    period_ms: i64,
    paused: bool,
    paused_cause: Option<String>,
    next_run_at: Timestamp,
    triggered_at: Option<Timestamp>,
    pub(crate) full_refresh: bool,
}

impl LockedSync {
    pub(crate) fn is_due(&self, now: Time) -> bool {
        self.triggered_at.is_some() || (self.is_runnable(now) && self.next_run_at.0 <= now)
    }

    /// Whether a scan that starts now includes a run of it.
    pub(crate) fn joins_new_scan(&self, now: Time) -> bool {
        self.triggered_at.is_some() || self.is_runnable(now)
    }

    /// A sync that its credentials may not read is retried when its time comes.
    fn is_runnable(&self, now: Time) -> bool {
        let probes = self.paused_cause.as_deref() == Some(FORBIDDEN_CAUSE);
        !self.paused || (probes && self.next_run_at.0 <= now)
    }

    /// The due time of its next run after a start now. A trigger doesn't change the sync's rhythm; missed
    /// periods are skipped.
    pub(crate) fn next_run_after(&self, now: Time) -> Time {
        let period = TimeDelta::milliseconds(self.period_ms);
        let Timestamp(was_due) = self.next_run_at;
        let in_rhythm = was_due + period;
        if self.triggered_at.is_some() && was_due > now {
            was_due
        } else if in_rhythm > now && was_due <= now {
            in_rhythm
        } else {
            // Periods were missed, or a sync that is read from the same pages was due: from now on
            // the two have the same schedule.
            now + period
        }
    }
}

/// The sync after which a query begins, for each kind of being due.
pub(crate) struct StartAfter([(Time, String); 3]);

impl StartAfter {
    fn nothing() -> Self {
        Self(std::array::from_fn(|_| (Time::UNIX_EPOCH, String::new())))
    }

    /// Where the next query begins, unless this one returned everything.
    fn after_last(due: &[Due]) -> Option<Self> {
        let mut seen: BTreeMap<i64, Vec<&Due>> = BTreeMap::new();
        for sync in due {
            seen.entry(sync.way).or_default().push(sync);
        }
        seen.retain(|_, syncs| i64::try_from(syncs.len()) == Ok(BATCH));
        let last = |way: i64| match seen.get(&way).and_then(|syncs| syncs.last()) {
            Some(last) => (last.next_run_at.0, last.id.clone()),
            None => (the_end(), String::new()),
        };
        (!seen.is_empty()).then(|| Self([last(0), last(1), last(2)]))
    }
}

/// Later than any sync's due time.
fn the_end() -> Time {
    DateTime::from_timestamp(253_402_300_799, 0).unwrap_or(Time::MAX_UTC)
}

/// The due syncs of `$candidates`, and whether they may start. Each look-up stops at the first row
/// that it finds, and stays a look-up: a planner doesn't turn a scalar subquery into a join with
/// the whole table.
///
/// While a run waits for records, no other run of its account starts: it could only wait as well,
/// and the order of service would be lost. A connection with its own, lower limits blocks only
/// connections with the same limits.
macro_rules! due_sql {
    ($candidates:literal, $waits_for_us:literal) => {
        concat!(
            "WITH candidates AS MATERIALIZED (",
            $candidates,
            ")
            SELECT s.way, s.id, s.connection_id, s.object, s.scan_object, s.next_run_at,
                (SELECT 1 FROM sync_runs g
                 WHERE g.connection_id = s.connection_id AND g.id = g.scan_id
                   AND g.state IN ('queued', 'running', 'waiting')
                   AND COALESCE(g.carried_in, g.object) = s.scan_object LIMIT 1)
                IS NOT NULL AS scan_is_active,
                (SELECT 1 FROM sync_runs r
                 WHERE r.sync_id = s.id AND r.state IN ('queued', 'running', 'waiting') LIMIT 1)
                IS NULL AND
                (SELECT 1 FROM connections c
                 JOIN connections sharing ON sharing.account_id = c.account_id
                 WHERE c.id = s.connection_id
                   AND COALESCE(CAST(sharing.limits AS text), '')
                     = COALESCE(CAST(c.limits AS text), '')
                   AND (SELECT 1 FROM sync_runs w
                        WHERE w.connection_id = sharing.id AND w.id = w.scan_id
                          AND w.state IN ('queued', 'running', 'waiting') AND w.state = 'waiting'
                          AND w.waiting_reason IN ('records_per_hour', 'records_per_day') ",
            $waits_for_us,
            "
                          AND NOT (w.connection_id = s.connection_id
                                   AND COALESCE(w.carried_in, w.object) = s.scan_object) LIMIT 1)
                     IS NOT NULL LIMIT 1)
                IS NULL AS may_start
            FROM candidates s ORDER BY s.way, s.next_run_at, s.id"
        )
    };
}

impl Store {
    /// Creates the runs of all due syncs, optionally of one connection, and returns how many runs
    /// were created.
    ///
    /// Runs that wait for records block others of their account until they are leased again. With a
    /// named connection, overdue waiting runs of other connections don't block it: there may be no
    /// worker to lease them.
    pub async fn start_due_runs(&self, connection_id: Option<&str>) -> Result<usize, StoreError> {
        if let Some(connection_id) = connection_id {
            let due = self.due_of(connection_id).await?;
            return Ok(self.start(due).await);
        }
        let (mut started, mut vain) = (0, 0);
        let mut from = self
            .resume_position()
            .take()
            .unwrap_or_else(StartAfter::nothing);
        loop {
            let due = self.due_behind(from).await?;
            let next = StartAfter::after_last(&due);
            let runs = self.start(due).await;
            started += runs;
            vain = if runs == 0 { vain + 1 } else { 0 };
            let Some(next) = next else {
                return Ok(started);
            };
            if vain == MAX_EMPTY_LOOKS {
                *self.resume_position() = Some(next);
                return Ok(started);
            }
            from = next;
        }
    }

    fn resume_position(&self) -> MutexGuard<'_, Option<StartAfter>> {
        self.resume_position
            .lock()
            .expect("no code panics while it holds the place")
    }

    async fn due_behind(&self, start_after: StartAfter) -> Result<Vec<Due>, StoreError> {
        const SQL: &str = due_sql!(
            "SELECT * FROM (
                SELECT CAST(0 AS bigint) AS way, id, connection_id, object,
                    COALESCE(carried_in, object) AS scan_object, next_run_at FROM syncs
                WHERE triggered_at IS NOT NULL AND (next_run_at, id) > ($3, $4)
                ORDER BY next_run_at, id LIMIT $2) triggered
             UNION ALL SELECT * FROM (
                SELECT CAST(1 AS bigint), id, connection_id, object, COALESCE(carried_in, object),
                    next_run_at FROM syncs
                WHERE NOT paused AND triggered_at IS NULL AND next_run_at <= $1
                  AND (next_run_at, id) > ($5, $6)
                ORDER BY next_run_at, id LIMIT $2) in_time
             UNION ALL SELECT * FROM (
                SELECT CAST(2 AS bigint), id, connection_id, object, COALESCE(carried_in, object),
                    next_run_at FROM syncs
                WHERE paused_cause = 'forbidden' AND triggered_at IS NULL AND paused
                  AND next_run_at <= $1 AND (next_run_at, id) > ($7, $8)
                ORDER BY next_run_at, id LIMIT $2) forbidden",
            ""
        );
        let now = self.now();
        let [triggered, in_time, forbidden] = start_after.0;
        let mut reader = self.db.read().await?;
        Ok(run!(reader, |c| sqlx::query_as(SQL)
            .bind(at(now))
            .bind(BATCH)
            .bind(at(triggered.0))
            .bind(&triggered.1)
            .bind(at(in_time.0))
            .bind(&in_time.1)
            .bind(at(forbidden.0))
            .bind(&forbidden.1)
            .fetch_all(c)
            .await)?)
    }

    async fn due_of(&self, connection_id: &str) -> Result<Vec<Due>, StoreError> {
        const SQL: &str = due_sql!(
            "SELECT CAST(0 AS bigint) AS way, id, connection_id, object,
                COALESCE(carried_in, object) AS scan_object, next_run_at FROM syncs
             WHERE connection_id = $2
               AND (triggered_at IS NOT NULL
                    OR ((NOT paused OR paused_cause = 'forbidden') AND next_run_at <= $1))",
            "AND (w.due_at > $1 OR w.connection_id = $2)"
        );
        let now = self.now();
        let mut reader = self.db.read().await?;
        Ok(run!(reader, |c| sqlx::query_as(SQL)
            .bind(at(now))
            .bind(connection_id)
            .fetch_all(c)
            .await)?)
    }

    async fn start(&self, due: Vec<Due>) -> usize {
        let (joining, new): (Vec<Due>, Vec<Due>) = due
            .into_iter()
            .filter(|sync| sync.may_start)
            .partition(|sync| sync.scan_is_active);
        let mut started = self.start_all(&new).await;
        for sync in joining {
            match self.join_scan(&sync).await {
                Ok(runs) => started += runs,
                Err(error) => could_not_start(&sync, &error),
            }
        }
        started
    }
}

pub(crate) fn could_not_start(sync: &Due, error: &StoreError) {
    tracing::warn!(
        error = error as &dyn std::error::Error,
        "the {} sync of connection {} could not be started",
        sync.object,
        sync.connection_id
    );
}
