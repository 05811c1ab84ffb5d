//! Connections that are slow, silent, half open or hostile hold no resources for long. The limits
//! are short here; each test waits for something that the service does.

use std::time::Duration;

use syncline_listener::ConnectionLimits;
use syncline_server::RequestLimits;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{App, CUSTOMER, Database, HttpLimits, MASTER_KEY, Upstream};

const SHORT: Duration = Duration::from_millis(300);
/// Longer than any test.
const LONG: Duration = Duration::from_hours(1);

const PATIENT: ConnectionLimits = ConnectionLimits {
    connections: 100,
    head_within: LONG,
    idle: LONG,
    write_stall: LONG,
};

async fn with_connections(connections: ConnectionLimits) -> App {
    let http = HttpLimits {
        connections,
        ..HttpLimits::default()
    };
    App::with_limits(Database::sqlite(), None, http).await
}

#[tokio::test]
async fn a_head_that_never_ends_ends_the_connection() {
    let app = with_connections(ConnectionLimits {
        head_within: SHORT,
        ..PATIENT
    })
    .await;
    let silent = connect(&app).await;
    let mut slow = connect(&app).await;
    let dripping = tokio::spawn(async move {
        let (mut read, mut write) = slow.split();
        let mut answer = Vec::new();
        let drip = async {
            let head = b"GET /healthz HTTP/1.1\r\nhost: x\r\nx-drip: ";
            let _ = write.write_all(head).await;
            while write.write_all(b"a").await.is_ok() {
                tokio::time::sleep(SHORT / 10).await;
            }
        };
        tokio::select! {
            end = read.read_to_end(&mut answer) => drop(end),
            () = drip => {}
        }
        answer
    });
    assert_eq!(app.get("/healthz").await.status, 200, "others are served");
    assert_eq!(everything(silent).await, "");
    assert!(dripping.await.unwrap().is_empty());
}

