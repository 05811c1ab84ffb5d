//! Lists and gets that ask the provider now.

use serde::{Deserialize, Serialize};
use syncline_model::{Object, Record, Records};
use syncline_providers::{
    ErrorKind, ProviderError,
    capabilities::{LivePageRequest, NextLivePage},
};
use syncline_store::{Connection, Table};

use super::records::{GetRecord, ListAnswer, ListRecords, Pagination, RecordBody, RecordList};
use crate::{
    AppState, cursor,
    error::{ApiError, ApiResult},
    provider_errors::ProviderFailure,
    remote::Remote,
};

const DEFAULT_PAGE_SIZE: i64 = 10;
/// The most records that Apollo and Salesloft return per page, and enough for Outreach.
pub(super) const MAX_PAGE_SIZE: i64 = 100;

/// The longest token of a provider's page, in bytes.
const LONGEST_TOKEN: usize = 4_096;

/// A position in a list of the provider's: the page number, the provider's own token if that is not
/// enough, and the page size. No provider has an address as its token, and none is ever fetched.
#[derive(Serialize, Deserialize)]
struct LiveCursor {
    live: Object,
    page: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    size: u32,
    /// The search it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    of: Option<String>,
}

/// The page that a caller asks for.
pub(super) struct PageAsked {
    page: u32,
    token: Option<String>,
    size: u32,
}

impl PageAsked {
    pub(super) fn request(&self) -> LivePageRequest<'_> {
        LivePageRequest {
            page: self.page,
            token: self.token.as_deref(),
            size: self.size,
        }
    }

    /// The answer to a failed request for it. A provider's module that can't read a token sends nothing:
    /// then the cursor was forged.
    pub(super) fn refused(&self, error: ProviderError) -> ApiError {
        let was_sent = error.status.is_some() || error.kind != ErrorKind::Rejected;
        match self.token {
            Some(_) if !was_sent => cursor::foreign(),
            _ => error.into(),
        }
    }

    /// The page before this one, as far as its number is enough to find it.
    fn previous(&self) -> Option<NextLivePage> {
        let is_numbered = self.token.is_none() || self.page == 2;
        let page = self.page.checked_sub(1).filter(|page| *page > 0)?;
        is_numbered.then_some(NextLivePage { page, token: None })
    }
}

/// Reads the page number and size, and the cursor. `of` distinguishes searches.
pub(super) fn page_asked(
    object: Object,
    of: Option<&str>,
    page_size: Option<&str>,
    default_size: i64,
    cursor: Option<&str>,
) -> ApiResult<PageAsked> {
    let size = cursor::page_size(page_size, default_size, MAX_PAGE_SIZE)?;
    let size = u32::try_from(size).unwrap_or(1);
    let Some(cursor) = cursor else {
        return Ok(PageAsked {
            page: 1,
            token: None,
            size,
        });
    };
    let at: LiveCursor = cursor::decode(cursor)?;
    let sizes = 1..=u32::try_from(MAX_PAGE_SIZE).unwrap_or(1);
    let is_of_list = at.live == object && at.of.as_deref() == of;
    let is_whole = at.page > 0 && sizes.contains(&at.size);
    let token_length = at.token.as_ref().map_or(0, String::len);
    if !is_of_list || !is_whole || token_length > LONGEST_TOKEN {
        return Err(cursor::foreign());
    }
    // The size of the first page: with another size, pages would begin elsewhere.
    Ok(PageAsked {
        page: at.page,
        token: at.token,
        size: at.size,
    })
}

/// The links of a page.
pub(super) fn pagination(
    object: Object,
    of: Option<&str>,
    ask: &PageAsked,
    next: Option<NextLivePage>,
    total_count: Option<i64>,
) -> Pagination {
    let link = |at: NextLivePage| {
        cursor::encode(&LiveCursor {
            live: object,
            page: at.page,
            token: at.token,
            size: ask.size,
            of: of.map(str::to_owned),
        })
    };
    Pagination {
        next: next.map(link),
        previous: ask.previous().map(link),
        total_count,
    }
}

