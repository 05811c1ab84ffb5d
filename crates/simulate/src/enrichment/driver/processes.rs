//! What processes do: claim jobs, work on them until a request, crash and start again.

use std::sync::Arc;

use syncline_engine::{Engine, EngineConfig};
use syncline_model::{Clock, Ids};
use syncline_store::{Store, StoreError};

use super::{Driver, Live, Work, Working, world};
use crate::{FaultLevel, process::ENCRYPTION_KEY};

/// The number of database calls among which a crash inside a move is drawn.
const CALLS: i64 = 40;

impl Driver {
    pub(super) async fn claim(&mut self, index: usize) -> anyhow::Result<String> {
        let dying = self.plant_crash(index);
        let Some(live) = &self.processes[index] else {
            return Ok(String::new());
        };
        let claimed = live.engine.claim_enrichment_jobs(1).await;
        let job = match claimed {
            Ok(mut jobs) => jobs.pop(),
            Err(error) => return self.failed(index, dying, &error).await,
        };
        let Some(job) = job else {
            return self
                .came_out(index, dying, "finds nothing to do".to_owned())
                .await;
        };
        let engine = live.engine.clone();
        let job_id = job.id.clone();
        // Its worker has slept longer than its lease lasts, and its batch is in flight.
        let others = self.processes.iter().flatten();
        let asleep = others
            .flat_map(|it| &it.working)
            .any(|it| it.job_id == job_id);
        if asleep {
            self.apollo.note_lost();
        }
        let work: Work = Box::pin(async move { engine.work_on_enrichment(job).await });
        self.poll(index, dying, job_id, work).await
    }

    pub(super) async fn resume(&mut self, index: usize, at: usize) -> anyhow::Result<String> {
        let dying = self.plant_crash(index);
        let Some(live) = &mut self.processes[index] else {
            return Ok(String::new());
        };
        let working = live.working.remove(at);
        let _ = working.resume.send(());
        self.poll(index, dying, working.job_id, working.work).await
    }

    /// Lets a process work on a job until it ends or is parked at a request.
    async fn poll(
        &mut self,
        index: usize,
        dying: bool,
        job_id: String,
        mut work: Work,
    ) -> anyhow::Result<String> {
        let end = tokio::select! {
            biased;
            end = &mut work => Ok(end),
            parked = self.apollo.parked.arrived() => Err(parked),
        };
        let line = match end {
            Ok(end) => format!("works on {job_id}: {end:?}"),
            Err(Some(resume)) => {
                if let Some(live) = &mut self.processes[index] {
                    live.working.push(Working {
                        job_id: job_id.clone(),
                        work,
                        resume,
                    });
                }
                format!("works on {job_id}: parked")
            }
            Err(None) => anyhow::bail!("a request waits that nobody sent"),
        };
        self.came_out(index, dying, line).await
    }

    async fn came_out(
        &mut self,
        index: usize,
        dying: bool,
        line: String,
    ) -> anyhow::Result<String> {
        let line = format!("process {index} {line}");
        if dying {
            // It may have died between a request and its settlement.
            self.apollo.note_lost();
            return Ok(format!("{line}; {}", self.crash(index).await?));
        }
        Ok(line)
    }

    async fn failed(
        &mut self,
        index: usize,
        dying: bool,
        error: &StoreError,
    ) -> anyhow::Result<String> {
        if !dying {
            anyhow::bail!("the database does not take what the engine writes: {error:?}");
        }
        self.came_out(index, dying, error.to_string()).await
    }

    fn plant_crash(&mut self, index: usize) -> bool {
        let chance = match self.faults {
            _ if self.is_final => 0,
            FaultLevel::None => 0,
            FaultLevel::Light => 200,
            FaultLevel::Heavy => 1_000,
        };
        let dying = self.dice.chance(chance);
        let calls = self.dice.between(1, CALLS);
        if let Some(live) = self.processes[index].as_ref().filter(|_| dying) {
            live.store.crash_at(calls.unsigned_abs());
        }
        dying
    }

    pub(super) async fn crash(&mut self, index: usize) -> anyhow::Result<String> {
        if let Some(live) = self.processes[index].take() {
            for _ in &live.working {
                self.apollo.note_lost();
            }
            drop(live.working);
            drop(live.engine);
            live.store.close().await;
        }
        Ok(format!("process {index} dies"))
    }

    pub(super) async fn start(&mut self, index: usize) -> anyhow::Result<String> {
        let ids = Arc::new(Ids::seeded(self.dice.number()));
        let clock: Arc<dyn Clock> = self.apollo.clock.clone();
        let providers = world::providers(&self.apollo)?;
        let store = Store::open(&self.url, clock.clone(), ids, ENCRYPTION_KEY.parse()?).await?;
        let config = EngineConfig {
            worker_name: format!("process-{index}"),
            callback_base: Some("https://syncline.example".to_owned()),
            // One after the other: in real time their order would be another one each time.
            keys_at_once: 1,
            turn: std::time::Duration::from_hours(1),
            ..EngineConfig::default()
        };
        let engine = Engine::new(store.clone(), providers.clone(), clock, config);
        self.processes[index] = Some(Live {
            store,
            engine,
            providers,
            working: Vec::new(),
        });
        Ok(format!("process {index} starts"))
    }
}