#[tokio::test]
async fn a_connection_that_is_not_used_again_is_closed() {
    let app = with_connections(ConnectionLimits {
        idle: SHORT,
        ..PATIENT
    })
    .await;
    let mut kept = connect(&app).await;
    for _ in 0..3 {
        kept.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
            .await
            .unwrap();
        let answer = one_answer(&mut kept, "ok\n").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    assert_eq!(everything(kept).await, "");
}

#[tokio::test]
async fn the_wait_for_the_next_request_follows_answers_of_every_kind() {
    let upstream = Upstream::start().await;
    let http = HttpLimits {
        connections: ConnectionLimits {
            idle: SHORT,
            ..PATIENT
        },
        ..HttpLimits::default()
    };
    let app = App::with_limits(Database::sqlite(), Some(&upstream.base), http).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    let to_us = |request: &str| format!("{request} HTTP/1.1\r\nhost: x\r\n\r\n");
    for (head, end) in [
        (to_us("HEAD /healthz"), "\r\n\r\n"),
        (to_us("GET /nowhere"), "}"),
        (proxied(&app, "test/status/204"), "\r\n\r\n"),
        (proxied(&app, "test/down/100000"), "d\r\n0\r\n\r\n"),
    ] {
        let mut kept = connect(&app).await;
        kept.write_all(head.as_bytes()).await.unwrap();
        let answer = everything(kept).await;
        assert!(answer.ends_with(end), "{head}: {answer}");
    }
}

#[tokio::test]
async fn the_time_for_a_head_does_not_end_a_connection_between_two_requests() {
    let app = with_connections(ConnectionLimits {
        head_within: SHORT,
        ..PATIENT
    })
    .await;
    let mut kept = connect(&app).await;
    for _ in 0..3 {
        kept.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
            .await
            .unwrap();
        one_answer(&mut kept, "ok\n").await;
        // Its own time for a head is over when this one's is.
        assert_eq!(everything(connect(&app).await).await, "");
    }
}

#[tokio::test]
async fn the_second_head_of_a_connection_has_to_end_as_well() {
    let app = with_connections(ConnectionLimits {
        head_within: SHORT,
        ..PATIENT
    })
    .await;
    let mut kept = connect(&app).await;
    kept.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    one_answer(&mut kept, "ok\n").await;
    kept.write_all(b"GET /healthz HTTP/1.1\r\n").await.unwrap();
    assert_eq!(everything(kept).await, "");
}

#[tokio::test]
async fn whoever_says_nothing_makes_room_for_others() {
    let app = with_connections(ConnectionLimits {
        connections: 2,
        ..PATIENT
    })
    .await;
    let (first, _second) = (connect(&app).await, connect(&app).await);
    assert_eq!(app.get("/healthz").await.status, 200);
    assert_eq!(everything(first).await, "", "the longest waiting had to go");
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused_before_anything_is_looked_at() {
    let app = with_connections(PATIENT).await;
    let long = format!("x-long: {}\r\n", "l".repeat(100_000));
    let many = "x-many: 1\r\n".repeat(200);
    for headers in [long, many] {
        let mut socket = connect(&app).await;
        let head = format!("GET /healthz HTTP/1.1\r\nhost: x\r\n{headers}\r\n");
        // The service may close the connection before all of it is sent.
        let _ = socket.write_all(head.as_bytes()).await;
        let answer = everything(socket).await;
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 431"),
            "{answer}"
        );
    }
    assert_eq!(app.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn a_body_that_drips_is_given_up_with_a_408() {
    let http = HttpLimits {
        requests: RequestLimits {
            body_within: SHORT,
            ..RequestLimits::default()
        },
        connections: PATIENT,
    };
    let app = App::with_limits(Database::sqlite(), None, http).await;
    let mut socket = connect(&app).await;
    let head = format!(
        "PUT /mgmt/v2/customers HTTP/1.1\r\nhost: x\r\nx-api-key: {}\r\ncontent-length: 100\r\n\r\n{{",
        app.api_key
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let answer = everything(socket).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(
        answer.contains(r#""code":"REQUEST_TIMEOUT_ERROR""#),
        "{answer}"
    );
}

#[tokio::test]
async fn a_caller_who_takes_nothing_of_his_answer_is_left() {
    let upstream = Upstream::start().await;
    let http = HttpLimits {
        connections: ConnectionLimits {
            write_stall: SHORT,
            ..PATIENT
        },
        ..HttpLimits::default()
    };
    let app = App::with_limits(Database::sqlite(), Some(&upstream.base), http).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    let mut socket = connect(&app).await;
    let head = proxied(&app, "test/endless");
    socket.write_all(head.as_bytes()).await.unwrap();
    upstream.until_left().await;
    drop(socket);
}

#[tokio::test]
async fn a_caller_who_closes_his_half_is_heard_of() {
    let upstream = Upstream::start().await;
    let http = HttpLimits {
        connections: PATIENT,
        ..HttpLimits::default()
    };
    let app = App::with_limits(Database::sqlite(), Some(&upstream.base), http).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    let mut socket = connect(&app).await;
    socket
        .write_all(proxied(&app, "test/never").as_bytes())
        .await
        .unwrap();
    while upstream.seen().is_empty() {
        tokio::task::yield_now().await;
    }
    socket.shutdown().await.unwrap();
    upstream.until_left().await;
    assert_eq!(everything(socket).await, "");

    let mut idle = connect(&app).await;
    idle.shutdown().await.unwrap();
    assert_eq!(everything(idle).await, "");
}

async fn connect(app: &App) -> TcpStream {
    TcpStream::connect(app.address()).await.unwrap()
}

/// Everything received until the other side closes the connection, in whatever way.
async fn everything(mut socket: TcpStream) -> String {
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

/// An answer with this body.
async fn one_answer(socket: &mut TcpStream, body: &str) -> String {
    let mut answer = Vec::new();
    while !answer.ends_with(format!("\r\n\r\n{body}").as_bytes()) {
        assert!(socket.read_buf(&mut answer).await.unwrap() > 0);
    }
    String::from_utf8(answer).unwrap()
}

fn proxied(app: &App, path: &str) -> String {
    format!(
        "GET /actions/v2/proxy/{path} HTTP/1.1\r\nhost: x\r\nx-api-key: {}\r\n\
         x-customer-id: {CUSTOMER}\r\nx-provider-name: apollo\r\n\r\n",
        app.api_key
    )
}
