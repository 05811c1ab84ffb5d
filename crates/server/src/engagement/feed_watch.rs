//! Readers of change feeds that wait for something to commit.
//!
//! Whoever waits is told the newest stamp of the feed as it grows. One task of the process looks for
//! all of them: as soon as this process has changed records, and once a second for what other
//! processes changed. It ends when nobody waits.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use syncline_store::Store;
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::task::TaskTracker;

/// How often to look for what other processes changed.
const EVERY: Duration = Duration::from_secs(1);
/// The shortest time between two looks, however much is changed.
const REST: Duration = Duration::from_millis(50);
/// Feeds that are looked at with one query.
const TOGETHER: usize = 1000;

/// Cheap to clone; clones share one watch.
#[derive(Clone, Default)]
pub struct FeedWatch(Arc<Mutex<Watched>>);

#[derive(Default)]
struct Watched {
    /// The newest stamp of each feed that somebody waits for.
    feeds: HashMap<String, watch::Sender<i64>>,
    /// Whether the task is running.
    looking: bool,
}

impl FeedWatch {
    /// Resolves when the feed has a newer stamp than this one, and at the end of the process.
    pub(crate) async fn newer(
        &self,
        store: &Store,
        tasks: &TaskTracker,
        connection_id: &str,
        known_ms: i64,
    ) {
        let mut newest = self.subscribe(store, tasks, connection_id, known_ms);
        // The sender is gone when the process shuts down.
        let _ = newest.wait_for(|newest| *newest > known_ms).await;
    }

    fn subscribe(
        &self,
        store: &Store,
        tasks: &TaskTracker,
        connection_id: &str,
        known_ms: i64,
    ) -> watch::Receiver<i64> {
        let mut watched = self.watched();
        let newest = watched
            .feeds
            .entry(connection_id.to_owned())
            .or_insert_with(|| watch::Sender::new(known_ms))
            .subscribe();
        if !watched.looking && !tasks.is_closed() {
            watched.looking = true;
            let (watch, store, ending) = (self.clone(), store.clone(), tasks.clone());
            tasks.spawn(async move { watch.look(&store, &ending).await });
        }
        newest
    }

    async fn look(&self, store: &Store, tasks: &TaskTracker) {
        let mut changed = store.changed();
        while let Some(waiting) = self.waiting_or_stop(tasks.is_closed()) {
            let began = Instant::now();
            changed.mark_unchanged();
            for together in waiting.chunks(TOGETHER) {
                let together: Vec<&str> = together.iter().map(String::as_str).collect();
                match store.newest_stamps(&together).await {
                    Ok(stamps) => self.tell(&stamps),
                    Err(error) => tracing::warn!("change feeds could not be looked at: {error}"),
                }
            }
            sleep_until(began + REST).await;
            tokio::select! {
                _ = changed.changed() => {}
                () = sleep(EVERY) => {}
            }
        }
    }

    /// The feeds that somebody waits for. `None`: the task ends, because nobody waits or because the
    /// process does; those who wait are told of the latter.
    fn waiting_or_stop(&self, ends: bool) -> Option<Vec<String>> {
        let mut watched = self.watched();
        watched
            .feeds
            .retain(|_, newest| !ends && newest.receiver_count() > 0);
        watched.looking = !watched.feeds.is_empty();
        watched
            .looking
            .then(|| watched.feeds.keys().cloned().collect())
    }

    fn tell(&self, stamps: &HashMap<String, i64>) {
        let watched = self.watched();
        for (connection_id, stamp) in stamps {
            if let Some(newest) = watched.feeds.get(connection_id) {
                newest.send_if_modified(|newest| {
                    let grew = *stamp > *newest;
                    *newest = *stamp.max(newest);
                    grew
                });
            }
        }
    }

    fn watched(&self) -> MutexGuard<'_, Watched> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
