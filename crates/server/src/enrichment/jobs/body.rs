//! An enrichment job as the API shows it.

use serde::Serialize;
use syncline_model::{
    ProviderName, Time,
    enrichment::{JobCounts, JobState, JobWait, Kind, MatchOptions},
};
use syncline_store::EnrichmentJob;
use utoipa::ToSchema;

#[derive(Serialize, ToSchema)]
#[schema(as = enrichment_job)]
pub(crate) struct JobBody {
    id: String,
    state: JobState,
    kind: Kind,
    customer_id: String,
    provider_name: ProviderName,
    #[serde(flatten)]
    counts: JobCounts,
    /// The most credits that it may spend; null: no limit.
    #[schema(required = true)]
    max_credits: Option<i64>,
    /// For how many days the answer to the same question is used again.
    reuse_days: u32,
    retry_uncertain: bool,
    #[serde(flatten)]
    options: MatchOptions,
    /// Why it stopped before its end.
    #[schema(required = true)]
    error: Option<String>,
    /// What it waits for, if it is `waiting`.
    #[schema(required = true)]
    waits_for: Option<JobWait>,
    #[serde(with = "syncline_model::time::millis_or_null")]
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    waits_until: Option<Time>,
    #[serde(with = "syncline_model::time::millis")]
    #[schema(value_type = String, format = DateTime)]
    created_at: Time,
    #[serde(with = "syncline_model::time::millis_or_null")]
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    started_at: Option<Time>,
    #[serde(with = "syncline_model::time::millis_or_null")]
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    finished_at: Option<Time>,
}

impl From<EnrichmentJob> for JobBody {
    fn from(job: EnrichmentJob) -> Self {
        let waits_until = (job.state == JobState::Waiting).then_some(job.due_at);
        Self {
            id: job.id,
            state: job.state,
            kind: job.kind,
            customer_id: job.customer_id,
            provider_name: job.provider,
            counts: job.counts,
            max_credits: job.max_credits,
            reuse_days: job.reuse_days,
            retry_uncertain: job.retry_uncertain,
            options: job.options,
            error: job.error,
            waits_for: job.waits_for,
            waits_until,
            created_at: job.created_at,
            started_at: job.started_at,
            finished_at: job.finished_at,
        }
    }
}
