//! Tells webhook endpoints that records have changed, soon after the commit.

use futures::{FutureExt as _, future::BoxFuture};
use syncline_store::StoreError;

use crate::{Engine, turns::interval};

impl Engine {
    /// Writes the events about changes that are due, and returns how many.
    pub fn tell_changes(&self) -> BoxFuture<'_, Result<usize, StoreError>> {
        async move {
            let mut events = 0;
            loop {
                let told = self.store.tell_changes().await?;
                events += told.events;
                if !told.more {
                    return Ok(events);
                }
            }
        }
        .boxed()
    }

    /// Tells changes as this process commits them, and every second those that were put off or that
    /// others left behind.
    pub(crate) async fn run_change_notices(&self) {
        let mut changed = self.store.changed();
        let mut interval = interval(self.config.tick);
        let mut due = async || {
            tokio::select! {
                _ = changed.changed() => {}
                _ = interval.tick() => {}
            }
        };
        while self.goes_on_after(due()).await {
            if let Err(error) = self.tell_changes().await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "changes could not be told to webhook endpoints, retrying in a second: {error}"
                );
            }
        }
    }
}
