//! The change feed of a connection: positions in it, cursors, and what happened to a record.
//!
//! All changes of a connection have one order: by stamp (`last_modified_at`), and within a stamp by
//! object and id. A position is a place in that order.

use std::collections::BTreeSet;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Object;

/// The epoch of a feed that was never restored from a backup.
pub const FIRST_EPOCH: &str = "1";

/// The longest cursor that is read, in bytes.
const LONGEST_CURSOR: usize = 4096;

/// A place in the order of a connection's changes: everything up to it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedPosition {
    /// In milliseconds.
    #[serde(rename = "s")]
    pub stamp_ms: i64,
    /// The last record of that stamp; `None`: all of that stamp was read.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub record: Option<(Object, String)>,
}

/// What a reader keeps between two reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedCursor {
    #[serde(rename = "c")]
    pub connection_id: String,
    /// A feed gets another one when its database is restored.
    #[serde(rename = "e")]
    pub epoch: String,
    /// The objects that were read up to the position; `None`: all.
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    pub objects: Option<BTreeSet<Object>>,
    #[serde(rename = "p")]
    pub position: FeedPosition,
    /// The stamp up to which the reader knew everything when it was last at the end of the feed.
    /// It decides whether a record is new to the reader.
    #[serde(rename = "k", default, skip_serializing_if = "Option::is_none")]
    pub known_ms: Option<i64>,
}

/// What happened to a record since the reader was last at the end of the feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = change_kind)]
pub enum ChangeKind {
    Created,
    Updated,
    Deleted,
    /// It was deleted, and is there again.
    Restored,
}

impl ChangeKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Deleted => "deleted",
            Self::Restored => "restored",
        }
    }

    /// Of a row, for a reader that knew everything up to `known_ms`. Rows of before the feed don't
    /// say when they were first stored.
    pub fn of(
        is_deleted: bool,
        first_stored_ms: Option<i64>,
        restored_ms: Option<i64>,
        known_ms: Option<i64>,
    ) -> Self {
        let Some(known) = known_ms else {
            return if is_deleted {
                Self::Deleted
            } else {
                Self::Created
            };
        };
        let is_since = |stamp: Option<i64>| stamp.is_some_and(|stamp| stamp > known);
        if is_deleted {
            Self::Deleted
        } else if is_since(first_stored_ms) {
            Self::Created
        } else if is_since(restored_ms) {
            Self::Restored
        } else {
            Self::Updated
        }
    }
}

impl FeedPosition {
    /// Before every change.
    pub const START: Self = Self {
        stamp_ms: -1,
        record: None,
    };

    /// Behind all changes of this stamp.
    pub fn after_stamp(stamp_ms: i64) -> Self {
        Self {
            stamp_ms,
            record: None,
        }
    }

    /// Where an object's rows go on, as a stamp and an id: the rows behind both were not read.
    pub fn of(&self, object: Object) -> (i64, &str) {
        match &self.record {
            Some((last, id)) if *last == object => (self.stamp_ms, id),
            Some((last, _)) if object > *last => (self.stamp_ms, ""),
            // Stamps are whole milliseconds.
            Some(_) | None => (self.stamp_ms.saturating_add(1), ""),
        }
    }
}

impl FeedCursor {
    /// The cursor of events: everything up to this stamp, of all objects.
    pub fn after_stamp(connection_id: &str, epoch: &str, stamp_ms: i64) -> Self {
        Self {
            connection_id: connection_id.to_owned(),
            epoch: epoch.to_owned(),
            objects: None,
            position: FeedPosition::after_stamp(stamp_ms),
            known_ms: Some(stamp_ms),
        }
    }

    /// The first object that was not read up to the position.
    pub fn lacks(&self, objects: &BTreeSet<Object>) -> Option<Object> {
        let read = self.objects.as_ref()?;
        objects.difference(read).next().copied()
    }

    pub fn to_text(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    /// `None` if it isn't the text of a cursor.
    pub fn parse(text: &str) -> Option<Self> {
        let text = Some(text).filter(|text| text.len() <= LONGEST_CURSOR)?;
        let json = BASE64_URL_SAFE_NO_PAD
            .decode(text.trim_end_matches('='))
            .ok()?;
        let cursor: Self = serde_json::from_slice(&json).ok()?;
        cursor.has_plain_texts().then_some(cursor)
    }

    /// PostgreSQL has no text with a NUL.
    fn has_plain_texts(&self) -> bool {
        let record = self.position.record.as_ref();
        let id = record.map_or("", |(_, id)| id);
        [&self.connection_id, &self.epoch, id]
            .iter()
            .all(|text| !text.contains('\0'))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_object_goes_on_behind_what_was_read_of_its_stamp() {
        let at = FeedPosition {
            stamp_ms: 7,
            record: Some((Object::Account, "a9".to_owned())),
        };
        assert_eq!(at.of(Object::User), (8, ""));
        assert_eq!(at.of(Object::Account), (7, "a9"));
        assert_eq!(at.of(Object::Contact), (7, ""));
        assert_eq!(FeedPosition::after_stamp(7).of(Object::Contact), (8, ""));
        assert_eq!(FeedPosition::START.of(Object::User), (0, ""));
    }

    #[test]
    fn a_kind_is_what_happened_since_the_reader_was_at_the_end() {
        let of = ChangeKind::of;
        assert_eq!(of(false, Some(5), None, Some(4)), ChangeKind::Created);
        assert_eq!(of(false, Some(5), None, Some(5)), ChangeKind::Updated);
        assert_eq!(of(false, Some(1), Some(5), Some(4)), ChangeKind::Restored);
        assert_eq!(of(false, Some(1), Some(3), Some(4)), ChangeKind::Updated);
        assert_eq!(of(true, Some(5), None, Some(4)), ChangeKind::Deleted);
        assert_eq!(of(false, None, None, Some(0)), ChangeKind::Updated);
        assert_eq!(of(false, None, Some(9), None), ChangeKind::Created);
        assert_eq!(of(true, None, None, None), ChangeKind::Deleted);
    }

    #[test]
    fn a_cursor_knows_the_objects_that_it_was_read_with() {
        let all = FeedCursor::after_stamp("c", FIRST_EPOCH, 3);
        let users = BTreeSet::from([Object::User]);
        let both = BTreeSet::from([Object::User, Object::Contact]);
        assert_eq!(all.lacks(&both), None);
        let some = FeedCursor {
            objects: Some(users.clone()),
            ..all
        };
        assert_eq!(some.lacks(&users), None);
        assert_eq!(some.lacks(&both), Some(Object::Contact));
    }

    proptest! {
        #[test]
        fn a_cursor_comes_back_as_it_was(stamp in any::<i64>(), id in "[^\0]{0,40}") {
            let cursor = FeedCursor {
                position: FeedPosition {
                    stamp_ms: stamp,
                    record: Some((Object::SequenceState, id)),
                },
                ..FeedCursor::after_stamp("c", "e", 1)
            };
            prop_assert_eq!(FeedCursor::parse(&cursor.to_text()), Some(cursor));
        }

        #[test]
        fn garbage_is_no_cursor(text in prop_oneof![any::<String>(), "[A-Za-z0-9_=-]{0,80}"]) {
            let parsed = FeedCursor::parse(&text);
            prop_assert!(parsed.is_none_or(|cursor| cursor.has_plain_texts()));
        }
    }
}
