//! Graceful shutdown: one signal stops everything, in order, within ten seconds.

use std::{future::Future, time::Duration};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// What a shutdown may take in all.
pub(crate) const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(8);
/// What of it callers have until their answers are complete: no new request is taken meanwhile.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(6);
/// What closing the database may take after that.
pub(crate) const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// The long-running parts of a process.
#[derive(Clone, Default)]
pub(crate) struct Lifecycle {
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

impl Lifecycle {
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(task);
    }

    /// Resolves when the process is to shut down.
    pub(crate) async fn requested(&self) {
        self.shutdown.cancelled().await;
    }

    /// Resolves when callers have had their time after that.
    pub(crate) async fn answer_time_is_over(&self) {
        self.requested().await;
        tokio::time::sleep(ANSWER_TIMEOUT).await;
    }

    /// Asks every part to stop and waits for them.
    pub(crate) async fn shutdown(&self) {
        self.shutdown.cancel();
        self.tasks.close();
        if tokio::time::timeout(SHUTDOWN_TIMEOUT, self.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!("some work did not stop in time; it goes on from its checkpoint later");
        }
    }
}

/// What is sent to a process that writes beyond the size its files may have, on Linux and macOS.
const SIGXFSZ: i32 = 25;

/// SIGTERM and SIGINT, caught from the moment this is made: before anything is started, so that a
/// signal never finds a process that is half up and not listening for it.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(crate) fn catch() -> std::io::Result<Self> {
        // Caught, it ends nothing: the write fails, as on a full disk.
        let _ = signal(SignalKind::from_raw(SIGXFSZ))?;
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Resolves at the first of them.
    pub(crate) async fn received(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
