//! Since when a record has existed, or has been deleted.

use chrono::{DateTime, Utc};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Live { since: DateTime<Utc> },
    Deleted { at: DateTime<Utc> },
}

impl Standing {
    pub(crate) fn new(live: bool, now: DateTime<Utc>) -> Self {
        if live {
            Self::Live { since: now }
        } else {
            Self::Deleted { at: now }
        }
    }

    /// Updates it after an edit after which the record is live or not.
    pub(crate) fn follow(&mut self, live: bool, now: DateTime<Utc>) {
        if live != matches!(self, Self::Live { .. }) {
            *self = Self::new(live, now);
        }
    }

    pub(crate) fn live_since(self) -> Option<DateTime<Utc>> {
        match self {
            Self::Live { since } => Some(since),
            Self::Deleted { .. } => None,
        }
    }

    pub(crate) fn deleted_at(self) -> Option<DateTime<Utc>> {
        match self {
            Self::Live { .. } => None,
            Self::Deleted { at } => Some(at),
        }
    }
}
