//! The client against a socket: what is sent, where the key goes, and what each answer is taken for.

#![expect(
    clippy::disallowed_methods,
    reason = "what a test spawns ends with its runtime"
)]
#![expect(
    clippy::unwrap_used,
    reason = "a test's helpers may panic as its tests do"
)]

use std::sync::{Arc, Mutex};

use serde_json::Value;
use syncline_model::{Object, Order, Records};
use syncline_providers::{
    Credentials, ErrorKind, Found, KeyCheck, ListRequest, Lookup, OAuthConfig, Page,
    ProviderConfig, ProviderError, Providers, apollo,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

const KEY: &str = "key-0f1e2d";

/// Answers one connection after the other, each with the next of the given answers, and keeps what
/// it was asked.
struct Server {
    base_url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn with(answers: Vec<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = requests.clone();
        tokio::spawn(async move {
            for answer in answers {
                let (mut socket, _) = listener.accept().await.unwrap();
                let request = read_request(&mut socket).await;
                seen.lock().unwrap().push(request);
                socket.write_all(&answer).await.unwrap();
            }
        });
        Self { base_url, requests }
    }

    async fn list(&self, object: Object, page: u32) -> Result<Page, ProviderError> {
        let order = Order::OldestFirst;
        self.list_in(
            object,
            ListRequest {
                page,
                token: None,
                since: None,
                order,
            },
        )
        .await
    }

    async fn list_in(
        &self,
        object: Object,
        request: ListRequest<'_>,
    ) -> Result<Page, ProviderError> {
        providers(&self.base_url)
            .get(apollo::NAME)
            .unwrap()
            .list(&Credentials::api_key(KEY), object, request)
            .await
    }

    async fn get(&self, object: Object, id: &str) -> Result<Lookup, ProviderError> {
        providers(&self.base_url)
            .get(apollo::NAME)
            .unwrap()
            .get(&Credentials::api_key(KEY), object, id)
            .await
    }

    async fn check(&self) -> KeyCheck {
        check(&self.base_url).await
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn providers(base_url: &str) -> Providers {
    Providers::built_in(|_| ProviderConfig {
        base_url: base_url.to_owned(),
        transport: None,
        oauth: OAuthConfig::default(),
    })
    .unwrap()
}

async fn check(base_url: &str) -> KeyCheck {
    providers(base_url)
        .get(apollo::NAME)
        .unwrap()
        .check(&Credentials::api_key(KEY))
        .await
}

async fn read_request(socket: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let read = socket.read_buf(&mut bytes).await.unwrap();
        let text = String::from_utf8_lossy(&bytes).to_lowercase();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            assert_ne!(read, 0, "the request is cut off: {text}");
            continue;
        };
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |length| length.parse().unwrap());
        if body.len() >= length {
            return String::from_utf8(bytes).unwrap();
        }
    }
}

fn answer(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n{body}"
    )
    .into_bytes()
}

fn json(body: &str) -> Vec<u8> {
    answer("200 OK", "content-type: application/json\r\n", body)
}

