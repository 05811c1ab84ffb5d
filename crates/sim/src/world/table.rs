//! Rows of one kind, with caches: each row's JSON, which the dialect renders, is kept until the row
//! changes, and each sort order is updated as rows are added, removed and moved.
//!
//! Searches may show rows later than reads by id do, see [`Lag`], or not at all: a row can be
//! hidden. The times since when rows exist are kept as well, for [`census`](super::census).

use std::cell::OnceCell;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::{DefaultHasher, Hasher as _};
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};

use super::shape::Shape;
use super::sorted::{Ranked, Sorted};
use super::standing::Standing;

/// The orders of a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Order {
    /// No order requested: an arbitrary but stable order.
    Unspecified,
    Created,
    Updated,
    LastActivity,
    Due,
    Priority,
    Amount,
    Closed,
    Won,
}

/// The properties of rows that a table needs.
pub(crate) trait Row: Clone {
    fn id(&self) -> &str;
    /// Whether searches still list it.
    fn listed(&self) -> bool;
    /// Whether it exists. Some rows that searches list are only marked as deleted.
    fn live(&self) -> bool {
        self.listed()
    }
    fn created_at(&self) -> DateTime<Utc>;
    /// The row's sort key in `order`, ascending.
    fn rank(&self, order: Order) -> i64;
}

/// Renders a row as a dialect's lists show it.
pub(crate) type RenderRow<T> = fn(&T) -> String;

/// The lag of searches.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Lag {
    /// After a row was created or changed.
    pub(crate) changes: TimeDelta,
    /// After a row was deleted.
    pub(crate) deletes: TimeDelta,
}

/// What a table stores for a row in addition to the row.
#[derive(Debug)]
struct Slot {
    /// The row as searches show it, once requested.
    json: OnceCell<Bytes>,
    /// The hash of the present row, once requested.
    fingerprint: OnceCell<u64>,
    standing: Standing,
    hidden: bool,
    /// A value of the wrong type in a field, until the row changes.
    shape: Option<Shape>,
}

impl Slot {
    /// The row's JSON, with the wrong value if there is one.
    fn shown(&self, json: String) -> String {
        match &self.shape {
            Some(shape) => shape.give(json),
            None => json,
        }
    }
}

/// What searches show of a row until `until`.
#[derive(Debug)]
struct Shown<T> {
    until: DateTime<Utc>,
    /// `None`: the row is not listed yet.
    row: Option<T>,
}

#[derive(Debug)]
pub(crate) struct Table<T> {
    render: RenderRow<T>,
    rows: Vec<T>,
    by_id: HashMap<String, usize>,
    /// One for each row.
    slots: Vec<Slot>,
    /// The orders that searches have requested.
    orders: HashMap<Order, Sorted>,
    lag: Lag,
    now: DateTime<Utc>,
    /// By position, what searches show instead of the row; sorted by `until`. Empty without a lag.
    behind: HashMap<usize, VecDeque<Shown<T>>>,
    /// The earliest `until` in `behind`.
    next: Option<DateTime<Utc>>,
    /// Positions of the rows that were inserted or changed, see [`Table::take_changed`].
    changed: Option<BTreeSet<usize>>,
}

impl<T: Row> Table<T> {
    pub(crate) fn new(render: RenderRow<T>) -> Self {
        Self {
            render,
            rows: Vec::new(),
            by_id: HashMap::new(),
            slots: Vec::new(),
            orders: HashMap::new(),
            lag: Lag::default(),
            now: DateTime::UNIX_EPOCH,
            behind: HashMap::new(),
            next: None,
            changed: None,
        }
    }

    /// The positions of the rows that were inserted or changed since the last call; of all, the first
    /// time. Before that nothing is kept.
    pub(crate) fn take_changed(&mut self) -> BTreeSet<usize> {
        let all = || (0..self.rows.len()).collect();
        let changed = self.changed.replace(BTreeSet::new());
        changed.unwrap_or_else(all)
    }

    /// Sets the lag of searches from now on.
    pub(crate) fn set_lag(&mut self, lag: Lag) {
        self.lag = lag;
    }

