//! What ordered faults do to lists: which records stand on a page, and how many there are said to be.

use std::ops::Range;

use bytes::Bytes;

use crate::fault::Action;
use crate::world::table::{Row, Table};

/// The rows at these positions, as far as the fault lets them be seen.
pub(super) fn rows<T: Row>(
    table: &mut Table<T>,
    positions: impl Iterator<Item = usize>,
    fault: Option<&Action>,
) -> Vec<Bytes> {
    match fault {
        Some(Action::EmptyPage | Action::EmptyList) => Vec::new(),
        Some(Action::HideRecords(ids)) => {
            let seen: Vec<usize> = positions
                .filter(|&at| table.at(at).is_none_or(|row| !hides(ids, row)))
                .collect();
            seen.into_iter().map(|at| table.json_at(at)).collect()
        }
        Some(Action::InsertRecord(record)) => {
            let mut rows: Vec<Bytes> = positions.map(|at| table.json_at(at)).collect();
            rows.insert(rows.len() / 2, Bytes::from(record.clone()));
            rows
        }
        _ => positions.map(|at| table.json_at(at)).collect(),
    }
}

/// Which of `total` records stand on a page, by their place in the order of the search.
pub(super) fn places(total: usize, page: u64, per_page: u64, fault: Option<&Action>) -> Vec<usize> {
    match fault {
        Some(Action::RepeatPreviousPage) => span(page.saturating_sub(1), per_page, total).collect(),
        Some(Action::RepeatPage(page)) => span(*page, per_page, total).collect(),
        Some(Action::EndlessPages) => {
            // Never a record twice on one page, so a page may be no longer than the list.
            let places = span(page, per_page, usize::MAX).take(total);
            places.map(|place| place % total).collect()
        }
        _ => span(page, per_page, total).collect(),
    }
}

/// How many records there are said to be.
pub(super) fn claimed(total: usize, page: u64, per_page: u64, fault: Option<&Action>) -> u64 {
    let total = u64::try_from(total).unwrap_or(u64::MAX);
    match fault {
        Some(Action::EmptyList) => 0,
        Some(Action::EndlessPages) => total.max((page + 1).saturating_mul(per_page)),
        _ => total,
    }
}

/// The places of a page of at most `total` records; pages count from 1.
fn span(page: u64, per_page: u64, total: usize) -> Range<usize> {
    let place = |pages: u64| usize::try_from(pages.saturating_mul(per_page)).unwrap_or(usize::MAX);
    let page = page.max(1);
    let first = place(page - 1).min(total);
    first..place(page).min(total)
}

fn hides(ids: &[String], row: &impl Row) -> bool {
    ids.iter().any(|id| id == row.id())
}
