//! The page behind a magic link, as a customer's browser sees it.

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};
use syncline_sim::{Action, Fault, Match};

use crate::support::{App, CUSTOMER, MASTER_KEY, SCOPED_KEY, on_both_databases};

/// A page, or what is sent instead.
struct Shown {
    status: StatusCode,
    headers: header::HeaderMap,
    html: String,
}

async fn shown(request: reqwest::RequestBuilder) -> Shown {
    let answer = request.send().await.unwrap();
    Shown {
        status: answer.status(),
        headers: answer.headers().clone(),
        html: answer.text().await.unwrap(),
    }
}

/// A magic link for the customer's Apollo; its path.
async fn link(app: &App) -> String {
    app.put_customer(CUSTOMER).await.ok();
    let body = json!({
        "customer_id": CUSTOMER, "provider_name": "apollo",
        "return_url": "https://app.example/done?a=1&b=2", "expiration_secs": 3600,
    });
    let link = app.post("/mgmt/v2/magic_links", body).await.ok();
    let url = link["url"].as_str().unwrap();
    url.strip_prefix("https://syncline.example")
        .unwrap()
        .to_owned()
}

async fn open(app: &App, path: &str) -> Shown {
    shown(app.request(Method::GET, path)).await
}

async fn submit(app: &App, path: &str, key: &str) -> Shown {
    shown(form(app, path, key)).await
}

fn form(app: &App, path: &str, key: &str) -> reqwest::RequestBuilder {
    let body = serde_urlencoded::to_string([("api_key", key)]).unwrap();
    app.request(Method::POST, path)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(body)
}

async fn connections(app: &App) -> Value {
    let path = format!("/mgmt/v2/customers/{CUSTOMER}/connections");
    app.get(&path).await.ok()
}

async fn status_of_the_link(app: &App) -> Value {
    app.get("/mgmt/v2/magic_links").await.ok()[0]["status"].clone()
}

#[apply(on_both_databases)]
async fn a_customer_gives_a_key_and_is_connected(database: Database) {
    let app = App::with_contacts(database, 20).await;
    let path = link(&app).await;
    let page = open(&app, &path).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.html.contains("Connect your Apollo account"));
    assert!(
        page.html
            .contains("users, mailboxes, sequences, accounts, contacts and sequence states")
    );
    assert_eq!(
        status_of_the_link(&app).await,
        "new",
        "mail scanners open links"
    );

    let done = submit(&app, &path, &format!(" {MASTER_KEY} ")).await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.html);
    assert!(done.html.contains("Apollo is connected"));
    assert!(
        done.html
            .contains(r#"href="https://app.example/done?a=1&#38;b=2""#),
        "{}",
        done.html
    );
    assert!(!done.html.contains(MASTER_KEY));
    assert_eq!(connections(&app).await[0]["status"], "healthy");
    assert_eq!(status_of_the_link(&app).await, "consumed");
    app.work_off().await;
    let contacts = app
        .get("/engagement/v2/contacts?read_from_cache=true&page_size=100")
        .await
        .ok();
    assert_eq!(contacts["records"].as_array().unwrap().len(), 20);

    let again = submit(&app, &path, MASTER_KEY).await;
    assert_eq!(again.status, StatusCode::GONE);
    assert!(again.html.contains("This link was used"));
    assert_eq!(open(&app, &path).await.status, StatusCode::GONE);
}