    /// Sets the table's time, which never goes back.
    pub(crate) fn tick(&mut self, now: DateTime<Utc>) {
        self.now = self.now.max(now);
        if self.next.is_none_or(|next| next > self.now) {
            return;
        }
        let (now, slots) = (self.now, &mut self.slots);
        let mut changed = Vec::new();
        self.behind.retain(|&at, versions| {
            let before = versions.len();
            while versions.front().is_some_and(|shown| shown.until <= now) {
                versions.pop_front();
            }
            if versions.len() < before {
                changed.push(at);
                if let Some(slot) = slots.get_mut(at) {
                    slot.json.take();
                }
            }
            !versions.is_empty()
        });
        let fronts = self.behind.values().filter_map(VecDeque::front);
        self.next = fronts.map(|shown| shown.until).min();
        for at in changed {
            self.touch(at);
        }
    }

    /// The latest time that was set.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.now
    }

    pub(crate) fn insert(&mut self, row: T) {
        let at = self.rows.len();
        self.slots.push(Slot {
            json: OnceCell::new(),
            fingerprint: OnceCell::new(),
            // A backdated row exists only since it was inserted.
            standing: Standing::new(row.live(), row.created_at().max(self.now)),
            hidden: false,
            shape: None,
        });
        self.by_id.insert(row.id().to_owned(), at);
        self.rows.push(row);
        self.touch(at);
        if let Some(changed) = &mut self.changed {
            changed.insert(at);
        }
        if self.lag.changes > TimeDelta::zero() {
            self.show_instead(at, None, self.lag.changes);
        }
    }

    pub(crate) fn get(&self, id: &str) -> Option<&T> {
        self.by_id.get(id).and_then(|at| self.rows.get(*at))
    }

    /// Changes a row in a way that may change its place in a search.
    pub(crate) fn edit<R>(&mut self, id: &str, change: impl FnOnce(&mut T) -> R) -> Option<R> {
        let at = *self.by_id.get(id)?;
        self.touch(at);
        self.edit_at(at, change)
    }

    /// Changes a row in a way that changes no search order.
    pub(crate) fn edit_in_place<R>(
        &mut self,
        id: &str,
        change: impl FnOnce(&mut T) -> R,
    ) -> Option<R> {
        let at = *self.by_id.get(id)?;
        self.edit_at(at, change)
    }

    fn edit_at<R>(&mut self, at: usize, change: impl FnOnce(&mut T) -> R) -> Option<R> {
        let (row, slot) = (self.rows.get_mut(at)?, self.slots.get_mut(at)?);
        slot.json.take();
        slot.fingerprint.take();
        slot.shape = None;
        if let Some(changed) = &mut self.changed {
            changed.insert(at);
        }
        let lags = self.lag.changes > TimeDelta::zero() || self.lag.deletes > TimeDelta::zero();
        let before = lags.then(|| row.clone());
        let changed = change(row);
        slot.standing.follow(row.live(), self.now);
        let Some(before) = before else {
            return Some(changed);
        };
        let lag = if before.listed() && !row.listed() {
            self.lag.deletes
        } else {
            self.lag.changes
        };
        self.show_instead(at, Some(before), lag);
        Some(changed)
    }

    /// Makes searches show `row` instead of the present row. Earlier changes become visible no
    /// later than this one.
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

    /// Every row ever created, in order of creation.
    pub(crate) fn all(&self) -> &[T] {
        &self.rows
    }

    pub(crate) fn listed(&self) -> impl Iterator<Item = &T> {
        self.rows.iter().filter(|row| row.listed())
    }

    /// Hides a row from searches, or shows it again, immediately.
    pub(crate) fn set_hidden(&mut self, id: &str, hidden: bool) {
        let Some(&at) = self.by_id.get(id) else {
            return;
        };
        self.touch(at);
        if let Some(slot) = self.slots.get_mut(at) {
            slot.hidden = hidden;
        }
    }

    pub(crate) fn is_hidden(&self, id: &str) -> bool {
        self.slot(id).is_some_and(|slot| slot.hidden)
    }

    /// Puts a value of the wrong type into a field of the row; returns whether there is such a row.
    pub(crate) fn misshape(&mut self, id: &str, shape: Shape) -> bool {
        let Some(&at) = self.by_id.get(id) else {
            return false;
        };
        let (Some(row), Some(slot)) = (self.rows.get(at), self.slots.get_mut(at)) else {
            return false;
        };
        let json = (self.render)(row);
        if shape.give(json.clone()) == json {
            return false;
        }
        slot.json.take();
        slot.fingerprint.take();
        slot.shape = Some(shape);
        true
    }

    pub(crate) fn shape_of(&self, id: &str) -> Option<&Shape> {
        self.slot(id)?.shape.as_ref()
    }

    pub(crate) fn standing(&self, id: &str) -> Option<&Standing> {
        self.slot(id).map(|slot| &slot.standing)
    }

    /// A hash of the row as a search without a lag would show it; `None` if it wouldn't be listed.
    pub(crate) fn fingerprint(&self, id: &str) -> Option<u64> {
        let at = *self.by_id.get(id)?;
        let row = self.rows.get(at).filter(|row| row.listed())?;
        let slot = self.slots.get(at)?;
        let shown = slot.json.get();
        let shown = shown.filter(|_| !self.behind.contains_key(&at));
        let hash = slot.fingerprint.get_or_init(|| match shown {
            Some(json) => fingerprint_of(json),
            None => fingerprint_of(slot.shown((self.render)(row)).as_bytes()),
        });
        Some(*hash)
    }

    /// Changes the rendering of rows.
    pub(crate) fn set_renderer(&mut self, render: RenderRow<T>) {
        self.render = render;
        for slot in &mut self.slots {
            slot.json.take();
            slot.fingerprint.take();
        }
    }

    /// The JSON of a row, without a wrong value.
    pub(crate) fn rendered(&self, row: &T) -> String {
        (self.render)(row)
    }

    fn slot(&self, id: &str) -> Option<&Slot> {
        self.by_id.get(id).and_then(|at| self.slots.get(*at))
    }

    /// The JSON of the row at that position as searches see it.
    pub(crate) fn json_at(&self, at: usize) -> Bytes {
        let (Some(row), Some(slot)) = (self.at(at), self.slots.get(at)) else {
            return Bytes::new();
        };
        let json = || Bytes::from(slot.shown((self.render)(row)));
        slot.json.get_or_init(json).clone()
    }

    /// The JSON of the row with that id as searches see it.
    pub(crate) fn json_of(&self, id: &str) -> Bytes {
        let at = self.by_id.get(id).copied();
        at.map_or_else(Bytes::new, |at| self.json_at(at))
    }

    /// The rows that searches list, in order of creation.
    pub(crate) fn seen(&self) -> impl Iterator<Item = &T> {
        let slots = self.slots.iter().enumerate();
        let shown = slots.filter(|(_, slot)| !slot.hidden);
        let rows = shown.filter_map(|(at, _)| self.at(at));
        rows.filter(|row| row.listed())
    }

    /// Positions of the rows that searches list, ascending.
    pub(crate) fn ordered(&mut self, order: Order) -> Arc<Vec<usize>> {
        let known = self.orders.remove(&order);
        let rows = InOrder { table: self, order };
        let sorted = match known {
            Some(mut sorted) => {
                sorted.repair(&rows);
                sorted
            }
            None => Sorted::new(&rows),
        };
        let positions = sorted.positions();
        self.orders.insert(order, sorted);
        positions
    }

    /// Notes that the row's place in searches may have changed.
    fn touch(&mut self, at: usize) {
        self.orders.retain(|_, sorted| sorted.touch(at));
    }
}

/// The rows of a table in a search order.
#[derive(Debug)]
struct InOrder<'t, T> {
    table: &'t Table<T>,
    order: Order,
}

impl<T: Row> Ranked for InOrder<'_, T> {
    fn rank(&self, at: usize) -> Option<i64> {
        let hidden = self.table.slots.get(at).is_some_and(|slot| slot.hidden);
        let row = self.table.at(at)?;
        (row.listed() && !hidden).then(|| row.rank(self.order))
    }

    fn id(&self, at: usize) -> &str {
        self.table.rows.get(at).map_or("", Row::id)
    }

    fn len(&self) -> usize {
        self.table.rows.len()
    }
}

/// The hash that [`Team::fingerprint`](super::Team::fingerprint) returns, from the record's JSON as
/// a search shows it, byte for byte. It is valid within one process only.
pub fn fingerprint_of(json: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(json);
    hasher.finish()
}
