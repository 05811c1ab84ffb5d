//! Paths that try to leave the provider's address, or to smuggle in more than a path: they are
//! rejected with a reason, and no request is sent.

use macro_rules_attribute::apply;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::pass;
use crate::support::{App, CUSTOMER, MASTER_KEY, on_both_databases};

/// `EVIL` stands for the address of a listener that must not receive anything.
const ATTACKS: [&str; 34] = [
    "http://EVIL/x",
    "https://EVIL/x",
    "HTTP:EVIL/x",
    "http:/EVIL/x",
    "//EVIL/x",
    "///EVIL/x",
    "api//v1/users",
    r"\\EVIL/x",
    r"/\EVIL/x",
    r"api\..\x",
    "@EVIL/x",
    "user:password@EVIL/x",
    "%2e%2e/x",
    "%2E%2e/x",
    "api/%2e/x",
    "api/.%2e/x",
    "api/v1%2fusers",
    "%2F%2FEVIL/x",
    "api%5cx",
    "%5C%5CEVIL/x",
    "../x",
    "api/../x",
    "api/..",
    "./x",
    "api/./x",
    "api/..;/x",
    "api/%0d%0aX-Other:%201",
    "api/%0A",
    "api/%00",
    "api/%7f",
    "api/%",
    "api/%2",
    "api/%zz",
    "javascript:alert(1)",
];

/// Paths that no request line can carry.
const IN_TEXT_ONLY: [&str; 9] = [
    "api/x\r\nX-Other: 1",
    "api/x HTTP/1.1\r\nHost: EVIL\r\n\r\nGET /x",
    "api/\nx",
    "\tapi",
    "api/\0",
    "api/\u{85}x",
    "api#x",
    "#@EVIL/x",
    "api?a#b",
];

#[apply(on_both_databases)]
async fn no_path_of_an_envelope_leaves_the_provider(database: Database) {
    let (app, evil, address) = watched(database).await;
    for attack in ATTACKS.into_iter().chain(IN_TEXT_ONLY) {
        let path = attack.replace("EVIL", &address);
        let answer = pass(&app, "GET", &path).await;
        assert_eq!(
            answer.error(),
            (400, "VALIDATION_ERROR", "path"),
            "{path:?}"
        );
        let slashed = pass(&app, "POST", &format!("/{path}")).await;
        assert_eq!(
            slashed.error(),
            (400, "VALIDATION_ERROR", "path"),
            "/{path:?}"
        );
    }
    nothing_arrived(&app, &evil);
}

#[apply(on_both_databases)]
async fn no_path_of_the_proxy_leaves_the_provider(database: Database) {
    let (app, evil, address) = watched(database).await;
    for attack in ATTACKS {
        let path = attack.replace("EVIL", &address);
        for method in ["GET", "POST", "DELETE"] {
            let answer = raw(&app, method, &format!("/actions/v2/proxy/{path}")).await;
            assert!(
                answer.starts_with("HTTP/1.1 400 "),
                "{method} {path}: {answer}"
            );
            assert!(
                answer.contains(r#""pointer":"path""#),
                "{method} {path}: {answer}"
            );
        }
    }
    nothing_arrived(&app, &evil);
}

#[apply(on_both_databases)]
async fn a_target_that_is_an_address_leads_nowhere_else(database: Database) {
    let (app, evil, address) = watched(database).await;
    for target in [
        format!("http://{address}/x"),
        format!("http://{address}/"),
        "*".to_owned(),
        format!("http://{address}/actions/v2/proxy//{address}/x"),
        "/actions/v2/proxy/".to_owned(),
        "/actions/v2/proxy".to_owned(),
        "/actions/v2/../v2/proxy/../x".to_owned(),
    ] {
        let answer = raw(&app, "GET", &target).await;
        assert!(answer.starts_with("HTTP/1.1 40"), "{target}: {answer}");
    }
    let answer = raw(&app, "CONNECT", &address).await;
    assert!(answer.starts_with("HTTP/1.1 40"), "{answer}");
    nothing_arrived(&app, &evil);
}

#[apply(on_both_databases)]
async fn what_looks_odd_and_is_only_a_path_arrives_at_the_provider(database: Database) {
    let (app, evil, address) = watched(database).await;
    for (path, arrives) in [
        (
            format!("{address}.example/x"),
            format!("/{address}.example/x"),
        ),
        (format!("api/v1/{address}"), format!("/api/v1/{address}")),
        (
            format!("api/v1/a@{address}"),
            format!("/api/v1/a@{address}"),
        ),
        ("api/v1/ü x".to_owned(), "/api/v1/%C3%BC%20x".to_owned()),
        (
            "api/v1/a?url=http://x/../y".to_owned(),
            "/api/v1/a".to_owned(),
        ),
    ] {
        assert_eq!(pass(&app, "GET", &path).await.ok()["status"], 404, "{path}");
        let asked = app.apollo.ledger().requests();
        assert_eq!(asked.last().unwrap().path, arrives);
    }
    assert!(evil.try_accept().is_none());
}

/// A connected application whose Apollo has received no requests yet, and a listener that must not
/// receive any.
async fn watched(database: crate::support::Database) -> (App, Evil, String) {
    let app = App::with_contacts(database, 0).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.apollo.ledger().reset();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let listener = listener.into_std().unwrap();
    (app, Evil(listener), address)
}

struct Evil(std::net::TcpListener);

impl Evil {
    fn try_accept(&self) -> Option<std::net::SocketAddr> {
        Some(self.0.accept().ok()?.1)
    }
}

fn nothing_arrived(app: &App, evil: &Evil) {
    assert!(
        app.apollo.ledger().is_empty(),
        "{:?}",
        app.apollo.ledger().requests()
    );
    assert_eq!(evil.try_accept(), None);
}

/// Sends a target as it is, which an HTTP client would normalize first.
async fn raw(app: &App, method: &str, target: &str) -> String {
    let mut socket = TcpStream::connect(app.address()).await.unwrap();
    let key = &app.api_key;
    let request = format!(
        "{method} {target} HTTP/1.1\r\nhost: x\r\nx-api-key: {key}\r\nx-customer-id: {CUSTOMER}\r\n\
         x-provider-name: apollo\r\nconnection: close\r\n\r\n"
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}
