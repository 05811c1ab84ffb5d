//! A customer's backend that receives webhooks: it verifies each signature and stores the events.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use anyhow::Context;
use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use serde_json::{Value, json};
use standardwebhooks::Webhook;
use tokio::{net::TcpListener, sync::Notify, task::JoinSet};

use super::api::Api;

pub(super) struct Receiver {
    pub(super) address: String,
    shared: Arc<Shared>,
    /// Ends with this.
    _server: JoinSet<()>,
}

#[derive(Default)]
struct Shared {
    /// Set when the endpoint is registered.
    secret: Mutex<String>,
    told: Mutex<Vec<Value>>,
    /// Notified when an event arrives.
    news: Notify,
    forged: AtomicUsize,
}

impl Receiver {
    /// Listens on this machine, and registers for the event of every completed sync.
    pub(super) async fn start(api: &Api) -> anyhow::Result<Self> {
        let shared = Arc::new(Shared::default());
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let router = Router::new()
            .route("/hooks", post(receive))
            .with_state(shared.clone());
        let mut server = JoinSet::new();
        server.spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        let endpoint =
            json!({"url": format!("http://{address}/hooks"), "event_types": ["sync.complete"]});
        let made = api.post("/mgmt/v2/webhook_endpoints", &endpoint).await?;
        let secret = made["secret"]
            .as_str()
            .context("a new endpoint has a secret")?;
        secret.clone_into(&mut lock(&shared.secret));
        Ok(Self {
            address,
            shared,
            _server: server,
        })
    }

    /// Resolves when an event has arrived.
    pub(super) async fn news(&self) {
        self.shared.news.notified().await;
    }

    /// The event of this run, if one with a valid signature has arrived.
    pub(super) fn event_of(&self, run_id: &str) -> Option<Value> {
        let told = lock(&self.shared.told);
        told.iter().find(|event| event["run_id"] == run_id).cloned()
    }

    /// Messages with an invalid signature.
    pub(super) fn forged(&self) -> usize {
        self.shared.forged.load(Ordering::Relaxed)
    }
}

async fn receive(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: String,
) -> StatusCode {
    let webhook = Webhook::new(&lock(&shared.secret));
    let verified = webhook.and_then(|webhook| webhook.verify(body.as_bytes(), &headers));
    let event = serde_json::from_str(&body);
    let (Ok(()), Ok(event)) = (verified, event) else {
        shared.forged.fetch_add(1, Ordering::Relaxed);
        return StatusCode::BAD_REQUEST;
    };
    lock(&shared.told).push(event);
    shared.news.notify_one();
    StatusCode::NO_CONTENT
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
