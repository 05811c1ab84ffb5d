//! Maps Apollo's records to common ones, except for the two large ones: `contact.rs` (with the
//! sequence states inside) and `sequence.rs`.
//!
//! The fields are those of Supaglue's published mapping, so that its clients keep working. Only the
//! id of a record must be readable: any other unreadable field is null, and its name is recorded.
//! An item that is not a record is rejected with the reason, and the rest of its page is still
//! mapped.

use serde_json::value::RawValue;
use syncline_model::{
    Account, Mailbox, Object, Record, Records, Rejected, Time, User,
    mutation::{self, Mutation},
    spelling::bare_host,
};

use super::{contact, hash, sequence};
use crate::json::{
    Fields, Malformed,
    canonical::ContentHash,
    reading::{Reading, Unread},
};

/// A page's records in the common form.
pub(super) struct Mapped {
    pub(super) records: Records,
    pub(super) rejected: Vec<Rejected>,
    pub(super) loading: Vec<String>,
}

pub(super) fn map_page(object: Object, items: &[&RawValue]) -> Mapped {
    let mut rejected = Vec::new();
    let mut loading = Vec::new();
    let records = match object {
        Object::User => Records::Users(map_all(object, items, &mut rejected, user)),
        Object::Mailbox => Records::Mailboxes(map_all(object, items, &mut rejected, mailbox)),
        Object::Account => Records::Accounts(map_all(object, items, &mut rejected, account)),
        Object::Sequence => {
            let map = |item: Item<'_>| {
                if sequence::is_loading(&item.fields) {
                    loading.push(item.id.clone());
                }
                sequence::map(item)
            };
            Records::Sequences(map_all(object, items, &mut rejected, map))
        }
        Object::Contact | Object::SequenceState => contact::map_all(items, &mut rejected),
    };
    Mapped {
        records,
        rejected,
        loading,
    }
}

/// How deeply a record may be nested: SQLite's JSON functions reject deeper JSON, and PostgreSQL
/// runs out of stack.
const MOST_LEVELS: usize = 1000;

/// An item of a page that is an object with an id.
pub(super) struct Item<'a> {
    pub(super) id: String,
    raw: &'a RawValue,
    pub(super) fields: Fields<'a>,
    object: Object,
    content: ContentHash,
    unread: Unread,
}

/// The mapped data of a record, besides its id and its JSON.
pub(super) struct MappedFields<T> {
    pub(super) created_at: Option<Time>,
    pub(super) updated_at: Option<Time>,
    pub(super) is_deleted: bool,
    pub(super) fields: T,
    /// A field is spelled differently than in Apollo's JSON.
    pub(super) is_normalized: bool,
}

impl<'a> Item<'a> {
    pub(super) fn of(object: Object, raw: &'a RawValue) -> Result<Self, Rejected> {
        let fields = fields_of(raw).map_err(|malformed| rejection(object, None, &malformed))?;
        match fields.id("id") {
            Ok(id) => Self::with_id(object, id, raw, fields),
            Err(malformed) => Err(rejection(object, None, &malformed)),
        }
    }

    pub(super) fn with_id(
        object: Object,
        id: String,
        raw: &'a RawValue,
        fields: Fields<'a>,
    ) -> Result<Self, Rejected> {
        let content = hash::content(object, &fields);
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
            content,
            unread: Unread::default(),
        })
    }

    pub(super) fn read(&self) -> Reading<'_, 'a> {
        Reading::new(&self.fields, &self.unread)
    }

    /// `carrier` is the id of the record that contains it.
    pub(super) fn record<T>(self, said: MappedFields<T>, carrier: &str) -> Record<T> {
        let unread = self.unread.into_names();
        let former_hash = (unread.is_empty() && !said.is_normalized)
            .then(|| hash::former(self.object, &self.fields, said.is_deleted, carrier));
        Record {
            id: self.id,
            created_at: said.created_at,
            updated_at: said.updated_at,
            is_deleted: said.is_deleted,
            fields: said.fields,
            raw: self.raw.to_owned(),
            hash: hash::of(self.content, said.is_deleted, carrier),
            former_hash,
            unread,
        }
    }
}

pub(super) fn fields_of(raw: &RawValue) -> Result<Fields<'_>, Malformed> {
    Fields::of(raw).ok_or_else(|| Malformed::new("record", "it is not an object"))
}

pub(super) fn rejection(object: Object, id: Option<String>, malformed: &Malformed) -> Rejected {
    Rejected {
        object,
        id,
        reason: malformed.to_string(),
    }
}

/// Whether a mapped text differs from Apollo's spelling.
pub(super) fn is_normalized(item: &Item<'_>, name: &str, mapped: Option<&str>) -> bool {
    mapped.is_some() && item.fields.text(name).ok().flatten().as_deref() != mapped
}

fn map_all<T>(
    object: Object,
    items: &[&RawValue],
    rejected: &mut Vec<Rejected>,
    mut map: impl FnMut(Item<'_>) -> Record<T>,
) -> Vec<Record<T>> {
    let mut records = Vec::with_capacity(items.len());
    for raw in items {
        match Item::of(object, raw) {
            Ok(item) => records.extend(keep_record(object, map(item), rejected)),
            Err(rejection) => rejected.push(rejection),
        }
    }
    records
}

/// Keeps the record even if fields could not be read; see [`Mutation::UnreadFieldRejects`].
pub(super) fn keep_record<T>(
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

fn user(item: Item<'_>) -> Record<User> {
    let read = item.read();
    let fields = User {
        first_name: read.text("first_name"),
        last_name: read.text("last_name"),
        email: read.email("email"),
        is_locked: None,
    };
    let said = MappedFields {
        created_at: read.time("created_at"),
        updated_at: None,
        is_deleted: read.flag("deleted").unwrap_or(false),
        is_normalized: is_normalized(&item, "email", fields.email.as_deref()),
        fields,
    };
    item.record(said, "")
}

fn mailbox(item: Item<'_>) -> Record<Mailbox> {
    let read = item.read();
    let fields = Mailbox {
        email: read.email("email"),
        user_id: read.text("user_id"),
        is_disabled: read.flag("active").map(|active| !active),
    };
    let said = MappedFields {
        created_at: read.time("created_at"),
        // Apollo has no `updated_at` for it; Supaglue used this time.
        updated_at: read.time("last_synced_at"),
        is_deleted: false,
        is_normalized: is_normalized(&item, "email", fields.email.as_deref()),
        fields,
    };
    item.record(said, "")
}

fn account(item: Item<'_>) -> Record<Account> {
    let read = item.read();
    let domain = read.text("domain");
    let fields = Account {
        owner_id: read.text("owner_id"),
        name: read.text("name"),
        domain: domain.map(|domain| bare_host(&domain).into_owned()),
    };
    let said = MappedFields {
        created_at: read.time("created_at"),
        updated_at: None,
        is_deleted: false,
        is_normalized: is_normalized(&item, "domain", fields.domain.as_deref()),
        fields,
    };
    item.record(said, "")
}

#[cfg(test)]
#[path = "mapping_tests.rs"]
mod tests;