#[apply(on_both_databases)]
async fn a_wrong_key_is_told_beside_the_field_and_leaves_the_link_good(database: Database) {
    let app = App::with_contacts(database, 5).await;
    let path = link(&app).await;
    for (key, words) in [
        ("wrong-key-4711", "Apollo does not accept this key"),
        ("", "Enter the key"),
        ("two words", "This is not a key"),
        ("schlüssel", "This is not a key"),
    ] {
        let page = submit(&app, &path, key).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{key}");
        assert!(page.html.contains(words), "{key}: {}", page.html);
        assert!(page.html.contains(r#"aria-invalid="true""#), "{key}");
        assert!(
            key.is_empty() || !page.html.contains(key),
            "{key} comes back"
        );
    }
    assert_eq!(connections(&app).await, json!([]));
    assert_eq!(submit(&app, &path, MASTER_KEY).await.status, StatusCode::OK);
}

#[apply(on_both_databases)]
async fn a_key_that_can_not_read_everything_is_taken_after_a_warning(database: Database) {
    let app = App::with_contacts(database, 5).await;
    let path = link(&app).await;
    let page = submit(&app, &path, SCOPED_KEY).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    let warning = "This key can&#39;t read users, mailboxes and sequences at Apollo";
    assert!(page.html.contains(warning), "{}", page.html);
    assert!(!page.html.contains(SCOPED_KEY));
    assert_eq!(connections(&app).await, json!([]));
    assert_eq!(status_of_the_link(&app).await, "new");

    let body = [("api_key", SCOPED_KEY), ("limited_is_fine", "yes")];
    let request = form(&app, &path, "").body(serde_urlencoded::to_string(body).unwrap());
    assert_eq!(shown(request).await.status, StatusCode::OK);
    app.work_off().await;
    assert_eq!(connections(&app).await[0]["status"], "limited");
    assert_eq!(app.all_records("contacts").await.len(), 5);
}

#[apply(on_both_databases)]
async fn a_provider_that_does_not_answer_decides_nothing(database: Database) {
    let app = App::with_contacts(database, 5).await;
    let path = link(&app).await;
    let down = Fault::new(Match::any(), Action::unavailable()).always();
    app.apollo.faults().push(down);
    let page = submit(&app, &path, MASTER_KEY).await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(
        page.html.contains("Apollo does not answer right now"),
        "{}",
        page.html
    );
    assert_eq!(connections(&app).await, json!([]));
    app.apollo.faults().clear();
    assert_eq!(submit(&app, &path, MASTER_KEY).await.status, StatusCode::OK);
}

/// The customer has a connection whose key was revoked.
#[apply(on_both_databases)]
async fn a_connection_that_is_there_gets_the_new_key(database: Database) {
    let app = App::with_contacts(database, 5).await;
    app.put_customer(CUSTOMER).await.ok();
    app.post_connection(CUSTOMER, MASTER_KEY).await.ok();
    let before = connections(&app).await[0]["id"].clone();
    let path = link(&app).await;
    assert_eq!(submit(&app, &path, MASTER_KEY).await.status, StatusCode::OK);
    assert_eq!(connections(&app).await[0]["id"], before);
}

#[apply(on_both_databases)]
async fn a_link_that_is_unknown_or_expired_has_a_page_that_says_so(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let path = link(&app).await;
    let unknown = open(&app, "/connect/0123456789").await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    assert!(unknown.html.contains("This link is not known"));
    app.clock.advance(TimeDelta::hours(2));
    for page in [
        open(&app, &path).await,
        submit(&app, &path, MASTER_KEY).await,
    ] {
        assert_eq!(page.status, StatusCode::GONE);
        assert!(page.html.contains("This link has expired"));
    }
}

#[apply(on_both_databases)]
async fn names_are_text_and_the_page_keeps_to_itself(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let path = link(&app).await;
    let hostile = "<script>alert(1)</script>\"'&";
    let customer = json!({"customer_id": CUSTOMER, "name": hostile, "email": "a@b.example"});
    app.put("/mgmt/v2/customers", customer).await.ok();
    let page = open(&app, &path).await;
    assert!(!page.html.contains("<script"), "{}", page.html);
    let header = |name: header::HeaderName| page.headers[name].to_str().unwrap().to_owned();
    assert!(
        header(header::CONTENT_SECURITY_POLICY).starts_with("default-src 'none'; style-src 'self'")
    );
    assert!(header(header::CONTENT_SECURITY_POLICY).contains("frame-ancestors 'none'"));
    assert_eq!(header(header::REFERRER_POLICY), "same-origin");
    assert_eq!(header(header::CACHE_CONTROL), "no-store");
    let style = page.html.split("href=\"/assets/").nth(1).unwrap();
    let style = style.split('"').next().unwrap();
    let sheet = open(&app, &format!("/assets/{style}")).await;
    assert_eq!(sheet.status, StatusCode::OK);
    assert_eq!(
        sheet.headers[header::CONTENT_TYPE],
        "text/css; charset=utf-8"
    );
    assert_eq!(
        open(&app, "/assets/app.css").await.status,
        StatusCode::NOT_FOUND
    );
    // Another site's form.
    let request = form(&app, &path, MASTER_KEY).header("sec-fetch-site", "cross-site");
    let refused = shown(request).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(connections(&app).await, json!([]));
}
