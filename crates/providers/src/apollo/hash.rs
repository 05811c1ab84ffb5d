//! The content hash that detects unchanged records.
//!
//! It is a sum over the content of Apollo's JSON, independent of its formatting, without the keys
//! that differ only by endpoint or time. It includes the mapping's version, so a changed mapping
//! rewrites the rows.

use syncline_model::Object;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::json::{
    Fields,
    canonical::{self, ContentHash},
};

/// Increase it with every change of a mapping that produces other fields for the same JSON.
const MAPPING_VERSION: u64 = 3;

/// Keys that depend on the endpoint or the time of the request.
fn volatile_keys(object: Object) -> &'static [&'static str] {
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

/// The sum over the record's own JSON.
pub(super) fn content(object: Object, fields: &Fields<'_>) -> ContentHash {
    let passing = volatile_keys(object);
    let nothing = ContentHash { sum: 0, levels: 1 };
    fields
        .pairs()
        .filter(|(key, _)| !passing.contains(key))
        .fold(nothing, |all, (key, value)| {
            let value = canonical::sum(value.get());
            ContentHash {
                sum: all.sum.wrapping_add(canonical::sum_of_pair(key, value.sum)),
                levels: all.levels.max(value.levels + 1),
            }
        })
}

/// The hash of the content, the deletion state, and the id of the record that contains this one.
pub(super) fn of(content: ContentHash, is_deleted: bool, carrier: &str) -> i64 {
    let seed = MAPPING_VERSION << 1 | u64::from(is_deleted);
    xxh3_64_with_seed(carrier.as_bytes(), seed)
        .wrapping_add(content.sum)
        .cast_signed()
}

/// The hash that version 2 of the mapping computed for the same record, over its bytes. It
/// identifies unchanged rows of that version.
pub(super) fn former(object: Object, fields: &Fields<'_>, is_deleted: bool, carrier: &str) -> i64 {
    const VERSION: u64 = 2;
    let passing = volatile_keys(object);
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
