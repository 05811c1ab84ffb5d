//! The HTTP/1.1 server: reads requests from sockets, supplies the time, carries out wire faults, and has
//! callbacks sent.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::options::Options;
use crate::postman;
use crate::request::{SimReply, SimRequest, WireFault};
use crate::simulator::Simulator;
use crate::wire::WireBody;

/// The largest request body that is read, in bytes.
const LARGEST_REQUEST: usize = 8 * 1024 * 1024;

/// Where the server takes the time from.
pub type NowFn = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// Serves with the system's clock until `shutdown` resolves; then connections are dropped.
pub async fn serve(
    listener: TcpListener,
    simulator: Simulator,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    serve_at(listener, simulator, system_clock(), shutdown).await
}

/// [`serve`] with the caller's clock.
pub async fn serve_at(
    listener: TcpListener,
    simulator: Simulator,
    now: NowFn,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let mut connections = JoinSet::new();
    let deliveries = postman::deliver(simulator.clone(), Arc::clone(&now));
    tokio::pin!(shutdown, deliveries);
    loop {
        tokio::select! {
            () = &mut shutdown => return Ok(()),
            () = &mut deliveries => {}
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.accept() => {
                // A connection that is closed before it was accepted is ignored.
                if let Ok((stream, _)) = accepted {
                    connections.spawn(converse(stream, simulator.clone(), Arc::clone(&now)));
                }
            }
        }
    }
}

/// Answers the requests of one connection until it closes.
async fn converse(stream: TcpStream, simulator: Simulator, now: NowFn) {
    // Without it, small answers wait for the acknowledgement of the previous one (Nagle's
    // algorithm).
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let (simulator, now) = (simulator.clone(), Arc::clone(&now));
        async move { answer(&simulator, &now, request).await }
    });
    // Errors are ignored, because some tests break connections on purpose.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// An error closes the connection without an answer.
async fn answer(
    simulator: &Simulator,
    now: &NowFn,
    request: Request<Incoming>,
) -> io::Result<Response<WireBody>> {
    let request = read(request).await?;
    let in_flight = simulator.arrive(&request);
    simulator.pass_gates(&request).await;
    let latency = simulator.options().latency;
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    let reply = simulator.respond(now(), &request);
    match reply.wire {
        Some(WireFault::Reset) => return Err(io::ErrorKind::ConnectionReset.into()),
        // Until the client gives up.
        Some(WireFault::Silence) => std::future::pending().await,
        Some(WireFault::Delay(delay)) => tokio::time::sleep(delay).await,
        _ => {}
    }
    drop(in_flight);
    Ok(response(reply))
}

async fn read(request: Request<Incoming>) -> io::Result<SimRequest> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, LARGEST_REQUEST)
        .collect()
        .await
        .map_err(io::Error::other)?;
    Ok(SimRequest {
        method: head.method,
        path: head.uri.path().to_owned(),
        query: head.uri.query().map(str::to_owned),
        headers: head.headers,
        body: body.to_bytes(),
    })
}

fn response(reply: SimReply) -> Response<WireBody> {
    let mut response = Response::new(WireBody::new(reply.body, reply.wire));
    *response.status_mut() =
        StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in reply.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().append(name, value);
        }
    }
    response
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place where the simulator reads a clock; everything below is told the time"
)]
fn system_clock() -> NowFn {
    Arc::new(Utc::now)
}

/// A simulator that serves on its own port. Dropping it stops it.
#[derive(Debug)]
pub struct RunningSimulator {
    simulator: Simulator,
    address: SocketAddr,
    /// Ends with this.
    server: JoinSet<io::Result<()>>,
    stop: Option<oneshot::Sender<()>>,
}

impl RunningSimulator {
    /// The API's base URL without `/api/v1`.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn simulator(&self) -> &Simulator {
        &self.simulator
    }

    /// Stops serving and waits until every connection is closed. The simulator and its world
    /// remain.
    pub async fn stop(mut self) {
        self.stop = None;
        // Only the server's end matters.
        let _ = self.server.join_next().await;
    }
}

impl std::ops::Deref for RunningSimulator {
    type Target = Simulator;

    fn deref(&self) -> &Simulator {
        &self.simulator
    }
}

impl Simulator {
    /// Creates a simulator and serves it on a free loopback port.
    pub async fn start(options: Options) -> io::Result<RunningSimulator> {
        Self::new(options).listen(system_clock()).await
    }

    /// Serves this simulator on a free loopback port, with the given clock.
    pub async fn listen(self, now: NowFn) -> io::Result<RunningSimulator> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let simulator = self.clone();
        let mut server = JoinSet::new();
        server.spawn(async move {
            let shutdown = async {
                // Stop on a signal or when the sender is dropped.
                let _ = stopped.await;
            };
            serve_at(listener, simulator, now, shutdown).await
        });
        Ok(RunningSimulator {
            simulator: self,
            address,
            server,
            stop: Some(stop),
        })
    }
}
