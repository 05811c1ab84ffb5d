//! Apollo's envelopes: how the text of an answer becomes a page.

use std::fmt;

use serde::{
    Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::RawValue;
use syncline_model::Object;

use super::{api::support, mapping};
use crate::{json::Fields, provider::Page};

/// What an envelope says, whatever is in it.
pub(super) struct Listed<'a> {
    pub(super) items: Vec<&'a RawValue>,
    pub(super) next: Option<u32>,
    pub(super) total: Option<i64>,
}

pub(super) fn envelope_of<'a>(
    text: &'a str,
    array: &'static str,
    (page, per_page): (u32, u32),
) -> Result<Listed<'a>, String> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let envelope = EnvelopeOf { array }
        .deserialize(&mut reader)
        .and_then(|envelope| reader.end().map(|()| envelope))
        .map_err(|error| error.to_string())?;
    let items = envelope
        .items
        .ok_or_else(|| format!("it has no `{array}`"))?;
    let paging = Paging::of(envelope.pagination);
    let returned = u32::try_from(items.len()).unwrap_or(u32::MAX);
    Ok(Listed {
        next: paging.next(page, returned, per_page),
        total: paging.total_entries,
        items,
    })
}

/// The page alone: what its answer told beside it (usage, time) is added by the caller.
pub(super) fn page_of(
    text: &str,
    object: Object,
    array: &'static str,
    asked: (u32, u32),
) -> Result<Page, String> {
    let listed = envelope_of(text, array, asked)?;
    let mapped = mapping::map_page(object, &listed.items);
    Ok(Page {
        records: mapped.records,
        rejected: mapped.rejected,
        next: listed.next.filter(|_| support(object).page_size.is_some()),
        reported_total: listed.total,
        returned: i64::try_from(listed.items.len()).unwrap_or(i64::MAX),
        loading: mapped.loading,
        usage: Vec::new(),
        provider_time: None,
        has_order: false,
    })
}

/// Apollo's paging as far as it can be read: numbers may come as text, as null or not at all.
#[derive(Debug, Default)]
struct Paging {
    total_entries: Option<i64>,
    total_pages: Option<i64>,
}

impl Paging {
    fn of(pagination: Option<&RawValue>) -> Self {
        let Some(fields) = pagination.and_then(Fields::of) else {
            return Self::default();
        };
        let number = |name| fields.int(name).ok().flatten().filter(|count| *count >= 0);
        Self {
            total_entries: number("total_entries"),
            total_pages: number("total_pages"),
        }
    }

    /// The page after this one. An empty page ends the scan whatever the totals say, and where there
    /// is no total only a page that is not full does.
    fn next(&self, page: u32, returned: u32, page_size: u32) -> Option<u32> {
        let more = match self.pages(page_size.into()) {
            Some(pages) => i64::from(page) < pages,
            None => returned >= page_size,
        };
        if more && returned > 0 {
            page.checked_add(1)
        } else {
            None
        }
    }

    /// The smaller of the two numbers, where they differ: a request too few shows in the coverage,
    /// one too many is spent for nothing.
    fn pages(&self, page_size: i64) -> Option<i64> {
        let filled = self
            .total_entries
            .map(|total| total.saturating_add(page_size - 1) / page_size);
        [self.total_pages, filled].into_iter().flatten().min()
    }
}

struct Envelope<'a> {
    items: Option<Vec<&'a RawValue>>,
    pagination: Option<&'a RawValue>,
}

/// Reads an envelope whose array has this name in one pass, and skips everything else in it.
struct EnvelopeOf {
    array: &'static str,
}

impl<'de> DeserializeSeed<'de> for EnvelopeOf {
    type Value = Envelope<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for EnvelopeOf {
    type Value = Envelope<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object with `{}`", self.array)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut envelope = Envelope {
            items: None,
            pagination: None,
        };
        while let Some(key) = map.next_key::<String>()? {
            if key == self.array {
                envelope.items = map.next_value()?;
            } else if key == "pagination" {
                envelope.pagination = map.next_value()?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(envelope)
    }
}

#[cfg(test)]
#[path = "page_fuzz.rs"]
mod fuzz;

#[cfg(test)]
mod tests {
    use super::*;

    const PER_PAGE: u32 = 100;

    fn next(pagination: &str, page: u32, returned: u32) -> Option<u32> {
        let raw = RawValue::from_string(pagination.to_owned()).unwrap();
        Paging::of(Some(&raw)).next(page, returned, PER_PAGE)
    }

    #[test]
    fn pages_go_on_until_the_last_one() {
        let pagination = r#"{"page":1,"per_page":100,"total_entries":201,"total_pages":3}"#;
        assert_eq!(next(pagination, 1, 100), Some(2));
        assert_eq!(next(pagination, 2, 100), Some(3));
        assert_eq!(next(pagination, 3, 1), None);
    }

    #[test]
    fn pagination_may_be_text_or_null() {
        let text = r#"{"page":"1","per_page":"100","total_entries":"201","total_pages":"3"}"#;
        assert_eq!(next(text, 1, 100), Some(2));
        assert_eq!(next(text, 3, 1), None);
        let entries_only = r#"{"page":null,"total_entries":"201","total_pages":null}"#;
        assert_eq!(next(entries_only, 2, 100), Some(3));
        assert_eq!(next(entries_only, 3, 1), None);
    }

    #[test]
    fn without_any_total_a_full_page_has_a_next_one_and_a_short_one_has_none() {
        assert_eq!(Paging::of(None).next(1, 100, PER_PAGE), Some(2));
        assert_eq!(Paging::of(None).next(1, 99, PER_PAGE), None);
        assert_eq!(next("[]", 1, 0), None);
    }

    #[test]
    fn an_empty_page_ends_the_scan_even_if_the_total_promises_more() {
        assert_eq!(next(r#"{"total_entries":500,"total_pages":5}"#, 2, 0), None);
        assert_eq!(next(r#"{"total_entries":0,"total_pages":0}"#, 1, 0), None);
    }

    #[test]
    fn where_the_two_totals_differ_the_smaller_one_ends_the_scan() {
        assert_eq!(next(r#"{"total_entries":201,"total_pages":9}"#, 3, 1), None);
        assert_eq!(
            next(r#"{"total_entries":201,"total_pages":2}"#, 2, 100),
            None
        );
        assert_eq!(
            next(r#"{"total_entries":201,"total_pages":9}"#, 2, 100),
            Some(3)
        );
    }
}
