//! What all resources have in common: their `meta`, and where they are.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use syncline_model::Time;
use syncline_store::Connection;
use utoipa::ToSchema;

use super::BASE;

/// All but the characters that mean themselves everywhere in an address.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Meta {
    resource_type: &'static str,
    /// When the provider says that the user was created.
    #[serde(
        with = "syncline_model::time::millis_or_null",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(required = false, nullable = false, value_type = String, format = DateTime)]
    created: Option<Time>,
    /// When Syncline recorded the newest change.
    #[serde(with = "syncline_model::time::millis")]
    #[schema(value_type = String, format = DateTime)]
    last_modified: Time,
    /// Where the resource is, without any header but the key.
    location: String,
}

/// The base address of one customer's resources.
pub(crate) struct Base(String);

impl Base {
    /// Always the one that names the customer, so that a `location` works without headers.
    pub(super) fn of(public_url: &str, connection: &Connection) -> Self {
        let customer = escaped(&connection.customer_id);
        let provider = connection.provider;
        Self(format!(
            "{public_url}{BASE}/customers/{customer}/{provider}"
        ))
    }

    pub(super) fn meta_of_user(
        &self,
        id: &str,
        created: Option<Time>,
        last_modified: Time,
    ) -> Meta {
        Meta {
            resource_type: "User",
            created,
            last_modified,
            location: format!("{}/Users/{}", self.0, escaped(id)),
        }
    }
}

fn escaped(text: &str) -> impl std::fmt::Display + '_ {
    utf8_percent_encode(text, ESCAPED)
}
