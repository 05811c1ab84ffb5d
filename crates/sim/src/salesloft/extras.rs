//! Custom fields, and fields that the world does not model. Both are among a record's custom fields: the
//! former by label, the latter by name with a prefix.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::record::Record;
use crate::json::quoted;

/// What the keys of fields begin with that are stored among the custom fields, whose keys are labels.
const NATIVE: &str = "native:";

/// A field that the world does not model.
pub(super) fn native<'t>(fields: &'t BTreeMap<String, Json>, name: &str) -> Option<&'t Json> {
    fields.get(&format!("{NATIVE}{name}"))
}

/// Stores a field that the world does not model; null removes it.
pub(super) fn set_native(fields: &mut BTreeMap<String, Json>, name: &str, value: &Json) {
    let key = format!("{NATIVE}{name}");
    if value.is_null() {
        fields.remove(&key);
    } else {
        fields.insert(key, value.clone());
    }
}

/// Renders the fields that the world does not model.
pub(super) fn write_natives(fields: &BTreeMap<String, Json>, names: &[&str], record: &mut Record) {
    for name in names {
        match (native(fields, name), *name) {
            (Some(value), _) => record.raw(name, &value.to_string()),
            (None, "job_seniority") => record.text(name, "unknown"),
            (None, "do_not_contact") => record.flag(name, false),
            _ => record.nulls(&[*name]),
        };
    }
}

/// The custom fields that are set, by label.
pub(super) fn labelled(fields: &BTreeMap<String, Json>) -> String {
    let set = fields.iter().filter(|(key, _)| !key.starts_with(NATIVE));
    let set = set.filter_map(|(label, value)| {
        let text = as_text(value)?;
        Some(format!("{}:{}", quoted(label), quoted(&text)))
    });
    format!("{{{}}}", set.collect::<Vec<_>>().join(","))
}

/// A custom field as text, whatever its type.
pub(super) fn as_text(value: &Json) -> Option<String> {
    match value {
        Json::Null => None,
        Json::String(text) => Some(text.clone()),
        Json::Array(items) => {
            let texts = items.iter().filter_map(Json::as_str);
            Some(texts.collect::<Vec<_>>().join(", "))
        }
        other => Some(other.to_string()),
    }
}
