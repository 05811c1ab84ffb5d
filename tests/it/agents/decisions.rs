//! Which calls of an agent are allowed: every action under every level, and other customers.

use macro_rules_attribute::apply;
use serde_json::{Value, json};

use super::{agent, call, call_for, full_agent, requests, title};
use crate::{
    access::{anything, call as as_key, is_forbidden},
    support::{Answer, App, CUSTOMER, MASTER_KEY, on_both_databases, operations},
};

/// Every listed action: name, group, access, and whether it costs credits.
async fn listed(app: &App) -> Vec<(String, String, bool, bool)> {
    let listed = app
        .get("/actions/v2/actions?provider_name=apollo")
        .await
        .ok();
    let text = |it: &Value, field: &str| it[field].as_str().unwrap().to_owned();
    let all = listed["actions"].as_array().unwrap().iter().map(|it| {
        (
            text(it, "name"),
            text(it, "group"),
            it["access"] == "write",
            it["spends_credits"] == true,
        )
    });
    all.collect()
}

/// Whether the call was decided in the agent's favour: it may fail for its input, but not for the key.
async fn is_allowed(app: &App, key: &str, name: &str) -> bool {
    let answer = call(app, key, name, json!({"nonsense": true})).await;
    match answer.status.as_u16() {
        400 => true,
        403 => false,
        other => panic!("{name}: {other} {}", answer.body),
    }
}

#[apply(on_both_databases)]
async fn each_action_is_allowed_by_its_groups_level_and_no_other(database: Database) {
    let app = App::with_contacts(database, 0).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    let all = listed(&app).await;
    app.apollo.ledger().reset();
    for level in ["off", "read", "full"] {
        let groups: serde_json::Map<String, Value> = all
            .iter()
            .map(|(_, group, ..)| (group.clone(), json!(level)))
            .collect();
        let key = agent(&app, json!({"groups": groups})).await;
        for (name, _, writes, spends) in &all {
            let expected = match level {
                "off" => false,
                "read" => !writes && !spends,
                _ => !spends,
            };
            assert_eq!(
                is_allowed(&app, &key, name).await,
                expected,
                "{level} {name}"
            );
        }
    }
    for (name, ..) in &all {
        let others: serde_json::Map<String, Value> = all
            .iter()
            .filter(|it| it.0 != *name)
            .map(|it| (it.0.clone(), json!("allow")))
            .collect();
        let key = agent(&app, json!({"actions": others})).await;
        assert!(!is_allowed(&app, &key, name).await, "{name}");
        let key = agent(&app, json!({"actions": {name: "allow"}})).await;
        assert!(is_allowed(&app, &key, name).await, "{name}");
    }
    assert_eq!(
        requests(&app),
        0,
        "no call that was refused reaches the provider"
    );
}

#[apply(on_both_databases)]
async fn an_agent_acts_for_its_customers_and_learns_nothing_of_others(database: Database) {
    let app = App::with_contacts(database, 1).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.connect("customer-2", MASTER_KEY).await;
    let grants = json!({"groups": {"contacts": "read"}, "customers": ["customer-2"]});
    let key = agent(&app, grants).await;
    app.apollo.ledger().reset();
    call_for(&app, &key, ("customer-2", "contacts.search"), json!({}))
        .await
        .ok();
    assert_eq!(requests(&app), 1);
    let mine = call_for(&app, &key, (CUSTOMER, "contacts.search"), json!({})).await;
    let none = call_for(
        &app,
        &key,
        ("no-such-customer", "contacts.search"),
        json!({}),
    )
    .await;
    assert_eq!((mine.status, none.status).0, 403);
    let of = |answer: &Answer, customer: &str| title(answer).replace(customer, "");
    assert_eq!(of(&mine, CUSTOMER), of(&none, "no-such-customer"));
    let off = call_for(&app, &key, ("customer-2", "deals.list"), json!({})).await;
    let unknown = call_for(&app, &key, ("customer-2", "deals.explode"), json!({})).await;
    assert_eq!(of(&off, "deals.list"), of(&unknown, "deals.explode"));
    assert_eq!(requests(&app), 1);
}

#[apply(on_both_databases)]
async fn an_agent_may_call_nothing_but_actions(database: Database) {
    let app = App::with_contacts(database, 0).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    let key = full_agent(&app).await;
    app.apollo.ledger().reset();
    for operation in operations() {
        if operation.template.starts_with("/actions/v2/actions") {
            continue;
        }
        let path = operation.path(anything);
        let (method, body) = (&operation.method, operation.body.as_ref());
        let answer = as_key(&app, &key, method, &path, body).await;
        let id = &operation.id;
        assert!(
            is_forbidden(&answer),
            "{id}: {} {}",
            answer.status,
            answer.body
        );
    }
    assert_eq!(requests(&app), 0);
}

#[apply(on_both_databases)]
async fn grants_that_name_what_there_is_not_are_refused(database: Database) {
    let app = App::with_contacts(database, 0).await;
    for (body, field) in [
        (json!({"name": "a", "role": "agent"}), "grants"),
        (
            json!({"name": "a", "role": "agent", "grants": {"groups": {"contact": "read"}}}),
            "grants.groups.contact",
        ),
        (
            json!({"name": "a", "role": "agent", "grants": {"groups": {"contacts": "ask"}}}),
            "grants.groups.contacts",
        ),
        (
            json!({"name": "a", "role": "agent", "grants": {"actions": {"contacts.explode": "ask"}}}),
            "grants.actions.contacts.explode",
        ),
        (
            json!({"name": "a", "role": "agent", "grants": {"credits_per_day": -1}}),
            "grants.credits_per_day",
        ),
        (
            json!({"name": "a", "role": "agent", "grants": {}, "policy": {}}),
            "policy",
        ),
        (
            json!({"name": "a", "role": "admin", "grants": {}}),
            "grants",
        ),
    ] {
        let answer = app.post("/mgmt/v2/api_keys", body.clone()).await;
        assert_eq!(
            answer.error(),
            (400, "VALIDATION_ERROR", field),
            "{body}: {}",
            answer.body
        );
    }
    let key = full_agent(&app).await;
    let seen = app.get("/mgmt/v2/api_keys").await.ok();
    assert_eq!(seen["results"][0]["grants"]["groups"]["contacts"], "full");
    assert_eq!(seen["results"][0]["grants"]["customers"], Value::Null);
    assert!(!key.is_empty());
}
