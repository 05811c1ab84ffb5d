//! `/customers/{customer_id}/connections`

use std::{pin::Pin, sync::Arc};

use macro_rules_attribute::apply;
use reqwest::Method;
use serde_json::{Value, json};
use syncline_sim::{Action, Fault, KeyOptions, Match, Window, WireFault};

use crate::{
    http::refused,
    support::{Answer, App, CUSTOMER, Database, MASTER_KEY, SCOPED_KEY, on_both_databases},
};

const CONNECTIONS: &str = "/mgmt/v2/customers/customer-1/connections";
const CONNECTION: &str = "/mgmt/v2/customers/customer-1/connections/apollo";

#[apply(on_both_databases)]
async fn the_request_of_supaglues_apollo_page_works_word_for_word(database: Database) {
    let app = App::with_contacts(database, 5).await;
    app.put_customer(CUSTOMER).await.ok();
    let request = app
        .request(Method::POST, CONNECTIONS)
        .header("x-api-key", &app.api_key)
        .header("Content-Type", "application/json")
        .body(r#"{"provider_name":"apollo","category":"engagement","api_key":"sim-master-key"}"#);
    let answer = App::answer(request).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    for (field, value) in [
        ("customer_id", CUSTOMER),
        ("provider_name", "apollo"),
        ("category", "engagement"),
        ("instance_url", ""),
        ("status", "healthy"),
    ] {
        assert_eq!(answer.body[field], value, "{field}");
    }
    for field in ["id", "application_id", "provider_id", "created_at"] {
        assert!(answer.body[field].is_string(), "{field}");
    }
    assert_eq!(app.get(CONNECTION).await.ok(), answer.body);
    assert_eq!(app.get(CONNECTIONS).await.ok(), json!([answer.body]));
    assert_eq!(outbox(&app, "connection.created").await, 1);
}

#[apply(on_both_databases)]
async fn the_body_of_the_published_document_works_too(database: Database) {
    let app = App::with_contacts(database, 5).await;
    app.put_customer(CUSTOMER).await.ok();
    let body = json!({"provider_name": "apollo", "type": "api_key", "api_key": MASTER_KEY});
    app.post(CONNECTIONS, body).await.ok();
}

#[apply(on_both_databases)]
async fn a_new_connections_syncs_start_at_once(database: Database) {
    let app = App::with_contacts(database, 5).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    let syncs = app.get("/mgmt/v2/syncs").await.ok();
    assert_eq!(syncs["total_count"], 6);
    for sync in syncs["results"].as_array().unwrap() {
        assert_eq!(sync["last_run"]["status"], "SUCCESS", "{sync}");
    }
    let connection = app.get(CONNECTION).await.ok();
    assert!(connection["last_synced_at"].is_string());
}

#[apply(on_both_databases)]
async fn the_key_is_in_no_answer_and_nowhere_in_the_database(database: Database) {
    let app = App::with_contacts(database, 5).await;
    app.put_customer(CUSTOMER).await.ok();
    let mut answers = vec![app.post_connection(CUSTOMER, MASTER_KEY).await];
    app.work_off().await;
    answers.push(app.post_connection(CUSTOMER, MASTER_KEY).await);
    answers.push(app.put(CONNECTION, json!({"api_key": MASTER_KEY})).await);
    for path in [
        CONNECTION,
        CONNECTIONS,
        "/mgmt/v2/syncs",
        "/mgmt/v2/sync-runs",
        "/metrics",
    ] {
        answers.push(app.get(path).await);
    }
    answers.push(app.put(CONNECTION, json!({"api_key": "refused-key"})).await);
    for Answer { body, .. } in answers {
        assert!(!body.to_string().contains(MASTER_KEY), "{body}");
        assert!(!body.to_string().contains("refused-key"), "{body}");
    }
    app.store.close().await;
    assert!(!is_stored(&app.database, MASTER_KEY).await);
    assert!(
        is_stored(&app.database, CUSTOMER).await,
        "the dump is empty"
    );
}

#[apply(on_both_databases)]
async fn a_missing_customer_and_a_duplicate_are_found_before_apollo_is_asked(database: Database) {
    let app = App::with_contacts(database, 5).await;
    let answer = app.post_connection(CUSTOMER, MASTER_KEY).await;
    refused(&answer, 404, "NOT_FOUND_ERROR");
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.apollo.ledger().reset();
    refused(
        &app.post_connection(CUSTOMER, MASTER_KEY).await,
        409,
        "CONFLICT_ERROR",
    );
    refused(
        &app.post_connection(CUSTOMER, "wrong-key").await,
        409,
        "CONFLICT_ERROR",
    );
    assert_eq!(app.apollo.ledger().len(), 0);
}

#[apply(on_both_databases)]
async fn a_key_that_apollo_rejects_is_a_422_and_stores_nothing(database: Database) {
    let app = App::with_contacts(database, 5).await;
    app.put_customer(CUSTOMER).await.ok();
    let answer = app.post_connection(CUSTOMER, "wrong-key").await;
    refused(&answer, 422, "UNPROCESSABLE_ENTITY_ERROR");
    assert_eq!(
        answer.body["errors"][0]["meta"]["origin"],
        "remote-provider"
    );
    assert_eq!(app.get(CONNECTIONS).await.ok(), json!([]));
    for table in ["connections", "syncs", "outbox"] {
        assert_eq!(
            app.database
                .count(&format!("SELECT count(*) FROM {table}"))
                .await,
            0
        );
    }
}

#[apply(on_both_databases)]
async fn a_key_that_may_not_read_everything_is_valid(database: Database) {
    let app = App::with_contacts(database, 5).await;
    assert_eq!(app.connect(CUSTOMER, SCOPED_KEY).await["status"], "healthy");
    app.work_off().await;
    let connection = app.get(CONNECTION).await.ok();
    assert_eq!(connection["status"], "limited");
    assert_eq!(connection["capabilities"]["user"]["readable"], false);
    assert!(connection["capabilities"]["user"]["reason"].is_string());
}

#[apply(on_both_databases)]
async fn a_key_that_could_not_be_checked_is_stored_as_unverified(database: Database) {
    let app = App::with_contacts(database, 5).await;
    for (nth, action) in [
        Action::RateLimited {
            window: Window::Minute,
            retry_after: None,
        },
        Action::server_error(),
        Action::bad_gateway(),
        Action::Wire(WireFault::Reset),
        Action::Wire(WireFault::Hang),
    ]
    .into_iter()
    .enumerate()
    {
        app.apollo
            .faults()
            .push(Fault::new(Match::any(), action).always());
        let customer = format!("customer-{}", nth + 1);
        assert_eq!(
            app.connect(&customer, MASTER_KEY).await["status"],
            "unverified",
            "{nth}"
        );
        app.apollo.faults().clear();
    }
    app.work_off().await;
    for nth in 1..=5 {
        let path = format!("/mgmt/v2/customers/customer-{nth}/connections/apollo");
        assert_eq!(app.get(&path).await.ok()["status"], "healthy", "{nth}");
    }
}

#[apply(on_both_databases)]
async fn a_new_key_resumes_what_the_old_one_had_stopped(database: Database) {
    let app = App::synced(database, 5).await;
    app.apollo.edit(0, |team| {
        team.revoke_key(MASTER_KEY);
        team.add_key(KeyOptions::master("another-key"));
    });
    app.after(chrono::TimeDelta::hours(1)).await;
    assert_eq!(app.get(CONNECTION).await.ok()["status"], "unauthorized");
    assert_eq!(paused(&app).await, 6);

    let answer = app.put(CONNECTION, json!({"api_key": "wrong-key"})).await;
    refused(&answer, 422, "UNPROCESSABLE_ENTITY_ERROR");
    assert_eq!(app.get(CONNECTION).await.ok()["status"], "unauthorized");
    assert_eq!(paused(&app).await, 6);

    app.post(
        "/mgmt/v2/syncs/_resume",
        json!({"object_type": "common", "object": "user"}),
    )
    .await
    .ok();
    app.post(
        "/mgmt/v2/syncs/_pause",
        json!({"object_type": "common", "object": "user"}),
    )
    .await
    .ok();
    let answer = app
        .put(CONNECTION, json!({"api_key": "another-key"}))
        .await
        .ok();
    assert_eq!(answer["status"], "healthy");
    assert_eq!(paused(&app).await, 1, "only the one that a person paused");
    app.work_off().await;
    assert_eq!(app.runs("contact").await[0]["status"], "SUCCESS");
}

#[apply(on_both_databases)]
async fn a_rejected_new_key_leaves_the_old_one_in_place(database: Database) {
    let app = App::synced(database, 5).await;
    let before = app.get(CONNECTION).await.ok();
    let answer = app.put(CONNECTION, json!({"api_key": "wrong-key"})).await;
    refused(&answer, 422, "UNPROCESSABLE_ENTITY_ERROR");
    assert_eq!(app.get(CONNECTION).await.ok(), before);
    app.after(chrono::TimeDelta::hours(1)).await;
    assert_eq!(app.runs("user").await[0]["status"], "SUCCESS");
}

#[apply(on_both_databases)]
async fn deleting_a_connection_stops_its_syncs_and_removes_its_rows(database: Database) {
    let app = App::synced(database, 30).await;
    assert_eq!(app.delete(CONNECTION).await.status, 204);
    refused(&app.get(CONNECTION).await, 404, "NOT_FOUND_ERROR");
    refused(&app.delete(CONNECTION).await, 404, "NOT_FOUND_ERROR");
    for table in [
        "syncs",
        "sync_runs",
        "sync_run_pages",
        "engagement_contacts",
        "engagement_users",
        "engagement_sequences",
        "engagement_sequence_states",
        "engagement_mailboxes",
        "engagement_accounts",
    ] {
        let sql = format!("SELECT count(*) FROM {table}");
        assert_eq!(app.database.count(&sql).await, 0, "{table}");
    }
    assert_eq!(outbox(&app, "connection.deleted").await, 1);
    app.apollo.ledger().reset();
    app.after(chrono::TimeDelta::hours(2)).await;
    assert_eq!(app.apollo.ledger().len(), 0);
    app.post_connection(CUSTOMER, MASTER_KEY).await.ok();
}

#[apply(on_both_databases)]
async fn a_page_in_flight_can_not_commit_after_the_delete(database: Database) {
    let app = App::with_contacts(database, 230).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    let gate = app.apollo.gate(Match::path("contacts/search").page(2));
    let engine = app.engine.clone();
    let work = tokio::spawn(async move { engine.work_off().await.unwrap() });
    gate.arrived(1).await;
    assert_eq!(app.delete(CONNECTION).await.status, 204);
    gate.open();
    work.await.unwrap();
    assert_eq!(
        app.database
            .count("SELECT count(*) FROM engagement_contacts")
            .await,
        0
    );
    assert_eq!(
        app.database.count("SELECT count(*) FROM sync_runs").await,
        0
    );
}

#[apply(on_both_databases)]
async fn what_changes_while_apollo_is_asked_is_noticed(database: Database) {
    let app = Arc::new(App::with_contacts(database, 5).await);
    app.put_customer(CUSTOMER).await.ok();
    let ask = |request: fn(Arc<App>) -> BoxedAnswer| tokio::spawn(request(app.clone()));
    let create: fn(Arc<App>) -> BoxedAnswer =
        |app| Box::pin(async move { app.post_connection(CUSTOMER, MASTER_KEY).await });

    // The customer goes.
    let gate = app.apollo.gate(Match::path("auth/health"));
    let asked = ask(create);
    gate.arrived(1).await;
    assert_eq!(
        app.delete("/mgmt/v2/customers/customer-1").await.status,
        204
    );
    gate.open();
    refused(&asked.await.unwrap(), 404, "NOT_FOUND_ERROR");
    assert_eq!(
        app.database.count("SELECT count(*) FROM connections").await,
        0
    );

    // Another request creates the connection at the same time.
    app.put_customer(CUSTOMER).await.ok();
    let gate = app.apollo.gate(Match::path("auth/health"));
    let (one, two) = (ask(create), ask(create));
    gate.arrived(2).await;
    gate.open();
    let mut statuses = [one.await.unwrap().status, two.await.unwrap().status];
    statuses.sort();
    assert_eq!(statuses, [200, 409]);

    // The connection goes.
    let gate = app.apollo.gate(Match::path("auth/health"));
    let asked = ask(|app| {
        Box::pin(async move { app.put(CONNECTION, json!({"api_key": MASTER_KEY})).await })
    });
    gate.arrived(1).await;
    assert_eq!(app.delete(CONNECTION).await.status, 204);
    gate.open();
    refused(&asked.await.unwrap(), 404, "NOT_FOUND_ERROR");

    // The provider goes.
    let gate = app.apollo.gate(Match::path("auth/health"));
    let asked = ask(create);
    gate.arrived(1).await;
    for list in ["sync_configs", "providers"] {
        let id = app.get(&format!("/mgmt/v2/{list}")).await.ok()[0]["id"].clone();
        app.delete(&format!("/mgmt/v2/{list}/{}", id.as_str().unwrap()))
            .await
            .ok();
    }
    gate.open();
    let title = refused(&asked.await.unwrap(), 404, "NOT_FOUND_ERROR");
    assert_eq!(title, "Provider not found for name: apollo");
}

#[apply(on_both_databases)]
async fn a_wrong_connection_is_refused_by_field_before_apollo_is_asked(database: Database) {
    let app = App::with_contacts(database, 0).await;
    app.put_customer(CUSTOMER).await.ok();
    let long = "k".repeat(4097);
    for (body, field) in [
        (json!({"api_key": "k"}), "provider_name"),
        (
            json!({"provider_name": "hubspot", "api_key": "k"}),
            "provider_name",
        ),
        (json!({"provider_name": 1, "api_key": "k"}), "provider_name"),
        (json!({"provider_name": "apollo"}), "api_key"),
        (
            json!({"provider_name": "apollo", "api_key": null}),
            "api_key",
        ),
        (json!({"provider_name": "apollo", "api_key": ""}), "api_key"),
        (
            json!({"provider_name": "apollo", "api_key": "  "}),
            "api_key",
        ),
        (json!({"provider_name": "apollo", "api_key": 7}), "api_key"),
        (
            json!({"provider_name": "apollo", "api_key": "a\r\nb: c"}),
            "api_key",
        ),
        (
            json!({"provider_name": "apollo", "api_key": "clé"}),
            "api_key",
        ),
        (
            json!({"provider_name": "apollo", "api_key": "k\0"}),
            "api_key",
        ),
        (
            json!({"provider_name": "apollo", "api_key": long}),
            "api_key",
        ),
        (
            json!({"provider_name": "apollo", "api_key": "k", "type": "basic"}),
            "type",
        ),
        (
            json!({"provider_name": "apollo", "api_key": "k", "category": "crm"}),
            "category",
        ),
    ] {
        let answer = app.post(CONNECTIONS, body.clone()).await;
        assert_eq!(answer.error(), (400, "VALIDATION_ERROR", field), "{body}");
    }
    assert_eq!(app.apollo.ledger().len(), 0);
    assert_eq!(app.get(CONNECTIONS).await.ok(), json!([]));
    let unknown = app.get(&format!("{CONNECTIONS}/hubspot")).await;
    refused(&unknown, 404, "NOT_FOUND_ERROR");
    let answer = app.put(CONNECTION, json!({})).await;
    assert_eq!(answer.error(), (400, "VALIDATION_ERROR", "api_key"));
}

type BoxedAnswer = Pin<Box<dyn Future<Output = Answer> + Send>>;

async fn outbox(app: &App, event: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM outbox WHERE event_type = '{event}'");
    app.database.count(&sql).await
}

async fn paused(app: &App) -> usize {
    let syncs = app.get("/mgmt/v2/syncs").await.ok();
    let all: &Vec<Value> = syncs["results"].as_array().unwrap();
    all.iter().filter(|sync| sync["paused"] == true).count()
}

/// Whether the text is anywhere in what the database keeps.
async fn is_stored(database: &Database, text: &str) -> bool {
    if database.is_postgres {
        let dump = "schema_to_xml('public', true, false, '')::text";
        let sql = format!("SELECT count(*) WHERE {dump} LIKE '%{text}%'");
        return database.count(&sql).await > 0;
    }
    let path = database.url.trim_start_matches("sqlite://");
    [path.to_owned(), format!("{path}-wal")]
        .iter()
        .filter_map(|file| std::fs::read(file).ok())
        .any(|bytes| {
            bytes
                .windows(text.len())
                .any(|part| part == text.as_bytes())
        })
}
