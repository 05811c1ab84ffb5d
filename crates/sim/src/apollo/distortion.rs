//! How faults change lists: which records are on a page, and what totals are reported.

use std::ops::Range;

use bytes::Bytes;

use crate::fault::{Action, Claim};
use crate::world::table::{Row, Table};

/// The rows at these positions that the fault doesn't hide.
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

/// Which of `total` records are on a page, by their index in the search's order.
pub(super) fn ranks(total: usize, page: u64, per_page: u64, fault: Option<&Action>) -> Vec<usize> {
    match fault {
        Some(Action::RepeatPreviousPage) => span(page.saturating_sub(1), per_page, total).collect(),
        Some(Action::RepeatPage(page)) => span(*page, per_page, total).collect(),
        Some(Action::PageOf(length)) => {
            let first = span(page, per_page, total).start;
            let length = usize::try_from(*length).unwrap_or(usize::MAX);
            (first..first.saturating_add(length).min(total)).collect()
        }
        Some(Action::Unordered) => {
            let stride = coprime(total);
            let ranks = span(page, per_page, total);
            ranks.map(|rank| rank * stride % total).collect()
        }
        Some(Action::EndlessPages) => {
            // A page has no record twice, so it may be no longer than the list.
            let ranks = span(page, per_page, usize::MAX).take(total);
            ranks.map(|rank| rank % total).collect()
        }
        _ => span(page, per_page, total).collect(),
    }
}

/// The reported number of records.
pub(super) fn claimed(total: usize, page: u64, per_page: u64, fault: Option<&Action>) -> u64 {
    let total = u64::try_from(total).unwrap_or(u64::MAX);
    match fault {
        Some(Action::EmptyList) => 0,
        Some(Action::EndlessPages) => total.max((page + 1).saturating_mul(per_page)),
        _ => total,
    }
}

/// Whether the rows come in ascending order; a fault can reverse it.
pub(super) fn ascends(asked: bool, fault: Option<&Action>) -> bool {
    asked != matches!(fault, Some(Action::TurnedRound))
}

/// The reported totals of a page of `rows` records, as JSON: the number of records and of pages.
pub(super) fn totals(
    claimed: u64,
    (page, per_page): (u64, u64),
    rows: usize,
    fault: Option<&Action>,
) -> (String, String) {
    let rows = u64::try_from(rows).unwrap_or(u64::MAX);
    match fault {
        Some(Action::Claim(Claim::OwnLength)) => (rows.to_string(), "1".to_owned()),
        Some(Action::Claim(Claim::SoFar)) => {
            let so_far = (page - 1) * per_page + rows;
            (so_far.to_string(), page.to_string())
        }
        Some(Action::Claim(Claim::Told { entries, pages })) => (entries.clone(), pages.clone()),
        _ => (claimed.to_string(), claimed.div_ceil(per_page).to_string()),
    }
}

/// A step length that is coprime with `total`, so that the steps visit every index once.
fn coprime(total: usize) -> usize {
    let steps = [37, 41, 43, 47];
    steps
        .into_iter()
        .find(|step| !total.is_multiple_of(*step))
        .unwrap_or(1)
}

/// The indexes of a page of at most `total` records; pages count from 1.
fn span(page: u64, per_page: u64, total: usize) -> Range<usize> {
    let rank = |pages: u64| usize::try_from(pages.saturating_mul(per_page)).unwrap_or(usize::MAX);
    let page = page.max(1);
    let first = rank(page - 1).min(total);
    first..rank(page).min(total)
}

fn hides(ids: &[String], row: &impl Row) -> bool {
    ids.iter().any(|id| id == row.id())
}
