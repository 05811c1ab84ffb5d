//! The tables as an apalis backend: due scans are leased from `sync_runs` and handed to workers.
//!
//! There is no job table beside the runs, so there is nothing that could differ from them. apalis
//! gives the workers: concurrency, tracing and an orderly shutdown. A lease is kept alive while its
//! scan is worked on; a scan whose worker went silent is due again when its lease expires.

use std::{
    collections::VecDeque,
    convert::Infallible,
    task::{Context, Poll, ready},
};

use apalis_core::{
    backend::{Backend, BackendConfig, finalize::Ephemeral},
    error::BoxDynError,
    task::{Task, data::Data, task_id::RandomId},
    worker::{builder::WorkerBuilder, context::WorkerContext},
};
use futures::{FutureExt, future::BoxFuture};
use std::sync::Arc;
use syncline_store::Scan;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::layer::util::Identity;

use crate::{Engine, Walk};

/// A scan with the slot that it is worked on in.
struct Job {
    walk: Walk,
    slot: OwnedSemaphorePermit,
}

/// Leases no more scans than there are free slots.
struct DueScans {
    engine: Engine,
    slots: Arc<Semaphore>,
    leased: VecDeque<Job>,
    leasing: BoxFuture<'static, Vec<Job>>,
}

impl Engine {
    pub(crate) async fn run_workers(&self) {
        let worker = WorkerBuilder::new(self.config.worker_name.as_str())
            .backend(DueScans::new(self.clone()))
            .data(self.clone())
            .build(work);
        let stopping = self.stopping.clone();
        let stopped = async move {
            stopping.cancelled().await;
            Ok::<_, std::io::Error>(())
        };
        if let Err(error) = worker.run_until(stopped).await {
            tracing::error!(%error, "the worker ended");
        }
    }

    /// Leases due scans as soon as there are any and slots are free.
    async fn lease_due(self, slots: Arc<Semaphore>) -> Vec<Job> {
        loop {
            let Ok(first) = slots.clone().acquire_owned().await else {
                return Vec::new();
            };
            let mut free = vec![first];
            while let Ok(slot) = slots.clone().try_acquire_owned() {
                free.push(slot);
            }
            let limit = i64::try_from(free.len()).unwrap_or(i64::MAX);
            match self.claim(limit).await {
                Ok(walks) if !walks.is_empty() => {
                    return walks
                        .into_iter()
                        .zip(free)
                        .map(|(walk, slot)| Job { walk, slot })
                        .collect();
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "leasing failed");
                }
            }
            drop(free);
            tokio::select! {
                () = self.wake.queue.notified() => {}
                () = tokio::time::sleep(self.config.tick) => {}
            }
        }
    }

    /// Walks the scan and keeps its lease alive meanwhile.
    ///
    /// Both are polled side by side: a heartbeat may have to wait for the very row that the walk's
    /// transaction holds, and the walk must go on for it to get it.
    pub(crate) async fn work_on(&self, mut walk: Walk) {
        let leased = walk.scan.clone();
        tokio::select! {
            _ = self.walk(&mut walk) => {}
            () = self.keep_lease(&leased) => {
                tracing::warn!(scan.id = leased.id, "scan {} was taken over", leased.id);
            }
        }
    }

    /// Returns when the lease is somebody else's.
    async fn keep_lease(&self, scan: &Scan) {
        loop {
            tokio::time::sleep(self.config.lease / 3).await;
            match self.store.extend_lease(scan, self.lease()).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the lease could not be extended"
                ),
            }
        }
    }
}

/// Each scan is a task of its own: scans share the cores, and one that panics takes nobody along.
/// Its lease expires, and the scan is due again.
async fn work(job: Job, engine: Data<Engine>) -> Result<(), BoxDynError> {
    let engine = Engine::clone(&engine);
    tokio::spawn(async move {
        let Job { walk, slot } = job;
        engine.work_on(walk).await;
        drop(slot);
    })
    .await?;
    Ok(())
}

impl DueScans {
    fn new(engine: Engine) -> Self {
        let slots = Arc::new(Semaphore::new(engine.config.concurrency));
        Self {
            leasing: engine.clone().lease_due(slots.clone()).boxed(),
            leased: VecDeque::new(),
            slots,
            engine,
        }
    }
}

impl Backend for DueScans {
    type Task = Task<Job>;
    type Error = Infallible;

    fn poll_ready(
        &mut self,
        _: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<Option<Result<Self::Task, Self::Error>>> {
        loop {
            if let Some(job) = self.leased.pop_front() {
                return Poll::Ready(Some(Ok(Task::new(job))));
            }
            let jobs = ready!(self.leasing.poll_unpin(cx));
            self.leasing = self.engine.clone().lease_due(self.slots.clone()).boxed();
            self.leased.extend(jobs);
        }
    }

    /// What was leased but not begun is due again when its lease expires; nothing is lost.
    fn poll_close(
        &mut self,
        _: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }
}

impl BackendConfig for DueScans {
    type Args = Job;
    type Id = RandomId;
    type Kind = Ephemeral;
    type Config = ();
    type Layer = Identity;

    fn config(&self) -> &Self::Config {
        &()
    }

    fn middleware(&mut self, _: &mut WorkerContext) -> Self::Layer {
        Identity::new()
    }
}
