//! The change feed: one order of all changes of a connection.
//!
//! A row's stamp (`last_modified_at`) is its place in that order: `stamps` gives each writing
//! transaction the next one under the lock of the feed, `read` reads the rows behind a position, and
//! `notices` tells endpoints that ask for it that something changed. There is no log beside the
//! tables, so a record that changed several times comes once, in its newest state and place.

mod export;
mod notices;
mod read;
mod stamps;

pub use export::export_columns;
pub use notices::ToldChanges;
pub use read::{Change, ChangeBatch, ChangeFeed, ChangeQuery, ChangedRecord};
