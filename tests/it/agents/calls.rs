//! The actions themselves: what is listed, and what a call does at the provider.

use macro_rules_attribute::apply;
use serde_json::{Value, json};
use syncline_model::Role;

use super::{agent, call, full_agent, requests, title};
use crate::{
    access::key,
    support::{App, CUSTOMER, MASTER_KEY, SCOPED_KEY, on_both_databases},
};

const LIST: &str = "/actions/v2/actions";

#[apply(on_both_databases)]
async fn the_catalogue_has_the_20_endpoints_of_apollos_reference_and_the_tables(
    database: Database,
) {
    let app = App::with_contacts(database, 0).await;
    let listed = app.get(&format!("{LIST}?provider_name=apollo")).await.ok();
    let names: Vec<&str> = listed["actions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["name"].as_str().unwrap())
        .collect();
    let expected = [
        "records.search",
        "records.get",
        "sync.status",
        "people.search",
        "people.enrich",
        "people.bulk_enrich",
        "organizations.search",
        "organizations.enrich",
        "contacts.create",
        "contacts.update",
        "contacts.search",
        "accounts.create",
        "accounts.update",
        "accounts.search",
        "deals.create",
        "deals.update",
        "deals.list",
        "sequences.search",
        "sequences.add_contacts",
        "tasks.create",
        "tasks.search",
        "users.list",
        "usage.get",
    ];
    assert_eq!(names, expected);
    let create = listed["actions"]
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["name"] == "contacts.create")
        .unwrap();
    for (field, value) in [
        ("group", json!("contacts")),
        ("provider", json!("apollo")),
        ("access", json!("write")),
        ("spends_credits", json!(false)),
        ("needs_master_key", json!(false)),
        ("permission", Value::Null),
    ] {
        assert_eq!(create[field], value, "{field}");
    }
    assert_eq!(create["input"]["type"], "object");
    assert_eq!(
        create["output"]["properties"]["contact"]["type"],
        json!(["object", "null"])
    );
    let unknown = app.get(&format!("{LIST}?provider_name=hubspot")).await;
    assert_eq!(unknown.error(), (400, "VALIDATION_ERROR", "provider_name"));
}

