//! `attributes` and `excludedAttributes`: which parts of a resource are shown (RFC 7644, section 3.9).

use serde_json::{Map, Value};

use super::filter::unqualified;
use crate::error::{ApiError, ApiResult};

/// Shown whatever is asked for.
const ALWAYS: [&str; 2] = ["schemas", "id"];

pub(super) enum Attributes {
    All,
    Only(Vec<Attribute>),
    Without(Vec<Attribute>),
}

/// `name` or, with a part of it, `name.givenName`.
pub(super) struct Attribute {
    name: String,
    part: Option<String>,
}

impl Attributes {
    pub(super) fn parse(only: Option<&str>, without: Option<&str>) -> ApiResult<Self> {
        match (only, without) {
            (None, None) => Ok(Self::All),
            (Some(only), None) => Ok(Self::Only(Attribute::list(only))),
            (None, Some(without)) => Ok(Self::Without(Attribute::list(without))),
            (Some(_), Some(_)) => Err(ApiError::validation(
                "excludedAttributes",
                "can't be combined with attributes",
            )),
        }
    }

    /// The resource with what is asked for.
    pub(super) fn of(&self, resource: Value) -> Value {
        let Value::Object(fields) = resource else {
            return resource;
        };
        let shown = fields.into_iter().filter_map(|(name, value)| {
            let value = self.shown(&name, value)?;
            Some((name, value))
        });
        Value::Object(shown.collect())
    }

    fn shown(&self, name: &str, value: Value) -> Option<Value> {
        if ALWAYS.contains(&name) {
            return Some(value);
        }
        match self {
            Self::All => Some(value),
            Self::Only(asked) => {
                let asked = parts_of(asked, name);
                if asked.is_empty() {
                    None
                } else if asked.contains(&None) {
                    Some(value)
                } else {
                    Some(keep(value, |part| is_named(&asked, part)))
                }
            }
            Self::Without(left_out) => {
                let left_out = parts_of(left_out, name);
                if left_out.contains(&None) {
                    None
                } else {
                    Some(keep(value, |part| !is_named(&left_out, part)))
                }
            }
        }
    }
}

impl Attribute {
    fn list(text: &str) -> Vec<Self> {
        text.split(',')
            .map(|name| Self::parse(name.trim()))
            .collect()
    }

    fn parse(text: &str) -> Self {
        let name = unqualified(text);
        let (name, part) = match name.split_once('.') {
            Some((name, part)) => (name, Some(part.to_owned())),
            None => (name, None),
        };
        Self {
            name: name.to_owned(),
            part,
        }
    }
}

/// What is said of one attribute: `None` is all of it.
fn parts_of<'a>(attributes: &'a [Attribute], name: &str) -> Vec<Option<&'a str>> {
    let same = attributes
        .iter()
        .filter(|attribute| attribute.name.eq_ignore_ascii_case(name));
    same.map(|attribute| attribute.part.as_deref()).collect()
}

fn is_named(parts: &[Option<&str>], name: &str) -> bool {
    let mut parts = parts.iter().flatten();
    parts.any(|part| part.eq_ignore_ascii_case(name))
}

/// Keeps these parts of an object, or of each object in a list.
fn keep(value: Value, kept: impl Fn(&str) -> bool + Copy) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.into_iter().filter(|(name, _)| kept(name));
            Value::Object(fields.collect::<Map<_, _>>())
        }
        Value::Array(items) => items.into_iter().map(|item| keep(item, kept)).collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(only: Option<&str>, without: Option<&str>) -> Value {
        let user = json!({
            "schemas": ["s"], "id": "1", "userName": "a", "active": true,
            "name": {"givenName": "A", "familyName": "B"},
            "emails": [{"value": "a", "type": "work"}],
        });
        Attributes::parse(only, without).ok().unwrap().of(user)
    }

    #[test]
    fn what_is_asked_for_is_shown_with_the_id_and_the_schemas() {
        assert_eq!(
            shown(Some("USERNAME, emails.value,unknown"), None),
            json!({"schemas": ["s"], "id": "1", "userName": "a", "emails": [{"value": "a"}]})
        );
        assert_eq!(
            shown(
                Some("urn:ietf:params:scim:schemas:core:2.0:User:name.givenName"),
                None
            ),
            json!({"schemas": ["s"], "id": "1", "name": {"givenName": "A"}})
        );
    }

    #[test]
    fn what_is_excluded_is_left_out_but_for_the_id_and_the_schemas() {
        assert_eq!(
            shown(None, Some("id,schemas,name.familyName,emails,active")),
            json!({"schemas": ["s"], "id": "1", "userName": "a", "name": {"givenName": "A"}})
        );
    }

    #[test]
    fn both_at_once_are_refused() {
        assert!(Attributes::parse(Some("id"), Some("name")).is_err());
    }
}
