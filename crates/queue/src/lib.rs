//! A queue on top of database tables: due rows are leased and handed to apalis workers.
//!
//! There is no separate job table that could get out of sync with the due rows. apalis provides the
//! workers: concurrency, tracing and graceful shutdown. An implementation of [`Leases`] defines
//! what is leased and how it is processed: the sync engine's scans, and the webhooks' endpoints.

use std::{
    collections::VecDeque,
    convert::Infallible,
    error::Error,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use apalis_core::{
    backend::{Backend, BackendConfig, finalize::Ephemeral},
    error::BoxDynError,
    task::{Task, task_id::RandomId},
    worker::{builder::WorkerBuilder, context::WorkerContext},
};
use futures::{FutureExt, future::BoxFuture};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::layer::util::Identity;

/// Rows that become due, and how one of them is processed.
pub trait Leases: Clone + Send + Sync + Unpin + 'static {
    /// A leased row.
    type Job: Send + Unpin + 'static;
    type Error: Error + Send + 'static;

    /// Leases at most `limit` rows that are due now.
    fn lease_due(
        &self,
        limit: i64,
    ) -> impl Future<Output = Result<Vec<Self::Job>, Self::Error>> + Send;

    /// Processes a row, and releases the lease or lets it expire.
    fn work_on(&self, job: Self::Job) -> impl Future<Output = ()> + Send;
}

/// The settings of a queue's workers.
pub struct Workers {
    /// This process's name in the leases.
    pub name: String,
    /// The maximum number of concurrent jobs.
    pub concurrency: usize,
    /// How often due times are checked.
    pub tick: Duration,
    /// Triggers the next check immediately. It only saves time: the tick comes anyway.
    pub wake: Arc<Notify>,
    pub shutdown: CancellationToken,
}

impl Workers {
    /// Works until shutdown, then waits until the running jobs stop.
    pub async fn work_off<L: Leases>(self, leases: L) {
        let shutdown = self.shutdown.clone();
        let stopped = async move {
            shutdown.cancelled().await;
            Ok::<_, std::io::Error>(())
        };
        let name = self.name.clone();
        let jobs = TaskTracker::new();
        let started = jobs.clone();
        let worker = WorkerBuilder::new(name.as_str())
            .backend(DueRows::new(leases.clone(), self))
            .build(move |job| work(started.clone(), leases.clone(), job));
        if let Err(error) = worker.run_until(stopped).await {
            tracing::error!(%error, "the worker ended");
        }
        jobs.close();
        jobs.wait().await;
    }
}

/// A leased row with its concurrency slot.
struct Job<J> {
    leased: J,
    slot: OwnedSemaphorePermit,
}

/// Leases no more rows than there are free slots.
struct DueRows<L: Leases> {
    leases: L,
    slots: Arc<Semaphore>,
    tick: Duration,
    wake: Arc<Notify>,
    leased: VecDeque<Job<L::Job>>,
    leasing: BoxFuture<'static, Vec<Job<L::Job>>>,
}

/// Runs each job in its own task: jobs run in parallel, and a panic affects no other job. Its lease
/// expires, and the row is due again.
async fn work<L: Leases>(
    jobs: TaskTracker,
    leases: L,
    job: Job<L::Job>,
) -> Result<(), BoxDynError> {
    jobs.spawn(async move {
        let Job { leased, slot } = job;
        leases.work_on(leased).await;
        drop(slot);
    })
    .await?;
    Ok(())
}

impl<L: Leases> DueRows<L> {
    fn new(leases: L, workers: Workers) -> Self {
        let slots = Arc::new(Semaphore::new(workers.concurrency));
        let (tick, wake) = (workers.tick, workers.wake);
        Self {
            leasing: next_jobs(leases.clone(), slots.clone(), tick, wake.clone()).boxed(),
            leased: VecDeque::new(),
            leases,
            slots,
            tick,
            wake,
        }
    }
}

/// Waits until slots are free and rows are due, and leases them.
async fn next_jobs<L: Leases>(
    leases: L,
    slots: Arc<Semaphore>,
    tick: Duration,
    wake: Arc<Notify>,
) -> Vec<Job<L::Job>> {
    loop {
        let Ok(first) = slots.clone().acquire_owned().await else {
            return Vec::new();
        };
        let mut free = vec![first];
        while let Ok(slot) = slots.clone().try_acquire_owned() {
            free.push(slot);
        }
        let limit = i64::try_from(free.len()).unwrap_or(i64::MAX);
        match leases.lease_due(limit).await {
            Ok(due) if !due.is_empty() => {
                return due
                    .into_iter()
                    .zip(free)
                    .map(|(leased, slot)| Job { leased, slot })
                    .collect();
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn Error,
                    "due work could not be leased, retrying in {tick:?}: {error}"
                );
            }
        }
        drop(free);
        tokio::select! {
            () = wake.notified() => {}
            () = tokio::time::sleep(tick) => {}
        }
    }
}

impl<L: Leases> Backend for DueRows<L> {
    type Task = Task<Job<L::Job>>;
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
            let (leases, slots) = (self.leases.clone(), self.slots.clone());
            self.leasing = next_jobs(leases, slots, self.tick, self.wake.clone()).boxed();
            self.leased.extend(jobs);
        }
    }

    /// Rows that were leased but not processed are due again when their lease expires; nothing is
    /// lost.
    fn poll_close(
        &mut self,
        _: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }
}

impl<L: Leases> BackendConfig for DueRows<L> {
    type Args = Job<L::Job>;
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
