//! The definitions of custom fields, and the writing of their values, which are kept by label.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::Call;
use super::body::text;
use super::query::Query;
use super::record::Record;
use super::refusal::Refusal;
use super::resource::{FilterList, Item, Kind, Resource};
use super::value::Value;
use crate::world::Team;
use crate::world::catalogue::Field;

#[derive(Debug)]
pub(super) struct CustomFields;

/// A field with its id, which is its number.
#[derive(Debug, Clone, Copy)]
pub(super) struct FieldRow<'t> {
    field: &'t Field,
    id: &'static str,
    team: &'t Team,
}

const IDS: [&str; 9] = ["1", "2", "3", "4", "5", "6", "7", "8", "9"];

impl Resource for CustomFields {
    type Row<'t> = FieldRow<'t>;

    const FILTERS: FilterList = &[("ids", Kind::Id), ("field_type", Kind::Text)];

    fn rows<'t>(team: &'t Team, _: &Query) -> impl Iterator<Item = FieldRow<'t>> {
        let fields = team.fields.iter().zip(IDS);
        fields.map(move |(field, id)| FieldRow { field, id, team })
    }

    fn find<'t>(team: &'t Team, id: &str) -> Option<FieldRow<'t>> {
        Self::rows(team, &Query::default()).find(|row| row.id == id)
    }
}

impl<'t> Item<'t> for FieldRow<'t> {
    fn id(self) -> &'t str {
        self.id
    }

    fn value(self, name: &str) -> Value<'t> {
        match name {
            "field_type" => Value::Text(Cow::Borrowed(field_type(self.field))),
            "created_at" | "updated_at" => {
                let stage = self.team.contact_stages.first();
                Value::time(stage.map(|stage| stage.created_at))
            }
            _ => Value::Null,
        }
    }

    fn write(self, record: &mut Record) {
        let stage = self.team.contact_stages.first();
        let since = stage.map(|stage| stage.created_at);
        let value_type = if self.field.kind == "datetime" {
            "date"
        } else {
            "text"
        };
        record
            .maybe_time("created_at", since)
            .maybe_time("updated_at", since)
            .text("name", self.field.name)
            .text("field_type", field_type(self.field))
            .text("value_type", value_type);
    }
}

fn field_type(field: &Field) -> &'static str {
    if field.modality == "account" {
        "company"
    } else {
        "person"
    }
}

/// Changes the values of the given labels; an empty value removes one. `modality` is the world's.
pub(super) fn set(
    call: &Call<'_>,
    modality: &str,
    values: &mut BTreeMap<String, Json>,
    given: &Json,
) -> Result<(), Refusal> {
    for (label, value) in given.as_object().into_iter().flatten() {
        if !is_known(call.team, modality, label) {
            if call.team.salesloft.switches.unknown_custom_fields_refused {
                let words = format!("has no field {label}");
                return Err(Refusal::field("custom_fields", &words));
            }
            continue;
        }
        match text("custom_fields", value)? {
            Some(text) => values.insert(label.clone(), Json::String(text)),
            None => values.remove(label),
        };
    }
    Ok(())
}

fn is_known(team: &Team, modality: &str, label: &str) -> bool {
    let mut fields = team.fields.iter();
    fields.any(|field| field.modality == modality && field.name == label)
}
