//! Apollo's records made common ones, except for the two large ones: `contact.rs` (with the sequence
//! states that come inside) and `sequence.rs`.
//!
//! The fields are those of Supaglue's published mapping, so that its clients read on. A record that
//! can't be mapped is rejected with the reason, and its page goes on.

use serde_json::value::RawValue;
use syncline_model::{Account, Mailbox, Object, Record, Records, Rejected, User};

use super::{contact, hash, sequence};
use crate::json::{Fields, Malformed};

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
            let map = |item: &Item<'_>| {
                let record = sequence::map(item)?;
                if sequence::is_loading(&item.fields) {
                    loading.push(record.id.clone());
                }
                Ok(record)
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

/// A record of Apollo's that is an object and has an id.
pub(super) struct Item<'a> {
    pub(super) id: String,
    pub(super) raw: &'a RawValue,
    pub(super) fields: Fields<'a>,
}

impl<'a> Item<'a> {
    pub(super) fn of(raw: &'a RawValue) -> Result<Self, Malformed> {
        let fields = fields_of(raw)?;
        let id = fields
            .filled_text("id")?
            .ok_or_else(|| Malformed::new("id", "it is missing"))?;
        Ok(Self { id, raw, fields })
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

fn map_all<T>(
    object: Object,
    items: &[&RawValue],
    rejected: &mut Vec<Rejected>,
    mut map: impl FnMut(&Item<'_>) -> Result<Record<T>, Malformed>,
) -> Vec<Record<T>> {
    let mut records = Vec::with_capacity(items.len());
    for raw in items {
        let (id, mapped) = match Item::of(raw) {
            Ok(item) => {
                let mapped = map(&item);
                (Some(item.id), mapped)
            }
            Err(malformed) => (None, Err(malformed)),
        };
        match mapped {
            Ok(record) => records.push(record),
            Err(malformed) => rejected.push(rejection(object, id, &malformed)),
        }
    }
    records
}

fn user(item: &Item<'_>) -> Result<Record<User>, Malformed> {
    let fields = &item.fields;
    let is_deleted = fields.flag("deleted")?.unwrap_or(false);
    Ok(Record {
        id: item.id.clone(),
        created_at: fields.time("created_at")?,
        updated_at: None,
        is_deleted,
        fields: User {
            first_name: fields.text("first_name")?,
            last_name: fields.text("last_name")?,
            email: fields.text("email")?,
            is_locked: None,
        },
        raw: item.raw.to_owned(),
        hash: hash::of(Object::User, fields, is_deleted, ""),
    })
}

fn mailbox(item: &Item<'_>) -> Result<Record<Mailbox>, Malformed> {
    let fields = &item.fields;
    Ok(Record {
        id: item.id.clone(),
        created_at: fields.time("created_at")?,
        // Apollo has no `updated_at` for it; this is the moment that Supaglue's clients know.
        updated_at: fields.time("last_synced_at")?,
        is_deleted: false,
        fields: Mailbox {
            email: fields.text("email")?,
            user_id: fields.text("user_id")?,
            is_disabled: fields.flag("active")?.map(|active| !active),
        },
        raw: item.raw.to_owned(),
        hash: hash::of(Object::Mailbox, fields, false, ""),
    })
}

fn account(item: &Item<'_>) -> Result<Record<Account>, Malformed> {
    let fields = &item.fields;
    Ok(Record {
        id: item.id.clone(),
        created_at: fields.time("created_at")?,
        updated_at: None,
        is_deleted: false,
        fields: Account {
            owner_id: fields.text("owner_id")?,
            name: fields.text("name")?,
            domain: fields.text("domain")?,
        },
        raw: item.raw.to_owned(),
        hash: hash::of(Object::Account, fields, false, ""),
    })
}

#[cfg(test)]
#[path = "mapping_tests.rs"]
mod tests;
