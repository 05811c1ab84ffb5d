//! A provider other than Apollo: it records requests, streams, stops sending, and notices
//! disconnects.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{Path, Request, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::any,
};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::{Notify, mpsc},
    task::JoinHandle,
};

/// A chunk of what it streams.
const CHUNK: usize = 64 * 1024;

pub(crate) struct Upstream {
    pub(crate) base: String,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    seen: Mutex<Vec<String>>,
    /// A client disconnected while it streamed, or before it answered.
    left: Notify,
    refusals: Mutex<usize>,
    /// Requests whose bodies are never read, and whose connections stay open nevertheless.
    unread: Mutex<Vec<Request>>,
}

/// Notifies when the exchange that has it is dropped.
struct Leaving(Arc<Shared>);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.left.notify_one();
    }
}

impl Upstream {
    pub(crate) async fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let router = Router::new()
            .route("/v1/auth/health", any(async || healthy()))
            .route("/test/echo/{*rest}", any(echo))
            .route("/test/text", any(async || "only text, key-less"))
            .route("/test/down/{bytes}", any(down))
            .route("/test/endless", any(endless))
            .route("/test/up", any(up))
            .route("/test/hold", any(hold))
            .route("/test/never", any(never))
            .route("/test/early", any(early))
            .route("/test/status/{status}", any(status))
            .route("/test/limited", any(limited))
            .with_state(shared.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            base,
            shared,
            server,
        }
    }

    /// Method and target of the test's own requests, in the order in which they arrived.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// Waits until a client that was being answered has disconnected.
    pub(crate) async fn until_left(&self) {
        self.shared.left.notified().await;
    }

    /// The next answers, this many, are 429.
    pub(crate) fn refuse(&self, times: usize) {
        *self.shared.refusals.lock().unwrap() = times;
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Shared {
    fn note(&self, request: &Request) {
        let seen = format!("{} {}", request.method(), request.uri());
        self.seen.lock().unwrap().push(seen);
    }
}

fn healthy() -> axum::Json<Value> {
    axum::Json(json!({"healthy": true, "is_logged_in": true}))
}

/// Returns the request in the body; of the headers, only those that it would be wrong to pass on.
async fn echo(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    shared.note(&request);
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let text = |name: &str| {
        let values = parts.headers.get_all(name).iter();
        let values: Vec<_> = values.map(|it| it.to_str().unwrap()).collect();
        values.join(", ")
    };
    let names = parts.headers.keys().map(|name| name.as_str().to_owned());
    let headers: serde_json::Map<_, _> = names
        .map(|name| (name.clone(), text(&name).into()))
        .collect();
    let seen = json!({
        "method": parts.method.as_str(),
        "target": parts.uri.to_string(),
        "headers": headers,
        "body": String::from_utf8_lossy(&body),
    });
    let mut answer = axum::Json(seen).into_response();
    let answered = answer.headers_mut();
    for (name, value) in [
        ("set-cookie", "session=of-the-provider"),
        ("connection", "x-hop"),
        ("x-hop", "1"),
        ("keep-alive", "timeout=5"),
        ("proxy-authenticate", "Basic"),
        ("x-request-id", "of-the-provider"),
        ("x-twice", "1"),
        ("x-twice", "2"),
        ("x-key-was", &text("x-api-key")),
    ] {
        answered.append(name, value.parse().unwrap());
    }
    answer
}

async fn down(
    State(shared): State<Arc<Shared>>,
    Path(bytes): Path<usize>,
    request: Request,
) -> Body {
    shared.note(&request);
    let (send, chunks) = mpsc::channel::<Bytes>(1);
    tokio::spawn(async move {
        let mut left = bytes;
        while left > 0 {
            let chunk = Bytes::from(vec![b'd'; left.min(CHUNK)]);
            left -= chunk.len();
            if send.send(chunk).await.is_err() {
                return;
            }
        }
    });
    streamed(chunks, ())
}

/// Streams until the client disconnects.
async fn endless(State(shared): State<Arc<Shared>>, request: Request) -> Body {
    shared.note(&request);
    let (send, chunks) = mpsc::channel::<Bytes>(1);
    let chunk = Bytes::from(vec![b'e'; CHUNK]);
    tokio::spawn(async move { while send.send(chunk.clone()).await.is_ok() {} });
    streamed(chunks, Leaving(shared))
}

/// Reads it all and returns how much it was.
async fn up(State(shared): State<Arc<Shared>>, request: Request) -> String {
    shared.note(&request);
    let mut body = request.into_body();
    let mut total = 0;
    while let Some(frame) = next(&mut body).await {
        total += frame.unwrap().len();
    }
    total.to_string()
}

/// Sends the beginning, and then nothing until the client disconnects.
async fn hold(State(shared): State<Arc<Shared>>, request: Request) -> Body {
    shared.note(&request);
    let (send, chunks) = mpsc::channel::<Bytes>(1);
    send.send(Bytes::from_static(b"beginning")).await.unwrap();
    streamed(chunks, (send, Leaving(shared)))
}

async fn never(State(shared): State<Arc<Shared>>, request: Request) {
    shared.note(&request);
    let _leaving = Leaving(shared);
    std::future::pending::<()>().await;
}

/// Answers before the body has come, and reads none of it.
async fn early(State(shared): State<Arc<Shared>>, request: Request) -> (StatusCode, &'static str) {
    shared.note(&request);
    shared.unread.lock().unwrap().push(request);
    (StatusCode::PAYLOAD_TOO_LARGE, "enough")
}

async fn status(
    State(shared): State<Arc<Shared>>,
    Path(status): Path<u16>,
    request: Request,
) -> Response {
    shared.note(&request);
    let mut answer = StatusCode::from_u16(status).unwrap().into_response();
    if (300..400).contains(&status) {
        let elsewhere = "http://elsewhere.example/".parse().unwrap();
        answer.headers_mut().insert("location", elsewhere);
    }
    answer
}

async fn limited(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    request: Request,
) -> Response {
    shared.note(&request);
    let body = to_bytes(request.into_body(), usize::MAX).await.unwrap();
    let mut refusals = shared.refusals.lock().unwrap();
    if *refusals > 0 {
        *refusals -= 1;
        return (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "1")]).into_response();
    }
    let kind = headers.get("content-type").cloned();
    match kind {
        Some(kind) => ([("content-type", kind)], body).into_response(),
        None => body.into_response(),
    }
}

/// A body that keeps `keeps` until it ends or is dropped.
fn streamed<T: Send + 'static>(chunks: mpsc::Receiver<Bytes>, keeps: T) -> Body {
    let chunks = futures::stream::unfold((chunks, keeps), async |(mut chunks, keeps)| {
        let chunk = chunks.recv().await?;
        Some((Ok::<_, Infallible>(chunk), (chunks, keeps)))
    });
    Body::from_stream(chunks)
}

/// The next piece of a body.
async fn next(body: &mut Body) -> Option<Result<Bytes, axum::Error>> {
    use axum::body::HttpBody as _;
    let mut body = std::pin::Pin::new(body);
    loop {
        let frame = std::future::poll_fn(|context| body.as_mut().poll_frame(context)).await?;
        match frame {
            Ok(frame) => {
                if let Ok(data) = frame.into_data() {
                    return Some(Ok(data));
                }
            }
            Err(error) => return Some(Err(error)),
        }
    }
}
