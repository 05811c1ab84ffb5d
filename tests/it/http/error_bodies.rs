//! Whole error bodies, as clients parse them: one of each code that a caller can cause.

use insta::assert_json_snapshot;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Answer, App, CUSTOMER, Database};

/// The body, without the request's id.
fn shown(answer: &Answer, status: StatusCode) -> Value {
    assert_eq!(answer.status, status, "{}", answer.body);
    let mut body = answer.body.clone();
    body["errors"][0]["id"] = json!("<the request's id>");
    body
}

#[tokio::test]
async fn a_refusal_of_each_kind_has_the_published_body() {
    let app = App::with_contacts(Database::sqlite(), 0).await;
    app.connect(CUSTOMER, crate::support::MASTER_KEY).await;
    let without_key = App::answer(app.request(Method::GET, "/mgmt/v2/customers")).await;
    assert_json_snapshot!(
        "unauthorized",
        shown(&without_key, StatusCode::UNAUTHORIZED)
    );

    let customer = json!({"customer_id": "c", "name": 7, "email": "c@customer.example"});
    let invalid = app.put("/mgmt/v2/customers", customer).await;
    assert_json_snapshot!("validation", shown(&invalid, StatusCode::BAD_REQUEST));

    let unknown = app.get("/mgmt/v2/customers/nobody").await;
    assert_json_snapshot!("not_found", shown(&unknown, StatusCode::NOT_FOUND));

    let method = app.delete("/mgmt/v2/syncs").await;
    let method = shown(&method, StatusCode::METHOD_NOT_ALLOWED);
    assert_json_snapshot!("method_not_allowed", method);

    let twice = app
        .post_connection(CUSTOMER, crate::support::MASTER_KEY)
        .await;
    assert_json_snapshot!("conflict", shown(&twice, StatusCode::CONFLICT));

    let text = app.request(Method::PUT, "/mgmt/v2/customers").body("{}");
    let text = text
        .header("x-api-key", &app.api_key)
        .header("content-type", "text/plain");
    let media_type = App::answer(text).await;
    let media_type = shown(&media_type, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_json_snapshot!("unsupported_media_type", media_type);

    let contact = json!({"record": {"first_name": "Ada"}});
    let first = create_contact(&app, &contact).await;
    assert!(first.status.is_success(), "{}", first.body);
    let other = json!({"record": {"first_name": "Eve"}});
    let reused = create_contact(&app, &other).await;
    let reused = shown(&reused, StatusCode::UNPROCESSABLE_ENTITY);
    assert_json_snapshot!("idempotency_key_reused", reused);
}

#[tokio::test]
async fn what_a_provider_refuses_is_told_with_its_own_words() {
    let app = App::with_contacts(Database::sqlite(), 0).await;
    app.connect(CUSTOMER, crate::support::MASTER_KEY).await;
    let unknown = app
        .get("/engagement/v2/contacts/000000000000000000000000")
        .await;
    assert_json_snapshot!("provider_not_found", shown(&unknown, StatusCode::NOT_FOUND));
}

async fn create_contact(app: &App, body: &Value) -> Answer {
    let request = app
        .request(Method::POST, "/engagement/v2/contacts")
        .header("x-api-key", &app.api_key)
        .header("x-customer-id", CUSTOMER)
        .header("x-provider-name", "apollo")
        .header("idempotency-key", "the-same");
    App::answer(request.json(body)).await
}
