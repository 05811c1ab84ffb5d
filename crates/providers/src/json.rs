//! Lenient reading of providers' JSON, without building a tree of it.
//!
//! A page is split into raw slices, and a record into its top-level pairs ([`Fields`]); only the
//! fields that a mapping uses are ever decoded. Reading is lenient about form (a missing key is
//! null, `"7"` is accepted as a number, 7 as text) and strict about meaning: other values are
//! [`Malformed`], with the field's name. If a record must be kept even so, its fields are read
//! through a [`reading::Reading`].

pub mod canonical;
pub mod reading;
pub(crate) mod time;

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::{Number, value::RawValue};
use syncline_model::Time;

/// A field with an unusable value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct Malformed {
    pub field: String,
    pub reason: String,
}

impl Malformed {
    pub fn new(field: &str, reason: impl Into<String>) -> Self {
        Self {
            field: field.to_owned(),
            reason: reason.into(),
        }
    }
}

/// An object's top-level pairs, in their original order.
#[derive(Debug, Default)]
pub struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Fields<'a> {
    /// `None` if the value is not an object.
    pub fn of(value: &'a RawValue) -> Option<Self> {
        Self::parse(value.get())
    }

    pub fn parse(text: &'a str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    pub fn pairs(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.0.iter().map(|(key, value)| (key.as_ref(), *value))
    }

    /// The value of a key, unless it is null. If a key is repeated the last value counts, as in the
    /// databases.
    pub fn raw(&self, name: &str) -> Option<&'a RawValue> {
        let (_, value) = self.0.iter().rev().find(|(key, _)| key == name)?;
        (value.get() != "null").then_some(*value)
    }

    pub fn text(&self, name: &str) -> Result<Option<String>, Malformed> {
        self.raw(name).map(|value| text_of(name, value)).transpose()
    }

    /// Text that is not blank; blank text counts as none.
    pub fn filled_text(&self, name: &str) -> Result<Option<String>, Malformed> {
        Ok(self.text(name)?.filter(|text| !text.trim().is_empty()))
    }

    /// An id: non-blank text, or a whole number.
    pub fn id(&self, name: &str) -> Result<String, Malformed> {
        let value = self
            .raw(name)
            .ok_or_else(|| Malformed::new(name, "it is missing"))?;
        let digits = value.get().strip_prefix('-').unwrap_or(value.get());
        if digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(value.get().to_owned());
        }
        let text = string(value).ok_or_else(|| wrong(name, value, "an id"))?;
        if text.trim().is_empty() {
            return Err(Malformed::new(name, "it is empty"));
        }
        Ok(text.into_owned())
    }

    pub fn time(&self, name: &str) -> Result<Option<Time>, Malformed> {
        let Some(value) = self.raw(name) else {
            return Ok(None);
        };
        let text = match value.get().as_bytes().first() {
            Some(b'-' | b'0'..=b'9') => value.get().into(),
            _ => string(value).ok_or_else(|| wrong(name, value, "a time"))?,
        };
        if text.trim().is_empty() {
            return Ok(None);
        }
        let time = time::read(&text)
            .ok_or_else(|| Malformed::new(name, format!("{} is not a time", excerpt(value))))?;
        Ok(Some(time))
    }

    pub fn number(&self, name: &str) -> Result<Option<Number>, Malformed> {
        let Some(value) = self.raw(name) else {
            return Ok(None);
        };
        let text = string(value).unwrap_or_else(|| value.get().into());
        if text.trim().is_empty() {
            return Ok(None);
        }
        match serde_json::from_str(text.trim()) {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(wrong(name, value, "a number")),
        }
    }

    pub fn int(&self, name: &str) -> Result<Option<i64>, Malformed> {
        let Some(number) = self.number(name)? else {
            return Ok(None);
        };
        number
            .as_i64()
            .or_else(|| number.as_f64().and_then(whole))
            .map(Some)
            .ok_or_else(|| Malformed::new(name, format!("{number} is not a whole number")))
    }

    pub fn flag(&self, name: &str) -> Result<Option<bool>, Malformed> {
        let Some(value) = self.raw(name) else {
            return Ok(None);
        };
        match value.get() {
            "true" | r#""true""# => Ok(Some(true)),
            "false" | r#""false""# => Ok(Some(false)),
            _ => Err(wrong(name, value, "true or false")),
        }
    }

    /// An absent list counts as empty.
    pub fn list(&self, name: &str) -> Result<Vec<&'a RawValue>, Malformed> {
        let Some(value) = self.raw(name) else {
            return Ok(Vec::new());
        };
        serde_json::from_str(value.get()).map_err(|_| wrong(name, value, "a list"))
    }

    pub fn object(&self, name: &str) -> Result<Option<Self>, Malformed> {
        self.raw(name)
            .map(|value| Self::of(value).ok_or_else(|| wrong(name, value, "an object")))
            .transpose()
    }
}

