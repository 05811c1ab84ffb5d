//! Maintenance: what is old is forgotten, beside everything else that happens.
//!
//! It is a task of its own, so that nobody who is due waits for it, and it works in bites with pauses
//! between them (`store/retention.rs`), so that nobody who writes waits for it for longer than a bite.
//! Like the tick it has no memory: whichever process does it, and however often, the same is left.

use std::time::Duration;

use chrono::TimeDelta;
use syncline_model::Time;
use syncline_store::{Old, StoreError};
use tokio::time::Instant;

use crate::Engine;

/// How often what is old is looked for.
const EVERY: Duration = Duration::from_hours(1);
/// What others have between two bites, at least.
const PAUSE: Duration = Duration::from_millis(20);
/// A bite that took long is followed by a pause that is longer by as much: an embedded database's only
/// writer, and a server's disk, are for others most of the time.
const PAUSE_FOR_BITE: u32 = 4;

const ALL: [Old; 10] = [
    Old::Runs,
    Old::Messages,
    Old::AuditLog,
    Old::History,
    Old::Accounts,
    Old::MagicLinks,
    Old::Secrets,
    Old::Answers,
    Old::WriteLocks,
    Old::Deliveries,
];

impl Engine {
    /// Forgets all of this kind whose time is over, and tells how many that were.
    pub async fn forget_old(&self, old: Old) -> Result<u64, StoreError> {
        let mut forgotten = 0;
        let mut after = Some(String::new());
        while let (Some(from), Some(before)) = (after, self.oldest(old)) {
            let began = Instant::now();
            let bite = self.store.forget(old, before, &from).await?;
            forgotten += bite.forgotten;
            after = bite.next;
            if after.is_some() && !self.pause_after(began.elapsed()).await {
                break;
            }
        }
        Ok(forgotten)
    }

    /// What was before that time is old; `None`: nothing is.
    fn oldest(&self, old: Old) -> Option<Time> {
        let keep = match old {
            Old::Runs | Old::History | Old::Accounts | Old::MagicLinks => self.config.keep_runs,
            Old::Messages => self.config.keep_messages,
            Old::AuditLog => self.config.keep_audit_log,
            Old::Secrets | Old::Answers | Old::WriteLocks | Old::Deliveries => Duration::ZERO,
        };
        let keep = TimeDelta::from_std(keep).unwrap_or(TimeDelta::MAX);
        self.clock.now().checked_sub_signed(keep)
    }

    /// `false` when the engine is to stop.
    async fn pause_after(&self, bite: Duration) -> bool {
        tokio::select! {
            () = self.stopping.cancelled() => false,
            () = tokio::time::sleep(PAUSE.max(bite * PAUSE_FOR_BITE)) => true,
        }
    }

    pub(crate) async fn run_maintenance(&self) {
        let mut interval = tokio::time::interval(EVERY);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.stopping.cancelled() => return,
                _ = interval.tick() => {}
            }
            self.maintain().await;
        }
    }

    async fn maintain(&self) {
        for old in ALL {
            tokio::select! {
                () = self.stopping.cancelled() => return,
                () = self.store.reachable() => {}
            }
            if let Err(error) = self.forget_old(old).await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "what is old could not be forgotten: {old:?}"
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
