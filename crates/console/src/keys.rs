//! The keys of a connection as the API tells them, and the form for another one.

use std::collections::BTreeMap;

use axum::http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use syncline_model::Time;

use crate::{
    failure::Failure,
    parts::State,
    viewer::Viewer,
    words::{Count, When},
};

#[derive(Deserialize)]
pub(crate) struct Keys {
    /// By kind.
    slots: BTreeMap<String, Slots>,
    pub(crate) keys: Vec<Key>,
}

#[derive(Deserialize)]
struct Slots {
    used: i64,
    available: i64,
}

#[derive(Deserialize)]
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) label: String,
    kind: String,
    pub(crate) is_main: bool,
    status: String,
    pub(crate) status_reason: Option<String>,
    retry_at: Option<Time>,
    shares_budget_with: Vec<String>,
    max_credits_per_day: Option<i64>,
    last_used_at: Option<Time>,
}

/// The API's word for a kind of keys in those of a person who operates the service.
fn kind_in_words(kind: &str) -> &str {
    match kind {
        "self" => "the customer's own",
        "managed" => "yours",
        other => other,
    }
}

impl Keys {
    /// `the customer's own, 2 used and 8 available; yours, …`
    pub(crate) fn slots(&self) -> String {
        let slots = self.slots.iter().rev().map(|(kind, slots)| {
            let (used, available) = (Count(slots.used), Count(slots.available));
            let kind = kind_in_words(kind);
            format!("{kind}, {used} used and {available} available")
        });
        slots.collect::<Vec<_>>().join("; ")
    }

    /// The labels of the keys that a key shares its budget with.
    pub(crate) fn sharing(&self, key: &Key) -> String {
        let others = self.keys.iter();
        let others = others.filter(|it| key.shares_budget_with.contains(&it.id));
        let labels: Vec<&str> = others.map(|it| it.label.as_str()).collect();
        labels.join(", ")
    }
}

impl Key {
    pub(crate) fn kind(&self) -> &str {
        kind_in_words(&self.kind)
    }

    pub(crate) fn state(&self) -> State {
        State::new(&self.status)
    }

    /// What the status means.
    pub(crate) fn meaning(&self) -> &'static str {
        match self.status.as_str() {
            "rejected" => "the provider does not accept it",
            "forbidden" => "the provider accepts it, but not for enrichment",
            "used_up" => "it has no credits left",
            _ => "",
        }
    }

    pub(crate) fn tried_again(&self, now: &Time) -> Option<When> {
        self.retry_at.map(|at| When::new(at, *now))
    }

    pub(crate) fn may_spend(&self) -> String {
        self.max_credits_per_day
            .map_or("no limit of its own".to_owned(), |most| {
                format!("{} credits", Count(most))
            })
    }

    pub(crate) fn used(&self, now: &Time) -> Option<When> {
        self.last_used_at.map(|at| When::new(at, *now))
    }
}

/// The keys as a part of a page.
pub(crate) struct KeysSection {
    pub(crate) list: Keys,
    pub(crate) form: KeyForm,
    pub(crate) may_add: bool,
    pub(crate) may_delete: bool,
}

impl KeysSection {
    /// `path` is the keys' address in the API.
    pub(crate) async fn of(viewer: &Viewer, path: &str, form: KeyForm) -> Result<Self, Failure> {
        Ok(Self {
            list: viewer.get(path).await?,
            form,
            may_add: viewer.may(&Method::POST, path),
            may_delete: viewer.may(&Method::DELETE, &format!("{path}/x")),
        })
    }
}

/// What is entered for another key. The key itself never comes back into the form.
#[derive(Default)]
pub(crate) struct KeyForm {
    pub(crate) label: String,
    pub(crate) kind: String,
    pub(crate) max_credits_per_day: String,
    /// Why it was not added.
    pub(crate) error: Option<String>,
}

impl KeyForm {
    /// The API's words for the kinds, and ours.
    pub(crate) const KINDS: [(&'static str, &'static str); 2] =
        [("self", "the customer's own"), ("managed", "yours")];
}

/// A number that is entered, as the API takes it. What is no number is left for the API to refuse.
pub(crate) fn number(entered: &str) -> Value {
    match entered.trim() {
        "" => Value::Null,
        text => text
            .parse::<i64>()
            .map_or_else(|_| json!(text), |it| json!(it)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_is_empty_is_no_number() {
        assert_eq!(number(" "), Value::Null);
        assert_eq!(number(" 12 "), json!(12));
        assert_eq!(number("many"), json!("many"));
    }
}
