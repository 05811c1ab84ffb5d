//! Maps Outreach's records to common ones, except for the two large ones: `prospect.rs` and
//! `sequence.rs`.
//!
//! The fields are those of Supaglue's published mapping, so that its clients keep working. Only the
//! id of a record must be readable; see `item.rs`.

use serde_json::value::RawValue;
use syncline_model::{
    Account, Mailbox, Object, Record, Records, Rejected, SequenceState, User, spelling::bare_host,
};

use super::{
    hash::HASHING,
    prospect,
    resource::{Resource, mapped},
    sequence,
};
use crate::item::map_all;

pub(super) fn map_page(object: Object, items: &[&RawValue]) -> (Records, Vec<Rejected>) {
    let mut rejected = Vec::new();
    let records = match object {
        Object::User => Records::Users(all(object, items, &mut rejected, user)),
        Object::Mailbox => Records::Mailboxes(all(object, items, &mut rejected, mailbox)),
        Object::Account => Records::Accounts(all(object, items, &mut rejected, account)),
        Object::Sequence => Records::Sequences(all(object, items, &mut rejected, sequence::map)),
        Object::Contact => Records::Contacts {
            contacts: all(object, items, &mut rejected, prospect::map),
            states: Vec::new(),
        },
        Object::SequenceState => {
            Records::SequenceStates(all(object, items, &mut rejected, sequence_state))
        }
    };
    (records, rejected)
}

fn all<T>(
    object: Object,
    items: &[&RawValue],
    rejected: &mut Vec<Rejected>,
    map: fn(&Resource<'_, '_>) -> T,
) -> Vec<Record<T>> {
    map_all((object, &HASHING), items, rejected, |item| {
        mapped(item, map)
    })
}

fn user(resource: &Resource<'_, '_>) -> User {
    let read = resource.attributes();
    User {
        first_name: read.text("firstName"),
        last_name: read.text("lastName"),
        email: read.email("email"),
        is_locked: read.flag("locked"),
    }
}

fn mailbox(resource: &Resource<'_, '_>) -> Mailbox {
    let read = resource.attributes();
    Mailbox {
        email: read.email("email"),
        user_id: resource
            .related("user")
            .or_else(|| read.filled_text("userId")),
        is_disabled: read.flag("sendDisabled"),
    }
}

fn account(resource: &Resource<'_, '_>) -> Account {
    let read = resource.attributes();
    let domain = read.text("domain");
    Account {
        owner_id: resource.related("owner"),
        name: read.text("name"),
        domain: domain.map(|domain| bare_host(&domain).into_owned()),
    }
}

/// Its user is the one who runs it; the one who created it may be an automation.
fn sequence_state(resource: &Resource<'_, '_>) -> SequenceState {
    SequenceState {
        state: resource.attributes().text("state"),
        contact_id: resource.related("prospect"),
        mailbox_id: resource.related("mailbox"),
        user_id: resource
            .related("user")
            .or_else(|| resource.related("creator")),
        sequence_id: resource.related("sequence"),
    }
}

#[cfg(test)]
#[path = "mapping_tests.rs"]
mod tests;
