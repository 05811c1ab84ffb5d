//! Records that differ from the provider's documentation: a field has a value of another type.

use serde_json::{Map, Value};

use super::Team;
use super::contact::{Contact, State};
use super::table::{Row, Table};

/// A value of the wrong type in a field of a record.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    /// A JSON pointer: `/title`, `/contact_campaign_statuses/0/status`.
    pointer: String,
    value: Value,
}

impl Shape {
    pub(crate) fn pointer(&self) -> &str {
        &self.pointer
    }

    /// The record with that value. A record without the field's parent doesn't change.
    pub(crate) fn give(&self, json: String) -> String {
        let Ok(mut record) = serde_json::from_str::<Value>(&json) else {
            return json;
        };
        let Some((outer, name)) = self.pointer.rsplit_once('/') else {
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
    /// Puts `value` at `pointer`, a JSON pointer to one of the record's fields, until the record is
    /// changed. Searches show that immediately, even with a lag. `object_name` is as in
    /// [`live_ids`](Self::live_ids), or `sequence_state` where states have a list of their own; a state
    /// keeps the value for good.
    pub fn misshape(&mut self, object_name: &str, id: &str, pointer: &str, value: Value) -> bool {
        let shape = Shape {
            pointer: pointer.to_owned(),
            value,
        };
        match object_name {
            "user" => self.users.misshape(id, shape),
            "mailbox" => self.mailboxes.misshape(id, shape),
            "sequence" => self.sequences.misshape(id, shape),
            "account" => self.accounts.misshape(id, shape),
            "contact" => self.contacts.misshape(id, shape),
            "sequence_state" => self.misshape_state(id, shape),
            _ => false,
        }
    }

    fn misshape_state(&mut self, id: &str, shape: Shape) -> bool {
        let mut states = self.live_states();
        let Some((contact, state)) = states.find(|(_, state)| state.id == id) else {
            return false;
        };
        let json = (self.renderers.state)(contact, state);
        if shape.give(json.clone()) == json {
            return false;
        }
        drop(states);
        self.state_shapes.insert(id.to_owned(), shape);
        true
    }

    /// The rendering of a live contact's state that has a value of the wrong type.
    pub(crate) fn misshapen_state(&self, id: &str) -> Option<String> {
        let shape = self.state_shapes.get(id)?;
        let (contact, state) = self.live_states().find(|(_, state)| state.id == id)?;
        Some(shape.give((self.renderers.state)(contact, state)))
    }

    fn live_states(&self) -> impl Iterator<Item = (&Contact, &State)> {
        let live = self.contacts.all().iter().filter(|contact| contact.live());
        live.flat_map(|contact| contact.states.iter().map(move |state| (contact, state)))
    }

    /// The states of live contacts with a value of the wrong type: contact, state, and the field's
    /// pointer.
    pub fn misshapen_states(&self) -> Vec<(String, String, String)> {
        let all = self.live_states();
        let misshapen = all.filter_map(|(contact, state)| {
            let pointer = self.state_shapes.get(&state.id)?.pointer().to_owned();
            Some((contact.id.clone(), state.id.clone(), pointer))
        });
        misshapen.collect()
    }

    /// The live records with a value of the wrong type, and the field's pointer.
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
        Some((row.id().to_owned(), shape.pointer().to_owned()))
    })
    .collect()
}
