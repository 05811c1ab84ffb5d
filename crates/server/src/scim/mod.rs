//! `/scim/v2`: a customer's users at their provider in SCIM 2.0 (RFC 7643 and 7644), read-only, for
//! tools that manage seats. They are read from the synced tables.
//!
//! `users` answers the queries, with `parameters`, `filter` and `attributes` for what they ask and `user` for the
//! resource. `directory` finds the customer, `discovery` describes the service, and `errors` gives every
//! failure below the path SCIM's shape.

mod attributes;
mod directory;
pub(crate) mod discovery;
pub(crate) mod document;
pub(crate) mod errors;
mod filter;
mod parameters;
mod resource;
mod user;
pub(crate) mod users;

use axum::{
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

/// Where headers select the customer.
pub(crate) const BASE: &str = "/scim/v2";
/// Where the address does, for clients that can't send headers of their own.
pub(crate) const BASE_OF_CUSTOMER: &str = "/scim/v2/customers/{customer_id}/{provider_name}";

const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/scim+json");

/// Whether a path, or a route, is one of this API's.
pub(crate) fn is_at(path: &str) -> bool {
    path.starts_with("/scim/")
}

/// An answer in SCIM's media type.
pub(crate) struct ScimBody<T>(T);

impl<T: Serialize> IntoResponse for ScimBody<T> {
    fn into_response(self) -> Response {
        let mut response = axum::Json(self.0).into_response();
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, CONTENT_TYPE);
        response
    }
}
