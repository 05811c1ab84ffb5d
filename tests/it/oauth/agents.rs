//! Actions at Outreach and Salesloft, as an agent calls them.

use macro_rules_attribute::apply;
use serde_json::{Map, Value, json};

use super::at_both_providers;
use crate::{
    agents::{agent, call},
    support::App,
};

fn text(answer: &Value, at: &str) -> String {
    match answer.pointer(at) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => panic!("{at} of {answer}"),
        Some(other) => other.to_string(),
    }
}

/// An input for every action, made of what the workspace has.
async fn inputs(app: &App, key: &str) -> Vec<(&'static str, Value)> {
    let is_outreach = app.provider == "outreach";
    let first = |list: &'static str| async move {
        let found = app.get(&format!("/engagement/v2/{list}")).await.ok();
        text(&found, "/records/0/id")
    };
    let contact_id = first("contacts").await;
    let users = app.all_records("users").await;
    let mut users = users.iter().filter(|user| user["is_locked"] == false);
    let user_id = users.next().unwrap()["id"].as_str().unwrap().to_owned();
    let sequence_id = first("sequences").await;
    let account = json!({"name": "Acme", "domain": "acme.example"});
    let account = call(app, key, "accounts.create", account).await.ok();
    let account_id = text(&account, "/result/data/id");
    let new = if is_outreach {
        json!({"first_name": "Ada", "emails": ["new@engine.example"]})
    } else {
        json!({"first_name": "Ada", "email_address": "new@engine.example"})
    };
    let created = call(app, key, "contacts.create", new).await.ok();
    let new_id = text(&created, "/result/data/id");
    let mut inputs = vec![
        (
            "contacts.update",
            json!({"contact_id": contact_id, "title": "Boss"}),
        ),
        ("contacts.search", json!({"account_id": account_id})),
        (
            "accounts.create",
            json!({"name": "Globex", "domain": "globex.example"}),
        ),
        (
            "accounts.update",
            json!({"account_id": account_id, "name": "Acme Ltd", "domain": "acme.example"}),
        ),
        ("accounts.search", json!({"domain": "acme.example"})),
        ("sequences.search", json!({})),
        ("users.list", json!({})),
    ];
    if is_outreach {
        let mailboxes = app.all_records("mailboxes").await;
        let mut own = mailboxes
            .iter()
            .filter(|mailbox| mailbox["user_id"] == *user_id);
        let mailbox_id = own.next().unwrap()["id"].as_str().unwrap();
        let input = json!({
            "contact_id": new_id, "sequence_id": sequence_id, "mailbox_id": mailbox_id,
        });
        inputs.push(("sequences.add_contacts", input));
        let task = json!({"user_id": user_id, "contact_id": contact_id, "action": "call"});
        inputs.push(("tasks.create", task));
        inputs.push((
            "tasks.search",
            json!({"state": "incomplete", "page_size": 2}),
        ));
        inputs.push((
            "contacts.create",
            json!({"emails": ["grace@engine.example"]}),
        ));
    } else {
        let input = json!({"contact_id": new_id, "sequence_id": sequence_id});
        inputs.push(("sequences.add_contacts", input));
        let task = json!({
            "user_id": user_id, "contact_id": contact_id, "subject": "Ring", "task_type": "call",
            "due_date": "2030-01-31",
        });
        inputs.push(("tasks.create", task));
        inputs.push((
            "tasks.search",
            json!({"current_state": "scheduled", "per_page": 2}),
        ));
        inputs.push((
            "contacts.create",
            json!({"email_address": "grace@engine.example"}),
        ));
    }
    inputs
}

#[apply(at_both_providers)]
async fn every_action_is_made_with_one_request_and_answers_as_it_describes(
    provider: Provider,
    database: Database,
) {
    let app = provider.connected(database, 5).await;
    app.work_off().await;
    let path = format!("/actions/v2/actions?provider_name={}", app.provider);
    let listed = app.get(&path).await.ok();
    let listed = listed["actions"].as_array().unwrap();
    let key = app.api_key.clone();
    let inputs = inputs(&app, &key).await;
    let of_provider = listed.iter().filter(|it| it["provider"] == app.provider);
    assert_eq!(inputs.len(), of_provider.count());
    for (name, input) in inputs {
        app.apollo.ledger().reset();
        let answer = call(&app, &key, name, input).await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.body);
        assert_eq!(app.apollo.ledger().len(), 1, "{name}");
        let described = listed.iter().find(|it| it["name"] == name).unwrap();
        let output = described["output"].clone();
        let output: syncline_model::Schema = serde_json::from_value(output).unwrap();
        let result = &answer.body["result"];
        assert_eq!(output.check(result), Ok(()), "{name}: {result}");
        assert!(!result["data"].is_null(), "{name}: {result}");
    }
}

#[apply(at_both_providers)]
async fn what_an_agent_writes_is_in_the_tables_when_the_call_returns(
    provider: Provider,
    database: Database,
) {
    let app = provider.connected(database, 5).await;
    app.work_off().await;
    let groups: Map<String, Value> = ["contacts", "accounts", "sequences", "records"]
        .map(|group| (group.to_owned(), json!("full")))
        .into_iter()
        .collect();
    let key = agent(&app, json!({"groups": groups})).await;
    let account = json!({"name": "Acme", "domain": "acme.example"});
    let account = call(&app, &key, "accounts.create", account).await.ok();
    let id = text(&account, "/result/data/id");
    app.apollo.ledger().reset();
    let found = json!({"object": "account", "domain": "acme.example"});
    let found = call(&app, &key, "records.search", found).await.ok();
    assert_eq!(text(&found, "/result/records/0/id"), id);
    let contacts = json!({"object": "contact", "limit": 1});
    let contacts = call(&app, &key, "records.search", contacts).await.ok();
    let contact_id = text(&contacts, "/result/records/0/id");
    let update = json!({"contact_id": contact_id, "title": "Boss"});
    call(&app, &key, "contacts.update", update).await.ok();
    let got = json!({"object": "contact", "id": contact_id});
    let got = call(&app, &key, "records.get", got).await.ok();
    assert_eq!(got["result"]["record"]["job_title"], "Boss");
    assert_eq!(app.apollo.ledger().len(), 1, "the tables cost nothing");
}
