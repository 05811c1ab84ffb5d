//! The common-model tables: how records become rows (`write`) and rows become answers (`read`);
//! what callers write at the provider is shown at once (`write_through`).

mod read;
mod tables;
mod upsert;
mod write;
mod write_through;

pub use read::{RecordQuery, Row, Search};
pub use tables::Table;
pub(crate) use write::{Changes, INDEX_LAG, KeptOut, Origin, Writing};
