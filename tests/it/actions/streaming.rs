//! The proxy buffers nothing: bodies of any size go through the real binary, and a disconnect is
//! passed on.

use macro_rules_attribute::apply;
use reqwest::{Method, RequestBuilder};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{API_KEY, CUSTOMER, Process, Upstream, http_client, on_both_databases};

const MEGABYTE: usize = 1024 * 1024;
const LARGE: usize = 48 * MEGABYTE;
/// How much the process's memory may grow, in bytes.
const MAY_GROW: usize = 16 * MEGABYTE;

#[apply(on_both_databases)]
async fn large_bodies_go_through_in_both_directions_without_being_kept(database: Database) {
    let upstream = Upstream::start().await;
    let process = Process::serve(&database, &upstream.base).await;
    process.connect().await;
    for (size, is_measured) in [(MEGABYTE, false), (LARGE, true)] {
        let before = memory(&process, "VmRSS");
        reset_peak(&process);
        let up = proxied(&process, Method::PUT, "test/up").body(vec![b'u'; size]);
        assert_eq!(
            up.send().await.unwrap().text().await.unwrap(),
            size.to_string()
        );
        let down = proxied(&process, Method::GET, &format!("test/down/{size}"));
        let mut down = down.send().await.unwrap();
        let mut total = 0;
        while let Some(chunk) = down.chunk().await.unwrap() {
            total += chunk.len();
        }
        assert_eq!(total, size);
        let grown = memory(&process, "VmHWM").saturating_sub(before);
        assert!(!is_measured || grown < MAY_GROW, "it grew by {grown} bytes");
    }
}

#[apply(on_both_databases)]
async fn what_has_come_is_passed_on_before_the_rest_and_who_leaves_is_heard_of(database: Database) {
    let upstream = Upstream::start().await;
    let process = Process::serve(&database, &upstream.base).await;
    process.connect().await;
    let mut answer = proxied(&process, Method::GET, "test/hold")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.chunk().await.unwrap().unwrap(), "beginning");
    drop(answer);
    upstream.until_left().await;

    let waiting = tokio::spawn(
        proxied(&process, Method::POST, "test/never")
            .body("x")
            .send(),
    );
    while upstream.seen().len() < 2 {
        tokio::task::yield_now().await;
    }
    waiting.abort();
    upstream.until_left().await;
}

#[apply(on_both_databases)]
async fn an_upload_that_nobody_wants_is_not_read_on(database: Database) {
    let upstream = Upstream::start().await;
    let process = Process::serve(&database, &upstream.base).await;
    process.connect().await;
    let socket = connect(&process, "test/early", "content-length: 100000000000").await;
    let (mut reader, mut writer) = socket.into_split();
    let upload = tokio::spawn(async move {
        let chunk = vec![b'x'; 64 * 1024];
        while writer.write_all(&chunk).await.is_ok() {}
    });
    let mut answer = [0; 12];
    reader.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
    // The upload ends because its connection is closed.
    upload.await.unwrap();
}

#[apply(on_both_databases)]
async fn a_body_of_unknown_length_goes_through(database: Database) {
    let upstream = Upstream::start().await;
    let process = Process::serve(&database, &upstream.base).await;
    process.connect().await;
    let mut socket = connect(
        &process,
        "test/up",
        "transfer-encoding: chunked\r\nconnection: close",
    )
    .await;
    socket
        .write_all(b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n11"), "{answer}");
}

fn proxied(process: &Process, method: Method, path: &str) -> RequestBuilder {
    http_client()
        .request(method, format!("{}/actions/v2/proxy/{path}", process.base))
        .header("x-api-key", API_KEY)
        .header("x-customer-id", CUSTOMER)
        .header("x-provider-name", "apollo")
}

/// Sends the head of a POST on a raw socket.
async fn connect(process: &Process, path: &str, header: &str) -> TcpStream {
    let address = process.base.trim_start_matches("http://");
    let mut socket = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /actions/v2/proxy/{path} HTTP/1.1\r\nhost: {address}\r\nx-api-key: {API_KEY}\r\n\
         x-customer-id: {CUSTOMER}\r\nx-provider-name: apollo\r\n{header}\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    socket
}

/// The process's memory, or its peak since the last reset, in bytes.
fn memory(process: &Process, line: &str) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status.lines().find_map(|it| it.strip_prefix(line));
    let kilobytes = line.unwrap().trim_matches([':', ' ', '\t', 'k', 'B']);
    kilobytes.parse::<usize>().unwrap() * 1024
}

fn reset_peak(process: &Process) {
    std::fs::write(format!("/proc/{}/clear_refs", process.id()), "5").unwrap();
}
