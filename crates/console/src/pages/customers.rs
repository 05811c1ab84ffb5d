//! The customers: found by a part of their id, name or e-mail address, or by their health.

use askama::Template;
use axum::{extract::Query, http::StatusCode, response::Response};
use serde::Deserialize;
use syncline_model::Time;

use crate::{
    failure::Failure,
    page::{Policy, answer},
    parts::State,
    resources::Customer,
    viewer::{Frame, Viewer, encoded},
};

const PAGE_SIZE: usize = 50;

#[derive(Deserialize)]
pub(crate) struct Filter {
    #[serde(default)]
    search: String,
    #[serde(default)]
    health: String,
    #[serde(default)]
    after: String,
}

#[derive(Template)]
#[template(path = "console/customers.html")]
struct CustomersPage {
    frame: Frame,
    now: Time,
    filter: Filter,
    customers: Vec<Customer>,
    /// The query of the next page.
    next: Option<String>,
}

pub(crate) async fn list(
    viewer: Viewer,
    Query(filter): Query<Filter>,
) -> Result<Response, Failure> {
    let asked = query_of(&filter, &filter.after);
    let path = format!("/mgmt/v2/customers?page_size={PAGE_SIZE}{asked}");
    let customers: Vec<Customer> = viewer.get(&path).await?;
    let last = customers.last().filter(|_| customers.len() == PAGE_SIZE);
    let next = last.map(|last| query_of(&filter, &last.customer_id));
    let page = CustomersPage {
        frame: viewer.frame,
        now: viewer.now,
        filter,
        customers,
        next: next.map(|query| query.replacen('&', "?", 1)),
    };
    Ok(answer(StatusCode::OK, Policy::OwnScript, &page))
}

/// `&search=…&health=…&after=…`, without those that are empty.
fn query_of(filter: &Filter, after: &str) -> String {
    let mut query = String::new();
    for (name, value) in [
        ("search", filter.search.as_str()),
        ("health", &filter.health),
        ("after", after),
    ] {
        if !value.is_empty() {
            query = format!("{query}&{name}={}", encoded(value));
        }
    }
    query
}
