//! `x-syncline-retry-for`: a rejected request is retried for as long as the caller said.

use macro_rules_attribute::apply;
use reqwest::{Method, RequestBuilder};
use serde_json::json;

use super::{PASSTHROUGH, proxied};
use crate::support::{API_KEY, App, CUSTOMER, Process, Upstream, http_client, on_both_databases};

#[apply(on_both_databases)]
async fn a_refused_request_is_sent_again_within_the_callers_time(database: Database) {
    let upstream = Upstream::start().await;
    let process = Process::serve(&database, &upstream.base).await;
    process.connect().await;
    let envelope = json!({"method": "POST", "path": "test/limited", "body": [1]});
    upstream.refuse(1);
    let request = asked(&process, PASSTHROUGH)
        .header("x-syncline-retry-for", "30")
        .json(&envelope);
    let answer = App::answer(request).await.ok();
    assert_eq!(
        (&answer["status"], &answer["body"]),
        (&json!(200), &json!([1]))
    );
    assert_eq!(upstream.seen(), ["POST /test/limited"; 2]);

    upstream.refuse(1);
    let request = asked(&process, "/actions/v2/proxy/test/limited")
        .header("x-syncline-retry-for", "30")
        .body("once more");
    assert_eq!(App::answer(request).await.ok(), "once more");
    assert_eq!(upstream.seen(), ["POST /test/limited"; 4]);

    upstream.refuse(1);
    let request = asked(&process, "/actions/v2/proxy/test/limited")
        .header("x-syncline-retry-for", "0")
        .body("once");
    assert_eq!(
        request.send().await.unwrap().status(),
        429,
        "a second doesn't fit"
    );
    assert_eq!(upstream.seen(), ["POST /test/limited"; 5]);
}

#[apply(on_both_databases)]
async fn what_can_not_be_kept_or_waited_for_is_refused_by_name(database: Database) {
    let upstream = Upstream::start().await;
    let app = App::at(database, &upstream.base).await;
    app.connect(CUSTOMER, crate::support::MASTER_KEY).await;
    let path = "test/limited";
    for value in ["", "61", "-1", "soon", "1.5"] {
        let request = proxied(&app, Method::POST, path).header("x-syncline-retry-for", value);
        let refused = (400, "VALIDATION_ERROR", "x-syncline-retry-for");
        assert_eq!(App::answer(request).await.error(), refused, "{value:?}");
    }
    let kept = |bytes: usize| {
        proxied(&app, Method::POST, path)
            .header("x-syncline-retry-for", "5")
            .body(vec![b'x'; bytes])
    };
    let answer = App::answer(kept(64 * 1024 + 1)).await;
    assert_eq!(
        answer.error(),
        (400, "VALIDATION_ERROR", "x-syncline-retry-for")
    );
    assert!(upstream.seen().is_empty());
    App::answer(kept(64 * 1024)).await.ok();
    assert_eq!(upstream.seen().len(), 1);
}

fn asked(process: &Process, path: &str) -> RequestBuilder {
    http_client()
        .post(format!("{}{path}", process.base))
        .header("x-api-key", API_KEY)
        .header("x-customer-id", CUSTOMER)
        .header("x-provider-name", "apollo")
}
