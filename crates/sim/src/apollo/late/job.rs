//! A job: people of whom more is to be found, what that costs, and the body of the callback.

use chrono::{DateTime, Utc};

use super::{phones, waterfall};
use crate::world::Charge;
use crate::world::person::Person;

/// What a person's phone numbers cost, if they have any.
pub(super) const PRICE_OF_NUMBERS: u64 = 8;
/// What a person's e-mail address costs.
pub(super) const PRICE_OF_EMAIL: u64 = 1;

#[derive(Debug)]
pub(super) struct Job {
    pub(super) request_id: i64,
    pub(super) kind: Kind,
    pub(super) url: String,
    pub(super) asked: DateTime<Utc>,
    pub(super) due: DateTime<Utc>,
    /// The key and the action of the call, for its charges.
    pub(super) key: Option<String>,
    pub(super) action: &'static str,
    pub(super) people: Vec<Somebody>,
    /// How many others were asked for and are not known.
    pub(super) missing: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::apollo) enum Kind {
    /// Apollo's own phone numbers.
    Phones,
    /// What other vendors know.
    Waterfall { emails: bool, numbers: bool },
}

/// What a job has to know of a person.
#[derive(Debug)]
pub(super) struct Somebody {
    pub(super) id: String,
    pub(super) email: Option<String>,
    pub(super) email_status: Option<&'static str>,
}

impl Somebody {
    pub(super) fn of(person: &Person) -> Self {
        Self {
            id: person.id.clone(),
            email: person.email.clone(),
            email_status: person.email_status,
        }
    }

    pub(super) fn has_number(&self) -> bool {
        !phones::of(&self.id).is_empty()
    }
}

impl Kind {
    /// The name of the kind in the answer to those who poll.
    pub(in crate::apollo) fn name(self) -> &'static str {
        match self {
            Self::Phones => "phone",
            Self::Waterfall { .. } => "waterfall",
        }
    }

    pub(super) fn finds_email(self, person: &Somebody) -> bool {
        matches!(self, Self::Waterfall { emails: true, .. }) && person.email.is_some()
    }

    pub(super) fn finds_number(self, person: &Somebody) -> bool {
        let asked = match self {
            Self::Phones => true,
            Self::Waterfall { numbers, .. } => numbers,
        };
        asked && person.has_number()
    }
}

impl Job {
    /// What it costs if there are enough credits.
    pub(super) fn charges(&self) -> Vec<Charge> {
        let mut charges = Vec::new();
        for person in &self.people {
            for (found, credits) in [
                (self.kind.finds_email(person), PRICE_OF_EMAIL),
                (self.kind.finds_number(person), PRICE_OF_NUMBERS),
            ] {
                if found {
                    charges.push(Charge {
                        at: self.due,
                        key: self.key.clone(),
                        action: self.action,
                        subject: person.id.clone(),
                        credits,
                    });
                }
            }
        }
        charges
    }

    /// The callback's body; without anything found if it could not be `paid` for.
    pub(super) fn body(&self, paid: bool) -> String {
        match self.kind {
            Kind::Phones => phones::body(self, paid),
            Kind::Waterfall { emails, numbers } => waterfall::body(self, [emails, numbers], paid),
        }
    }

    /// How many people a test holds for, none if nothing was paid for.
    pub(super) fn count(&self, paid: bool, found: impl Fn(&Somebody) -> bool) -> u64 {
        let people = self.people.iter();
        let count = people.filter(|person| paid && found(person)).count();
        u64::try_from(count).unwrap_or(0)
    }
}
