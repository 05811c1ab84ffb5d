//! Corrects times that a clock wrote while it was ahead, as soon as the clock is right again.
//!
//! A machine's or the database's clock may be ahead by hours or days for a while. Times written
//! then would block syncs until they come. But a sync's next start is at most one period away, a
//! lease expires at most one lease from now, and nothing was queued or postponed later than now.
//! Later times are set to now. Each check starts its index scan at the latest valid time, so it
//! costs the same for ten syncs as for a million.

use chrono::TimeDelta;
use syncline_model::{
    CLOCKS_DIFFER_BY, Time,
    mutation::{self, Mutation},
};

use crate::{
    Store, StoreError,
    access_lost::PROBE_EVERY,
    db::run,
    timestamp::{Timestamp, at},
};

impl Store {
    /// A timestamp later than this was written by a clock that was ahead.
    pub(crate) fn latest_stamp(&self) -> Time {
        self.now() + CLOCKS_DIFFER_BY
    }

    /// Corrects starts, leases and waits that are too far in the future. `lease` is the longest
    /// lease.
    pub async fn clamp_future_times(&self, lease: TimeDelta) -> Result<(), StoreError> {
        const QUEUED: &str = "
            UPDATE sync_runs SET due_at = $2
            WHERE sync_id IS NOT NULL AND state IN ('queued', 'running', 'waiting')
              AND state = 'queued' AND due_at > $1";
        const LEASED: &str = "
            UPDATE sync_runs SET due_at = $2
            WHERE sync_id IS NOT NULL AND state IN ('queued', 'running', 'waiting')
              AND state = 'running' AND due_at > $1";
        // Its window may open sooner than the stored time: it asks again.
        const PUT_OFF: &str = "
            UPDATE sync_runs SET due_at = $2, put_off_at = $2
            WHERE sync_id IS NOT NULL AND state IN ('queued', 'running', 'waiting')
              AND state = 'waiting'
              AND put_off_at > $1";
        const PROBES: &str = "
            UPDATE syncs SET next_run_at = $2
            WHERE paused_cause = 'forbidden' AND triggered_at IS NULL AND next_run_at > $1";
        if mutation::on(Mutation::FutureTimesAreKept) {
            return Ok(());
        }
        let now = self.now();
        let (queued, leased, put_off, probes) = self.future(now, lease).await?;
        let leased = leased && !mutation::on(Mutation::FutureLeaseHolds);
        for (found, allowed, sql) in [
            (queued, now, QUEUED),
            (leased, now + lease, LEASED),
            (put_off, now, PUT_OFF),
            (probes, now + PROBE_EVERY, PROBES),
        ] {
            if found {
                self.clamp_future(sql, allowed).await?;
            }
        }
        for (period_ms, latest) in self.latest_of_periods().await? {
            let allowed = now + TimeDelta::milliseconds(period_ms);
            if latest > allowed + CLOCKS_DIFFER_BY {
                self.clamp_starts(period_ms, allowed).await?;
            }
        }
        Ok(())
    }

    /// Whether there are such times, of each kind.
    async fn future(
        &self,
        now: Time,
        lease: TimeDelta,
    ) -> Result<(bool, bool, bool, bool), StoreError> {
        const SQL: &str = "
            SELECT
                EXISTS (SELECT 1 FROM sync_runs
                        WHERE id = scan_id AND state = 'queued' AND due_at > $1) AS queued,
                EXISTS (SELECT 1 FROM sync_runs
                        WHERE id = scan_id AND state = 'running' AND due_at > $2) AS leased,
                EXISTS (SELECT 1 FROM sync_runs
                        WHERE id = scan_id AND state = 'waiting' AND put_off_at > $1) AS put_off,
                EXISTS (SELECT 1 FROM syncs
                        WHERE paused_cause = 'forbidden' AND triggered_at IS NULL
                          AND next_run_at > $3) AS probes";
        let mut reader = self.db.read().await?;
        Ok(run!(reader, |c| sqlx::query_as(SQL)
            .bind(at(now + CLOCKS_DIFFER_BY))
            .bind(at(now + lease + CLOCKS_DIFFER_BY))
            .bind(at(now + PROBE_EVERY + CLOCKS_DIFFER_BY))
            .fetch_one(c)
            .await)?)
    }

    /// For each period in use, the latest start: there are few periods, and each costs one look-up.
    async fn latest_of_periods(&self) -> Result<Vec<(i64, Time)>, StoreError> {
        const SQL: &str = "
            WITH RECURSIVE periods (period_ms) AS (
                SELECT min(period_ms) FROM syncs WHERE NOT paused
                UNION ALL
                SELECT (SELECT min(s.period_ms) FROM syncs s
                        WHERE NOT s.paused AND s.period_ms > periods.period_ms)
                FROM periods WHERE period_ms IS NOT NULL)
            SELECT period_ms, (
                SELECT max(s.next_run_at) FROM syncs s
                WHERE NOT s.paused AND s.period_ms = periods.period_ms) AS latest
            FROM periods WHERE period_ms IS NOT NULL";
        let mut reader = self.db.read().await?;
        let rows: Vec<(i64, Timestamp)> = run!(reader, |c| sqlx::query_as(SQL).fetch_all(c).await)?;
        Ok(rows
            .into_iter()
            .map(|(period, latest)| (period, latest.0))
            .collect())
    }

    async fn clamp_future(&self, sql: &'static str, allowed: Time) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        let moved = run!(tx, |c| sqlx::query(sql)
            .bind(at(allowed + CLOCKS_DIFFER_BY))
            .bind(at(allowed))
            .execute(c)
            .await?
            .rows_affected());
        tx.commit().await?;
        report(moved);
        Ok(())
    }

    async fn clamp_starts(&self, period_ms: i64, allowed: Time) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE syncs SET next_run_at = $3
            WHERE NOT paused AND period_ms = $1 AND next_run_at > $2";
        let mut tx = self.db.begin().await?;
        let moved = run!(tx, |c| sqlx::query(SQL)
            .bind(period_ms)
            .bind(at(allowed + CLOCKS_DIFFER_BY))
            .bind(at(allowed))
            .execute(c)
            .await?
            .rows_affected());
        tx.commit().await?;
        report(moved);
        Ok(())
    }
}

fn report(moved: u64) {
    if moved > 0 {
        tracing::warn!("a clock was ahead: {moved} times in the future were set back");
    }
}
