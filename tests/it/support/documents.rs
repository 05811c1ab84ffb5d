//! Every answer that a test receives is checked against the service's own OpenAPI documents.
//!
//! The check is stricter than the documents: a field that they don't name is an error here,
//! although clients have to accept it. So a document can neither name what isn't sent nor leave out
//! what is.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use jsonschema::{Draft, Validator};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

/// A response, with what the check needs.
pub(crate) struct Received<'a> {
    pub(crate) method: &'a Method,
    /// Without the query.
    pub(crate) path: &'a str,
    pub(crate) status: StatusCode,
    pub(crate) content_type: Option<&'a str>,
    pub(crate) text: &'a str,
}

/// Fails the test when the document of the path doesn't allow the answer. Paths outside the APIs
/// have no document.
pub(crate) fn check(received: &Received<'_>) {
    if let Err(reason) = verdict(received) {
        let Received {
            method,
            path,
            status,
            text,
            ..
        } = received;
        panic!(
            "{method} {path} answered {status}, which its OpenAPI document doesn't allow: {reason}\n{text}"
        );
    }
}

/// Why an answer doesn't fit its document.
pub(crate) fn verdict(received: &Received<'_>) -> Result<(), String> {
    if *received.method == Method::HEAD {
        return Ok(());
    }
    let Some((api, rest)) = DOCUMENTS.keys().find_map(|api| {
        let rest = received.path.strip_prefix(&format!("/{api}/v2"))?;
        Some((*api, without_customer(api, rest)))
    }) else {
        return Ok(());
    };
    if rest.starts_with(PROXY) {
        return if is_our_error(received.text) {
            fits(api, "/components/schemas/errors", received)
        } else {
            Ok(())
        };
    }
    let method = received.method.as_str().to_ascii_lowercase();
    let Some(template) = template(api, rest, &method) else {
        return if [404, 405, 501].contains(&received.status.as_u16()) {
            let schema = if api == "scim" { "Error" } else { "errors" };
            fits(api, &format!("/components/schemas/{schema}"), received)
        } else {
            Err(format!("the {api} document has no such operation"))
        };
    };
    let responses = format!("/paths/{}/{method}/responses", escaped(&template));
    let status = received.status.as_str();
    let (at, response) = [status, "default"]
        .into_iter()
        .find_map(|status| {
            let at = format!("{responses}/{status}");
            let response = DOCUMENTS[api].pointer(&at)?;
            Some((at, response))
        })
        .ok_or_else(|| format!("{template} has neither this status nor a default"))?;
    let Some(content) = response["content"].as_object() else {
        return if received.text.is_empty() {
            Ok(())
        } else {
            Err("no body is documented".to_owned())
        };
    };
    let content_type = received.content_type.unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if !content.contains_key(essence) {
        return Err(format!("'{essence}' is no documented content type"));
    }
    if essence == "text/event-stream" {
        return Ok(());
    }
    fits(
        api,
        &format!("{at}/content/{}/schema", escaped(essence)),
        received,
    )
}

/// The path below the base address: SCIM has one for each customer.
fn without_customer<'p>(api: &str, path: &'p str) -> &'p str {
    let of_customer = path.strip_prefix("/customers/").filter(|_| api == "scim");
    let rest =
        of_customer.and_then(|path| path.match_indices('/').nth(1).map(|(at, _)| &path[at..]));
    rest.unwrap_or(path)
}

/// Below this path are the provider's answers, in any form; only Syncline's own errors are checked.
const PROXY: &str = "/proxy/";

fn is_our_error(text: &str) -> bool {
    let body: Value = serde_json::from_str(text).unwrap_or_default();
    body["errors"][0]["meta"]["origin"].is_string()
}

/// The documents by the API's name, closed: see [`close`].
static DOCUMENTS: LazyLock<HashMap<&str, Value>> = LazyLock::new(|| {
    syncline_server::documents()
        .into_iter()
        .map(|(api, text)| {
            let open: Value = serde_json::from_str(&text).unwrap();
            let mut closed = open.clone();
            close(&mut closed, &open);
            (api, closed)
        })
        .collect()
});

/// Why a webhook's payload doesn't fit what the management API's document says of the event.
pub(crate) fn event_verdict(event_type: &str, payload: &Value) -> Result<(), String> {
    let pointer =
        format!("/webhooks/{event_type}/post/requestBody/content/application~1json/schema");
    if DOCUMENTS["mgmt"].pointer(&pointer).is_none() {
        return Err("there is no such event in the document".to_owned());
    }
    value_fits("mgmt", &pointer, payload)
}

