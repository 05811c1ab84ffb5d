//! Every operation of the OpenAPI documents as a request that could be sent, so that a test can go
//! through all of them, new ones included.

use reqwest::Method;
use serde_json::{Map, Value, json};

use super::{CUSTOMER, MASTER_KEY};

/// One operation, with a body that its document allows.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    pub(crate) id: String,
    pub(crate) method: Method,
    /// With its placeholders: `/mgmt/v2/customers/{customer_id}`.
    pub(crate) template: String,
    /// The required query parameters.
    query: String,
    pub(crate) body: Option<Value>,
}

/// All of them, in the documents' order.
pub(crate) fn operations() -> Vec<Operation> {
    let documents = syncline_server::documents();
    documents
        .iter()
        .flat_map(|(api, text)| of_document(api, &serde_json::from_str(text).unwrap()))
        .collect()
}

fn of_document(api: &str, document: &Value) -> Vec<Operation> {
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let Some(id) = operation["operationId"].as_str() else {
                continue;
            };
            let required = operation["parameters"].as_array().into_iter().flatten();
            let required = required.filter(|it| it["in"] == "query" && it["required"] == true);
            let query = required.map(|it| {
                let name = it["name"].as_str().unwrap();
                format!(
                    "{name}={}",
                    sample(name, &it["schema"], document).as_str().unwrap()
                )
            });
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            all.push(Operation {
                id: id.to_owned(),
                method: Method::from_bytes(method.to_uppercase().as_bytes()).unwrap(),
                template: format!("/{api}/v2{path}"),
                query: query.collect::<Vec<_>>().join("&"),
                body: schema.is_object().then(|| sample("", schema, document)),
            });
        }
    }
    all
}

impl Operation {
    /// The path to send it to; `value` fills a placeholder.
    pub(crate) fn path(&self, value: impl Fn(&str) -> String) -> String {
        let mut path = String::new();
        for part in self.template.split('/').skip(1) {
            path.push('/');
            match part
                .strip_prefix('{')
                .and_then(|part| part.strip_suffix('}'))
            {
                Some(name) => path.push_str(&value(name)),
                None => path.push_str(part),
            }
        }
        if !self.query.is_empty() {
            path = format!("{path}?{}", self.query);
        }
        path
    }

    pub(crate) fn names_something(&self) -> bool {
        self.template.contains('{')
    }

    pub(crate) fn is_of(&self, api: &str) -> bool {
        self.template.starts_with(&format!("/{api}/"))
    }
}

/// The minimal value that a schema allows, with valid values where a field's name says what it is.
fn sample(name: &str, schema: &Value, document: &Value) -> Value {
    match name {
        "customer_id" => return CUSTOMER.into(),
        "provider_name" => return "apollo".into(),
        "object" => return "user".into(),
        "object_type" => return "common".into(),
        "api_key" => return MASTER_KEY.into(),
        "email" => return "ines@heron.example".into(),
        "path" => return "/api/v1/contacts/search".into(),
        "strategy" => return "full only".into(),
        "period_ms" => return 3_600_000.into(),
        "url" | "return_url" => return "https://ours.example/".into(),
        _ => {}
    }
    if let Some(reference) = schema["$ref"].as_str() {
        let target = document.pointer(reference.trim_start_matches('#')).unwrap();
        return sample(name, target, document);
    }
    if let Some(example) = schema.get("example") {
        return example.clone();
    }
    if let Some(parts) = schema["allOf"].as_array() {
        let mut whole = Map::new();
        for part in parts {
            if let Value::Object(fields) = sample(name, part, document) {
                whole.extend(fields);
            }
        }
        return whole.into();
    }
    for choice in ["oneOf", "anyOf"] {
        if let Some(choices) = schema[choice].as_array() {
            let some = choices.iter().find(|it| it["type"] != "null").unwrap();
            return sample(name, some, document);
        }
    }
    if let Some(value) = schema["enum"].get(0) {
        return value.clone();
    }
    let types = match &schema["type"] {
        Value::Array(types) => types.clone(),
        one => vec![one.clone()],
    };
    match types.iter().find_map(Value::as_str) {
        Some("string") if schema["format"] == "date-time" => "2099-01-01T00:00:00.000Z".into(),
        Some("string") => "sample".into(),
        Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or(json!(1)),
        Some("boolean") => true.into(),
        Some("array") if schema["minItems"].as_u64() > Some(0) => {
            json!([sample("", &schema["items"], document)])
        }
        Some("array") => json!([]),
        _ => {
            let required = schema["required"].as_array().into_iter().flatten();
            let required = required.map(|field| field.as_str().unwrap());
            let fields = required.map(|field| {
                let value = sample(field, &schema["properties"][field], document);
                (field.to_owned(), value)
            });
            Value::Object(fields.collect())
        }
    }
}
