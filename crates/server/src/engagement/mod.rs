//! `/engagement/v2`: the common records of a connection. One file per object; what the objects
//! share is in `records` (with `cached` and `live` behind it) and `writes`.

pub(crate) mod accounts;
pub(crate) mod cached;
pub(crate) mod change_stream;
pub(crate) mod changes;
pub(crate) mod contacts;
pub(crate) mod enrolments;
pub(crate) mod feed_watch;
mod find_accounts;
mod live;
pub(crate) mod mailboxes;
pub(crate) mod records;
pub(crate) mod sequence_states;
pub(crate) mod sequence_steps;
pub(crate) mod sequences;
pub(crate) mod tasks;
mod upsert;
pub(crate) mod users;
mod writes;

pub(crate) use writes::show;
