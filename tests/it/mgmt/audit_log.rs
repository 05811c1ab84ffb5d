//! The audit log: every write, every use of a credential and every denied request is recorded.

use macro_rules_attribute::apply;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection, SqliteConnection};
use syncline_model::Role;
use syncline_sim::Simulator;
use syncline_store::{Expired, NewApiKey};

use crate::{
    access::key,
    http::refused,
    support::{
        App, CUSTOMER, Database, ENCRYPTION_KEY, MASTER_KEY, Process, on_both_databases,
        operations, quiet_apollo, syncline,
    },
};

const LOG: &str = "/mgmt/v2/audit_log";

#[apply(on_both_databases)]
async fn a_write_is_in_the_log_when_its_answer_comes(database: Database) {
    let app = App::with_contacts(database, 0).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    assert_eq!(written(&app.database).await, 2, "no list was asked for yet");
    let log = app.get(LOG).await.ok();
    assert_eq!(log["total_count"], 2);
    let [connected, registered] = &log["results"].as_array().unwrap()[..] else {
        panic!("{log}");
    };
    assert_eq!(registered["action"], "customer.upsert");
    assert_eq!(registered["customer_id"], CUSTOMER);
    assert_eq!(registered["connection_id"], Value::Null);
    let answer = app
        .request(
            Method::DELETE,
            &format!("/mgmt/v2/customers/{CUSTOMER}/connections/apollo"),
        )
        .header("x-api-key", &app.api_key)
        .send()
        .await
        .unwrap();
    let id = answer.headers()["x-request-id"]
        .to_str()
        .unwrap()
        .to_owned();
    let entry = app
        .get(&format!("{LOG}?action=connection.delete"))
        .await
        .ok()["results"][0]
        .clone();
    assert_eq!(entry["request_id"], id);
    assert_eq!(entry["connection_id"], connected["connection_id"]);
    assert_eq!(
        entry["route"],
        "/mgmt/v2/customers/{customer_id}/connections/{provider_name}"
    );
    for (field, value) in [
        ("action", "connection.create"),
        ("actor", "api_key"),
        ("result", "ok"),
        ("method", "POST"),
        ("customer_id", CUSTOMER),
    ] {
        assert_eq!(connected[field], value, "{connected}");
    }
    assert_eq!(connected["status"], 200);
    assert!(connected["connection_id"].is_string(), "{connected}");
    let message = connected["message"].as_str().unwrap();
    assert!(message.contains("created a connection"), "{message}");
    assert!(message.contains(CUSTOMER), "{message}");
    assert!(!log.to_string().contains(MASTER_KEY));
}

#[apply(on_both_databases)]
async fn every_write_of_the_management_api_is_written_down(database: Database) {
    let app = App::with_contacts(database, 0).await;
    app.put_customer(CUSTOMER).await.ok();
    let mut told = 1;
    for operation in operations()
        .iter()
        .filter(|it| it.is_of("mgmt") && it.method != Method::GET)
        .filter(|it| !it.template.ends_with("/_forecast"))
    {
        let path = operation.path(|name| match name {
            "provider_name" => "apollo".to_owned(),
            _ => "nothing".to_owned(),
        });
        let answer = app
            .send(operation.method.clone(), &path, operation.body.clone())
            .await;
        told += 1;
        let log = app.get(&format!("{LOG}?page_size=1")).await.ok();
        let entry = &log["results"][0];
        assert_eq!(log["total_count"], told, "{} {path}", operation.method);
        assert_eq!(entry["method"], operation.method.as_str(), "{entry}");
        assert_eq!(entry["route"], operation.template.as_str(), "{entry}");
        assert_eq!(entry["status"], answer.status.as_u16(), "{entry}");
        let result = if answer.status.is_success() {
            "ok"
        } else {
            "failed"
        };
        assert_eq!(entry["result"], result, "{entry}");
        let action = entry["action"].as_str().unwrap();
        let (object, verb) = action.split_once('.').unwrap();
        assert!(!object.is_empty() && verb != "read", "{action}");
    }
    assert!(told > 15, "{told}");
}

#[apply(on_both_databases)]
async fn reads_are_not_written_down(database: Database) {
    let app = App::synced(database, 5).await;
    let before = app.get(LOG).await.ok()["total_count"].clone();
    for path in [
        "/mgmt/v2/customers",
        "/mgmt/v2/syncs",
        "/mgmt/v2/nothing",
        LOG,
        "/engagement/v2/contacts?read_from_cache=true",
        "/engagement/v2/users",
    ] {
        app.get(path).await;
    }
    app.post(
        "/engagement/v2/contacts/_search",
        json!({"filter": {"emails": ["a@b.example"]}}),
    )
    .await;
    assert_eq!(app.get(LOG).await.ok()["total_count"], before);
}

