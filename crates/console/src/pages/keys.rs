//! Adds keys to a connection and deletes them. They are shown on its page.

use axum::{
    Form,
    extract::Path,
    http::{Method, StatusCode},
    response::Response,
};
use serde::Deserialize;
use serde_json::{Value, json};
use syncline_server::in_process::{ApiCall, CallBody};

use super::connection;
use crate::{
    address::encoded,
    failure::Failure,
    keys::{KeyForm, number},
    resources::connection_path,
    viewer::Viewer,
};

#[derive(Deserialize)]
pub(crate) struct Entered {
    #[serde(default)]
    api_key: String,
    #[serde(default)]
    label: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    max_credits_per_day: String,
}

/// The address of a connection's keys in the API.
fn keys_of(customer_id: &str, provider: &str) -> String {
    let (customer, provider) = (encoded(customer_id), encoded(provider));
    format!("/mgmt/v2/customers/{customer}/connections/{provider}/keys")
}

/// The provider is asked about the key before the page comes back.
pub(crate) async fn add(
    viewer: Viewer,
    Path((customer_id, provider)): Path<(String, String)>,
    Form(entered): Form<Entered>,
) -> Result<Response, Failure> {
    let body = json!({
        "api_key": entered.api_key,
        "label": entered.label.trim(),
        "kind": entered.kind,
        "max_credits_per_day": number(&entered.max_credits_per_day),
    });
    let call = ApiCall {
        method: Method::POST,
        path: &keys_of(&customer_id, &provider),
        headers: &[],
        body: Some(CallBody::Json(body)),
    };
    let added: Result<Value, _> = viewer.call(call).await;
    match added {
        Ok(_) => Ok(viewer.back_to(&connection_path(&customer_id, &provider), "key-added")),
        Err(failure) if is_about_what_was_entered(failure.status) => {
            let form = KeyForm {
                label: entered.label,
                kind: entered.kind,
                max_credits_per_day: entered.max_credits_per_day,
                error: Some(failure.title),
            };
            connection::page(viewer, &customer_id, &provider, form).await
        }
        Err(failure) => Err(viewer.failed(failure)),
    }
}

/// Whether a form is shown again, with what is wrong.
pub(super) fn is_about_what_was_entered(status: StatusCode) -> bool {
    status.is_client_error() && status != StatusCode::FORBIDDEN && status != StatusCode::NOT_FOUND
}

pub(crate) async fn delete(
    viewer: Viewer,
    Path((customer_id, provider, key_id)): Path<(String, String, String)>,
) -> Result<Response, Failure> {
    let path = format!("{}/{}", keys_of(&customer_id, &provider), encoded(&key_id));
    viewer.change(Method::DELETE, &path, &[], None).await?;
    Ok(viewer.back_to(&connection_path(&customer_id, &provider), "key-deleted"))
}
