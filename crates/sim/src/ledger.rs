//! What was asked and what was answered, so that a test can say how much a client cost.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};

/// One answered request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    pub at: DateTime<Utc>,
    /// `None` when the caller was not recognised.
    pub team: Option<usize>,
    pub method: String,
    pub path: String,
    /// `contacts/search`, `emailer_campaigns/add_contact_ids`, …; empty for a path that leads nowhere.
    pub action: &'static str,
    pub page: Option<u64>,
    pub status: u16,
    /// Records in the answer.
    pub records: usize,
}

/// Totals of one action.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    pub requests: usize,
    pub records: usize,
    /// Requests answered with something else than 2xx.
    pub refused: usize,
}

#[derive(Debug, Default)]
struct Book {
    exchanges: Vec<Exchange>,
    in_flight: HashMap<(Option<usize>, String), usize>,
    most_in_flight: HashMap<(Option<usize>, String), usize>,
}

/// The record of every request; clones share it. Nothing is dropped until [`Ledger::reset`].
#[derive(Debug, Clone, Default)]
pub struct Ledger(Arc<Mutex<Book>>);

impl Ledger {
    /// All exchanges, oldest first.
    pub fn requests(&self) -> Vec<Exchange> {
        self.book().exchanges.clone()
    }

    /// Exchanges whose path contains `part`.
    pub fn requests_to(&self, part: &str) -> Vec<Exchange> {
        let book = self.book();
        let hits = book.exchanges.iter().filter(|e| e.path.contains(part));
        hits.cloned().collect()
    }

    /// How many requests were answered.
    pub fn len(&self) -> usize {
        self.book().exchanges.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Records served from `from` (inclusive) to `to` (exclusive).
    pub fn records_between(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> usize {
        let book = self.book();
        let hits = book.exchanges.iter().filter(|e| from <= e.at && e.at < to);
        hits.map(|e| e.records).sum()
    }

    /// Totals per action, in alphabetical order.
    pub fn totals(&self) -> BTreeMap<&'static str, Totals> {
        let mut totals: BTreeMap<&'static str, Totals> = BTreeMap::new();
        for exchange in &self.book().exchanges {
            let total = totals.entry(exchange.action).or_default();
            total.requests += 1;
            total.records += exchange.records;
            total.refused += usize::from(!(200..300).contains(&exchange.status));
        }
        totals
    }

    /// The most requests there were in flight at once for a team and an object (`contacts`, `accounts`,
    /// `users`, …: the first part of the path).
    pub fn most_in_flight(&self, team: usize, object: &str) -> usize {
        let key = (Some(team), object.to_owned());
        self.book().most_in_flight.get(&key).copied().unwrap_or(0)
    }

    /// Forgets all exchanges and the in-flight maxima.
    pub fn reset(&self) {
        let mut book = self.book();
        book.exchanges.clear();
        let Book {
            in_flight,
            most_in_flight,
            ..
        } = &mut *book;
        most_in_flight.clone_from(in_flight);
    }

    pub(crate) fn write(&self, exchange: Exchange) {
        self.book().exchanges.push(exchange);
    }

    pub(crate) fn arrive(&self, team: Option<usize>, object: &str) -> InFlight {
        let key = (team, object.to_owned());
        let mut book = self.book();
        let now = book.in_flight.entry(key.clone()).or_default();
        *now += 1;
        let now = *now;
        let most = book.most_in_flight.entry(key.clone()).or_default();
        *most = now.max(*most);
        drop(book);
        InFlight {
            ledger: self.clone(),
            key,
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that has arrived and is not answered yet; dropping it says that it is.
#[derive(Debug)]
pub struct InFlight {
    ledger: Ledger,
    key: (Option<usize>, String),
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if let Some(now) = self.ledger.book().in_flight.get_mut(&self.key) {
            *now -= 1;
        }
    }
}
