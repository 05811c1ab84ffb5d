//! Lists and gets that ask the provider now.

use axum::Json as JsonBody;
use serde::{Deserialize, Serialize};
use syncline_model::{Object, Record, Records};
use syncline_providers::capabilities::LivePageRequest;
use syncline_store::{Connection, Table};

use super::records::{GetRecord, ListRecords, Pagination, RecordBody, RecordList};
use crate::{
    AppState, cursor,
    error::{ApiError, ApiResult},
    provider_errors::ProviderFailure,
    remote::Remote,
};

const DEFAULT_PAGE_SIZE: i64 = 10;
/// The most records that Apollo returns per page.
pub(super) const MAX_PAGE_SIZE: i64 = 100;

/// A position in a list of the provider's: the page number and the page size.
#[derive(Serialize, Deserialize)]
pub(super) struct LiveCursor {
    live: Object,
    page: u32,
    size: u32,
    /// The search it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    of: Option<String>,
}

/// The page that a caller asks for. `of` distinguishes searches.
pub(super) fn page_asked(
    object: Object,
    of: Option<&str>,
    page_size: Option<&str>,
    default_size: i64,
    cursor: Option<&str>,
) -> ApiResult<LivePageRequest> {
    let size = cursor::page_size(page_size, default_size, MAX_PAGE_SIZE)?;
    let size = u32::try_from(size).unwrap_or(1);
    let Some(cursor) = cursor else {
        return Ok(LivePageRequest { page: 1, size });
    };
    let at: LiveCursor = cursor::decode(cursor)?;
    let sizes = 1..=u32::try_from(MAX_PAGE_SIZE).unwrap_or(1);
    if at.live != object || at.of.as_deref() != of || at.page == 0 || !sizes.contains(&at.size) {
        return Err(cursor::foreign());
    }
    // The size of the first page: with another size, pages would begin elsewhere.
    Ok(LivePageRequest {
        page: at.page,
        size: at.size,
    })
}

/// The links of a page.
pub(super) fn pagination(
    object: Object,
    of: Option<&str>,
    ask: LivePageRequest,
    next: Option<u32>,
    total_count: Option<i64>,
) -> Pagination {
    let link = |page: u32| {
        cursor::encode(&LiveCursor {
            live: object,
            page,
            size: ask.size,
            of: of.map(str::to_owned),
        })
    };
    Pagination {
        next: next.map(link),
        previous: (ask.page > 1).then(|| link(ask.page - 1)),
        total_count,
    }
}

pub(super) async fn list<T: Table + Serialize>(
    state: &AppState,
    connection: &Connection,
    asked: &ListRecords,
) -> ApiResult<JsonBody<RecordList<T>>> {
    let (size, cursor) = (asked.page_size.as_deref(), asked.cursor.as_deref());
    let ask = page_asked(T::OBJECT, None, size, DEFAULT_PAGE_SIZE, cursor)?;
    let remote = Remote::of(state, connection).await?;
    let page = remote
        .capabilities()
        .live_reads()?
        .list_live(&remote.session(), T::OBJECT, ask)
        .await?;
    Ok(JsonBody(RecordList {
        pagination: pagination(T::OBJECT, None, ask, page.next, page.total),
        records: bodies::<T>(state, page.records, asked.include_raw_data),
    }))
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
        .live_reads()?
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
