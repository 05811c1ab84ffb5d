//! Lists and gets of any common object.

use axum::Json as JsonBody;
use chrono::Datelike;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use syncline_model::{Object, Time};
use syncline_store::{Connection, RecordQuery, Row, Table};
use utoipa::{IntoParams, ToSchema};

use crate::{
    AppState,
    cursor::{self, Page},
    error::{ApiError, ApiResult},
};

const DEFAULT_PAGE_SIZE: i64 = 10;
const MAX_PAGE_SIZE: i64 = 1000;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListRecords {
    /// Show the provider's own JSON of each record.
    #[serde(default)]
    include_raw_data: bool,
    /// Read the synced tables. Reading the provider live is not available yet.
    #[serde(default)]
    read_from_cache: bool,
    /// Only rows that changed after this time, deleted ones included.
    modified_after: Option<String>,
    /// Show deleted rows too.
    #[serde(default)]
    include_deleted_data: bool,
    /// 1 to 1000; default 10.
    page_size: Option<String>,
    cursor: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct GetRecord {
    /// Show the provider's own JSON of the record.
    #[serde(default)]
    include_raw_data: bool,
    /// Read the synced tables. Reading the provider live is not available yet.
    #[serde(default)]
    read_from_cache: bool,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct RecordList<T> {
    pagination: Pagination,
    records: Vec<RecordBody<T>>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = pagination)]
pub(crate) struct Pagination {
    #[schema(required = true)]
    next: Option<String>,
    #[schema(required = true)]
    previous: Option<String>,
    total_count: i64,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct RecordBody<T> {
    id: String,
    #[serde(flatten)]
    fields: T,
    #[serde(with = "syncline_model::time::millis_or_null")]
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    created_at: Option<Time>,
    #[serde(with = "syncline_model::time::millis_or_null")]
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    updated_at: Option<Time>,
    is_deleted: bool,
    #[serde(with = "syncline_model::time::millis_or_null")]
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    deleted_at: Option<Time>,
    /// When Syncline recorded the newest change.
    #[serde(with = "syncline_model::time::millis")]
    #[schema(value_type = String, format = DateTime)]
    last_modified_at: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object)]
    raw_data: Option<Box<RawValue>>,
}

impl<T> From<Row<T>> for RecordBody<T> {
    fn from(row: Row<T>) -> Self {
        Self {
            id: row.id,
            fields: row.fields,
            created_at: row.created_at,
            updated_at: row.updated_at,
            is_deleted: row.is_deleted,
            deleted_at: row.deleted_at,
            last_modified_at: row.last_modified_at,
            raw_data: row.raw_data,
        }
    }
}

/// A position in a list of records. It carries what the first page fixed: how many rows there are
/// and, for `modified_after`, up to which change the list goes. A row that changes meanwhile belongs
/// to the reader's next list, so none is skipped or shown twice.
#[derive(Serialize, Deserialize)]
struct RecordCursor {
    object: Object,
    id: String,
    reverse: bool,
    total: i64,
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

/// One page of an object's records.
pub(crate) async fn list<T: Table + Serialize>(
    state: &AppState,
    connection: &Connection,
    asked: ListRecords,
) -> ApiResult<JsonBody<RecordList<T>>> {
    let size = cursor::page_size(asked.page_size.as_deref(), DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)?;
    let modified_after = asked.modified_after()?;
    let position: Option<RecordCursor> = asked.cursor.as_deref().map(cursor::decode).transpose()?;
    require_cache(asked.read_from_cache)?;
    let newest = state
        .store
        .newest_stamp(&connection.id, T::OBJECT)
        .await?
        .ok_or_else(|| no_sync::<T>(connection))?;

    let mut query = RecordQuery {
        connection,
        modified: modified_after.map(|after| (after, newest)),
        include_deleted: asked.include_deleted_data,
        include_raw_data: asked.include_raw_data,
        cursor: None,
        reverse: false,
        limit: size + 1,
    };
    if let Some(position) = &position {
        if position.object != T::OBJECT {
            return Err(cursor::foreign());
        }
        continue_from(&mut query, position)?;
    }
    let total = match &position {
        Some(position) => position.total,
        None => state.store.count_records(T::OBJECT, &query).await?,
    };
    let rows: Vec<Row<T>> = state.store.list_records(&query).await?;
    let page = Page::cut(rows, size, position.is_some(), query.reverse);
    let link = |row: Option<&Row<T>>, reverse| {
        row.map(|row| cursor::encode(&RecordCursor::at(row, reverse, total, query.modified)))
    };
    Ok(JsonBody(RecordList {
        pagination: Pagination {
            next: link(page.rows.last().filter(|_| page.has_next), false),
            previous: link(page.rows.first().filter(|_| page.has_previous), true),
            total_count: total,
        },
        records: page.rows.into_iter().map(Into::into).collect(),
    }))
}

/// One record by its id; a deleted one too, marked as such.
pub(crate) async fn get<T: Table + Serialize>(
    state: &AppState,
    connection: &Connection,
    id: &str,
    asked: &GetRecord,
) -> ApiResult<JsonBody<RecordBody<T>>> {
    require_cache(asked.read_from_cache)?;
    state
        .store
        .newest_stamp(&connection.id, T::OBJECT)
        .await?
        .ok_or_else(|| no_sync::<T>(connection))?;
    let row: Option<Row<T>> = state
        .store
        .get_record(connection, id, asked.include_raw_data)
        .await?;
    match row {
        Some(row) => Ok(JsonBody(row.into())),
        None => Err(ApiError::NotFound(format!(
            "Can't find {} with id {id}",
            T::OBJECT
        ))),
    }
}

fn require_cache(read_from_cache: bool) -> ApiResult<()> {
    if read_from_cache {
        return Ok(());
    }
    Err(ApiError::NotImplemented(
        "Reading the provider live is not available yet: set read_from_cache=true to read the \
         synced tables"
            .to_owned(),
    ))
}

fn no_sync<T: Table>(connection: &Connection) -> ApiError {
    ApiError::BadRequest(format!(
        "No sync found for {} for customer {}. Please ensure you're syncing the right object type",
        T::OBJECT,
        connection.customer_id
    ))
}

impl ListRecords {
    fn modified_after(&self) -> ApiResult<Option<Time>> {
        self.modified_after
            .as_deref()
            .map(|text| {
                chrono::DateTime::parse_from_rfc3339(text)
                    .map(|time| time.to_utc())
                    .ok()
                    .filter(|time| (0..=9999).contains(&time.year()))
                    .ok_or_else(|| {
                        ApiError::validation(
                            "modified_after",
                            "must be an RFC 3339 time such as 2026-01-31T09:30:00.000Z \
                             (a + in it is written %2B)",
                        )
                    })
            })
            .transpose()
    }
}

impl RecordCursor {
    fn at<T: Table>(
        row: &Row<T>,
        reverse: bool,
        total: i64,
        modified: Option<(Time, Time)>,
    ) -> Self {
        Self {
            object: T::OBJECT,
            id: row.id.clone(),
            reverse,
            total,
            modified: modified.map(|(after, until)| ModifiedCursor {
                after: after.timestamp_millis(),
                until: until.timestamp_millis(),
                at: row.last_modified_at.timestamp_millis(),
            }),
        }
    }
}

/// Puts a list where a cursor says.
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
