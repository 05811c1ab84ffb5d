//! The operations of actions in the actions API's document: one for each name, generated from the
//! catalogue.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use syncline_model::Action;
use syncline_providers::actions;
use utoipa::openapi::{OpenApi as Document, PathItem};

use super::catalogue::of_tables;

/// Adds them to the document, after the general operation that they are cases of.
pub(crate) fn describe(document: &mut Document) {
    let general = "/actions/{action_name}";
    let Some(operation) = document.paths.paths.get(general).cloned() else {
        return;
    };
    let Ok(operation) = serde_json::to_value(&operation) else {
        return;
    };
    for (name, all) in by_name() {
        let described = described(&operation["post"], name, &all);
        if let Ok(item) = serde_json::from_value::<PathItem>(json!({"post": described})) {
            document
                .paths
                .paths
                .insert(format!("/actions/{name}"), item);
        }
    }
}

/// The actions of a name, each with its provider's name; those of the tables have none.
fn by_name() -> BTreeMap<&'static str, Vec<(String, &'static Action)>> {
    let mut all: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    for action in of_tables() {
        all.entry(&action.name)
            .or_default()
            .push((String::new(), action));
    }
    for (provider, catalogue) in actions::built_in() {
        for it in catalogue {
            let named = all.entry(&it.action.name).or_default();
            named.push((provider.to_string(), &it.action));
        }
    }
    all
}

fn described(general: &Value, name: &str, all: &[(String, &'static Action)]) -> Value {
    let mut operation = general.clone();
    let first = all.first().map(|(_, action)| *action);
    operation["operationId"] = json!(format!("call_{}", name.replace('.', "_")));
    operation["summary"] = json!(first.map(|action| &action.title));
    operation["description"] = json!(in_words(all));
    if let Some(parameters) = operation["parameters"].as_array_mut() {
        parameters.retain(|it| it["in"] != "path");
    }
    let schema = match all {
        [(_, action)] => json!(action.input),
        several => json!({"anyOf": several.iter().map(titled).collect::<Vec<_>>()}),
    };
    operation["requestBody"]["content"]["application/json"]["schema"] = schema;
    operation
}

fn titled((provider, action): &(String, &'static Action)) -> Value {
    let mut schema = json!(action.input);
    schema["title"] = json!(provider);
    schema
}

fn in_words(all: &[(String, &'static Action)]) -> String {
    match all {
        [(_, action)] => action.description.clone(),
        several => {
            let each = several
                .iter()
                .map(|(provider, action)| format!("At {provider}: {}", action.description));
            each.collect::<Vec<_>>().join("\n\n")
        }
    }
}
