//! Parses Outreach's list responses into pages.

use serde::Deserialize;
use serde_json::value::RawValue;
use syncline_model::Object;
use url::form_urlencoded;

use super::mapping;
use crate::{
    answer::{Unusable, page_size_kept},
    json::Fields,
    provider::{NextPage, Page},
};

/// A cursor has about 200 bytes. It is stored with every checkpoint.
const LONGEST_CURSOR: usize = 4_096;

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    data: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    meta: Option<&'a RawValue>,
    #[serde(borrow)]
    links: Option<&'a RawValue>,
}

/// The items of a list response, and where it goes on.
pub(super) struct Listed<'a> {
    pub(super) items: Vec<&'a RawValue>,
    pub(super) next: Option<NextPage>,
    pub(super) total: Option<i64>,
}

/// `asked` is the cursor and the size of the page.
pub(super) fn listed_in<'a>(
    text: &'a str,
    asked: (Option<&str>, u32),
) -> Result<Listed<'a>, Unusable> {
    let (token, size) = asked;
    let envelope: Envelope<'_> =
        serde_json::from_str(text).map_err(|error| Unusable::Unreadable(error.to_string()))?;
    let items = envelope
        .data
        .ok_or_else(|| Unusable::Unreadable("it has no `data`".to_owned()))?;
    page_size_kept(items.len(), size)?;
    Ok(Listed {
        items,
        next: next_of(envelope.links, token)?,
        total: envelope.meta.and_then(total_of),
    })
}

/// Only the page itself: the caller adds what else the response has (usage, time).
pub(super) fn page_of(
    text: &str,
    object: Object,
    asked: (Option<&str>, u32),
) -> Result<Page, Unusable> {
    let Listed { items, next, total } = listed_in(text, asked)?;
    let (records, rejected) = mapping::map_page(object, &items);
    let created = records.scanned();
    let has_order = created.iter().all(|(_, created_at)| created_at.is_some());
    Ok(Page {
        records,
        rejected,
        next,
        reported_total: total,
        returned: i64::try_from(items.len()).unwrap_or(i64::MAX),
        served: i64::try_from(items.len()).unwrap_or(i64::MAX),
        loading: Vec::new(),
        watermark: None,
        usage: Vec::new(),
        provider_time: None,
        has_order,
        may_have_shifted: false,
    })
}

/// Outreach cuts its count off at two million, and gives 0 under load; it marks both.
fn total_of(meta: &RawValue) -> Option<i64> {
    let meta = Fields::of(meta)?;
    let is_cut_off = meta.flag("count_truncated").ok().flatten() == Some(true);
    let count = meta.int("count").ok().flatten()?;
    (!is_cut_off && count >= 0).then_some(count)
}

/// The page behind this one. The link is never followed, because that would send the token wherever
/// it leads: only its cursor is used. A link without one is no end.
fn next_of(links: Option<&RawValue>, token: Option<&str>) -> Result<Option<NextPage>, Unusable> {
    let unreadable = |reason: &str| Unusable::Unreadable(reason.to_owned());
    let Some(links) = links else {
        return Ok(None);
    };
    let links = Fields::of(links).ok_or_else(|| unreadable("its `links` are not an object"))?;
    let next = links
        .filled_text("next")
        .map_err(|malformed| unreadable(&malformed.to_string()))?;
    let Some(link) = next else {
        return Ok(None);
    };
    let cursor = cursor_in(&link)
        .ok_or_else(|| unreadable("its link to the next page has no usable cursor"))?;
    if token == Some(&*cursor) {
        return Err(unreadable("its link to the next page leads to itself"));
    }
    Ok(Some(NextPage {
        token: Some(cursor),
    }))
}

fn cursor_in(link: &str) -> Option<String> {
    let (_, query) = link.split_once('?')?;
    let query = query.split('#').next().unwrap_or_default();
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    let (_, cursor) = pairs.find(|(name, _)| name == "page[after]")?;
    let is_usable = !cursor.is_empty() && cursor.len() <= LONGEST_CURSOR;
    is_usable.then(|| cursor.into_owned())
}

#[cfg(test)]
#[path = "page_fuzz.rs"]
mod fuzz;

#[cfg(test)]
#[path = "page_tests.rs"]
mod tests;
