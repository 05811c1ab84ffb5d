//! What lists, filters, sorts and reads by id need to know about a kind of record.

use bytes::Bytes;

use super::record::{Record, Style};
use super::value::{Kind, Value};
use crate::world::Team;

/// A kind of record: its names, filters and sorts.
#[derive(Debug)]
pub(super) struct Schema {
    /// `sequenceState`
    pub(super) kind: &'static str,
    /// `sequenceStates`
    pub(super) plural: &'static str,
    /// Its name in cursors: `SequenceStates`.
    pub(super) controller: &'static str,
    /// Attributes to filter or sort by, besides `id`.
    pub(super) fields: &'static [Field],
    /// Relationships to filter by or to include.
    pub(super) relations: &'static [Relation],
}

/// An attribute to filter or sort by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) filters: bool,
    pub(super) sorts: bool,
}

/// An attribute for filters and sorts.
pub(super) const fn fs(name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        kind,
        filters: true,
        sorts: true,
    }
}

/// An attribute for filters only.
pub(super) const fn f(name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        kind,
        filters: true,
        sorts: false,
    }
}

/// A relationship, and the attributes of the related record to filter by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Relation {
    pub(super) name: &'static str,
    /// The kind of the related records.
    pub(super) to: &'static str,
    pub(super) filters: &'static [&'static str],
}

/// One that is filtered by `id`.
pub(super) const fn to(name: &'static str, to: &'static str) -> Relation {
    Relation {
        name,
        to,
        filters: &["id"],
    }
}

pub(super) const fn to_by(
    name: &'static str,
    to: &'static str,
    filters: &'static [&'static str],
) -> Relation {
    Relation { name, to, filters }
}

impl Schema {
    pub(super) fn field(&self, name: &str) -> Option<Field> {
        const ID: Field = fs("id", Kind::Number);
        if name == "id" {
            return Some(ID);
        }
        self.fields.iter().find(|field| field.name == name).copied()
    }

    pub(super) fn relation(&self, name: &str) -> Option<Relation> {
        let mut relations = self.relations.iter();
        relations.find(|relation| relation.name == name).copied()
    }
}

/// A record, as lists and answers need it.
pub(super) trait Item<'t>: Copy {
    fn id(self) -> &'t str;

    /// The value of an attribute to filter or sort by.
    fn value(self, name: &str) -> Value<'t>;

    /// The ids of related records.
    fn related(self, name: &str) -> Vec<&'t str>;

    /// The values of an attribute of related records, if the record contains them itself.
    fn related_values(self, _relation: &str, _attribute: &str) -> Option<Vec<Value<'t>>> {
        None
    }

    /// Renders the attributes and relationships.
    fn write(self, record: &mut Record<'_>);
}

/// The records of a kind.
pub(super) trait Resource {
    type Row<'t>: Item<'t>;

    const SCHEMA: Schema;

    /// The listed records, in any order.
    fn rows(team: &Team) -> impl Iterator<Item = Self::Row<'_>>;

    /// The record with that id, whether or not it is listed.
    fn find<'t>(team: &'t Team, id: &str) -> Option<Self::Row<'t>>;

    /// The cached rendering of a record, for kinds that have a cache.
    fn cached(_team: &Team, _id: &str) -> Option<Bytes> {
        None
    }

    /// Whether the record exists, but is hidden from the callers.
    fn hidden(_team: &Team, _id: &str) -> bool {
        false
    }
}

/// Renders a record.
pub(super) fn render<R: Resource>(row: R::Row<'_>, style: Style<'_>) -> String {
    let mut record = Record::new(&R::SCHEMA, row.id(), style);
    row.write(&mut record);
    record.finish()
}

/// Renders a record for a list, from the cache if the style allows it.
pub(super) fn listed<R: Resource>(team: &Team, row: R::Row<'_>, style: Style<'_>) -> Bytes {
    let cached = if style.allows_cache() {
        R::cached(team, row.id())
    } else {
        None
    };
    cached.unwrap_or_else(|| Bytes::from(render::<R>(row, style)))
}

/// An id as a number; 0 if it is not a number.
pub(super) fn number(id: &str) -> i64 {
    id.parse().unwrap_or(0)
}
