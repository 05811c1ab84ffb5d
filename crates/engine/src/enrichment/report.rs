//! What is logged and measured of enrichment jobs.

use metrics::{counter, describe_counter};
use syncline_model::{Time, enrichment::JobWait};
use syncline_providers::ProviderError;
use syncline_store::{BatchResult, EnrichmentJob, SettledBatch};
use tracing::Span;

pub(crate) fn describe_metrics() {
    describe_counter!(
        "syncline_enrichment_batches_total",
        "Requests of enrichment jobs, by result: answered, refused (they cost nothing) or uncertain."
    );
    describe_counter!(
        "syncline_enrichment_items_total",
        "Items of enrichment jobs that were answered, by result: matched or not_matched."
    );
    describe_counter!(
        "syncline_enrichment_credits_total",
        "Credits that providers took for enrichment jobs, without what they take later."
    );
    describe_counter!(
        "syncline_enrichment_jobs_finished_total",
        "Enrichment jobs that ended, by result: succeeded or failed."
    );
    for result in ["answered", "refused", "uncertain"] {
        counter!("syncline_enrichment_batches_total", "result" => result).increment(0);
    }
    for result in ["matched", "not_matched"] {
        counter!("syncline_enrichment_items_total", "result" => result).increment(0);
    }
    counter!("syncline_enrichment_credits_total").increment(0);
    for result in ["succeeded", "failed"] {
        counter!("syncline_enrichment_jobs_finished_total", "result" => result).increment(0);
    }
}

/// The span around all work for the job.
pub(super) fn span_of(job: &EnrichmentJob) -> Span {
    tracing::error_span!(
        "enrichment",
        customer = job.customer_id,
        provider = job.provider.as_str(),
        connection = job.connection_id,
        job = job.id,
    )
}

pub(super) fn settled(settled: &SettledBatch) {
    let count = |n: i64| u64::try_from(n).unwrap_or_default();
    counter!("syncline_enrichment_batches_total", "result" => "answered").increment(1);
    counter!("syncline_enrichment_items_total", "result" => "matched")
        .increment(count(settled.matched));
    counter!("syncline_enrichment_items_total", "result" => "not_matched")
        .increment(count(settled.not_matched));
    counter!("syncline_enrichment_credits_total").increment(count(settled.credits));
}

pub(super) fn failed(result: &BatchResult, error: &ProviderError) {
    let result = match result {
        BatchResult::Uncertain(_) => "uncertain",
        _ => "refused",
    };
    counter!("syncline_enrichment_batches_total", "result" => result).increment(1);
    tracing::warn!("a batch was {result}: {error}");
}

pub(super) fn waits(until: Time, reason: JobWait) {
    let until = until.format("%FT%TZ");
    tracing::info!("the job waits until {until}: {}", reason.as_str());
}

pub(super) fn ended(error: Option<&str>) {
    let result = if error.is_some() {
        "failed"
    } else {
        "succeeded"
    };
    counter!("syncline_enrichment_jobs_finished_total", "result" => result).increment(1);
    match error {
        None => tracing::info!("the job is done"),
        Some(error) => tracing::warn!("the job stopped: {error}"),
    }
}
