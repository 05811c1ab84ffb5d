//! Calls that wait for a person: what is shown is what runs, once.

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use serde_json::{Value, json};

use super::{agent, call, requests};
use crate::support::{App, CUSTOMER, Database, MASTER_KEY, on_both_databases};

const APPROVALS: &str = "/mgmt/v2/approvals";

async fn asking_agent(app: &App) -> String {
    agent(
        app,
        json!({"groups": {"contacts": "read"}, "actions": {"contacts.create": "ask"}}),
    )
    .await
}

fn ada() -> Value {
    json!({"email": "ada@engine.example", "first_name": "Ada"})
}

async fn app_with_customer(database: Database) -> App {
    let app = App::with_contacts(database, 1).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.apollo.ledger().reset();
    app
}

/// A call that waits: its approval's id.
async fn ask(app: &App, key: &str) -> String {
    let answer = call(app, key, "contacts.create", ada()).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    assert_eq!(answer.body["status"], "pending");
    answer.body["approval"]["id"].as_str().unwrap().to_owned()
}

async fn decide(app: &App, id: &str, how: &str) -> crate::support::Answer {
    app.post(&format!("{APPROVALS}/{id}/_{how}"), json!({}))
        .await
}

#[apply(on_both_databases)]
async fn a_held_call_is_made_once_it_is_approved_and_the_agent_learns_it(database: Database) {
    let app = app_with_customer(database).await;
    let key = asking_agent(&app).await;
    let id = ask(&app, &key).await;
    assert_eq!(requests(&app), 0);
    assert_eq!(
        ask(&app, &key).await,
        id,
        "the same call is the same approval"
    );
    let shown = app.get(&format!("{APPROVALS}?status=pending")).await.ok();
    assert_eq!(shown["total_count"], 1);
    let approval = &shown["results"][0];
    assert_eq!(approval["input"], ada());
    assert_eq!(
        approval["summary"],
        "create the contact \"ada@engine.example\" \"Ada\""
    );
    assert_eq!(approval["requested_by"]["name"], "of a test");
    assert_eq!(approval["decided_by"], Value::Null);
    let approved = decide(&app, &id, "approve").await.ok();
    assert_eq!(approved["status"], "done", "{approved}");
    assert_eq!(
        approved["result"]["result"]["contact"]["email"],
        "ada@engine.example"
    );
    assert_eq!(requests(&app), 1);
    let again = call(&app, &key, "contacts.create", ada()).await;
    assert_eq!(again.status, 200, "{}", again.body);
    assert_eq!(again.body["status"], "done");
    assert_eq!(again.body["result"]["contact"]["first_name"], "Ada");
    assert_eq!(requests(&app), 1, "it was made once");
    assert_ne!(
        ask(&app, &key).await,
        id,
        "what was told is over: the next one is a new call"
    );
}

#[apply(on_both_databases)]
async fn a_denied_call_is_never_made(database: Database) {
    let app = app_with_customer(database).await;
    let key = asking_agent(&app).await;
    let id = ask(&app, &key).await;
    let denied = decide(&app, &id, "deny").await.ok();
    assert_eq!(denied["status"], "denied");
    let answer = call(&app, &key, "contacts.create", ada()).await.ok();
    assert_eq!(answer["status"], "denied");
    assert_eq!(answer["result"], Value::Null);
    let late = decide(&app, &id, "approve").await;
    assert_eq!(late.status, 409, "{}", late.body);
    assert_eq!(requests(&app), 0);
}

#[apply(on_both_databases)]
async fn an_approval_expires_after_a_day(database: Database) {
    let app = app_with_customer(database).await;
    let key = asking_agent(&app).await;
    let id = ask(&app, &key).await;
    app.clock.advance(TimeDelta::hours(24));
    let shown = app.get(&format!("{APPROVALS}/{id}")).await.ok();
    assert_eq!(shown["status"], "expired");
    let late = decide(&app, &id, "approve").await;
    assert_eq!(late.status, 409, "{}", late.body);
    assert_ne!(ask(&app, &key).await, id);
    assert_eq!(requests(&app), 0);
}

