//! Customers are sent to the provider and come back, with a browser that keeps its cookie.

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use reqwest::{StatusCode, Url, header};
use serde_json::{Value, json};

use super::{SALESLOFT, connections, token_requests};
use crate::support::{App, CUSTOMER, on_both_databases};

const BACK: &str = "https://app.example/done?tab=1#top";

/// A browser that keeps the cookie of one site.
#[derive(Default)]
struct Browser {
    cookie: Option<String>,
}

/// An answer to a browser.
struct Shown {
    status: StatusCode,
    location: Option<String>,
    body: String,
}

impl Browser {
    async fn open(&mut self, app: &App, path: &str) -> Shown {
        let mut request = staying().get(format!("http://{}{path}", app.address()));
        if let Some(cookie) = &self.cookie {
            request = request.header(header::COOKIE, cookie);
        }
        let answer = request.send().await.unwrap();
        let text = |name| {
            let value = answer.headers().get(name)?;
            Some(value.to_str().unwrap().to_owned())
        };
        if let Some(set) = text(header::SET_COOKIE) {
            assert!(set.contains("HttpOnly; SameSite=Lax; Secure"), "{set}");
            self.cookie = set.split(';').next().map(str::to_owned);
        }
        Shown {
            status: answer.status(),
            location: text(header::LOCATION),
            body: answer.text().await.unwrap(),
        }
    }

    /// Goes to the provider, decides there, and returns the path that it is sent back to.
    async fn decide(&mut self, app: &App, start: &str, decision: &str) -> String {
        let sent = self.open(app, start).await;
        assert_eq!(sent.status, StatusCode::FOUND, "{}", sent.body);
        let to = sent.location.unwrap();
        assert!(to.starts_with(&app.apollo.base_url()), "{to}");
        let answer = staying()
            .get(format!("{to}&sim_decision={decision}"))
            .send()
            .await
            .unwrap();
        let back = answer.headers()[header::LOCATION].to_str().unwrap();
        let back = Url::parse(back).unwrap();
        assert_eq!(back.path(), "/oauth/callback");
        format!("/oauth/callback?{}", back.query().unwrap())
    }
}

/// A client that follows no redirects.
fn staying() -> reqwest::Client {
    let builder = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    builder.build().unwrap()
}

fn start_with(pairs: &[(&str, &str)]) -> String {
    let query = serde_urlencoded::to_string(pairs).unwrap();
    format!("/oauth/connect?{query}")
}

async fn usual_start(app: &App) -> String {
    let application = app.application_id().await;
    start_with(&[
        ("applicationId", &application),
        ("customerId", CUSTOMER),
        ("providerName", SALESLOFT.name),
        ("returnUrl", BACK),
    ])
}

async fn link(app: &App) -> Value {
    let body = json!({
        "customer_id": CUSTOMER, "provider_name": SALESLOFT.name, "return_url": "https://else.example/",
        "expiration_secs": 3600,
    });
    app.post("/mgmt/v2/magic_links", body).await.ok()
}

fn token_of(link: &Value) -> String {
    let url = link["url"].as_str().unwrap();
    url.rsplit('/').next().unwrap().to_owned()
}

#[apply(on_both_databases)]
async fn a_customer_who_consents_is_connected_and_sent_back(database: Database) {
    let app = SALESLOFT.enabled(database, 20).await;
    let mut browser = Browser::default();
    let callback = browser
        .decide(&app, &usual_start(&app).await, "approve")
        .await;
    let back = browser.open(&app, &callback).await;
    assert_eq!(
        (back.status, back.location.as_deref()),
        (StatusCode::FOUND, Some(BACK))
    );
    let connection = SALESLOFT.connection(&app).await;
    assert_eq!(connection["status"], "healthy", "{connection}");
    app.work_off().await;
    let contacts = app
        .get("/engagement/v2/contacts?read_from_cache=true&page_size=100")
        .await
        .ok();
    assert_eq!(contacts["records"].as_array().unwrap().len(), 20);
    // The second time it gets new tokens, and stays the same connection.
    let callback = browser
        .decide(&app, &usual_start(&app).await, "approve")
        .await;
    browser.open(&app, &callback).await;
    assert_eq!(SALESLOFT.connection(&app).await["id"], connection["id"]);
}

#[apply(on_both_databases)]
async fn the_page_behind_a_magic_link_leads_to_the_provider(database: Database) {
    let app = SALESLOFT.enabled(database, 5).await;
    let mut browser = Browser::default();
    let page = browser
        .open(&app, &format!("/connect/{}", token_of(&link(&app).await)))
        .await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains("Continue to Salesloft"), "{}", page.body);
    assert!(!page.body.contains("api_key"), "{}", page.body);
    let start = page.body.split(r#"class="button" href=""#).nth(1).unwrap();
    let start = start.split('"').next().unwrap();
    let callback = browser.decide(&app, start, "approve").await;
    let back = browser.open(&app, &callback).await;
    assert_eq!(back.location.as_deref(), Some("https://else.example/"));
    assert_eq!(SALESLOFT.connection(&app).await["status"], "healthy");
}

