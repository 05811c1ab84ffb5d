//! Agents: which actions there are, what grants allow, and what waits for a person.

mod approvals;
mod calls;
mod credits;
mod decisions;
mod log;
mod mcp;
mod processes;
mod usage;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, App, CUSTOMER};

/// A new agent's key, made over the API.
pub(crate) async fn agent(app: &App, grants: Value) -> String {
    let body = json!({"name": "of a test", "role": "agent", "grants": grants});
    let created = app.post("/mgmt/v2/api_keys", body).await.ok();
    created["api_key"].as_str().unwrap().to_owned()
}

/// An agent that may read and write everything that costs no credits.
async fn full_agent(app: &App) -> String {
    let groups = [
        "contacts",
        "accounts",
        "deals",
        "sequences",
        "tasks",
        "users",
        "usage",
        "people",
        "records",
        "sync",
    ];
    let groups: Value = groups
        .iter()
        .map(|group| ((*group).to_owned(), json!("full")))
        .collect::<serde_json::Map<_, _>>()
        .into();
    agent(app, json!({"groups": groups})).await
}

/// A call of an action for [`CUSTOMER`].
pub(crate) async fn call(app: &App, key: &str, action: &str, input: Value) -> Answer {
    call_for(app, key, (CUSTOMER, action), input).await
}

async fn call_for(app: &App, key: &str, (customer, action): (&str, &str), input: Value) -> Answer {
    let request = app
        .request(Method::POST, &format!("/actions/v2/actions/{action}"))
        .header("x-api-key", key)
        .header("x-customer-id", customer)
        .header("x-provider-name", app.provider)
        .json(&input);
    App::answer(request).await
}

/// What the ledger of the simulated provider has.
fn requests(app: &App) -> usize {
    app.apollo.ledger().requests().len()
}

fn title(answer: &Answer) -> &str {
    answer.body["errors"][0]["title"].as_str().unwrap()
}
