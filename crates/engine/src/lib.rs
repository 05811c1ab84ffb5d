//! The sync engine: decides when a run starts, leases it, reads it page by page and ends it.
//!
//! The complete state of a run is in the database; the code here only advances it. `schedule` is
//! the tick that creates runs, `queue` hands due scans to workers, `foreground` reads one
//! connection for a command, `scan` takes a leased scan from its checkpoint to its end, `page` is
//! one step of that, `spending` gets permits for such a step, and `sweep` handles the rows that the
//! scan didn't see. `enrichment` works on enrichment jobs, and `change_notices` tells webhook endpoints
//! that records have changed. `maintenance` purges what has expired, and `store_policy` what may no longer
//! be stored.
//!
//! Public methods that do much return boxed futures, because the code of an `async fn` is generated in each
//! crate that awaits it: the server, the program, the simulation and the tests each compiled the engine
//! again.

mod change_notices;
mod connect;
mod credentials;
mod enrichment;
mod exchange;
mod failed_request;
mod foreground;
mod keep_alive;
mod leased_scan;
mod maintenance;
mod next_checkpoint;
mod other_thread;
mod page;
mod queue;
mod report;
mod scan;
mod schedule;
mod seen;
mod sleep;
mod spending;
mod store_policy;
mod sweep;
mod tokens;
mod turns;

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use futures::{FutureExt as _, future::BoxFuture};
use syncline_model::{Clock, ProviderLimits};
use syncline_providers::Providers;
use syncline_store::Store;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub use connect::{CheckedCredentials, Connect, CredentialsRejected};
pub use enrichment::JobEnd;
pub use foreground::ForegroundEnd;
pub use leased_scan::LeasedScan;
pub use scan::{ScanEnd, Step};
pub use sleep::Sleep;
pub use tokens::{NoFirstTokens, NoTokens, Tokens};

/// The engine's settings; the defaults are for production.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// This process's name in the leases.
    pub worker_name: String,
    /// Only work for this connection; `None`: for all.
    pub only_connection: Option<String>,
    /// The maximum number of scans that this process works on at once.
    pub concurrency: usize,
    /// The maximum number of keys that an enrichment job asks with at once.
    pub keys_at_once: usize,
    /// How long a lease lasts without renewal. A page extends it, and so does a heartbeat every
    /// third of it.
    pub lease_duration: Duration,
    /// How often due times are checked.
    pub tick: Duration,
    /// How a request is retried after a transient failure.
    pub retry: RetryConfig,
    pub limits: ProviderLimits,
    /// The maximum number of lookups of one run, for rows that it didn't see.
    pub lookups_per_run: u32,
    /// How long a worker stays with a scan before other customers' scans get their turn.
    pub turn: Duration,
    /// How long finished runs are kept.
    pub keep_runs: Duration,
    /// How long webhook messages are kept.
    pub keep_messages: Duration,
    /// How long the audit log is kept.
    pub keep_audit_log: Duration,
    /// When a page is asked for whose permit is reserved.
    pub ask_ahead: AskAhead,
    /// How a step waits for another process's refresh of its tokens.
    pub sleep: Sleep,
    /// The public `https` URL that providers send late answers to; `None`: they can't.
    pub callback_base: Option<String>,
}

/// When the next page is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AskAhead {
    /// While the page before it is written.
    Meanwhile,
    /// Before that one is written: the simulation does one thing after the other.
    Before,
}

/// The exponential backoff of a request to a provider that failed for a transient reason. A failed *run*
/// has no backoff: its sync is due again after its period (`store/schedule.rs`), and the next run goes on
/// at the checkpoint where it can.
#[derive(Debug, Clone)]
pub struct RetryConfig {
    /// Attempts in total, including the first one.
    pub tries: usize,
    /// The delay before the second attempt; doubled after each.
    pub first_delay: Duration,
    /// The limit for all attempts and delays together.
    pub within: Duration,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            worker_name: "syncline".to_owned(),
            only_connection: None,
            concurrency: 16,
            keys_at_once: 16,
            lease_duration: Duration::from_secs(30),
            tick: Duration::from_secs(1),
            retry: RetryConfig::default(),
            limits: ProviderLimits::default(),
            lookups_per_run: 200,
            turn: Duration::from_secs(2),
            keep_runs: Duration::from_hours(90 * 24),
            keep_messages: Duration::from_hours(90 * 24),
            keep_audit_log: Duration::from_hours(365 * 24),
            ask_ahead: AskAhead::Meanwhile,
            sleep: Sleep::default(),
            callback_base: None,
        }
    }
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self {
            tries: 6,
            first_delay: Duration::from_secs(1),
            within: Duration::from_mins(2),
        }
    }
}

/// Describes the metrics at the start.
pub fn describe_metrics() {
    report::describe_metrics();
    enrichment::describe_metrics();
}

/// Cheap to clone; clones share the same engine.
#[derive(Clone)]
pub struct Engine {
    store: Store,
    providers: Providers,
    clock: Arc<dyn Clock>,
    config: Arc<EngineConfig>,
    tokens: Tokens,
    wake: Wake,
    shutdown: CancellationToken,
}

/// Triggers the next check of what is due immediately. It only saves time: checks also happen at
/// every tick.
#[derive(Clone, Default)]
pub struct Wake {
    schedule: Arc<Notify>,
    queue: Arc<Notify>,
}

impl Wake {
    /// A sync became due.
    pub fn wake(&self) {
        self.schedule.notify_one();
    }

    /// A scan was finished or released, so scans or syncs that waited for it may proceed.
    fn scan_left(&self) {
        self.queue.notify_one();
        self.schedule.notify_one();
    }
}

impl Engine {
    pub fn new(
        store: Store,
        providers: Providers,
        clock: Arc<dyn Clock>,
        config: EngineConfig,
    ) -> Self {
        Self {
            tokens: Tokens::new(
                store.clone(),
                providers.clone(),
                clock.clone(),
                config.sleep.clone(),
            ),
            store,
            providers,
            clock,
            config: Arc::new(config),
            wake: Wake::default(),
            shutdown: CancellationToken::new(),
        }
    }

    pub fn tokens(&self) -> Tokens {
        self.tokens.clone()
    }

    pub fn wake(&self) -> Wake {
        self.wake.clone()
    }

    /// Runs the schedule, the workers, enrichment jobs, notices and maintenance until [`shutdown`](Self::shutdown), then
    /// waits for the pages in flight to commit.
    pub fn run(&self) -> BoxFuture<'_, ()> {
        async move {
            tokio::join!(
                self.run_schedule(),
                self.run_workers(),
                self.run_enrichment(),
                self.run_maintenance(),
                self.run_change_notices(),
                self.run_store_policies(),
                self.keep_tokens_alive()
            );
        }
        .boxed()
    }

    /// Begins a graceful shutdown: no more work is taken, and [`run`](Self::run) returns when the
    /// pages in flight are committed.
    pub fn shutdown(&self) {
        self.shutdown.cancel();
    }

    fn lease(&self) -> TimeDelta {
        TimeDelta::from_std(self.config.lease_duration).unwrap_or(TimeDelta::MAX)
    }
}
