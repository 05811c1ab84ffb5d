//! An item of a provider's page on its way to a common record: its id, its fields, what of them could
//! not be read, and the hash that tells an unchanged record.
//!
//! Only the id must be readable. Any other unreadable field is null, and its name is recorded. An item
//! that is not a record is rejected with the reason, and the rest of its page is still mapped.

use serde_json::value::RawValue;
use syncline_model::{
    Object, Record, Rejected, Time,
    mutation::{self, Mutation},
};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::json::{
    Fields, Malformed,
    canonical::{self, ContentHash},
    reading::{Reading, Unread},
};

/// How a provider's records are hashed: a sum over the content of the provider's JSON, independent
/// of its formatting.
pub(crate) struct Hashing {
    /// Increase it with every change of a mapping that produces other fields for the same JSON: it
    /// rewrites the rows.
    pub(crate) mapping_version: u64,
    /// Keys that depend on the endpoint or the time of the request, and are not hashed.
    pub(crate) volatile_keys: fn(Object) -> &'static [&'static str],
    /// The hash that an earlier version of the mapping computed, which identifies unchanged rows of
    /// that version.
    pub(crate) former: Option<FormerHash>,
}

/// The hash of an object's fields, of whether it is deleted, and of the id of its carrier.
pub(crate) type FormerHash = fn(Object, &Fields<'_>, bool, &str) -> i64;

impl Hashing {
    /// The sum over the record's own JSON.
    fn content(&self, object: Object, fields: &Fields<'_>) -> ContentHash {
        let volatile = (self.volatile_keys)(object);
        let nothing = ContentHash { sum: 0, levels: 1 };
        fields
            .pairs()
            .filter(|(key, _)| !volatile.contains(key))
            .fold(nothing, |all, (key, value)| {
                let value = canonical::sum(value.get());
                ContentHash {
                    sum: all.sum.wrapping_add(canonical::sum_of_pair(key, value.sum)),
                    levels: all.levels.max(value.levels + 1),
                }
            })
    }

    /// The hash of the content, the deletion state, and the id of the record that contains this one.
    fn of(&self, content: ContentHash, is_deleted: bool, carrier: &str) -> i64 {
        let seed = self.mapping_version << 1 | u64::from(is_deleted);
        xxh3_64_with_seed(carrier.as_bytes(), seed)
            .wrapping_add(content.sum)
            .cast_signed()
    }
}

/// How deeply a record may be nested: SQLite's JSON functions reject deeper JSON, and PostgreSQL
/// runs out of stack.
const MOST_LEVELS: usize = 1000;

/// An item of a page that is an object with an id.
pub(crate) struct Item<'a> {
    pub(crate) id: String,
    raw: &'a RawValue,
    pub(crate) fields: Fields<'a>,
    object: Object,
    hashing: &'static Hashing,
    content: ContentHash,
    unread: Unread,
}

/// The mapped data of a record, besides its id and its JSON.
pub(crate) struct MappedFields<T> {
    pub(crate) created_at: Option<Time>,
    pub(crate) updated_at: Option<Time>,
    pub(crate) is_deleted: bool,
    pub(crate) fields: T,
    /// A field is spelled differently than in the provider's JSON.
    pub(crate) is_normalized: bool,
}

impl<'a> Item<'a> {
    pub(crate) fn of(
        object: Object,
        raw: &'a RawValue,
        hashing: &'static Hashing,
    ) -> Result<Self, Rejected> {
        let fields = fields_of(raw).map_err(|malformed| rejection(object, None, &malformed))?;
        match fields.id("id") {
            Ok(id) => Self::with_id(object, id, raw, fields, hashing),
            Err(malformed) => Err(rejection(object, None, &malformed)),
        }
    }

    pub(crate) fn with_id(
        object: Object,
        id: String,
        raw: &'a RawValue,
        fields: Fields<'a>,
        hashing: &'static Hashing,
    ) -> Result<Self, Rejected> {
        let content = hashing.content(object, &fields);
        if content.levels > MOST_LEVELS {
            let reason = format!(
                "it is nested {} levels deep, and more than {MOST_LEVELS} can't be stored",
                content.levels
            );
            let malformed = Malformed::new("record", reason);
            return Err(rejection(object, Some(id), &malformed));
        }
        Ok(Self {
            id,
            raw,
            fields,
            object,
            hashing,
            content,
            unread: Unread::default(),
        })
    }

    pub(crate) fn read(&self) -> Reading<'_, 'a> {
        Reading::new(&self.fields, &self.unread)
    }

    /// `carrier` is the id of the record that contains it.
    pub(crate) fn record<T>(self, said: MappedFields<T>, carrier: &str) -> Record<T> {
        let unread = self.unread.into_names();
        let former = self.hashing.former;
        let former_hash = former
            .filter(|_| unread.is_empty() && !said.is_normalized)
            .map(|former| former(self.object, &self.fields, said.is_deleted, carrier));
        Record {
            id: self.id,
            created_at: said.created_at,
            updated_at: said.updated_at,
            is_deleted: said.is_deleted,
            fields: said.fields,
            raw: self.raw.to_owned(),
            hash: self.hashing.of(self.content, said.is_deleted, carrier),
            former_hash,
            unread,
        }
    }
}

pub(crate) fn fields_of(raw: &RawValue) -> Result<Fields<'_>, Malformed> {
    Fields::of(raw).ok_or_else(|| Malformed::new("record", "it is not an object"))
}

pub(crate) fn rejection(object: Object, id: Option<String>, malformed: &Malformed) -> Rejected {
    Rejected {
        object,
        id,
        reason: malformed.to_string(),
    }
}

/// Whether a mapped text differs from the provider's spelling.
pub(crate) fn is_normalized(item: &Item<'_>, name: &str, mapped: Option<&str>) -> bool {
    mapped.is_some() && item.fields.text(name).ok().flatten().as_deref() != mapped
}

/// Maps the items that are records, and adds the others to `rejected`.
pub(crate) fn map_all<T>(
    (object, hashing): (Object, &'static Hashing),
    items: &[&RawValue],
    rejected: &mut Vec<Rejected>,
    mut map: impl FnMut(Item<'_>) -> Record<T>,
) -> Vec<Record<T>> {
    let mut records = Vec::with_capacity(items.len());
    for raw in items {
        match Item::of(object, raw, hashing) {
            Ok(item) => records.extend(keep_record(object, map(item), rejected)),
            Err(rejection) => rejected.push(rejection),
        }
    }
    records
}

/// Keeps the record even if fields could not be read; see [`Mutation::UnreadFieldRejects`].
pub(crate) fn keep_record<T>(
    object: Object,
    record: Record<T>,
    rejected: &mut Vec<Rejected>,
) -> Option<Record<T>> {
    match record.unread.first() {
        Some(field) if mutation::on(Mutation::UnreadFieldRejects) => {
            let malformed = Malformed::new(field, "it can't be read");
            rejected.push(rejection(object, Some(record.id), &malformed));
            None
        }
        _ => Some(record),
    }
}
