//! `/metrics`: what this process has counted, and what the database shows, in Prometheus's format.
//!
//! Counters and histograms come from the process's recorder. Gauges that need database queries
//! (`gauges`) are read on request and cached for some seconds, so that scrapes can't overload the
//! database. Every name is in docs/monitoring.md.

mod exposition;
mod gauges;

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};
use syncline_model::Time;
use tokio::sync::Mutex;

use crate::AppState;

/// How long the gauges are cached.
const KEPT_FOR: TimeDelta = TimeDelta::seconds(10);
/// The timeout of the database queries: a scrape must not hang with the database.
const LOOK_WITHIN: Duration = Duration::from_secs(3);
/// How often recorded histogram samples are aggregated. Without it they would accumulate between
/// scrapes.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// Seconds, from an answer out of memory to a request that timed out.
const BUCKETS: [f64; 13] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0,
];

/// Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    recorded: PrometheusHandle,
    looked_up: Arc<Mutex<Option<LookedUp>>>,
}

struct LookedUp {
    at: Time,
    text: String,
}

impl From<PrometheusHandle> for Metrics {
    fn from(recorded: PrometheusHandle) -> Self {
        Self {
            recorded,
            looked_up: Arc::default(),
        }
    }
}

impl Metrics {
    /// Records everything that this process counts from now on; call it once per process.
    pub fn install() -> Result<Self, BuildError> {
        let recorded = PrometheusBuilder::new()
            .set_buckets(&BUCKETS)?
            .install_recorder()?;
        describe();
        syncline_store::describe_metrics();
        syncline_engine::describe_metrics();
        syncline_webhooks::describe_metrics();
        syncline_destinations::describe_metrics();
        Ok(recorded.into())
    }

    /// Aggregates the recorded samples, for as long as the process lives.
    pub async fn run_upkeep(self) {
        loop {
            tokio::time::sleep(UPKEEP_EVERY).await;
            self.recorded.run_upkeep();
        }
    }

    pub(crate) async fn text(&self, state: &AppState) -> String {
        let mut text = self.recorded.render();
        text.push_str(&self.looked_up(state).await);
        text
    }

    /// Concurrent scrapes wait for one query.
    async fn looked_up(&self, state: &AppState) -> String {
        let mut kept = self.looked_up.lock().await;
        let now = state.clock.now();
        if let Some(kept) = &*kept
            && (now - kept.at).abs() < KEPT_FOR
        {
            return kept.text.clone();
        }
        let gauges = match tokio::time::timeout(LOOK_WITHIN, state.store.gauges()).await {
            Ok(Ok(gauges)) => Some(gauges),
            Ok(Err(error)) => {
                tracing::warn!("metrics: could not read the gauges from the database: {error}");
                None
            }
            Err(_) => {
                tracing::warn!("metrics: reading the gauges from the database timed out");
                None
            }
        };
        let text = exposition::text(&gauges::families(gauges.as_ref(), &state.limits));
        *kept = Some(LookedUp {
            at: now,
            text: text.clone(),
        });
        text
    }
}

/// Describes the metrics of the HTTP side, and starts counters at 0.
fn describe() {
    use metrics::{Unit, counter, describe_counter, describe_histogram};
    describe_counter!(
        "syncline_http_requests_total",
        "Answers, by method, route and status."
    );
    describe_histogram!(
        "syncline_http_request_duration_seconds",
        Unit::Seconds,
        "How long answers took until their headers were sent, by API and class of status."
    );
    describe_counter!(
        "syncline_http_requests_shed_total",
        "Requests that were refused because of the limit of concurrent requests."
    );
    describe_counter!(
        "syncline_http_requests_over_rate_total",
        "Requests that were refused because of their key's rate limit."
    );
    describe_counter!(
        "syncline_enrichment_callbacks_total",
        "Late answers of providers, by result: taken, unknown (the address is nobody's or too old), foreign \
         (about somebody who was not asked about), malformed, too_large or failed."
    );
    for result in [
        "taken",
        "unknown",
        "foreign",
        "malformed",
        "too_large",
        "failed",
    ] {
        counter!("syncline_enrichment_callbacks_total", "result" => result).increment(0);
    }
    counter!("syncline_http_requests_shed_total").increment(0);
    counter!("syncline_http_requests_over_rate_total").increment(0);
}