/// Whether the body matches the schema at this pointer in the document.
fn fits(api: &str, pointer: &str, received: &Received<'_>) -> Result<(), String> {
    let body = serde_json::from_str(received.text)
        .map_err(|error| format!("the body is not JSON: {error}"))?;
    value_fits(api, pointer, &body)
}

fn value_fits(api: &str, pointer: &str, body: &Value) -> Result<(), String> {
    // If something inside an object fails, the object fails too: the innermost error is the most
    // specific.
    let innermost = validator(api, pointer)
        .iter_errors(body)
        .map(|error| (error.instance_path().to_string(), error.to_string()))
        .max_by_key(|(path, reason)| {
            let closed = reason.starts_with("Unevaluated properties");
            (path.matches('/').count(), !closed)
        });
    match innermost {
        None => Ok(()),
        Some((path, reason)) if path.is_empty() => Err(reason),
        Some((path, reason)) => Err(format!("{path}: {reason}")),
    }
}

/// Each is compiled once for all tests of the process.
fn validator(api: &str, pointer: &str) -> Arc<Validator> {
    static VALIDATORS: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> =
        LazyLock::new(Mutex::default);
    let mut validators = VALIDATORS.lock().unwrap_or_else(PoisonError::into_inner);
    let known = validators.entry(format!("{api}{pointer}"));
    known
        .or_insert_with(|| {
            let document = &DOCUMENTS[api];
            let schema = document.pointer(pointer).unwrap();
            // References in the documents start at their root.
            let root = json!({"allOf": [schema], "components": document["components"]});
            let validator = jsonschema::options()
                .with_draft(Draft::Draft202012)
                .should_validate_formats(true)
                .build(&root)
                .unwrap();
            Arc::new(validator)
        })
        .clone()
}

/// The document's template for a path. If several match, the one with the fewest parameters.
fn template(api: &str, path: &str, method: &str) -> Option<String> {
    // The same handlers also serve Supaglue's other spelling.
    let path = path.replacen("/sync_runs", "/sync-runs", 1);
    let segments: Vec<_> = path.split('/').collect();
    let is_parameter = |part: &str| part.starts_with('{');
    let paths = DOCUMENTS[api]["paths"].as_object().unwrap();
    let best = paths
        .iter()
        .filter(|(template, item)| {
            let parts: Vec<_> = template.split('/').collect();
            let fits = parts.len() == segments.len()
                && parts.iter().zip(&segments).all(|(part, segment)| {
                    part == segment || (is_parameter(part) && !segment.is_empty())
                });
            fits && item.get(method).is_some()
        })
        .min_by_key(|(template, _)| template.split('/').filter(|p| is_parameter(p)).count());
    best.map(|(template, _)| template.clone())
}

fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// Makes every schema reject fields that it doesn't describe, wherever a value is described: in
/// fields, items and whole bodies. The parts of an `allOf` stay open, because each sees the whole
/// object.
fn close(value: &mut Value, open: &Value) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                close(field, open);
                match name.as_str() {
                    "properties" => {
                        let properties = field.as_object_mut().into_iter().flatten();
                        properties.for_each(|(_, property)| seal(property, open));
                    }
                    "schema" | "items" | "additionalProperties" => seal(field, open),
                    _ => {}
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| close(item, open)),
        _ => {}
    }
}

fn seal(schema: &mut Value, open: &Value) {
    if names_fields(schema, open)
        && let Some(schema) = schema.as_object_mut()
    {
        schema.insert("unevaluatedProperties".to_owned(), Value::Bool(false));
    }
}

/// Whether a schema names its fields; one that doesn't stands for any object.
fn names_fields(schema: &Value, open: &Value) -> bool {
    let target = schema["$ref"]
        .as_str()
        .and_then(|reference| open.pointer(reference.strip_prefix('#')?));
    let parts = ["allOf", "oneOf", "anyOf"]
        .iter()
        .filter_map(|key| schema[key].as_array())
        .flatten();
    schema["properties"].is_object()
        || target.is_some_and(|target| names_fields(target, open))
        || parts.into_iter().any(|part| names_fields(part, open))
}
