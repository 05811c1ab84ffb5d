//! Maps Salesloft's records to common ones, except for the two large ones: `contact.rs` and
//! `sequence.rs`.
//!
//! Nearly every field is nullable. References to other records are objects with an id. Only the id of
//! a record must be readable; see `item.rs`.

use serde_json::value::RawValue;
use syncline_model::{
    Account, Object, Record, Records, Rejected, SequenceState, User, spelling::bare_host,
};

use super::{contact, hash::HASHING, sequence};
use crate::{
    item::{Item, MappedFields, map_all},
    json::reading::Reading,
};

/// A page's records in the common form.
pub(super) struct Mapped {
    pub(super) records: Records,
    pub(super) rejected: Vec<Rejected>,
}

pub(super) fn map_page(object: Object, items: &[&RawValue]) -> Mapped {
    let mut rejected = Vec::new();
    let hashed = (object, &HASHING);
    let records = match object {
        Object::User => Records::Users(map_all(hashed, items, &mut rejected, user)),
        Object::Mailbox => Records::Mailboxes(Vec::new()),
        Object::Account => Records::Accounts(map_all(hashed, items, &mut rejected, account)),
        Object::Sequence => {
            Records::Sequences(map_all(hashed, items, &mut rejected, sequence::map))
        }
        Object::Contact => Records::Contacts {
            contacts: map_all(hashed, items, &mut rejected, contact::map),
            states: Vec::new(),
        },
        Object::SequenceState => {
            Records::SequenceStates(map_all(hashed, items, &mut rejected, state))
        }
    };
    Mapped { records, rejected }
}

/// A record's data with its times, which all of Salesloft's records have.
pub(super) fn with_times<T>(read: Reading<'_, '_>, is_deleted: bool, fields: T) -> MappedFields<T> {
    MappedFields {
        created_at: read.time("created_at"),
        updated_at: read.time("updated_at"),
        is_deleted,
        // That matters only where an earlier version of the mapping had another hash.
        is_normalized: false,
        fields,
    }
}

/// The id in a reference: `{"id":5,"_href":"…/v2/users/5"}`.
pub(super) fn reference(read: Reading<'_, '_>, name: &str) -> Option<String> {
    let fields = read.object(name)?;
    let path = format!("{name}.");
    read.of(&path, &fields).filled_text("id")
}

fn user(item: Item<'_>) -> Record<User> {
    let read = item.read();
    let fields = User {
        first_name: read.text("first_name"),
        last_name: read.text("last_name"),
        email: read.email("email"),
        is_locked: read.flag("active").map(|active| !active),
    };
    let record = with_times(read, false, fields);
    item.record(record, "")
}

/// An archived account is not deleted: it is still listed, and people can belong to it.
fn account(item: Item<'_>) -> Record<Account> {
    let read = item.read();
    let domain = read.text("domain");
    let fields = Account {
        owner_id: reference(read, "owner"),
        name: read.text("name"),
        domain: domain.map(|domain| bare_host(&domain).into_owned()),
    };
    let record = with_times(read, false, fields);
    item.record(record, "")
}

/// A membership stays when a person leaves the cadence, and even when the person is deleted.
fn state(item: Item<'_>) -> Record<SequenceState> {
    let read = item.read();
    let is_deleted = read.flag("person_deleted").unwrap_or(false);
    let fields = SequenceState {
        state: read.text("current_state"),
        contact_id: reference(read, "person"),
        mailbox_id: None,
        user_id: reference(read, "user"),
        sequence_id: reference(read, "cadence"),
    };
    let record = with_times(read, is_deleted, fields);
    item.record(record, "")
}

#[cfg(test)]
#[path = "mapping_tests.rs"]
mod tests;