#[tokio::test]
async fn a_search_asks_for_the_oldest_first_and_sends_the_key_in_a_header_only() {
    for (object, path, array, sort) in [
        (
            Object::Contact,
            "contacts/search",
            "contacts",
            Some("contact_created_at"),
        ),
        (
            Object::SequenceState,
            "contacts/search",
            "contacts",
            Some("contact_created_at"),
        ),
        (
            Object::Account,
            "accounts/search",
            "accounts",
            Some("account_created_at"),
        ),
        (
            Object::Sequence,
            "emailer_campaigns/search",
            "emailer_campaigns",
            None,
        ),
    ] {
        let server = Server::with(vec![json(&format!(r#"{{"{array}":[]}}"#))]).await;
        server.list(object, 3).await.unwrap();
        let request = &server.requests()[0];
        assert!(
            request.starts_with(&format!("POST /api/v1/{path} HTTP/1.1\r\n")),
            "{request}"
        );
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("x-api-key: {KEY}")), "{head}");
        assert!(head.contains("user-agent: syncline/"), "{head}");
        assert!(head.contains("accept-encoding: gzip"), "{head}");
        assert_eq!(request.matches(KEY).count(), 1);
        let body: Value = serde_json::from_str(body).unwrap();
        assert_eq!((&body["page"], &body["per_page"]), (&3.into(), &100.into()));
        assert_eq!(body["sort_by_field"].as_str(), sort);
        assert_eq!(body["sort_ascending"].as_bool(), sort.map(|_| true));
    }
}

#[tokio::test]
async fn the_most_recently_updated_come_first_where_there_is_that_order() {
    for (object, array, sort) in [
        (Object::Contact, "contacts", Some("contact_updated_at")),
        (Object::Account, "accounts", Some("account_updated_at")),
        (Object::Sequence, "emailer_campaigns", None),
    ] {
        let server = Server::with(vec![json(&format!(r#"{{"{array}":[]}}"#))]).await;
        let order = Order::RecentFirst;
        let page = server
            .list_in(
                object,
                ListRequest {
                    page: 1,
                    token: None,
                    since: None,
                    order,
                },
            )
            .await
            .unwrap();
        assert!(!page.has_order, "{object}");
        let requests = server.requests();
        let (_, body) = requests[0].split_once("\r\n\r\n").unwrap();
        let body: Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["sort_by_field"].as_str(), sort, "{object}");
        assert_eq!(body["sort_ascending"].as_bool(), sort.map(|_| false));
    }
}

#[tokio::test]
async fn users_and_mailboxes_are_asked_for_by_get() {
    for (object, line, array) in [
        (
            Object::User,
            "GET /api/v1/users/search?page=2&per_page=100 ",
            "users",
        ),
        (
            Object::Mailbox,
            "GET /api/v1/email_accounts ",
            "email_accounts",
        ),
    ] {
        let server = Server::with(vec![json(&format!(r#"{{"{array}":[]}}"#))]).await;
        server.list(object, 2).await.unwrap();
        let request = &server.requests()[0];
        assert!(request.starts_with(line), "{request}");
        assert_eq!(request.matches(KEY).count(), 1);
    }
}

#[tokio::test]
async fn a_page_with_nuls_and_lone_surrogates_is_read() {
    let body = r#"{"users":[{"id":"1","first_name":"A\u0000b\ud800","note":"\\u0000"}]}"#;
    let server = Server::with(vec![json(body)]).await;
    let page = server.list(Object::User, 1).await.unwrap();
    let Records::Users(users) = &page.records else {
        panic!("no users")
    };
    assert_eq!(users[0].fields.first_name.as_deref(), Some("Ab\u{FFFD}"));
    assert!(users[0].raw.get().contains(r#""note":"\\u0000""#));
}

#[tokio::test]
async fn a_success_that_is_no_page_is_garbage_and_temporary() {
    let html = answer(
        "200 OK",
        "content-type: text/html\r\n",
        "<html>maintenance</html>",
    );
    for body in [html, json("{}"), json(r#"{"users":[{"id"#)] {
        let server = Server::with(vec![body]).await;
        let error = server.list(Object::User, 1).await.unwrap_err();
        assert_eq!(
            (error.kind, error.status),
            (ErrorKind::InvalidResponse, Some(200))
        );
        assert!(error.is_temporary());
    }
}

#[tokio::test]
async fn a_connection_that_breaks_off_is_a_connection_error() {
    let cut_off = b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"users\":[".to_vec();
    let server = Server::with(vec![cut_off]).await;
    let error = server.list(Object::User, 1).await.unwrap_err();
    assert_eq!((error.kind, error.status), (ErrorKind::Connection, None));
    assert!(!error.message.contains(KEY));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Server::with(vec![json(r#"{"users":[]}"#)]).await;
    let location = format!("location: {}/steal\r\n", elsewhere.base_url);
    let server = Server::with(vec![answer("302 Found", &location, "")]).await;
    let error = server.list(Object::User, 1).await.unwrap_err();
    assert_eq!((error.kind, error.status), (ErrorKind::Rejected, Some(302)));
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test]
async fn a_key_that_apollo_echoes_is_not_repeated() {
    let body = format!(r#"{{"error":"no such key: {KEY}"}}"#);
    let server = Server::with(vec![answer("422 Unprocessable Entity", "", &body)]).await;
    let error = server.list(Object::User, 1).await.unwrap_err();
    assert_eq!(error.message, "no such key: [redacted]");
    assert!(!format!("{error:?}").contains(KEY));
}

#[tokio::test]
async fn a_key_that_no_header_can_carry_is_rejected_without_a_request() {
    let server = Server::with(vec![]).await;
    let verdict = providers(&server.base_url)
        .get(apollo::NAME)
        .unwrap()
        .check(&Credentials::api_key("line\nbreak"))
        .await;
    assert!(matches!(verdict, KeyCheck::Rejected { .. }));
}

fn valid(account: Option<&str>) -> KeyCheck {
    KeyCheck::Valid {
        account: account.map(str::to_owned),
    }
}

fn scoped() -> Vec<u8> {
    answer("403 Forbidden", "", r#"{"error":"not accessible"}"#)
}

#[tokio::test]
async fn the_health_answer_settles_a_key_where_it_is_clear() {
    let healthy = json(r#"{"healthy":true,"is_logged_in":true}"#);
    for accepting in [healthy, scoped()] {
        let profile = json(r#"{"id":"1","team_id":"t-1"}"#);
        let server = Server::with(vec![accepting, profile]).await;
        assert_eq!(server.check().await, valid(Some("t-1")));
    }
    let logged_out = json(r#"{"healthy":true,"is_logged_in":false}"#);
    let plain = "Invalid API key. See https://docs.apollo.io/reference/authentication";
    let unknown = answer("401 Unauthorized", "content-type: text/plain\r\n", plain);
    for rejecting in [logged_out, unknown] {
        let server = Server::with(vec![rejecting]).await;
        let verdict = server.check().await;
        assert!(matches!(verdict, KeyCheck::Rejected { .. }), "{verdict:?}");
        assert!(server.requests()[0].starts_with("GET /api/v1/auth/health "));
    }
}

#[tokio::test]
async fn a_valid_key_stays_valid_whatever_keeps_its_team_away() {
    for profile in [
        scoped(),
        json(r#"{"id":"1"}"#),
        json("<html>"),
        answer("401 Unauthorized", "", "Invalid access credentials."),
        answer("429 Too Many Requests", "", "{}"),
        answer("500 Internal Server Error", "", ""),
    ] {
        let healthy = json(r#"{"healthy":true,"is_logged_in":true}"#);
        let server = Server::with(vec![healthy, profile]).await;
        assert_eq!(server.check().await, valid(None));
        assert!(server.requests()[1].starts_with("GET /api/v1/users/api_profile "));
    }
}

#[tokio::test]
async fn the_profile_settles_a_key_where_the_health_answer_does_not() {
    for (profile, expected) in [
        (json(r#"{"id":"1"}"#), Some(valid(None))),
        (json(r#"{"team_id":"t-1"}"#), Some(valid(Some("t-1")))),
        (scoped(), Some(valid(None))),
        (
            answer("401 Unauthorized", "", "Invalid access credentials."),
            Some(KeyCheck::Rejected {
                reason: "Invalid access credentials.".to_owned(),
            }),
        ),
        (answer("429 Too Many Requests", "", "{}"), None),
        (answer("503 Service Unavailable", "", ""), None),
        (answer("404 Not Found", "", ""), None),
    ] {
        let server = Server::with(vec![json(r#"{"healthy":true}"#), profile]).await;
        let verdict = server.check().await;
        match expected {
            Some(expected) => assert_eq!(verdict, expected),
            None => assert!(matches!(verdict, KeyCheck::Unclear { .. }), "{verdict:?}"),
        }
        assert!(server.requests()[1].starts_with("GET /api/v1/users/api_profile "));
    }
}

#[tokio::test]
async fn the_account_is_the_team_where_the_key_may_see_it() {
    for (profile, expected) in [
        (json(r#"{"team_id":"t-1"}"#), Ok(Some("t-1".to_owned()))),
        (json(r#"{"team_id":""}"#), Ok(None)),
        (json("{}"), Ok(None)),
        (scoped(), Ok(None)),
        (json("[]"), Err(ErrorKind::InvalidResponse)),
        (json(r#"{"team_id":{}}"#), Err(ErrorKind::InvalidResponse)),
        (
            answer("401 Unauthorized", "", ""),
            Err(ErrorKind::Unauthorized),
        ),
        (
            answer("503 Service Unavailable", "", ""),
            Err(ErrorKind::Unavailable),
        ),
    ] {
        let server = Server::with(vec![profile]).await;
        let told = providers(&server.base_url)
            .get(apollo::NAME)
            .unwrap()
            .account(&Credentials::api_key(KEY))
            .await;
        assert_eq!(told.map_err(|error| error.kind), expected);
    }
}

#[tokio::test]
async fn a_record_is_asked_for_at_its_own_path_and_nowhere_else() {
    for (object, id, line) in [
        (Object::Contact, "6a0a", "GET /api/v1/contacts/6a0a HTTP"),
        (Object::Account, "6a0a", "GET /api/v1/accounts/6a0a HTTP"),
        (
            Object::Contact,
            "../users/search?page=1#%2e",
            "GET /api/v1/contacts/..%2Fusers%2Fsearch%3Fpage%3D1%23%252e HTTP",
        ),
    ] {
        let gone = r#"{"error":"Record not found."}"#;
        let server = Server::with(vec![answer("404 Not Found", "", gone)]).await;
        let found = server.get(object, id).await.unwrap().found;
        assert!(matches!(found, Found::Gone { .. }), "{found:?}");
        let request = &server.requests()[0];
        assert!(request.starts_with(line), "{request}");
    }
    let server = Server::with(vec![]).await;
    for (object, id) in [
        (Object::Contact, ".."),
        (Object::Account, ""),
        (Object::User, "6a0a"),
        (Object::SequenceState, "6a0a"),
    ] {
        let error = server.get(object, id).await.unwrap_err();
        assert_eq!((error.kind, error.status), (ErrorKind::Rejected, None));
    }
}

#[tokio::test]
async fn a_provider_that_cannot_be_reached_leaves_the_key_unclear() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    assert!(matches!(check(&base_url).await, KeyCheck::Unclear { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_never_answers_leaves_the_key_unclear_within_five_seconds() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    let asked = tokio::time::Instant::now();
    assert!(matches!(check(&base_url).await, KeyCheck::Unclear { .. }));
    assert!(
        asked.elapsed().as_millis() <= 5_001,
        "{:?}",
        asked.elapsed()
    );
}
