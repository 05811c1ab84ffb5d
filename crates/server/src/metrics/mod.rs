//! `/metrics`: what this process has counted, and what the database says, as Prometheus reads it.
//!
//! Counters and histograms of the process are the recorder's. What takes a look at the database
//! (`gauges`) is looked up when somebody asks, and then kept for some seconds, so that no number of
//! scrapes can load it. Every name is in docs/monitoring.md.

mod exposition;
mod gauges;

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};
use syncline_model::Time;
use tokio::sync::Mutex;

use crate::AppState;

/// How long a look at the database is good for.
const KEPT_FOR: TimeDelta = TimeDelta::seconds(10);
/// What a look may take. A scrape is not to hang on a database that does.
const LOOK_WITHIN: Duration = Duration::from_secs(3);
/// How often what was recorded is put together. Without it, it would pile up between scrapes.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// Seconds, from a look into memory to a request that is given up.
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
    /// Records everything that this process counts from now on; once in a process.
    pub fn install() -> Result<Self, BuildError> {
        let recorded = PrometheusBuilder::new()
            .set_buckets(&BUCKETS)?
            .install_recorder()?;
        describe();
        syncline_store::describe_metrics();
        syncline_engine::describe_metrics();
        syncline_webhooks::describe_metrics();
        Ok(recorded.into())
    }

    /// Puts together what was recorded, for as long as the process lives.
    pub async fn keep_up(self) {
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

    /// Whoever asks while somebody looks waits for that look.
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
                tracing::warn!("metrics lack what the database would say: {error}");
                None
            }
            Err(_) => {
                tracing::warn!("metrics lack what the database would say: it took too long");
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

/// What the HTTP side counts, there from the start.
fn describe() {
    use metrics::{Unit, counter, describe_counter, describe_histogram};
    describe_counter!(
        "syncline_http_requests_total",
        "Answers, by method, route and status."
    );
    describe_histogram!(
        "syncline_http_request_duration_seconds",
        Unit::Seconds,
        "How long answers took until their head was sent, by API and class of status."
    );
    describe_counter!(
        "syncline_http_requests_shed_total",
        "Requests that were refused because as many were at work as may be."
    );
    describe_counter!(
        "syncline_http_requests_over_rate_total",
        "Requests that were refused because their key had sent too many."
    );
    counter!("syncline_http_requests_shed_total").increment(0);
    counter!("syncline_http_requests_over_rate_total").increment(0);
}
