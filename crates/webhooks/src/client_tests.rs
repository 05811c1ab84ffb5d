#![expect(
    clippy::disallowed_methods,
    reason = "what a test spawns ends with its runtime"
)]

use std::{
    net::{IpAddr, SocketAddr},
    sync::atomic::{AtomicUsize, Ordering},
};

use syncline_outgoing::SystemLookup;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;

/// Returns the same addresses for every name, and counts the lookups.
struct Fixed {
    addresses: Vec<IpAddr>,
    asked: Arc<AtomicUsize>,
}

impl Lookup for Fixed {
    fn lookup(&self, _: String) -> impl Future<Output = std::io::Result<Vec<SocketAddr>>> + Send {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let addresses = self.addresses.clone();
        let addresses = addresses.into_iter().map(|ip| SocketAddr::new(ip, 0));
        std::future::ready(Ok(addresses.collect()))
    }
}

fn fixed(addresses: &[&str]) -> (Fixed, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::default());
    let lookup = Fixed {
        addresses: addresses.iter().map(|it| it.parse().unwrap()).collect(),
        asked: asked.clone(),
    };
    (lookup, asked)
}

fn targets(lookup: impl Lookup, allow_private: bool) -> Targets {
    // Another test may have installed it already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Targets::new(lookup, Duration::from_secs(15), allow_private).unwrap()
}

/// Counts connections, and answers each with the same bytes.
async fn receiver(answer: &'static [u8]) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let connections = Arc::new(AtomicUsize::default());
    let count = connections.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::Relaxed);
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer).await;
        }
    });
    (port, connections)
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

async fn post(targets: &Targets, url: String) -> Result<Answer, String> {
    let url = url.parse().unwrap();
    targets.post(url, HeaderMap::new(), "{}".to_owned()).await
}

#[tokio::test]
async fn a_name_that_leads_inside_is_refused_and_nothing_is_connected() {
    let (port, connections) = receiver(OK).await;
    for inside in [
        "127.0.0.1",
        "::1",
        "::ffff:127.0.0.1",
        "10.0.0.1",
        "169.254.169.254",
    ] {
        let (lookup, _) = fixed(&[inside]);
        let refused = post(
            &targets(lookup, false),
            format!("http://hooks.example:{port}/"),
        )
        .await
        .unwrap_err();
        assert!(
            refused.contains("no address on the public internet"),
            "{refused}"
        );
    }
    assert_eq!(connections.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn each_attempt_looks_the_host_up_and_connects_anew() {
    let (port, connections) = receiver(OK).await;
    let (lookup, asked) = fixed(&["127.0.0.1"]);
    let targets = targets(lookup, true);
    for attempt in 1..=3 {
        let answer = post(&targets, format!("http://hooks.example:{port}/")).await;
        assert_eq!(answer.unwrap().body, "ok");
        assert_eq!(asked.load(Ordering::Relaxed), attempt);
        assert_eq!(connections.load(Ordering::Relaxed), attempt);
    }
}

#[tokio::test]
async fn a_private_address_in_the_url_is_refused_without_a_lookup() {
    let (port, connections) = receiver(OK).await;
    let (lookup, asked) = fixed(&["1.1.1.1"]);
    let targets = targets(lookup, false);
    for host in ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "0"] {
        let refused = post(&targets, format!("http://{host}:{port}/")).await;
        assert!(refused.unwrap_err().contains("public internet"), "{host}");
    }
    assert_eq!(asked.load(Ordering::Relaxed), 0);
    assert_eq!(connections.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_followed() {
    let (inside, connections) = receiver(OK).await;
    let redirect = format!(
        "HTTP/1.1 307 x\r\nlocation: http://127.0.0.1:{inside}/\r\ncontent-length: 0\r\n\r\n"
    );
    let (port, _) = receiver(redirect.leak().as_bytes()).await;
    let targets = targets(SystemLookup, true);
    let answer = post(&targets, format!("http://127.0.0.1:{port}/")).await;
    assert_eq!(answer.unwrap().status, 307);
    assert_eq!(connections.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn only_the_beginning_of_an_endless_body_is_read_and_nul_taken_out() {
    let mut endless = b"HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n\0".to_vec();
    endless.extend([b'x'; 3000]);
    let (port, _) = receiver(endless.leak()).await;
    let targets = targets(SystemLookup, true);
    let answer = post(&targets, format!("http://127.0.0.1:{port}/"))
        .await
        .unwrap();
    assert_eq!(answer.body, "x".repeat(BODY_BYTES_READ - 1));
}

#[tokio::test]
async fn an_error_never_shows_the_url() {
    let targets = targets(SystemLookup, true);
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = closed.local_addr().unwrap().port();
    drop(closed);
    let url = format!("http://127.0.0.1:{port}/secret-path?token=secret-token");
    let error = post(&targets, url).await.unwrap_err();
    assert!(!error.contains("secret"), "{error}");
}

#[test]
fn retry_after_is_seconds_or_a_time_by_the_endpoints_clock() {
    let asked = |pairs: &[(&'static str, &'static str)]| {
        let headers = pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)));
        retry_after(&headers.collect())
    };
    assert_eq!(asked(&[("retry-after", "7")]), Some(Duration::from_secs(7)));
    let (at, date) = (
        "Sun, 01 Mar 2026 08:01:00 GMT",
        "Sun, 01 Mar 2026 08:00:00 GMT",
    );
    assert_eq!(
        asked(&[("retry-after", at), ("date", date)]),
        Some(Duration::from_mins(1))
    );
    assert_eq!(asked(&[("retry-after", at)]), None);
    assert_eq!(asked(&[("retry-after", "soon")]), None);
    assert_eq!(asked(&[]), None);
}
