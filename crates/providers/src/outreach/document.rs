//! The bodies of writes: JSON:API documents with attributes, and relationships to other records.

use serde_json::{Map, Value, json};
use syncline_model::draft::{CustomFields, Field};

use super::lookup::whole;
use crate::error::ProviderError;

/// One record of a write, with what is to be written of it.
pub(super) struct Document {
    kind: &'static str,
    id: Option<u64>,
    attributes: Map<String, Value>,
    relationships: Map<String, Value>,
}

impl Document {
    /// Of a new record, with the caller's own attributes. The common ones win over them.
    pub(super) fn new(kind: &'static str, custom_fields: &CustomFields) -> Self {
        Self {
            kind,
            id: None,
            attributes: custom_fields.clone(),
            relationships: Map::new(),
        }
    }

    /// Of a record that is there.
    pub(super) fn of(self, id: u64) -> Self {
        Self {
            id: Some(id),
            ..self
        }
    }

    pub(super) fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.attributes.insert(name.to_owned(), value.into());
    }

    /// Sets an attribute unless the caller's own fields have it.
    pub(super) fn set_default(&mut self, name: &str, value: impl Into<Value>) {
        self.attributes.entry(name).or_insert_with(|| value.into());
    }

    /// A text to set, to clear if it is null, or to leave alone if it is absent.
    pub(super) fn set_text(&mut self, name: &str, text: Option<&Option<String>>) {
        if let Some(text) = text {
            self.set(name, text.clone());
        }
    }

    pub(super) fn relate(&mut self, name: &str, kind: &str, id: u64) {
        let data = json!({"data": {"type": kind, "id": id}});
        self.relationships.insert(name.to_owned(), data);
    }

    /// A relationship to set, to clear if it is null, or to leave alone if it is absent. `field` is
    /// the caller's name of it.
    pub(super) fn relate_to(
        &mut self,
        (name, kind): (&str, &str),
        (field, id): (&str, &Field<String>),
    ) -> Result<(), ProviderError> {
        match id {
            None => {}
            Some(None) => {
                let none = json!({"data": null});
                self.relationships.insert(name.to_owned(), none);
            }
            Some(Some(id)) => self.relate(name, kind, id_in(field, id)?),
        }
        Ok(())
    }

    pub(super) fn attributes(&self) -> &Map<String, Value> {
        &self.attributes
    }

    /// Whether it writes nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.attributes.is_empty() && self.relationships.is_empty()
    }

    pub(super) fn to_body(&self) -> Value {
        let mut data = json!({"type": self.kind});
        if let Some(id) = self.id {
            data["id"] = id.into();
        }
        if !self.attributes.is_empty() {
            data["attributes"] = Value::Object(self.attributes.clone());
        }
        if !self.relationships.is_empty() {
            data["relationships"] = Value::Object(self.relationships.clone());
        }
        json!({ "data": data })
    }
}

/// The number of another record that the caller names in a field.
pub(super) fn id_in(field: &str, id: &str) -> Result<u64, ProviderError> {
    whole(id).ok_or_else(|| {
        let reason = format!("must be a whole number, as Outreach's ids are, not '{id}'");
        ProviderError::invalid(field, &reason)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn account() -> Document {
        Document::new("account", &CustomFields::new())
    }

    #[test]
    fn what_is_absent_is_not_written_and_what_is_null_is_cleared() {
        let mut document = account().of(7);
        document.set_text("name", None);
        document.set_text("domain", Some(&None));
        document
            .relate_to(("owner", "user"), ("owner_id", &None))
            .unwrap();
        let written = json!({"data": {"type": "account", "id": 7, "attributes": {"domain": null}}});
        assert_eq!(document.to_body(), written);

        document
            .relate_to(("owner", "user"), ("owner_id", &Some(None)))
            .unwrap();
        assert_eq!(
            document.to_body()["data"]["relationships"],
            json!({"owner": {"data": null}})
        );
    }

    #[test]
    fn ids_are_numbers_and_another_text_names_its_field() {
        let mut document = account();
        let owner = Some(Some("12".to_owned()));
        document
            .relate_to(("owner", "user"), ("owner_id", &owner))
            .unwrap();
        assert_eq!(
            document.to_body()["data"]["relationships"],
            json!({"owner": {"data": {"type": "user", "id": 12}}})
        );
        for id in ["", "u-1", "-1", "1.0", "99999999999999999999"] {
            let owner = Some(Some(id.to_owned()));
            let refused = document.relate_to(("owner", "user"), ("owner_id", &owner));
            let error = refused.unwrap_err();
            assert_eq!(error.kind, ErrorKind::Invalid, "{id}");
            assert_eq!(error.field.unwrap().0, "owner_id", "{id}");
        }
    }

    #[test]
    fn common_fields_win_over_the_callers_own_and_defaults_do_not() {
        let own = json!({"custom3": "x", "name": "lost", "named": false});
        let Value::Object(own) = own else {
            panic!("an object was written");
        };
        let mut document = Document::new("account", &own);
        document.set_text("name", Some(&Some("Kept".to_owned())));
        document.set_default("named", true);
        let attributes = json!({"custom3": "x", "name": "Kept", "named": false});
        assert_eq!(document.to_body()["data"]["attributes"], attributes);
    }
}