#[apply(on_both_databases)]
async fn of_many_who_approve_at_once_one_does_and_the_call_is_made_once(database: Database) {
    let app = app_with_customer(database).await;
    let key = asking_agent(&app).await;
    let id = ask(&app, &key).await;
    let decide = || decide(&app, &id, "approve");
    let answers: [_; 6] =
        tokio::join!(decide(), decide(), decide(), decide(), decide(), decide()).into();
    let approved = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(approved, 1);
    assert!(
        answers
            .iter()
            .all(|answer| matches!(answer.status.as_u16(), 200 | 409))
    );
    assert_eq!(requests(&app), 1);
}

#[apply(on_both_databases)]
async fn no_agent_decides_and_no_other_application_sees_it(database: Database) {
    let app = app_with_customer(database).await;
    let key = asking_agent(&app).await;
    let id = ask(&app, &key).await;
    for path in [APPROVALS.to_owned(), format!("{APPROVALS}/{id}")] {
        assert_eq!(app.get_as(&key, &path).await.status, 403);
    }
    let request = app
        .request(reqwest::Method::POST, &format!("{APPROVALS}/{id}/_approve"))
        .header("x-api-key", &key);
    assert_eq!(App::answer(request).await.status, 403);
    let (_, stranger) =
        crate::access::key_of(&app, "other", syncline_model::Role::Admin, None, None).await;
    assert_eq!(
        app.get_as(&stranger, &format!("{APPROVALS}/{id}"))
            .await
            .status,
        404
    );
    let none = app.get_as(&stranger, APPROVALS).await.ok();
    assert_eq!(none["total_count"], 0);
}

#[apply(on_both_databases)]
async fn what_fails_at_the_provider_is_told_to_both(database: Database) {
    let app = app_with_customer(database).await;
    let key = asking_agent(&app).await;
    let id = ask(&app, &key).await;
    app.apollo.edit(0, |team| team.revoke_key(MASTER_KEY));
    let approved = decide(&app, &id, "approve").await.ok();
    assert_eq!(approved["status"], "failed");
    let why = approved["result"]["error"]["title"].as_str().unwrap();
    assert!(why.contains("the customer has to connect again"), "{why}");
    let told = call(&app, &key, "contacts.create", ada()).await.ok();
    assert_eq!(told["status"], "failed");
    assert_eq!(told["error"], why);
}

#[apply(on_both_databases)]
async fn a_call_of_an_agent_whose_key_was_revoked_is_not_made(database: Database) {
    let app = app_with_customer(database).await;
    let key = asking_agent(&app).await;
    let id = ask(&app, &key).await;
    let keys = app.get("/mgmt/v2/api_keys").await.ok();
    let agent_id = keys["results"][0]["id"].as_str().unwrap();
    app.delete(&format!("/mgmt/v2/api_keys/{agent_id}"))
        .await
        .ok();
    let approved = decide(&app, &id, "approve").await.ok();
    assert_eq!(approved["status"], "failed");
    assert_eq!(requests(&app), 0);
    let said = said_of_the_call(&app).await;
    assert!(
        said.ends_with("which failed (403): the agent's key was revoked or has expired"),
        "{said}"
    );
}

#[apply(on_both_databases)]
async fn a_key_that_is_revoked_while_its_call_waits_learns_no_outcome(database: Database) {
    let app = app_with_customer(database).await;
    let key = asking_agent(&app).await;
    let waiting = call(&app, &key, "contacts.create?wait=60", ada());
    let revoked = async {
        let id = loop {
            let pending = app.get(APPROVALS).await.ok();
            if let Some(id) = pending["results"][0]["id"].as_str() {
                break id.to_owned();
            }
        };
        let keys = app.get("/mgmt/v2/api_keys").await.ok();
        let agent_id = keys["results"][0]["id"].as_str().unwrap();
        app.delete(&format!("/mgmt/v2/api_keys/{agent_id}"))
            .await
            .ok();
        decide(&app, &id, "deny").await.ok();
    };
    let (told, ()) = tokio::join!(waiting, revoked);
    assert_eq!(told.status, 401, "{}", told.body);
}

