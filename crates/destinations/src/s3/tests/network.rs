//! Where requests go, and what is said when they fail.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use syncline_outgoing::Lookup;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::support::{Lake, config, install_tls};
use crate::s3::{Bucket, S3Config, S3Error};

/// Returns the same address for every name.
struct Fixed(&'static str);

impl Lookup for Fixed {
    async fn lookup(&self, _: String) -> std::io::Result<Vec<SocketAddr>> {
        let address: IpAddr = self.0.parse().unwrap();
        Ok(vec![SocketAddr::new(address, 0)])
    }
}

/// Counts requests, and answers each with the same bytes.
async fn server(answer: String) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::default());
    let count = asked.clone();
    #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::Relaxed);
            let mut request = vec![0; 65536];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    (endpoint, asked)
}

fn at_endpoint(endpoint: &str) -> S3Config {
    S3Config {
        endpoint: Some(endpoint.to_owned()),
        ..config()
    }
}

async fn tested(config: &S3Config, lookup: impl Lookup, allow_private: bool) -> S3Error {
    install_tls();
    let bucket = Bucket::connect_by(lookup, config, allow_private).unwrap();
    let error = bucket.test("1").await.expect_err(&config.bucket);
    let said = error.to_string();
    assert!(
        !said.contains("syncline-test-secret") && !said.contains('\n'),
        "{said}"
    );
    error
}

#[tokio::test]
async fn a_destination_that_works_passes_its_test_and_nothing_stays() {
    let lake = Lake::new();
    lake.bucket.test("1").await.unwrap();
    assert_eq!(lake.paths().await, Vec::<String>::new());
}

#[tokio::test]
async fn what_is_wrong_at_the_server_is_told() {
    let lookup = || Fixed("127.0.0.1");
    let wrong = S3Config {
        secret_access_key: "wrong".to_owned().into(),
        ..config()
    };
    let error = tested(&wrong, lookup(), true).await;
    assert!(matches!(error, S3Error::WrongSecret), "{error:?}");
    let wrong = S3Config {
        access_key_id: "nobody".to_owned(),
        ..config()
    };
    let error = tested(&wrong, lookup(), true).await;
    assert!(matches!(error, S3Error::UnknownKey), "{error:?}");
    let wrong = S3Config {
        bucket: "no-such-bucket".to_owned(),
        ..config()
    };
    let error = tested(&wrong, lookup(), true).await;
    assert!(matches!(error, S3Error::NoBucket), "{error:?}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = tested(&at_endpoint(&endpoint), Fixed("127.0.0.1"), true).await;
    assert!(
        matches!(&error, S3Error::Unreachable(why) if why.contains("refused")),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_name_that_leads_inside_is_refused_and_nothing_is_connected() {
    for inside in ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1"] {
        let config = at_endpoint("https://s3.example");
        let error = tested(&config, Fixed(inside), false).await;
        assert!(
            matches!(&error, S3Error::PrivateAddress(it) if it == "s3.example"),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn what_is_not_encrypted_never_leaves_the_private_network() {
    let config = at_endpoint("http://s3.example");
    let error = tested(&config, Fixed("8.8.8.8"), true).await;
    assert!(error.to_string().contains("needs https://"), "{error}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (inside, connected) = server(String::new()).await;
    let redirect = format!("HTTP/1.1 307 x\r\nlocation: {inside}/\r\ncontent-length: 0\r\n\r\n");
    let (endpoint, asked) = server(redirect).await;
    let error = tested(&at_endpoint(&endpoint), Fixed("127.0.0.1"), true).await;
    assert!(matches!(error, S3Error::WrongRegion { .. }), "{error:?}");
    assert!(asked.load(Ordering::Relaxed) > 0);
    assert_eq!(connected.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn an_answer_without_end_is_given_up() {
    let endless = "HTTP/1.1 403 x\r\ncontent-length: 1000000000000\r\n\r\n".to_owned();
    let (endpoint, _) = server(endless + &"x".repeat(100_000)).await;
    let error = tested(&at_endpoint(&endpoint), Fixed("127.0.0.1"), true).await;
    assert!(error.to_string().contains("limit"), "{error}");
}

#[tokio::test]
async fn a_server_without_conditional_writes_is_refused() {
    let takes_all =
        "HTTP/1.1 200 OK\r\netag: \"1\"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let (endpoint, _) = server(takes_all.to_owned()).await;
    let error = tested(&at_endpoint(&endpoint), Fixed("127.0.0.1"), true).await;
    assert!(matches!(error, S3Error::NoConditionalWrites), "{error:?}");
}

#[test]
fn a_destination_that_can_not_be_right_is_refused_before_anything_is_sent() {
    let config = at_endpoint("http://169.254.169.254");
    let refused = Bucket::connect(&config, false).unwrap_err().to_string();
    assert!(
        refused.starts_with("endpoint names 169.254.169.254"),
        "{refused}"
    );
}

#[test]
fn printing_a_bucket_shows_no_secret() {
    install_tls();
    let bucket = Bucket::connect(&config(), true).unwrap();
    assert!(!format!("{bucket:?}").contains("syncline-test-secret"));
}