#[apply(on_both_databases)]
async fn each_use_of_a_credential_says_what_was_sent_to_whom(database: Database) {
    let app = App::synced(database, 5).await;
    app.get("/actions/v2/proxy/v1/auth/health?api_key=of-the-caller")
        .await;
    app.post(
        "/actions/v2/passthrough",
        json!({"path": "/api/v1/users/search?token=hidden", "method": "GET"}),
    )
    .await;
    app.post(
        "/engagement/v2/accounts",
        json!({"record": {"name": "Acme"}}),
    )
    .await
    .ok();
    app.get("/enrichment/v2/persons?email=a@b.example").await;
    app.get("/enrichment/v2/organizations?domain=b.example")
        .await;
    let log = app.get(LOG).await.ok();
    let entries = log["results"].as_array().unwrap();
    let of = |action: &str| {
        entries
            .iter()
            .find(|it| it["action"] == action)
            .unwrap_or_else(|| panic!("{action}: {log}"))
    };
    assert_eq!(of("proxy.send")["provider_request"], "GET v1/auth/health");
    let sent = of("passthrough.send")["provider_request"].as_str().unwrap();
    assert!(
        sent.starts_with("GET ") && sent.ends_with("v1/users/search"),
        "{sent}"
    );
    for action in [
        "proxy.send",
        "passthrough.send",
        "account.create",
        "person.enrich",
        "organization.enrich",
    ] {
        assert_eq!(of(action)["customer_id"], CUSTOMER);
        assert_eq!(of(action)["provider_name"], "apollo");
        assert!(of(action)["connection_id"].is_string());
    }
    assert_eq!(of("account.create")["result"], "ok");
    for secret in ["of-the-caller", "hidden", MASTER_KEY, &app.api_key] {
        assert!(!log.to_string().contains(secret), "{secret}");
    }
}

#[apply(on_both_databases)]
async fn the_log_is_filtered_and_read_page_by_page(database: Database) {
    let app = App::with_contacts(database, 0).await;
    for customer in ["a", "b", "c"] {
        app.put_customer(customer).await.ok();
        app.clock.advance(chrono::TimeDelta::minutes(1));
    }
    app.put("/mgmt/v2/customers", json!({})).await;
    let count =
        async |query: &str| app.get(&format!("{LOG}?{query}")).await.ok()["total_count"].clone();
    assert_eq!(count("customer_id=b").await, 1);
    assert_eq!(count("result=failed").await, 1);
    assert_eq!(count("result=ok").await, 3);
    assert_eq!(count("action=customer.upsert").await, 4);
    assert_eq!(count("action=customer.delete").await, 0);
    let all = app.get(LOG).await.ok();
    let key = all["results"][0]["key_id"].as_str().unwrap();
    assert_eq!(count(&format!("key_id={key}")).await, 4);
    assert_eq!(count("key_id=other").await, 0);
    let second = all["results"][2]["at"].as_str().unwrap();
    assert_eq!(count(&format!("from={second}")).await, 3);
    assert_eq!(count(&format!("to={second}")).await, 1);
    for (query, field) in [
        ("result=good", "result"),
        ("from=today", "from"),
        ("to=x", "to"),
        ("who=me", "who"),
        ("cursor=x", "cursor"),
    ] {
        assert_eq!(app.get(&format!("{LOG}?{query}")).await.error().2, field);
    }
    let mut seen = Vec::new();
    let mut path = format!("{LOG}?page_size=3");
    loop {
        let page = app.get(&path).await.ok();
        seen.extend(page["results"].as_array().unwrap().clone());
        let Some(next) = page["next"].as_str() else {
            break;
        };
        path = format!("{LOG}?page_size=3&cursor={next}");
    }
    assert_eq!(
        Value::Array(seen),
        all["results"],
        "newest first, none twice"
    );
}

#[apply(on_both_databases)]
async fn no_other_application_reads_it(database: Database) {
    let app = App::with_contacts(database, 0).await;
    app.put_customer(CUSTOMER).await.ok();
    let other = app
        .store
        .find_or_create_application("other", &crate::support::enabled())
        .await
        .unwrap();
    app.store
        .add_api_key(&other.id, "other", "other-key")
        .await
        .unwrap();
    let request = app
        .request(Method::GET, LOG)
        .header("x-api-key", "other-key");
    assert_eq!(App::answer(request).await.ok()["total_count"], 0);
}

