//! The keys of a connection on its page.

use macro_rules_attribute::apply;
use reqwest::StatusCode;
use serde_json::{Value, json};
use syncline_model::Role;
use syncline_sim::{KeyOptions, TeamOptions};

use super::Browser;
use crate::{
    access::key,
    support::{App, CUSTOMER, Database, MASTER_KEY, on_both_databases, quiet_apollo},
};

pub(super) const CONNECTION: &str = "/console/customers/customer-1/connections/apollo";
const KEYS: &str = "/mgmt/v2/customers/customer-1/connections/apollo/keys";

/// An Apollo with a second team and a second key of the first, and a connection with the first key.
async fn with_two_teams(database: Database) -> App {
    let mut options = quiet_apollo(3);
    options.teams[0].keys.push(KeyOptions::master("second-key"));
    options.teams.push(TeamOptions::numbered(1, 3));
    let app = App::with_apollo(database, options).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app
}

async fn keys(app: &App) -> Vec<Value> {
    let list = app.get(KEYS).await.ok();
    list["keys"].as_array().unwrap().clone()
}

#[apply(on_both_databases)]
async fn keys_are_added_shown_in_words_and_deleted(database: Database) {
    let app = with_two_teams(database).await;
    let browser = Browser::signed_in(&app).await;
    let page = browser.get(CONNECTION).await.page();
    assert!(
        page.contains("Slots: the customer&#39;s own, 1 used and 9 available;"),
        "{page}"
    );
    assert!(!page.contains("Delete: main key"), "{page}");

    let form = [
        ("api_key", "sim-master-key-1"),
        ("label", "Berlin"),
        ("kind", "managed"),
        ("max_credits_per_day", "1200"),
    ];
    let added = browser.post(&format!("{CONNECTION}/keys"), &form).await;
    let page = browser.get(added.redirect()).await.page();
    assert!(page.contains("The key is added."), "{page}");
    assert!(page.contains("<td>yours</td>"), "{page}");
    assert!(page.contains("1\u{202f}200 credits"), "{page}");
    assert!(page.contains("yours, 1 used and 9 available."), "{page}");
    assert!(
        !page.contains("sim-master-key-1"),
        "the key is shown: {page}"
    );

    // Another key of the main key's team.
    let form = [
        ("api_key", "second-key"),
        ("label", "Lyon"),
        ("kind", "self"),
    ];
    let added = browser.post(&format!("{CONNECTION}/keys"), &form).await;
    let page = browser.get(added.redirect()).await.page();
    assert!(page.contains("<td>Lyon</td>"), "{page}");
    assert!(
        page.contains("<td>main key</td>"),
        "it shares a budget: {page}"
    );

    let berlin = keys(&app).await;
    let berlin = berlin.iter().find(|it| it["label"] == "Berlin").unwrap();
    let delete = format!(
        "{CONNECTION}/keys/{}/delete",
        berlin["id"].as_str().unwrap()
    );
    let deleted = browser.post(&delete, &[]).await;
    let page = browser.get(deleted.redirect()).await.page();
    assert!(page.contains("The key is deleted."), "{page}");
    assert_eq!(keys(&app).await.len(), 2);
    let again = browser.post(&delete, &[]).await;
    assert_eq!(again.status, StatusCode::NOT_FOUND);
    let main = keys(&app).await[0]["id"].clone();
    let main = format!("{CONNECTION}/keys/{}/delete", main.as_str().unwrap());
    let refused = browser.post(&main, &[]).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert!(
        refused.html.contains("this is the main key"),
        "{}",
        refused.html
    );
}

#[apply(on_both_databases)]
async fn a_key_that_is_refused_is_told_in_the_form_and_does_not_come_back(database: Database) {
    let app = with_two_teams(database).await;
    let browser = Browser::signed_in(&app).await;
    for (api_key, label, most, words) in [
        (
            "wrong-key-4711",
            "Berlin",
            "",
            "apollo rejects these credentials",
        ),
        (
            MASTER_KEY,
            "Berlin",
            "",
            "this is the connection&#39;s main key",
        ),
        ("second-key", " ", "", "label: must not be empty"),
        (
            "second key",
            "Berlin",
            "",
            "api_key: must consist of visible ASCII",
        ),
        ("second-key", "Berlin", "many", "max_credits_per_day"),
    ] {
        let form = [
            ("api_key", api_key),
            ("label", label),
            ("kind", "managed"),
            ("max_credits_per_day", most),
        ];
        let refused = browser.post(&format!("{CONNECTION}/keys"), &form).await;
        assert_eq!(
            refused.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{api_key}"
        );
        let html = refused.html;
        assert!(html.contains(words), "{words}: {html}");
        assert!(!html.contains(api_key), "{api_key} comes back: {html}");
        assert!(html.contains(&format!("value=\"{label}\"")), "{html}");
        assert!(
            html.contains(r#"<option value="managed" selected>"#),
            "{html}"
        );
        assert!(html.contains("<details open>"), "{html}");
    }
    assert_eq!(keys(&app).await.len(), 1);
    // The address of the form shows the page.
    let page = browser.get(&format!("{CONNECTION}/keys")).await.page();
    assert!(page.contains("Add a key"), "{page}");
}

#[apply(on_both_databases)]
async fn why_a_key_is_not_used_is_told(database: Database) {
    let app = with_two_teams(database).await;
    app.apollo.edit(0, |team| team.set_credits(0));
    let list = json!({"people": [{"email": "ines@heron.example"}]});
    app.post("/enrichment/v2/jobs", list).await.ok();
    app.enrich().await;
    let browser = Browser::signed_in(&app).await;
    let page = browser.get(CONNECTION).await.page();
    assert!(
        page.contains("used up</span> it has no credits left"),
        "{page}"
    );
    assert!(page.contains("Tried again"), "{page}");
}

#[apply(on_both_databases)]
async fn a_key_that_may_not_change_keys_only_sees_them(database: Database) {
    let app = with_two_teams(database).await;
    let mut reader = Browser::at(&app);
    reader
        .sign_in(&key(&app, Role::ReadOnly, None).await)
        .await
        .redirect();
    let page = reader.get(CONNECTION).await.page();
    assert!(
        page.contains("main key") && !page.contains("Add a key"),
        "{page}"
    );
    let form = [
        ("api_key", "second-key"),
        ("label", "Lyon"),
        ("kind", "self"),
    ];
    let refused = reader.post(&format!("{CONNECTION}/keys"), &form).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(keys(&app).await.len(), 1);
}
