//! What times out, and what doesn't, against a socket that responds manually.

#![expect(
    clippy::disallowed_methods,
    reason = "what a test spawns ends with its runtime"
)]

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http_body::Frame;
use secrecy::ExposeSecret;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};

use super::*;

const KEY: &str = "key-0f1e2d";
const IDLE: Duration = Duration::from_millis(200);

/// A body whose only chunk never comes.
struct Never;

impl Body for Never {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }
}

fn credential(credentials: &Credentials) -> Result<(HeaderName, HeaderValue), ProviderError> {
    let value = http::secret_header(credentials.sent_secret().expose_secret())?;
    Ok((HeaderName::from_static("x-api-key"), value))
}

async fn listen() -> (TcpListener, Passthrough) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let way = Passthrough::new("apollo", &base, credential).unwrap();
    (listener, way.with_idle_timeout(IDLE))
}

async fn accept(listener: TcpListener) -> TcpStream {
    let (mut socket, _) = listener.accept().await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.unwrap());
    }
    socket
}

fn forward(way: &Passthrough, body: Option<Never>) -> Forward<Never> {
    Forward {
        method: Method::POST,
        target: way.target("a", []).unwrap(),
        headers: HeaderMap::new(),
        body,
    }
}

#[tokio::test]
async fn a_provider_that_never_answers_is_given_up() {
    let (listener, way) = listen().await;
    let (done, until_done) = oneshot::channel::<()>();
    let server = tokio::spawn(async move {
        let mut socket = accept(listener).await;
        until_done.await.unwrap();
        socket.read(&mut [0]).await
    });
    let sent = way
        .send(&Credentials::api_key(KEY), forward(&way, None))
        .await;
    assert_eq!(sent.err().unwrap().kind, ErrorKind::Timeout);
    done.send(()).unwrap();
    assert_eq!(
        server.await.unwrap().unwrap(),
        0,
        "and the connection is closed"
    );
}

#[tokio::test]
async fn an_answer_that_stops_is_given_up() {
    let (listener, way) = listen().await;
    let server = tokio::spawn(async move {
        let mut socket = accept(listener).await;
        let beginning = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nx";
        socket.write_all(beginning).await.unwrap();
        socket.read(&mut [0]).await
    });
    let sent = way
        .send(&Credentials::api_key(KEY), forward(&way, None))
        .await;
    let answer = sent.unwrap_or_else(|error| panic!("{error}"));
    let error = answer.body.read_up_to(1000).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Timeout);
    assert_eq!(
        server.await.unwrap().unwrap(),
        0,
        "and the connection is closed"
    );
}

/// One byte at a time, with delays just short enough.
struct Trickle {
    left: usize,
    delay: Pin<Box<tokio::time::Sleep>>,
}

impl Body for Trickle {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        ready!(self.delay.as_mut().poll(context));
        self.left -= 1;
        let next = tokio::time::Instant::now() + IDLE * 9 / 10;
        self.delay.as_mut().reset(next);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"x")))))
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_trickles_is_read_to_its_end() {
    let trickle = Trickle {
        left: 50,
        delay: Box::pin(tokio::time::sleep(IDLE * 9 / 10)),
    };
    let answer = Answer::new(reqwest::Body::wrap(trickle), Exchange::begin(IDLE));
    let whole = answer.read_up_to(1000).await.unwrap().unwrap();
    assert_eq!(whole.len(), 50);
}

#[tokio::test]
async fn an_upload_ends_with_the_answer() {
    let (listener, way) = listen().await;
    let server = tokio::spawn(async move {
        let mut socket = accept(listener).await;
        let answer = b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno";
        socket.write_all(answer).await.unwrap();
        let mut rest = Vec::new();
        socket.read_to_end(&mut rest).await
    });
    let sent = way
        .send(&Credentials::api_key(KEY), forward(&way, Some(Never)))
        .await;
    let answer = sent.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(answer.status, 413);
    assert_eq!(answer.body.read_up_to(10).await.unwrap().unwrap(), "no");
    // Either way it ends: nothing is left to wait for.
    let _ = server.await.unwrap();
}

#[tokio::test]
async fn a_body_beyond_the_bound_is_not_read() {
    let (listener, way) = listen().await;
    tokio::spawn(async move {
        let mut socket = accept(listener).await;
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\nhello world";
        socket.write_all(answer).await.unwrap();
    });
    let sent = way
        .send(&Credentials::api_key(KEY), forward(&way, None))
        .await;
    let answer = sent.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(answer.body.read_up_to(10).await.unwrap(), None);
}

#[test]
fn the_key_is_taken_out_of_every_text() {
    let echoed = serde_json::json!({"key-1": ["a key-1 b", {"x": "key-1"}], "n": 1});
    assert_eq!(
        without_secret(echoed, &Credentials::api_key("key-1")),
        serde_json::json!({"[redacted]": ["a [redacted] b", {"x": "[redacted]"}], "n": 1})
    );
}
