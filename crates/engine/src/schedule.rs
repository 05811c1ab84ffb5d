//! The tick: once a second, and sooner when woken, what is due gets a run.
//!
//! It has no input and no memory, so it doesn't matter which process's tick it is, or whether one
//! was missed.

use syncline_store::StoreError;

use crate::Engine;

impl Engine {
    /// Writes the runs that are due now and tells how many. What a clock that was ahead has stamped
    /// is taken back before.
    pub async fn tick(&self) -> Result<usize, StoreError> {
        self.store.take_back_the_future(self.lease()).await?;
        let only = self.config.only_connection.as_deref();
        self.store.start_due_runs(only).await
    }

    pub(crate) async fn run_schedule(&self) {
        let mut interval = tokio::time::interval(self.config.tick);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.shutdown.cancelled() => return,
                () = self.wake.schedule.notified() => {}
                _ = interval.tick() => {}
            }
            tokio::select! {
                () = self.shutdown.cancelled() => return,
                () = self.store.reachable() => {}
            }
            match self.tick().await {
                Ok(0) => {}
                Ok(_) => self.wake.queue.notify_one(),
                // An outage of the database ends by itself; the next tick asks again.
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "due syncs could not be looked for, the next look is in a second: {error}"
                    );
                }
            }
        }
    }
}
