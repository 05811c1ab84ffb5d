//! The objects' tables: `compare` tells which records differ from their rows, `write` turns them into
//! rows, `list` lists rows, `search` narrows a list, `read` finds single ones, and `write_through`
//! stores what callers wrote at the provider. `remove` is the end of a record.

mod compare;
mod copy;
mod counts;
mod json;
mod list;
mod list_counts;
mod read;
mod remove;
mod search;
mod tables;
mod upsert;
mod write;
mod write_through;

pub(crate) use compare::{Changes, Differences, Fingerprints, INDEX_LAG, Origin};
pub use json::{JsonRow, JsonRows, JsonText};
pub use list::RecordQuery;
pub(crate) use list_counts::ListCounts;
pub use read::Row;
pub(crate) use read::StoredRow;
pub use search::{Search, UserSearch};
pub use tables::Table;
pub(crate) use write::{RefusedRecords, Way, Writing};
