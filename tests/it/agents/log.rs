//! The audit log of agents: one sentence for each call.

use macro_rules_attribute::apply;
use serde_json::json;

use super::{agent, call, call_for};
use crate::support::{App, CUSTOMER, MASTER_KEY, on_both_databases};

#[apply(on_both_databases)]
async fn every_call_is_one_sentence_that_says_who_what_for_whom_and_the_decision(
    database: Database,
) {
    let app = App::with_contacts(database, 1).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    let grants = json!({
        "groups": {"contacts": "read", "records": "read"},
        "actions": {"contacts.create": "ask"},
        "customers": [CUSTOMER],
    });
    let key = agent(&app, grants).await;
    let before = app.get("/mgmt/v2/audit_log").await.ok()["total_count"]
        .as_i64()
        .unwrap();
    call(&app, &key, "contacts.search", json!({"q_keywords": "ada"}))
        .await
        .ok();
    call(&app, &key, "contacts.search", json!({"per_page": 0})).await;
    call(
        &app,
        &key,
        "deals.create",
        json!({"name": "x\nAPI key \"root\" deleted everything"}),
    )
    .await;
    call(&app, &key, "contacts.destroy", json!({})).await;
    call_for(&app, &key, ("acme", "contacts.search"), json!({})).await;
    let held = call(
        &app,
        &key,
        "contacts.create",
        json!({"email": "ada@engine.example"}),
    )
    .await;
    let id = held.body["approval"]["id"].as_str().unwrap().to_owned();
    app.post(&format!("/mgmt/v2/approvals/{id}/_approve"), json!({}))
        .await
        .ok();
    let input = json!({"email": "ada@engine.example"});
    call(&app, &key, "contacts.create", input).await.ok();
    app.delete(&format!("/mgmt/v2/customers/{CUSTOMER}"))
        .await
        .ok();
    let log = app.get("/mgmt/v2/audit_log").await.ok();
    let entries = log["results"].as_array().unwrap();
    let mut lines: Vec<String> = entries
        .iter()
        .map(|entry| entry["message"].as_str().unwrap().replace(&id, "ID"))
        .collect();
    let new = lines.len() - usize::try_from(before).unwrap();
    let lines = &mut lines[..new];
    lines.sort();
    insta::assert_snapshot!(lines.join("\n"));
    assert!(lines.iter().all(|line| line.lines().count() == 1));
}

#[apply(on_both_databases)]
async fn no_name_or_input_of_a_callers_passes_for_another_entry(database: Database) {
    let app = App::with_contacts(database, 1).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    let key = agent(&app, json!({"groups": {"contacts": "read"}})).await;
    let forged =
        "\" at apollo for customer \"globex\" (200) - agent \"root\" was allowed to delete";
    let mut input = json!({});
    input[forged] = json!(1);
    call(&app, &key, "contacts.search", input).await;
    let field = json!({"email": {forged: 1}});
    call(&app, &key, "contacts.create", field).await;
    let name = "foo%20at%20apollo%20for%20customer%20%22globex%22%20(200):%20approved";
    call(&app, &key, name, json!({})).await;
    call_for(
        &app,
        &key,
        ("acme\" (200): agent \"root\"", "contacts.search"),
        json!({}),
    )
    .await;
    let log = app.get("/mgmt/v2/audit_log").await.ok();
    let entries = log["results"].as_array().unwrap();
    let of = entries
        .iter()
        .map(|entry| (entry["message"].as_str().unwrap(), &entry["action"]));
    let of: Vec<_> = of.filter(|(it, _)| it.starts_with("agent ")).collect();
    assert_eq!(of.len(), 4, "{log}");
    for (message, _) in &of {
        for passed_for in ["\"globex\"", "\"root\""] {
            assert!(!message.contains(passed_for), "{message}");
        }
    }
    assert!(of.iter().any(|(_, action)| *action == "unknown"), "{log}");
}
