//! The listener: HTTP/1.1 for callers that may be slow, silent, broken or hostile.
//!
//! Each connection has a slot, and every wait in it has a timeout: for the headers of a request,
//! between two requests, and for a caller to read the answer. (The timeouts of bodies and answers
//! are in the server's `guard`.) When all slots are taken, a connection without a request in flight is closed
//! for a new one: first one that has not sent a request within a second, otherwise the one that has
//! waited longest. So callers that open connections and send nothing can't block others.

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

/// The limits of connections. The defaults are for production.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionLimits {
    /// Open connections in total.
    pub connections: usize,
    /// From the first byte of a request (or from the start of a connection) to the end of its
    /// headers.
    pub head_within: Duration,
    /// Between two requests of a connection.
    pub idle: Duration,
    /// How long a caller may read nothing while an answer is written to them.
    pub write_stall: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            connections: 4096,
            head_within: Duration::from_secs(15),
            // Longer than load balancers keep theirs, so that they close first.
            idle: Duration::from_secs(75),
            write_stall: Duration::from_secs(30),
        }
    }
}

/// How long the listener waits when accepting fails, for example without free file descriptors.
const REST: Duration = Duration::from_millis(100);

/// How long a connection may take to close before another one is closed as well.
const EVICTION_POLL: Duration = Duration::from_millis(100);

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

/// The next connection. A connection that fails at once, or a lack of file descriptors, must not
/// stop the listener.
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
                tracing::warn!("could not accept a connection: {error}");
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
        // The semaphore is never closed.
        let freed = tokio::time::timeout(EVICTION_POLL, slots.clone().acquire_owned());
        if let Ok(slot) = freed.await {
            return slot.ok();
        }
    }
}
