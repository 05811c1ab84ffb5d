//! `/engagement/v2`: the common records of a connection. One file per object; what the objects share
//! is in `records`.

pub(crate) mod accounts;
pub(crate) mod contacts;
pub(crate) mod mailboxes;
mod records;
pub(crate) mod sequence_states;
pub(crate) mod sequences;
pub(crate) mod users;
