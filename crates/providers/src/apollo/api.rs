//! Apollo's endpoints and envelopes: what is asked, and how an answer becomes a page.

use std::fmt;

use serde::{
    Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor},
};
use serde_json::{Value, json, value::RawValue};
use syncline_model::Object;

use super::{Apollo, error, mapping};
use crate::{
    error::{ErrorKind, ProviderError},
    http::{Request, Response},
    json::{self, Fields},
    provider::{Credentials, Page, Support},
};

/// The most that Apollo's searches return at once.
const PER_PAGE: u32 = 100;

const PAGED: Support = Support {
    list: true,
    page_size: Some(PER_PAGE),
    incremental: false,
};

/// What Apollo can do. No search has an updated-since filter, and most objects have no
/// `updated_at`, so every read is a full one. Sequence states come inside the contacts.
const SUPPORT: &[(Object, Support)] = &[
    (Object::User, PAGED),
    (
        Object::Mailbox,
        Support {
            page_size: None,
            ..PAGED
        },
    ),
    (Object::Sequence, PAGED),
    (Object::Account, PAGED),
    (Object::Contact, PAGED),
    (Object::SequenceState, PAGED),
];

pub(super) fn support(object: Object) -> Support {
    let none = Support {
        list: false,
        page_size: None,
        incremental: false,
    };
    SUPPORT
        .iter()
        .find(|(known, _)| *known == object)
        .map_or(none, |(_, support)| *support)
}

struct Endpoint {
    path: &'static str,
    query: Vec<(&'static str, String)>,
    body: Option<Value>,
    /// The key under which the answer has its records.
    array: &'static str,
}

impl Endpoint {
    fn of(object: Object, page: u32) -> Self {
        match object {
            Object::User => Self {
                path: "api/v1/users/search",
                query: vec![
                    ("page", page.to_string()),
                    ("per_page", PER_PAGE.to_string()),
                ],
                body: None,
                array: "users",
            },
            Object::Mailbox => Self {
                path: "api/v1/email_accounts",
                query: Vec::new(),
                body: None,
                array: "email_accounts",
            },
            Object::Sequence => Self {
                path: "api/v1/emailer_campaigns/search",
                query: Vec::new(),
                body: Some(json!({"page": page, "per_page": PER_PAGE})),
                array: "emailer_campaigns",
            },
            Object::Account => Self {
                path: "api/v1/accounts/search",
                query: Vec::new(),
                body: Some(oldest_first(page, "account_created_at")),
                array: "accounts",
            },
            Object::Contact | Object::SequenceState => Self {
                path: "api/v1/contacts/search",
                query: Vec::new(),
                body: Some(oldest_first(page, "contact_created_at")),
                array: "contacts",
            },
        }
    }
}

/// Oldest first is the one order that holds still: a new record goes behind the last page and a
/// changed one stays where it is. Only a deletion (or its undoing) shifts a page, and the total
/// betrays that. Without a sort field Apollo promises no order at all.
fn oldest_first(page: u32, field: &str) -> Value {
    json!({
        "page": page,
        "per_page": PER_PAGE,
        "sort_by_field": field,
        "sort_ascending": true,
    })
}

impl Apollo {
    pub(super) async fn read_page(
        &self,
        credentials: &Credentials,
        object: Object,
        page: u32,
    ) -> Result<Page, ProviderError> {
        let endpoint = Endpoint::of(object, page);
        let array = endpoint.array;
        let response = self.call(credentials, endpoint).await?;
        let text = json::clean(&response.body);
        page_of(&text, object, array, page).map_err(|reason| {
            // Without the body: half a page is still full of people.
            ProviderError::new(
                ErrorKind::Garbage,
                Some(response.status),
                &format!("Apollo's answer can't be read: {reason}"),
            )
            .without_secret(&credentials.api_key)
        })
    }

    /// Whether the key is logged in; `None` when the answer doesn't say.
    pub(super) async fn health(
        &self,
        credentials: &Credentials,
    ) -> Result<Option<bool>, ProviderError> {
        let response = self.get(credentials, "api/v1/auth/health").await?;
        let text = json::clean(&response.body);
        Ok(Fields::parse(&text).and_then(|health| health.flag("is_logged_in").ok().flatten()))
    }

    pub(super) async fn profile(&self, credentials: &Credentials) -> Result<(), ProviderError> {
        self.get(credentials, "api/v1/users/api_profile")
            .await
            .map(|_| ())
    }

    async fn get(
        &self,
        credentials: &Credentials,
        path: &'static str,
    ) -> Result<Response, ProviderError> {
        let endpoint = Endpoint {
            path,
            query: Vec::new(),
            body: None,
            array: "",
        };
        self.call(credentials, endpoint).await
    }

    async fn call(
        &self,
        credentials: &Credentials,
        endpoint: Endpoint,
    ) -> Result<Response, ProviderError> {
        let request = Request {
            path: endpoint.path,
            query: endpoint.query,
            body: endpoint.body,
            api_key: &credentials.api_key,
        };
        let response = self.http.send(request).await?;
        if (200..300).contains(&response.status) {
            return Ok(response);
        }
        Err(error::classify(&response).without_secret(&credentials.api_key))
    }
}

pub(super) fn page_of(
    text: &str,
    object: Object,
    array: &'static str,
    page: u32,
) -> Result<Page, String> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let envelope = EnvelopeOf { array }
        .deserialize(&mut reader)
        .and_then(|envelope| reader.end().map(|()| envelope))
        .map_err(|error| error.to_string())?;
    let items = envelope
        .items
        .ok_or_else(|| format!("it has no `{array}`"))?;
    let returned = u32::try_from(items.len()).unwrap_or(u32::MAX);
    let paging = Paging::of(envelope.pagination);
    let mapped = mapping::map_page(object, &items);
    Ok(Page {
        records: mapped.records,
        rejected: mapped.rejected,
        next: match support(object).page_size {
            Some(size) => paging.next(page, returned, size),
            None => None,
        },
        reported_total: paging.total_entries,
        returned: returned.into(),
        loading: mapped.loading,
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

    /// The page after this one. An empty page ends the scan whatever the total says, and where there
    /// is no total only a page that is not full does.
    fn next(&self, page: u32, returned: u32, page_size: u32) -> Option<u32> {
        let size = i64::from(page_size);
        let pages = self.total_pages.or_else(|| {
            self.total_entries
                .map(|total| total.saturating_add(size - 1) / size)
        });
        let more = match pages {
            Some(pages) => i64::from(page) < pages,
            None => returned >= page_size,
        };
        if more && returned > 0 {
            page.checked_add(1)
        } else {
            None
        }
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
mod tests {
    use super::*;

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
    fn every_object_is_supported_and_only_mailboxes_come_at_once() {
        for object in Object::ALL {
            let support = support(*object);
            assert!(support.list && !support.incremental, "{object}");
            assert_eq!(support.page_size.is_none(), *object == Object::Mailbox);
        }
    }
}
