//! What of Salesloft's JSON is hashed to detect unchanged records.

use syncline_model::Object;

use crate::item::Hashing;

pub(super) static HASHING: Hashing = Hashing {
    mapping_version: 1,
    volatile_keys,
    former: None,
};

/// Keys whose values change although nobody changed the record: the offset of a time zone moves with
/// daylight saving time.
fn volatile_keys(object: Object) -> &'static [&'static str] {
    match object {
        Object::User | Object::Contact => &["_href", "locale_utc_offset"],
        Object::Mailbox | Object::Sequence | Object::SequenceState | Object::Account => &["_href"],
    }
}
