//! The real data, for tests to compare a client's copy with: whole records, including hidden ones.
//! [`census`](super::census) says since when records exist, and whether they have changed.

use serde_json::Value;

use super::Team;
use super::table::{Row, Table};

/// The numbers of a team's records, without deleted ones, except users, which stay listed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub users: usize,
    pub accounts: usize,
    pub contacts: usize,
    pub states: usize,
    pub sequences: usize,
    pub mailboxes: usize,
    pub tasks: usize,
}

impl Team {
    pub fn counts(&self) -> Counts {
        Counts {
            users: self.users.listed().count(),
            accounts: self.accounts.listed().count(),
            contacts: self.contacts.listed().count(),
            states: self
                .contacts
                .listed()
                .map(|contact| contact.states.len())
                .sum(),
            sequences: self.sequences.listed().count(),
            mailboxes: self.mailboxes.listed().count(),
            tasks: self.tasks.listed().count(),
        }
    }

    /// Every user, including those marked as deleted, as lists show them.
    pub fn users(&self) -> Vec<Value> {
        values(&self.users)
    }

    /// Every live account, as lists show them.
    pub fn accounts(&self) -> Vec<Value> {
        values(&self.accounts)
    }

    /// Every live contact, as lists show them.
    pub fn contacts(&self) -> Vec<Value> {
        values(&self.contacts)
    }

    /// Every sequence, as lists show them once statistics are loaded.
    pub fn sequences(&self) -> Vec<Value> {
        values(&self.sequences)
    }

    /// Every deal, as lists show them.
    pub fn deals(&self) -> Vec<Value> {
        values(&self.deals)
    }

    pub fn mailboxes(&self) -> Vec<Value> {
        values(&self.mailboxes)
    }

    /// Every sequence state of every live contact, with the contact's id.
    pub fn states(&self) -> Vec<(String, Value)> {
        let contacts = self.contacts.listed();
        let states = contacts.flat_map(|contact| {
            let states = contact.states.iter();
            states.map(|state| {
                (
                    contact.id.clone(),
                    parse(&(self.renderers.state)(contact, state)),
                )
            })
        });
        states.collect()
    }

    pub fn contact(&self, id: &str) -> Option<Value> {
        let contact = self.contacts.get(id).filter(|contact| contact.listed());
        contact.map(|contact| parse(&self.contacts.rendered(contact)))
    }

    pub fn account(&self, id: &str) -> Option<Value> {
        let account = self.accounts.get(id).filter(|account| account.listed());
        account.map(|account| parse(&self.accounts.rendered(account)))
    }

    /// Ids of the live contacts, in order of creation.
    pub fn contact_ids(&self) -> Vec<String> {
        ids(&self.contacts)
    }

    pub fn account_ids(&self) -> Vec<String> {
        ids(&self.accounts)
    }

    pub fn sequence_ids(&self) -> Vec<String> {
        ids(&self.sequences)
    }

    pub fn user_ids(&self) -> Vec<String> {
        ids(&self.users)
    }

    pub fn deal_ids(&self) -> Vec<String> {
        ids(&self.deals)
    }

    pub fn mailbox_ids(&self) -> Vec<String> {
        ids(&self.mailboxes)
    }
}

fn values<T: Row>(table: &Table<T>) -> Vec<Value> {
    let rows = table.listed();
    rows.map(|row| parse(&table.rendered(row))).collect()
}

fn ids<T: Row>(table: &Table<T>) -> Vec<String> {
    table.listed().map(|row| row.id().to_owned()).collect()
}

fn parse(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or(Value::Null)
}
