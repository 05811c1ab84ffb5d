//! What of Outreach's JSON is hashed to detect unchanged records.

use syncline_model::Object;

use crate::item::Hashing;

pub(super) static HASHING: Hashing = Hashing {
    mapping_version: 1,
    volatile_keys,
    former: None,
};

/// The record's own address, whose host may be that of any of Outreach's servers.
fn volatile_keys(_object: Object) -> &'static [&'static str] {
    &["links"]
}
