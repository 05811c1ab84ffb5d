//! The hash by which a record that did not change is recognised.
//!
//! It is a sum over the top-level pairs of Apollo's JSON, so that their order doesn't matter, less
//! the keys that differ only by the endpoint or the moment at which the record was read. The
//! mapping's version is part of it: a mapping that changes rewrites the rows.

use syncline_model::Object;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::json::Fields;

/// Grows with every change of a mapping that gives other fields for the same JSON.
const MAPPING_VERSION: u64 = 2;

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

/// `mapped` is what the record has beside its own JSON: whether it counts as deleted, and the id of
/// the record that it came in.
pub(super) fn of(object: Object, fields: &Fields<'_>, is_deleted: bool, mapped: &str) -> i64 {
    let passing = passing_keys(object);
    let start = xxh3_64_with_seed(
        mapped.as_bytes(),
        MAPPING_VERSION << 1 | u64::from(is_deleted),
    );
    fields
        .pairs()
        .filter(|(key, _)| !passing.contains(key))
        .fold(start, |sum, (key, value)| {
            sum.wrapping_add(xxh3_64_with_seed(
                value.get().as_bytes(),
                xxh3_64(key.as_bytes()),
            ))
        })
        .cast_signed()
}

#[cfg(test)]
#[path = "hash_tests.rs"]
mod tests;
