//! What all endpoints have in common: errors, tenancy, odd input, health.

mod bad_input;
mod connect_page;
mod connections;
mod crowds;
mod deadlocks;
mod docs;
mod documents;
mod error_bodies;
mod headers;
mod health;
mod metrics;
mod rates;
mod request_ids;
mod tenancy;

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    scim,
    support::{Answer, App},
};

/// Returns the title of an error, whose body must have every field of Supaglue's published shape or, from
/// SCIM, every one of that standard's.
#[track_caller]
pub(crate) fn refused(answer: &Answer, status: u16, code: &str) -> String {
    assert_eq!(answer.status.as_u16(), status, "{}", answer.body);
    if scim::is_error(&answer.body) {
        assert_eq!(answer.body["status"], status.to_string(), "{}", answer.body);
        return answer.body["detail"].as_str().unwrap().to_owned();
    }
    let errors = answer.body["errors"].as_array();
    let error = &errors.unwrap_or_else(|| panic!("not in the error shape: {}", answer.body))[0];
    for field in ["id", "title", "detail", "problem_type", "code", "status"] {
        let text = error[field].as_str().unwrap_or_default();
        assert!(!text.is_empty(), "{field} of {error}");
    }
    assert_eq!(error["code"], code, "{error}");
    assert_eq!(error["status"], status.to_string(), "{error}");
    let origin = error["meta"]["origin"].as_str().unwrap_or_default();
    assert!(["supaglue", "remote-provider"].contains(&origin), "{error}");
    error["title"].as_str().unwrap().to_owned()
}

/// Reads a list of the management API to its end and back: each row once, always in the same order.
pub(crate) async fn pages(app: &App, list: &str, size: usize, total: usize) {
    let whole = app.get(list).await.ok();
    let whole = ids(&whole);
    assert_eq!(whole.len(), total);
    assert_eq!(whole.iter().collect::<BTreeSet<_>>().len(), total);
    let get = async |cursor: &str| {
        app.get(&format!("{list}?page_size={size}{cursor}"))
            .await
            .ok()
    };
    let mut page = get("").await;
    assert_eq!(page["previous"], Value::Null);
    let mut forward = ids(&page);
    while let Some(next) = page["next"].as_str() {
        page = get(&format!("&cursor={next}")).await;
        assert!(!ids(&page).is_empty(), "the last page is empty");
        assert_eq!(page["total_count"], total);
        forward.extend(ids(&page));
    }
    assert_eq!(forward, whole);
    let mut backward = ids(&page);
    while let Some(previous) = page["previous"].as_str() {
        page = get(&format!("&cursor={previous}")).await;
        backward.splice(0..0, ids(&page));
        assert!(page["next"].is_string());
    }
    assert_eq!(backward, whole);
}

fn ids(page: &Value) -> Vec<String> {
    page["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["id"].as_str().unwrap().to_owned())
        .collect()
}
