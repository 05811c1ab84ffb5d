//! When the engine's background loops take their turns.

use std::{future::Future, time::Duration};

use tokio::time::{Interval, MissedTickBehavior};

use crate::Engine;

/// Turns of which none is made up for.
pub(crate) fn interval(every: Duration) -> Interval {
    let mut interval = tokio::time::interval(every);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

impl Engine {
    /// Waits for this, and until the database can be reached. `false`: the engine is shutting down.
    pub(crate) async fn goes_on_after<T>(&self, due: impl Future<Output = T>) -> bool {
        let turn = async {
            due.await;
            self.store.reachable().await;
        };
        tokio::select! {
            () = self.shutdown.cancelled() => false,
            () = turn => true,
        }
    }
}
