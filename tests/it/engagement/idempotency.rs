//! The same write with the same `Idempotency-Key` is carried out once.

use chrono::TimeDelta;
use futures::future::join_all;
use macro_rules_attribute::apply;
use reqwest::Method;
use serde_json::{Value, json};
use syncline_sim::{Action, Fault, Match, Simulator};

use super::path;
use crate::{
    http::refused,
    support::{Answer, App, CUSTOMER, MASTER_KEY, Process, on_both_databases, quiet_apollo},
};

#[apply(on_both_databases)]
async fn a_repeated_write_is_carried_out_once_and_answered_the_same(database: Database) {
    let app = App::synced(database, 5).await;
    let first = create(&app, "key-1", "Once").await;
    assert_eq!(first.status.as_u16(), 201);
    let again = create(&app, "key-1", "Once").await;
    assert_eq!((again.status, &again.body), (first.status, &first.body));
    assert_eq!(created_contacts(&app), 1);
    let other = create(&app, "key-2", "Once").await;
    assert_ne!(other.body, first.body);
    assert_eq!(created_contacts(&app), 2);
}

#[apply(on_both_databases)]
async fn another_body_under_the_same_key_is_a_422(database: Database) {
    let app = App::synced(database, 5).await;
    create(&app, "key-1", "One").await.ok();
    let other = create(&app, "key-1", "Two").await;
    assert!(refused(&other, 422, "UNPROCESSABLE_ENTITY_ERROR").contains("another request"));
    let body = json!({"record": {"first_name": "One"}});
    let elsewhere = send(&app, Method::POST, "accounts", "key-1", body).await;
    refused(&elsewhere, 422, "UNPROCESSABLE_ENTITY_ERROR");
    assert_eq!(created_contacts(&app), 1);
}

#[apply(on_both_databases)]
async fn an_answer_is_forgotten_after_24_hours(database: Database) {
    let app = App::synced(database, 5).await;
    create(&app, "key-1", "Once").await.ok();
    app.clock
        .advance(TimeDelta::hours(24) - TimeDelta::seconds(1));
    create(&app, "key-1", "Once").await.ok();
    assert_eq!(created_contacts(&app), 1);
    app.clock.advance(TimeDelta::seconds(1));
    create(&app, "key-1", "Once").await.ok();
    assert_eq!(created_contacts(&app), 2);
}

#[apply(on_both_databases)]
async fn of_concurrent_repetitions_one_is_carried_out(database: Database) {
    let app = App::synced(database, 5).await;
    let answers = join_all((0..6).map(|_| create(&app, "key-1", "Once"))).await;
    for answer in &answers {
        let status = answer.status.as_u16();
        assert!(status == 201 || status == 409, "{}", answer.body);
    }
    assert!(answers.iter().any(|answer| answer.status.as_u16() == 201));
    assert_eq!(created_contacts(&app), 1);
}

#[apply(on_both_databases)]
async fn a_failure_that_may_have_been_carried_out_is_kept(database: Database) {
    let app = App::synced(database, 5).await;
    app.apollo.faults().push(Fault::new(
        Match::path("contacts"),
        Action::AppliedThenServerError,
    ));
    let first = create(&app, "key-1", "Once").await;
    refused(&first, 502, "BAD_GATEWAY_ERROR");
    let again = create(&app, "key-1", "Once").await;
    assert_eq!((again.status, again.body), (first.status, first.body));
    assert_eq!(created_contacts(&app), 1);
}

#[apply(on_both_databases)]
async fn a_write_whose_process_was_killed_is_not_carried_out_again(database: Database) {
    let apollo = Simulator::start(quiet_apollo(5)).await.unwrap();
    let mut first = Process::serve(&database, &apollo.base_url()).await;
    first.connect().await;
    let gate = apollo.gate(Match::path("v1/contacts").method(Method::POST));
    let body = json!({"record": {"first_name": "Once"}});
    let sending = tokio::spawn(first.with_key(&path("contacts"), "key-1", &body).send());
    gate.arrived(1).await;
    first.kill().await;
    assert!(sending.await.unwrap().is_err());
    gate.open();
    let second = Process::serve(&database, &apollo.base_url()).await;
    let again = App::answer(second.with_key(&path("contacts"), "key-1", &body)).await;
    let title = refused(&again, 409, "CONFLICT_ERROR");
    assert!(
        title.contains("check whether it was carried out"),
        "{title}"
    );
    let created = apollo.ledger().requests();
    assert!(
        created
            .iter()
            .filter(|it| it.action == "contacts/create")
            .count()
            <= 1
    );
}

