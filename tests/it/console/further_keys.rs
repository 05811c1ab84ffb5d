//! A customer who is connected by a key adds another one, on the page behind a magic link.

use macro_rules_attribute::apply;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use syncline_sim::{Action, Fault, KeyOptions, Match};

use super::{Browser, Shown, shown};
use crate::support::{App, CUSTOMER, Database, MASTER_KEY, on_both_databases, quiet_apollo};

const KEYS: &str = "/mgmt/v2/customers/customer-1/connections/apollo/keys";

/// An Apollo team with twelve more keys, `further-0` and so on.
async fn app_with_keys(database: Database) -> App {
    let mut options = quiet_apollo(3);
    let further = (0..12).map(|n| KeyOptions::master(&format!("further-{n}")));
    options.teams[0].keys.extend(further);
    App::with_apollo(database, options).await
}

/// The path of a magic link for the customer's Apollo.
async fn link(app: &App) -> String {
    let body = json!({
        "customer_id": CUSTOMER, "provider_name": "apollo",
        "return_url": "https://app.example/done", "expiration_secs": 3600,
    });
    let link = app.post("/mgmt/v2/magic_links", body).await.ok();
    let url = link["url"].as_str().unwrap();
    url.strip_prefix("https://syncline.example")
        .unwrap()
        .to_owned()
}

async fn submit(app: &App, path: &str, (how, label, key): (&str, &str, &str)) -> Shown {
    let form = [("how", how), ("label", label), ("api_key", key)];
    Browser::at(app).post(path, &form).await
}

async fn keys(app: &App) -> Vec<Value> {
    let list = app.get(KEYS).await.ok();
    list["keys"].as_array().unwrap().clone()
}

#[apply(on_both_databases)]
async fn a_further_key_is_added_and_uses_the_link_up(database: Database) {
    let app = app_with_keys(database).await;
    app.put_customer(CUSTOMER).await.ok();
    let path = link(&app).await;
    let page = Browser::at(&app).get(&path).await.page();
    assert!(!page.contains("A key is connected already"), "{page}");
    app.post_connection(CUSTOMER, MASTER_KEY).await.ok();
    let page = Browser::at(&app).get(&path).await.page();
    assert!(page.contains("A key is connected already"), "{page}");
    app.work_off().await;
    let runs = app.runs("contact").await.len();

    let added = submit(&app, &path, ("add", " Sales <b>team</b> ", "further-0")).await;
    let page = added.page();
    assert!(page.contains("The key is added"), "{page}");
    assert!(page.contains("Sales &#60;b&#62;team"), "{page}");
    assert!(!page.contains("further-0"), "{page}");
    let all = keys(&app).await;
    assert_eq!(all.len(), 2);
    assert_eq!(
        (&all[1]["label"], &all[1]["kind"], &all[1]["is_main"]),
        (&json!("Sales <b>team</b>"), &json!("self"), &json!(false))
    );
    // Nothing else has changed.
    app.work_off().await;
    assert_eq!(app.runs("contact").await.len(), runs);
    for how in ["add", "replace"] {
        let again = submit(&app, &path, (how, "again", "further-1")).await;
        assert_eq!(again.status, StatusCode::GONE, "{}", again.html);
    }
    assert_eq!(keys(&app).await.len(), 2);
}

#[apply(on_both_databases)]
async fn the_key_is_replaced_unless_another_is_to_be_added(database: Database) {
    let app = app_with_keys(database).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    let path = link(&app).await;
    let replaced = submit(&app, &path, ("replace", "", "further-0")).await;
    assert!(replaced.page().contains("Apollo is connected"));
    assert_eq!(keys(&app).await.len(), 1);
    let path = link(&app).await;
    let same = submit(&app, &path, ("add", "x", "further-0")).await;
    assert!(
        same.html
            .contains("This is the key that is connected already"),
        "{}",
        same.html
    );
    let shown = Browser::at(&app).get(&path).await;
    assert_eq!(shown.status, StatusCode::OK, "the link stays good");
}

