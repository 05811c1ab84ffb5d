//! What of Apollo's JSON is hashed to detect unchanged records.

use syncline_model::Object;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::{item::Hashing, json::Fields};

pub(super) static HASHING: Hashing = Hashing {
    mapping_version: 3,
    volatile_keys,
    former: Some(former),
};

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

/// The hash that version 2 of the mapping computed for the same record, over its bytes. It
/// identifies unchanged rows of that version.
fn former(object: Object, fields: &Fields<'_>, is_deleted: bool, carrier: &str) -> i64 {
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
