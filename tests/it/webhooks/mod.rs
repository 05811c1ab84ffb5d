//! What endpoints are sent, and how: docs/guarantees.md, section 8.

mod delivery;
mod endpoints;
mod given_up;
mod messages;
mod plans;
mod processes;
mod sharing;

use axum::http::Method;
use serde_json::{Value, json};

use crate::support::{App, CUSTOMER, Receiver};

const ENDPOINTS: &str = "/mgmt/v2/webhook_endpoints";
const MESSAGES: &str = "/mgmt/v2/webhook_messages";

/// A new endpoint, as the answer to the request shows it.
pub(crate) async fn endpoint(app: &App, receiver: &Receiver) -> Value {
    endpoint_for(app, receiver, &[]).await
}

async fn endpoint_for(app: &App, receiver: &Receiver, event_types: &[&str]) -> Value {
    let body = json!({"url": receiver.url(), "event_types": event_types});
    app.post(ENDPOINTS, body).await.ok()
}

fn path_of(endpoint: &Value) -> String {
    format!("{ENDPOINTS}/{}", endpoint["id"].as_str().unwrap())
}

async fn patch(app: &App, endpoint: &Value, body: Value) -> Value {
    let path = path_of(endpoint);
    app.send(Method::PATCH, &path, Some(body)).await.ok()
}

/// Creates one event: a customer is connected.
async fn one_event(app: &App) {
    app.connect(CUSTOMER, crate::support::MASTER_KEY).await;
}

/// Creates another event: the connection is deleted and created again.
async fn another_event(app: &App) {
    let path = format!("/mgmt/v2/customers/{CUSTOMER}/connections/apollo");
    app.delete(&path).await.ok();
}

/// All messages, the oldest first.
async fn messages(app: &App) -> Vec<Value> {
    let mut messages = app.get(MESSAGES).await.ok()["results"]
        .as_array()
        .unwrap()
        .clone();
    messages.reverse();
    messages
}
