//! Enrichment jobs: leased like scans, and asked about batch by batch.
//!
//! The state of a job is in the database: which items were asked about, with which batch, and what it
//! cost. `run` spreads a leased job over the connection's keys, `batch` is one request with its
//! reservation and its settlement.

mod batch;
mod report;
mod run;

pub(crate) use report::describe_metrics;
pub use run::JobEnd;

use std::pin::pin;

use futures::{FutureExt as _, future::BoxFuture};
use syncline_queue::{Leases, Workers};
use syncline_store::{EnrichmentJob, StoreError};
use tracing::Instrument;

use crate::Engine;

/// How many jobs a process works on at once.
const CONCURRENCY: usize = 8;

/// The engine's enrichment jobs as a queue.
#[derive(Clone)]
struct Jobs(Engine);

impl Leases for Jobs {
    type Job = EnrichmentJob;
    type Error = StoreError;

    async fn lease_due(&self, limit: i64) -> Result<Vec<EnrichmentJob>, StoreError> {
        self.0.store.reachable().await;
        self.0.claim_enrichment_jobs(limit).await
    }

    async fn work_on(&self, job: EnrichmentJob) {
        self.0.work_on_enrichment(job).await;
    }
}

impl Engine {
    pub(crate) async fn run_enrichment(&self) {
        let workers = Workers {
            name: format!("{}-enrichment", self.config.worker_name),
            concurrency: CONCURRENCY,
            tick: self.config.tick,
            wake: self.store.enrichment_due(),
            shutdown: self.shutdown.clone(),
        };
        workers.work_off(Jobs(self.clone())).await;
    }

    /// Leases at most `limit` due jobs for this engine.
    pub fn claim_enrichment_jobs(
        &self,
        limit: i64,
    ) -> BoxFuture<'_, Result<Vec<EnrichmentJob>, StoreError>> {
        async move {
            self.store
                .claim_enrichment_jobs(&self.config.worker_name, self.lease(), limit)
                .await
        }
        .boxed()
    }

    /// Leases one job for this engine, unless another process works on it or it has ended.
    pub fn claim_enrichment_job<'a>(
        &'a self,
        id: &'a str,
    ) -> BoxFuture<'a, Result<Option<EnrichmentJob>, StoreError>> {
        async move {
            self.store
                .claim_enrichment_job(id, &self.config.worker_name, self.lease())
                .await
        }
        .boxed()
    }

    /// Leases and runs due jobs, one after the other, until none is due.
    pub fn work_off_enrichment(&self) -> BoxFuture<'_, Result<usize, StoreError>> {
        async move {
            let mut worked_on = 0;
            loop {
                let jobs = self.claim_enrichment_jobs(1).await?;
                if jobs.is_empty() {
                    return Ok(worked_on);
                }
                for job in jobs {
                    self.work_on_enrichment(job).await;
                    worked_on += 1;
                }
            }
        }
        .boxed()
    }

    /// Works on a leased job until it ends, waits, or others' jobs get their turn.
    pub fn work_on_enrichment(&self, job: EnrichmentJob) -> BoxFuture<'_, JobEnd> {
        async move {
        let span = report::span_of(&job);
        let work = async {
            let mut running = pin!(self.run_enrichment_job(&job));
            tokio::select! {
                end = &mut running => end,
                () = self.keep_enrichment_lease(&job) => {
                    tracing::warn!("another worker has taken over this job, or it was cancelled");
                    // What is being asked at this moment is paid for: its answer is stored. Nothing
                    // more is asked without the lease.
                    running.await
                }
            }
        };
        work.instrument(span).await
    }.boxed()
    }

    /// Returns when another worker has the lease.
    async fn keep_enrichment_lease(&self, job: &EnrichmentJob) {
        loop {
            tokio::time::sleep(self.config.lease_duration / 3).await;
            match self.store.extend_enrichment_lease(job, self.lease()).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the lease could not be extended and will be retried: {error}"
                ),
            }
        }
    }
}