#[apply(on_both_databases)]
async fn a_revoked_key_is_written_down_and_an_unknown_one_is_not(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let id = app.get("/mgmt/v2/providers").await.ok()[0]["application_id"].clone();
    app.store
        .add_api_key(id.as_str().unwrap(), "old", "old-key")
        .await
        .unwrap();
    app.database
        .execute("UPDATE api_keys SET revoked_at = '2026-01-01T00:00:00.000Z' WHERE name = 'old'")
        .await;
    for key in ["old-key", "never-was"] {
        let request = app
            .request(Method::GET, "/mgmt/v2/customers")
            .header("x-api-key", key);
        refused(&App::answer(request).await, 401, "UNAUTHORIZED_ERROR");
    }
    let log = app.get(LOG).await.ok();
    assert_eq!(log["total_count"], 1, "{log}");
    assert_eq!(log["results"][0]["result"], "denied");
    assert_eq!(log["results"][0]["key_name"], "old");
    assert_eq!(log["results"][0]["status"], 401);
}

#[apply(on_both_databases)]
async fn entries_are_never_changed_and_go_when_their_time_is_over(database: Database) {
    let app = App::with_contacts(database, 0).await;
    app.put_customer(CUSTOMER).await.ok();
    let update = "UPDATE audit_log SET message = 'nothing happened'";
    assert!(refuses(&app.database, update).await, "an update");
    let now = if app.database.is_postgres {
        "now()"
    } else {
        "datetime('now')"
    };
    let fresh = format!(
        "INSERT INTO audit_log (id, application_id, at, actor, action, result, message)
            SELECT 'zz', application_id, {now}, 'cli', 'test.write', 'ok', 'fresh' FROM audit_log"
    );
    app.database.execute(&fresh).await;
    assert!(
        refuses(&app.database, "DELETE FROM audit_log WHERE id = 'zz'").await,
        "a delete"
    );
    app.clock.advance(chrono::TimeDelta::days(364));
    assert_eq!(app.engine.purge(Expired::AuditLog).await.unwrap(), 0);
    app.clock.advance(chrono::TimeDelta::days(2));
    assert_eq!(app.engine.purge(Expired::AuditLog).await.unwrap(), 1);
    assert_eq!(written(&app.database).await, 1);
}

#[apply(on_both_databases)]
async fn a_long_list_is_counted_up_to_ten_thousand(database: Database) {
    let app = App::with_contacts(database, 0).await;
    app.put_customer(CUSTOMER).await.ok();
    let counted = async |query: &str| {
        let list = app.get(&format!("{LOG}?page_size=1{query}")).await.ok();
        (
            list["total_count"].as_i64().unwrap(),
            list["total_count_is_exact"].as_bool().unwrap(),
        )
    };
    assert_eq!(counted("").await, (1, true));
    app.database.execute(
            "INSERT INTO audit_log (id, application_id, at, actor, action, result, message)
             WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
             SELECT '00' || CAST(i AS text), application_id, at, actor, 'test.write', result, message
             FROM audit_log, n"
        ).await;
    assert_eq!(counted("").await, (10_000, false), "there are 10,001");
    assert_eq!(counted("&action=test.write").await, (10_000, true));
    assert!(counted("&action=customer.upsert").await.1);
}

