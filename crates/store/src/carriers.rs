//! The ids of the records that contained a page's own, where no run of their own keeps them: of
//! contacts, whose sequence states are read out of them.
//!
//! They are kept as digests, because nothing else is stored of records that aren't synced. They
//! still tell within one scan which of them were read. Earlier versions kept the ids.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::digest::digest;

/// The carriers of a page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Carriers {
    Ids(Vec<String>),
    Digests(DigestedIds),
}

/// Digests of ids under a key, which is the id of the run that read them first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DigestedIds {
    key: String,
    digests: Vec<String>,
}

impl Carriers {
    pub(crate) fn digested(self, key: &str) -> Self {
        match self {
            Self::Ids(ids) => Self::Digests(DigestedIds {
                key: key.to_owned(),
                digests: ids.iter().map(|id| digested_id(key, id)).collect(),
            }),
            digests @ Self::Digests(_) => digests,
        }
    }

    pub(crate) fn into_stored(self) -> Vec<String> {
        match self {
            Self::Ids(ids) => ids,
            Self::Digests(digested) => digested.digests,
        }
    }

    /// What is stored of each.
    pub(crate) fn stored(&self) -> &[String] {
        match self {
            Self::Ids(ids) => ids,
            Self::Digests(digested) => &digested.digests,
        }
    }

    /// Under which key they are digests.
    pub(crate) fn key(&self) -> Option<&str> {
        match self {
            Self::Ids(_) => None,
            Self::Digests(digested) => Some(&digested.key),
        }
    }

    /// Replaces these records' entries. Returns whether there were any.
    pub(crate) fn forget(&mut self, gone: &HashSet<&str>, new_id: impl Fn() -> String) -> bool {
        let key = self.key().map(str::to_owned);
        let gone: HashSet<String> = gone
            .iter()
            .map(|id| {
                key.as_deref()
                    .map_or_else(|| (*id).to_owned(), |key| digested_id(key, id))
            })
            .collect();
        let entries = match self {
            Self::Ids(ids) => ids,
            Self::Digests(digested) => &mut digested.digests,
        };
        let mut found = false;
        for entry in entries.iter_mut().filter(|entry| gone.contains(*entry)) {
            *entry = new_id();
            found = true;
        }
        found
    }
}

/// Carriers of several pages.
#[derive(Debug, Default)]
pub(crate) struct CarriersRead {
    stored: HashSet<String>,
    keys: HashSet<String>,
}

impl CarriersRead {
    pub(crate) fn add(&mut self, carriers: Carriers) {
        self.keys.extend(carriers.key().map(str::to_owned));
        self.stored.extend(carriers.into_stored());
    }

    pub(crate) fn contains(&self, id: &str) -> bool {
        self.stored.contains(id)
            || self
                .keys
                .iter()
                .any(|key| self.stored.contains(&digested_id(key, id)))
    }
}

/// The digest of an id under a key.
pub fn digested_id(key: &str, id: &str) -> String {
    digest(&format!("{key}/{id}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_tell_which_records_were_read_and_have_no_id() {
        let ids = Carriers::Ids(vec!["lin".to_owned(), "max".to_owned()]);
        let digests = ids.digested("run");
        assert!(!serde_json::to_string(&digests).unwrap().contains("lin"));
        let mut read = CarriersRead::default();
        read.add(digests);
        assert!(read.contains("lin"));
        assert!(!read.contains("eva"));
    }

    #[test]
    fn a_removed_record_is_found_among_digests_too() {
        let mut digests = Carriers::Ids(vec!["lin".to_owned()]).digested("run");
        assert!(digests.forget(&HashSet::from(["lin"]), || "new".to_owned()));
        assert_eq!(digests.stored(), ["new"]);
        assert!(!digests.forget(&HashSet::from(["max"]), || "new".to_owned()));
    }
}
