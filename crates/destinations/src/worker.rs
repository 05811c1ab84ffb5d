//! The workers: each leases a connection's feed, and brings its destination up to date.

use std::{
    collections::BTreeMap,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::TimeDelta;
use metrics::counter;
use syncline_model::{Clock, FeedPosition, Object};
use syncline_queue::{Leases, Workers};
use syncline_store::{ChangeQuery, DestinationFeed, Store, StoreError};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::{
    DestinationError,
    target::{Checkpoint, Target, Targets},
};

/// How destinations are written; the defaults are for production.
#[derive(Debug, Clone)]
pub struct DestinationsConfig {
    /// This process's name in the leases.
    pub worker_name: String,
    /// Feeds that are worked on concurrently in this process.
    pub concurrency: usize,
    /// Of which at most so many of one destination.
    pub of_each: usize,
    /// How long a lease lasts without renewal; it is renewed every third of it.
    pub lease_duration: Duration,
    /// How often the database is polled for due feeds.
    pub tick: Duration,
    /// How long a feed is worked on before others get their turn.
    pub turn: Duration,
    /// Rows of a batch. Large ones make it smaller.
    pub batch: usize,
    /// The delay after a first failure; doubled with each further one.
    pub first_delay: Duration,
    pub longest_delay: Duration,
    /// Whether a destination may be on a private network, or on this machine.
    pub allow_private: bool,
}

impl Default for DestinationsConfig {
    fn default() -> Self {
        Self {
            worker_name: "syncline".to_owned(),
            concurrency: 16,
            of_each: 4,
            lease_duration: Duration::from_mins(1),
            tick: Duration::from_secs(1),
            turn: Duration::from_secs(30),
            batch: 5000,
            first_delay: Duration::from_secs(5),
            longest_delay: Duration::from_mins(5),
            allow_private: false,
        }
    }
}

/// Describes the metrics at the start.
pub fn describe_metrics() {
    use metrics::describe_counter;
    describe_counter!(
        "syncline_destination_rows_total",
        "Rows that were written to destinations, by type."
    );
    describe_counter!(
        "syncline_destination_failures_total",
        "Attempts to write to a destination that failed, by type."
    );
    // Alerts need a counter from the start.
    for destination_type in ["postgres", "s3"] {
        counter!("syncline_destination_rows_total", "type" => destination_type).increment(0);
        counter!("syncline_destination_failures_total", "type" => destination_type).increment(0);
    }
}

/// Cheap to clone; all clones share one state.
#[derive(Clone)]
pub struct Destinations {
    store: Store,
    clock: Arc<dyn Clock>,
    config: Arc<DestinationsConfig>,
    targets: Targets,
    /// The feeds that this process works on, by destination.
    busy: Arc<Mutex<BTreeMap<String, usize>>>,
    shutdown: CancellationToken,
}

impl Leases for Destinations {
    type Job = DestinationFeed;
    type Error = StoreError;

    async fn lease_due(&self, limit: i64) -> Result<Vec<DestinationFeed>, StoreError> {
        self.store.reachable().await;
        self.claim(usize::try_from(limit).unwrap_or(usize::MAX))
            .await
    }

    async fn work_on(&self, feed: DestinationFeed) {
        let span = tracing::info_span!(
            "destination",
            destination.name = feed.destination_name,
            customer.id = feed.connection.customer_id,
            connection.id = feed.connection.connection_id,
        );
        // Boxed: it is large, because of what clients of buckets hold.
        Box::pin(self.work_on_feed(&feed).instrument(span)).await;
        self.no_longer_busy(&feed.destination_id);
    }
}

impl Destinations {
    pub fn new(store: Store, clock: Arc<dyn Clock>, config: DestinationsConfig) -> Self {
        let connections = u32::try_from(config.of_each).unwrap_or(u32::MAX);
        Self {
            targets: Targets::new(config.allow_private, connections),
            store,
            clock,
            config: Arc::new(config),
            busy: Arc::default(),
            shutdown: CancellationToken::new(),
        }
    }

    /// Writes until [`shutdown`](Self::shutdown); then completes the batches in flight.
    pub async fn run(&self) {
        let workers = Workers {
            name: format!("{}-destinations", self.config.worker_name),
            concurrency: self.config.concurrency,
            tick: self.config.tick,
            wake: self.store.destinations_due(),
            shutdown: self.shutdown.clone(),
        };
        workers.work_off(self.clone()).await;
    }

    /// Takes no more work.
    pub fn shutdown(&self) {
        self.shutdown.cancel();
    }

    /// Writes everything that is due now, one feed after the other; returns how many were worked on.
    pub async fn work_off(&self) -> Result<usize, StoreError> {
        let mut worked_on = 0;
        loop {
            let feeds = self.claim(1).await?;
            if feeds.is_empty() {
                return Ok(worked_on);
            }
            for feed in feeds {
                self.work_on(feed).await;
                worked_on += 1;
            }
        }
    }

    async fn claim(&self, limit: usize) -> Result<Vec<DestinationFeed>, StoreError> {
        let busy = self.busy().clone();
        let (owner, of_each) = (&self.config.worker_name, self.config.of_each);
        let feeds = self
            .store
            .claim_destination_feeds(owner, self.lease(), limit, of_each, &busy)
            .await?;
        for feed in &feeds {
            *self.busy().entry(feed.destination_id.clone()).or_default() += 1;
        }
        Ok(feeds)
    }

    async fn work_on_feed(&self, feed: &DestinationFeed) {
        let mut writing = pin!(self.bring_up_to_date(feed));
        let written = tokio::select! {
            written = &mut writing => written,
            () = self.keep_lease(feed) => Err(DestinationError::Overtaken),
        };
        let noted = match written {
            Ok(()) => Ok(()),
            Err(DestinationError::Overtaken) => {
                tracing::warn!("another worker has taken over this destination's feed");
                Ok(())
            }
            Err(DestinationError::Store(error)) => Err(error),
            Err(DestinationError::Failed(error)) => self.note_failure(feed, &error).await,
        };
        if let Err(error) = noted {
            // Its lease expires, and it is due again.
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "a destination's feed could not be worked on, retrying soon: {error}"
            );
        }
    }

    async fn note_failure(&self, feed: &DestinationFeed, error: &str) -> Result<(), StoreError> {
        let failures = self
            .store
            .destination_failures(&feed.destination_id)
            .await?;
        let doubled = u32::try_from(failures).unwrap_or(u32::MAX).min(10);
        let delay = self.config.first_delay * 2_u32.pow(doubled);
        let delay = delay.min(self.config.longest_delay);
        tracing::warn!("the destination could not be written, retrying in {delay:?}: {error}");
        let destination_type = feed.config.destination_type().as_str();
        counter!("syncline_destination_failures_total", "type" => destination_type).increment(1);
        self.targets.forget(feed);
        let delay = TimeDelta::from_std(delay).unwrap_or(TimeDelta::MAX);
        let retry_at = self.clock.now() + delay;
        self.store.fail_destination(feed, error, retry_at).await
    }

    /// Does what is to be removed, and writes what has changed, until nothing is left or others have
    /// their turn.
    async fn bring_up_to_date(&self, feed: &DestinationFeed) -> Result<(), DestinationError> {
        let target = self.targets.of(feed).await?;
        let turn_ends = Instant::now() + self.config.turn;
        loop {
            if self.remove(feed, &target).await? {
                return Ok(self.store.end_destination_feed(feed).await?);
            }
            if !feed.fed {
                return Ok(self.store.release_destination_feed(feed, i64::MAX).await?);
            }
            if let Some(stamp_ms) = self.write_batch(feed, &target).await? {
                target.tidy(feed, self.clock.now()).await?;
                return Ok(self.store.release_destination_feed(feed, stamp_ms).await?);
            }
            if Instant::now() >= turn_ends || self.shutdown.is_cancelled() {
                return Ok(self.store.yield_destination_feed(feed).await?);
            }
        }
    }

    /// Removes what was removed from the tables. `true`: the connection is gone.
    async fn remove(
        &self,
        feed: &DestinationFeed,
        target: &Target,
    ) -> Result<bool, DestinationError> {
        for removal in self.store.removals_of(feed).await? {
            target.remove(feed, &removal, self.clock.now()).await?;
            self.store.removal_is_done(&removal).await?;
            if removal.object.is_none() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Writes the next batch. `Some`: nothing is left up to this stamp.
    async fn write_batch(
        &self,
        feed: &DestinationFeed,
        target: &Target,
    ) -> Result<Option<i64>, DestinationError> {
        let connection_id = &feed.connection.connection_id;
        let state = self.store.change_feed(connection_id).await?;
        // Asked before each batch: a server that failed over may have lost the last ones.
        let found = target.checkpoint(feed).await?;
        let checkpoint = match found {
            Some(checkpoint) if checkpoint.epoch == state.epoch => checkpoint,
            found => Checkpoint {
                stale_before: match found {
                    // What was restored has later stamps than all that is there.
                    Some(_) => Some(self.store.oldest_stamp(&feed.connection).await?),
                    None => None,
                },
                epoch: state.epoch.clone(),
                position: FeedPosition::START,
            },
        };
        let end = FeedPosition::after_stamp(state.newest_ms);
        if checkpoint.position == end {
            if checkpoint.stale_before.is_some() {
                target
                    .remove_stale(feed, &checkpoint, self.clock.now())
                    .await?;
            }
            return Ok(Some(state.newest_ms));
        }
        let batch = self
            .store
            .changes(&ChangeQuery {
                connection: &feed.connection,
                objects: Object::ALL,
                after: &checkpoint.position,
                until_ms: state.newest_ms,
                known_ms: None,
                include_raw_data: true,
                limit: self.config.batch,
            })
            .await?;
        let rows = batch.export(&feed.connection);
        let written = Checkpoint {
            position: if batch.more { batch.position } else { end },
            ..checkpoint
        };
        target.write(feed, rows, &written, self.clock.now()).await?;
        let destination_type = feed.config.destination_type().as_str();
        counter!("syncline_destination_rows_total", "type" => destination_type)
            .increment(batch.changes.len() as u64);
        Ok(None)
    }

    /// Returns when another worker has the lease.
    async fn keep_lease(&self, feed: &DestinationFeed) {
        loop {
            tokio::time::sleep(self.config.lease_duration / 3).await;
            match self
                .store
                .extend_destination_lease(feed, self.lease())
                .await
            {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the lease could not be extended and will be retried: {error}"
                ),
            }
        }
    }

    fn lease(&self) -> TimeDelta {
        TimeDelta::from_std(self.config.lease_duration).unwrap_or(TimeDelta::MAX)
    }

    fn no_longer_busy(&self, destination_id: &str) {
        let mut busy = self.busy();
        if let Some(feeds) = busy.get_mut(destination_id) {
            *feeds -= 1;
            if *feeds == 0 {
                busy.remove(destination_id);
            }
        }
    }

    fn busy(&self) -> MutexGuard<'_, BTreeMap<String, usize>> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
