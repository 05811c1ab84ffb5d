//! The common-model tables: how records become rows (`write`) and rows become answers (`read`).

mod read;
mod tables;
mod write;

pub use read::{RecordQuery, Row};
pub use tables::Table;
pub(crate) use write::{Changes, INDEX_LAG};
