//! What callers write at Outreach through the unified API.

mod enrolments;
mod records;
mod sequences;
mod tasks;

use serde_json::{Value, json};
use syncline_sim::{Action, Fault, Match};

use super::OUTREACH;
use crate::{
    engagement::path,
    support::{Answer, App, Database},
};

/// With a customer whose Outreach is in the tables.
async fn synced(database: Database) -> App {
    let app = OUTREACH.connected(database, 30).await;
    app.work_off().await;
    app.apollo.ledger().reset();
    app
}

async fn create(app: &App, list: &str, record: &Value) -> Answer {
    app.post(&path(list), json!({ "record": record })).await
}

async fn change(app: &App, one: &str, record: &Value) -> Answer {
    let body = json!({ "record": record });
    app.send(reqwest::Method::PATCH, &path(one), Some(body))
        .await
}

/// The details of an answer's warnings.
fn warnings(answer: &Answer) -> Vec<&str> {
    let warnings = answer.body["warnings"].as_array();
    let details = warnings.into_iter().flatten();
    details.map(|it| it["detail"].as_str().unwrap()).collect()
}

/// The next POST to a path is carried out, and its answer is lost.
fn lose_answer(app: &App, path: &str) {
    let post = Match::path(path).method(reqwest::Method::POST);
    app.apollo
        .faults()
        .push(Fault::new(post, Action::AppliedThenServerError));
}

/// The next POST to a path fails without being carried out.
fn fail(app: &App, path: &str) {
    let post = Match::path(path).method(reqwest::Method::POST);
    app.apollo
        .faults()
        .push(Fault::new(post, Action::server_error()));
}

/// How often a path was asked with a method.
fn asked(app: &App, method: &str, path: &str) -> usize {
    let requests = app.apollo.ledger().requests_to(path);
    requests.iter().filter(|it| it.method == method).count()
}
