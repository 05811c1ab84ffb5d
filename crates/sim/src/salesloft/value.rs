//! Values of records, as filters and sorts compare them.

use std::borrow::Cow;

use chrono::{DateTime, Utc};

/// The value of a field.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'t> {
    Null,
    Flag(bool),
    Number(i64),
    Time(DateTime<Utc>),
    Text(Cow<'t, str>),
    /// A field with many values, such as the cadences of a person.
    Many(Vec<Value<'t>>),
}

/// A value that can be compared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    /// Sorts first.
    Null,
    /// A number, a boolean, or a time in microseconds.
    Number(i64),
    Text(String),
}

impl<'t> Value<'t> {
    pub(super) fn time(at: Option<DateTime<Utc>>) -> Self {
        at.map_or(Self::Null, Self::Time)
    }

    pub(super) fn text(text: Option<&'t str>) -> Self {
        text.map_or(Self::Null, |text| Self::Text(Cow::Borrowed(text)))
    }

    /// An id, which is a number.
    pub(super) fn id(id: Option<&str>) -> Self {
        let number = id.and_then(|id| id.parse().ok());
        number.map_or(Self::Null, Self::Number)
    }

    pub(super) fn count(count: usize) -> Self {
        Self::Number(i64::try_from(count).unwrap_or(i64::MAX))
    }

    /// The keys for filters; none for a missing value.
    pub(super) fn keys(&self, fold: bool) -> Vec<Key> {
        match self {
            Self::Null => Vec::new(),
            Self::Many(values) => values.iter().flat_map(|value| value.keys(fold)).collect(),
            Self::Text(text) if fold => vec![Key::Text(text.to_lowercase())],
            Self::Text(text) => vec![Key::Text(text.clone().into_owned())],
            other => vec![other.sort_key()],
        }
    }

    /// The key for sorting.
    pub(super) fn sort_key(&self) -> Key {
        match self {
            Self::Null => Key::Null,
            Self::Flag(flag) => Key::Number(i64::from(*flag)),
            Self::Number(number) => Key::Number(*number),
            Self::Time(at) => Key::Number(at.timestamp_micros()),
            Self::Text(text) => Key::Text(text.to_lowercase()),
            Self::Many(values) => values.first().map_or(Key::Null, Value::sort_key),
        }
    }
}
