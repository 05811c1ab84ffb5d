//! Parses Salesloft's list responses into pages.

use serde::Deserialize;
use serde_json::value::RawValue;
use syncline_model::Object;

use super::{
    mapping,
    walk::{PagePosition, Row, Walk},
};
use crate::{
    answer::{Unusable, page_size_kept},
    json::Fields,
    provider::Page,
};

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    data: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    metadata: Option<&'a RawValue>,
}

/// Salesloft's paging, as far as it can be read: numbers may be text, null or absent.
#[derive(Debug, Default)]
struct Paging {
    next_page: Option<i64>,
    total_count: Option<i64>,
}

impl Paging {
    fn of(metadata: Option<&RawValue>) -> Self {
        let metadata = metadata.and_then(Fields::of);
        let paging = metadata.and_then(|fields| fields.object("paging").ok().flatten());
        let Some(paging) = paging else {
            return Self::default();
        };
        let number = |name| paging.int(name).ok().flatten().filter(|count| *count >= 0);
        Self {
            next_page: number("next_page"),
            total_count: number("total_count"),
        }
    }

    /// Whether there is a page after one with `returned` records. An empty page is always the last,
    /// and a response without paging is everything there is. Otherwise one request too many costs
    /// little; one too few would miss records for good.
    fn promises_more(&self, position: &PagePosition, returned: usize) -> bool {
        let counted_more = self
            .total_count
            .is_some_and(|total| total > position.so_far(returned));
        returned > 0 && (self.next_page.is_some() || counted_more)
    }
}

/// The records of a page, and its paging.
fn read<'a>(
    text: &'a str,
    position: &PagePosition,
) -> Result<(Vec<&'a RawValue>, Paging), Unusable> {
    let envelope: Envelope<'_> =
        serde_json::from_str(text).map_err(|error| Unusable::Unreadable(error.to_string()))?;
    let items = envelope
        .data
        .ok_or_else(|| Unusable::Unreadable("it has no `data`".to_owned()))?;
    page_size_kept(items.len(), position.size)?;
    Ok((items, Paging::of(envelope.metadata)))
}

/// The records of a page that are no common records, and whether there is a page after it. Nothing else
/// would notice that they are missing.
pub(super) fn items_of<'a>(
    text: &'a str,
    position: &PagePosition,
) -> Result<(Vec<&'a RawValue>, bool), Unusable> {
    let (items, paging) = read(text, position)?;
    let before = position.so_far(0);
    if items.is_empty() && paging.total_count.is_some_and(|total| total > before) {
        let reason = "it is empty, although there are more by its own count";
        return Err(Unusable::Unreadable(reason.to_owned()));
    }
    let more = paging.promises_more(position, items.len());
    Ok((items, more))
}

/// Only the page itself: the caller adds what else the response has (usage, time).
pub(super) fn page_of(
    text: &str,
    object: Object,
    walk: Walk,
    position: &PagePosition,
) -> Result<Page, Unusable> {
    let (items, paging) = read(text, position)?;
    let rows = walk.rows(position, &items);
    filter_kept(position, &rows)?;
    let new: Vec<&RawValue> = rows
        .iter()
        .filter(|row| !position.has_seen(row))
        .map(|row| row.raw)
        .collect();
    let more = paging.promises_more(position, rows.len());
    let mapped = mapping::map_page(object, &new);
    Ok(Page {
        records: mapped.records,
        rejected: mapped.rejected,
        next: more.then(|| walk.after(position, &rows).into_next()),
        reported_total: paging.total_count.map(|total| position.total(total)),
        // Without those that an earlier page has shown: totals are compared with it.
        returned: i64::try_from(new.len()).unwrap_or(i64::MAX),
        served: i64::try_from(items.len()).unwrap_or(i64::MAX),
        loading: Vec::new(),
        watermark: None,
        usage: Vec::new(),
        provider_time: None,
        has_order: walk.has_order(),
        may_have_shifted: walk.may_have_shifted(position),
    })
}

/// Salesloft ignores parameters that it doesn't know. Without the filter the list would begin anew
/// with each window.
fn filter_kept(position: &PagePosition, rows: &[Row<'_>]) -> Result<(), Unusable> {
    if rows.iter().any(|row| position.is_before(row)) {
        let reason = "it has records from before the time that the list was to begin at";
        return Err(Unusable::Unreadable(reason.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
#[path = "page_tests.rs"]
mod tests;
