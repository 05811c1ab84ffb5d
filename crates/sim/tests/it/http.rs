//! The HTTP server: real sockets, gates and broken answers.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use serde_json::{Value, json};
use syncline_sim::{
    Action, Fault, Match, NowFn, Options, RunningSimulator, SimRequest, Simulator, Team, WireFault,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::{KEY, noon, sim};

async fn running(contacts: usize) -> RunningSimulator {
    let now: NowFn = Arc::new(noon);
    sim(contacts).listen(now).await.expect("a free port")
}

/// Sends one request and reads until the connection closes.
async fn exchange(server: &RunningSimulator, method: &str, path: &str, body: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(server.address())
        .await
        .expect("a connection");
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: sim\r\nX-Api-Key: {KEY}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream
        .write_all(request.as_bytes())
        .await
        .expect("a request sent");
    let mut answer = Vec::new();
    // A reset is one of the tested answers.
    let _ = stream.read_to_end(&mut answer).await;
    answer
}

fn split(answer: &[u8]) -> (String, Vec<u8>) {
    let at = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .expect("a head");
    (
        String::from_utf8_lossy(&answer[..at]).into_owned(),
        answer[at + 4..].to_vec(),
    )
}

fn announced(head: &str) -> usize {
    let line = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    line.expect("a length").parse().expect("a number")
}

async fn json(server: &RunningSimulator, method: &str, path: &str, body: &str) -> Value {
    let (head, body) = split(&exchange(server, method, path, body).await);
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    serde_json::from_slice(&body).expect("JSON")
}

#[tokio::test]
async fn the_wire_carries_what_the_core_answers() {
    let server = running(120).await;
    let answer = exchange(
        &server,
        "POST",
        "/api/v1/contacts/search",
        r#"{"per_page":100}"#,
    )
    .await;
    let (head, body) = split(&answer);
    assert!(head.starts_with("HTTP/1.1 200 OK"));
    assert!(
        head.lines().any(|line| line == "x-rate-limit-minute: "),
        "{head}"
    );
    assert_eq!(announced(&head), body.len());
    let page: Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(page["contacts"].as_array().map(Vec::len), Some(100));
    assert_eq!(server.ledger().most_in_flight(0, "contacts"), 1);
    assert!(server.base_url().starts_with("http://127.0.0.1:"));
    server.stop().await;
}

#[tokio::test]
async fn a_stopped_server_refuses_connections() {
    let server = running(5).await;
    let address = server.address();
    server.stop().await;
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_truncated_answer_is_shorter_than_announced() {
    let server = running(60).await;
    server.faults().push(Fault::new(
        Match::path("contacts/search"),
        Action::Wire(WireFault::Truncate),
    ));
    let (head, body) = split(&exchange(&server, "POST", "/api/v1/contacts/search", "{}").await);
    assert!(head.starts_with("HTTP/1.1 200"));
    assert!(
        !body.is_empty() && body.len() < announced(&head),
        "{} of {}",
        body.len(),
        announced(&head)
    );
}

#[tokio::test]
async fn a_reset_connection_has_no_answer_though_the_request_was_carried_out() {
    let server = running(5).await;
    server
        .faults()
        .push(Fault::new(Match::any(), Action::Wire(WireFault::Reset)));
    let answer = exchange(
        &server,
        "POST",
        "/api/v1/accounts",
        r#"{"name":"Heron Foods"}"#,
    )
    .await;
    assert!(answer.is_empty());
    assert!(
        server
            .read(0, Team::accounts)
            .iter()
            .any(|account| account["name"] == "Heron Foods")
    );
}

#[tokio::test]
async fn a_slow_body_arrives_whole() {
    let server = running(5).await;
    let slow = WireFault::SlowBody {
        chunk: 1_000,
        delay: Duration::from_micros(50),
    };
    server
        .faults()
        .push(Fault::new(Match::any(), Action::Wire(slow)));
    server.faults().push(Fault::new(
        Match::any(),
        Action::Wire(WireFault::Delay(Duration::from_micros(50))),
    ));
    for _ in 0..2 {
        let page = json(&server, "GET", "/api/v1/users/search", "").await;
        assert_eq!(page["users"].as_array().map(Vec::len), Some(8));
    }
}

#[tokio::test]
async fn a_hanging_answer_stays_open() {
    let server = running(60).await;
    server
        .faults()
        .push(Fault::new(Match::any(), Action::Wire(WireFault::Hang)));
    let mut stream = TcpStream::connect(server.address())
        .await
        .expect("a connection");
    let request =
        format!("GET /api/v1/users/search HTTP/1.1\r\nhost: sim\r\nx-api-key: {KEY}\r\n\r\n");
    stream
        .write_all(request.as_bytes())
        .await
        .expect("a request sent");
    let mut some = [0; 64];
    stream
        .read_exact(&mut some)
        .await
        .expect("the beginning of an answer");
    assert!(some.starts_with(b"HTTP/1.1 200"));
    // Stopping closes the connection, which would otherwise stay open.
    server.stop().await;
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    let answer = [some.to_vec(), rest].concat();
    let (head, body) = split(&answer);
    assert!(body.len() < announced(&head));
}

#[tokio::test]
async fn a_silent_answer_never_begins_though_the_request_was_carried_out() {
    let server = running(5).await;
    let silence = Action::Wire(WireFault::Silence);
    server
        .faults()
        .push(Fault::new(Match::path("accounts"), silence));
    let carried_out = Arc::new(Notify::new());
    let tell = Arc::clone(&carried_out);
    server.on_request(move |_, _| tell.notify_one());
    let mut stream = TcpStream::connect(server.address())
        .await
        .expect("a connection");
    let body = r#"{"name":"Heron Foods"}"#;
    let request = format!(
        "POST /api/v1/accounts HTTP/1.1\r\nhost: sim\r\nx-api-key: {KEY}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream
        .write_all(request.as_bytes())
        .await
        .expect("a request sent");
    carried_out.notified().await;
    let users = json(&server, "GET", "/api/v1/users/search", "").await;
    assert_eq!(
        users["pagination"]["page"], 1,
        "others are answered meanwhile"
    );
    let accounts = server.read(0, Team::accounts);
    assert!(
        accounts
            .iter()
            .any(|account| account["name"] == "Heron Foods")
    );
    assert_eq!(server.ledger().requests_to("accounts")[0].status, 200);
    // Stopping closes the connection, which would otherwise stay open.
    server.stop().await;
    let mut answer = Vec::new();
    // Closed or reset makes no difference here.
    let _ = stream.read_to_end(&mut answer).await;
    assert!(answer.is_empty());
}

#[tokio::test]
async fn a_gate_holds_a_request_until_it_is_released() {
    let server = running(250).await;
    let gate = server.gate(Match::path("contacts/search").page(2));
    let ask = |page: u64| {
        let body = json!({"page": page, "per_page": 100}).to_string();
        let server = &server;
        async move { json(server, "POST", "/api/v1/contacts/search", &body).await }
    };
    assert_eq!(ask(1).await["pagination"]["page"], 1);
    let held = ask(2);
    let meanwhile = async {
        gate.arrived(1).await;
        assert_eq!(server.ledger().len(), 1, "the held request is not answered");
        let deletable = server.read(0, |team| team.contact_ids()[0].clone());
        server
            .edit(0, |team| team.delete_contact(&deletable))
            .expect("a contact");
        gate.release(1);
    };
    let (page, ()) = tokio::join!(held, meanwhile);
    assert_eq!(page["pagination"]["total_entries"], 249);
    assert_eq!(gate.count(), 1);
    drop(gate);
    assert_eq!(
        ask(2).await["pagination"]["page"],
        2,
        "a dropped gate is open"
    );
}

#[tokio::test]
async fn requests_in_flight_are_counted_while_held() {
    let server = running(10).await;
    let gate = server.gate(Match::path("contacts/search"));
    let ask = || json(&server, "POST", "/api/v1/contacts/search", "{}");
    let release = async {
        gate.arrived(3).await;
        gate.open();
    };
    tokio::join!(ask(), ask(), ask(), release);
    assert_eq!(server.ledger().most_in_flight(0, "contacts"), 3);
}

#[tokio::test]
async fn the_back_door_shows_and_changes_the_world() {
    let server = running(200).await;
    json(&server, "POST", "/api/v1/contacts/search", "{}").await;
    let ledger = json(&server, "GET", "/_sim/ledger", "").await;
    assert_eq!(
        ledger["actions"]["contacts/search"],
        json!({"requests": 1, "records": 25, "refused": 0})
    );
    let before = json(&server, "GET", "/_sim/world", "").await["teams"][0]["contacts"].as_i64();
    let edits = json(
        &server,
        "POST",
        "/_sim/edit",
        r#"{"contacts":100,"seed":4}"#,
    )
    .await;
    let after = json(&server, "GET", "/_sim/world", "").await["teams"][0]["contacts"].as_i64();
    let change = edits["created"]
        .as_i64()
        .zip(edits["deleted"].as_i64())
        .map(|(created, deleted)| created - deleted);
    assert_eq!(
        after.zip(before).map(|(after, before)| after - before),
        change
    );
    json(&server, "POST", "/_sim/reset_ledger", "").await;
    assert_eq!(
        json(&server, "GET", "/_sim/ledger", "").await["requests"],
        0
    );
}

#[tokio::test]
async fn the_default_simulator_serves_on_the_system_clock() {
    let server = Simulator::start(Options::with_contacts(5))
        .await
        .expect("a free port");
    json(&server, "GET", "/api/v1/users/api_profile", "").await;
    assert!(server.ledger().requests()[0].at > noon());
}

#[tokio::test]
async fn the_wire_carries_the_simulated_date_and_no_other() {
    let server = running(5).await;
    for path in ["/api/v1/users/search", "/nowhere", "/_sim/world"] {
        let (head, _) = split(&exchange(&server, "GET", path, "").await);
        let head = head.to_ascii_lowercase();
        let dates: Vec<&str> = head.lines().filter(|l| l.starts_with("date:")).collect();
        assert_eq!(dates, ["date: mon, 16 feb 2026 12:00:00 gmt"], "{path}");
    }
}

#[test]
fn every_answer_has_the_date_in_whole_seconds() {
    let sim = crate::sim(10);
    let now = DateTime::UNIX_EPOCH + TimeDelta::milliseconds(1_772_323_199_987);
    sim.faults()
        .push(Fault::new(Match::path("labels"), Action::bad_gateway()));
    for (path, status) in [
        ("/api/v1/users/search", 200),
        ("/api/v1/contacts/1", 422),
        ("/api/v1/labels", 502),
        ("/api/v1/nowhere", 404),
        ("/_sim/world", 200),
        ("/_sim/nowhere", 404),
    ] {
        let reply = sim.respond(now, &SimRequest::get(path).key(KEY));
        assert_eq!(reply.status, status, "{path}");
        assert_eq!(reply.header("date"), Some("Sat, 28 Feb 2026 23:59:59 GMT"));
    }
    let stranger = sim.respond(now, &SimRequest::get("/api/v1/users/search"));
    assert_eq!(
        (stranger.status, stranger.header("date").is_some()),
        (401, true)
    );
}

#[test]
fn answers_bear_the_recorded_headers_and_refusals_fewer() {
    let sim = crate::sim(10);
    let good = crate::get(&sim, "users/search");
    for (name, value) in [
        ("content-type", "application/json; charset=utf-8"),
        ("cache-control", "max-age=0, private, must-revalidate"),
        ("vary", "Origin"),
        ("server", "cloudflare"),
        ("cf-cache-status", "DYNAMIC"),
    ] {
        assert_eq!(good.header(name), Some(value), "{name}");
    }
    assert!(good.header("etag").is_some_and(|etag| etag.len() == 36));
    for name in ["x-request-id", "x-transaction-id"] {
        assert_eq!(good.header(name).map(str::len), Some(36), "{name}");
    }
    assert!(good.header("x-runtime").is_some() && good.header("cf-ray").is_some());
    let scoped = syncline_sim::SimRequest::get("/api/v1/users/search").key("sim-scoped-key");
    let refused = sim.respond(crate::noon(), &scoped);
    assert_eq!(refused.header("cache-control"), Some("no-cache"));
    assert_eq!(refused.header("x-transaction-id"), None);
    assert!(refused.header("x-request-id").is_some());
}
