//! Which records and pages a pass has seen, to detect a list that goes in a circle.
//!
//! The ids are in the database (`sync_run_pages`); a worker loads them once and keeps digests of
//! them.

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher},
};

use syncline_model::Checkpoint;
use syncline_store::{PagesRead, digested_id};

/// What one pass over an object's pages has seen so far.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The pass, and its next page.
    at: (u32, u32),
    /// The database has digests of the ids under this key, and not the ids.
    key: Option<String>,
    records: HashSet<u64>,
    pages: HashSet<u64>,
}

/// What a page adds to its pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PageNovelty {
    /// New records, or no records at all.
    Some,
    /// Only records of earlier pages, but not exactly those of any one page.
    Nothing,
    /// Exactly the records of an earlier page.
    Repeated,
}

impl Seen {
    /// For a pass that is at this checkpoint and has read these pages.
    pub(crate) fn by(checkpoint: &Checkpoint, read: PagesRead) -> Self {
        let mut seen = Self {
            at: position(checkpoint),
            ..Self::default()
        };
        for stored in &read.pages {
            seen.add(&digests(stored));
        }
        seen.key = read.key;
        seen
    }

    /// Before the first page of a pass.
    pub(crate) fn nothing(checkpoint: &Checkpoint) -> Self {
        Self {
            at: position(checkpoint),
            ..Self::default()
        }
    }

    pub(crate) fn is_at(&self, checkpoint: &Checkpoint) -> bool {
        self.at == position(checkpoint)
    }

    pub(crate) fn novelty_of<I: AsRef<str>>(&self, ids: &[I]) -> PageNovelty {
        let digests = self.digests(ids);
        if digests.iter().any(|it| !self.records.contains(it)) || digests.is_empty() {
            PageNovelty::Some
        } else if self.pages.contains(&together(&digests)) {
            PageNovelty::Repeated
        } else {
            PageNovelty::Nothing
        }
    }

    /// A page with these ids was committed, and the pass is now at this checkpoint.
    pub(crate) fn committed<I: AsRef<str>>(&mut self, ids: &[I], checkpoint: &Checkpoint) {
        if self.at.0 == checkpoint.pass {
            self.add(&self.digests(ids));
        } else {
            *self = Self::default();
        }
        self.at = position(checkpoint);
    }

    fn add(&mut self, digests: &[u64]) {
        self.pages.insert(together(digests));
        self.records.extend(digests);
    }

    fn digests<I: AsRef<str>>(&self, ids: &[I]) -> Vec<u64> {
        match &self.key {
            None => digests(ids),
            Some(key) => {
                let stored: Vec<String> =
                    ids.iter().map(|id| digested_id(key, id.as_ref())).collect();
                digests(&stored)
            }
        }
    }
}

fn position(checkpoint: &Checkpoint) -> (u32, u32) {
    (checkpoint.pass, checkpoint.next_page)
}

fn digests<I: AsRef<str>>(ids: &[I]) -> Vec<u64> {
    let digest = |id: &I| {
        let mut hasher = DefaultHasher::new();
        id.as_ref().hash(&mut hasher);
        hasher.finish()
    };
    ids.iter().map(digest).collect()
}

/// Independent of the order of the records.
fn together(digests: &[u64]) -> u64 {
    digests.iter().fold(0, |sum, it| sum.wrapping_add(*it))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(pass: u32, next_page: u32) -> Checkpoint {
        Checkpoint {
            pass,
            next_page,
            ..Checkpoint::default()
        }
    }

    fn after_two_pages() -> Seen {
        let mut seen = Seen::nothing(&at(1, 1));
        seen.committed(&["a", "b"], &at(1, 2));
        seen.committed(&["c", "d"], &at(1, 3));
        seen
    }

    #[test]
    fn a_page_is_repeated_by_its_records_in_whichever_order() {
        let seen = after_two_pages();
        assert_eq!(seen.novelty_of(&["b", "a"]), PageNovelty::Repeated);
        assert_eq!(seen.novelty_of(&["d", "c"]), PageNovelty::Repeated);
        assert_eq!(seen.novelty_of(&["a", "e"]), PageNovelty::Some);
        assert_eq!(seen.novelty_of(&["a"]), PageNovelty::Nothing);
        assert_eq!(seen.novelty_of(&["a", "d"]), PageNovelty::Nothing);
        assert_eq!(seen.novelty_of::<&str>(&[]), PageNovelty::Some);
    }

    #[test]
    fn another_worker_knows_the_same_from_the_stored_pages() {
        let pages = [["a", "b"], ["c", "d"]].map(|page| page.map(str::to_owned).to_vec());
        let pages = pages.to_vec();
        let seen = Seen::by(&at(1, 3), PagesRead { key: None, pages });
        assert!(seen.is_at(&at(1, 3)) && !seen.is_at(&at(1, 2)) && !seen.is_at(&at(2, 3)));
        assert_eq!(seen.novelty_of(&["a", "b"]), PageNovelty::Repeated);
        assert_eq!(seen.novelty_of(&["e"]), PageNovelty::Some);
    }

    #[test]
    fn another_reading_has_seen_nothing() {
        let mut seen = after_two_pages();
        seen.committed(&["e"], &at(2, 1));
        assert!(seen.is_at(&at(2, 1)));
        assert_eq!(seen.novelty_of(&["a", "b"]), PageNovelty::Some);
    }
}
