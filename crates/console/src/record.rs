//! A row of a table as the API tells it, with its values in words, and whose it is.

use serde::Deserialize;
use serde_json::{Map, Value};
use syncline_model::{Object, Time};

use crate::{
    resources::connection_path,
    words::{When, plain},
};

/// A row: some fields are every object's, the others stand in `fields` as the API names them.
#[derive(Deserialize)]
pub(crate) struct Record {
    pub(crate) id: String,
    pub(crate) is_deleted: bool,
    pub(crate) last_modified_at: Time,
    #[serde(default)]
    pub(crate) raw_data: Option<Value>,
    #[serde(flatten)]
    pub(crate) fields: Map<String, Value>,
}

/// Whose records.
pub(crate) struct Of {
    pub(crate) customer_id: String,
    pub(crate) provider: String,
    pub(crate) object: Object,
}

impl Record {
    pub(crate) fn text(&self, column: &str) -> String {
        self.fields.get(column).map(in_words).unwrap_or_default()
    }

    pub(crate) fn modified(&self, now: &Time) -> When {
        When::new(self.last_modified_at, *now)
    }

    pub(crate) fn all_fields(&self) -> Vec<(String, String)> {
        let fields = self.fields.iter();
        fields
            .map(|(name, value)| (plain(name), in_words(value)))
            .collect()
    }

    pub(crate) fn raw(&self) -> Option<String> {
        let raw = self.raw_data.as_ref()?;
        serde_json::to_string_pretty(raw).ok()
    }
}

/// A value of a field as a person reads it: lists by their elements, addresses by themselves.
fn in_words(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Array(values) => values.iter().map(in_words).collect::<Vec<_>>().join(", "),
        Value::Object(fields) => {
            let main = ["email_address", "phone_number", "street_1"];
            match main.iter().find_map(|name| fields.get(*name)) {
                Some(value) => in_words(value),
                None => value.to_string(),
            }
        }
        Value::Number(number) => number.to_string(),
    }
}

impl Of {
    pub(crate) fn connection_path(&self) -> String {
        connection_path(&self.customer_id, &self.provider)
    }

    pub(crate) fn path(&self) -> String {
        format!("{}/records/{}", self.connection_path(), self.object)
    }

    pub(crate) fn plural(&self) -> String {
        plain(self.object.plural())
    }

    /// The columns that say most about a record.
    pub(crate) fn columns(&self) -> &'static [&'static str] {
        match self.object {
            Object::User => &["first_name", "last_name", "email", "is_locked"],
            Object::Mailbox => &["email", "user_id", "is_disabled"],
            Object::Sequence => &["name", "is_enabled", "num_steps", "owner_id"],
            Object::Account => &["name", "domain", "owner_id"],
            Object::Contact => &["first_name", "last_name", "job_title", "email_addresses"],
            Object::SequenceState => &["state", "contact_id", "sequence_id"],
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_read_as_words() {
        let of = |value: Value| in_words(&value);
        assert_eq!(of(json!(null)), "");
        assert_eq!(of(json!(true)), "yes");
        assert_eq!(
            of(json!([{"email_address": "a@x.example", "type": "work"}])),
            "a@x.example"
        );
        assert_eq!(of(json!(["a", 1])), "a, 1");
    }
}
