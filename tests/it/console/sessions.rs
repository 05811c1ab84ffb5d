//! Signing in and out, and what a session may do.

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use reqwest::{StatusCode, header};
use syncline_model::Role;
use syncline_store::{Expired, SessionKind};

use super::{Browser, shown};
use crate::{
    access::key,
    support::{App, on_both_databases},
};

#[apply(on_both_databases)]
async fn an_agents_key_opens_no_pages(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let agent = crate::agents::agent(&app, serde_json::json!({})).await;
    let mut browser = Browser::at(&app);
    let refused = browser.sign_in(&agent).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.html.contains("an agent"), "{}", refused.html);
}

#[apply(on_both_databases)]
async fn an_api_key_opens_a_session_and_never_appears(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let mut browser = Browser::at(&app);
    let asked = browser.get("/console/runs?status=FAILURE").await;
    let to_sign_in = asked.redirect().to_owned();
    assert_eq!(
        to_sign_in,
        "/console/sign-in?to=%2Fconsole%2Fruns%3Fstatus%3DFAILURE"
    );
    let page = browser.get(&to_sign_in).await.page();
    assert!(
        page.contains(">API key</label>") && page.contains(">Sign in</button>"),
        "{page}"
    );

    let form = [
        ("api_key", &*app.api_key),
        ("to", "/console/runs?status=FAILURE"),
    ];
    let entered = browser.post("/console/sign-in", &form).await;
    assert_eq!(entered.redirect(), "/console/runs?status=FAILURE");
    let cookie = entered.headers[header::SET_COOKIE]
        .to_str()
        .unwrap()
        .to_owned();
    // The public URL is https.
    assert!(cookie.starts_with("__Host-syncline_session="), "{cookie}");
    for attribute in [
        "Path=/",
        "Max-Age=43200",
        "HttpOnly",
        "SameSite=Lax",
        "Secure",
    ] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    browser.keep_cookie(&entered);
    let page = browser.get("/console/runs").await.page();
    assert!(!page.contains(&app.api_key));
    let dump = app.database.dump(None).await.join("\n");
    let token = cookie.split(['=', ';']).nth(1).unwrap();
    assert!(!dump.contains(token), "the token itself is stored");
}

#[apply(on_both_databases)]
async fn a_wrong_key_is_told_in_words_and_is_not_put_back(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let browser = Browser::at(&app);
    let page = browser
        .post("/console/sign-in", &[("api_key", "wrong-key-4711")])
        .await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    assert!(
        page.html
            .contains("This API key is unknown, revoked or expired."),
        "{}",
        page.html
    );
    assert!(page.html.contains(r#"aria-invalid="true""#));
    assert!(!page.html.contains("wrong-key-4711"));
    assert!(page.headers.get(header::SET_COOKIE).is_none());
}

#[apply(on_both_databases)]
async fn a_session_ends_by_signing_out_after_twelve_hours_and_with_its_key(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let mut browser = Browser::signed_in(&app).await;
    let before = browser.cookie.clone();
    let out = browser.post("/console/sign-out", &[]).await;
    assert_eq!(out.redirect(), "/console/sign-in");
    browser.cookie = before;
    browser.get("/console").await.redirect();

    let browser = Browser::signed_in(&app).await;
    app.clock
        .advance(TimeDelta::hours(12) - TimeDelta::seconds(1));
    browser.get("/console").await.page();
    app.clock.advance(TimeDelta::seconds(1));
    browser.get("/console").await.redirect();

    let other = key(&app, Role::Admin, None).await;
    let mut browser = Browser::at(&app);
    browser.sign_in(&other).await.redirect();
    browser.get("/console").await.page();
    let (_, known) = app.store.authenticate(&other).await.unwrap().unwrap();
    app.delete(&format!("/mgmt/v2/api_keys/{}", known.id))
        .await
        .ok();
    browser.get("/console").await.redirect();
    assert_eq!(
        browser.sign_in(&other).await.status,
        StatusCode::UNAUTHORIZED
    );
}

#[apply(on_both_databases)]
async fn a_sign_in_link_works_once_and_not_when_it_has_expired(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let (tenant, key) = app.store.authenticate(&app.api_key).await.unwrap().unwrap();
    let soon = app.now() + TimeDelta::hours(1);
    let link = async || {
        tenant
            .begin_session(&key.id, SessionKind::Link, soon)
            .await
            .unwrap()
    };
    let path = format!("/console/sign-in/{}", link().await);
    let mut browser = Browser::at(&app);
    let entered = browser.get(&path).await;
    assert_eq!(entered.redirect(), "/console");
    browser.keep_cookie(&entered);
    browser.get("/console").await.page();
    let again = browser.get(&path).await;
    assert_eq!(again.status, StatusCode::GONE);
    assert!(again.html.contains("This link was used, or has expired."));

    // A link is no cookie, and an old one is worth nothing.
    let token = link().await;
    browser.cookie = Some(format!("__Host-syncline_session={token}"));
    browser.get("/console").await.redirect();
    app.clock.advance(TimeDelta::hours(1));
    let late = browser.get(&format!("/console/sign-in/{token}")).await;
    assert_eq!(late.status, StatusCode::GONE);
}

#[apply(on_both_databases)]
async fn nobody_is_led_to_another_site(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let browser = Browser::at(&app);
    for to in [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "/console\r\nx: y",
    ] {
        let form = [("api_key", &*app.api_key), ("to", to)];
        let entered = browser.post("/console/sign-in", &form).await;
        assert_eq!(entered.redirect(), "/console", "{to}");
    }
}

#[apply(on_both_databases)]
async fn a_session_is_for_pages_and_opens_no_api(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let browser = Browser::signed_in(&app).await;
    let answer = browser.get("/mgmt/v2/customers").await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}

#[apply(on_both_databases)]
async fn expired_sessions_are_purged(database: Database) {
    let app = App::with_contacts(database, 0).await;
    Browser::signed_in(&app).await;
    let sessions = "SELECT count(*) FROM console_sessions";
    assert_eq!(app.database.count(sessions).await, 1);
    app.clock.advance(TimeDelta::hours(11));
    let purge = async || app.engine.purge(Expired::ConsoleSessions).await.unwrap();
    assert_eq!(purge().await, 0);
    app.clock.advance(TimeDelta::hours(1));
    assert_eq!(purge().await, 1);
    assert_eq!(app.database.count(sessions).await, 0);
}

#[apply(on_both_databases)]
async fn what_another_site_sends_is_refused(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let browser = Browser::signed_in(&app).await;
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("origin", "https://evil.example"),
    ] {
        let form = browser.form("/console/sign-out", &[]).header(name, value);
        assert_eq!(shown(form).await.status, StatusCode::FORBIDDEN, "{name}");
    }
    browser.get("/console").await.page();
}
