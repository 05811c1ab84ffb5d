//! A webhook receiver that answers as a test tells it.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Bytes, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde_json::Value;
use standardwebhooks::Webhook;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

pub(crate) struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

struct Shared {
    received: watch::Sender<Vec<Delivery>>,
    script: Mutex<VecDeque<Reply>>,
    always: Mutex<Reply>,
}

/// How an attempt is answered.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    Status(u16),
    /// With a header.
    With(u16, &'static str, String),
    /// Never.
    Hang,
}

/// What one attempt sent.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Receiver {
    /// Answers everything with 200 until it is told otherwise.
    pub(crate) async fn start() -> Self {
        Self::at("127.0.0.1:0".parse().unwrap()).await
    }

    /// Starts again at the address of an earlier one.
    pub(crate) async fn at(address: SocketAddr) -> Self {
        let shared = Arc::new(Shared {
            received: watch::Sender::default(),
            script: Mutex::default(),
            always: Mutex::new(Reply::Status(200)),
        });
        let router = Router::new().fallback(receive).with_state(shared.clone());
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            address,
            shared,
            server,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hooks?token=of-the-receiver", self.address)
    }

    /// Stops; nothing listens at the returned address any more.
    pub(crate) async fn disappear(mut self) -> SocketAddr {
        self.server.abort();
        let _ = (&mut self.server).await;
        self.address
    }

    /// Answers the next attempts in this way, and later ones as before.
    pub(crate) fn next(&self, replies: impl IntoIterator<Item = Reply>) {
        self.shared.script.lock().unwrap().extend(replies);
    }

    pub(crate) fn always(&self, reply: Reply) {
        *self.shared.always.lock().unwrap() = reply;
    }

    /// What arrived, in order.
    pub(crate) fn received(&self) -> Vec<Delivery> {
        self.shared.received.borrow().clone()
    }

    pub(crate) fn event_types(&self) -> Vec<String> {
        self.received().iter().map(Delivery::event_type).collect()
    }

    pub(crate) fn ids(&self) -> Vec<String> {
        self.received().iter().map(Delivery::id).collect()
    }

    /// Waits until this many have arrived.
    pub(crate) async fn until(&self, count: usize) -> Vec<Delivery> {
        let mut watching = self.shared.received.subscribe();
        let arrived = watching.wait_for(|received| received.len() >= count).await;
        arrived.unwrap().clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Delivery {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    pub(crate) fn id(&self) -> String {
        self.header("webhook-id").to_owned()
    }

    pub(crate) fn payload(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub(crate) fn event_type(&self) -> String {
        self.payload()["webhook_event_type"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Whether one of its signatures is made with this secret, whatever the current time is.
    pub(crate) fn is_signed_by(&self, secret: &str) -> bool {
        let timestamp = self.header("webhook-timestamp").parse().unwrap();
        let webhook = Webhook::new(secret).unwrap();
        let signature = webhook
            .sign(&self.id(), timestamp, self.body.as_bytes())
            .unwrap();
        let mut signatures = self.header("webhook-signature").split(' ');
        signatures.any(|one| one == signature)
    }

    /// The library's own check, which uses the current time.
    pub(crate) fn is_verified_by(&self, secret: &str) -> bool {
        let webhook = Webhook::new(secret).unwrap();
        webhook.verify(self.body.as_bytes(), &self.headers).is_ok()
    }
}

async fn receive(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    assert_eq!(parts.uri, "/hooks?token=of-the-receiver");
    let body: Bytes = to_bytes(body, usize::MAX).await.unwrap();
    let received = Delivery {
        headers: parts.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
    };
    let scripted = shared.script.lock().unwrap().pop_front();
    let reply = scripted.unwrap_or_else(|| shared.always.lock().unwrap().clone());
    shared.received.send_modify(|all| all.push(received));
    let status = |code| StatusCode::from_u16(code).unwrap();
    match reply {
        Reply::Status(code) => (status(code), "the receiver's answer").into_response(),
        Reply::With(code, name, value) => (status(code), [(name, value)]).into_response(),
        Reply::Hang => std::future::pending().await,
    }
}
