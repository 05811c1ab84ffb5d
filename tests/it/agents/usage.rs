//! What is used of an account's limits, and by whom.

use macro_rules_attribute::apply;
use serde_json::json;
use syncline_sim::Plan;

use super::{agent, call};
use crate::support::{
    App, CUSTOMER, Database, MASTER_KEY, SCOPED_KEY, on_both_databases, quiet_apollo,
};

fn usage(customer: &str) -> String {
    format!("/mgmt/v2/customers/{customer}/connections/apollo/_usage")
}

/// With an Apollo whose plan has request limits.
async fn limited(database: Database, contacts: usize) -> App {
    let mut options = quiet_apollo(contacts);
    options.teams[0].plan = Plan::Organization;
    App::with_apollo(database, options).await
}

#[apply(on_both_databases)]
async fn an_endpoint_shows_its_limits_and_who_sent_how_much(database: Database) {
    let app = limited(database, 30).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    let grants = json!({"groups": {"contacts": "read"}, "actions": {"people.enrich": "allow"}});
    let key = agent(&app, grants).await;
    for _ in 0..3 {
        call(&app, &key, "contacts.search", json!({})).await.ok();
    }
    let email = json!({"email": "somebody@nowhere.example"});
    call(&app, &key, "people.enrich", email).await.ok();
    let pass = json!({"method": "POST", "path": "/api/v1/contacts/search", "body": {}});
    app.post("/actions/v2/passthrough", pass).await.ok();
    app.get("/engagement/v2/contacts?page_size=5").await.ok();

    let found = app.get(&usage(CUSTOMER)).await.ok();
    assert_eq!(found["windows_from"], "provider");
    let contacts = &found["endpoints"]["contacts/search"];
    for sent in ["sent_in_last_hour", "sent_in_last_day"] {
        let sent = &contacts[sent];
        assert!(sent["syncs"].as_i64().unwrap() > 0, "{sent}");
        assert_eq!(sent["passthrough"], 1);
        assert_eq!(sent["api"], 1);
        assert_eq!(sent["agents"][0]["name"], "of a test");
        assert_eq!(sent["agents"][0]["requests"], 3);
    }
    let hour = &contacts["windows"]["hour"];
    assert!(hour["limit"].as_i64().unwrap() > 0, "{hour}");
    assert!(hour["used"].as_i64().unwrap() >= 6, "{hour}");
    let enriched = &found["endpoints"]["people/match"];
    assert_eq!(enriched["sent_in_last_hour"]["agents"][0]["requests"], 1);
    assert_eq!(found["credits_by_agent"][0]["credits"], 0);
}

#[apply(on_both_databases)]
async fn a_key_that_may_not_ask_shows_what_the_last_answers_said(database: Database) {
    let app = limited(database, 3).await;
    app.connect(CUSTOMER, SCOPED_KEY).await;
    app.post(
        "/actions/v2/passthrough",
        json!({"method": "POST", "path": "/api/v1/contacts/search", "body": {}}),
    )
    .await
    .ok();
    let found = app.get(&usage(CUSTOMER)).await.ok();
    assert_eq!(found["windows_from"], "last_answers");
    assert!(
        found["endpoints"]["contacts/search"]["windows"]["hour"]["used"].is_i64(),
        "{found}"
    );
    let unknown = app.get(&usage("nobody")).await;
    assert_eq!(unknown.status, 404);
    assert!(!found.to_string().contains(MASTER_KEY));
}
