//! Maps Apollo's records to common ones, except for the two large ones: `contact.rs` (with the
//! sequence states inside) and `sequence.rs`.
//!
//! The fields are those of Supaglue's published mapping, so that its clients keep working. Only the
//! id of a record must be readable; see `item.rs`.

use serde_json::value::RawValue;
use syncline_model::{
    Account, Mailbox, Object, Record, Records, Rejected, User, spelling::bare_host,
};

use super::{contact, hash::HASHING, sequence};
use crate::item::{Item, MappedFields, is_normalized, map_all};

/// A page's records in the common form.
pub(super) struct Mapped {
    pub(super) records: Records,
    pub(super) rejected: Vec<Rejected>,
    pub(super) loading: Vec<String>,
}

pub(super) fn map_page(object: Object, items: &[&RawValue]) -> Mapped {
    let mut rejected = Vec::new();
    let mut loading = Vec::new();
    let hashed = (object, &HASHING);
    let records = match object {
        Object::User => Records::Users(map_all(hashed, items, &mut rejected, user)),
        Object::Mailbox => Records::Mailboxes(map_all(hashed, items, &mut rejected, mailbox)),
        Object::Account => Records::Accounts(map_all(hashed, items, &mut rejected, account)),
        Object::Sequence => {
            let map = |item: Item<'_>| {
                if sequence::is_loading(&item.fields) {
                    loading.push(item.id.clone());
                }
                sequence::map(item)
            };
            Records::Sequences(map_all(hashed, items, &mut rejected, map))
        }
        Object::Contact | Object::SequenceState => contact::map_all(items, &mut rejected),
    };
    Mapped {
        records,
        rejected,
        loading,
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
