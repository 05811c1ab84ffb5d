//! One connection, from accepting it to closing it.

use std::{convert::Infallible, net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes, HttpBody},
    extract::{ConnectInfo, Request},
    response::Response,
};
use http_body::{Frame, SizeHint};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{SockRef, TcpKeepalive};
use std::task::{Context, Poll};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::{
    ConnectionLimits,
    io::Bounded,
    phase::{Phase, Progress, Waiting},
};

/// The size of a request's line and headers together.
const MAX_HEAD_BYTES: usize = 64 * 1024;
const MAX_HEADERS: usize = 100;

/// TCP keepalive: when a silent peer is probed.
const PROBE_AFTER: Duration = Duration::from_mins(1);
const PROBE_EVERY: Duration = Duration::from_secs(15);
const PROBES: u32 = 4;

/// The time for a connection without a request in flight to write its remaining output when it is
/// closed.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(1);

pub(crate) struct Acceptor {
    router: Router,
    http: http1::Builder,
    limits: ConnectionLimits,
    waiting: Waiting,
    stop: CancellationToken,
}

impl Acceptor {
    pub(crate) fn new(
        router: Router,
        limits: ConnectionLimits,
        waiting: Waiting,
        stop: CancellationToken,
    ) -> Self {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            // `Bounded` does it, because it can tell a request's headers from the time between two
            // requests.
            .header_read_timeout(None)
            .max_header_size(MAX_HEAD_BYTES)
            .max_headers(MAX_HEADERS);
        Self {
            router,
            http,
            limits,
            waiting,
            stop,
        }
    }

    pub(crate) fn serve(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
    ) -> impl Future<Output = ()> + use<> {
        keep_watch(&stream);
        let progress = Progress::begin(self.waiting.clone());
        let io = TokioIo::new(Bounded::new(stream, progress.clone(), self.limits));
        let (router, of_request) = (self.router.clone(), progress.clone());
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            let in_flight = InFlight::begin(&of_request);
            let router = router.clone();
            async move {
                let mut request: Request = request.map(Body::new);
                request.extensions_mut().insert(ConnectInfo(peer));
                let Ok(response) = router.oneshot(request).await;
                Ok::<_, Infallible>(with_body(response, in_flight))
            }
        });
        let connection = self.http.serve_connection(io, service);
        let stop = self.stop.clone();
        async move {
            let mut connection = std::pin::pin!(connection);
            tokio::select! {
                // A peer that disconnects is normal.
                _ = connection.as_mut() => return,
                () = stop.cancelled() => {}
                () = progress.ended.cancelled() => {
                    // It has sent no complete request, so no answer is being written.
                    if progress.phase() == Phase::Head {
                        return;
                    }
                }
            }
            connection.as_mut().graceful_shutdown();
            loop {
                let last = tokio::time::timeout(DRAIN_TIMEOUT, connection.as_mut()).await;
                if last.is_ok() || progress.phase() != Phase::Serving {
                    return;
                }
            }
        }
    }
}

/// Enables TCP keepalive, because the peer may disappear without closing the connection.
fn keep_watch(stream: &TcpStream) {
    let keepalive = TcpKeepalive::new()
        .with_time(PROBE_AFTER)
        .with_interval(PROBE_EVERY)
        .with_retries(PROBES);
    let set = SockRef::from(stream).set_tcp_keepalive(&keepalive);
    if let Err(error) = set.and_then(|()| stream.set_nodelay(true)) {
        tracing::debug!("could not set the socket's options: {error}");
    }
}

/// From a request's headers to the last byte of its answer.
struct InFlight(Arc<Progress>);

impl InFlight {
    fn begin(progress: &Arc<Progress>) -> Self {
        progress.set(Phase::Serving);
        Self(progress.clone())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.set(Phase::Idle);
    }
}

/// A body that counts as in flight until it is written or dropped.
struct Answer {
    body: Body,
    _in_flight: InFlight,
}

fn with_body(response: Response, in_flight: InFlight) -> hyper::Response<Answer> {
    response.map(|body| Answer {
        body,
        _in_flight: in_flight,
    })
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
