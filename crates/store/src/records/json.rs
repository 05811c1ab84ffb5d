//! A list's rows as JSON text, in the form in which the API shows records.
//!
//! Lists are read more than anything else, so a value goes from the database's row into the text of the
//! answer, without a record or a JSON tree between them. JSON columns are text already.

use std::ops::Range;

use chrono::DateTime;
use rusqlite::types::ValueRef;
use sqlx::{Decode, Postgres, Row as _, ValueRef as _, postgres::PgRow};
use syncline_model::{ColumnType, Time, time};

use super::tables::Table;
use crate::{
    StoreError,
    batch::{BYTES, Batch},
    timestamp::Timestamp,
};

/// The size of most rows in JSON without raw data, in bytes.
const USUAL_ROW: usize = 640;

/// The rows of one page, in the order in which the database gave them.
#[derive(Debug)]
pub struct JsonRows {
    text: Vec<u8>,
    rows: Vec<JsonRow>,
    more: bool,
    newest: Option<Time>,
}

/// The JSON of a page's rows.
#[derive(Debug)]
pub struct JsonText(Vec<u8>);

/// One row's place in a list, and its JSON in the page's text.
#[derive(Debug)]
pub struct JsonRow {
    pub id: String,
    pub last_modified_at: Time,
    text: Range<usize>,
}

/// How a column is shown.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Flag,
    Count,
    Json,
    Time,
}

/// A value as its row has it.
enum Value<'r> {
    Null,
    Text(&'r str),
    Flag(bool),
    Count(i64),
    /// JSON text.
    Json(&'r str),
    Time(Time),
}

/// The columns of a table, in the order in which they are selected and shown.
pub(super) struct Columns {
    /// Each with what stands before its value, such as `,"name":`.
    shown: Vec<(String, Kind)>,
    last_modified_at: usize,
    most: usize,
}

impl JsonRows {
    /// The newest stamp of the connection, from the same moment as the rows. Only first pages with rows
    /// of a synced object have it, of lists without `modified_after`.
    pub fn newest(&self) -> Option<Time> {
        self.newest
    }

    pub(super) fn set_newest(&mut self, stamp_ms: Option<i64>) {
        self.newest = stamp_ms.and_then(Time::from_timestamp_millis);
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The rows' places, and their text.
    pub fn into_parts(self) -> (Batch<JsonRow>, JsonText) {
        let Self {
            text, rows, more, ..
        } = self;
        (Batch { rows, more }, JsonText(text))
    }
}

impl JsonText {
    /// A row's JSON object.
    pub fn of(&self, row: &JsonRow) -> &[u8] {
        &self.0[row.text.clone()]
    }

    /// In bytes.
    pub fn size(&self) -> usize {
        self.0.len()
    }
}

impl Columns {
    /// For a page of at most so many rows.
    pub(super) fn of<T: Table>(with_raw_data: bool, most: usize) -> Self {
        let own = T::COLUMNS
            .iter()
            .map(|column| (column.name, kind_of(column.exported_as)));
        let times = ["created_at", "updated_at"].map(|name| (name, Kind::Time));
        let deleted = [("is_deleted", Kind::Flag), ("deleted_at", Kind::Time)];
        let raw_data = with_raw_data.then_some(("raw_data", Kind::Json));
        let names: Vec<_> = [("id", Kind::Text)]
            .into_iter()
            .chain(own)
            .chain(times)
            .chain(deleted)
            .chain([("last_modified_at", Kind::Time)])
            .chain(raw_data)
            .collect();
        let last_modified_at = names
            .iter()
            .position(|(name, _)| *name == "last_modified_at");
        let shown = names.into_iter().enumerate().map(|(index, (name, kind))| {
            let before = if index == 0 { '{' } else { ',' };
            (format!("{before}\"{name}\":"), kind)
        });
        Self {
            last_modified_at: last_modified_at.unwrap_or_default(),
            shown: shown.collect(),
            most,
        }
    }

    /// A page without rows.
    pub(super) fn page(&self) -> JsonRows {
        let rows = self.most.min(1000);
        JsonRows {
            text: Vec::with_capacity(rows * USUAL_ROW),
            rows: Vec::with_capacity(rows),
            more: false,
            newest: None,
        }
    }

    /// The names, for a `SELECT`.
    pub(super) fn select(&self) -> String {
        let names = self.shown.iter().map(|(name, _)| &name[2..name.len() - 2]);
        names.collect::<Vec<_>>().join(", ")
    }

    /// `false` if the page is full: there are more rows.
    pub(super) fn push_pg(&self, page: &mut JsonRows, row: &PgRow) -> Result<bool, StoreError> {
        self.push(page, |index, kind| Ok(pg_value(row, index, kind)?))
    }

    /// The same for a row of SQLite.
    pub(super) fn push_lite(
        &self,
        page: &mut JsonRows,
        row: &rusqlite::Row<'_>,
    ) -> Result<bool, StoreError> {
        self.push(page, |index, kind| Ok(lite_value(row, index, kind)?))
    }

    fn push<'r>(
        &self,
        page: &mut JsonRows,
        value: impl Fn(usize, Kind) -> Result<Value<'r>, StoreError>,
    ) -> Result<bool, StoreError> {
        let begin = page.text.len();
        if page.rows.len() == self.most {
            page.more = true;
            return Ok(false);
        }
        let mut id = "";
        let mut last_modified_at = Time::UNIX_EPOCH;
        for (index, (name, kind)) in self.shown.iter().enumerate() {
            let value = value(index, *kind)?;
            if index == 0 {
                id = value.text();
            } else if index == self.last_modified_at {
                last_modified_at = value.time()?;
            }
            page.text.extend_from_slice(name.as_bytes());
            value.write(&mut page.text);
        }
        page.text.push(b'}');
        if page.text.len() > BYTES && !page.rows.is_empty() {
            page.text.truncate(begin);
            page.more = true;
            return Ok(false);
        }
        page.rows.push(JsonRow {
            id: id.to_owned(),
            last_modified_at,
            text: begin..page.text.len(),
        });
        Ok(true)
    }
}

fn kind_of(column: ColumnType) -> Kind {
    match column {
        ColumnType::Boolean => Kind::Flag,
        ColumnType::Integer => Kind::Count,
        ColumnType::Json => Kind::Json,
        ColumnType::Time => Kind::Time,
        ColumnType::Text => Kind::Text,
    }
}

impl<'r> Value<'r> {
    fn write(&self, out: &mut Vec<u8>) {
        // Writing to memory can't fail.
        let _ = match self {
            Self::Null => serde_json::to_writer(out, &()),
            Self::Text(text) => serde_json::to_writer(out, text),
            Self::Flag(flag) => serde_json::to_writer(out, flag),
            Self::Count(count) => serde_json::to_writer(out, count),
            Self::Time(at) => serde_json::to_writer(out, &time::format(*at)),
            Self::Json(text) => {
                out.extend_from_slice(text.as_bytes());
                Ok(())
            }
        };
    }

    fn text(&self) -> &'r str {
        match self {
            Self::Text(text) => text,
            _ => "",
        }
    }

    /// SQLite has times as text.
    fn time(&self) -> Result<Time, sqlx::Error> {
        match self {
            Self::Time(time) => Ok(*time),
            other => DateTime::parse_from_rfc3339(other.text())
                .map(|time| time.to_utc())
                .map_err(|error| sqlx::Error::ColumnDecode {
                    index: "last_modified_at".to_owned(),
                    source: error.into(),
                }),
        }
    }
}