/// What the log says of the call that was approved.
async fn said_of_the_call(app: &App) -> String {
    let log = "/mgmt/v2/audit_log?action=contacts.create";
    let log = app.get(log).await.ok();
    let entries = log["results"].as_array().unwrap();
    let mut said = entries.iter().map(|it| it["message"].as_str().unwrap());
    let made = "agent \"of a test\" was approved by \"test\" to create the contact";
    let said = said.find(|it| it.starts_with(made));
    said.unwrap_or_else(|| panic!("{log}")).to_owned()
}

#[apply(on_both_databases)]
async fn an_approval_outlives_its_connection_and_its_call_fails(database: Database) {
    let app = app_with_customer(database).await;
    let key = asking_agent(&app).await;
    let id = ask(&app, &key).await;
    app.delete(&format!("/mgmt/v2/customers/{CUSTOMER}/connections/apollo"))
        .await
        .ok();
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.apollo.ledger().reset();
    let approved = decide(&app, &id, "approve").await.ok();
    assert_eq!(approved["status"], "failed");
    assert_eq!(approved["input"], ada());
    let why = &approved["result"]["error"]["title"];
    assert_eq!(why, "the connection was deleted meanwhile");
    assert_eq!(requests(&app), 0);
    said_of_the_call(&app).await;
}

#[apply(on_both_databases)]
async fn an_approval_that_can_not_be_read_is_never_made_and_stops_no_other(database: Database) {
    let app = app_with_customer(database).await;
    let key = asking_agent(&app).await;
    let unread = ask(&app, &key).await;
    let sql = format!("UPDATE approvals SET input = 'garbage' WHERE id = '{unread}'");
    app.database.execute(&sql).await;
    let other = json!({"email": "bob@engine.example"});
    let other = call(&app, &key, "contacts.create", other).await.ok();
    let other = other["approval"]["id"].as_str().unwrap();
    let shown = app.get(APPROVALS).await.ok();
    assert_eq!(shown["results"][0]["id"], other);
    assert_eq!(shown["results"][1]["input"], Value::Null);
    let failed = decide(&app, &unread, "approve").await.ok();
    assert_eq!(failed["status"], "failed");
    assert_eq!(requests(&app), 0);
    let done = decide(&app, other, "approve").await.ok();
    assert_eq!(done["status"], "done");
}

#[apply(on_both_databases)]
async fn an_input_of_more_than_32_kib_is_refused_and_nothing_of_it_is_kept(database: Database) {
    let app = app_with_customer(database).await;
    let key = asking_agent(&app).await;
    let mut input = ada();
    input["typed_custom_fields"] = json!({"60c39ed82bd02f01154c470a": "x".repeat(33 * 1024)});
    let answer = call(&app, &key, "contacts.create", input).await;
    assert_eq!(answer.error(), (400, "VALIDATION_ERROR", "body"));
    let kept = "SELECT count(*) FROM approvals";
    assert_eq!(app.database.count(kept).await, 0);
}

#[apply(on_both_databases)]
async fn what_was_asked_is_sealed_and_told_by_a_webhook_without_it(database: Database) {
    let app = app_with_customer(database).await;
    let endpoint = json!({"url": "https://hooks.example/", "event_types": ["approval.requested"]});
    app.post("/mgmt/v2/webhook_endpoints", endpoint).await.ok();
    let key = asking_agent(&app).await;
    ask(&app, &key).await;
    let owed = "SELECT count(*) FROM webhook_deliveries";
    assert_eq!(app.database.count(owed).await, 1);
    let messages = app
        .get("/mgmt/v2/webhook_messages?event_type=approval.requested")
        .await
        .ok();
    let payload = &messages["results"][0]["payload"];
    assert_eq!(payload["action"], "contacts.create");
    assert_eq!(payload["customer_id"], CUSTOMER);
    assert!(
        !messages.to_string().contains("ada@engine.example"),
        "{messages}"
    );
    let open = "SELECT count(*) FROM approvals WHERE input LIKE '%engine.example%'";
    assert_eq!(app.database.count(open).await, 0);
    assert_eq!(
        app.database.count("SELECT count(*) FROM approvals").await,
        1
    );
}
