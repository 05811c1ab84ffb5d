//! One scan, from its checkpoint to its end.
//!
//! The walk is a loop of [`step`](Engine::step)s, each a page or an ending; between two of them the
//! database holds everything, so the walk may stop anywhere and another worker goes on.

use syncline_model::{Coverage, Object, RunState, ScanFacts, Time, Verdict};
use syncline_store::{Ending, Pause, Scan, ScanRun, StoreError};

use crate::Engine;

/// Why a walk returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScanEnd {
    /// Its runs ended, one way or the other.
    Finished,
    /// Put off until its window opens.
    Waiting,
    /// Given back, because this process stops.
    Released,
    /// The lease is somebody else's, or the database could not be reached.
    Abandoned,
}

/// What one step led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// A page is committed; there is more.
    Page,
    End(ScanEnd),
}

/// How a scan ends that could not be read to its last page.
pub(crate) struct Failure {
    pub(crate) error: String,
    pub(crate) pause: Option<Pause>,
    /// Requests that have not been counted with a page.
    pub(crate) requests: i64,
}

impl Failure {
    pub(crate) fn new(error: String) -> Self {
        Self {
            error,
            pause: None,
            requests: 0,
        }
    }
}

impl Engine {
    /// Leases what is due and walks it, one scan after the other, until nothing is due: the whole
    /// engine without its workers.
    pub async fn work_off(&self) -> Result<usize, StoreError> {
        let mut walked = 0;
        loop {
            self.tick().await?;
            let scans = self.claim(1).await?;
            if scans.is_empty() {
                return Ok(walked);
            }
            for mut scan in scans {
                self.walk(&mut scan).await;
                walked += 1;
            }
        }
    }

    /// Leases at most `limit` due scans for this engine.
    pub(crate) async fn claim(&self, limit: i64) -> Result<Vec<Scan>, StoreError> {
        let only = self.config.only_connection.as_deref();
        self.store
            .claim_scans(&self.config.worker_name, self.lease(), limit, only)
            .await
    }

    /// Reads the scan's pages until it ends, waits, or this process stops.
    pub(crate) async fn walk(&self, scan: &mut Scan) -> ScanEnd {
        tracing::info!(
            scan.id,
            connection.id = scan.connection.connection_id,
            page = scan.checkpoint.next_page,
            "reading {} of customer {}",
            scan.object.plural(),
            scan.connection.customer_id,
        );
        loop {
            if self.stopping.is_cancelled() {
                return self.give_back(scan).await;
            }
            match self.step(scan).await {
                Ok(Step::Page) => {}
                Ok(Step::End(end)) => return end,
                Err(error) => {
                    // Nothing was written: the scan is due again when its lease expires.
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        scan.id,
                        "scan {} is abandoned: {error}",
                        scan.id
                    );
                    return ScanEnd::Abandoned;
                }
            }
        }
    }

    pub(crate) async fn give_back(&self, scan: &Scan) -> ScanEnd {
        match self.store.release_scan(scan).await {
            Ok(true) => ScanEnd::Released,
            Ok(false) | Err(_) => ScanEnd::Abandoned,
        }
    }

    /// Ends the runs of a scan that read its last page.
    pub(crate) async fn finish(&self, scan: &Scan) -> Result<ScanEnd, StoreError> {
        let runs = self.store.runs_of(scan).await?;
        let coverages = self.judge(scan, &runs).await?;
        let now = self.clock.now();
        let mut endings = Vec::new();
        for (run, coverage) in runs.into_iter().zip(coverages) {
            let state = running(scan).succeed(now, coverage);
            endings.push(ending(run, state));
        }
        self.store.finish_scan(scan, &endings, None, 0).await?;
        report(&endings);
        self.wake.wake();
        Ok(ScanEnd::Finished)
    }

    /// Ends the runs of a scan that can't go on.
    pub(crate) async fn fail(&self, scan: &Scan, failure: &Failure) -> Result<ScanEnd, StoreError> {
        let runs = self.store.runs_of(scan).await?;
        let coverages = self.judge(scan, &runs).await?;
        let now = self.clock.now();
        let mut endings = Vec::new();
        for (run, coverage) in runs.into_iter().zip(coverages) {
            let state = running(scan).fail(now, coverage, failure.error.clone());
            endings.push(ending(run, state));
        }
        self.store
            .finish_scan(scan, &endings, failure.pause.as_ref(), failure.requests)
            .await?;
        report(&endings);
        self.wake.wake();
        Ok(ScanEnd::Finished)
    }

    /// The coverage of each run, in their order. A sequence state is covered no better than the
    /// contacts that carry it.
    async fn judge(&self, scan: &Scan, runs: &[ScanRun]) -> Result<Vec<Coverage>, StoreError> {
        let facts = scan.checkpoint.facts;
        let mut coverages = Vec::new();
        for run in runs {
            let seen = self.store.count_seen(&run.id).await?;
            let own = if run.object == scan.object {
                facts
            } else {
                ScanFacts {
                    records_reported: None,
                    ..facts
                }
            };
            coverages.push(Coverage::judge(&own, seen.distinct, seen.repeated));
        }
        let carrier = runs
            .iter()
            .position(|run| run.object == Object::Contact)
            .map(|index| coverages[index].clone());
        if let Some(contacts) = carrier.filter(|coverage| coverage.verdict == Verdict::Drifted) {
            for (run, coverage) in runs.iter().zip(&mut coverages) {
                if run.object == Object::SequenceState {
                    coverage.verdict = contacts.verdict;
                    coverage.reason = format!("contacts: {}", contacts.reason);
                }
            }
        }
        Ok(coverages)
    }
}

fn report(endings: &[Ending]) {
    for Ending { run, state } in endings {
        metrics::counter!(
            "syncline_runs_finished_total",
            "object" => run.object.as_str(),
            "status" => state.status(),
        )
        .increment(1);
        match state {
            RunState::Succeeded { coverage, .. } => tracing::info!(
                run.id,
                "run {} read {} {} ({:?})",
                run.id,
                coverage.records_seen,
                run.object.plural(),
                coverage.verdict
            ),
            RunState::Failed { error, .. } | RunState::Stalled { error, .. } => {
                tracing::warn!(
                    run.id,
                    "run {} of {} failed: {error}",
                    run.id,
                    run.object.plural()
                );
            }
            _ => {}
        }
    }
}

/// The state that a leased scan's runs are in.
pub(crate) fn running(scan: &Scan) -> RunState {
    RunState::Running {
        lease: scan.lease.clone(),
    }
}

fn ending(run: ScanRun, state: Result<RunState, syncline_model::InvalidTransition>) -> Ending {
    Ending {
        run,
        state: state.expect("a leased scan's runs are running"),
    }
}

/// When a scan that met a limit goes on.
pub(crate) fn resume_at(now: Time, after: std::time::Duration) -> Time {
    now + chrono::TimeDelta::from_std(after).unwrap_or(chrono::TimeDelta::hours(1))
}
