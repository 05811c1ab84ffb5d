//! Carries store policies out on what is stored already (`store/store_policy/carry_out.rs`), in the
//! background and in every process.

use std::time::Duration;

use futures::{FutureExt as _, future::BoxFuture};
use syncline_store::StoreError;
use tokio::time::Instant;

use crate::{Engine, turns::interval};

/// The shortest delay between two steps.
const DELAY: Duration = Duration::from_millis(5);

impl Engine {
    /// Does everything that is due, and returns the number of steps.
    pub fn carry_out_policies(&self) -> BoxFuture<'_, Result<usize, StoreError>> {
        async move {
            let mut steps = 0;
            loop {
                let began = Instant::now();
                if !self.store.carry_out_policy().await? {
                    self.store.empty_log_later().await?;
                    return Ok(steps);
                }
                steps += 1;
                // Half of the time is for other writers: all is done within the hour.
                tokio::select! {
                    () = self.shutdown.cancelled() => return Ok(steps),
                    () = tokio::time::sleep(DELAY.max(began.elapsed())) => {}
                }
            }
        }
        .boxed()
    }

    pub(crate) async fn run_store_policies(&self) {
        let mut interval = interval(self.config.tick);
        while self.goes_on_after(interval.tick()).await {
            if let Err(error) = self.carry_out_policies().await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "what is stored could not be brought in line with the store policies, \
                     retrying: {error}"
                );
            }
        }
    }
}
