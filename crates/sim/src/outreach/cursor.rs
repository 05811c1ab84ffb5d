//! Cursors: the sort values and the id of a record, as base64 of JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value as Json, json};

use super::value::{Key, Kind};

/// The position of a record in an order: its sort keys and its id.
pub(super) type Position = (Vec<Key>, i64);

/// The order of a list.
#[derive(Debug)]
pub(super) struct Order {
    /// `Prospects`
    pub(super) controller: &'static str,
    /// The `sort` parameter; empty if there is none.
    pub(super) text: String,
    /// The attributes to sort by before the id, with their direction: true is descending.
    pub(super) by: Vec<(&'static str, Kind, bool)>,
    pub(super) id_descends: bool,
}

impl Order {
    pub(super) fn cursor(&self, (keys, id): &Position) -> String {
        let values: Vec<Json> = keys
            .iter()
            .zip(&self.by)
            .map(|(key, (_, kind, _))| kind.encode(key))
            .collect();
        let text = json!({
            "cn": self.controller_name(),
            "sp": self.text,
            "sv": values,
            "id": id,
            "v": 1,
        });
        STANDARD.encode(text.to_string())
    }

    /// Reads a cursor; `None` if it is not one of this order.
    pub(super) fn position(&self, cursor: &str) -> Option<Position> {
        let text = STANDARD.decode(cursor).ok()?;
        let told: Json = serde_json::from_slice(&text).ok()?;
        if told["cn"] != self.controller_name() || told["sp"] != self.text {
            return None;
        }
        let values = told["sv"].as_array()?;
        if values.len() != self.by.len() {
            return None;
        }
        let keys = values.iter().zip(&self.by);
        let keys = keys.map(|(value, (_, kind, _))| kind.decode(value));
        Some((keys.collect::<Option<Vec<_>>>()?, told["id"].as_i64()?))
    }

    /// Compares two positions.
    pub(super) fn compare(&self, a: &Position, b: &Position) -> std::cmp::Ordering {
        let keys = a.0.iter().zip(&b.0).zip(&self.by);
        for ((a, b), (_, _, descends)) in keys {
            let order = if *descends { b.cmp(a) } else { a.cmp(b) };
            if order.is_ne() {
                return order;
            }
        }
        if self.id_descends {
            b.1.cmp(&a.1)
        } else {
            a.1.cmp(&b.1)
        }
    }

    /// Reverses the order.
    pub(super) fn turn_round(&mut self) {
        for (_, _, descends) in &mut self.by {
            *descends = !*descends;
        }
        self.id_descends = !self.id_descends;
    }

    fn controller_name(&self) -> String {
        format!("ApiV2::{}Controller", self.controller)
    }
}
