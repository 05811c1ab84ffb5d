//! A provider that closes a keep-alive connection just as the next request arrives.

use std::sync::{Arc, Mutex};

use reqwest::Method;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use super::proxied;
use crate::support::{App, CUSTOMER, Database, MASTER_KEY};

/// Answers this many requests on each connection, and closes it when the next one arrives.
struct Closing {
    base: String,
    /// The requests of the tests, and whether each was answered.
    seen: Arc<Mutex<Vec<(String, bool)>>>,
    listening: JoinHandle<()>,
}

impl Closing {
    async fn after(answered: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let notes = seen.clone();
        let listening = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, answered, notes.clone()));
            }
        });
        Self {
            base,
            seen,
            listening,
        }
    }

    fn take(&self) -> Vec<(String, bool)> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn serve(mut stream: TcpStream, answered: usize, seen: Arc<Mutex<Vec<(String, bool)>>>) {
    for number in 0.. {
        let Some(line) = request_line(&mut stream).await else {
            return;
        };
        let of_the_test = line.contains("test/") || line.contains("users/search");
        let answers = number < answered || !of_the_test;
        if of_the_test {
            let method_and_path = line.trim_end_matches(" HTTP/1.1").to_owned();
            seen.lock().unwrap().push((method_and_path, answers));
        }
        if !answers {
            return;
        }
        let body = json!({"healthy": true, "is_logged_in": true, "users": [],
            "pagination": {"page": 1, "per_page": 100, "total_entries": 0, "total_pages": 1}});
        let (body, length) = (body.to_string(), body.to_string().len());
        let body = if line.starts_with("HEAD") {
            String::new()
        } else {
            body
        };
        let kept = if of_the_test { "keep-alive" } else { "close" };
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: {kept}\r\n\
             content-length: {length}\r\n\r\n{body}"
        );
        stream.write_all(answer.as_bytes()).await.unwrap();
        if !of_the_test {
            return;
        }
    }
}

/// Reads one request whole; the bodies of these tests are `{}`.
async fn request_line(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.trim().parse().unwrap())];
    stream.read_exact(&mut body).await.ok()?;
    let line = head.lines().next()?;
    let (method, rest) = line.split_once(' ')?;
    Some(format!(
        "{} {}",
        method.to_uppercase(),
        rest.replace("http/1.1", "HTTP/1.1")
    ))
}

async fn connected(provider: &Closing) -> App {
    let app = App::at(Database::sqlite(), &provider.base).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    provider.take();
    app
}

#[tokio::test]
async fn what_may_be_repeated_is_sent_once_more_on_a_new_connection() {
    let provider = Closing::after(1).await;
    let app = connected(&provider).await;
    for method in [Method::GET, Method::HEAD, Method::OPTIONS, Method::DELETE] {
        for _ in 0..4 {
            let answer = proxied(&app, method.clone(), "test/a")
                .send()
                .await
                .unwrap();
            let status = answer.status();
            assert_eq!(status, 200, "{method}: {}", answer.text().await.unwrap());
        }
    }
    let seen = provider.take();
    assert_eq!(seen.iter().filter(|(_, answered)| *answered).count(), 16);
    let lost = seen.iter().filter(|(_, answered)| !answered).count();
    assert!((1..16).contains(&lost), "{seen:?}");
    for _ in 0..4 {
        for method in ["GET", "PUT"] {
            let envelope = json!({"method": method, "path": "test/b"});
            app.post("/actions/v2/passthrough", envelope).await.ok();
        }
        let put = proxied(&app, Method::PUT, "test/c").body("{}");
        assert_eq!(put.send().await.unwrap().status(), 200);
        app.get("/engagement/v2/users").await.ok();
    }
}

#[tokio::test]
async fn a_post_is_never_sent_twice() {
    let provider = Closing::after(1).await;
    let app = connected(&provider).await;
    let mut lost = 0;
    for number in 0..6 {
        let path = format!("test/{number}");
        let post = proxied(&app, Method::POST, &path).body("{}");
        let status = post.send().await.unwrap().status().as_u16();
        let seen = provider.take();
        assert_eq!(seen.len(), 1, "{seen:?}");
        assert_eq!(status, if seen[0].1 { 200 } else { 502 });
        lost += usize::from(!seen[0].1);
    }
    assert!(lost > 0, "no connection was used again");
}

#[tokio::test]
async fn a_new_connection_that_ends_without_an_answer_is_not_tried_again() {
    let provider = Closing::after(0).await;
    let app = connected(&provider).await;
    let answer = proxied(&app, Method::GET, "test/a").send().await.unwrap();
    assert_eq!(answer.status(), 502);
    assert_eq!(app.get("/engagement/v2/users").await.status, 502);
    let seen: Vec<String> = provider.take().into_iter().map(|(line, _)| line).collect();
    assert_eq!(seen.len(), 2, "{seen:?}");
}
