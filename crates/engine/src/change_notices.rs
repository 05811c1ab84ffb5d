//! Tells webhook endpoints that records have changed, soon after the commit.

use syncline_store::StoreError;

use crate::Engine;

impl Engine {
    /// Writes the events about changes that are due, and returns how many.
    pub async fn tell_changes(&self) -> Result<usize, StoreError> {
        let mut events = 0;
        loop {
            let told = self.store.tell_changes().await?;
            events += told.events;
            if !told.more {
                return Ok(events);
            }
        }
    }

    /// Tells changes as this process commits them, and every second those that were put off or that
    /// others left behind.
    pub(crate) async fn run_change_notices(&self) {
        let mut changed = self.store.changed();
        let mut interval = tokio::time::interval(self.config.tick);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.shutdown.cancelled() => return,
                _ = changed.changed() => {}
                _ = interval.tick() => {}
            }
            tokio::select! {
                () = self.shutdown.cancelled() => return,
                () = self.store.reachable() => {}
            }
            if let Err(error) = self.tell_changes().await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "changes could not be told to webhook endpoints, retrying in a second: {error}"
                );
            }
        }
    }
}
