//! An index of the contacts by what tells one from another, so that enrichment of thousands of people doesn't
//! look at every contact for each.
//!
//! It is made when somebody is first looked for. It forgets nothing: a contact is also found by what it had before,
//! so whoever looks checks what is found.

use std::collections::HashMap;

use super::Team;
use super::clues::{Clues, Traits};
use super::contact::Contact;
use super::table::Row as _;

#[derive(Debug, Default)]
pub(crate) struct Finder {
    /// Positions in the table of contacts, ascending.
    positions: HashMap<String, Vec<usize>>,
}

impl Finder {
    fn add(&mut self, key: String, at: usize) {
        let positions = self.positions.entry(key).or_default();
        if let Err(place) = positions.binary_search(&at) {
            positions.insert(place, at);
        }
    }

    /// The positions of those whom one of the keys may fit, ascending.
    fn candidates(&self, keys: &[String]) -> Vec<usize> {
        let known = keys.iter().filter_map(|key| self.positions.get(key));
        let mut found: Vec<usize> = known.flatten().copied().collect();
        found.sort_unstable();
        found
    }
}

impl Team {
    /// The oldest listed contact whom the clues fit.
    pub(super) fn find_contact(&mut self, clues: &Clues) -> Option<&Contact> {
        for at in self.contacts.take_changed() {
            let contact = self.contacts.all().get(at).map(Traits::of);
            for key in contact.iter().flat_map(Traits::keys) {
                self.finder.add(key, at);
            }
        }
        let found = self.finder.candidates(&clues.keys()).into_iter();
        let mut found = found.filter_map(|at| self.contacts.all().get(at));
        found.find(|contact| contact.listed() && clues.fit(&Traits::of(contact)))
    }
}
