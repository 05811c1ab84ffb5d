//! Writes JSON objects with their keys in the order of the calls.
//!
//! Apollo's bodies have a fixed key order, and some clients have depended on it, so records are
//! written key by key and not from a map. Constant fragments are inserted as text.

use std::fmt::{Display, Write as _};

use chrono::{DateTime, Utc};

/// A JSON object that is being written.
#[derive(Debug)]
pub(crate) struct Object {
    out: String,
}

impl Object {
    pub(crate) fn new() -> Self {
        Self::with_capacity(256)
    }

    pub(crate) fn with_capacity(bytes: usize) -> Self {
        let mut out = String::with_capacity(bytes);
        out.push('{');
        Self { out }
    }

    pub(crate) fn text(&mut self, key: &str, value: &str) -> &mut Self {
        self.key(key);
        push_text(&mut self.out, value);
        self
    }

    pub(crate) fn maybe(&mut self, key: &str, value: Option<&str>) -> &mut Self {
        match value {
            Some(value) => self.text(key, value),
            None => self.null(key),
        }
    }

    pub(crate) fn flag(&mut self, key: &str, value: bool) -> &mut Self {
        self.raw(key, if value { "true" } else { "false" })
    }

    pub(crate) fn maybe_flag(&mut self, key: &str, value: Option<bool>) -> &mut Self {
        match value {
            Some(value) => self.flag(key, value),
            None => self.null(key),
        }
    }

    pub(crate) fn number(&mut self, key: &str, value: impl Display) -> &mut Self {
        self.key(key);
        let _ = write!(self.out, "{value}");
        self
    }

    pub(crate) fn null(&mut self, key: &str) -> &mut Self {
        self.raw(key, "null")
    }

    /// `value` is JSON already.
    pub(crate) fn raw(&mut self, key: &str, value: &str) -> &mut Self {
        self.key(key);
        self.out.push_str(value);
        self
    }

    /// `members` is `"key":value,"key":value` already.
    pub(crate) fn splice(&mut self, members: &str) -> &mut Self {
        self.comma();
        self.out.push_str(members);
        self
    }

    pub(crate) fn texts<T: AsRef<str>>(&mut self, key: &str, values: &[T]) -> &mut Self {
        self.key(key);
        self.out.push('[');
        for (n, value) in values.iter().enumerate() {
            if n > 0 {
                self.out.push(',');
            }
            push_text(&mut self.out, value.as_ref());
        }
        self.out.push(']');
        self
    }

    /// `values` are JSON already.
    pub(crate) fn list(&mut self, key: &str, values: &[String]) -> &mut Self {
        self.key(key);
        self.out.push('[');
        self.out.push_str(&values.join(","));
        self.out.push(']');
        self
    }

    /// `2026-05-18T11:04:12.977Z`, the notation of `created_at` and `updated_at`.
    pub(crate) fn zulu(&mut self, key: &str, at: DateTime<Utc>) -> &mut Self {
        let text = zulu(at);
        self.text(key, &text)
    }

    /// `2025-07-16T22:42:57.372+00:00`, the notation of every other time.
    pub(crate) fn offset(&mut self, key: &str, at: Option<DateTime<Utc>>) -> &mut Self {
        let text = at.map(|at| at.format("%Y-%m-%dT%H:%M:%S%.3f+00:00").to_string());
        self.maybe(key, text.as_deref())
    }

    pub(crate) fn finish(mut self) -> String {
        self.out.push('}');
        self.out
    }

    fn key(&mut self, key: &str) {
        self.comma();
        // Escaped, because some keys come from a caller: the id of a contact or of a custom field.
        push_text(&mut self.out, key);
        self.out.push(':');
    }

    fn comma(&mut self) {
        if self.out.len() > 1 {
            self.out.push(',');
        }
    }
}

pub(crate) fn zulu(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// `text` as a JSON string.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    push_text(&mut out, text);
    out
}

fn push_text(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < '\u{20}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}
