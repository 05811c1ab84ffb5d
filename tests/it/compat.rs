//! Supaglue's published operations (`published_operations.txt` has one per line), compared with
//! this service's documents and with the page that lists what is missing.
//!
//! A line is `api METHOD path success-status`, then the names of its query and header parameters
//! after `?`, then the fields that its success always has (of one item, where it answers a list)
//! after `=`.

mod page;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

const PUBLISHED: &str = include_str!("compat/published_operations.txt");

struct Operation<'a> {
    api: &'a str,
    method: &'a str,
    path: &'a str,
    status: &'a str,
    parameters: BTreeSet<&'a str>,
    fields: BTreeSet<&'a str>,
}

fn published() -> Vec<Operation<'static>> {
    PUBLISHED
        .lines()
        .map(|line| {
            let mut words = line.split(' ');
            let mut word = || words.next().unwrap();
            let (api, method, path, status) = (word(), word(), word(), word());
            let after = |sign| {
                let word = line.split(' ').find_map(|word| word.strip_prefix(sign));
                word.into_iter()
                    .flat_map(|names| names.split(','))
                    .collect()
            };
            Operation {
                api,
                method,
                path,
                status,
                parameters: after('?'),
                fields: after('='),
            }
        })
        .collect()
}

fn documents() -> BTreeMap<&'static str, Value> {
    let parse = |text: String| serde_json::from_str(&text).unwrap();
    let documents = syncline_server::documents().into_iter();
    documents.map(|(api, text)| (api, parse(text))).collect()
}

#[test]
fn the_list_is_whole() {
    let mut counts = BTreeMap::new();
    for operation in published() {
        *counts.entry(operation.api).or_insert(0) += 1;
    }
    let expected = [
        ("actions", 1),
        ("engagement", 25),
        ("enrichment", 1),
        ("mgmt", 50),
    ];
    assert_eq!(counts, BTreeMap::from(expected));
}

#[test]
fn each_published_operation_is_built_as_published_or_named_as_missing() {
    let (documents, missing) = (documents(), page::missing());
    let mut wrong = Vec::new();
    for operation in published() {
        let Operation {
            api, method, path, ..
        } = operation;
        let built = documents.get(api).and_then(|document| {
            operation_in(document, path, method).map(|built| (document, built))
        });
        let named = missing.iter().any(|row| row.names(api, method, path));
        let mut say = |what: String| wrong.push(format!("{api} {method} {path}: {what}"));
        match built {
            Some(_) if named => say("is built, and the page says that it is missing".to_owned()),
            Some((document, built)) => differences(document, built, &operation)
                .into_iter()
                .for_each(say),
            None if named => {}
            None => say("is neither built nor named as missing".to_owned()),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_left_out_has_a_reason() {
    for row in page::missing().iter().filter(|row| row.is_left_out()) {
        let reason = row.reason();
        assert!(reason.len() > 20, "{}: '{reason}'", row.operations);
    }
}

fn operation_in<'d>(document: &'d Value, path: &str, method: &str) -> Option<&'d Value> {
    document["paths"]
        .get(path)?
        .get(method.to_ascii_lowercase())
}

/// Where an implemented operation differs from the published one.
fn differences(document: &Value, built: &Value, published: &Operation<'_>) -> Vec<String> {
    let mut wrong = Vec::new();
    let Some(success) = built["responses"].get(published.status) else {
        return vec![format!("doesn't answer {}", published.status)];
    };
    let names: BTreeSet<_> = built["parameters"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|parameter| parameter["in"] == "query" || parameter["in"] == "header")
        .filter_map(|parameter| parameter["name"].as_str())
        .collect();
    for parameter in published.parameters.difference(&names) {
        wrong.push(format!("doesn't take the parameter {parameter}"));
    }
    let schema = &success["content"]["application/json"]["schema"];
    let item = schema.get("items").unwrap_or(schema);
    let always = required(document, item);
    for field in &published.fields {
        if !always.contains(*field) {
            wrong.push(format!("doesn't promise the field {field}"));
        }
    }
    wrong
}

/// The fields that a schema requires, including those of its parts.
fn required(document: &Value, schema: &Value) -> BTreeSet<String> {
    let own = schema["required"].as_array().into_iter().flatten();
    let mut fields: BTreeSet<String> = own
        .filter_map(|field| Some(field.as_str()?.to_owned()))
        .collect();
    let target = schema["$ref"]
        .as_str()
        .and_then(|reference| document.pointer(reference.trim_start_matches('#')));
    let parts = schema["allOf"].as_array().into_iter().flatten();
    for part in parts.chain(target) {
        fields.extend(required(document, part));
    }
    fields
}
