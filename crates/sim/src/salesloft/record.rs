//! A record's JSON while it is written.

use std::fmt::Display;

use chrono::{DateTime, Utc};

use super::eastern::timestamp;
use crate::json::Object;

/// The address in references.
pub(super) const API: &str = "https://api.salesloft.com/v2";

#[derive(Debug)]
pub(super) struct Record(Object);

impl Record {
    pub(super) fn new(id: &str) -> Self {
        let mut o = Object::with_capacity(2_048);
        o.raw("id", id);
        Self(o)
    }

    pub(super) fn text(&mut self, name: &str, value: &str) -> &mut Self {
        self.0.text(name, value);
        self
    }

    pub(super) fn maybe(&mut self, name: &str, value: Option<&str>) -> &mut Self {
        self.0.maybe(name, value);
        self
    }

    pub(super) fn flag(&mut self, name: &str, value: bool) -> &mut Self {
        self.0.flag(name, value);
        self
    }

    pub(super) fn number(&mut self, name: &str, value: impl Display) -> &mut Self {
        self.0.number(name, value);
        self
    }

    /// `value` is JSON already.
    pub(super) fn raw(&mut self, name: &str, value: &str) -> &mut Self {
        self.0.raw(name, value);
        self
    }

    pub(super) fn texts<T: AsRef<str>>(&mut self, name: &str, values: &[T]) -> &mut Self {
        self.0.texts(name, values);
        self
    }

    pub(super) fn nulls(&mut self, names: &[&str]) -> &mut Self {
        for name in names {
            self.0.null(name);
        }
        self
    }

    pub(super) fn time(&mut self, name: &str, at: DateTime<Utc>) -> &mut Self {
        self.text(name, &timestamp(at))
    }

    pub(super) fn maybe_time(&mut self, name: &str, at: Option<DateTime<Utc>>) -> &mut Self {
        self.maybe(name, at.map(timestamp).as_deref())
    }

    /// A reference to a record of the kind with that plural, or null.
    pub(super) fn refer(&mut self, name: &str, plural: &str, id: Option<&str>) -> &mut Self {
        match id {
            Some(id) => self.raw(name, &reference(plural, id)),
            None => self.nulls(&[name]),
        }
    }

    /// References to records of one kind.
    pub(super) fn refer_many(&mut self, name: &str, plural: &str, ids: &[&str]) -> &mut Self {
        let references: Vec<String> = ids.iter().map(|id| reference(plural, id)).collect();
        self.0.list(name, &references);
        self
    }

    pub(super) fn finish(self) -> String {
        self.0.finish()
    }
}

/// `{"id":5,"_href":"https://api.salesloft.com/v2/users/5"}`
pub(super) fn reference(plural: &str, id: &str) -> String {
    format!(r#"{{"id":{id},"_href":"{API}/{plural}/{id}"}}"#)
}
