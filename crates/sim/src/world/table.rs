//! Rows of one kind, with what makes serving them cheap: each row's JSON is kept until the row changes, and
//! each sort order is kept until a row comes, goes or moves.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

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
pub(crate) trait Row {
    fn id(&self) -> &str;
    /// Whether searches still show it.
    fn listed(&self) -> bool;
    /// Where the row stands in `order`, ascending.
    fn rank(&self, order: Order) -> i64;
    /// The row as searches show it.
    fn json(&self) -> String;
}

#[derive(Debug)]
pub(crate) struct Table<T> {
    rows: Vec<T>,
    json: Vec<Option<Bytes>>,
    by_id: HashMap<String, usize>,
    orders: HashMap<Order, Arc<Vec<usize>>>,
}

impl<T: Row> Table<T> {
    pub(crate) fn new() -> Self {
        Self {
            rows: Vec::new(),
            json: Vec::new(),
            by_id: HashMap::new(),
            orders: HashMap::new(),
        }
    }

    pub(crate) fn insert(&mut self, row: T) {
        self.by_id.insert(row.id().to_owned(), self.rows.len());
        self.rows.push(row);
        self.json.push(None);
        self.orders.clear();
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
        self.rows.get_mut(at).map(change)
    }

    /// Every row ever made, in the order made.
    pub(crate) fn all(&self) -> &[T] {
        &self.rows
    }

    pub(crate) fn listed(&self) -> impl Iterator<Item = &T> {
        self.rows.iter().filter(|row| row.listed())
    }

    pub(crate) fn at(&self, at: usize) -> Option<&T> {
        self.rows.get(at)
    }

    /// The JSON of the row at that position.
    pub(crate) fn json_at(&mut self, at: usize) -> Bytes {
        let (Some(row), Some(json)) = (self.rows.get(at), self.json.get_mut(at)) else {
            return Bytes::new();
        };
        json.get_or_insert_with(|| Bytes::from(row.json())).clone()
    }

    /// Positions of the listed rows, ascending.
    pub(crate) fn ordered(&mut self, order: Order) -> Arc<Vec<usize>> {
        let rows = &self.rows;
        let ordered = self.orders.entry(order).or_insert_with(|| {
            let mut keyed: Vec<(i64, &str, usize)> = rows
                .iter()
                .enumerate()
                .filter(|(_, row)| row.listed())
                .map(|(at, row)| (row.rank(order), row.id(), at))
                .collect();
            keyed.sort_unstable();
            Arc::new(keyed.into_iter().map(|(_, _, at)| at).collect())
        });
        Arc::clone(ordered)
    }
}
