//! The rows that searches list, in one order. It is repaired, not sorted again, when a few rows
//! have changed: clients page through thousands of records while teammates edit single ones.

use std::sync::Arc;

/// The most changed rows for which a repair is faster than sorting again.
const MOST_REPAIRS: usize = 32;

/// The properties of the rows that sorting needs, by position.
pub(super) trait Ranked {
    /// The sort key of the row; `None` if searches do not list it.
    fn rank(&self, at: usize) -> Option<i64>;
    /// Orders rows with the same rank. It never changes.
    fn id(&self, at: usize) -> &str;
    fn len(&self) -> usize;
}

#[derive(Debug)]
pub(super) struct Sorted {
    positions: Arc<Vec<usize>>,
    /// By position, the rank with which the row was sorted.
    ranks: Vec<Option<i64>>,
    /// Positions of rows that may have changed since.
    touched: Vec<usize>,
}

impl Sorted {
    pub(super) fn new(rows: &impl Ranked) -> Self {
        let ranks: Vec<Option<i64>> = (0..rows.len()).map(|at| rows.rank(at)).collect();
        let listed = ranks.iter().enumerate();
        let listed = listed.filter_map(|(at, rank)| Some(((*rank)?, rows.id(at), at)));
        let mut keyed: Vec<(i64, &str, usize)> = listed.collect();
        keyed.sort_unstable();
        Self {
            positions: Arc::new(keyed.into_iter().map(|(_, _, at)| at).collect()),
            ranks,
            touched: Vec::new(),
        }
    }

    /// Notes that a row may have been added, removed or moved; false if a repair is no longer
    /// faster.
    pub(super) fn touch(&mut self, at: usize) -> bool {
        if !self.touched.contains(&at) {
            self.touched.push(at);
        }
        self.touched.len() <= MOST_REPAIRS
    }

    /// Moves the touched rows to their present positions.
    pub(super) fn repair(&mut self, rows: &impl Ranked) {
        self.ranks.resize(rows.len(), None);
        for at in std::mem::take(&mut self.touched) {
            let (before, now) = (self.rank(at), rows.rank(at));
            if before == now {
                continue;
            }
            if let Some(rank) = before {
                let index = self.index_of(rows, rank, at);
                Arc::make_mut(&mut self.positions).remove(index);
            }
            if let Some(rank) = now {
                let index = self.index_of(rows, rank, at);
                Arc::make_mut(&mut self.positions).insert(index, at);
            }
            if let Some(known) = self.ranks.get_mut(at) {
                *known = now;
            }
        }
    }

    /// Positions of the listed rows, ascending.
    pub(super) fn positions(&self) -> Arc<Vec<usize>> {
        Arc::clone(&self.positions)
    }

    fn rank(&self, at: usize) -> Option<i64> {
        self.ranks.get(at).copied().flatten()
    }

    /// The index in the order of a row with this rank.
    fn index_of(&self, rows: &impl Ranked, rank: i64, at: usize) -> usize {
        let wanted = (Some(rank), rows.id(at));
        self.positions
            .partition_point(|&other| (self.rank(other), rows.id(other)) < wanted)
    }
}