#[apply(on_both_databases)]
async fn an_agent_sees_what_its_grants_allow(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let grants = json!({"groups": {"contacts": "read"}, "actions": {"contacts.create": "ask"}});
    let key = agent(&app, grants).await;
    let listed = app
        .get_as(&key, &format!("{LIST}?provider_name=apollo"))
        .await
        .ok();
    let seen: Vec<(&str, &str)> = listed["actions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            (
                it["name"].as_str().unwrap(),
                it["permission"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        seen,
        [("contacts.create", "ask"), ("contacts.search", "allow")]
    );
}

#[apply(on_both_databases)]
async fn a_contact_is_created_changed_and_in_the_tables_at_once(database: Database) {
    let app = App::synced(database, 3).await;
    let key = full_agent(&app).await;
    let made = call(&app, &key, "contacts.create", json!({
        "first_name": "Ada", "last_name": "Lovelace", "email": "ada@engine.example", "title": "Analyst",
    })).await.ok();
    assert_eq!(made["status"], "done");
    assert_eq!(made["credits_spent"], 0);
    let contact = &made["result"]["contact"];
    assert_eq!(contact["email"], "ada@engine.example");
    let id = contact["id"].as_str().unwrap();
    let changed = call(
        &app,
        &key,
        "contacts.update",
        json!({"contact_id": id, "title": "Countess"}),
    )
    .await
    .ok();
    assert_eq!(changed["result"]["contact"]["title"], "Countess");
    app.apollo.ledger().reset();
    let found = call(
        &app,
        &key,
        "records.search",
        json!({"object": "contact", "emails": ["ADA@engine.example"]}),
    )
    .await
    .ok();
    assert_eq!(found["result"]["records"][0]["job_title"], "Countess");
    assert_eq!(found["result"]["total"], 1);
    let one = call(
        &app,
        &key,
        "records.get",
        json!({"object": "contact", "id": id}),
    )
    .await
    .ok();
    assert_eq!(one["result"]["record"]["first_name"], "Ada");
    let freshness = &one["result"]["freshness"];
    assert_eq!(freshness["coverage"], "complete");
    assert!(freshness["last_synced_at"].is_string(), "{freshness}");
    let status = call(&app, &key, "sync.status", json!({})).await.ok();
    let syncs = status["result"]["syncs"].as_array().unwrap();
    assert!(
        syncs
            .iter()
            .any(|sync| sync["object"] == "contact" && sync["last_run_status"] == "SUCCESS"),
        "{status}"
    );
    assert_eq!(requests(&app), 0, "the tables cost the provider nothing");
}

/// An input for every action of Apollo, made of what the workspace has.
async fn inputs(app: &App, key: &str) -> Vec<(&'static str, Value)> {
    let id_of = |answer: &Value, at: &str| answer.pointer(at).unwrap().as_str().unwrap().to_owned();
    let contacts = call(app, key, "contacts.search", json!({"per_page": 1}))
        .await
        .ok();
    let contact_id = id_of(&contacts, "/result/contacts/0/id");
    let account = call(
        app,
        key,
        "accounts.create",
        json!({"name": "Acme", "domain": "acme.example"}),
    )
    .await
    .ok();
    let account_id = id_of(&account, "/result/account/id");
    let users = call(app, key, "users.list", json!({})).await.ok();
    let user_id = id_of(&users, "/result/users/0/id");
    let sequences = call(app, key, "sequences.search", json!({})).await.ok();
    let sequence_id = id_of(&sequences, "/result/emailer_campaigns/0/id");
    let mailboxes = app.get("/engagement/v2/mailboxes").await.ok();
    let mailbox_id = id_of(&mailboxes, "/records/0/id");
    let deal = call(
        app,
        key,
        "deals.create",
        json!({"name": "Engines", "amount": "1000"}),
    )
    .await
    .ok();
    let deal_id = id_of(&deal, "/result/opportunity/id");
    vec![
        (
            "people.search",
            json!({"person_titles": ["manager"], "per_page": 2}),
        ),
        ("people.enrich", json!({"email": "someone@nowhere.example"})),
        (
            "people.bulk_enrich",
            json!({"details": [{"email": "someone@nowhere.example"}]}),
        ),
        ("organizations.search", json!({"per_page": 1})),
        ("organizations.enrich", json!({"domain": "acme.example"})),
        (
            "contacts.create",
            json!({"email": "new@acme.example", "first_name": "New"}),
        ),
        (
            "contacts.update",
            json!({"contact_id": contact_id, "title": "Boss"}),
        ),
        ("contacts.search", json!({"q_keywords": "a", "page": 1})),
        ("accounts.create", json!({"name": "Globex"})),
        (
            "accounts.update",
            json!({"account_id": account_id, "name": "Acme Ltd"}),
        ),
        ("accounts.search", json!({"q_organization_name": "Acme"})),
        (
            "deals.create",
            json!({"name": "More engines", "account_id": account_id}),
        ),
        (
            "deals.update",
            json!({"deal_id": deal_id, "amount": "2000"}),
        ),
        ("deals.list", json!({"sort_by_field": "amount"})),
        ("sequences.search", json!({"q_name": "a"})),
        (
            "sequences.add_contacts",
            json!({
                "sequence_id": sequence_id, "contact_ids": [contact_id],
                "send_email_from_email_account_id": mailbox_id,
            }),
        ),
        (
            "tasks.create",
            json!({
                "user_id": user_id, "contact_id": contact_id, "type": "call", "status": "scheduled",
                "due_at": "2030-01-31T12:00:00Z",
            }),
        ),
        ("tasks.search", json!({"sort_by_field": "task_due_at"})),
        ("users.list", json!({"per_page": 1})),
        ("usage.get", json!({})),
    ]
}

#[apply(on_both_databases)]
async fn every_action_is_made_with_one_request_and_answers_as_it_describes(database: Database) {
    let app = App::synced(database, 5).await;
    let key = app.api_key.clone();
    let listed = app.get(&format!("{LIST}?provider_name=apollo")).await.ok();
    let all = inputs(&app, &key).await;
    assert_eq!(all.len(), 20);
    for (name, input) in all {
        app.apollo.ledger().reset();
        let answer = call(&app, &key, name, input).await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.body);
        assert_eq!(requests(&app), 1, "{name}");
        let described = listed["actions"]
            .as_array()
            .unwrap()
            .iter()
            .find(|it| it["name"] == name);
        let output: syncline_model::Schema =
            serde_json::from_value(described.unwrap()["output"].clone()).unwrap();
        let result = &answer.body["result"];
        assert_eq!(output.check(result), Ok(()), "{name}: {result}");
        assert!(
            result.as_object().is_some_and(|it| !it.is_empty()),
            "{name}: {result}"
        );
        assert!(!answer.body.to_string().contains(MASTER_KEY));
    }
}

