//! What is sent, what is received, and when a request times out.

#![expect(
    clippy::disallowed_methods,
    reason = "what a test spawns ends with its runtime"
)]

use std::time::Instant;

use serde_json::json;
use syncline_sim::{Action, Fault, Match, Options, Simulator, WireFault};
use tokio::net::TcpListener;

use super::*;

const API_KEY_HEADER: &str = "x-api-key";

fn by_key(credentials: &Credentials) -> Result<(HeaderName, HeaderValue), ProviderError> {
    let value = secret_header(credentials.sent_secret().expose_secret())?;
    Ok((HeaderName::from_static(API_KEY_HEADER), value))
}

fn http(base: &str) -> Http {
    Http::new("apollo", base, by_key, None).unwrap()
}

fn request(path: &str) -> Request<'_> {
    Request {
        method: Method::GET,
        path,
        query: Vec::new(),
        body: None,
    }
}

fn answer(headers: &[(&'static str, &'static str)]) -> Response {
    let header = |(name, value): &(&'static str, &'static str)| {
        (
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )
    };
    Response {
        status: 429,
        headers: headers.iter().map(header).collect(),
        body: Bytes::new(),
    }
}

#[test]
fn a_base_url_that_is_no_plain_http_address_is_refused_with_a_reason() {
    for (base, word) in [
        ("api.apollo.io", "http://"),
        ("ftp://api.apollo.io", "http://"),
        ("https://user:pass@api.apollo.io", "credentials"),
        ("https://api.apollo.io?api_key=1", "query"),
    ] {
        let error = Http::new("apollo", base, by_key, None)
            .unwrap_err()
            .to_string();
        assert!(error.contains(word), "{base}: {error}");
        assert!(!error.contains("pass@"), "{error}");
    }
}

#[test]
fn no_path_can_lead_to_another_host() {
    let http = http("https://api.apollo.io/base/");
    for path in [
        "//evil.test/x",
        "https://evil.test",
        "../../x",
        "@evil.test",
    ] {
        assert_eq!(http.url(path).host_str(), Some("api.apollo.io"), "{path}");
    }
    assert_eq!(
        http.url("api/v1/users").as_str(),
        "https://api.apollo.io/base/api/v1/users"
    );
}

#[test]
fn whatever_an_id_looks_like_it_stays_one_segment_of_the_path() {
    let http = http("https://api.apollo.io");
    for id in [
        "6a0af22c859e90001829c2dd",
        "a/b",
        "../search",
        "..\\search",
        "%2e%2e",
        "%2E%2E%2Fsearch",
        "...",
        "?page=1",
        "#",
        ";",
        ".\t.",
        "a\nb",
        " ",
        "id?",
        "ü/√",
    ] {
        let url = http.url(&format!("api/v1/contacts/{}", segment(id).unwrap()));
        let segments: Vec<&str> = url.path_segments().unwrap().collect();
        assert_eq!(segments[..3], ["api", "v1", "contacts"], "{id}");
        assert_eq!(segments.len(), 4, "{id}: {url}");
        assert_eq!(decoded(segments[3]), id, "{url}");
        assert_eq!((url.query(), url.fragment()), (None, None), "{id}");
    }
    for id in ["", ".", ".."] {
        assert_eq!(segment(id), None, "{id}");
    }
}

