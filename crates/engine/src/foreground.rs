//! Reads one connection once, for a command in the foreground.
//!
//! Its runs are rows like all others, but workers don't claim them, and the sync's schedule isn't
//! affected. A run is only created when it can start; none waits in a queue.

use std::{collections::VecDeque, time::Duration};

use syncline_model::Object;
use syncline_queue::Leases;
use syncline_store::{Connection, StoreError};

use crate::{Engine, LeasedScan, other_thread::OtherThread, scan::Failure};

/// How often to check whether a waiting run may continue, or a service's run has ended.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How reading in the foreground ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForegroundEnd {
    /// Every run has ended, successfully or not.
    Done,
    /// The engine was shut down: active runs have failed, and a later run continues them.
    Interrupted,
}

impl Engine {
    /// Reads these objects of a connection, small ones first, and returns when their runs have
    /// ended. `started` is called with the id of each run.
    ///
    /// If a run of the service is active for an object, this waits until it ends.
    pub async fn read_in_foreground(
        &self,
        connection: &Connection,
        objects: &[Object],
        started: impl Fn(&str),
    ) -> Result<ForegroundEnd, StoreError> {
        let connection_id = &connection.id;
        let mut scans = self.scans_of(connection, objects);
        let mut runs: Vec<String> = Vec::new();
        loop {
            if self.shutdown.is_cancelled() {
                self.interrupt(connection_id).await?;
                return Ok(ForegroundEnd::Interrupted);
            }
            if let Some(leased) = self.claim_in_foreground(connection_id, false).await? {
                self.work_on_another_thread(leased).await;
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

    /// Works on one of the runtime's own threads. A command waits on the main thread, which would have to
    /// be woken by another one for each answer of the database.
    async fn work_on_another_thread(&self, leased: LeasedScan) {
        let engine = self.clone();
        let work = async move { Box::pin(engine.work_on(leased)).await };
        OtherThread::start(work).outcome().await;
    }

    /// Groups objects that are read from the same pages; small objects come first.
    fn scans_of(&self, connection: &Connection, objects: &[Object]) -> VecDeque<Vec<Object>> {
        let provider = self.providers.get(connection.provider);
        let scan_object = |object: Object| {
            let support = provider.as_ref().ok().map(|it| it.support(object));
            support.and_then(|it| it.carried_in).unwrap_or(object)
        };
        let mut scans: Vec<Vec<Object>> = Vec::new();
        for object in objects {
            let same = |scan: &&mut Vec<Object>| scan_object(scan[0]) == scan_object(*object);
            match scans.iter_mut().find(same) {
                Some(scan) => scan.push(*object),
                None => scans.push(vec![*object]),
            }
        }
        scans.sort_by_key(|scan| scan[0].scan_rank());
        scans.into()
    }

    /// Starts the first scan that nothing blocks.
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

    /// Fails the active runs, so that no worker has to finish them. What was read stays valid.
    async fn interrupt(&self, connection_id: &str) -> Result<(), StoreError> {
        let failure = Failure {
            resumable: true,
            ..Failure::new(
                "it was interrupted; the next run continues from its checkpoint".to_owned(),
            )
        };
        while let Some(leased) = self.claim_in_foreground(connection_id, true).await? {
            self.fail(&leased, &failure).await?;
        }
        Ok(())
    }
}
