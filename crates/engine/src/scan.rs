//! Runs one scan, from its checkpoint to its end.
//!
//! A scan is a loop of [`step`](Engine::step)s, each a request or an ending. Between two steps all
//! state is in the database, so the scan may stop anywhere and another worker continues it.

use std::time::Duration;

use futures::{FutureExt as _, future::BoxFuture};
use syncline_model::{Coverage, InvalidTransition, RunState, Time};
use syncline_queue::Leases;
use syncline_store::{Ending, Pause, Scan, StoreError};
use tokio::time::Instant;

use crate::{
    Engine,
    leased_scan::{LeasedScan, RunVerdict},
    report,
    sweep::empty_and_complete,
};

/// Why a worker stops working on a scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScanEnd {
    /// Its runs ended, successfully or not.
    Finished,
    /// Postponed until its window opens.
    Waiting,
    /// Released, because this process shuts down or other customers' scans are due.
    Released,
    /// Another worker has the lease, the database could not be reached, or this process doesn't
    /// know the provider.
    Abandoned,
}

/// The result of one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A page, or a part of the sweep, was committed; there is more to do.
    Continue,
    /// The request failed for a transient reason: retry after this time.
    Again {
        after: Duration,
    },
    End(ScanEnd),
}

/// How a scan ends that could not be read to its last page.
pub(crate) struct Failure {
    pub(crate) error: String,
    pub(crate) pause: Option<Pause>,
    /// The reason is transient, and what was read stays valid.
    pub(crate) resumable: bool,
}

impl Failure {
    pub(crate) fn new(error: String) -> Self {
        Self {
            error,
            pause: None,
            resumable: false,
        }
    }
}

