//! The listener: HTTP/1.1 for callers who may be slow, silent, broken or hostile.
//!
//! Each connection has a slot, and every wait in it a bound: for the head of a request, between two
//! requests, and for a caller to take the answer. (How long a body and an answer may take is a matter
//! of `guard`.) When all slots are taken, a connection without a request in flight makes room for a
//! new one: at once one that has never sent a request, though it had time to, else the longest waiting. So
//! whoever opens connections and says nothing keeps nobody out.

mod connection;
mod io;
mod phase;

use std::{future::Future, sync::Arc, time::Duration};

use axum::Router;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{connection::Acceptor, phase::Waiting};

/// What a connection may cost. The defaults are for production.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionLimits {
    /// Open connections in all.
    pub connections: usize,
    /// From the first byte of a request (or from the start of a connection) to the end of its head.
    pub head_within: Duration,
    /// Between two requests of a connection.
    pub idle: Duration,
    /// How long a caller may take nothing of what is written to them.
    pub write_stall: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            connections: 4096,
            head_within: Duration::from_secs(15),
            // Longer than load balancers keep theirs, so that it is they who close.
            idle: Duration::from_secs(75),
            write_stall: Duration::from_secs(30),
        }
    }
}

/// How long the listener rests when the process has no room for a connection.
const REST: Duration = Duration::from_millis(100);

/// How long a connection may take to make room until another one has to.
const NEXT_VICTIM: Duration = Duration::from_millis(100);

/// Serves `router` until `shutdown` resolves; then takes no more connections, answers the requests in
/// flight, and returns.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: ConnectionLimits,
    shutdown: impl Future<Output = ()>,
) {
    let slots = Arc::new(Semaphore::new(limits.connections));
    let waiting = Waiting::default();
    let (connections, stop) = (TaskTracker::new(), CancellationToken::new());
    let acceptor = Acceptor::new(router, limits, waiting.clone(), stop.clone());
    tokio::select! {
        () = shutdown => {}
        () = async {
            loop {
                let (stream, peer) = accept(&listener).await;
                let slot = make_room(&slots, &waiting).await;
                let served = acceptor.serve(stream, peer);
                connections.spawn(async move {
                    served.await;
                    drop(slot);
                });
            }
        } => {}
    }
    drop(listener);
    stop.cancel();
    connections.close();
    connections.wait().await;
}

/// The next connection. That one breaks before it begins, or that the process has no file left for
/// it, is no reason to stop listening.
async fn accept(listener: &TcpListener) -> (TcpStream, std::net::SocketAddr) {
    use std::io::ErrorKind;
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::ConnectionAborted
                        | ErrorKind::ConnectionRefused
                        | ErrorKind::ConnectionReset
                ) => {}
            Err(error) => {
                tracing::warn!("a connection could not be taken: {error}");
                tokio::time::sleep(REST).await;
            }
        }
    }
}

async fn make_room(slots: &Arc<Semaphore>, waiting: &Waiting) -> Option<OwnedSemaphorePermit> {
    if let Ok(slot) = slots.clone().try_acquire_owned() {
        return Some(slot);
    }
    loop {
        waiting.end_one();
        // It is never closed.
        let freed = tokio::time::timeout(NEXT_VICTIM, slots.clone().acquire_owned());
        if let Ok(slot) = freed.await {
            return slot.ok();
        }
    }
}
