//! Rate limits of API keys, and of attempts with wrong keys.

use std::num::NonZeroU32;

use macro_rules_attribute::apply;
use reqwest::{Method, Response};
use syncline_server::RequestLimits;

use super::refused;
use crate::support::{App, CUSTOMER, Database, HttpLimits, MASTER_KEY, on_both_databases};

async fn with_rate(database: Database, per_minute: u32) -> App {
    let http = HttpLimits {
        requests: RequestLimits {
            requests_per_minute: NonZeroU32::new(per_minute),
            ..RequestLimits::default()
        },
        ..HttpLimits::default()
    };
    App::with_limits(database, None, http).await
}

#[apply(on_both_databases)]
async fn a_key_that_sends_too_much_is_told_when_to_come_back(database: Database) {
    let app = with_rate(database, 4).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    let mut left = Vec::new();
    for _ in 0..2 {
        let answer = ask(&app, "/mgmt/v2/customers", &app.api_key).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["ratelimit-limit"], "4");
        assert!(number(&answer, "ratelimit-reset") <= 60);
        left.push(number(&answer, "ratelimit-remaining"));
    }
    assert_eq!(left, [1, 0], "connecting took two");
    for path in [
        "/mgmt/v2/customers",
        "/engagement/v2/contacts?read_from_cache=true",
        "/actions/v2/proxy/v1/auth/health",
        "/mgmt/v2/customers/nobody",
    ] {
        let answer = ask(&app, path, &app.api_key).await;
        assert_eq!(answer.status(), 429, "{path}");
        assert_eq!(number(&answer, "ratelimit-remaining"), 0);
        assert!(
            (1..=15).contains(&number(&answer, "retry-after")),
            "{answer:?}"
        );
        let title = refused(
            &App::read(&Method::GET, answer).await,
            429,
            "TOO_MANY_REQUESTS_ERROR",
        );
        assert!(title.contains("4 requests a minute"), "{title}");
    }
    assert!(
        app.apollo.ledger().requests_to("auth/health").len() <= 1,
        "nothing was sent"
    );
    assert_eq!(ask(&app, "/healthz", &app.api_key).await.status(), 200);

    let store = &app.store;
    let application = store
        .find_or_create_application("other", &crate::support::enabled())
        .await
        .unwrap();
    store
        .add_api_key(&application.id, "other", "other")
        .await
        .unwrap();
    let answer = ask(&app, "/mgmt/v2/customers", "other").await;
    assert_eq!(
        number(&answer, "ratelimit-remaining"),
        3,
        "another key has its own"
    );
}

#[apply(on_both_databases)]
async fn without_a_limit_nothing_is_counted(database: Database) {
    let app = with_rate(database, 0).await;
    for _ in 0..100 {
        let answer = ask(&app, "/mgmt/v2/customers", &app.api_key).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers().get("ratelimit-limit"), None);
    }
}

#[apply(on_both_databases)]
async fn wrong_keys_of_an_address_are_heard_a_hundred_times_a_minute(database: Database) {
    let app = with_rate(database, 60_000).await;
    let mut refused_with = Vec::new();
    for guess in 0..102 {
        let answer = ask(&app, "/mgmt/v2/customers", &format!("guess-{guess}")).await;
        assert_eq!(answer.headers().get("ratelimit-limit"), None);
        refused_with.push(answer.status().as_u16());
    }
    assert_eq!(refused_with[..100], [401; 100]);
    assert_eq!(refused_with[100..], [429; 2]);
    let answer = ask(&app, "/engagement/v2/users", "guess").await;
    assert!(
        (1..=60).contains(&number(&answer, "retry-after")),
        "{answer:?}"
    );
    refused(
        &App::read(&Method::GET, answer).await,
        429,
        "TOO_MANY_REQUESTS_ERROR",
    );
}

#[apply(on_both_databases)]
async fn a_key_that_was_right_is_heard_whoever_guesses_beside_it(database: Database) {
    let app = with_rate(database, 60_000).await;
    assert_eq!(
        ask(&app, "/mgmt/v2/customers", &app.api_key).await.status(),
        200
    );
    for guess in 0..102 {
        ask(&app, "/mgmt/v2/customers", &format!("guess-{guess}")).await;
    }
    assert_eq!(ask(&app, "/mgmt/v2/customers", "guess").await.status(), 429);
    assert_eq!(
        ask(&app, "/mgmt/v2/customers", &app.api_key).await.status(),
        200
    );
}

async fn ask(app: &App, path: &str, key: &str) -> Response {
    let request = app.request(Method::GET, path).header("x-api-key", key);
    let request = request
        .header("x-customer-id", CUSTOMER)
        .header("x-provider-name", "apollo");
    request.send().await.unwrap()
}

fn number(answer: &Response, header: &str) -> u64 {
    answer.headers()[header].to_str().unwrap().parse().unwrap()
}
