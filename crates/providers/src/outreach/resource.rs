//! Takes JSON:API records apart: attributes, and relationships to other records.
//!
//! Every attribute may be null, and a relationship may have only links or be missing altogether.

use syncline_model::Record;

use crate::{
    item::{Item, MappedFields},
    json::{Fields, reading::Reading},
};

pub(super) struct Resource<'r, 'a> {
    record: Reading<'r, 'a>,
    attributes: Fields<'a>,
    relationships: Fields<'a>,
}

impl<'r, 'a> Resource<'r, 'a> {
    pub(super) fn of(item: &'r Item<'a>) -> Self {
        let record = item.read();
        Self {
            record,
            attributes: record.object("attributes").unwrap_or_default(),
            relationships: record.object("relationships").unwrap_or_default(),
        }
    }

    pub(super) fn attributes(&self) -> Reading<'_, 'a> {
        self.record.of("attributes.", &self.attributes)
    }

    /// The id of the record that a to-one relationship leads to.
    pub(super) fn related(&self, name: &str) -> Option<String> {
        let relationships = self.record.of("relationships.", &self.relationships);
        let relationship = relationships.object(name)?;
        let path = format!("relationships.{name}.");
        let linkage = self.record.of(&path, &relationship).object("data")?;
        let path = format!("{path}data.");
        self.record.of(&path, &linkage).filled_text("id")
    }

    /// What all records have besides their fields.
    pub(super) fn with<T>(&self, fields: T) -> MappedFields<T> {
        let read = self.attributes();
        MappedFields {
            created_at: read.time("createdAt"),
            updated_at: read.time("updatedAt"),
            // Trashed records are still listed.
            is_deleted: read.time("trashedAt").is_some(),
            // This says how an earlier mapping hashed it, and there was none.
            is_normalized: false,
            fields,
        }
    }
}

/// Maps an item by its parts.
pub(super) fn mapped<T>(item: Item<'_>, map: fn(&Resource<'_, '_>) -> T) -> Record<T> {
    let resource = Resource::of(&item);
    let said = resource.with(map(&resource));
    item.record(said, "")
}
