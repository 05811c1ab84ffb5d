//! The simulated Outreach over a socket.

use std::sync::Arc;

use serde_json::Value;
use syncline_sim::{NowFn, RunningSimulator};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::noon;
use crate::outreach_support::{TOKEN, outreach};

/// Sends one request and reads the whole answer.
async fn exchange(server: &RunningSimulator, head: &str, body: &str) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let request = format!(
        "{head}\r\nhost: {}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        server.address(),
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let end = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap();
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    (head, answer[end + 4..].to_vec())
}

async fn get(server: &RunningSimulator, target: &str, token: &str) -> Value {
    let head = format!("GET {target} HTTP/1.1\r\nauthorization: Bearer {token}");
    let (head, body) = exchange(server, &head, "").await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    serde_json::from_slice(&body).unwrap()
}

#[tokio::test]
async fn links_lead_back_to_the_server_that_was_asked() {
    let now: NowFn = Arc::new(noon);
    let server = outreach(120).listen(now).await.unwrap();
    let mut next = Some(format!(
        "{}/api/v2/prospects?page[size]=50",
        server.base_url()
    ));
    let mut lengths = Vec::new();
    while let Some(link) = next {
        let target = link.strip_prefix(&server.base_url()).unwrap();
        let body = get(&server, target, TOKEN).await;
        lengths.push(body["data"].as_array().unwrap().len());
        next = body["links"]["next"].as_str().map(str::to_owned);
    }
    assert_eq!(lengths, [50, 50, 20]);
}

#[tokio::test]
async fn the_whole_dance_works_over_a_socket() {
    let now: NowFn = Arc::new(noon);
    let server = outreach(20).listen(now).await.unwrap();
    let ask = "GET /oauth/authorize?client_id=sim-outreach-client&redirect_uri=http://localhost/cb\
               &response_type=code&scope=prospects.read&state=1&sim_decision=approve HTTP/1.1";
    let (head, _) = exchange(&server, ask, "").await;
    assert!(head.starts_with("HTTP/1.1 302"), "{head}");
    let location = head
        .lines()
        .find_map(|line| line.strip_prefix("location: "))
        .unwrap();
    let code = location.split_once("code=").unwrap().1;
    let code = code.split('&').next().unwrap();
    let form = format!(
        "grant_type=authorization_code&code={code}&redirect_uri=http://localhost/cb\
         &client_id=sim-outreach-client&client_secret=sim-outreach-secret"
    );
    let ask = "POST /oauth/token HTTP/1.1\r\ncontent-type: application/x-www-form-urlencoded";
    let (_, body) = exchange(&server, ask, &form).await;
    let pair: Value = serde_json::from_slice(&body).unwrap();
    let access = pair["access_token"].as_str().unwrap();
    let body = get(&server, "/api/v2/prospects", access).await;
    assert_eq!(body["data"].as_array().unwrap().len(), 20);
}
