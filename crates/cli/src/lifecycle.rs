//! Graceful shutdown: one signal stops all parts, in order, within ten seconds.

use std::{future::Future, time::Duration};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How long all parts together may take to stop; [`CLOSE_TIMEOUT`] comes on top. A page that is in
/// flight then has less time by itself (`GRACE_PERIOD` in `engine/page.rs`).
pub(crate) const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(8);
/// The part of it in which requests in flight may complete: no new request is accepted meanwhile.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(6);
/// The longest duration of closing the database after that.
pub(crate) const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// The long-running parts of a process.
#[derive(Clone, Default)]
pub(crate) struct Lifecycle {
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

impl Lifecycle {
    /// Spawns a task that a shutdown waits for.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(task);
    }

    /// Spawns a task that is cancelled at shutdown.
    pub(crate) fn spawn_until_shutdown(&self, task: impl Future<Output = ()> + Send + 'static) {
        let shutdown = self.shutdown.clone();
        self.spawn(async move {
            shutdown.run_until_cancelled(task).await;
        });
    }

    /// The tracker for tasks that others spawn and that a shutdown waits for.
    pub(crate) fn tasks(&self) -> TaskTracker {
        self.tasks.clone()
    }

    /// Resolves when shutdown is requested.
    pub(crate) async fn requested(&self) {
        self.shutdown.cancelled().await;
    }

    /// Resolves when the time for requests in flight is over.
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
            tracing::warn!(
                "some work did not stop in time; its syncs will continue from their checkpoints"
            );
        }
    }
}

/// The signal for writing beyond the file size limit, on Linux and macOS.
const SIGXFSZ: i32 = 25;

/// SIGTERM and SIGINT, caught as soon as this is created. Create it before anything is started, so
/// that a signal during startup is not lost.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(crate) fn catch() -> std::io::Result<Self> {
        // When caught, it doesn't kill the process: the write fails, as on a full disk.
        let _ = signal(SignalKind::from_raw(SIGXFSZ))?;
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Resolves at the first of these signals.
    pub(crate) async fn received(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
