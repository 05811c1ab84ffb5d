//! Maintenance: what is old is purged, beside everything else that happens.
//!
//! It is a task of its own, so that nobody who is due waits for it, and it works in batches with pauses
//! between them (`store/retention.rs`), so that nobody who writes waits for it for longer than a batch.
//! Like the tick it has no memory: whichever process does it, and however often, the same is left.

use std::time::Duration;

use chrono::TimeDelta;
use syncline_model::Time;
use syncline_store::{Expired, StoreError};
use tokio::time::Instant;

use crate::Engine;

/// How often what is old is looked for.
const EVERY: Duration = Duration::from_hours(1);
/// What others have between two batches, at least.
const PAUSE: Duration = Duration::from_millis(20);
/// A batch that took long is followed by a pause that is longer by as much: an embedded database's only
/// writer, and a server's disk, are for others most of the time.
const PAUSE_FOR_BATCH: u32 = 4;

const ALL: [Expired; 10] = [
    Expired::Runs,
    Expired::Messages,
    Expired::AuditLog,
    Expired::History,
    Expired::Accounts,
    Expired::MagicLinks,
    Expired::Secrets,
    Expired::Answers,
    Expired::WriteLocks,
    Expired::Deliveries,
];

impl Engine {
    /// Forgets all of this kind whose time is over, and tells how many that were.
    pub async fn purge(&self, old: Expired) -> Result<u64, StoreError> {
        let mut purged = 0;
        let mut after = Some(String::new());
        while let (Some(from), Some(before)) = (after, self.oldest(old)) {
            let began = Instant::now();
            let batch = self.store.purge(old, before, &from).await?;
            purged += batch.purged;
            after = batch.next;
            if after.is_some() && !self.pause_after(began.elapsed()).await {
                break;
            }
        }
        Ok(purged)
    }

    /// What was before that time is old; `None`: nothing is.
    fn oldest(&self, old: Expired) -> Option<Time> {
        let keep = match old {
            Expired::Runs | Expired::History | Expired::Accounts | Expired::MagicLinks => {
                self.config.keep_runs
            }
            Expired::Messages => self.config.keep_messages,
            Expired::AuditLog => self.config.keep_audit_log,
            Expired::Secrets | Expired::Answers | Expired::WriteLocks | Expired::Deliveries => {
                Duration::ZERO
            }
        };
        let keep = TimeDelta::from_std(keep).unwrap_or(TimeDelta::MAX);
        self.clock.now().checked_sub_signed(keep)
    }

    /// `false` when the engine is to stop.
    async fn pause_after(&self, batch: Duration) -> bool {
        tokio::select! {
            () = self.shutdown.cancelled() => false,
            () = tokio::time::sleep(PAUSE.max(batch * PAUSE_FOR_BATCH)) => true,
        }
    }

    pub(crate) async fn run_maintenance(&self) {
        let mut interval = tokio::time::interval(EVERY);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.shutdown.cancelled() => return,
                _ = interval.tick() => {}
            }
            self.maintain().await;
        }
    }

    async fn maintain(&self) {
        for old in ALL {
            tokio::select! {
                () = self.shutdown.cancelled() => return,
                () = self.store.reachable() => {}
            }
            if let Err(error) = self.purge(old).await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "what is old could not be purged: {old:?}"
                );
            }
        }
        if let Err(error) = self.store.refresh_statistics().await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the database's statistics could not be refreshed"
            );
        }
    }
}
