//! How an action's input becomes a request.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use syncline_model::Violation;

use crate::http::Method;

/// A request with room for the input's fields. A field goes into the path or the query where it is named
/// there, and otherwise into the body.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RequestTemplate {
    method: Verb,
    /// Below the base URL, without a leading slash, such as `api/v1/contacts/{contact_id}`.
    path: String,
    /// The names in the query of fields. Lists whose name ends with `[]` are written as several
    /// parameters, and others with commas.
    #[serde(default)]
    query: BTreeMap<String, String>,
    /// The names in the body of fields, where they differ.
    #[serde(default)]
    names: BTreeMap<String, String>,
    /// What every request has, in its body or else in its query. A text such as `{sequence_id}` stands
    /// for that field.
    #[serde(default)]
    fixed: BTreeMap<String, Value>,
    /// The body is a JSON:API document.
    #[serde(default)]
    resource: Option<Resource>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Verb {
    Get,
    Post,
    Put,
    Patch,
}

/// A JSON:API document: fields are attributes, except those that name other records.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Resource {
    #[serde(rename = "type")]
    kind: String,
    /// The field with the id of the resource itself.
    #[serde(default)]
    id: Option<String>,
    /// For each field with an id: the relationship's name, and the type of the record.
    #[serde(default)]
    relationships: BTreeMap<String, (String, String)>,
}

/// A request, ready to be sent.
#[derive(Debug, PartialEq)]
pub(crate) struct Rendered {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: Vec<(&'static str, String)>,
    pub(crate) body: Option<Value>,
}

impl RequestTemplate {
    pub(super) fn render(&'static self, input: &Value) -> Result<Rendered, Violation> {
        let input = input.as_object().cloned().unwrap_or_default();
        let path = self.render_path(&input)?;
        let mut query = Vec::new();
        for (field, name) in &self.query {
            push(&mut query, name, input.get(field));
        }
        let mut body = self.body_fields(&input);
        for (name, value) in &self.fixed {
            let value = filled(value, &input);
            if self.has_body() {
                body.insert(name.clone(), value);
            } else {
                push(&mut query, name, Some(&value));
            }
        }
        let body = self.has_body().then(|| match &self.resource {
            Some(resource) => resource.document(&input, body),
            None => Value::Object(body),
        });
        Ok(Rendered {
            method: self.method.into(),
            path,
            query,
            body,
        })
    }

    fn has_body(&self) -> bool {
        !matches!(self.method, Verb::Get)
    }

    fn render_path(&self, input: &Map<String, Value>) -> Result<String, Violation> {
        let segments = self.path.split('/').map(|part| match placeholder(part) {
            Some(field) => {
                let id = input.get(field).map(in_text).unwrap_or_default();
                if self.is_id(&id) {
                    return Ok(id);
                }
                Err(Violation {
                    field: field.to_owned(),
                    reason: "must be an id".to_owned(),
                })
            }
            None => Ok(part.to_owned()),
        });
        Ok(segments.collect::<Result<Vec<_>, _>>()?.join("/"))
    }

    /// Escaping is not enough: what is in front of a provider may read `%2F` as a slash. The ids of JSON:API
    /// are numbers, and written as one in the body.
    fn is_id(&self, text: &str) -> bool {
        if self.resource.is_some() {
            return text.parse::<u64>().is_ok_and(|it| it.to_string() == text);
        }
        let plain = |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_');
        !text.is_empty() && text.bytes().all(plain)
    }

    /// The fields that are neither in the path nor in the query, under the provider's names.
    fn body_fields(&self, input: &Map<String, Value>) -> Map<String, Value> {
        let elsewhere = |field: &str| {
            self.query.contains_key(field)
                || self
                    .path
                    .split('/')
                    .any(|part| placeholder(part) == Some(field))
        };
        let inside = input.iter().filter(|(field, _)| !elsewhere(field));
        let named = inside.map(|(field, value)| {
            let name = self.names.get(field).unwrap_or(field);
            (name.clone(), value.clone())
        });
        named.collect()
    }

    #[cfg(test)]
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// The fields that it names.
    #[cfg(test)]
    pub(super) fn fields(&self) -> impl Iterator<Item = &str> {
        let in_path = self.path.split('/').filter_map(placeholder);
        let fixed = self
            .fixed
            .values()
            .filter_map(Value::as_str)
            .filter_map(placeholder);
        let related = self.resource.iter().flat_map(|it| it.relationships.keys());
        let named = self.query.keys().chain(self.names.keys()).chain(related);
        in_path.chain(fixed).chain(named.map(String::as_str))
    }

