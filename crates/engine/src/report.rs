//! Logs and metrics of scans.
//!
//! Every log line about a scan is inside its span, so it includes the customer, the connection, the
//! object and the runs.

use std::time::Duration;

use syncline_model::{Object, RunState, Time, WaitReason};
use syncline_store::{Ending, Pause, Scan, Written};
use tracing::Span;

/// Registers the metrics at the start, so that each series begins at 0, and a missing one means that
/// nothing was scraped.
pub(crate) fn describe_metrics() {
    use metrics::{counter, describe_counter};
    describe_counter!(
        "syncline_pages_total",
        "Pages of records that were read and written, by object."
    );
    describe_counter!(
        "syncline_records_read_total",
        "Records in those pages, as the provider returned them, by object."
    );
    describe_counter!(
        "syncline_rows_written_total",
        "Rows that were inserted or changed, by object."
    );
    describe_counter!(
        "syncline_request_retries_total",
        "Requests of syncs that are retried after a transient failure, by object."
    );
    describe_counter!(
        "syncline_runs_finished_total",
        "Runs that ended, by object and status (SUCCESS or FAILURE)."
    );
    for object in Object::ALL {
        let object = object.as_str();
        for name in [
            "syncline_pages_total",
            "syncline_records_read_total",
            "syncline_rows_written_total",
            "syncline_request_retries_total",
        ] {
            counter!(name, "object" => object).increment(0);
        }
        for status in ["SUCCESS", "FAILURE"] {
            counter!("syncline_runs_finished_total", "object" => object, "status" => status)
                .increment(0);
        }
    }
}

/// The span around all work for the scan. It has the highest level, so that it exists at every log
/// level.
pub(crate) fn span_of(scan: &Scan) -> Span {
    let runs: Vec<&str> = scan.runs.iter().map(|run| run.id.as_str()).collect();
    tracing::error_span!(
        "scan",
        customer = scan.connection.customer_id,
        provider = scan.connection.provider.as_str(),
        connection = scan.connection.connection_id,
        object = scan.object.as_str(),
        run = runs.join(","),
    )
}

/// A request will be retried.
pub(crate) fn retry(scan: &Scan, what: &str, error: &dyn std::fmt::Display, after: Duration) {
    let object = scan.object.as_str();
    metrics::counter!("syncline_request_retries_total", "object" => object).increment(1);
    tracing::warn!(
        ?after,
        "retrying {what} of {} in {after:?}: {error}",
        scan.object.plural()
    );
}

/// A scan will continue later. Reaching our own limits is normal (info); a rate limit of the
/// provider deserves attention (warning).
pub(crate) fn waits(scan: &Scan, until: Time, reason: WaitReason) {
    let until = until.format("%FT%TZ");
    let objects = scan.object.plural();
    match reason {
        WaitReason::RecordsPerHour | WaitReason::RecordsPerDay => {
            let window = if reason == WaitReason::RecordsPerHour {
                "hour"
            } else {
                "day"
            };
            tracing::info!(
                %until,
                "reading {objects} waits until {until}: the record limit per {window} is reached"
            );
        }
        WaitReason::ProviderRateLimit => tracing::warn!(
            %until,
            "reading {objects} waits until {until}: the provider's rate limit is reached"
        ),
    }
}

/// A page is committed.
pub(crate) fn page(scan: &Scan, returned: i64, written: &[Written]) {
    let object = scan.object.as_str();
    metrics::counter!("syncline_pages_total", "object" => object).increment(1);
    metrics::counter!("syncline_records_read_total", "object" => object)
        .increment(u64::try_from(returned).unwrap_or_default());
    for own in written {
        let rows = u64::try_from(own.created + own.updated).unwrap_or_default();
        metrics::counter!("syncline_rows_written_total", "object" => own.object.as_str())
            .increment(rows);
    }
}

/// The scan's runs have ended.
pub(crate) fn ended(endings: &[Ending], pause: Option<&Pause>) {
    for Ending { run, state, .. } in endings {
        metrics::counter!(
            "syncline_runs_finished_total",
            "object" => run.object.as_str(),
            "status" => state.status(),
        )
        .increment(1);
        let (id, objects) = (&run.id, run.object.plural());
        match state {
            RunState::Succeeded { coverage, .. } => tracing::info!(
                "run {id} read {} {objects} ({:?})",
                coverage.records_seen,
                coverage.verdict
            ),
            RunState::Failed { error, .. } | RunState::Stalled { error, .. } => {
                tracing::warn!(
                    "run {id} of {objects} failed: {}. {}",
                    error.trim_end_matches('.'),
                    what_follows(pause)
                );
            }
            _ => {}
        }
    }
}

/// What happens to a sync after a failed run, and what can be done about it.
fn what_follows(pause: Option<&Pause>) -> &'static str {
    match pause {
        None => "It is retried in the next period",
        Some(Pause::Connection { .. }) => {
            "All syncs of the connection are paused until the connection gets a valid key (PUT it \
             to the connection)"
        }
        Some(Pause::Object { .. }) => {
            "The object is retried once a day; to resume it at once, PUT a key that may read it to \
             the connection"
        }
    }
}
