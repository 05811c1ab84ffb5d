//! How tests write through the unified API, and disturb what they write.

#![expect(
    clippy::unwrap_used,
    reason = "a test's helpers may panic as its tests do"
)]

use serde_json::{Value, json};
use syncline_sim::{Action, Fault, Match};

use super::Provider;
use crate::{
    engagement::path,
    support::{Answer, App, Database},
};

/// With a customer whose account is in the tables.
pub(super) async fn synced(provider: Provider, database: Database) -> App {
    let app = provider.connected(database, 30).await;
    app.work_off().await;
    app.apollo.ledger().reset();
    app
}

pub(super) async fn create(app: &App, list: &str, record: &Value) -> Answer {
    app.post(&path(list), json!({ "record": record })).await
}

pub(super) async fn change(app: &App, one: &str, record: &Value) -> Answer {
    let body = json!({ "record": record });
    app.send(reqwest::Method::PATCH, &path(one), Some(body))
        .await
}

/// The details of an answer's warnings.
pub(super) fn warnings(answer: &Answer) -> Vec<&str> {
    let warnings = answer.body["warnings"].as_array();
    let details = warnings.into_iter().flatten();
    details.map(|it| it["detail"].as_str().unwrap()).collect()
}

/// The next POST to a path is carried out, and its answer is lost.
pub(super) fn lose_answer(app: &App, path: &str) {
    let post = Match::path(path).method(reqwest::Method::POST);
    app.apollo
        .faults()
        .push(Fault::new(post, Action::AppliedThenServerError));
}

/// The next POST to a path fails without being carried out.
pub(super) fn fail(app: &App, path: &str) {
    let post = Match::path(path).method(reqwest::Method::POST);
    app.apollo
        .faults()
        .push(Fault::new(post, Action::server_error()));
}

/// How often a path was asked with a method.
pub(super) fn asked(app: &App, method: &str, path: &str) -> usize {
    let requests = app.apollo.ledger().requests_to(path);
    requests.iter().filter(|it| it.method == method).count()
}

/// Completes a task.
pub(super) async fn complete(app: &App, id: &str) -> Answer {
    app.post(&path(&format!("tasks/{id}/_complete")), json!({}))
        .await
}

/// Each contact that was left out, and why.
pub(super) fn skipped(answer: &Value) -> Vec<(&str, &str)> {
    let skipped = answer["skipped"].as_array().into_iter().flatten();
    skipped
        .map(|it| {
            (
                it["contact_id"].as_str().unwrap(),
                it["code"].as_str().unwrap(),
            )
        })
        .collect()
}
