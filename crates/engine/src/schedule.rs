//! The tick: once a second, and sooner when woken, creates the runs that are due.
//!
//! It has no input and no state, so it doesn't matter which process runs it, or whether a tick was
//! missed.

use futures::{FutureExt as _, future::BoxFuture};
use syncline_store::StoreError;

use crate::{Engine, turns::interval};

impl Engine {
    /// Creates the runs that are due now and returns how many. First corrects times that were
    /// written by a clock that was ahead.
    pub fn tick(&self) -> BoxFuture<'_, Result<usize, StoreError>> {
        async move {
            self.store.clamp_future_times(self.lease()).await?;
            let only = self.config.only_connection.as_deref();
            self.store.start_due_runs(only).await
        }
        .boxed()
    }

    pub(crate) async fn run_schedule(&self) {
        let mut interval = interval(self.config.tick);
        let mut due = async || {
            tokio::select! {
                () = self.wake.schedule.notified() => {}
                _ = interval.tick() => {}
            }
        };
        while self.goes_on_after(due()).await {
            match self.tick().await {
                Ok(0) => {}
                Ok(_) => self.wake.queue.notify_one(),
                // A database outage ends by itself; the next tick retries.
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "due syncs could not be started, retrying in a second: {error}"
                    );
                }
            }
        }
    }
}
