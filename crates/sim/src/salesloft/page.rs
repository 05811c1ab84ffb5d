//! Pages by number, and what they cost.

use std::ops::Range;

use super::query::Query;
use crate::json::Object;

const USUAL_SIZE: usize = 25;
const LARGEST_SIZE: usize = 100;

/// The largest count with `limit_paging_counts`.
const LARGEST_COUNT: usize = 10_000;

/// The requested part of a list. Numbers out of range are corrected silently.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) number: usize,
    pub(super) size: usize,
    /// Without pages: everything at once, and no word of paging.
    whole: bool,
}

impl Page {
    pub(super) fn read(query: &Query, unpaged_without_page: bool) -> Self {
        let size = query.text("per_page").and_then(|size| size.parse().ok());
        let size: i64 = size.unwrap_or(i64::try_from(USUAL_SIZE).unwrap_or(25));
        let size = usize::try_from(size.max(1)).unwrap_or(1);
        Self {
            number: usize::try_from(query.page()).unwrap_or(usize::MAX),
            size: size.min(LARGEST_SIZE),
            whole: unpaged_without_page && query.text("page").is_none(),
        }
    }

    /// The range of the page in a sorted list.
    pub(super) fn cut(&self, total: usize) -> Range<usize> {
        if self.whole {
            return 0..total;
        }
        let start = (self.number - 1).saturating_mul(self.size).min(total);
        start..start.saturating_add(self.size).min(total)
    }

    /// The `paging` of the metadata, if it has any.
    pub(super) fn told(&self, query: &Query, total: usize, goes_on: bool) -> Option<String> {
        if self.whole {
            return None;
        }
        let ends = self.number.saturating_mul(self.size) >= total;
        let mut o = Object::new();
        o.number("per_page", self.size)
            .number("current_page", self.number);
        if ends && !goes_on {
            o.null("next_page");
        } else {
            o.number("next_page", self.number + 1);
        }
        if self.number == 1 {
            o.null("prev_page");
        } else {
            o.number("prev_page", self.number - 1);
        }
        if query.flag("include_paging_counts") {
            let counted = if query.flag("limit_paging_counts") {
                total.min(LARGEST_COUNT)
            } else {
                total
            };
            o.number("total_pages", counted.div_ceil(self.size))
                .number("total_count", counted);
        }
        Some(o.finish())
    }
}

/// The cost points of a page of a list.
pub(super) fn cost(page: u64) -> u32 {
    match page {
        ..=100 => 1,
        101..=150 => 3,
        151..=250 => 8,
        251..=500 => 10,
        _ => 30,
    }
}
