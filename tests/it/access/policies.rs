//! Keys with policies.

use macro_rules_attribute::apply;
use reqwest::Method;
use serde_json::{Value, json};
use syncline_model::Role;

use super::{call, is_forbidden, key, request};
use crate::support::{Answer, App, CUSTOMER, on_both_databases};

#[apply(on_both_databases)]
async fn a_rule_lets_one_write_pass_and_no_other(database: Database) {
    let app = App::synced(database, 5).await;
    let policy = json!({"writes": [
        {"methods": ["POST"], "path": "/engagement/v2/contacts"},
        {"methods": ["PUT"], "path": "/mgmt/v2/customers"},
        {"methods": ["DELETE"], "path": "/mgmt/v2/customers/of%20theirs"},
    ]});
    // The rule with the path decoded.
    let policy: Value = serde_json::from_str(&policy.to_string().replace("%20", " ")).unwrap();
    let writer = key(&app, Role::ReadOnly, Some(policy)).await;
    let contact = json!({"record": {"first_name": "Ada", "email_addresses": [
            {"email_address": "ada@heron.example", "email_address_type": "work"}]}});
    let path = "/engagement/v2/contacts";
    call(&app, &writer, &Method::POST, path, Some(&contact))
        .await
        .ok();
    let customer = json!({"customer_id": "of theirs", "name": "T", "email": ""});
    call(
        &app,
        &writer,
        &Method::PUT,
        "/mgmt/v2/customers",
        Some(&customer),
    )
    .await
    .ok();
    call(
        &app,
        &writer,
        &Method::DELETE,
        "/mgmt/v2/customers/of%20theirs",
        None,
    )
    .await
    .ok();
    app.apollo.ledger().reset();
    for (method, path) in [
        (Method::PATCH, "/engagement/v2/contacts/1".to_owned()),
        (Method::POST, "/engagement/v2/accounts".to_owned()),
        (
            Method::POST,
            "/engagement/v2/contacts/_search/_leave".to_owned(),
        ),
        (Method::DELETE, format!("/mgmt/v2/customers/{CUSTOMER}")),
        (Method::DELETE, "/mgmt/v2/customers/OF%20THEIRS".to_owned()),
        (Method::POST, "/mgmt/v2/syncs/_trigger".to_owned()),
        (Method::POST, "/mgmt/v2/api_keys".to_owned()),
    ] {
        let answer = call(&app, &writer, &method, &path, Some(&contact)).await;
        assert!(
            is_forbidden(&answer) || answer.status == 404,
            "{method} {path}: {}",
            answer.body
        );
    }
    assert_eq!(app.apollo.ledger().len(), 0);
    assert!(
        app.get(&format!("/mgmt/v2/customers/{CUSTOMER}"))
            .await
            .status
            .is_success()
    );
}

#[apply(on_both_databases)]
async fn a_policy_narrows_an_admin(database: Database) {
    let app = App::synced(database, 5).await;
    let policy = json!({"passthrough": [{"methods": ["GET"], "path": "/v1/users/search"}]});
    let narrow = key(&app, Role::Admin, Some(policy)).await;
    app.get_as(&narrow, "/mgmt/v2/api_keys").await.ok();
    send(&app, &narrow, "GET", "api/v1/users/search").await.ok();
    app.apollo.ledger().reset();
    for (method, path) in [
        (Method::PUT, "/mgmt/v2/customers"),
        (Method::POST, "/mgmt/v2/api_keys"),
        (Method::POST, "/engagement/v2/contacts"),
        (Method::GET, "/enrichment/v2/persons?email=a@b.example"),
        (Method::GET, "/enrichment/v2/organizations?domain=b.example"),
    ] {
        let answer = call(&app, &narrow, &method, path, Some(&json!({}))).await;
        assert!(is_forbidden(&answer), "{method} {path}: {}", answer.body);
    }
    for (method, path) in [("POST", "v1/users/search"), ("GET", "v1/contacts/search")] {
        let answer = send(&app, &narrow, method, path).await;
        assert!(is_forbidden(&answer), "{method} {path}: {}", answer.body);
    }
    assert_eq!(app.apollo.ledger().len(), 0);
}

#[apply(on_both_databases)]
async fn credits_are_spent_by_who_may(database: Database) {
    let app = App::synced(database, 5).await;
    let rules = json!({"passthrough": [{"methods": ["*"], "path": "/**"}]});
    let mut spending = rules.clone();
    spending["credits"] = true.into();
    let thrifty = key(&app, Role::Admin, Some(rules)).await;
    let spender = key(&app, Role::ReadOnly, Some(spending)).await;
    let enrich = "/enrichment/v2/persons?email=nobody@nowhere.example";
    app.apollo.ledger().reset();
    assert!(is_forbidden(&app.get_as(&thrifty, enrich).await));
    assert!(is_forbidden(
        &send(&app, &thrifty, "POST", "api/v1/people/match").await
    ));
    assert_eq!(app.apollo.ledger().len(), 0);
    assert!(!is_forbidden(&app.get_as(&spender, enrich).await));
    send(
        &app,
        &spender,
        "POST",
        "api/v1/people/match?email=nobody@nowhere.example",
    )
    .await
    .ok();
    assert_ne!(app.apollo.ledger().len(), 0);
}

#[apply(on_both_databases)]
async fn an_idempotency_key_opens_nothing(database: Database) {
    let app = App::synced(database, 5).await;
    let contact = json!({"record": {"first_name": "Ada", "email_addresses": [
            {"email_address": "ada@heron.example", "email_address_type": "work"}]}});
    let reader = key(&app, Role::ReadOnly, None).await;
    let send = async |key: &str| {
        let request = request(&app, key, &Method::POST, "/engagement/v2/contacts");
        App::answer(request.header("idempotency-key", "4711").json(&contact)).await
    };
    assert!(is_forbidden(&send(&reader).await));
    send(&app.api_key).await.ok();
    // Nor does it return the stored answer to another key's write.
    assert!(is_forbidden(&send(&reader).await));
}

async fn send(app: &App, key: &str, method: &str, path: &str) -> Answer {
    let envelope = json!({"method": method, "path": path});
    let path = "/actions/v2/passthrough";
    call(app, key, &Method::POST, path, Some(&envelope)).await
}