#[apply(on_both_databases)]
async fn what_is_wrong_is_told_in_sentences_and_leaves_the_link_good(database: Database) {
    let app = app_with_keys(database).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    let path = link(&app).await;
    for n in 0..9 {
        let body = json!({"api_key": format!("further-{n}"), "label": format!("key {n}")});
        app.post(KEYS, body).await.ok();
    }
    let long = "x".repeat(101);
    for (label, key, words) in [
        ("", "further-9", "Give the key a name"),
        (&*long, "further-9", "This name is too long"),
        ("two\u{7}lines", "further-9", "has to fit on one line"),
        ("Sales", "", "Enter the key"),
        ("Sales", "wrong-key-4711", "Apollo does not accept this key"),
        ("Sales", "further-9", "There are 10 keys of yours already"),
    ] {
        let page = submit(&app, &path, ("add", label, key)).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{words}");
        assert!(page.html.contains(words), "{words}: {}", page.html);
        assert!(
            page.html.contains(r#"value="add" checked"#),
            "{}",
            page.html
        );
        assert!(
            key.is_empty() || !page.html.contains(key),
            "{key} comes back"
        );
    }
    let deleted = keys(&app).await.pop().unwrap();
    let deleted = format!("{KEYS}/{}", deleted["id"].as_str().unwrap());
    assert_eq!(app.delete(&deleted).await.status, 204);
    let known = submit(&app, &path, ("add", "Sales", "further-0")).await;
    assert!(
        known.html.contains("This key was added before"),
        "{}",
        known.html
    );

    let down = Fault::new(Match::any(), Action::unavailable()).always();
    app.apollo.faults().push(down);
    let page = submit(&app, &path, ("add", "Sales", "further-9")).await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(
        page.html.contains("Apollo does not answer right now"),
        "{}",
        page.html
    );
    app.apollo.faults().clear();
    let browser = Browser::at(&app);
    let form = [("how", "add"), ("label", "Sales"), ("api_key", "further-9")];
    let elsewhere = browser
        .form(&path, &form)
        .header("sec-fetch-site", "cross-site");
    assert_eq!(shown(elsewhere).await.status, StatusCode::FORBIDDEN);
    assert_eq!(keys(&app).await.len(), 9);
    submit(&app, &path, ("add", "Sales", "further-9"))
        .await
        .page();
}

#[apply(on_both_databases)]
async fn a_link_adds_one_key_even_if_its_form_is_sent_twice_at_once(database: Database) {
    let app = app_with_keys(database).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    let path = link(&app).await;
    let sent = (0..4).map(async |n| {
        let key = format!("further-{n}");
        submit(&app, &path, ("add", &key, &key)).await.status
    });
    let statuses = futures::future::join_all(sent).await;
    let added = statuses.iter().filter(|it| **it == StatusCode::OK).count();
    assert_eq!(added, 1, "{statuses:?}");
    let used = statuses.iter().filter(|it| **it == StatusCode::GONE);
    assert_eq!(used.count(), 3, "{statuses:?}");
    let again = Browser::at(&app).get(&path).await;
    assert_eq!(again.status, StatusCode::GONE, "{}", again.html);
    assert_eq!(keys(&app).await.len(), 2);
}

#[apply(on_both_databases)]
async fn where_nothing_is_connected_nothing_can_be_added(database: Database) {
    let app = app_with_keys(database).await;
    app.put_customer(CUSTOMER).await.ok();
    let path = link(&app).await;
    let page = submit(&app, &path, ("add", "Sales", "further-0")).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.html.contains("No key is connected"), "{}", page.html);
    let connections = app.request(
        Method::GET,
        &format!("/mgmt/v2/customers/{CUSTOMER}/connections"),
    );
    let connections = App::answer(connections.header("x-api-key", &app.api_key)).await;
    assert_eq!(connections.ok(), json!([]));
}

#[apply(on_both_databases)]
async fn a_key_that_was_added_does_not_take_the_main_keys_place_too(database: Database) {
    let app = app_with_keys(database).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    let body = json!({"api_key": "further-0", "label": "Sales"});
    app.post(KEYS, body).await.ok();
    let path = link(&app).await;
    let page = submit(&app, &path, ("replace", "", "further-0")).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        page.html.contains("This key was added before"),
        "{}",
        page.html
    );
    assert_eq!(keys(&app).await.len(), 2);
    submit(&app, &path, ("replace", "", "further-1"))
        .await
        .page();
}
