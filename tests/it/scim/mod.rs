//! `/scim/v2`: a customer's users for tools that manage seats.

mod access;
mod customers;
mod discovery;
mod errors;
mod filters;
mod paging;
mod users;

use reqwest::{Method, Response, Url};
use serde_json::Value;

use crate::support::{Answer, App, CUSTOMER};

/// The base address of the first customer.
fn base() -> String {
    format!("/scim/v2/customers/{CUSTOMER}/apollo")
}

/// A path below it.
fn path(rest: &str) -> String {
    format!("{}/{rest}", base())
}

/// A GET as SCIM's clients send it: with the key as the bearer token and no header of Syncline's.
async fn get(app: &App, path: &str) -> Answer {
    get_as(app, &app.api_key, path).await
}

async fn get_as(app: &App, key: &str, path: &str) -> Answer {
    App::answer(app.request(Method::GET, path).bearer_auth(key)).await
}

/// The same with the headers of the answer.
async fn sent(app: &App, method: Method, path: &str) -> Response {
    let request = app.request(method, path).bearer_auth(&app.api_key);
    request.send().await.unwrap()
}

/// A list with this filter.
async fn filtered(app: &App, filter: &str) -> Answer {
    let url = Url::parse_with_params("http://ours.example", [("filter", filter)]).unwrap();
    get(app, &path(&format!("Users?{}", url.query().unwrap()))).await
}

/// Whether a body is in SCIM's shape of errors.
pub(crate) fn is_error(body: &Value) -> bool {
    body["schemas"][0] == "urn:ietf:params:scim:api:messages:2.0:Error"
}

/// The detail of an error and its `scimType`.
#[track_caller]
fn refused(answer: &Answer, status: u16) -> (String, Option<String>) {
    assert_eq!(answer.status.as_u16(), status, "{}", answer.body);
    assert!(is_error(&answer.body), "{}", answer.body);
    assert_eq!(answer.body["status"], status.to_string());
    let kind = answer.body["scimType"].as_str().map(str::to_owned);
    (answer.body["detail"].as_str().unwrap().to_owned(), kind)
}

/// The ids of a list's users.
fn ids(list: &Value) -> Vec<String> {
    let users = list["Resources"].as_array().unwrap();
    users
        .iter()
        .map(|user| user["id"].as_str().unwrap().to_owned())
        .collect()
}

/// All users as the engagement API shows them.
async fn rows(app: &App) -> Vec<Value> {
    app.all_records("users?include_deleted_data=true").await
}

/// Adds users like the one that is there, with the ids and addresses `PREFIX-1` and so on.
async fn add_users(app: &App, prefix: &str, users: usize) {
    let sql = format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {users})
         INSERT INTO engagement_users (application_id, customer_id, provider_name, id, connection_id,
            email, is_locked, is_deleted, last_modified_at, content_hash, raw_data)
         SELECT application_id, customer_id, provider_name, '{prefix}-' || CAST(i AS text),
            connection_id, '{prefix}-' || CAST(i AS text) || '@x.example', false, false,
            last_modified_at, content_hash, raw_data
         FROM engagement_users, n
         WHERE customer_id = '{CUSTOMER}'
            AND id = (SELECT min(id) FROM engagement_users WHERE customer_id = '{CUSTOMER}')"
    );
    app.database.execute(&sql).await;
}

/// Changes users in the tables, as a sync would.
async fn set(app: &App, change: &str, condition: &str) {
    let sql = format!("UPDATE engagement_users SET {change} WHERE {condition}");
    app.database.execute(&sql).await;
}
