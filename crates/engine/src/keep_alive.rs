//! Refreshes tokens that nobody uses before their refresh tokens die.
//!
//! Like the tick it has no state: it doesn't matter which process does it, or how often.

use std::{sync::Arc, time::Duration};

use futures::{FutureExt as _, future::BoxFuture};
use tokio::{sync::Semaphore, task::JoinSet};

use crate::{Engine, NoTokens, turns::interval};

const EVERY: Duration = Duration::from_mins(1);
/// Refreshes at once.
const CONCURRENCY: usize = 8;
/// Connections in one round.
const BATCH: i64 = 200;

impl Engine {
    pub(crate) async fn keep_tokens_alive(&self) {
        let mut interval = interval(EVERY);
        while self.goes_on_after(interval.tick()).await {
            self.refresh_idle_tokens().await;
        }
    }

    /// One round; a refresh that is under way is finished, because its new tokens have to be stored.
    pub fn refresh_idle_tokens(&self) -> BoxFuture<'_, ()> {
        async move {
            let due = match self.tokens.due(BATCH).await {
                Ok(due) => due,
                Err(error) => {
                    tracing::warn!("connections with idle tokens could not be read: {error}");
                    return;
                }
            };
            let places = Arc::new(Semaphore::new(CONCURRENCY));
            let mut refreshes = JoinSet::new();
            for connection_id in due {
                let (tokens, places) = (self.tokens.clone(), places.clone());
                let shutdown = self.shutdown.clone();
                refreshes.spawn(async move {
                    let _place = places.acquire().await;
                    if shutdown.is_cancelled() {
                        return;
                    }
                    match tokens.keep_alive(&connection_id).await {
                        Ok(()) | Err(NoTokens::Deleted) => {}
                        Err(error) => tracing::warn!(
                            connection.id = connection_id,
                            "idle tokens could not be refreshed: {error}"
                        ),
                    }
                });
            }
            refreshes.join_all().await;
        }
        .boxed()
    }
}
