//! Starting and stopping: one signal stops everything, in order, within ten seconds.

use std::{future::Future, time::Duration};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// What a stop may take in all.
pub(crate) const STOP_WITHIN: Duration = Duration::from_secs(8);
/// What of it callers have until their answers are complete.
const ANSWER_WITHIN: Duration = Duration::from_secs(6);
/// What closing the database may take after that.
pub(crate) const CLOSE_WITHIN: Duration = Duration::from_secs(1);

/// The long-running parts of a process.
#[derive(Clone, Default)]
pub(crate) struct Lifecycle {
    tasks: TaskTracker,
    stopping: CancellationToken,
}

impl Lifecycle {
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(task);
    }

    /// Resolves when the process is to stop.
    pub(crate) async fn stopping(&self) {
        self.stopping.cancelled().await;
    }

    /// Resolves when callers have had their time after the process was asked to stop.
    pub(crate) async fn answered_long_enough(&self) {
        self.stopping().await;
        tokio::time::sleep(ANSWER_WITHIN).await;
    }

    /// Asks every part to stop and waits for them.
    pub(crate) async fn stop(&self) {
        self.stopping.cancel();
        self.tasks.close();
        if tokio::time::timeout(STOP_WITHIN, self.tasks.wait())
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
