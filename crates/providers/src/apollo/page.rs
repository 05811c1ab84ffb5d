//! Parses Apollo's list responses into pages.

use std::fmt;

use serde::{
    Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::RawValue;
use syncline_model::{
    Object,
    mutation::{self, Mutation},
};

use super::{api::support, mapping};
use crate::{
    answer::{Unusable, page_size_kept},
    json::Fields,
    provider::{NextPage, Page},
};

/// The content of a list response, for any object.
pub(super) struct Listed<'a> {
    pub(super) items: Vec<&'a RawValue>,
    pub(super) next: Option<u32>,
    pub(super) total: Option<i64>,
}

pub(super) fn envelope_of<'a>(
    text: &'a str,
    array: &'static str,
    (page, per_page): (u32, u32),
) -> Result<Listed<'a>, Unusable> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let envelope = EnvelopeOf { array }
        .deserialize(&mut reader)
        .and_then(|envelope| reader.end().map(|()| envelope))
        .map_err(|error| Unusable::Unreadable(error.to_string()))?;
    let items = envelope
        .items
        .ok_or_else(|| Unusable::Unreadable(format!("it has no `{array}`")))?;
    let paging = Paging::of(envelope.pagination);
    let returned = u32::try_from(items.len()).unwrap_or(u32::MAX);
    Ok(Listed {
        next: paging.next(page, returned, per_page),
        total: paging.total_entries,
        items,
    })
}

/// Only the page itself: the caller adds what else the response has (usage, time).
pub(super) fn page_of(
    text: &str,
    object: Object,
    array: &'static str,
    asked: (u32, u32),
) -> Result<Page, Unusable> {
    let comes_in_pages = support(object).page_size.is_some();
    let listed = envelope_of(text, array, asked)?;
    if comes_in_pages {
        page_size_kept(listed.items.len(), asked.1)?;
    }
    let mapped = mapping::map_page(object, &listed.items);
    Ok(Page {
        records: mapped.records,
        rejected: mapped.rejected,
        next: listed
            .next
            .filter(|_| comes_in_pages)
            .map(|_| NextPage::default()),
        reported_total: listed.total,
        returned: i64::try_from(listed.items.len()).unwrap_or(i64::MAX),
        served: i64::try_from(listed.items.len()).unwrap_or(i64::MAX),
        loading: mapped.loading,
        watermark: None,
        usage: Vec::new(),
        provider_time: None,
        has_order: false,
        may_have_shifted: false,
    })
}

/// Apollo's pagination, as far as it can be read: numbers may be text, null or absent.
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

    /// The page after this one. Totals are not trusted: an empty page is always the last, and a
    /// full one is the last only if the totals say so and nothing contradicts them. One request too
    /// many costs little; one too few would miss records for good.
    fn next(&self, page: u32, returned: u32, page_size: u32) -> Option<u32> {
        let so_far = i64::from(page) * i64::from(page_size);
        let more = match returned {
            0 => false,
            _ if mutation::on(Mutation::TrustTotal) => self.promises_more(page, so_far),
            full if full >= page_size => !self.is_met_by(page, so_far),
            _ => self.promises_more(page, so_far),
        };
        if more { page.checked_add(1) } else { None }
    }

    /// Whether as many records have come as the total says. On a first page this proves nothing,
    /// because the total may be the page's own length.
    fn is_met_by(&self, page: u32, so_far: i64) -> bool {
        let pages_agree = self.total_pages.is_none_or(|pages| pages <= page.into());
        page > 1 && self.total_entries == Some(so_far) && pages_agree
    }

    /// For a page that is not full: decided by the number of records, or without it by the number
    /// of pages.
    fn promises_more(&self, page: u32, so_far: i64) -> bool {
        match (self.total_entries, self.total_pages) {
            (Some(total), _) => total > so_far,
            (None, pages) => pages.is_some_and(|pages| pages > page.into()),
        }
    }
}

struct Envelope<'a> {
    items: Option<Vec<&'a RawValue>>,
    pagination: Option<&'a RawValue>,
}

/// Parses a response whose array has this name in one pass, skipping everything else.
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
    fn a_full_page_that_disproves_a_total_is_followed_by_the_next_one() {
        for totals in [
            r#"{"total_entries":354,"total_pages":1}"#,
            r#"{"total_entries":0,"total_pages":0}"#,
            r#"{"total_entries":20}"#,
            r#"{"total_pages":1}"#,
            r#"{"total_entries":null,"total_pages":null}"#,
            r#"{"total_entries":-5,"total_pages":-1}"#,
            r#"{"total_entries":9223372036854775807,"total_pages":9223372036854775807}"#,
            r#"{"total_entries":1e300}"#,
        ] {
            assert_eq!(next(totals, 1, 100), Some(2), "{totals}");
            assert_eq!(next(totals, 3, 100), Some(4), "{totals}");
        }
    }

    #[test]
    fn a_total_that_is_the_pages_own_length_ends_nothing() {
        let own = r#"{"total_entries":100,"total_pages":1}"#;
        assert_eq!(next(own, 1, 100), Some(2));
        assert_eq!(next(own, 2, 100), Some(3));
        assert_eq!(next(r#"{"total_entries":54,"total_pages":1}"#, 4, 54), None);
    }

    #[test]
    fn a_total_that_is_met_by_full_pages_is_believed() {
        let met = r#"{"total_entries":300,"total_pages":3}"#;
        assert_eq!(next(met, 3, 100), None);
        let pages_differ = r#"{"total_entries":300,"total_pages":4}"#;
        assert_eq!(next(pages_differ, 3, 100), Some(4));
    }

    #[test]
    fn after_a_short_page_the_number_of_records_counts() {
        assert_eq!(next(r#"{"total_entries":201,"total_pages":9}"#, 3, 1), None);
        assert_eq!(
            next(r#"{"total_entries":354,"total_pages":1}"#, 1, 80),
            Some(2)
        );
        assert_eq!(next(r#"{"total_pages":3}"#, 1, 80), Some(2));
        assert_eq!(next(r#"{"total_pages":3}"#, 3, 80), None);
        assert_eq!(next(r#"{"total_entries":20}"#, 2, 80), None);
    }

    #[test]
    fn a_page_larger_than_was_asked_for_is_none() {
        let items = ["{\"id\":\"u\"}"; 3].join(",");
        let users = format!(r#"{{"users":[{items}]}}"#);
        let refused = page_of(&users, Object::User, "users", (1, 2)).unwrap_err();
        assert!(matches!(
            refused,
            Unusable::Oversized {
                returned: 3,
                asked: 2
            }
        ));
        assert!(page_of(&users, Object::User, "users", (1, 3)).is_ok());
        let all_at_once = format!(r#"{{"email_accounts":[{items}]}}"#);
        assert!(page_of(&all_at_once, Object::Mailbox, "email_accounts", (1, 2)).is_ok());
    }
}
