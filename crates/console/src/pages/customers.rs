//! The customers: found by a part of their id, name or e-mail address, or by their health.

use askama::Template;
use axum::{extract::Query, http::StatusCode, response::Response};
use serde::Deserialize;
use syncline_model::Time;

use crate::{
    address::{encoded, with_query},
    failure::Failure,
    page::{Policy, answer},
    parts::State,
    resources::Customer,
    viewer::{Frame, Viewer},
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

impl Filter {
    fn pairs(&self) -> [(&'static str, &str); 2] {
        [("search", &self.search), ("health", &self.health)]
    }
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
    let page_size = PAGE_SIZE.to_string();
    let page = [("page_size", &*page_size), ("after", &filter.after)];
    let path = with_query("/mgmt/v2/customers", page.into_iter().chain(filter.pairs()));
    let customers: Vec<Customer> = viewer.get(&path).await?;
    let last = customers.last().filter(|_| customers.len() == PAGE_SIZE);
    let next = last.map(|last| {
        let after = [("after", &*last.customer_id)];
        with_query("", after.into_iter().chain(filter.pairs()))
    });
    let page = CustomersPage {
        next,
        frame: viewer.frame,
        now: viewer.now,
        filter,
        customers,
    };
    Ok(answer(StatusCode::OK, Policy::OwnScript, &page))
}
