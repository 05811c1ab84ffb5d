//! More requests than the process accepts, and requests that take too long.

use std::time::Duration;

use futures::future::join_all;
use reqwest::Method;
use serde_json::json;
use syncline_model::Role;
use syncline_server::RequestLimits;
use syncline_sim::Match;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::refused;
use crate::{
    access::{key, key_of},
    support::{App, CUSTOMER, Database, HttpLimits, MASTER_KEY},
};

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
    assert!(title.contains("runs to completion"), "{title}");
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

#[tokio::test]
async fn bodies_that_never_come_take_nobodys_place() {
    let app = with_requests(places(4)).await;
    let reader = key(&app, Role::ReadOnly, None).await;
    let mut waiting = Vec::new();
    for _ in 0..40 {
        waiting.push(without_body(&app, &reader).await);
    }
    app.get("/mgmt/v2/customers").await.ok();
    app.get_as(&reader, "/mgmt/v2/customers").await.ok();
    let filter = json!({"filter": {"emails": ["a@b.example"]}});
    app.post(SEARCH, filter.clone()).await.ok();
    // The body of one request arrives.
    let mut last = waiting.pop().unwrap();
    let filter = format!("{:<100}", filter.to_string());
    last.write_all(filter.as_bytes()).await.unwrap();
    let answer = beginning(&mut last).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn bodies_take_a_share_of_the_memory_and_leave_the_others_theirs() {
    let app = with_requests(RequestLimits {
        body_memory: 6 * 128 * 1024,
        ..RequestLimits::default()
    })
    .await;
    let reader = key(&app, Role::ReadOnly, None).await;
    let mut waiting = Vec::new();
    for _ in 0..4 {
        waiting.push(without_body(&app, &reader).await);
    }
    let mut fifth = without_body(&app, &reader).await;
    let answer = beginning(&mut fifth).await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    let filter = json!({"filter": {"emails": ["a@b.example"]}});
    app.post(SEARCH, filter).await.ok();
}

#[tokio::test]
async fn one_key_takes_two_thirds_of_the_places_and_one_application_four_fifths() {
    let app = with_requests(places(30)).await;
    let (_, other) = key_of(&app, "other", Role::Admin, None, None).await;
    let neighbour = key(&app, Role::Admin, None).await;
    let gate = app.apollo.gate(Match::path("users/search"));
    let crowd = |key: String| {
        let app = &app;
        join_all((0..30).map(move |_| {
            let key = key.clone();
            async move { app.get_as(&key, LIVE).await.status }
        }))
    };
    let others = async {
        gate.arrived(24).await;
        for _ in 0..6 {
            app.get_as(&other, "/mgmt/v2/customers").await.ok();
        }
        gate.open();
    };
    let first = async { crowd(app.api_key.clone()).await };
    let second = async {
        gate.arrived(20).await;
        crowd(neighbour.clone()).await
    };
    let (first, second, ()) = tokio::join!(first, second, others);
    let served = |statuses: &[reqwest::StatusCode]| {
        let refused = statuses.iter().filter(|it| **it == 503).count();
        let served = statuses.iter().filter(|it| **it == 200).count();
        assert_eq!(served + refused, 30);
        served
    };
    assert_eq!((served(&first), served(&second)), (20, 4));
}

const SEARCH: &str = "/engagement/v2/contacts/_search?read_from_cache=true";

/// Sends the head of a search without its body, and returns once the service has seen it.
async fn without_body(app: &App, key: &str) -> TcpStream {
    let mut stream = TcpStream::connect(app.address()).await.unwrap();
    let head = format!(
        "POST {SEARCH} HTTP/1.1\r\nhost: x\r\nx-api-key: {key}\r\nx-customer-id: {CUSTOMER}\r\n\
         x-provider-name: apollo\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\
         expect: 100-continue\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // The service sends `100 Continue` when it starts to read the body.
    let mut begun = [0; 1];
    assert_eq!(stream.peek(&mut begun).await.unwrap(), 1);
    stream
}

async fn beginning(stream: &mut TcpStream) -> String {
    let mut told = String::new();
    while !told.contains("HTTP/1.1 2") && !told.contains("HTTP/1.1 5") {
        let mut some = [0; 1024];
        let read = stream.read(&mut some).await.unwrap();
        assert!(read > 0, "{told}");
        told += &String::from_utf8_lossy(&some[..read]);
    }
    told.trim_start_matches("HTTP/1.1 100 Continue\r\n\r\n")
        .to_owned()
}

/// Repeats a request until the answer has this status.
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
