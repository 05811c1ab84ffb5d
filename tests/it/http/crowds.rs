//! More requests than the process takes, and requests that take too long.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use syncline_server::RequestLimits;
use syncline_sim::Match;

use super::refused;
use crate::support::{App, CUSTOMER, Database, HttpLimits, MASTER_KEY};

/// A live read, and a write.
const LIVE: &str = "/engagement/v2/users";
const WRITE: &str = "/engagement/v2/accounts";

async fn with_requests(requests: RequestLimits) -> App {
    let http = HttpLimits {
        requests,
        ..HttpLimits::default()
    };
    let app = App::with_limits(Database::sqlite(), None, http).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app
}

fn places(concurrent_requests: usize) -> RequestLimits {
    RequestLimits {
        concurrent_requests,
        ..RequestLimits::default()
    }
}

#[tokio::test]
async fn one_request_too_many_is_told_to_come_back() {
    let app = with_requests(places(2)).await;
    let gate = app.apollo.gate(Match::path("users/search"));
    let crowd = async {
        gate.arrived(2).await;
        let answer = headed(&app, Method::GET, "/mgmt/v2/customers")
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 503);
        assert_eq!(answer.headers()["retry-after"], "1");
        let body = app.get("/mgmt/v2/customers").await;
        refused(&body, 503, "SERVICE_UNAVAILABLE_ERROR");
        for path in ["/healthz", "/readyz", "/metrics", "/openapi/mgmt.json"] {
            assert_eq!(app.get(path).await.status, 200, "{path}");
        }
        gate.open();
    };
    let (first, second, ()) = tokio::join!(app.get(LIVE), app.get(LIVE), crowd);
    first.ok();
    second.ok();
    app.get("/mgmt/v2/customers").await.ok();
}

#[tokio::test]
async fn a_write_keeps_its_place_until_it_is_done_and_a_read_gives_it_up_with_its_caller() {
    let app = with_requests(places(1)).await;
    let gate = app.apollo.gate(Match::path("users/search"));
    let read = tokio::spawn(headed(&app, Method::GET, LIVE).send());
    gate.arrived(1).await;
    read.abort();
    until(&app, 200).await;

    let gate = app
        .apollo
        .gate(Match::path("v1/accounts").method(Method::POST));
    let write = headed(&app, Method::POST, WRITE).json(&json!({"record": {"name": "Acme"}}));
    let write = tokio::spawn(write.send());
    gate.arrived(1).await;
    write.abort();
    let _ = write.await;
    refused(
        &app.get("/mgmt/v2/customers").await,
        503,
        "SERVICE_UNAVAILABLE_ERROR",
    );
    gate.open();
    until(&app, 200).await;
    assert_eq!(app.apollo.ledger().requests_to("v1/accounts").len(), 1);
}

#[tokio::test]
async fn an_answer_that_takes_too_long_is_a_504_and_a_write_goes_on() {
    let app = with_requests(RequestLimits {
        answer_within: Duration::from_millis(500),
        ..places(2)
    })
    .await;
    let gate = app.apollo.gate(Match::path("users/search"));
    let title = refused(&app.get(LIVE).await, 504, "GATEWAY_TIMEOUT_ERROR");
    assert!(title.contains("nothing was changed"), "{title}");
    drop(gate);

    let gate = app
        .apollo
        .gate(Match::path("v1/accounts").method(Method::POST));
    let answer = app.post(WRITE, json!({"record": {"name": "Acme"}})).await;
    let title = refused(&answer, 504, "GATEWAY_TIMEOUT_ERROR");
    assert!(title.contains("carried out to its end"), "{title}");
    gate.open();
    while app
        .database
        .count("SELECT count(*) FROM engagement_accounts WHERE name = 'Acme'")
        .await
        == 0
    {
        tokio::task::yield_now().await;
    }
}

/// Asks until the answer has this status.
async fn until(app: &App, status: u16) {
    while app.get("/mgmt/v2/customers").await.status != status {
        tokio::task::yield_now().await;
    }
}

fn headed(app: &App, method: Method, path: &str) -> reqwest::RequestBuilder {
    app.request(method, path)
        .header("x-api-key", &app.api_key)
        .header("x-customer-id", CUSTOMER)
        .header("x-provider-name", "apollo")
}