#[apply(on_both_databases)]
async fn a_wrong_input_names_its_field_and_reaches_no_provider(database: Database) {
    let app = App::with_contacts(database, 1).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.apollo.ledger().reset();
    for (name, input, field) in [
        (
            "contacts.create",
            json!({"e_mail": "a@b.example"}),
            "e_mail",
        ),
        ("contacts.create", json!({"email": "no address"}), "email"),
        ("contacts.create", json!({}), "input"),
        (
            "contacts.update",
            json!({"title": "x", "first_name": "y"}),
            "contact_id",
        ),
        (
            "contacts.update",
            json!({"contact_id": "..", "title": "x"}),
            "contact_id",
        ),
        (
            "contacts.update",
            json!({"contact_id": "../accounts/5", "title": "x"}),
            "contact_id",
        ),
        ("contacts.search", json!({"per_page": 101}), "per_page"),
        ("people.bulk_enrich", json!({"details": []}), "details"),
        (
            "people.bulk_enrich",
            json!({"details": [{"mail": "x"}]}),
            "details[0].mail",
        ),
        (
            "tasks.create",
            json!({"user_id": "u", "contact_id": "c", "type": "dance", "status": "scheduled", "due_at": "2030-01-01T00:00:00Z"}),
            "type",
        ),
        ("records.search", json!({"object": "deal"}), "object"),
        (
            "records.search",
            json!({"object": "account", "emails": ["a@b.example"]}),
            "emails",
        ),
    ] {
        let answer = call(&app, &app.api_key, name, input.clone()).await;
        assert_eq!(
            answer.error(),
            (400, "VALIDATION_ERROR", field),
            "{name} {input}: {}",
            answer.body
        );
    }
    let unknown = call(&app, &app.api_key, "contacts.explode", json!({})).await;
    assert_eq!(unknown.status, 404, "{}", unknown.body);
    assert_eq!(requests(&app), 0);
}

#[apply(on_both_databases)]
async fn a_key_without_the_right_is_told_what_to_do(database: Database) {
    let app = App::with_contacts(database, 1).await;
    app.connect(CUSTOMER, SCOPED_KEY).await;
    let refused = call(&app, &app.api_key, "sequences.search", json!({})).await;
    assert_eq!(refused.status, 403, "{}", refused.body);
    let words = title(&refused);
    assert!(words.contains("they have to give a master key"), "{words}");
}

#[apply(on_both_databases)]
async fn keys_that_are_no_agents_are_held_to_their_rules(database: Database) {
    let app = App::with_contacts(database, 1).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    let body = json!({"name": "reads contacts", "role": "passthrough", "policy": {
        "passthrough": [{"methods": ["POST"], "path": "/v1/contacts/search"}]
    }});
    let created = app.post("/mgmt/v2/api_keys", body).await.ok();
    let key = created["api_key"].as_str().unwrap();
    app.apollo.ledger().reset();
    call(&app, key, "contacts.search", json!({})).await.ok();
    assert_eq!(requests(&app), 1);
    for name in ["users.list", "deals.list"] {
        let refused = call(&app, key, name, json!({})).await;
        assert_eq!(refused.status, 403, "{name}: {}", refused.body);
    }
    assert_eq!(requests(&app), 1);
}

/// With inputs that are right, so that nothing but the key decides.
#[apply(on_both_databases)]
async fn each_role_calls_what_it_may_request_and_the_rest_reaches_no_provider(database: Database) {
    let app = App::synced(database, 5).await;
    let admin = app.api_key.clone();
    let all = inputs(&app, &admin).await;
    let listed = app.get(&format!("{LIST}?provider_name=apollo")).await.ok();
    let spends = |name: &str| {
        let mut listed = listed["actions"].as_array().unwrap().iter();
        listed.any(|it| it["name"] == name && it["spends_credits"] == true)
    };
    let searches = json!({"passthrough": [{"methods": ["POST"], "path": "/v1/contacts/search"}]});
    let nothing = agent(&app, json!({})).await;
    let keys = [
        ("agent", nothing),
        ("read-only", key(&app, Role::ReadOnly, None).await),
        ("passthrough", key(&app, Role::Passthrough, None).await),
        ("searches", key(&app, Role::Admin, Some(searches)).await),
        ("admin", admin),
    ];
    for (name, input) in all {
        for (role, key) in &keys {
            let may = match *role {
                "agent" | "read-only" => false,
                "passthrough" => !spends(name),
                "searches" => name == "contacts.search",
                _ => true,
            };
            app.apollo.ledger().reset();
            let answer = call(&app, key, name, input.clone()).await;
            if may {
                assert_ne!(answer.status, 403, "{role} {name}: {}", answer.body);
                assert_eq!(requests(&app), 1, "{role} {name}");
            } else {
                assert_eq!(answer.status, 403, "{role} {name}: {}", answer.body);
                assert_eq!(requests(&app), 0, "{role} {name}");
            }
        }
    }
}
