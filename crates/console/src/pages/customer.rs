//! A customer with its connections.

use askama::Template;
use axum::{extract::Path, http::StatusCode, response::Response};
use syncline_model::Time;

use crate::{
    address::encoded,
    failure::Failure,
    page::{Policy, answer},
    resources::{Connection, Customer, connection_path},
    viewer::{Frame, Viewer},
};

#[derive(Template)]
#[template(path = "console/customer.html")]
struct CustomerPage {
    frame: Frame,
    now: Time,
    customer: Customer,
    connections: Vec<Connection>,
}

pub(crate) async fn show(
    viewer: Viewer,
    Path(customer_id): Path<String>,
) -> Result<Response, Failure> {
    let path = format!("/mgmt/v2/customers/{}", encoded(&customer_id));
    let page = CustomerPage {
        customer: viewer.get(&path).await?,
        connections: viewer.get(&format!("{path}/connections")).await?,
        now: viewer.now,
        frame: viewer.frame,
    };
    Ok(answer(StatusCode::OK, Policy::OwnScript, &page))
}
