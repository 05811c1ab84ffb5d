//! Sends events to webhook endpoints: signed, at least once, with retries.
//!
//! The event and its deliveries were written in the transaction of what they report
//! (`store/outbox.rs`). Here they are sent: `deliver` is one endpoint's turn, `worker_slots` limits the
//! workers of each application, `sign` signs messages, `client` is the only HTTP client, and
//! `target` says which URLs it may be given. Retry schedules and rules are in
//! `model/webhook.rs`.

mod client;
mod deliver;
mod sign;
mod target;
mod worker_slots;

use std::{sync::Arc, time::Duration};

use syncline_model::Clock;
use syncline_outgoing::Lookup;
use syncline_queue::Workers;
use syncline_store::Store;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub use deliver::describe_metrics;
pub use target::{InvalidTarget, LONGEST_URL, parse_target};

use client::Targets;
use worker_slots::WorkerSlots;

/// How webhooks are sent; the defaults are for production.
#[derive(Debug, Clone)]
pub struct WebhooksConfig {
    /// This process's name in the leases.
    pub worker_name: String,
    /// Endpoints that are worked on concurrently in this process.
    pub concurrency: usize,
    /// How long a lease lasts without renewal. Each attempt extends it, and it is longer than an
    /// attempt can take.
    pub lease_duration: Duration,
    /// How often the database is polled for due endpoints.
    pub tick: Duration,
    /// How long an endpoint is worked on before others get their turn.
    pub turn: Duration,
    /// The timeout of an attempt, from resolving the host to reading the answer.
    pub within: Duration,
    /// Whether a target may be on a private network, or on this machine.
    pub allow_private_targets: bool,
}

impl Default for WebhooksConfig {
    fn default() -> Self {
        Self {
            worker_name: "syncline".to_owned(),
            concurrency: 256,
            lease_duration: Duration::from_mins(1),
            tick: Duration::from_secs(1),
            turn: Duration::from_secs(30),
            within: Duration::from_secs(15),
            allow_private_targets: false,
        }
    }
}

/// Cheap to clone; all clones share one state.
#[derive(Clone)]
pub struct Webhooks {
    store: Store,
    clock: Arc<dyn Clock>,
    targets: Targets,
    config: Arc<WebhooksConfig>,
    slots: WorkerSlots,
    wake: Arc<Notify>,
    shutdown: CancellationToken,
}

impl Webhooks {
    pub fn new(
        store: Store,
        clock: Arc<dyn Clock>,
        lookup: impl Lookup,
        config: WebhooksConfig,
    ) -> Result<Self, reqwest::Error> {
        Ok(Self {
            targets: Targets::new(lookup, config.within, config.allow_private_targets)?,
            wake: store.told(),
            store,
            clock,
            config: Arc::new(config),
            slots: WorkerSlots::default(),
            shutdown: CancellationToken::new(),
        })
    }

    /// Delivers until [`shutdown`](Self::shutdown); then completes the attempts in flight.
    pub async fn run(&self) {
        let workers = Workers {
            name: format!("{}-webhooks", self.config.worker_name),
            concurrency: self.config.concurrency,
            tick: self.config.tick,
            wake: self.wake.clone(),
            shutdown: self.shutdown.clone(),
        };
        workers.work_off(self.clone()).await;
    }

    /// Takes no more work.
    pub fn shutdown(&self) {
        self.shutdown.cancel();
    }
}