fn pg_value(row: &PgRow, index: usize, kind: Kind) -> sqlx::Result<Value<'_>> {
    let raw = row.try_get_raw(index)?;
    if raw.is_null() {
        return Ok(Value::Null);
    }
    // Decoded from the raw value: to get it from the row a second time would cost as much again.
    let value = match kind {
        Kind::Text => Decode::<Postgres>::decode(raw).map(Value::Text),
        Kind::Flag => Decode::<Postgres>::decode(raw).map(Value::Flag),
        Kind::Count => Decode::<Postgres>::decode(raw).map(Value::Count),
        Kind::Time => Decode::<Postgres>::decode(raw).map(|Timestamp(time)| Value::Time(time)),
        Kind::Json => raw.as_bytes().and_then(|binary| {
            // The first byte is the version of the format; text follows.
            let text = binary.get(1..).unwrap_or_default();
            Ok(Value::Json(std::str::from_utf8(text)?))
        }),
    };
    value.map_err(sqlx::Error::Decode)
}

fn lite_value<'r>(
    row: &'r rusqlite::Row<'_>,
    index: usize,
    kind: Kind,
) -> rusqlite::Result<Value<'r>> {
    let value = row.get_ref(index)?;
    Ok(match (value, kind) {
        (ValueRef::Null, _) => Value::Null,
        (_, Kind::Json) => Value::Json(value.as_str()?),
        (_, Kind::Flag) => Value::Flag(value.as_i64()? != 0),
        (_, Kind::Count) => Value::Count(value.as_i64()?),
        // Times are stored in the form in which they are shown.
        (_, Kind::Text | Kind::Time) => Value::Text(value.as_str()?),
    })
}
