//! The part of SCIM's filters that seat tools use: one attribute, `eq`, one value.

use serde_json::Value;
use syncline_store::UserSearch;

use super::user::SCHEMA;
use crate::{
    error::{ApiError, ApiResult},
    texts::NO_NUL,
};

const SUPPORTED: &str = "supported are userName eq \"…\", id eq \"…\", emails.value eq \"…\" and \
                         active eq true or false, one of them at a time";

/// The name of the parameter.
pub(super) const FILTER: &str = "filter";

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Filter {
    Id(String),
    UserName(String),
    Email(String),
    Active(bool),
}

impl Filter {
    pub(super) fn parse(text: &str) -> ApiResult<Self> {
        let unsupported = || ApiError::validation(FILTER, SUPPORTED);
        let (attribute, rest) = word(text).ok_or_else(unsupported)?;
        let (operator, value) = word(rest).ok_or_else(unsupported)?;
        if !operator.eq_ignore_ascii_case("eq") {
            return Err(unsupported());
        }
        // Anything behind the value makes it invalid, such as another condition.
        let value = serde_json::from_str(value).map_err(|_| unsupported())?;
        match (unqualified(attribute).to_ascii_lowercase().as_str(), value) {
            (_, Value::String(text)) if text.contains('\0') => {
                Err(ApiError::validation(FILTER, NO_NUL))
            }
            ("id", Value::String(id)) => Ok(Self::Id(id)),
            ("username", Value::String(name)) => Ok(Self::UserName(name)),
            ("emails.value" | "emails", Value::String(email)) => Ok(Self::Email(email)),
            ("active", Value::Bool(active)) => Ok(Self::Active(active)),
            _ => Err(unsupported()),
        }
    }

    pub(super) fn search(&self) -> UserSearch<'_> {
        match self {
            Self::Id(id) => UserSearch::Id(id),
            Self::UserName(name) => UserSearch::EmailOrId(name),
            Self::Email(email) => UserSearch::Email(email),
            Self::Active(active) => UserSearch::Active(*active),
        }
    }
}

/// The first word, and what follows it.
fn word(text: &str) -> Option<(&str, &str)> {
    let (word, rest) = text.trim().split_once(' ')?;
    Some((word, rest.trim()))
}

/// An attribute's name without the schema's URN, which may stand before it.
pub(super) fn unqualified(attribute: &str) -> &str {
    let urn = attribute.get(..SCHEMA.len());
    match urn {
        Some(urn) if urn.eq_ignore_ascii_case(SCHEMA) => {
            attribute[SCHEMA.len()..].trim_start_matches(':')
        }
        _ => attribute,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_operators_are_read_in_any_case_and_values_as_they_are() {
        let name = |text: &str| Filter::UserName(text.to_owned());
        for (text, filter) in [
            (r#"userName eq "Ada@x.example""#, name("Ada@x.example")),
            (r#" USERNAME  EQ  "a b" "#, name("a b")),
            (
                r#"urn:ietf:params:scim:schemas:core:2.0:User:userName eq "a""#,
                name("a"),
            ),
            (r#"userName eq "\"o\\ \u00e9""#, name("\"o\\ é")),
            (r#"userName eq """#, name("")),
            (r#"id eq "7""#, Filter::Id("7".to_owned())),
            (r#"emails eq "a""#, Filter::Email("a".to_owned())),
            (r#"emails.value eq "a""#, Filter::Email("a".to_owned())),
            ("active eq false", Filter::Active(false)),
        ] {
            assert_eq!(Filter::parse(text).ok(), Some(filter), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [
            "",
            "userName",
            "userName pr",
            "userName eq",
            "userName eq a",
            "userName eq 'a'",
            "userName eq true",
            "active eq \"true\"",
            r#"userName co "a""#,
            r#"title eq "a""#,
            r#"userName eq "a" or active eq true"#,
            r#"userName eq "a""b""#,
            r#"(userName eq "a")"#,
            r#"not (userName eq "a")"#,
            r#"emails[type eq "work"].value eq "a""#,
            r#"userName eq "\u0000""#,
            r#"userName eq "\ud800""#,
            "é eq \"a\"",
        ] {
            assert!(Filter::parse(text).is_err(), "{text}");
        }
    }
}