impl Engine {
    /// Leases and runs due scans, one after the other, until none is due: the whole engine without
    /// its workers.
    pub fn work_off(&self) -> BoxFuture<'_, Result<usize, StoreError>> {
        async move {
            let mut worked_on = 0;
            loop {
                self.tick().await?;
                let scans = self.claim(1).await?;
                if scans.is_empty() {
                    return Ok(worked_on);
                }
                for leased in scans {
                    Box::pin(self.work_on(leased)).await;
                    worked_on += 1;
                }
            }
        }
        .boxed()
    }

    /// Leases at most `limit` due scans for this engine.
    pub fn claim(&self, limit: i64) -> BoxFuture<'_, Result<Vec<LeasedScan>, StoreError>> {
        async move {
            let only = self.config.only_connection.as_deref();
            let scans = self
                .store
                .claim_scans(&self.config.worker_name, self.lease(), limit, only)
                .await?;
            Ok(scans.into_iter().map(LeasedScan::new).collect())
        }
        .boxed()
    }

    /// Reads the scan's pages until it ends, waits, or this process shuts down. Regularly releases
    /// the scan if other customers' scans are due.
    pub(crate) async fn run_steps(&self, leased: &mut LeasedScan) -> ScanEnd {
        let (objects, page) = (
            leased.scan.object.plural(),
            leased.scan.checkpoint.next_page,
        );
        tracing::info!(page, "reading {objects} from page {page} on");
        let mut turn_ends = Instant::now() + self.config.turn;
        loop {
            // What is in hand is written first, and nothing is asked for meanwhile.
            if self.leaves(leased) && leased.in_hand.is_none() {
                return self.release_lease(leased).await;
            }
            match self.step(leased).await {
                Ok(Step::Continue) => {}
                Ok(Step::Again { after }) => self.sleep(after).await,
                Ok(Step::End(end)) => return end,
                Err(error) if error.refuses_data() => {
                    return self.fail_unstorable(leased, &error).await;
                }
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "this scan is abandoned and continues from its checkpoint as soon as the \
                         database answers or the lease expires: {error}",
                    );
                    return self.abandon(leased, &error).await;
                }
            }
            if Instant::now() >= turn_ends {
                if self
                    .store
                    .others_are_due(&leased.scan)
                    .await
                    .unwrap_or(false)
                {
                    leased.yields = true;
                }
                turn_ends = Instant::now() + self.config.turn;
            }
        }
    }

    async fn sleep(&self, time: Duration) {
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            () = self.shutdown.cancelled() => {}
        }
    }

    /// Abandons a scan whose last step may or may not have been committed: the next worker
    /// continues from what the database has. If the database was unavailable, the scan is released
    /// as soon as it is back; otherwise its lease expires.
    async fn abandon(&self, leased: &mut LeasedScan, error: &StoreError) -> ScanEnd {
        if !error.is_unavailable() {
            return ScanEnd::Abandoned;
        }
        tokio::select! {
            () = self.store.reachable() => self.release_lease(leased).await,
            () = self.shutdown.cancelled() => ScanEnd::Abandoned,
        }
    }

    /// Ends a scan whose page the database will always refuse.
    async fn fail_unstorable(&self, leased: &LeasedScan, error: &StoreError) -> ScanEnd {
        let cause = std::error::Error::source(error).map(ToString::to_string);
        let failure = Failure::new(format!(
            "page {} can't be stored: {}",
            leased.scan.checkpoint.next_page,
            cause.unwrap_or_else(|| error.to_string())
        ));
        self.fail(leased, &failure)
            .await
            .unwrap_or(ScanEnd::Abandoned)
    }

    /// Releases a scan; the next worker continues it from its checkpoint.
    pub fn release_lease<'a>(&'a self, leased: &'a mut LeasedScan) -> BoxFuture<'a, ScanEnd> {
        async move {
            let dropped = match self.drop_in_hand(leased).await {
                Ok(()) => self.drop_permit(leased).await,
                failed => failed,
            };
            if let Err(error) = dropped {
                tracing::warn!(
                    "reserved records that were not read count as read for a while: {error}"
                );
            }
            match self.store.release_scan(&leased.scan).await {
                Ok(true) => ScanEnd::Released,
                Ok(false) | Err(_) => ScanEnd::Abandoned,
            }
        }
        .boxed()
    }

    /// Ends the runs of a scan that read its last page, or as many pages as allowed.
    pub(crate) async fn finish(&self, leased: &LeasedScan) -> Result<ScanEnd, StoreError> {
        let now = self.clock.now();
        let succeed = |coverage| running(&leased.scan).succeed(now, coverage);
        self.end_runs(leased, succeed, None, false).await
    }

    /// Ends the runs of a scan that can't continue.
    pub(crate) async fn fail(
        &self,
        leased: &LeasedScan,
        failure: &Failure,
    ) -> Result<ScanEnd, StoreError> {
        let now = self.clock.now();
        let fail = |coverage| running(&leased.scan).fail(now, coverage, failure.error.clone());
        self.end_runs(leased, fail, failure.pause.as_ref(), failure.resumable)
            .await
    }

    /// Ends the runs of a scan that makes no progress.
    pub(crate) async fn stall(
        &self,
        leased: &LeasedScan,
        error: &str,
    ) -> Result<ScanEnd, StoreError> {
        let now = self.clock.now();
        let stall = |coverage| running(&leased.scan).stall(now, coverage, error.to_owned());
        self.end_runs(leased, stall, None, false).await
    }

    /// Evaluates the scan's runs and ends them; repeats that if another run joined meanwhile.
    async fn end_runs(
        &self,
        leased: &LeasedScan,
        end: impl Fn(Coverage) -> Result<RunState, InvalidTransition>,
        pause: Option<&Pause>,
        resumable: bool,
    ) -> Result<ScanEnd, StoreError> {
        let scan = &leased.scan;
        let mut known = leased.verdicts.clone();
        loop {
            let verdicts = match known.take() {
                Some(verdicts) => verdicts,
                None => self.judge(leased).await?,
            };
            let mut endings = Vec::new();
            for own in verdicts {
                let empty_answer = empty_and_complete(&own);
                let RunVerdict {
                    run,
                    coverage,
                    num_records_synced,
                    repeated,
                    ..
                } = own;
                endings.push(Ending {
                    absence: self.absence(scan, &run),
                    run,
                    state: end(with_lookup_findings(coverage, scan))
                        .expect("a leased scan's runs are running"),
                    num_records_synced,
                    empty_answer,
                    resumable,
                    // Others have slipped by meanwhile, and nothing says which.
                    reads_again: scan.checkpoint.facts.may_have_shifted && repeated > 0,
                });
            }
            match self
                .store
                .finish_scan(scan, &endings, pause, leased.requests)
                .await
            {
                Err(StoreError::Joined { .. }) => {}
                ended => {
                    ended?;
                    report::ended(&endings, pause);
                    return Ok(ScanEnd::Finished);
                }
            }
        }
    }
}

/// If records were found by lookups, the pass was disturbed: it missed existing records.
fn with_lookup_findings(coverage: Coverage, scan: &Scan) -> Coverage {
    match scan.checkpoint.sweep.found {
        0 => coverage,
        found => coverage.drifted(format!(
            "lookups found {found} records that the scan did not see"
        )),
    }
}

/// The state of a leased scan's runs.
pub(crate) fn running(scan: &Scan) -> RunState {
    RunState::Running {
        lease: scan.lease.clone(),
    }
}

/// When a scan that met a limit continues.
pub(crate) fn resume_at(now: Time, after: std::time::Duration) -> Time {
    now + chrono::TimeDelta::from_std(after).unwrap_or(chrono::TimeDelta::hours(1))
}
