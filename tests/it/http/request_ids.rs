//! Every answer has a request id, which is also on every line that is logged for it.

use std::collections::BTreeSet;

use reqwest::{Method, Response};
use serde_json::Value;

use crate::support::{
    API_KEY, App, CUSTOMER, Database, MASTER_KEY, Process, Upstream, http_client, syncline,
};

#[tokio::test]
async fn every_answer_has_an_id_of_its_own_and_an_error_has_the_same() {
    let upstream = Upstream::start().await;
    let app = App::at(Database::sqlite(), &upstream.base).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    let mut ids = BTreeSet::new();
    for (method, path, status) in [
        ("GET", "/healthz", 200),
        ("GET", "/readyz", 200),
        ("GET", "/metrics", 200),
        ("GET", "/nothing", 404),
        ("GET", "/mgmt/v2/nothing", 404),
        ("POST", "/mgmt/v2/customers", 405),
        ("GET", "/mgmt/v2/customers", 200),
        ("PUT", "/mgmt/v2/customers", 400),
        ("GET", "/engagement/v2/contacts/x?read_from_cache=true", 404),
        ("GET", "/actions/v2/proxy/test/echo/x", 200),
        ("GET", "/actions/v2/proxy/test/status/503", 503),
        ("GET", "/actions/v2/proxy//x", 400),
        ("POST", "/actions/v2/passthrough", 400),
    ] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let request = app
            .request(method, path)
            .header("x-api-key", &app.api_key)
            .header("x-customer-id", CUSTOMER)
            .header("x-provider-name", "apollo")
            .header("x-request-id", "of-the-caller");
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), status, "{path}");
        let id = id_of(&answer);
        let theirs = answer.headers().get("x-provider-request-id").cloned();
        assert_eq!(theirs.is_some(), path.contains("echo"), "{path}");
        let body: Value = answer.json().await.unwrap_or_default();
        if let Some(in_body) = body["errors"][0]["id"].as_str() {
            assert_eq!(in_body, id, "{path}");
        } else {
            assert!(status == 200 || path.contains("/status/"), "{path}");
        }
        assert!(ids.insert(id), "{path}");
    }
    let nobody = app
        .request(Method::GET, "/mgmt/v2/customers")
        .send()
        .await
        .unwrap();
    let id = id_of(&nobody);
    let body: Value = nobody.json().await.unwrap();
    assert_eq!(body["errors"][0]["id"], id);
}

#[tokio::test]
async fn what_is_logged_during_a_request_has_its_id() {
    for format in ["text", "json"] {
        let database = Database::sqlite();
        let mut command = syncline();
        command
            .env("SYNCLINE_API_KEY", API_KEY)
            .env("SYNCLINE_LOG__FORMAT", format)
            .env("RUST_LOG", "info,syncline_server=debug");
        let mut process = Process::start(&mut command, &database, "http://127.0.0.1:9").await;
        let answer = http_client()
            .get(format!("{}/mgmt/v2/customers", process.base))
            .header("x-api-key", API_KEY)
            .send()
            .await
            .unwrap();
        let id = id_of(&answer);
        assert_eq!(process.terminate().await, Some(0));
        let (_, log) = process.output().await;
        let line = log.lines().find(|line| line.contains("answered with 200"));
        let line = line.unwrap_or_else(|| panic!("{log}"));
        assert!(line.contains(&id), "{line}");
        assert!(line.contains("/mgmt/v2/customers"), "{line}");
        if format == "json" {
            let line: Value = serde_json::from_str(line).unwrap();
            assert_eq!(line["span"]["request.id"], id);
        }
    }
}

fn id_of(answer: &Response) -> String {
    let mut ids = answer.headers().get_all("x-request-id").iter();
    let id = ids.next().unwrap().to_str().unwrap().to_owned();
    assert_eq!(ids.next(), None);
    assert_eq!(id.len(), 36, "{id}");
    id
}
