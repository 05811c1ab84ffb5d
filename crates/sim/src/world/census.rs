//! Which records exist and since when, without rendering them, for tests that compare a client's
//! copy again and again. [`truth`](super::truth) has the records' contents.

use chrono::{DateTime, Utc};

use super::Team;
use super::contact::Contact;
use super::standing::Standing;
use super::table::{Row, Table};

/// Each `object_name` is one of `user`, `mailbox`, `sequence`, `account` and `contact`; any other
/// panics. Records hidden from the key's user are included.
impl Team {
    /// Ids of the live records, in order of creation. A user marked as deleted is not live.
    pub fn live_ids(&self, object_name: &str) -> Vec<String> {
        self.census(object_name).live_ids()
    }

    /// Since when the record has been live without interruption: its creation, or its last
    /// restoration. `None` while it is deleted, and for an unknown id.
    pub fn live_since(&self, object_name: &str, id: &str) -> Option<DateTime<Utc>> {
        self.census(object_name).standing(id)?.live_since()
    }

    /// When the record was deleted. `None` while it is live, and for an unknown id.
    pub fn deleted_at(&self, object_name: &str, id: &str) -> Option<DateTime<Utc>> {
        self.census(object_name).standing(id)?.deleted_at()
    }

    /// A hash of the record as its search shows it without lag and loading; for a contact, with its
    /// sequence states. While it doesn't change, a copy is up to date. `None` for a deleted record,
    /// except for users that are not removed. It is [`fingerprint_of`](crate::fingerprint_of) the
    /// JSON.
    pub fn fingerprint(&self, object_name: &str, id: &str) -> Option<u64> {
        self.census(object_name).fingerprint(id)
    }

    /// Ids of the live contacts and accounts that are hidden from the key's user.
    pub fn hidden_ids(&self) -> Vec<String> {
        let mut hidden = hidden_in(&self.contacts);
        hidden.extend(hidden_in(&self.accounts));
        hidden
    }

    /// Ids of a contact's sequence states; none while the contact is deleted.
    pub fn state_ids_of(&self, contact_id: &str) -> Vec<String> {
        let contact = self.there(contact_id);
        let states = contact.into_iter().flat_map(|contact| &contact.states);
        states.map(|state| state.id.clone()).collect()
    }

    /// Ids of the sequences that a contact has states in; none while the contact is deleted.
    pub fn sequence_ids_of(&self, contact_id: &str) -> Vec<String> {
        let contact = self.there(contact_id);
        let states = contact.into_iter().flat_map(|contact| &contact.states);
        states.map(|state| state.sequence_id.clone()).collect()
    }

    /// Ids of the live contacts in the trash.
    pub fn trashed_ids(&self) -> Vec<String> {
        let live = self.contacts.all().iter().filter(|contact| contact.live());
        let trashed = live.filter(|contact| contact.trashed_at.is_some());
        trashed.map(|contact| contact.id.clone()).collect()
    }

    /// Whether a live contact has a sequence state with this id. States of other contacts may have
    /// the same id.
    pub fn has_state(&self, contact_id: &str, state_id: &str) -> bool {
        let contact = self.there(contact_id);
        contact.is_some_and(|contact| contact.states.iter().any(|state| state.id == state_id))
    }

    /// Since when a contact has had the sequence state without interruption, also of the contact
    /// itself.
    pub fn state_live_since(&self, contact_id: &str, state_id: &str) -> Option<DateTime<Utc>> {
        let contact_since = self.live_since("contact", contact_id)?;
        let mut states = self.there(contact_id)?.states.iter();
        let state = states.find(|state| state.id == state_id)?;
        Some(state.since.max(contact_since))
    }

    fn there(&self, contact_id: &str) -> Option<&Contact> {
        self.live_contact(contact_id).ok()
    }

    fn census(&self, object_name: &str) -> &dyn Census {
        match object_name {
            "user" => &self.users,
            "mailbox" => &self.mailboxes,
            "sequence" => &self.sequences,
            "account" => &self.accounts,
            "contact" => &self.contacts,
            other => {
                panic!("there are users, mailboxes, sequences, accounts and contacts; no {other:?}")
            }
        }
    }
}

/// What all tables have in common.
trait Census {
    fn live_ids(&self) -> Vec<String>;
    fn standing(&self, id: &str) -> Option<Standing>;
    fn fingerprint(&self, id: &str) -> Option<u64>;
}

impl<T: Row> Census for Table<T> {
    fn live_ids(&self) -> Vec<String> {
        let live = self.all().iter().filter(|row| row.live());
        live.map(|row| row.id().to_owned()).collect()
    }

    fn standing(&self, id: &str) -> Option<Standing> {
        self.standing(id).copied()
    }

    fn fingerprint(&self, id: &str) -> Option<u64> {
        self.fingerprint(id)
    }
}

fn hidden_in<T: Row>(table: &Table<T>) -> Vec<String> {
    let live = table.all().iter().filter(|row| row.live());
    let hidden = live.filter(|row| table.is_hidden(row.id()));
    hidden.map(|row| row.id().to_owned()).collect()
}
