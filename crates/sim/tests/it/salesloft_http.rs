//! The simulated Salesloft over a socket.

use std::sync::Arc;

use serde_json::Value;
use syncline_sim::{NowFn, RunningSimulator};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::noon;
use crate::salesloft_support::salesloft;

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
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.unwrap();
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    (head, answer[end + 4..].to_vec())
}

#[tokio::test]
async fn the_whole_dance_works_over_a_socket() {
    let now: NowFn = Arc::new(noon);
    let server = salesloft(20).listen(now).await.unwrap();
    let ask = "GET /oauth/authorize?client_id=sim-salesloft-client&redirect_uri=http://localhost/cb\
               &response_type=code&state=1&sim_decision=approve HTTP/1.1";
    let (head, _) = exchange(&server, ask, "").await;
    assert!(head.starts_with("HTTP/1.1 302"), "{head}");
    let mut lines = head.lines();
    let location = lines.find_map(|line| line.strip_prefix("location: "));
    let code = location.unwrap().split_once("code=").unwrap().1;
    let code = code.split('&').next().unwrap();
    let form = format!(
        "grant_type=authorization_code&code={code}&redirect_uri=http://localhost/cb\
         &client_id=sim-salesloft-client&client_secret=sim-salesloft-secret"
    );
    let ask = "POST /oauth/token HTTP/1.1\r\ncontent-type: application/x-www-form-urlencoded";
    let (_, body) = exchange(&server, ask, &form).await;
    let pair: Value = serde_json::from_slice(&body).unwrap();
    let access = pair["access_token"].as_str().unwrap();
    let ask = format!("GET /v2/people.json HTTP/1.1\r\nauthorization: Bearer {access}");
    let (head, body) = exchange(&server, &ask, "").await;
    assert!(head.contains("x-ratelimit-endpoint-cost: 1"), "{head}");
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["data"].as_array().unwrap().len(), 20);
}
