//! Reads the fields of a record that is kept in any case: an unreadable field is null, an
//! unreadable list member is left out, and their names are recorded.

use std::cell::RefCell;

use serde_json::{Number, value::RawValue};
use syncline_model::Time;

use crate::json::{Fields, Malformed};

/// The names of a record's unreadable fields, without duplicates.
#[derive(Debug, Default)]
pub struct Unread(RefCell<Vec<String>>);

impl Unread {
    pub fn note(&self, name: String) {
        let mut names = self.0.borrow_mut();
        if !names.contains(&name) {
            names.push(name);
        }
    }

    pub fn into_names(self) -> Vec<String> {
        self.0.into_inner()
    }
}

/// The fields of a record, or of an object in it.
#[derive(Clone, Copy)]
pub struct Reading<'r, 'a> {
    fields: &'r Fields<'a>,
    /// The prefix of the field names: empty, or such as `phone_numbers[].`.
    path: &'r str,
    unread: &'r Unread,
}

impl<'r, 'a> Reading<'r, 'a> {
    pub fn new(fields: &'r Fields<'a>, unread: &'r Unread) -> Self {
        Self {
            fields,
            path: "",
            unread,
        }
    }

    /// For an object within the record.
    pub fn of(self, path: &'r str, fields: &'r Fields<'a>) -> Self {
        Self {
            fields,
            path,
            ..self
        }
    }

    pub fn has(self, name: &str) -> bool {
        self.fields.raw(name).is_some()
    }

    pub fn text(self, name: &str) -> Option<String> {
        self.kept(name, self.fields.text(name))
    }

    pub fn filled_text(self, name: &str) -> Option<String> {
        self.kept(name, self.fields.filled_text(name))
    }

    /// An e-mail address, with white space trimmed.
    pub fn email(self, name: &str) -> Option<String> {
        let email = self.text(name)?;
        Some(email.trim().to_owned())
    }

    pub fn time(self, name: &str) -> Option<Time> {
        self.kept(name, self.fields.time(name))
    }

    pub fn number(self, name: &str) -> Option<Number> {
        self.kept(name, self.fields.number(name))
    }

    pub fn int(self, name: &str) -> Option<i64> {
        self.kept(name, self.fields.int(name))
    }

    pub fn flag(self, name: &str) -> Option<bool> {
        self.kept(name, self.fields.flag(name))
    }

    pub fn object(self, name: &str) -> Option<Fields<'a>> {
        self.kept(name, self.fields.object(name))
    }

    pub fn list(self, name: &str) -> Vec<&'a RawValue> {
        let list = self.fields.list(name).map(Some);
        self.kept(name, list).unwrap_or_default()
    }

    /// The members of a list that `read` accepts.
    pub fn members<T>(self, name: &str, mut read: impl FnMut(&'a RawValue) -> Option<T>) -> Vec<T> {
        let mut members = Vec::new();
        for raw in self.list(name) {
            match read(raw) {
                Some(member) => members.push(member),
                None => self.unread.note(format!("{}{name}[]", self.path)),
            }
        }
        members
    }

    fn kept<T>(self, name: &str, read: Result<Option<T>, Malformed>) -> Option<T> {
        read.unwrap_or_else(|_| {
            self.unread.note(format!("{}{name}", self.path));
            None
        })
    }
}
