//! Rows of one kind, with what makes serving them cheap: each row's JSON is kept until the row changes, and
//! each sort order is kept until a row comes, goes or moves.
//!
//! Searches may see rows later than reads by id do: see [`Lag`].

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};

/// The orders a search can be in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Order {
    /// No order asked for: some order, the same one each time.
    Unspecified,
    Created,
    Updated,
    LastActivity,
    Due,
    Priority,
}

/// What a table needs to know of its rows.
pub(crate) trait Row: Clone {
    fn id(&self) -> &str;
    /// Whether searches still show it.
    fn listed(&self) -> bool;
    /// Where the row stands in `order`, ascending.
    fn rank(&self, order: Order) -> i64;
    /// The row as searches show it.
    fn json(&self) -> String;
}

/// How long searches stay behind.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Lag {
    /// After a row was made or changed.
    pub(crate) changes: TimeDelta,
    /// After a row was deleted.
    pub(crate) deletes: TimeDelta,
}

/// What searches show of a row until a time.
#[derive(Debug)]
struct Shown<T> {
    until: DateTime<Utc>,
    /// `None`: not there yet.
    row: Option<T>,
}

#[derive(Debug)]
pub(crate) struct Table<T> {
    rows: Vec<T>,
    by_id: HashMap<String, usize>,
    /// What searches have asked for: rows as JSON, and the rows in an order.
    json: Vec<Option<Bytes>>,
    orders: HashMap<Order, Arc<Vec<usize>>>,
    lag: Lag,
    now: DateTime<Utc>,
    /// By position, what searches show instead of the row; earlier `until` first. Empty without a lag.
    behind: HashMap<usize, VecDeque<Shown<T>>>,
    /// The earliest `until` in `behind`.
    next: Option<DateTime<Utc>>,
}

impl<T: Row> Table<T> {
    pub(crate) fn new() -> Self {
        Self {
            rows: Vec::new(),
            by_id: HashMap::new(),
            json: Vec::new(),
            orders: HashMap::new(),
            lag: Lag::default(),
            now: DateTime::UNIX_EPOCH,
            behind: HashMap::new(),
            next: None,
        }
    }

    /// From now on searches are behind by that much.
    pub(crate) fn set_lag(&mut self, lag: Lag) {
        self.lag = lag;
    }

    /// Tells the table the time; it never goes back.
    pub(crate) fn tick(&mut self, now: DateTime<Utc>) {
        self.now = self.now.max(now);
        if self.next.is_none_or(|next| next > self.now) {
            return;
        }
        let (now, json) = (self.now, &mut self.json);
        self.behind.retain(|&at, versions| {
            let before = versions.len();
            while versions.front().is_some_and(|shown| shown.until <= now) {
                versions.pop_front();
            }
            if versions.len() < before
                && let Some(json) = json.get_mut(at)
            {
                *json = None;
            }
            !versions.is_empty()
        });
        let fronts = self.behind.values().filter_map(VecDeque::front);
        self.next = fronts.map(|shown| shown.until).min();
        self.orders.clear();
    }

    pub(crate) fn insert(&mut self, row: T) {
        let at = self.rows.len();
        self.by_id.insert(row.id().to_owned(), at);
        self.rows.push(row);
        self.json.push(None);
        self.orders.clear();
        if self.lag.changes > TimeDelta::zero() {
            self.show_instead(at, None, self.lag.changes);
        }
    }

    pub(crate) fn get(&self, id: &str) -> Option<&T> {
        self.by_id.get(id).and_then(|at| self.rows.get(*at))
    }

    /// Changes a row in a way that may move it in a search.
    pub(crate) fn edit<R>(&mut self, id: &str, change: impl FnOnce(&mut T) -> R) -> Option<R> {
        let at = *self.by_id.get(id)?;
        self.orders.clear();
        self.edit_at(at, change)
    }

    /// Changes a row in a way that leaves every search order as it is.
    pub(crate) fn edit_in_place<R>(
        &mut self,
        id: &str,
        change: impl FnOnce(&mut T) -> R,
    ) -> Option<R> {
        let at = *self.by_id.get(id)?;
        self.edit_at(at, change)
    }

    fn edit_at<R>(&mut self, at: usize, change: impl FnOnce(&mut T) -> R) -> Option<R> {
        if let Some(json) = self.json.get_mut(at) {
            *json = None;
        }
        if self.lag.changes <= TimeDelta::zero() && self.lag.deletes <= TimeDelta::zero() {
            return self.rows.get_mut(at).map(change);
        }
        let row = self.rows.get_mut(at)?;
        let before = row.clone();
        let changed = change(row);
        let lag = if before.listed() && !row.listed() {
            self.lag.deletes
        } else {
            self.lag.changes
        };
        self.show_instead(at, Some(before), lag);
        Some(changed)
    }

    /// Has searches show `row` in the place of what is there now. Whatever they were still behind with is
    /// in view no later than this change is.
    fn show_instead(&mut self, at: usize, row: Option<T>, lag: TimeDelta) {
        let until = self.now + lag;
        let versions = self.behind.entry(at).or_default();
        for earlier in versions.iter_mut() {
            earlier.until = earlier.until.min(until);
        }
        versions.push_back(Shown { until, row });
        self.next = Some(self.next.map_or(until, |next| next.min(until)));
        self.tick(self.now);
    }

    /// The row at that position as searches see it.
    pub(crate) fn at(&self, at: usize) -> Option<&T> {
        if self.behind.is_empty() {
            return self.rows.get(at);
        }
        match self.behind.get(&at).and_then(VecDeque::front) {
            Some(shown) => shown.row.as_ref(),
            None => self.rows.get(at),
        }
    }

    /// Every row ever made, in the order made.
    pub(crate) fn all(&self) -> &[T] {
        &self.rows
    }

    pub(crate) fn listed(&self) -> impl Iterator<Item = &T> {
        self.rows.iter().filter(|row| row.listed())
    }

    /// The JSON of the row at that position as searches see it.
    pub(crate) fn json_at(&mut self, at: usize) -> Bytes {
        if let Some(Some(json)) = self.json.get(at) {
            return json.clone();
        }
        let Some(row) = self.at(at) else {
            return Bytes::new();
        };
        let bytes = Bytes::from(row.json());
        if let Some(json) = self.json.get_mut(at) {
            *json = Some(bytes.clone());
        }
        bytes
    }

    /// Positions of the rows that searches list, ascending.
    pub(crate) fn ordered(&mut self, order: Order) -> Arc<Vec<usize>> {
        if let Some(ordered) = self.orders.get(&order) {
            return Arc::clone(ordered);
        }
        let rows = (0..self.rows.len()).filter_map(|at| Some((at, self.at(at)?)));
        let mut keyed: Vec<(i64, &str, usize)> = rows
            .filter(|(_, row)| row.listed())
            .map(|(at, row)| (row.rank(order), row.id(), at))
            .collect();
        keyed.sort_unstable();
        let ordered = Arc::new(keyed.into_iter().map(|(_, _, at)| at).collect());
        self.orders.insert(order, Arc::clone(&ordered));
        ordered
    }
}
