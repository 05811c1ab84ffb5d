//! A user as SCIM's core schema describes one (RFC 7643, section 4.1).

use serde::Serialize;
use syncline_model::User;
use syncline_store::Row;
use utoipa::ToSchema;

use super::resource::{Base, Meta};

pub(super) const SCHEMA: &str = "urn:ietf:params:scim:schemas:core:2.0:User";

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = User)]
pub(super) struct ScimUser {
    schemas: [&'static str; 1],
    /// The provider's.
    id: String,
    /// The e-mail address or, of a user without one, the id.
    #[schema(required = false)]
    user_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    name: Option<Name>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    display_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    emails: Option<[Email; 1]>,
    /// False of a user who is deleted or locked.
    #[schema(required = false)]
    active: bool,
    #[schema(required = false)]
    meta: Meta,
}

#[derive(Serialize, ToSchema)]
struct Name {
    #[schema(required = false)]
    formatted: String,
    #[serde(rename = "givenName", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    given: Option<String>,
    #[serde(rename = "familyName", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    family: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct Email {
    #[schema(required = false)]
    value: String,
    #[serde(rename = "type")]
    #[schema(required = false)]
    kind: &'static str,
    #[schema(required = false)]
    primary: bool,
}

impl ScimUser {
    pub(super) fn new(row: Row<User>, base: &Base) -> Self {
        let meta = base.meta_of_user(&row.id, row.created_at, row.last_modified_at);
        let User {
            first_name,
            last_name,
            email,
            is_locked,
        } = row.fields;
        let email = email.filter(|email| !email.is_empty());
        let name = Name::of(first_name, last_name);
        Self {
            schemas: [SCHEMA],
            user_name: email.clone().unwrap_or_else(|| row.id.clone()),
            id: row.id,
            display_name: name.as_ref().map(|name| name.formatted.clone()),
            name,
            emails: email.map(Email::of_work),
            active: !row.is_deleted && is_locked != Some(true),
            meta,
        }
    }
}

impl Name {
    fn of(given: Option<String>, family: Option<String>) -> Option<Self> {
        let parts = [given.as_deref(), family.as_deref()];
        let formatted = parts.into_iter().flatten().collect::<Vec<_>>().join(" ");
        let formatted = formatted.trim();
        (!formatted.is_empty()).then(|| Self {
            formatted: formatted.to_owned(),
            given,
            family,
        })
    }
}

impl Email {
    fn of_work(value: String) -> [Self; 1] {
        [Self {
            value,
            kind: "work",
            primary: true,
        }]
    }
}
