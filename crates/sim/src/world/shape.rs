//! Records that don't have the shape that Apollo documents: something else stands where a field should be.

use serde_json::{Map, Value};

use super::Team;
use super::table::{Row, Table};

/// What a record says in the place of one of its values.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    /// A JSON pointer: `/title`, `/contact_campaign_statuses/0/status`.
    place: String,
    value: Value,
}

impl Shape {
    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    /// The record with that value. A record that lacks what the field is in stays as it is.
    pub(crate) fn give(&self, json: String) -> String {
        let Ok(mut record) = serde_json::from_str::<Value>(&json) else {
            return json;
        };
        let Some((outer, name)) = self.place.rsplit_once('/') else {
            return json;
        };
        let fields = record.pointer_mut(outer).and_then(Value::as_object_mut);
        let Some(fields) = fields.filter(|fields: &&mut Map<_, _>| fields.contains_key(name))
        else {
            return json;
        };
        fields.insert(name.to_owned(), self.value.clone());
        record.to_string()
    }
}

impl Team {
    /// Has a record say `value` at `place`, a JSON pointer to one of its fields, until the record is changed.
    /// Searches show that at once, whatever lags. `object_name` is as in [`live_ids`](Self::live_ids).
    pub fn misshape(&mut self, object_name: &str, id: &str, place: &str, value: Value) -> bool {
        let shape = Shape {
            place: place.to_owned(),
            value,
        };
        match object_name {
            "user" => self.users.misshape(id, shape),
            "mailbox" => self.mailboxes.misshape(id, shape),
            "sequence" => self.sequences.misshape(id, shape),
            "account" => self.accounts.misshape(id, shape),
            "contact" => self.contacts.misshape(id, shape),
            _ => false,
        }
    }

    /// The live records that say something else in the place of a field, and which.
    pub fn misshapen(&self, object_name: &str) -> Vec<(String, String)> {
        match object_name {
            "user" => misshapen(&self.users),
            "mailbox" => misshapen(&self.mailboxes),
            "sequence" => misshapen(&self.sequences),
            "account" => misshapen(&self.accounts),
            "contact" => misshapen(&self.contacts),
            _ => Vec::new(),
        }
    }
}

fn misshapen<T: Row>(table: &Table<T>) -> Vec<(String, String)> {
    let live = table.all().iter().filter(|row| row.live());
    live.filter_map(|row| {
        let shape = table.shape_of(row.id())?;
        Some((row.id().to_owned(), shape.place().to_owned()))
    })
    .collect()
}