fn decoded(segment: &str) -> String {
    let mut bytes = segment.bytes();
    let mut text = Vec::new();
    while let Some(byte) = bytes.next() {
        text.push(match byte {
            b'%' => {
                let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            byte => byte,
        });
    }
    String::from_utf8(text).unwrap()
}

#[test]
fn a_body_goes_out_as_json_and_a_query_is_encoded() {
    let (http, key) = (http("https://api.apollo.io"), Credentials::api_key("k"));
    let get = http.outgoing(&request("a"), &key).unwrap();
    assert_eq!((get.method, get.body), (Method::GET, None));
    assert_eq!(get.url.as_str(), "https://api.apollo.io/a");
    assert!(!get.headers.contains_key(CONTENT_TYPE));
    let post = Request {
        method: Method::POST,
        query: vec![("q", "a b&c".to_owned())],
        body: Some(json!({"page": 1})),
        ..request("a")
    };
    let post = http.outgoing(&post, &key).unwrap();
    assert_eq!(post.method, Method::POST);
    assert_eq!(post.body.as_deref(), Some(&br#"{"page":1}"#[..]));
    assert_eq!(post.url.query(), Some("q=a+b%26c"));
    assert_eq!(post.headers[CONTENT_TYPE], "application/json");
}

#[test]
fn json_api_is_named_in_every_request_and_asked_for() {
    const JSON_API: &str = "application/vnd.api+json";
    let (http, key) = (http("https://api.outreach.io"), Credentials::api_key("k"));
    let http = http.speaking(MediaType::JsonApi);
    for body in [None, Some(json!({"data": null}))] {
        let ask = Request {
            body,
            ..request("a")
        };
        let headers = http.outgoing(&ask, &key).unwrap().headers;
        assert_eq!(headers[CONTENT_TYPE], JSON_API);
        assert_eq!(headers[ACCEPT], JSON_API);
    }
}

#[test]
fn printing_a_request_shows_no_key() {
    let key = Credentials::api_key("key-0f1e2d");
    let http = http("https://api.apollo.io");
    let mut outgoing = http.outgoing(&request("a"), &key).unwrap();
    assert_eq!(outgoing.headers[API_KEY_HEADER], "key-0f1e2d");
    // Not even one that was created without marking the header as sensitive.
    let bare = HeaderValue::from_static("key-0f1e2d");
    for _ in 0..2 {
        let shown = format!("{outgoing:?} {http:?}");
        assert!(!shown.contains("0f1e2d"), "{shown}");
        outgoing.headers.insert(API_KEY_HEADER, bare.clone());
    }
}

#[test]
fn an_answer_tells_the_providers_time() {
    let date = ("date", "Wed, 21 Oct 2026 07:28:00 GMT");
    let told = answer(&[date]).date().unwrap();
    assert_eq!(
        syncline_model::time::format(told),
        "2026-10-21T07:28:00.000Z"
    );
    assert_eq!(answer(&[]).date(), None);
    assert_eq!(answer(&[("date", "today")]).date(), None);
}

#[test]
fn retry_after_is_a_number_of_seconds_or_a_time_of_the_providers_clock() {
    let date = ("date", "Wed, 21 Oct 2026 07:28:00 GMT");
    let wait = |headers: &[(&'static str, &'static str)]| {
        let wait = answer(headers).retry_after();
        wait.map(|wait| wait.as_secs())
    };
    let until = |time| ("retry-after", time);
    assert_eq!(wait(&[until("15733")]), Some(15_733));
    assert_eq!(
        wait(&[until("Wed, 21 Oct 2026 07:30:05 GMT"), date]),
        Some(125)
    );
    // The time has passed already.
    assert_eq!(
        wait(&[until("Wed, 21 Oct 2026 07:00:00 GMT"), date]),
        Some(0)
    );
    assert_eq!(wait(&[until("Wed, 21 Oct 2026 07:30:05 GMT")]), None);
    for nonsense in ["soon", "", "-5", "1.5"] {
        assert_eq!(wait(&[until(nonsense), date]), None, "{nonsense}");
    }
}

/// Requests a simulator's users, with a fault on that request, and a short timeout.
async fn ask_impatiently(fault: WireFault) -> Result<Response, ProviderError> {
    let sim = Simulator::new(Options::default());
    let fault = Fault::new(Match::path("users/search"), Action::Wire(fault));
    sim.faults().push(fault);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(syncline_sim::serve(listener, sim, std::future::pending()));
    let network = Network::new(Duration::from_millis(300));
    let http = Http::new("apollo", &base, by_key, Some(Arc::new(network))).unwrap();
    let key = Credentials::api_key("sim-master-key");
    http.send(&request("api/v1/users/search"), &key).await
}

#[tokio::test]
async fn an_answer_that_trickles_hangs_or_comes_late_is_given_up_as_a_timeout() {
    let trickle = WireFault::SlowBody {
        chunk: 1,
        delay: Duration::from_millis(20),
    };
    for fault in [
        trickle,
        WireFault::Hang,
        WireFault::Delay(Duration::from_secs(20)),
    ] {
        let asked = Instant::now();
        let error = ask_impatiently(fault).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Timeout, "{fault:?}: {error}");
        assert!(error.is_temporary());
        assert!(asked.elapsed() < Duration::from_secs(5), "{fault:?}");
    }
}