#[apply(on_both_databases)]
async fn what_was_not_carried_out_may_be_sent_again(database: Database) {
    let app = App::synced(database, 5).await;
    app.apollo.faults().push(Fault::new(
        Match::path("contacts"),
        Action::RateLimited {
            window: syncline_sim::Window::Minute,
            retry_after: Some(20),
        },
    ));
    refused(
        &create(&app, "key-1", "Once").await,
        429,
        "TOO_MANY_REQUESTS_ERROR",
    );
    app.clock.advance(TimeDelta::seconds(21));
    create(&app, "key-1", "Once").await.ok();
    let wrong = json!({"record": {"first_name": 1}});
    let refusal = send(&app, Method::POST, "contacts", "key-2", wrong).await;
    assert_eq!(refusal.error().0, 400);
    create(&app, "key-2", "Right").await.ok();
    assert_eq!(created_contacts(&app), 2);
}

#[apply(on_both_databases)]
async fn keys_of_two_customers_are_apart(database: Database) {
    let app = App::synced(database, 5).await;
    app.connect("customer-2", MASTER_KEY).await;
    create(&app, "key-1", "Mine").await.ok();
    let request = app
        .request(Method::POST, &path("contacts"))
        .header("x-api-key", &app.api_key)
        .header("x-customer-id", "customer-2")
        .header("x-provider-name", "apollo")
        .header("idempotency-key", "key-1")
        .json(&json!({"record": {"first_name": "Theirs"}}));
    assert_eq!(App::answer(request).await.status.as_u16(), 201);
}

#[apply(on_both_databases)]
async fn a_key_that_is_none_is_refused_and_a_search_needs_none(database: Database) {
    let app = App::synced(database, 5).await;
    for key in ["", "with space", &"x".repeat(256)] {
        let answer = create(&app, key, "x").await;
        assert_eq!(
            answer.error(),
            (400, "VALIDATION_ERROR", "Idempotency-Key"),
            "{key}"
        );
    }
    let one = json!({"filter": {"emails": ["a@a.example"]}});
    let two = json!({"filter": {"emails": ["b@a.example"]}});
    for body in [one, two] {
        let answer = send(&app, Method::POST, "contacts/_search", "key", body).await;
        assert_eq!(answer.status.as_u16(), 200, "{}", answer.body);
    }
    let stranger = app
        .request(Method::POST, &path("contacts"))
        .header("idempotency-key", "k")
        .header("x-customer-id", CUSTOMER)
        .header("x-provider-name", "apollo")
        .body("{}");
    assert_eq!(App::answer(stranger).await.status.as_u16(), 401);
}

async fn create(app: &App, key: &str, name: &str) -> Answer {
    let body = json!({"record": {"first_name": name}});
    send(app, Method::POST, "contacts", key, body).await
}

async fn send(app: &App, method: Method, to: &str, key: &str, body: Value) -> Answer {
    let request = app
        .request(method, &path(to))
        .header("x-api-key", &app.api_key)
        .header("x-customer-id", CUSTOMER)
        .header("x-provider-name", "apollo")
        .header("idempotency-key", key)
        .json(&body);
    App::answer(request).await
}

/// How many contacts the provider was asked to create, without the requests that it rejected with a
/// 429.
fn created_contacts(app: &App) -> usize {
    let requests = app.apollo.ledger().requests_to("contacts");
    requests
        .iter()
        .filter(|request| request.action == "contacts/create" && request.status != 429)
        .count()
}
