//! What can be done on pages: the same as over the API, and written down like it.

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use reqwest::StatusCode;
use serde_json::json;
use syncline_model::Role;

use super::Browser;
use crate::{
    access::key,
    agents,
    engine::evidence::{contact_ids, delete_contacts, next_period, run_of},
    support::{App, CUSTOMER, on_both_databases},
};

/// The newest entries of the audit log: actions and results.
async fn audited(app: &App) -> Vec<(String, String)> {
    let entries = app.get("/mgmt/v2/audit_log?page_size=3").await.ok();
    let entries = entries["results"].as_array().unwrap().iter();
    let text = |it: &serde_json::Value| it.as_str().unwrap().to_owned();
    entries
        .map(|it| (text(&it["action"]), text(&it["result"])))
        .collect()
}

#[apply(on_both_databases)]
async fn held_deletions_are_applied(database: Database) {
    let app = App::synced(database, 30).await;
    delete_contacts(&app, &contact_ids(&app)[5..25]);
    next_period(&app).await;
    let run = run_of(&app, "contact").await;
    assert_eq!(run["deletes_held"], 20);
    let path = format!("/console/runs/{}", run["id"].as_str().unwrap());

    let mut reader = Browser::at(&app);
    reader
        .sign_in(&key(&app, Role::ReadOnly, None).await)
        .await
        .redirect();
    let page = reader.get(&path).await.page();
    assert!(page.contains("Your key may not apply them"), "{page}");
    let refused = reader.post(&format!("{path}/apply-deletes"), &[]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(audited(&app).await[0].1, "denied");
    assert_eq!(app.all_records("contacts").await.len(), 30);

    let browser = Browser::signed_in(&app).await;
    let page = browser.get(&path).await.page();
    assert!(page.contains("Apply 20 deletions"), "{page}");
    let applied = browser.post(&format!("{path}/apply-deletes"), &[]).await;
    let back = applied.redirect().to_owned();
    assert!(
        browser
            .get(&back)
            .await
            .page()
            .contains("The held deletions are applied.")
    );
    assert_eq!(app.all_records("contacts").await.len(), 10);
    let entry = ("sync_run.apply_deletes".to_owned(), "ok".to_owned());
    assert!(
        audited(&app).await.contains(&entry),
        "{:?}",
        audited(&app).await
    );
}

#[apply(on_both_databases)]
async fn a_sync_is_paused_resumed_and_started(database: Database) {
    let app = App::synced(database, 5).await;
    let browser = Browser::signed_in(&app).await;
    let path = format!("/console/customers/{CUSTOMER}/connections/apollo");
    for (action, state, said) in [
        ("pause", "paused", "The sync is paused."),
        ("resume", "idle", "The sync is resumed."),
        ("trigger", "idle", "The sync starts now."),
    ] {
        let done = browser
            .post(&path, &[("object", "user"), ("action", action)])
            .await;
        let page = browser.get(done.redirect()).await.page();
        assert!(page.contains(said), "{page}");
        let syncs = app
            .get("/mgmt/v2/syncs?object_type=common&object=user")
            .await
            .ok();
        assert_eq!(syncs["results"][0]["state"], state, "{action}");
    }
    let before = app.runs("user").await.len();
    app.work_off().await;
    assert_eq!(app.runs("user").await.len(), before + 1);
    let unknown = browser
        .post(&path, &[("object", "deal"), ("action", "pause")])
        .await;
    assert_eq!(unknown.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[apply(on_both_databases)]
async fn a_message_is_sent_again_and_a_test_is_sent(database: Database) {
    let app = App::synced(database, 0).await;
    let receiver = crate::support::Receiver::start().await;
    let endpoint = json!({"url": receiver.url()});
    let endpoint = app.post("/mgmt/v2/webhook_endpoints", endpoint).await.ok();
    let browser = Browser::signed_in(&app).await;
    let test = format!(
        "/console/webhooks/endpoints/{}/test",
        endpoint["id"].as_str().unwrap()
    );
    let tested = browser.post(&test, &[]).await;
    app.deliver().await;
    let page = browser.get(tested.redirect()).await.page();
    assert!(
        page.contains("webhook.test") && page.contains("delivered"),
        "{page}"
    );

    let messages = app
        .get("/mgmt/v2/webhook_messages?event_type=sync.complete")
        .await
        .ok();
    let id = messages["results"][0]["id"].as_str().unwrap();
    let path = format!("/console/webhooks/messages/{id}");
    assert!(
        browser
            .get(&path)
            .await
            .page()
            .contains("No endpoint asked for it.")
    );
    let replayed = browser.post(&format!("{path}/replay"), &[]).await;
    let back = replayed.redirect().to_owned();
    app.deliver().await;
    let page = browser.get(&back).await.page();
    assert!(page.contains("The message is sent again."), "{page}");
    assert!(page.contains("answered 2"), "{page}");
}

#[apply(on_both_databases)]
async fn a_key_is_revoked(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let other = key(&app, Role::ReadOnly, None).await;
    let (_, known) = app.store.authenticate(&other).await.unwrap().unwrap();
    let browser = Browser::signed_in(&app).await;
    let revoked = browser
        .post(&format!("/console/api-keys/{}/revoke", known.id), &[])
        .await;
    let page = browser.get(revoked.redirect()).await.page();
    assert!(page.contains("The key is revoked."), "{page}");
    assert!(app.store.authenticate(&other).await.unwrap().is_none());
}

#[apply(on_both_databases)]
async fn a_sync_config_is_saved_after_its_forecast(database: Database) {
    let app = App::synced(database, 150).await;
    let browser = Browser::signed_in(&app).await;
    let configs = app.get("/mgmt/v2/sync_configs").await.ok();
    let path = format!(
        "/console/sync-configs/{}",
        configs[0]["id"].as_str().unwrap()
    );
    let form = |minutes, save| {
        let mut form = vec![
            ("objects", "user"),
            ("objects", "contact"),
            ("minutes", minutes),
            ("strategy", "full only"),
        ];
        if save {
            form.push(("save", "yes"));
        }
        form
    };
    let period = async || {
        let config = &app.get("/mgmt/v2/sync_configs").await.ok()[0]["config"];
        (
            config["default_config"]["period_ms"].clone(),
            config["common_objects"].as_array().unwrap().len(),
        )
    };
    let before = period().await;
    let page = browser.post(&path, &form("1", false)).await.page();
    assert!(
        page.contains("Not everything fits into the limits"),
        "{page}"
    );
    assert_eq!(period().await, before, "a forecast saves nothing");

    let wrong = browser.post(&path, &form("0", true)).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.html.contains("period_ms"), "{}", wrong.html);
    assert_eq!(period().await, before);

    // Objects that are no longer synced have syncs, so saving says what it takes.
    let refused = browser.post(&path, &form("120", true)).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    let all = [
        "user",
        "mailbox",
        "sequence",
        "account",
        "contact",
        "sequence_state",
    ];
    let mut form = form("120", true);
    form.extend(
        all[1..4]
            .iter()
            .chain(&all[5..])
            .map(|object| ("objects", *object)),
    );
    let saved = browser.post(&path, &form).await;
    assert!(
        browser
            .get(saved.redirect())
            .await
            .page()
            .contains("The sync config is saved.")
    );
    assert_eq!(
        period().await,
        (json!(TimeDelta::hours(2).num_milliseconds()), 6)
    );
}

#[apply(on_both_databases)]
async fn a_call_of_an_agent_is_approved_or_denied_by_whom_the_api_lets(database: Database) {
    let app = App::synced(database, 3).await;
    let agent = agents::agent(&app, json!({"actions": {"contacts.create": "ask"}})).await;
    let mut pages = Vec::new();
    for name in ["ada", "grace"] {
        let input = json!({"email": format!("{name}@engine.example")});
        let held = agents::call(&app, &agent, "contacts.create", input).await;
        let id = held.body["approval"]["id"].as_str().unwrap();
        pages.push(format!("/console/approvals/{id}"));
    }
    app.apollo.ledger().reset();

    let mut reader = Browser::at(&app);
    reader
        .sign_in(&key(&app, Role::ReadOnly, None).await)
        .await
        .redirect();
    let page = reader.get(&pages[0]).await.page();
    assert!(!page.contains("Approve"), "{page}");
    let refused = reader.post(&format!("{}/approve", pages[0]), &[]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(app.apollo.ledger().is_empty());

    let browser = Browser::signed_in(&app).await;
    let listed = browser
        .get("/console/approvals?status=pending")
        .await
        .page();
    assert!(listed.contains("ada@engine.example"), "{listed}");
    let approved = browser.post(&format!("{}/approve", pages[0]), &[]).await;
    let page = browser.get(approved.redirect()).await.page();
    assert!(
        page.contains("The call is approved.") && page.contains("What came of it"),
        "{page}"
    );
    let denied = browser.post(&format!("{}/deny", pages[1]), &[]).await;
    let page = browser.get(denied.redirect()).await.page();
    assert!(page.contains("The call is denied."), "{page}");
    assert_eq!(app.apollo.ledger().requests().len(), 1);
}

#[apply(on_both_databases)]
async fn the_grants_of_an_agent_are_changed_at_once(database: Database) {
    let app = App::synced(database, 3).await;
    let agent = agents::agent(&app, json!({})).await;
    let keys = app.get("/mgmt/v2/api_keys").await.ok();
    let path = format!(
        "/console/api-keys/{}",
        keys["results"][0]["id"].as_str().unwrap()
    );
    let refused = agents::call(&app, &agent, "contacts.search", json!({})).await;
    assert_eq!(refused.status, 403);

    let browser = Browser::signed_in(&app).await;
    let form = [
        ("group.contacts", "read"),
        ("action.contacts.create", "ask"),
        ("customers_are", "only these"),
        ("customers", CUSTOMER),
        ("credits_per_day", "5"),
    ];
    let saved = browser.post(&path, &form).await;
    let page = browser.get(saved.redirect()).await.page();
    assert!(page.contains("The grants are saved"), "{page}");
    assert!(page.contains("<option selected>ask</option>"), "{page}");
    agents::call(&app, &agent, "contacts.search", json!({}))
        .await
        .ok();
    let key = app.get("/mgmt/v2/api_keys").await.ok()["results"][0].clone();
    let expected = json!({
        "groups": {"contacts": "read"}, "actions": {"contacts.create": "ask"},
        "customers": [CUSTOMER], "credits_per_day": 5,
    });
    assert_eq!(key["grants"], expected);

    let wrong = browser.post(&path, &[("credits_per_day", "many")]).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        wrong.html.contains("grants.credits_per_day"),
        "{}",
        wrong.html
    );
}
