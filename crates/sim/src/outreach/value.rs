//! Attribute values, as filters and sorts compare them.

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Value as Json, json};

use super::refusal::whole_seconds;
use crate::json::zulu;

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'t> {
    Null,
    Flag(bool),
    Number(i64),
    Time(DateTime<Utc>),
    Text(&'t str),
    /// An attribute with many values, such as a prospect's `emails`.
    Texts(Vec<&'t str>),
}

/// The kinds of attributes that can be filtered or sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Flag,
    Number,
    Time,
    Text,
    /// Text that is always compared case-insensitively.
    Address,
}

/// A value that can be compared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    /// Sorts first.
    Null,
    /// A number, a boolean, or a time in milliseconds.
    Number(i64),
    Text(String),
}

impl<'t> Value<'t> {
    pub(super) fn time(at: Option<DateTime<Utc>>) -> Self {
        at.map_or(Self::Null, Self::Time)
    }

    pub(super) fn text(text: Option<&'t str>) -> Self {
        text.map_or(Self::Null, Self::Text)
    }

    pub(super) fn count(count: usize) -> Self {
        Self::Number(i64::try_from(count).unwrap_or(i64::MAX))
    }

    /// The keys for filters; none for a missing value.
    pub(super) fn keys(&self, mind_case: bool) -> Vec<Key> {
        match self {
            Self::Null => Vec::new(),
            Self::Texts(texts) => texts.iter().map(|text| folded(text, mind_case)).collect(),
            Self::Text(text) => vec![folded(text, mind_case)],
            other => vec![other.sort_key()],
        }
    }

    /// The key for sorting.
    pub(super) fn sort_key(&self) -> Key {
        match self {
            Self::Null => Key::Null,
            Self::Flag(flag) => Key::Number(i64::from(*flag)),
            Self::Number(number) => Key::Number(*number),
            Self::Time(at) => Key::Number(whole_seconds(*at).timestamp_millis()),
            Self::Text(text) => folded(text, false),
            Self::Texts(texts) => texts.first().map_or(Key::Null, |text| folded(text, false)),
        }
    }
}

impl Kind {
    /// Parses a filter's value; `None` if it is not of this kind.
    pub(super) fn parse(self, text: &str, mind_case: bool) -> Option<Key> {
        match self {
            Self::Flag => match text {
                "true" | "1" => Some(Key::Number(1)),
                "false" | "0" => Some(Key::Number(0)),
                _ => None,
            },
            Self::Number => text.parse().ok().map(Key::Number),
            Self::Time => instant(text).map(|at| Key::Number(at.timestamp_millis())),
            Self::Text => Some(folded(text, mind_case)),
            Self::Address => Some(folded(text, false)),
        }
    }

    /// A sort key as JSON, for a cursor.
    pub(super) fn encode(self, key: &Key) -> Json {
        match key {
            Key::Null => Json::Null,
            Key::Number(millis) if self == Self::Time => {
                let at = DateTime::from_timestamp_millis(*millis).unwrap_or_default();
                json!(zulu(at))
            }
            Key::Number(number) => json!(number),
            Key::Text(text) => json!(text),
        }
    }

    pub(super) fn decode(self, json: &Json) -> Option<Key> {
        match json {
            Json::Null => Some(Key::Null),
            Json::Number(number) => number.as_i64().map(Key::Number),
            Json::String(text) if self == Self::Time => self.parse(text, false),
            Json::String(text) => Some(Key::Text(text.clone())),
            _ => None,
        }
    }
}

/// Parses a time in RFC 3339, or a date.
pub(super) fn instant(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Some(at.to_utc());
    }
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    Some(day.and_hms_opt(0, 0, 0)?.and_utc())
}

fn folded(text: &str, mind_case: bool) -> Key {
    Key::Text(if mind_case {
        text.to_owned()
    } else {
        text.to_lowercase()
    })
}
