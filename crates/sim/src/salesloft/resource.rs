//! What lists, filters, sorts and reads by id need to know about a kind of record.

use bytes::Bytes;

use super::query::Query;
use super::record::Record;
use super::switches::SalesloftSwitches;
use super::value::Value;
use crate::world::Team;

/// How the values of a filter are read and compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Id,
    Flag,
    /// A range of times: `[gt]`, `[gte]`, `[lt]` and `[lte]`.
    Time,
    Text,
    /// Text whose case is ignored.
    Address,
    /// The same for all addresses of a record; the value is that of `any <name>`.
    AnyAddress,
    /// One filter for each label: `custom_fields[Region]`.
    Labels,
    /// Only echoed here; the kind's `rows` heed it.
    Echo,
}

/// The filters of a kind: parameter and kind of value.
pub(super) type FilterList = &'static [(&'static str, Kind)];

/// A record, as lists and answers need it.
pub(super) trait Item<'t>: Copy {
    fn id(self) -> &'t str;

    /// The value of a filter or of a sort key.
    fn value(self, name: &str) -> Value<'t>;

    /// Renders everything but the id.
    fn write(self, record: &mut Record);
}

/// The records of a kind.
pub(super) trait Resource {
    type Row<'t>: Item<'t>;

    /// `ids` comes first.
    const FILTERS: FilterList;

    /// The keys to sort by, the default first.
    const SORTS: &'static [&'static str] = &["updated_at", "created_at"];

    /// Whether the default direction is ascending.
    const ASCENDS: bool = false;

    /// Whether a request without `page` gets everything.
    const WHOLE_WITHOUT_PAGE: bool = false;

    /// The listed records, in any order.
    fn rows<'t>(team: &'t Team, query: &Query) -> impl Iterator<Item = Self::Row<'t>>;

    /// The record with that id, whether or not it is listed.
    fn find<'t>(team: &'t Team, id: &str) -> Option<Self::Row<'t>>;

    /// The cached rendering of a record, for kinds that have a cache.
    fn cached(_team: &Team, _id: &str) -> Option<Bytes> {
        None
    }

    fn filters(_switches: &SalesloftSwitches) -> FilterList {
        Self::FILTERS
    }
}

/// Renders a record.
pub(super) fn render<'t, T: Item<'t>>(row: T) -> String {
    let mut record = Record::new(row.id());
    row.write(&mut record);
    record.finish()
}

/// An id as a number; 0 if it is not a number.
pub(super) fn number(id: &str) -> i64 {
    id.parse().unwrap_or(0)
}
