//! How faults change lists: the records of a page and its links.

use std::ops::Range;

use bytes::Bytes;

use super::page::Page;
use crate::fault::Action;

/// The page with the size that the fault sets.
pub(super) fn sized(mut page: Page, fault: Option<&Action>) -> Page {
    if let Some(Action::PageOf(size)) = fault {
        page.size = usize::try_from(*size).unwrap_or(usize::MAX).max(1);
    }
    page
}

/// The indexes of the page's records in the sorted list.
pub(super) fn positions(
    page: Range<usize>,
    total: usize,
    fault: Option<&Action>,
) -> Box<dyn Iterator<Item = usize>> {
    match fault {
        Some(Action::EmptyPage | Action::EmptyList) => Box::new(std::iter::empty()),
        Some(Action::RepeatPreviousPage | Action::RepeatPage(_)) => {
            let length = page.len();
            let start = page.start.saturating_sub(length.max(1));
            Box::new(start..(start + length).min(total))
        }
        Some(Action::Unordered) => {
            // Every second record from the end, then the others.
            let (start, end) = (page.start, page.end);
            let odd = (start..end).rev().step_by(2);
            let even = (start..end).rev().skip(1).step_by(2);
            Box::new(odd.chain(even))
        }
        _ => Box::new(page),
    }
}

/// The records of the page with those that the fault hides or inserts.
pub(super) fn rows<'t>(
    rows: impl Iterator<Item = (&'t str, Bytes)>,
    fault: Option<&Action>,
) -> Vec<Bytes> {
    let hidden = |id: &str| match fault {
        Some(Action::HideRecords(ids)) => ids.iter().any(|hidden| hidden == id),
        _ => false,
    };
    let seen = rows.filter(|(id, _)| !hidden(id));
    let mut rows: Vec<Bytes> = seen.map(|(_, row)| row).collect();
    if let Some(Action::InsertRecord(record)) = fault {
        rows.insert(rows.len() / 2, Bytes::from(record.clone()));
    }
    rows
}

/// The number of records that the answer claims.
pub(super) fn claimed(total: usize, fault: Option<&Action>) -> usize {
    match fault {
        Some(Action::EmptyList) => 0,
        _ => total,
    }
}

/// Whether the last page has a next one.
pub(super) fn goes_on(fault: Option<&Action>) -> bool {
    matches!(fault, Some(Action::EndlessPages))
}
