//! What the lists, gets and searches of all objects have in common: their parameters, their
//! answers, and the choice between the tables and the provider.

use axum::{
    Json as JsonBody,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use chrono::Datelike;
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};
use syncline_model::{Object as CommonObject, Record, Time};
use syncline_store::{Connection, JsonRow, JsonText, Row, Table};
use utoipa::{IntoParams, ToSchema};

use super::{cached, live};
use crate::{
    AppState,
    error::{ApiError, ApiResult},
};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListRecords {
    /// Show the provider's own JSON of each record.
    #[serde(default)]
    pub(super) include_raw_data: bool,
    /// Read the synced tables; otherwise the provider is asked now.
    #[serde(default)]
    read_from_cache: bool,
    /// Only rows that changed after this time, deleted ones included. Needs `read_from_cache=true`.
    modified_after: Option<String>,
    /// Show deleted rows of the tables too.
    #[serde(default)]
    pub(super) include_deleted_data: bool,
    /// 1 to 1000 from the tables, 1 to 100 from the provider; default 10.
    pub(super) page_size: Option<String>,
    pub(super) cursor: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct GetRecord {
    /// Show the provider's own JSON of the record.
    #[serde(default)]
    pub(super) include_raw_data: bool,
    /// Read the synced tables; otherwise the provider is asked now.
    #[serde(default)]
    pub(super) read_from_cache: bool,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SearchRecords {
    /// Show the provider's own JSON of each record.
    #[serde(default)]
    pub(super) include_raw_data: bool,
    /// Search the synced tables; otherwise the provider is asked now.
    #[serde(default)]
    pub(super) read_from_cache: bool,
    /// 1 to 100; default 100.
    pub(super) page_size: Option<String>,
    pub(super) cursor: Option<String>,
}

/// The JSON of a [`RecordList`].
pub(crate) struct ListAnswer(Vec<u8>);

impl ListAnswer {
    pub(super) fn of<T: Serialize>(list: &RecordList<T>) -> ApiResult<Self> {
        let text = serde_json::to_vec(list);
        text.map(Self)
            .map_err(|error| ApiError::Internal(error.to_string()))
    }

    /// Of rows whose text is written already.
    pub(super) fn of_rows(
        pagination: &Pagination,
        rows: &[JsonRow],
        text: &JsonText,
    ) -> ApiResult<Self> {
        let mut answer = Vec::with_capacity(text.size() + rows.len() + 512);
        answer.extend_from_slice(br#"{"pagination":"#);
        serde_json::to_writer(&mut answer, pagination)
            .map_err(|error| ApiError::Internal(error.to_string()))?;
        answer.extend_from_slice(br#","records":["#);
        for (index, row) in rows.iter().enumerate() {
            if index > 0 {
                answer.push(b',');
            }
            answer.extend_from_slice(text.of(row));
        }
        answer.extend_from_slice(b"]}");
        Ok(Self(answer))
    }

    pub(crate) fn value(&self) -> ApiResult<Value> {
        serde_json::from_slice(&self.0).map_err(|error| ApiError::Internal(error.to_string()))
    }
}

impl IntoResponse for ListAnswer {
    fn into_response(self) -> Response {
        let json = HeaderValue::from_static("application/json");
        ([(header::CONTENT_TYPE, json)], self.0).into_response()
    }
}

#[derive(Serialize, ToSchema)]
pub(crate) struct RecordList<T> {
    pub(super) pagination: Pagination,
    pub(super) records: Vec<RecordBody<T>>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = pagination)]
pub(crate) struct Pagination {
    #[schema(required = true)]
    pub(super) next: Option<String>,
    #[schema(required = true)]
    pub(super) previous: Option<String>,
    /// Absent if the provider doesn't say.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) total_count: Option<i64>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct RecordBody<T> {
    id: String,
    #[serde(flatten)]
    fields: T,
    #[serde(with = "syncline_model::time::millis_or_null")]
    #[schema(required = true, value_type = Option<String>, format = DateTime)]
    created_at: Option<Time>,
    #[serde(with = "syncline_model::time::millis_or_null")]
    #[schema(required = true, value_type = Option<String>, format = DateTime)]
    updated_at: Option<Time>,
    is_deleted: bool,
    #[serde(with = "syncline_model::time::millis_or_null")]
    #[schema(required = true, value_type = Option<String>, format = DateTime)]
    deleted_at: Option<Time>,
    /// From the tables: when Syncline recorded the newest change. From the provider: when it says
    /// that the record was changed or created.
    #[serde(with = "syncline_model::time::millis")]
    #[schema(value_type = String, format = DateTime)]
    last_modified_at: Time,
    /// Only if it is asked for. Null where the sync config doesn't store it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
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

impl<T> RecordBody<T> {
    /// A record as the provider shows it at `now`.
    pub(super) fn live(record: Record<T>, now: Time, include_raw_data: bool) -> Self {
        Self {
            id: record.id,
            fields: record.fields,
            created_at: record.created_at,
            updated_at: record.updated_at,
            is_deleted: record.is_deleted,
            deleted_at: None,
            last_modified_at: record.updated_at.or(record.created_at).unwrap_or(now),
            raw_data: include_raw_data.then_some(record.raw),
        }
    }

    /// The same record with other fields.
    pub(super) fn map<U>(self, fields: impl FnOnce(T) -> U) -> RecordBody<U> {
        RecordBody {
            id: self.id,
            fields: fields(self.fields),
            created_at: self.created_at,
            updated_at: self.updated_at,
            is_deleted: self.is_deleted,
            deleted_at: self.deleted_at,
            last_modified_at: self.last_modified_at,
            raw_data: self.raw_data,
        }
    }
}

/// One page of an object's records.
pub(crate) async fn list<T: Table + Serialize>(
    state: &AppState,
    connection: &Connection,
    asked: ListRecords,
) -> ApiResult<ListAnswer> {
    has_object(state, connection, T::OBJECT)?;
    let modified_after = asked.modified_after()?;
    if asked.read_from_cache {
        return cached::list::<T>(state, connection, &asked, modified_after).await;
    }
    if modified_after.is_some() {
        return Err(ApiError::validation(
            "modified_after",
            format!(
                "{} can't list by the time of the change; set read_from_cache=true to read the \
                 synced tables",
                connection.provider
            ),
        ));
    }
    live::list::<T>(state, connection, &asked).await
}

/// One record by its id. From the tables also a deleted one, marked as such.
pub(crate) async fn get<T: Table + Serialize>(
    state: &AppState,
    connection: &Connection,
    id: &str,
    asked: &GetRecord,
) -> ApiResult<JsonBody<RecordBody<T>>> {
    has_object(state, connection, T::OBJECT)?;
    let body = if asked.read_from_cache {
        cached::get(state, connection, id, asked).await?
    } else {
        live::get(state, connection, id, asked).await?
    };
    Ok(JsonBody(body))
}

/// Whether the provider has records of this kind at all.
fn has_object(state: &AppState, connection: &Connection, object: CommonObject) -> ApiResult<()> {
    let provider = connection.provider;
    if state.providers.get(provider)?.support(object).list {
        return Ok(());
    }
    Err(ApiError::BadRequest(format!(
        "{provider} has no {}",
        object.plural()
    )))
}

impl GetRecord {
    pub(crate) fn of_tables() -> Self {
        Self {
            include_raw_data: false,
            read_from_cache: true,
        }
    }
}

impl SearchRecords {
    pub(crate) fn of_tables(page_size: i64, cursor: Option<&str>) -> Self {
        Self {
            include_raw_data: false,
            read_from_cache: true,
            page_size: Some(page_size.to_string()),
            cursor: cursor.map(str::to_owned),
        }
    }
}

impl ListRecords {
    /// Deleted rows are shown among those that changed.
    pub(crate) fn of_tables(
        page_size: i64,
        cursor: Option<&str>,
        modified_after: Option<&str>,
    ) -> Self {
        Self {
            include_raw_data: false,
            read_from_cache: true,
            modified_after: modified_after.map(str::to_owned),
            include_deleted_data: modified_after.is_some(),
            page_size: Some(page_size.to_string()),
            cursor: cursor.map(str::to_owned),
        }
    }

    pub(crate) fn modified_after(&self) -> ApiResult<Option<Time>> {
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