/// A value read as text: a string, or a number's digits.
pub fn text_of(name: &str, value: &RawValue) -> Result<String, Malformed> {
    let raw = value.get();
    match raw.as_bytes().first() {
        Some(b'"') => string(value)
            .map(Cow::into_owned)
            .ok_or_else(|| wrong(name, value, "text")),
        Some(b'-' | b'0'..=b'9') => Ok(raw.to_owned()),
        _ => Err(wrong(name, value, "text")),
    }
}

/// The text of a JSON string, borrowed if it has no escapes.
pub fn string(value: &RawValue) -> Option<Cow<'_, str>> {
    let inner = value.get().strip_prefix('"')?.strip_suffix('"')?;
    if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
        return Some(Cow::Borrowed(inner));
    }
    serde_json::from_str(value.get()).ok().map(Cow::Owned)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::float_cmp,
    reason = "the value is whole, and far inside of what both types can hold"
)]
fn whole(value: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    (value.trunc() == value && value.abs() <= EXACT).then_some(value as i64)
}

fn wrong(name: &str, value: &RawValue, expected: &str) -> Malformed {
    let found = match value.get().as_bytes().first() {
        Some(b'{') => "an object".to_owned(),
        Some(b'[') => "a list".to_owned(),
        _ => excerpt(value),
    };
    Malformed::new(name, format!("{expected} was expected, not {found}"))
}

fn excerpt(value: &RawValue) -> String {
    let mut text: String = value.get().chars().take(40).collect();
    if text.len() < value.get().len() {
        text.push('…');
    }
    text
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;

        impl<'de> Visitor<'de> for Pairs {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                // A contact has about 80 keys.
                let mut pairs = Vec::with_capacity(96);
                while let Some(Key(key)) = map.next_key()? {
                    pairs.push((key, map.next_value()?));
                }
                Ok(Fields(pairs))
            }
        }

        deserializer.deserialize_map(Pairs)
    }
}

#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// Turns a body into text that both serde and PostgreSQL's `jsonb` accept: invalid UTF-8 is
/// replaced, NULs are removed, and unpaired surrogates are replaced by U+FFFD. Borrowed if nothing
/// changes.
pub fn clean(body: &[u8]) -> Cow<'_, str> {
    // Several times as fast as the lossy reading, which looks at every byte by itself.
    if let Ok(text) = std::str::from_utf8(body) {
        return clean_text(text);
    }
    match String::from_utf8_lossy(body) {
        Cow::Borrowed(text) => clean_text(text),
        Cow::Owned(text) => match clean_text(&text) {
            Cow::Owned(clean) => Cow::Owned(clean),
            Cow::Borrowed(_) => Cow::Owned(text),
        },
    }
}

fn clean_text(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let mut cleaned = String::new();
    let mut copied = 0;
    let mut at = 0;
    // Where a broken escape would end: removing something from it must not make it valid.
    let mut broken_until = 0;
    while let Some(found) = memchr::memchr2(b'\\', 0, &bytes[at..]) {
        at += found;
        let (length, replacement) = escape_at(&bytes[at..]);
        if is_broken(&bytes[at..]) {
            broken_until = at + 6;
        }
        if let Some(replacement) = replacement {
            let in_broken = at < broken_until && replacement.is_empty();
            let replacement = if in_broken { "\u{FFFD}" } else { replacement };
            cleaned.push_str(&text[copied..at]);
            cleaned.push_str(replacement);
            copied = at + length;
        }
        at = (at + length).min(bytes.len());
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    cleaned.push_str(&text[copied..]);
    Cow::Owned(cleaned)
}

/// The length of the escape or raw NUL at the start, and its replacement.
fn escape_at(bytes: &[u8]) -> (usize, Option<&'static str>) {
    if bytes[0] == 0 {
        return (1, Some(""));
    }
    match unit(bytes) {
        None if bytes.get(1) == Some(&0) => (1, None),
        // Any other escape has two characters. That includes an escaped backslash, so a `u` after
        // it begins no escape.
        None => (2, None),
        Some(0) => (6, Some("")),
        Some(0xD800..=0xDBFF) if matches!(unit(&bytes[6..]), Some(0xDC00..=0xDFFF)) => (12, None),
        Some(0xD800..=0xDFFF) => (6, Some("\u{FFFD}")),
        Some(_) => (6, None),
    }
}

/// An escape that is interrupted by a NUL, or an invalid `\u`.
fn is_broken(bytes: &[u8]) -> bool {
    bytes[0] == b'\\' && matches!(bytes.get(1), Some(b'u' | 0)) && unit(bytes).is_none()
}

/// The UTF-16 code unit of a `\uXXXX`.
fn unit(bytes: &[u8]) -> Option<u16> {
    let digits = bytes.get(..6)?.strip_prefix(b"\\u")?;
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
