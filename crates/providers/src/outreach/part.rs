//! A JSON:API record that is no common object: a step, a template, a task. What it lacks is null; what
//! can't be read is an error, because it was asked for.

use crate::json::{Fields, Malformed};

pub(super) struct Part<'a> {
    pub(super) id: String,
    pub(super) attributes: Fields<'a>,
    relationships: Fields<'a>,
}

impl<'a> Part<'a> {
    pub(super) fn of(record: Option<Fields<'a>>) -> Result<Self, Malformed> {
        let record = record.ok_or_else(|| Malformed::new("data", "it is not an object"))?;
        Ok(Self {
            id: record.id("id")?,
            attributes: record.object("attributes")?.unwrap_or_default(),
            relationships: record.object("relationships")?.unwrap_or_default(),
        })
    }

    /// The id of the record that a to-one relationship leads to.
    pub(super) fn related(&self, name: &str) -> Result<Option<String>, Malformed> {
        let Some(relationship) = self.relationships.object(name)? else {
            return Ok(None);
        };
        match relationship.object("data")? {
            Some(linkage) => linkage.filled_text("id"),
            None => Ok(None),
        }
    }
}
