//! Maintenance: purges old rows in the background.
//!
//! It is a separate task, so that due work doesn't wait for it, and it works in batches with delays
//! between them (`store/retention.rs`), so that writers wait for one batch at most. Like the tick
//! it has no state: it doesn't matter which process does it, or how often.

use std::time::Duration;

use chrono::TimeDelta;
use futures::{FutureExt as _, future::BoxFuture};
use syncline_model::Time;
use syncline_store::{Expired, StoreError};
use tokio::time::Instant;

use crate::{Engine, turns::interval};

/// How often to purge.
const EVERY: Duration = Duration::from_hours(1);
/// The shortest delay between two batches.
const DELAY: Duration = Duration::from_millis(20);
/// A longer batch is followed by a proportionally longer delay, so that an embedded database's only
/// writer, and a server's disk, are mostly free for others.
const DELAY_FOR_BATCH: u32 = 4;

const TWO_DAYS: Duration = Duration::from_hours(48);

const ALL: [Expired; 19] = [
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
    Expired::Authorizations,
    Expired::ConsoleSessions,
    Expired::Approvals,
    Expired::AgentCredits,
    Expired::RequestCounts,
    Expired::Callbacks,
    Expired::KeyCredits,
    Expired::EnrichmentJobs,
    Expired::EnrichmentAnswers,
];

impl Engine {
    /// Purges everything of this kind that has expired, and returns how many entries were deleted.
    pub fn purge(&self, old: Expired) -> BoxFuture<'_, Result<u64, StoreError>> {
        async move {
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
        .boxed()
    }

    /// Entries from before this time have expired; `None`: none have.
    fn oldest(&self, old: Expired) -> Option<Time> {
        let keep = match old {
            Expired::Runs
            | Expired::History
            | Expired::Accounts
            | Expired::MagicLinks
            | Expired::EnrichmentJobs
            | Expired::EnrichmentAnswers => self.config.keep_runs,
            Expired::Messages => self.config.keep_messages,
            Expired::AuditLog | Expired::Approvals => self.config.keep_audit_log,
            // A day of it is shown, and counts for ceilings.
            Expired::AgentCredits | Expired::RequestCounts | Expired::KeyCredits => TWO_DAYS,
            Expired::Secrets
            | Expired::Answers
            | Expired::WriteLocks
            | Expired::Deliveries
            | Expired::Authorizations
            | Expired::ConsoleSessions
            | Expired::Callbacks => Duration::ZERO,
        };
        let keep = TimeDelta::from_std(keep).unwrap_or(TimeDelta::MAX);
        self.clock.now().checked_sub_signed(keep)
    }

    /// `false` if the engine is shutting down.
    async fn pause_after(&self, batch: Duration) -> bool {
        tokio::select! {
            () = self.shutdown.cancelled() => false,
            () = tokio::time::sleep(DELAY.max(batch * DELAY_FOR_BATCH)) => true,
        }
    }

    pub(crate) async fn run_maintenance(&self) {
        let mut interval = interval(EVERY);
        while self.goes_on_after(interval.tick()).await {
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
                    "expired rows could not be purged: {old:?}"
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
