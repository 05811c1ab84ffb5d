//! The record of all requests and answers, so that a test can say how many requests and records a
//! client used.
//!
//! Long simulations query the ledger now and then, for example with [`Ledger::max_records_in`], and
//! drop old entries with [`Ledger::trim_before`].

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

/// The actions whose records a sync reads.
const READING: [&str; 23] = [
    "accounts/get",
    "accounts/list",
    "accounts/search",
    "accounts/show",
    "cadence_memberships/get",
    "cadence_memberships/list",
    "cadences/get",
    "cadences/list",
    "contacts/search",
    "contacts/show",
    "email_accounts/index",
    "emailer_campaigns/search",
    "mailboxes/list",
    "people/get",
    "people/list",
    "prospects/get",
    "prospects/list",
    "sequenceStates/get",
    "sequenceStates/list",
    "sequences/get",
    "sequences/list",
    "users/list",
    "users/search",
];

/// One answered request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    pub at: DateTime<Utc>,
    /// `None` if the caller is unknown.
    pub team: Option<usize>,
    /// The user whose token the request had, in dialects with user tokens.
    pub user: Option<String>,
    pub method: String,
    pub path: String,
    /// `contacts/search`, `emailer_campaigns/add_contact_ids`, …; empty for an unknown path.
    pub action: &'static str,
    pub page: Option<u64>,
    pub status: u16,
    /// Records in the answer, whether or not it arrived.
    pub records: usize,
}

impl Exchange {
    /// Whether it is a call with which syncs read records: lists of users, mailboxes, sequences,
    /// accounts and contacts, and reads of one account or contact.
    pub fn reads_records(&self) -> bool {
        READING.contains(&self.action)
    }
}

/// Totals of one action.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    pub requests: usize,
    pub records: usize,
    /// Requests with an answer other than 2xx.
    pub refused: usize,
}

impl Totals {
    fn count(&mut self, exchange: &Exchange) {
        self.requests += 1;
        self.records += exchange.records;
        self.refused += usize::from(!(200..300).contains(&exchange.status));
    }
}

#[derive(Debug, Default)]
struct Book {
    exchanges: Vec<Exchange>,
    /// The totals of the trimmed exchanges.
    trimmed: BTreeMap<&'static str, Totals>,
    in_flight: HashMap<(Option<usize>, String), usize>,
    most_in_flight: HashMap<(Option<usize>, String), usize>,
}

/// The ledger of every request; clones share it. Nothing is dropped before [`Ledger::reset`] or
/// [`Ledger::trim_before`].
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

    /// The number of answered requests.
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

    /// The most records that syncs of a team were served, see [`Exchange::reads_records`], in any
    /// interval of that length. The interval's end is exclusive: two answers exactly `window` apart
    /// are never in one interval.
    pub fn max_records_in(&self, team: usize, window: TimeDelta) -> usize {
        if window <= TimeDelta::zero() {
            return 0;
        }
        let served = self.served(team);
        let (mut oldest, mut within, mut most) = (0, 0, 0);
        for &(at, records) in &served {
            within += records;
            while let Some(&(then, gone)) = served.get(oldest)
                && at - then >= window
            {
                within -= gone;
                oldest += 1;
            }
            most = most.max(within);
        }
        most
    }

    /// The most requests with a user's tokens in any interval of that length, see
    /// [`Ledger::max_records_in`]. Requests answered 429 do not count.
    pub fn max_requests_in(&self, team: usize, user: &str, window: TimeDelta) -> usize {
        let book = self.book();
        let requests = book.exchanges.iter();
        let requests = requests.filter(|e| e.team == Some(team) && e.user.as_deref() == Some(user));
        let mut times: Vec<_> = requests.filter(|e| e.status != 429).map(|e| e.at).collect();
        times.sort_unstable();
        let within = times.iter().enumerate().map(|(n, &at)| {
            let before = times.iter().take(n + 1).rev();
            before.take_while(|&&then| at - then < window).count()
        });
        within.max().unwrap_or(0)
    }

    /// The times at which a team's syncs were served records, and how many, sorted.
    fn served(&self, team: usize) -> Vec<(DateTime<Utc>, usize)> {
        let book = self.book();
        let reads = book
            .exchanges
            .iter()
            .filter(|e| e.team == Some(team) && e.records > 0 && e.reads_records());
        let mut served: Vec<_> = reads.map(|e| (e.at, e.records)).collect();
        // A concurrent server may write out of order.
        served.sort_by_key(|&(at, _)| at);
        served
    }

    /// Totals per action, in alphabetical order, including the trimmed exchanges.
    pub fn totals(&self) -> BTreeMap<&'static str, Totals> {
        let book = self.book();
        let mut totals = book.trimmed.clone();
        for exchange in &book.exchanges {
            totals.entry(exchange.action).or_default().count(exchange);
        }
        totals
    }

    /// Drops the exchanges before a time; only [`Ledger::totals`] still counts them. A caller that
    /// has queried a window's maximum until now, and trims what is older than now minus the window,
    /// misses no later interval.
    pub fn trim_before(&self, time: DateTime<Utc>) {
        let mut book = self.book();
        let Book {
            exchanges, trimmed, ..
        } = &mut *book;
        for exchange in exchanges.extract_if(.., |exchange| exchange.at < time) {
            trimmed.entry(exchange.action).or_default().count(&exchange);
        }
    }

    /// The most concurrent requests of a team for an object (`contacts`, `accounts`, `users`, …:
    /// the first part of the path).
    pub fn most_in_flight(&self, team: usize, object: &str) -> usize {
        let key = (Some(team), object.to_owned());
        self.book().most_in_flight.get(&key).copied().unwrap_or(0)
    }

    /// Drops all exchanges and the in-flight maxima.
    pub fn reset(&self) {
        let mut book = self.book();
        book.exchanges.clear();
        book.trimmed.clear();
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

/// A request that has arrived and is not answered yet; drop it when the answer is sent.
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
