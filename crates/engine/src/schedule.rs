//! The tick: once a second, and sooner when woken, what is due gets a run.
//!
//! It has no input and no memory, so it doesn't matter which process's tick it is, or whether one
//! was missed. Beside it, once an hour, old runs and old entries of the audit log are forgotten.

use std::time::Duration;

use chrono::TimeDelta;
use syncline_model::Time;
use syncline_store::StoreError;

use crate::Engine;

/// How often what is old is looked for.
const FORGET_EVERY: TimeDelta = TimeDelta::hours(1);

/// Due syncs that one look at the table takes.
const BATCH: i64 = 500;

impl Engine {
    /// Writes the runs that are due now and tells how many.
    pub async fn tick(&self) -> Result<usize, StoreError> {
        let mut started = 0;
        loop {
            let batch = self
                .store
                .start_due_runs(BATCH, self.config.only_connection.as_deref())
                .await?;
            started += batch;
            if batch == 0 {
                return Ok(started);
            }
        }
    }

    /// Forgets the finished runs whose time is over.
    pub async fn forget_old_runs(&self) -> Result<u64, StoreError> {
        match self.before(self.config.keep_runs) {
            Some(oldest) => self.store.forget_runs(oldest).await,
            None => Ok(0),
        }
    }

    /// Forgets the entries of the audit log whose time is over.
    pub async fn forget_old_audit_log(&self) -> Result<u64, StoreError> {
        match self.before(self.config.keep_audit_log) {
            Some(oldest) => self.store.forget_audit_log(oldest).await,
            None => Ok(0),
        }
    }

    fn before(&self, kept: Duration) -> Option<Time> {
        let kept = TimeDelta::from_std(kept).unwrap_or(TimeDelta::MAX);
        self.clock.now().checked_sub_signed(kept)
    }

    async fn forget(&self) {
        let forgotten = [
            ("runs", self.forget_old_runs().await),
            (
                "entries of the audit log",
                self.forget_old_audit_log().await,
            ),
        ];
        for (what, result) in forgotten {
            if let Err(error) = result {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "old {what} could not be forgotten"
                );
            }
        }
    }

    pub(crate) async fn run_schedule(&self) {
        let mut forget_at = self.clock.now();
        let mut interval = tokio::time::interval(self.config.tick);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.stopping.cancelled() => return,
                () = self.wake.schedule.notified() => {}
                _ = interval.tick() => {}
            }
            tokio::select! {
                () = self.stopping.cancelled() => return,
                () = self.store.reachable() => {}
            }
            if self.clock.now() >= forget_at {
                forget_at = self.clock.now() + FORGET_EVERY;
                self.forget().await;
            }
            match self.tick().await {
                Ok(0) => {}
                Ok(_) => self.wake.queue.notify_one(),
                // An outage of the database ends by itself; the next tick asks again.
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "tick failed");
                }
            }
        }
    }
}
