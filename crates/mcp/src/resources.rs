//! Resources: the columns of the synced tables, as JSON Schemas of their records.

use std::{collections::BTreeMap, sync::LazyLock};

use rmcp::model::{ReadResourceResult, Resource, ResourceContents};
use serde_json::{Map, Value};
use syncline_model::Object;

const PREFIX: &str = "syncline://tables/";
const JSON: &str = "application/schema+json";
/// Where OpenAPI keeps schemas.
const COMPONENTS: &str = "#/components/schemas/";

pub(crate) fn list() -> Vec<Resource> {
    let all = Object::ALL.iter().map(|object| {
        let name = object.as_str();
        let mut resource = Resource::new(format!("{PREFIX}{name}"), name)
            .with_title(format!("The table of {}", object.plural()))
            .with_description(format!(
                "The columns of synced {}, as a JSON Schema of a record",
                object.plural()
            ));
        resource.mime_type = Some(JSON.to_owned());
        resource
    });
    all.collect()
}

/// `None` if there is no such resource.
pub(crate) fn read(uri: &str) -> Option<ReadResourceResult> {
    let name = uri.strip_prefix(PREFIX)?;
    let object: Object = name.parse().ok()?;
    let contents = ResourceContents::TextResourceContents {
        uri: uri.to_owned(),
        mime_type: Some(JSON.to_owned()),
        text: SCHEMAS.get(&object)?.clone(),
        meta: None,
    };
    Some(ReadResourceResult::new(vec![contents]))
}

/// Made once, because they are made from all of the documents.
static SCHEMAS: LazyLock<BTreeMap<Object, String>> = LazyLock::new(|| {
    let documents = syncline_server::documents();
    let engagement = documents.into_iter().find(|(api, _)| *api == "engagement");
    let (_, engagement) = engagement.unwrap_or_default();
    let engagement = engagement.replace(COMPONENTS, "#/$defs/");
    let document: Value = serde_json::from_str(&engagement).unwrap_or_default();
    let all = Object::ALL.iter();
    let all = all.filter_map(|object| Some((*object, schema_of(&document, *object)?.to_string())));
    all.collect()
});

/// The schema of a record in the engagement API's document, with those that it refers to.
fn schema_of(document: &Value, object: Object) -> Option<Value> {
    let all = document["components"]["schemas"].as_object()?;
    let mut schema = all
        .get(&format!("RecordBody_{}", in_camel_case(object.as_str())))?
        .clone();
    let mut definitions = Map::new();
    let mut missing = names_in(&schema);
    while let Some(name) = missing.pop() {
        let Some(definition) = all.get(&name).filter(|_| !definitions.contains_key(&name)) else {
            continue;
        };
        missing.extend(names_in(definition));
        definitions.insert(name, definition.clone());
    }
    schema["$defs"] = Value::Object(definitions);
    Some(schema)
}

/// The definitions that a schema refers to.
fn names_in(schema: &Value) -> Vec<String> {
    let text = schema.to_string();
    let references = text.split("#/$defs/").skip(1);
    let names = references.filter_map(|rest| rest.split('"').next());
    names.map(str::to_owned).collect()
}

fn in_camel_case(name: &str) -> String {
    let words = name.split('_').map(|word| {
        let (first, rest) = word.split_at(1);
        first.to_uppercase() + rest
    });
    words.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_has_its_columns_with_all_that_they_refer_to() {
        assert_eq!(list().len(), Object::ALL.len());
        for resource in list() {
            let read = read(&resource.uri).unwrap_or_else(|| panic!("{} is empty", resource.uri));
            let ResourceContents::TextResourceContents { text, .. } = &read.contents[0] else {
                panic!("{} is no text", resource.uri);
            };
            let schema: Value = serde_json::from_str(text).expect("a schema is JSON");
            for name in names_in(&schema) {
                assert!(
                    schema["$defs"][&name].is_object(),
                    "{}: {name}",
                    resource.uri
                );
            }
            assert!(text.contains("last_modified_at"), "{text}");
        }
        assert!(read("syncline://tables/deal").is_none());
        assert!(read("file:///etc/passwd").is_none());
    }
}
