//! The proxy passes requests and responses through unchanged.

use macro_rules_attribute::apply;
use reqwest::{Method, header};
use serde_json::{Value, json};

use super::proxied;
use crate::{
    http::refused,
    support::{App, CUSTOMER, MASTER_KEY, Upstream, on_both_databases},
};

#[apply(on_both_databases)]
async fn method_path_query_headers_and_body_go_through_as_they_are(database: Database) {
    let upstream = Upstream::start().await;
    let app = App::at(database, &upstream.base).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "REPORT"] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let path = "test/echo/a%20b/c@d?q=%2F+x&q=..%2e&empty=";
        let request = proxied(&app, method.clone(), path)
            .header("accept", "text/csv")
            .header("accept-encoding", "br")
            .header("user-agent", "somebody/1")
            .header("content-type", "application/x-odd")
            .body("as it is\0");
        let answer = App::answer(request).await.ok();
        assert_eq!(answer["method"], method.as_str());
        assert_eq!(answer["target"], format!("/{path}"));
        assert_eq!(answer["body"], "as it is\0");
        let headers = &answer["headers"];
        for (name, value) in [
            ("accept", "text/csv"),
            ("accept-encoding", "br"),
            ("user-agent", "somebody/1"),
            ("content-type", "application/x-odd"),
            ("content-length", "9"),
        ] {
            assert_eq!(headers[name], value, "{method} {name}");
        }
        assert_eq!(headers["host"], upstream.base.trim_start_matches("http://"));
        assert_eq!(headers["referer"], Value::Null);
    }
}

#[apply(on_both_databases)]
async fn a_request_without_a_body_stays_without_one(database: Database) {
    let upstream = Upstream::start().await;
    let app = App::at(database, &upstream.base).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    let answer = App::answer(proxied(&app, Method::GET, "test/echo/x"))
        .await
        .ok();
    assert_eq!(answer["headers"]["content-length"], Value::Null);
    assert_eq!(answer["headers"]["transfer-encoding"], Value::Null);
    let head = proxied(&app, Method::HEAD, "test/echo/x")
        .send()
        .await
        .unwrap();
    assert_eq!(head.status(), 200);
    assert!(
        head.headers()["content-type"]
            .to_str()
            .unwrap()
            .contains("json")
    );
    assert!(head.bytes().await.unwrap().is_empty());
    assert_eq!(upstream.seen(), ["GET /test/echo/x", "HEAD /test/echo/x"]);
}

#[apply(on_both_databases)]
async fn a_status_of_the_providers_is_its_own_and_a_redirect_is_not_followed(database: Database) {
    let upstream = Upstream::start().await;
    let app = App::at(database, &upstream.base).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .unwrap();
    for status in [204, 302, 307, 400, 404, 405, 413, 418, 500, 503] {
        let request = proxied(&app, Method::GET, &format!("test/status/{status}"));
        let answer = client.execute(request.build().unwrap()).await.unwrap();
        assert_eq!(answer.status(), status);
        let location = answer.headers().get(header::LOCATION).cloned();
        let expected = (300..400)
            .contains(&status)
            .then_some("http://elsewhere.example/");
        assert_eq!(location.as_ref().map(|it| it.to_str().unwrap()), expected);
        assert_eq!(
            answer.text().await.unwrap(),
            "",
            "{status}: no error shape of ours"
        );
    }
    assert_eq!(upstream.seen().len(), 10);
}

#[apply(on_both_databases)]
async fn headers_of_one_connection_are_gone_both_ways(database: Database) {
    let upstream = Upstream::start().await;
    let app = App::at(database, &upstream.base).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    let answer = proxied(&app, Method::POST, "test/echo/x")
        .header("connection", "keep-alive, x-private")
        .header("x-private", "1")
        .header("keep-alive", "timeout=9")
        .header("te", "trailers")
        .header("upgrade", "h2c")
        .header("proxy-authorization", "Basic c2VjcmV0")
        .header("proxy-connection", "keep-alive")
        .header("x-twice", "1")
        .header("x-twice", "2")
        .body("x")
        .send()
        .await
        .unwrap();
    for name in ["keep-alive", "proxy-authenticate", "x-hop", "set-cookie"] {
        assert!(!answer.headers().contains_key(name), "{name}");
    }
    assert_eq!(answer.headers().get_all("x-twice").iter().count(), 2);
    let seen: Value = answer.json().await.unwrap();
    let headers = seen["headers"].as_object().unwrap();
    for name in [
        "connection",
        "x-private",
        "keep-alive",
        "te",
        "upgrade",
        "proxy-authorization",
        "proxy-connection",
    ] {
        assert_eq!(headers.get(name), None, "{name}");
    }
    assert_eq!(headers["x-twice"], json!("1, 2"));
}

#[apply(on_both_databases)]
async fn trace_is_refused_because_it_would_bring_the_key_back(database: Database) {
    let upstream = Upstream::start().await;
    let app = App::at(database, &upstream.base).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    let answer = App::answer(proxied(&app, Method::TRACE, "test/echo/x")).await;
    refused(&answer, 405, "METHOD_NOT_ALLOWED_ERROR");
    assert!(upstream.seen().is_empty());
}
