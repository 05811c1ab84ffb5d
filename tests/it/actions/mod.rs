//! The passthrough and the proxy.

mod attacks;
mod credentials;
mod kept_connections;
mod limits;
mod passthrough;
mod proxy;
mod retries;
mod streaming;

use serde_json::{Value, json};

use crate::support::{Answer, App};

const PASSTHROUGH: &str = "/actions/v2/passthrough";

async fn pass(app: &App, method: &str, path: &str) -> Answer {
    app.post(PASSTHROUGH, json!({"method": method, "path": path}))
        .await
}

async fn pass_body(app: &App, method: &str, path: &str, body: Value) -> Answer {
    let envelope = json!({"method": method, "path": path, "body": body});
    app.post(PASSTHROUGH, envelope).await
}

/// A request to the proxy with the headers that select the connection, and without reqwest's
/// defaults.
fn proxied(app: &App, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
    app.request(method, &format!("/actions/v2/proxy/{path}"))
        .header("x-api-key", &app.api_key)
        .header("x-customer-id", crate::support::CUSTOMER)
        .header("x-provider-name", "apollo")
}
