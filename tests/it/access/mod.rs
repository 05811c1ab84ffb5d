//! Access control: applications are isolated from each other, and keys may do what their role or
//! their policy allows.

mod foreign;
mod policies;
mod roles;
mod spellings;
mod unknown;

use chrono::{DateTime, Utc};
use reqwest::Method;
use serde_json::Value;
use syncline_model::{Ids, Policy, Role};
use syncline_store::NewApiKey;

use crate::{
    scim,
    support::{Answer, App, CUSTOMER},
};

/// A value for a placeholder that doesn't have to exist.
pub(crate) fn anything(name: &str) -> String {
    match name {
        "customer_id" => CUSTOMER.to_owned(),
        "provider_name" => "apollo".to_owned(),
        "object" => "contact".to_owned(),
        "path" => "api/v1/contacts/search".to_owned(),
        _ => "no-such-id".to_owned(),
    }
}

/// A new key of an application.
pub(crate) async fn key_of(
    app: &App,
    application: &str,
    role: Role,
    policy: Option<Value>,
    expires_at: Option<DateTime<Utc>>,
) -> (String, String) {
    let policy: Option<Policy> = policy.map(|policy| serde_json::from_value(policy).unwrap());
    let key = syncline_store::new_api_key(&Ids::random());
    let application = app
        .store
        .find_or_create_application(application, &crate::support::enabled())
        .await
        .unwrap();
    let new = NewApiKey {
        name: "of a test",
        key: &key,
        role,
        policy: policy.as_ref(),
        grants: None,
        expires_at,
    };
    let created = app
        .store
        .tenant(&application.id)
        .create_api_key(&new)
        .await
        .unwrap();
    (created.unwrap().id, key)
}

/// A key of the application under test.
pub(crate) async fn key(app: &App, role: Role, policy: Option<Value>) -> String {
    key_of(app, "default", role, policy, None).await.1
}

/// A call with this key that selects the connection of [`CUSTOMER`].
pub(crate) fn request(
    app: &App,
    key: &str,
    method: &Method,
    path: &str,
) -> reqwest::RequestBuilder {
    app.request(method.clone(), path)
        .header("x-api-key", key)
        .header("x-customer-id", CUSTOMER)
        .header("x-provider-name", "apollo")
}

pub(crate) async fn call(
    app: &App,
    key: &str,
    method: &Method,
    path: &str,
    body: Option<&Value>,
) -> Answer {
    let mut request = request(app, key, method, path);
    if let Some(body) = body {
        request = request.json(body);
    }
    App::answer(request).await
}

/// Whether this service rejected the call because of the key. A 403 of the provider is something
/// else.
pub(crate) fn is_forbidden(answer: &Answer) -> bool {
    let error = &answer.body["errors"][0];
    if scim::is_error(&answer.body) {
        return answer.status == 403;
    }
    answer.status == 403
        && error["code"] == "FORBIDDEN_ERROR"
        && error["meta"]["origin"] == "supaglue"
}
