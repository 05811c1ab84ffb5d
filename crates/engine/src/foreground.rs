//! One connection, read once by a command in the foreground.
//!
//! Its runs are rows like all others, but no worker takes them, and the sync's schedule knows nothing
//! of them. They are started when their turn comes: none waits in a queue.

use std::{collections::VecDeque, time::Duration};

use syncline_model::Object;
use syncline_queue::Leases;
use syncline_store::StoreError;

use crate::{Engine, LeasedScan, scan::Failure};

/// How often it is looked whether a run that waits may go on, or one of a service has ended.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How reading in the foreground came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForegroundEnd {
    /// Every run has ended, one way or the other.
    Done,
    /// The engine was stopped: what was under way has failed, and a later run goes on there.
    Interrupted,
}

impl Engine {
    /// Reads these objects of a connection, the small ones first, and returns when their runs have
    /// ended. `started` is told of each run.
    ///
    /// Where a service's run of an object is under way, this waits for its end.
    pub async fn read_in_foreground(
        &self,
        connection_id: &str,
        objects: &[Object],
        started: impl Fn(&str),
    ) -> Result<ForegroundEnd, StoreError> {
        let mut scans = scans_of(objects);
        let mut runs: Vec<String> = Vec::new();
        loop {
            if self.shutdown.is_cancelled() {
                self.interrupt(connection_id).await?;
                return Ok(ForegroundEnd::Interrupted);
            }
            if let Some(leased) = self.claim_in_foreground(connection_id, false).await? {
                Box::pin(self.work_on(leased)).await;
                continue;
            }
            let begun = self.start_next(connection_id, &mut scans).await?;
            if !begun.is_empty() {
                for run_id in &begun {
                    started(run_id);
                }
                runs.extend(begun);
                continue;
            }
            if scans.is_empty() && self.store.have_ended(&runs).await? {
                return Ok(ForegroundEnd::Done);
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = self.shutdown.cancelled() => {}
            }
        }
    }

    /// Starts the first scan that nothing stands in the way of.
    async fn start_next(
        &self,
        connection_id: &str,
        scans: &mut VecDeque<Vec<Object>>,
    ) -> Result<Vec<String>, StoreError> {
        for at in 0..scans.len() {
            let runs = self
                .store
                .start_foreground_scan(connection_id, &scans[at])
                .await?;
            if !runs.is_empty() {
                scans.remove(at);
                return Ok(runs);
            }
        }
        Ok(Vec::new())
    }

    async fn claim_in_foreground(
        &self,
        connection_id: &str,
        waiting_too: bool,
    ) -> Result<Option<LeasedScan>, StoreError> {
        let owner = &self.config.worker_name;
        let scan = self
            .store
            .claim_foreground_scan(owner, self.lease(), connection_id, waiting_too)
            .await?;
        Ok(scan.map(LeasedScan::new))
    }

    /// Leaves nothing behind that somebody would have to work on. What was read stays good.
    async fn interrupt(&self, connection_id: &str) -> Result<(), StoreError> {
        let failure = Failure {
            resumable: true,
            ..Failure::new("it was interrupted; the next run goes on where it was".to_owned())
        };
        while let Some(leased) = self.claim_in_foreground(connection_id, true).await? {
            self.fail(&leased, &failure).await?;
        }
        Ok(())
    }
}

/// What is read from the same pages stands together; the small objects come first.
fn scans_of(objects: &[Object]) -> VecDeque<Vec<Object>> {
    let mut scans: Vec<Vec<Object>> = Vec::new();
    for object in objects {
        let same = |scan: &&mut Vec<Object>| scan[0].scanned_as() == object.scanned_as();
        match scans.iter_mut().find(same) {
            Some(scan) => scan.push(*object),
            None => scans.push(vec![*object]),
        }
    }
    scans.sort_by_key(|scan| scan[0].scan_rank());
    scans.into()
}