#[apply(on_both_databases)]
async fn what_waits_is_written_at_the_stop_and_a_command_is_written_down(database: Database) {
    let apollo = Simulator::start(quiet_apollo(5)).await.unwrap();
    let mut process = Process::serve(&database, &apollo.base_url()).await;
    process.connect().await;
    process.get("/actions/v2/proxy/v1/auth/health").await;
    assert_eq!(process.terminate().await, Some(0));
    let count = async |action: &str| {
        database
            .count(&format!(
                "SELECT count(*) FROM audit_log WHERE action = '{action}'"
            ))
            .await
    };
    assert_eq!(count("proxy.send").await, 1);
    for command in [
        &["encryption", "rotate"][..],
        &["keys", "create", "--name", "new"],
    ] {
        let mut syncline = syncline();
        syncline
            .args(command)
            .env("SYNCLINE_DATABASE_URL", &database.url)
            .env("SYNCLINE_DATA_DIR", database.data_dir());
        if database.is_postgres {
            syncline.env("SYNCLINE_ENCRYPTION_KEY", ENCRYPTION_KEY);
        }
        let output = syncline.output().await.unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    assert_eq!(count("encryption.rotate").await, 1);
    assert_eq!(count("api_key.create").await, 1);
    let told = database
        .text("SELECT message FROM audit_log WHERE action = 'api_key.create'")
        .await;
    assert!(told.unwrap().contains("\"new\" with the role admin"));
}

#[apply(on_both_databases)]
async fn what_a_key_may_not_do_is_written_down_with_what_it_lacks(database: Database) {
    let app = App::synced(database, 5).await;
    let tenant = app.store.tenant(
        app.get("/mgmt/v2/providers").await.ok()[0]["application_id"]
            .as_str()
            .unwrap(),
    );
    let new = NewApiKey {
        name: "reader",
        key: "reader-key",
        role: Role::ReadOnly,
        policy: None,
        grants: None,
        expires_at: None,
    };
    tenant.create_api_key(&new).await.unwrap();
    let before = app.get(LOG).await.ok()["total_count"].as_i64().unwrap();
    for (method, path) in [
        (Method::DELETE, "/mgmt/v2/customers/c"),
        (Method::GET, LOG),
        (Method::GET, "/actions/v2/proxy/v1/auth/health"),
    ] {
        let request = app
            .request(method, path)
            .header("x-api-key", "reader-key")
            .header("x-customer-id", CUSTOMER)
            .header("x-provider-name", "apollo");
        refused(&App::answer(request).await, 403, "FORBIDDEN_ERROR");
    }
    let count = "SELECT count(*) FROM audit_log WHERE result = 'denied' AND status = 403";
    assert_eq!(app.database.count(count).await, 3, "before the answer");
    let log = app.get(&format!("{LOG}?result=denied")).await.ok();
    assert_eq!(log["total_count"], 3);
    assert_eq!(app.get(LOG).await.ok()["total_count"], before + 3);
    let entry = &log["results"][2];
    assert_eq!(entry["action"], "customer.delete");
    assert_eq!(entry["key_name"], "reader");
    assert_eq!(entry["customer_id"], "c");
    let message = entry["message"].as_str().unwrap();
    assert!(
        message.contains("was refused to delete a customer"),
        "{message}"
    );
}

#[apply(on_both_databases)]
async fn a_key_that_is_refused_again_and_again_fills_nothing(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let reader = key(&app, Role::ReadOnly, None).await;
    let long = "x".repeat(20_000);
    for _ in 0..100 {
        let request = app
            .request(Method::DELETE, &format!("/mgmt/v2/customers/a%0Ab{long}"))
            .header("x-api-key", &reader)
            .header("user-agent", &long);
        refused(&App::answer(request).await, 403, "FORBIDDEN_ERROR");
    }
    let denied = app.get(&format!("{LOG}?result=denied")).await.ok();
    assert_eq!(denied["total_count"], 61);
    let entries = denied["results"].as_array().unwrap();
    let told = entries
        .iter()
        .find(|it| it["action"] == "refusal.repeat")
        .unwrap();
    assert!(
        told["message"]
            .as_str()
            .unwrap()
            .starts_with("40 more like it since 2026-03-01T08:00"),
        "{told}"
    );
    for entry in entries {
        assert!(entry.to_string().len() < 3000, "{entry}");
        let customer = entry["customer_id"].as_str().unwrap();
        assert!(
            customer.starts_with("a bxxx") && customer.ends_with('…'),
            "{customer}"
        );
    }
    app.clock.advance(chrono::TimeDelta::minutes(1));
    refused(&app.get_as(&reader, LOG).await, 403, "FORBIDDEN_ERROR");
    assert_eq!(
        app.get(&format!("{LOG}?result=denied")).await.ok()["total_count"],
        62
    );
}

#[apply(on_both_databases)]
async fn writes_that_come_to_nothing_are_counted_too(database: Database) {
    let app = App::with_contacts(database, 0).await;
    for _ in 0..70 {
        app.delete("/mgmt/v2/customers/nobody").await;
    }
    app.put_customer(CUSTOMER).await.ok();
    assert_eq!(
        app.get(&format!("{LOG}?result=failed")).await.ok()["total_count"],
        61
    );
    assert_eq!(
        app.get(&format!("{LOG}?result=ok")).await.ok()["total_count"],
        1
    );
}

async fn written(database: &Database) -> i64 {
    database.count("SELECT count(*) FROM audit_log").await
}

/// Whether the database itself rejects the statement.
async fn refuses(database: &Database, sql: &str) -> bool {
    let sql = sqlx::AssertSqlSafe(sql.to_owned());
    let error = if database.is_postgres {
        let mut c = PgConnection::connect(&database.url).await.unwrap();
        sqlx::query(sql).execute(&mut c).await.unwrap_err()
    } else {
        let mut c = SqliteConnection::connect(&database.url).await.unwrap();
        sqlx::query(sql).execute(&mut c).await.unwrap_err()
    };
    error.to_string().contains("audit_log is append-only")
}
