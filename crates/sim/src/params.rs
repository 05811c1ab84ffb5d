//! A request's parameters: query string and body merged, as Rails does.

use serde_json::{Map, Value};

use crate::request::SimRequest;

/// Query and body parameters. The body wins if both have the same name.
#[derive(Debug, Default)]
pub(crate) struct Params {
    query: Vec<(String, String)>,
    body: Map<String, Value>,
    /// The body's type was JSON, but it could not be parsed.
    pub(crate) unreadable: bool,
}

/// A whole number, and whether it was text in the query string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Number {
    pub(crate) value: u64,
    pub(crate) from_query: bool,
}

impl Params {
    pub(crate) fn read(request: &SimRequest) -> Self {
        let mut params = Self {
            query: request.query.as_deref().map(pairs).unwrap_or_default(),
            ..Self::default()
        };
        if request.body.is_empty() {
            return params;
        }
        let form = request
            .header_text("content-type")
            .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
        if form {
            params.query.extend(
                std::str::from_utf8(&request.body)
                    .map(pairs)
                    .unwrap_or_default(),
            );
            return params;
        }
        match serde_json::from_slice(&request.body) {
            Ok(Value::Object(body)) => params.body = body,
            Ok(_) => {}
            Err(_) => params.unreadable = true,
        }
        params
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.body.contains_key(name) || self.query.iter().any(|(key, _)| key == name)
    }

    pub(crate) fn text(&self, name: &str) -> Option<String> {
        match self.body.get(name) {
            Some(Value::String(text)) => Some(text.clone()),
            Some(Value::Null) => None,
            Some(other) => Some(other.to_string()),
            None => self.in_query(name).map(str::to_owned),
        }
        .filter(|text| !text.is_empty())
    }

    /// A list, or `None` if the parameter is absent. A single value counts as a list of one.
    pub(crate) fn list(&self, name: &str) -> Option<Vec<String>> {
        if let Some(value) = self.body.get(name) {
            return match value {
                Value::Array(items) => Some(items.iter().map(plain).collect()),
                Value::Null => None,
                one => Some(vec![plain(one)]),
            };
        }
        let bracketed = format!("{name}[]");
        let items = self
            .query
            .iter()
            .filter(|(key, _)| *key == bracketed || key == name);
        let items: Vec<String> = items.map(|(_, value)| value.clone()).collect();
        (!items.is_empty()).then_some(items)
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        self.text(name)
            .is_some_and(|text| text == "true" || text == "1")
    }

    pub(crate) fn number(&self, name: &str) -> Option<Number> {
        match self.body.get(name) {
            Some(Value::Number(number)) => number.as_u64().map(|value| Number {
                value,
                from_query: false,
            }),
            Some(Value::String(text)) => text.parse().ok().map(|value| Number {
                value,
                from_query: false,
            }),
            Some(_) => None,
            None => {
                let value = self.in_query(name)?.parse().ok()?;
                Some(Number {
                    value,
                    from_query: true,
                })
            }
        }
    }

    pub(crate) fn page(&self) -> Option<u64> {
        self.number("page").map(|page| page.value)
    }

    /// All parameters as one JSON object, for writes.
    pub(crate) fn fields(&self) -> Value {
        let mut fields = Map::new();
        for (key, value) in &self.query {
            match key.strip_suffix("[]") {
                Some(key) => {
                    let list = fields
                        .entry(key)
                        .or_insert_with(|| Value::Array(Vec::new()));
                    if let Value::Array(list) = list {
                        list.push(Value::String(value.clone()));
                    }
                }
                None => {
                    fields.insert(key.clone(), Value::String(value.clone()));
                }
            }
        }
        fields.extend(
            self.body
                .iter()
                .map(|(key, value)| (key.clone(), value.clone())),
        );
        Value::Object(fields)
    }

    fn in_query(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().rfind(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }
}

fn pairs(text: &str) -> Vec<(String, String)> {
    serde_urlencoded::from_str(text).unwrap_or_default()
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