#[apply(on_both_databases)]
async fn a_customer_who_declines_is_sent_back_with_the_reason(database: Database) {
    let app = SALESLOFT.enabled(database, 5).await;
    let mut browser = Browser::default();
    let callback = browser.decide(&app, &usual_start(&app).await, "deny").await;
    let back = browser.open(&app, &callback).await.location.unwrap();
    assert!(
        back.starts_with("https://app.example/done?tab=1&error=access_denied&error_description="),
        "{back}"
    );
    assert!(back.ends_with("#top"), "{back}");
    assert_eq!(app.get(&connections()).await.ok(), json!([]));
}

#[apply(on_both_databases)]
async fn what_comes_back_counts_once_in_the_same_browser_and_within_ten_minutes(
    database: Database,
) {
    let app = SALESLOFT.enabled(database, 5).await;
    let mut browser = Browser::default();
    let callback = browser
        .decide(&app, &usual_start(&app).await, "approve")
        .await;
    let mut stranger = Browser::default();
    stranger
        .decide(&app, &usual_start(&app).await, "approve")
        .await;
    for (other, path) in [
        (&mut stranger, callback.as_str()),
        (&mut Browser::default(), callback.as_str()),
    ] {
        let shown = other.open(&app, path).await;
        assert_eq!(
            (shown.status, shown.location),
            (StatusCode::BAD_REQUEST, None)
        );
        assert!(shown.body.contains("another browser"), "{}", shown.body);
    }
    for forged in [
        "/oauth/callback",
        "/oauth/callback?code=&state=",
        "/oauth/callback?code=c&state=forged",
    ] {
        let shown = browser.open(&app, forged).await;
        assert_eq!(shown.status, StatusCode::BAD_REQUEST);
    }
    assert_eq!(token_requests(&app), 0);
    assert_eq!(
        browser.open(&app, &callback).await.status,
        StatusCode::FOUND
    );
    let again = browser.open(&app, &callback).await;
    assert_eq!(again.status, StatusCode::BAD_REQUEST, "once");
    let callback = browser
        .decide(&app, &usual_start(&app).await, "approve")
        .await;
    app.clock.advance(TimeDelta::seconds(601));
    let late = browser.open(&app, &callback).await;
    assert_eq!(late.status, StatusCode::BAD_REQUEST, "in time");
}

#[apply(on_both_databases)]
async fn without_a_magic_link_only_allowed_addresses_are_returned_to(database: Database) {
    let app = SALESLOFT.enabled(database, 5).await;
    let application = app.application_id().await;
    for wrong in [
        "https://evil.example/",
        "https://app.example.evil.example/",
        "/done",
        "",
    ] {
        let start = start_with(&[
            ("applicationId", &application),
            ("customerId", CUSTOMER),
            ("providerName", SALESLOFT.name),
            ("returnUrl", wrong),
        ]);
        let answer = app.get(&start).await;
        assert_eq!(
            answer.error(),
            (400, "VALIDATION_ERROR", "returnUrl"),
            "{wrong}"
        );
    }
    for (name, value, status) in [
        ("applicationId", "another", 404),
        ("customerId", "nobody", 404),
        ("providerName", "apollo", 400),
        ("providerName", "hubspot", 400),
        ("loginUrl", "https://evil.example/oauth/authorize", 400),
        ("autoStartOnConnection", "perhaps", 400),
    ] {
        let mut pairs = vec![
            ("applicationId", application.as_str()),
            ("customerId", CUSTOMER),
            ("providerName", SALESLOFT.name),
            ("returnUrl", BACK),
        ];
        pairs.retain(|(own, _)| *own != name);
        pairs.push((name, value));
        let answer = app.get(&start_with(&pairs)).await;
        assert_eq!(answer.status.as_u16(), status, "{name}: {}", answer.body);
    }
}

#[apply(on_both_databases)]
async fn a_magic_link_is_used_up_by_the_connection_and_not_before(database: Database) {
    let app = SALESLOFT.enabled(database, 5).await;
    let link = link(&app).await;
    let start = start_with(&[("token", &token_of(&link))]);
    let mut browser = Browser::default();
    let denied = browser.decide(&app, &start, "deny").await;
    browser.open(&app, &denied).await;
    let callback = browser.decide(&app, &start, "approve").await;
    let back = browser.open(&app, &callback).await;
    assert_eq!(back.location.as_deref(), Some("https://else.example/"));
    assert_eq!(SALESLOFT.connection(&app).await["status"], "healthy");
    let used = app.get(&start).await;
    assert_eq!(used.error().0, 410, "{}", used.body);
    let other = app.get(&start_with(&[("token", "another")])).await;
    assert_eq!(other.error().0, 404);
    let links = app.get("/mgmt/v2/magic_links").await.ok();
    assert_eq!(links[0]["status"], "consumed");
}

#[apply(on_both_databases)]
async fn a_customer_who_is_deleted_meanwhile_leaves_nothing_behind(database: Database) {
    let app = SALESLOFT.enabled(database, 5).await;
    let mut browser = Browser::default();
    let callback = browser
        .decide(&app, &usual_start(&app).await, "approve")
        .await;
    app.delete(&format!("/mgmt/v2/customers/{CUSTOMER}")).await;
    let shown = browser.open(&app, &callback).await;
    assert_eq!(shown.status, StatusCode::BAD_REQUEST);
    assert_eq!(token_requests(&app), 0, "the code is not used");
}