    /// Whether a field would be lost: a request without a body has none of the others.
    #[cfg(test)]
    pub(super) fn loses(&self, field: &str) -> bool {
        !self.has_body() && !self.fields().any(|it| it == field)
    }
}

impl Resource {
    fn document(&self, input: &Map<String, Value>, fields: Map<String, Value>) -> Value {
        let mut attributes = Map::new();
        let mut relationships = Map::new();
        for (field, value) in fields {
            match self.relationships.get(&field) {
                Some((name, kind)) => {
                    let data = match &value {
                        Value::Null => Value::Null,
                        id => json!({"type": kind, "id": number(id)}),
                    };
                    relationships.insert(name.clone(), json!({"data": data}));
                }
                None => {
                    attributes.insert(field, value);
                }
            }
        }
        let mut data = json!({"type": self.kind, "attributes": attributes});
        if !relationships.is_empty() {
            data["relationships"] = Value::Object(relationships);
        }
        if let Some(id) = self.id.as_ref().and_then(|field| input.get(field)) {
            data["id"] = number(id);
        }
        json!({"data": data})
    }
}

impl From<Verb> for Method {
    fn from(verb: Verb) -> Self {
        match verb {
            Verb::Get => Self::GET,
            Verb::Post => Self::POST,
            Verb::Put => Self::PUT,
            Verb::Patch => Self::PATCH,
        }
    }
}

/// The ids of JSON:API's records are numbers at Outreach.
fn number(id: &Value) -> Value {
    let number = id.as_str().and_then(|id| id.parse::<u64>().ok());
    number.map_or_else(|| id.clone(), Value::from)
}

/// The field of a text that is only a placeholder.
fn placeholder(text: &str) -> Option<&str> {
    text.strip_prefix('{')?.strip_suffix('}')
}

fn filled(value: &Value, input: &Map<String, Value>) -> Value {
    match value.as_str().and_then(placeholder) {
        Some(field) => input.get(field).cloned().unwrap_or_default(),
        None => value.clone(),
    }
}

fn in_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn push(query: &mut Vec<(&'static str, String)>, name: &'static str, value: Option<&Value>) {
    match value {
        None | Some(Value::Null) => {}
        Some(Value::Array(list)) if name.ends_with("[]") => {
            query.extend(list.iter().map(|it| (name, in_text(it))));
        }
        Some(Value::Array(list)) => {
            let all: Vec<String> = list.iter().map(in_text).collect();
            query.push((name, all.join(",")));
        }
        Some(one) => query.push((name, in_text(one))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(text: Value) -> &'static RequestTemplate {
        Box::leak(Box::new(serde_json::from_value(text).unwrap()))
    }

    #[test]
    fn a_field_goes_where_the_template_has_it() {
        let template = template(json!({
            "method": "POST", "path": "api/v1/lists/{list_id}/add", "query": {"mode": "mode", "ids": "ids[]"},
            "names": {"title": "name"}, "fixed": {"list": "{list_id}", "kind": "x"}
        }));
        let input = json!({"list_id": "a-b", "mode": "fast", "ids": ["1", "2"], "title": "t", "note": null});
        let expected = Rendered {
            method: Method::POST,
            path: "api/v1/lists/a-b/add".to_owned(),
            query: vec![
                ("ids[]", "1".to_owned()),
                ("ids[]", "2".to_owned()),
                ("mode", "fast".to_owned()),
            ],
            body: Some(json!({"name": "t", "note": null, "list": "a-b", "kind": "x"})),
        };
        assert_eq!(template.render(&input), Ok(expected));
    }

    #[test]
    fn a_path_never_leaves_its_collection() {
        let template = template(json!({"method": "GET", "path": "api/v1/contacts/{id}"}));
        for id in [
            "", ".", "..", "../x", "a/b", "%2e", "..;/x", "a;b", "a?b#c", "a b", "é",
        ] {
            let wrong = template.render(&json!({"id": id})).unwrap_err();
            assert_eq!(wrong.to_string(), "id: must be an id");
        }
    }

    #[test]
    fn an_id_of_a_document_is_a_number_and_the_same_in_path_and_body() {
        let template = template(json!({
            "method": "PATCH", "path": "api/v2/prospects/{id}", "resource": {"type": "prospect", "id": "id"}
        }));
        for id in ["007", "x7", "-7", "7.0", ""] {
            let wrong = template.render(&json!({"id": id})).unwrap_err();
            assert_eq!(wrong.to_string(), "id: must be an id", "{id}");
        }
    }

    #[test]
    fn a_document_has_attributes_and_relationships() {
        let template = template(json!({
            "method": "PATCH", "path": "api/v2/prospects/{id}", "names": {"first_name": "firstName"},
            "resource": {"type": "prospect", "id": "id", "relationships": {
                "owner_id": ["owner", "user"], "account_id": ["account", "account"]
            }}
        }));
        let input = json!({"id": "7", "first_name": "Ada", "owner_id": "3", "account_id": null});
        let body = template.render(&input).unwrap().body;
        let expected = json!({"data": {
            "type": "prospect", "id": 7, "attributes": {"firstName": "Ada"},
            "relationships": {
                "owner": {"data": {"type": "user", "id": 3}}, "account": {"data": null}
            }
        }});
        assert_eq!(body, Some(expected));
    }
}
