//! `/engagement/v2`: lists and gets of the common objects from the synced tables.

mod changes;
mod gets;
mod lists;
mod shapes;

/// The lists, and the object that a sync calls each.
const LISTS: [(&str, &str); 6] = [
    ("accounts", "account"),
    ("contacts", "contact"),
    ("mailboxes", "mailbox"),
    ("sequence_states", "sequence_state"),
    ("sequences", "sequence"),
    ("users", "user"),
];