pub(super) async fn list<T: Table + Serialize>(
    state: &AppState,
    connection: &Connection,
    asked: &ListRecords,
) -> ApiResult<ListAnswer> {
    let (size, cursor) = (asked.page_size.as_deref(), asked.cursor.as_deref());
    let ask = page_asked(T::OBJECT, None, size, DEFAULT_PAGE_SIZE, cursor)?;
    let remote = Remote::of(state, connection).await?;
    let page = remote
        .capabilities()
        .live_reads_of(T::OBJECT)?
        .list_live(&remote.session(), T::OBJECT, ask.request())
        .await
        .map_err(|error| ask.refused(error))?;
    ListAnswer::of(&RecordList {
        pagination: pagination(T::OBJECT, None, &ask, page.next, page.total),
        records: bodies::<T>(state, page.records, asked.include_raw_data),
    })
}

pub(super) async fn get<T: Table + Serialize>(
    state: &AppState,
    connection: &Connection,
    id: &str,
    asked: &GetRecord,
) -> ApiResult<RecordBody<T>> {
    let remote = Remote::of(state, connection).await?;
    let records = remote
        .capabilities()
        .live_reads_of(T::OBJECT)?
        .get_live(&remote.session(), T::OBJECT, id)
        .await?;
    let mut records = T::of(records).into_iter();
    let record: Option<Record<T>> = records.find(|record| record.id == id);
    let record = record.ok_or_else(|| {
        let title = format!("{} has no {} with id {id}", connection.provider, T::OBJECT);
        ApiError::Provider(ProviderFailure::not_found(title))
    })?;
    let now = state.clock.now();
    Ok(RecordBody::live(record, now, asked.include_raw_data))
}

/// The records of one kind, as the API shows them.
pub(super) fn bodies<T: Table>(
    state: &AppState,
    records: Records,
    include_raw_data: bool,
) -> Vec<RecordBody<T>> {
    let now = state.clock.now();
    T::of(records)
        .into_iter()
        .map(|record| RecordBody::live(record, now, include_raw_data))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn asked(object: Object, of: Option<&str>, cursor: &Value) -> ApiResult<PageAsked> {
        page_asked(
            object,
            of,
            None,
            DEFAULT_PAGE_SIZE,
            Some(&cursor::encode(cursor)),
        )
    }

    #[test]
    fn a_cursor_without_a_token_leads_where_it_always_led() {
        let old = json!({"live": "contact", "page": 3, "size": 25});
        let ask = asked(Object::Contact, None, &old).unwrap();
        let request = ask.request();
        assert_eq!((request.page, request.token, request.size), (3, None, 25));
        let page = pagination(Object::Contact, None, &ask, None, None);
        let previous: Value = cursor::decode(&page.previous.unwrap()).unwrap();
        assert_eq!(previous, json!({"live": "contact", "page": 2, "size": 25}));
    }

    #[test]
    fn a_token_comes_back_as_it_was_given_and_only_to_its_list() {
        let first = page_asked(Object::Contact, Some("7"), None, 10, None).unwrap();
        let next = NextLivePage {
            page: 2,
            token: Some("opaque".to_owned()),
        };
        let page = pagination(Object::Contact, Some("7"), &first, Some(next), None);
        let cursor = page.next.unwrap();
        let again = |object, of| page_asked(object, of, None, 10, Some(&cursor));
        let second = again(Object::Contact, Some("7")).unwrap();
        let request = second.request();
        assert_eq!((request.page, request.token), (2, Some("opaque")));
        for (object, of) in [
            (Object::Contact, None),
            (Object::Contact, Some("8")),
            (Object::Account, Some("7")),
        ] {
            assert!(again(object, of).is_err());
        }
    }

    #[test]
    fn a_page_with_a_token_leads_back_to_the_first_page_only() {
        let previous = |page: u32| {
            let cursor = json!({"live": "user", "page": page, "token": "t", "size": 10});
            let ask = asked(Object::User, None, &cursor).unwrap();
            ask.previous().map(|it| (it.page, it.token))
        };
        assert_eq!(previous(1), None);
        assert_eq!(previous(2), Some((1, None)));
        assert_eq!(previous(3), None);
    }

    #[test]
    fn a_forged_cursor_is_refused() {
        let long = "t".repeat(LONGEST_TOKEN + 1);
        for cursor in [
            json!({"live": "user", "page": 2, "token": long, "size": 10}),
            json!({"live": "user", "page": 2, "token": 7, "size": 10}),
            json!({"live": "user", "page": 2, "token": "\0", "size": 10}),
            json!({"live": "user", "page": 0, "token": "t", "size": 10}),
            json!({"live": "user", "page": 2, "token": "t", "size": 101}),
        ] {
            assert!(asked(Object::User, None, &cursor).is_err(), "{cursor}");
        }
    }
}
