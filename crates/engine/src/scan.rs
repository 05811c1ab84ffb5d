//! One scan, from its checkpoint to its end.
//!
//! The walk is a loop of [`step`](Engine::step)s, each a page or an ending; between two of them the
//! database holds everything, so the walk may stop anywhere and another worker goes on.

use syncline_model::{Coverage, InvalidTransition, Object, RunState, ScanFacts, Time, Verdict};
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
            for scan in scans {
                self.work_on(scan).await;
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
                Err(error) if error.refuses_data() => return self.give_up(scan, &error).await,
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

    /// Ends a scan whose page the database will never take.
    async fn give_up(&self, scan: &Scan, error: &StoreError) -> ScanEnd {
        let cause = std::error::Error::source(error).map(ToString::to_string);
        let failure = Failure::new(format!(
            "page {} can't be stored: {}",
            scan.checkpoint.next_page,
            cause.unwrap_or_else(|| error.to_string())
        ));
        self.fail(scan, &failure)
            .await
            .unwrap_or(ScanEnd::Abandoned)
    }

    pub(crate) async fn give_back(&self, scan: &Scan) -> ScanEnd {
        match self.store.release_scan(scan).await {
            Ok(true) => ScanEnd::Released,
            Ok(false) | Err(_) => ScanEnd::Abandoned,
        }
    }

    /// Ends the runs of a scan that read its last page.
    pub(crate) async fn finish(&self, scan: &Scan) -> Result<ScanEnd, StoreError> {
        let now = self.clock.now();
        let succeed = |coverage| running(scan).succeed(now, coverage);
        self.end_runs(scan, succeed, None, 0).await
    }

    /// Ends the runs of a scan that can't go on.
    pub(crate) async fn fail(&self, scan: &Scan, failure: &Failure) -> Result<ScanEnd, StoreError> {
        let now = self.clock.now();
        let fail = |coverage| running(scan).fail(now, coverage, failure.error.clone());
        self.end_runs(scan, fail, failure.pause.as_ref(), failure.requests)
            .await
    }

    /// Judges the scan's runs and ends them; again where another run joined meanwhile.
    async fn end_runs(
        &self,
        scan: &Scan,
        end: impl Fn(Coverage) -> Result<RunState, InvalidTransition>,
        pause: Option<&Pause>,
        requests: i64,
    ) -> Result<ScanEnd, StoreError> {
        loop {
            let mut endings = Vec::new();
            for (run, coverage, num_records_synced) in self.judge(scan).await? {
                endings.push(Ending {
                    run,
                    state: end(coverage).expect("a leased scan's runs are running"),
                    num_records_synced,
                });
            }
            match self
                .store
                .finish_scan(scan, &endings, pause, requests)
                .await
            {
                Err(StoreError::Joined { .. }) => {}
                ended => {
                    ended?;
                    report(&endings);
                    self.wake.wake();
                    return Ok(ScanEnd::Finished);
                }
            }
        }
    }

    /// Each run with its coverage and the number of valid records it read. A sequence state is
    /// covered no better than the contacts that carry it.
    async fn judge(&self, scan: &Scan) -> Result<Vec<(ScanRun, Coverage, i64)>, StoreError> {
        let facts = scan.checkpoint.facts;
        let mut judged = Vec::new();
        for run in self.store.runs_of(scan).await? {
            let seen = self.store.count_seen(&run.id).await?;
            let own = if run.object == scan.object {
                facts
            } else {
                ScanFacts {
                    records_reported: None,
                    rejected_without_id: facts.carried_rejected_without_id,
                    ..facts
                }
            };
            let coverage = Coverage::judge(&own, seen.distinct, seen.repeated);
            judged.push((run, coverage, seen.valid));
        }
        let contacts = judged
            .iter()
            .find(|(run, coverage, _)| {
                run.object == Object::Contact && coverage.verdict == Verdict::Drifted
            })
            .map(|(_, coverage, _)| coverage.reason.clone());
        if let Some(reason) = contacts {
            for (run, coverage, _) in &mut judged {
                if run.object == Object::SequenceState {
                    coverage.verdict = Verdict::Drifted;
                    coverage.reason = format!("contacts: {reason}");
                }
            }
        }
        Ok(judged)
    }
}

fn report(endings: &[Ending]) {
    for Ending { run, state, .. } in endings {
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

/// When a scan that met a limit goes on.
pub(crate) fn resume_at(now: Time, after: std::time::Duration) -> Time {
    now + chrono::TimeDelta::from_std(after).unwrap_or(chrono::TimeDelta::hours(1))
}
