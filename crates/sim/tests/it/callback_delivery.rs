//! The server sends callbacks itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use serde_json::{Value, json};
use syncline_sim::{NowFn, Options, RunningSimulator, SimRequest, Simulator};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::late_callbacks::after;
use crate::{KEY, noon};

/// A served simulator whose time tests set, in seconds from noon.
struct Served {
    server: RunningSimulator,
    second: Arc<AtomicI64>,
    receiver: TcpListener,
}

/// What a receiver got.
#[derive(Debug, PartialEq)]
struct Received {
    head: String,
    body: Value,
}

impl Served {
    async fn new(change: impl FnOnce(&mut Options)) -> Self {
        let mut options = Options::with_contacts(10);
        change(&mut options);
        let second = Arc::new(AtomicI64::new(0));
        let time = Arc::clone(&second);
        let now: NowFn = Arc::new(move || after(time.load(Ordering::Relaxed)));
        Self {
            server: Simulator::new(options).listen(now).await.unwrap(),
            second,
            receiver: TcpListener::bind("127.0.0.1:0").await.unwrap(),
        }
    }

    /// Asks for a contact's phone numbers, and lets the time pass; returns the request's id.
    fn ask(&self) -> i64 {
        let port = self.receiver.local_addr().unwrap().port();
        self.ask_with(&format!("http://127.0.0.1:{port}/hook?lead=7"))
    }

    fn ask_with(&self, url: &str) -> i64 {
        let id = self.server.read(0, |team| team.contact_ids()[0].clone());
        let body = json!({"id": id, "reveal_phone_number": true, "webhook_url": url});
        let ask = SimRequest::post("/api/v1/people/match", &body).key(KEY);
        let id = self.server.respond(noon(), &ask).json()["request_id"].as_i64();
        self.second.store(5, Ordering::Relaxed);
        id.unwrap()
    }

    /// Receives a callback, and answers with a status.
    async fn receive(&self, status: u16) -> Received {
        let (mut stream, _) = self.receiver.accept().await.unwrap();
        let received = read(&mut stream).await;
        let answer = format!("HTTP/1.1 {status} Whatever\r\ncontent-length: 0\r\n\r\n");
        stream.write_all(answer.as_bytes()).await.unwrap();
        received
    }

    /// The state of a callback that was sent, once it is `wanted`.
    async fn state(&self, id: i64, wanted: &str) -> Value {
        let ask = SimRequest::get(&format!("/api/v1/webhook_result/{id}")).key(KEY);
        loop {
            let state = self.server.respond(after(5), &ask).json();
            if state["webhook_status"] == wanted {
                return state;
            }
            tokio::task::yield_now().await;
        }
    }
}

async fn read(stream: &mut TcpStream) -> Received {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n")
            && let Ok(body) = serde_json::from_str(body)
        {
            let head = head.to_lowercase();
            return Received { head, body };
        }
        let mut some = [0; 4096];
        let count = stream.read(&mut some).await.unwrap();
        assert!(count > 0, "closed after {text:?}");
        bytes.extend_from_slice(&some[..count]);
    }
}

#[tokio::test]
async fn a_due_callback_is_posted_as_json() {
    let served = Served::new(|_| ()).await;
    let id = served.ask();
    let received = served.receive(204).await;
    let head = &received.head;
    assert!(head.starts_with("post /hook?lead=7 http/1.1\r\n"), "{head}");
    assert!(
        head.contains("\r\ncontent-type: application/json"),
        "{head}"
    );
    assert!(head.contains("\r\nhost: 127.0.0.1:"), "{head}");
    assert_eq!(received.body["total_requested_enrichments"], 1);
    let state = served.state(id, "success").await;
    assert_eq!(state["webhook_result"], received.body);
    assert_eq!(served.server.pending_callbacks(), 0);
    served.server.stop().await;
}

#[tokio::test]
async fn a_receiver_that_fails_is_tried_three_times() {
    let served = Served::new(|_| ()).await;
    let id = served.ask();
    let first = served.receive(503).await;
    assert_eq!(served.receive(404).await, first);
    assert_eq!(served.receive(302).await, first);
    let state = served.state(id, "failed").await;
    assert_eq!(state["failure_reason"], "the receiver answered 302");
    assert_eq!(state["webhook_result"], first.body);
}

#[tokio::test]
async fn a_receiver_that_hangs_up_at_first_gets_it_then() {
    let served = Served::new(|_| ()).await;
    let id = served.ask();
    let (mut stream, _) = served.receiver.accept().await.unwrap();
    read(&mut stream).await;
    drop(stream);
    let received = served.receive(200).await;
    let state = served.state(id, "success").await;
    assert_eq!(state["webhook_result"], received.body);
}

#[tokio::test]
async fn doubled_callbacks_are_posted_twice() {
    let served = Served::new(|options| options.apollo.callbacks_twice = true).await;
    served.ask();
    assert_eq!(served.receive(200).await, served.receive(200).await);
}

#[tokio::test]
async fn an_address_with_tls_is_out_of_reach_and_the_result_says_so() {
    let served = Served::new(|_| ()).await;
    let id = served.ask_with("https://hooks.heron.example/a");
    let state = served.state(id, "failed").await;
    let reason = state["failure_reason"].as_str().unwrap();
    assert!(reason.contains("http://"), "{reason}");
    assert_eq!(state["webhook_result"]["total_requested_enrichments"], 1);
}
