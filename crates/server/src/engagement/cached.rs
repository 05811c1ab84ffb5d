//! Lists, gets and searches from the synced tables.

use chrono::Datelike;
use serde::{Deserialize, Serialize};
use syncline_model::{Object, Time};
use syncline_store::{Connection, JsonRow, RecordQuery, Row, Search, Table};

use super::records::{GetRecord, ListAnswer, ListRecords, Pagination, RecordBody, SearchRecords};
use crate::{
    AppState,
    cursor::{self, Page},
    error::{ApiError, ApiResult},
};

const DEFAULT_PAGE_SIZE: i64 = 10;
const MAX_PAGE_SIZE: i64 = 1000;

/// For searches, whose callers often give no page size.
pub(super) const SEARCH_PAGE_SIZE: i64 = 100;

/// A position in a list of records. It carries what the first page fixed: the number of rows and,
/// for `modified_after`, the last change that the list includes. A row that changes meanwhile is in
/// the reader's next list, so none is skipped or shown twice.
#[derive(Serialize, Deserialize)]
struct RecordCursor {
    object: Object,
    id: String,
    reverse: bool,
    total: i64,
    /// The search it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    search: Option<String>,
    /// The bounds of `modified_after` and the row's own stamp, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    modified: Option<ModifiedCursor>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
struct ModifiedCursor {
    after: i64,
    until: i64,
    at: i64,
}

pub(crate) async fn list<T: Table + Serialize>(
    state: &AppState,
    connection: &Connection,
    asked: &ListRecords,
    modified_after: Option<Time>,
) -> ApiResult<ListAnswer> {
    let size = cursor::page_size(asked.page_size.as_deref(), DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)?;
    let modified = match modified_after {
        // Later pages take the upper bound from their cursor.
        Some(after) if asked.cursor.is_some() => Some((after, Time::UNIX_EPOCH)),
        Some(after) => Some((after, synced::<T>(state, connection).await?)),
        None => None,
    };
    let query = RecordQuery {
        connection,
        modified,
        include_deleted: asked.include_deleted_data,
        include_raw_data: asked.include_raw_data,
        search: None,
        cursor: None,
        offset: 0,
        reverse: false,
        limit: size,
    };
    page::<T>(state, query, asked.cursor.as_deref()).await
}

pub(crate) async fn search<T: Table + Serialize>(
    state: &AppState,
    connection: &Connection,
    asked: &SearchRecords,
    search: Search<'_>,
) -> ApiResult<ListAnswer> {
    let asked_size = asked.page_size.as_deref();
    let size = cursor::page_size(asked_size, SEARCH_PAGE_SIZE, SEARCH_PAGE_SIZE)?;
    let query = RecordQuery {
        connection,
        modified: None,
        include_deleted: false,
        include_raw_data: asked.include_raw_data,
        search: Some(search),
        cursor: None,
        offset: 0,
        reverse: false,
        limit: size,
    };
    page::<T>(state, query, asked.cursor.as_deref()).await
}

async fn page<T: Table + Serialize>(
    state: &AppState,
    mut query: RecordQuery<'_>,
    cursor: Option<&str>,
) -> ApiResult<ListAnswer> {
    let position: Option<RecordCursor> = cursor.map(cursor::decode).transpose()?;
    let search = query.search.map(cursor::name_of);
    if let Some(position) = &position {
        if position.object != T::OBJECT || position.search != search {
            return Err(cursor::foreign());
        }
        continue_from(&mut query, position)?;
    }
    let rows = state.store.list_json::<T>(&query).await?;
    let total = match &position {
        Some(position) => position.total,
        None => total_of::<T>(state, &query, rows.newest()).await?,
    };
    let (batch, text) = rows.into_parts();
    let page = Page::of(batch, position.is_some(), query.reverse);
    let link = |row: Option<&JsonRow>, reverse| {
        row.map(|row| {
            cursor::encode(&RecordCursor {
                search: search.clone(),
                ..RecordCursor::at(T::OBJECT, row, reverse, total, query.modified)
            })
        })
    };
    let pagination = Pagination {
        next: link(page.rows.last().filter(|_| page.has_next), false),
        previous: link(page.rows.first().filter(|_| page.has_previous), true),
        total_count: Some(total),
    };
    ListAnswer::of_rows(&pagination, &page.rows, &text)
}

/// The number of rows in the list whose first page told this newest stamp.
async fn total_of<T: Table>(
    state: &AppState,
    query: &RecordQuery<'_>,
    newest: Option<Time>,
) -> ApiResult<i64> {
    let until = query.modified.map(|(_, until)| until);
    let newest = match newest.or(until) {
        Some(newest) => newest,
        None => synced::<T>(state, query.connection).await?,
    };
    Ok(state.store.count_list(T::OBJECT, query, newest).await?)
}

pub(crate) async fn get<T: Table + Serialize>(
    state: &AppState,
    connection: &Connection,
    id: &str,
    asked: &GetRecord,
) -> ApiResult<RecordBody<T>> {
    let row: Option<Row<T>> = state
        .store
        .get_record(connection, id, asked.include_raw_data)
        .await?;
    if let Some(row) = row {
        return Ok(row.into());
    }
    synced::<T>(state, connection).await?;
    let text = format!("Can't find {} with id {id}", T::OBJECT);
    Err(ApiError::NotFound(text))
}

/// The stamp of the newest change of a synced object.
async fn synced<T: Table>(state: &AppState, connection: &Connection) -> ApiResult<Time> {
    let newest = state.store.newest_stamp(connection, T::OBJECT).await?;
    newest.ok_or_else(|| {
        ApiError::BadRequest(format!(
            "No sync found for {} for customer {}. Please ensure you're syncing the right object \
             type",
            T::OBJECT,
            connection.customer_id
        ))
    })
}

impl RecordCursor {
    fn at(
        object: Object,
        row: &JsonRow,
        reverse: bool,
        total: i64,
        modified: Option<(Time, Time)>,
    ) -> Self {
        Self {
            object,
            id: row.id.clone(),
            reverse,
            total,
            search: None,
            modified: modified.map(|(after, until)| ModifiedCursor {
                after: after.timestamp_millis(),
                until: until.timestamp_millis(),
                at: row.last_modified_at.timestamp_millis(),
            }),
        }
    }
}

/// Continues a list at a cursor.
fn continue_from(query: &mut RecordQuery<'_>, position: &RecordCursor) -> ApiResult<()> {
    let other_list = || {
        ApiError::validation(
            "cursor",
            "belongs to a list with another modified_after; send the same parameters again",
        )
    };
    let time = |millis| {
        Time::from_timestamp_millis(millis)
            .filter(|time| (0..=9999).contains(&time.year()))
            .ok_or_else(cursor::foreign)
    };
    let at = match (position.modified, query.modified) {
        (None, None) => Time::UNIX_EPOCH,
        (Some(fixed), Some((after, _))) if after.timestamp_millis() == fixed.after => {
            query.modified = Some((after, time(fixed.until)?));
            time(fixed.at)?
        }
        _ => return Err(other_list()),
    };
    query.cursor = Some((at, position.id.clone()));
    query.reverse = position.reverse;
    Ok(())
}
