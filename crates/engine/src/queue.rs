//! Due scans as a queue: leased from `sync_runs`, worked on, and renewed meanwhile.
//!
//! If a worker dies, its scan is due again when the lease expires. A lease lasts for
//! `EngineConfig::lease_duration`, and is extended while its worker is alive.

use syncline_queue::{Leases, Workers};
use syncline_store::{Scan, StoreError};
use tracing::Instrument;

use crate::{Engine, LeasedScan, ScanEnd, report};

impl Leases for Engine {
    type Job = LeasedScan;
    type Error = StoreError;

    async fn lease_due(&self, limit: i64) -> Result<Vec<LeasedScan>, StoreError> {
        self.store.reachable().await;
        self.claim(limit).await
    }

    /// Runs the scan step by step and renews its lease meanwhile.
    ///
    /// Both futures are polled together: a heartbeat may have to wait for a row that the scan's
    /// transaction has locked, and the scan must make progress to release it.
    async fn work_on(&self, mut leased: LeasedScan) {
        let scan = leased.scan.clone();
        let work = async {
            tokio::select! {
                end = self.run_steps(&mut leased) => {
                    if end != ScanEnd::Abandoned {
                        self.wake.scan_left();
                    }
                }
                () = self.keep_lease(&scan) => {
                    tracing::warn!("another worker has taken over this scan and continues it");
                }
            }
        };
        work.instrument(report::span_of(&scan)).await;
    }
}

impl Engine {
    pub(crate) async fn run_workers(&self) {
        let workers = Workers {
            name: self.config.worker_name.clone(),
            concurrency: self.config.concurrency,
            tick: self.config.tick,
            wake: self.wake.queue.clone(),
            shutdown: self.shutdown.clone(),
        };
        workers.work_off(self.clone()).await;
    }

    /// Returns when another worker has the lease.
    async fn keep_lease(&self, scan: &Scan) {
        loop {
            tokio::time::sleep(self.config.lease_duration / 3).await;
            match self.store.extend_lease(scan, self.lease()).await {
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
