//! The hash by which a record that did not change is recognised.
//!
//! It is a sum over what Apollo's JSON says, however it is written, less the keys that differ only by
//! the endpoint or the moment at which the record was read. The mapping's version is part of it: a
//! mapping that changes rewrites the rows.

use syncline_model::Object;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::json::{
    Fields,
    canonical::{self, Summed},
};

/// Grows with every change of a mapping that gives other fields for the same JSON.
const MAPPING_VERSION: u64 = 3;

/// Keys that come and go with the endpoint, or move with the clock.
fn passing_keys(object: Object) -> &'static [&'static str] {
    match object {
        Object::User | Object::Mailbox => &["fields_fully_loaded"],
        Object::Sequence => &["loaded_stats"],
        Object::Account => &["account_queues", "disable_flag", "engagement_graph"],
        Object::Contact => &[
            "contact_job_change_event",
            "disable_flag",
            "engagement_graph",
            "next_contact_id",
        ],
        Object::SequenceState => &[],
    }
}

/// What the record's own JSON says.
pub(super) fn content(object: Object, fields: &Fields<'_>) -> Summed {
    let passing = passing_keys(object);
    let nothing = Summed { sum: 0, levels: 1 };
    fields
        .pairs()
        .filter(|(key, _)| !passing.contains(key))
        .fold(nothing, |all, (key, value)| {
            let value = canonical::sum(value.get());
            Summed {
                sum: all.sum.wrapping_add(canonical::sum_of_pair(key, value.sum)),
                levels: all.levels.max(value.levels + 1),
            }
        })
}

/// What a record has beside its own JSON is whether it counts as deleted, and the id of the record that
/// it came in.
pub(super) fn of(content: Summed, is_deleted: bool, carrier: &str) -> i64 {
    let seed = MAPPING_VERSION << 1 | u64::from(is_deleted);
    xxh3_64_with_seed(carrier.as_bytes(), seed)
        .wrapping_add(content.sum)
        .cast_signed()
}

/// The hash that version 2 of the mapping gave the same record, over its bytes: by it rows of that
/// version are recognised as unchanged.
pub(super) fn former(object: Object, fields: &Fields<'_>, is_deleted: bool, carrier: &str) -> i64 {
    const VERSION: u64 = 2;
    let passing = passing_keys(object);
    let seed = VERSION << 1 | u64::from(is_deleted);
    fields
        .pairs()
        .filter(|(key, _)| !passing.contains(key))
        .fold(
            xxh3_64_with_seed(carrier.as_bytes(), seed),
            |sum, (key, value)| {
                let key = xxh3_64(key.as_bytes());
                sum.wrapping_add(xxh3_64_with_seed(value.get().as_bytes(), key))
            },
        )
        .cast_signed()
}

#[cfg(test)]
#[path = "hash_tests.rs"]
mod tests;
