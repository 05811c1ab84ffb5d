//! Reads rows: lists with keyset pagination, and single rows.
//!
//! A list with `modified_after` takes its upper bound from [`Store::newest_stamp`] on its first page
//! and keeps it in the cursor. The index behind it begins with `connection_id`: with the columns of the
//! key first, PostgreSQL took it for the key as long as a table had no statistics, and read all of the
//! customer for every record.

use futures::TryStreamExt;
use serde_json::value::RawValue;
use sqlx::{
    AssertSqlSafe, Row as _, TypeInfo as _, ValueRef as _, postgres::PgRow, sqlite::SqliteRow,
    types::Json,
};
use syncline_model::{Object, Record, Time, event::ConnectionRef, time};

use super::{
    json::{Columns, JsonRows},
    search::Search,
    tables::Table,
};
use crate::{
    Connection, Store, StoreError,
    batch::{self, Batch},
    db::{self, Tx, run},
    key_set::KeySet,
    timestamp::{Timestamp, at},
};

macro_rules! time {
    ($row:expr, $name:literal) => {
        $row.try_get::<Option<Timestamp>, _>($name)?
    };
}

macro_rules! stored_row {
    ($row:expr, $read:expr) => {
        StoredRow {
            row: $read?,
            first_stored_at: time!($row, "first_stored_at").map(Into::into),
            restored_at: time!($row, "restored_at").map(Into::into),
        }
    };
}
macro_rules! row {
    ($row:expr, $fields:expr) => {
        Row {
            id: $row.try_get("id")?,
            fields: $fields?,
            created_at: time!($row, "created_at").map(Into::into),
            updated_at: time!($row, "updated_at").map(Into::into),
            is_deleted: $row.try_get("is_deleted")?,
            deleted_at: time!($row, "deleted_at").map(Into::into),
            last_modified_at: $row.try_get::<Timestamp, _>("last_modified_at")?.into(),
            raw_data: match $row.try_get::<Json<Box<RawValue>>, _>("raw_data") {
                Ok(raw) => Some(raw.0),
                Err(sqlx::Error::ColumnNotFound(_)) => None,
                Err(error) => return Err(error),
            },
        }
    };
}

/// A record as it is stored.
#[derive(Debug, Clone)]
pub struct Row<T> {
    pub id: String,
    pub fields: T,
    pub created_at: Option<Time>,
    pub updated_at: Option<Time>,
    pub is_deleted: bool,
    pub deleted_at: Option<Time>,
    pub last_modified_at: Time,
    /// Only if it was asked for.
    pub raw_data: Option<Box<RawValue>>,
}

/// A row, with what the change feed needs to know of it.
#[derive(Debug)]
pub(crate) struct StoredRow<T> {
    pub(crate) row: Row<T>,
    /// The stamps with which it was inserted and with which it came back after a deletion; unknown for
    /// rows of earlier versions.
    pub(crate) first_stored_at: Option<Time>,
    pub(crate) restored_at: Option<Time>,
}

impl<T> Row<T> {
    /// The record as far as it is stored, without a hash.
    pub(crate) fn into_record(self) -> Record<T> {
        Record {
            id: self.id,
            created_at: self.created_at,
            updated_at: self.updated_at,
            is_deleted: self.is_deleted,
            fields: self.fields,
            raw: self.raw_data.unwrap_or_else(|| RawValue::NULL.to_owned()),
            hash: 0,
            former_hash: None,
            unread: Vec::new(),
        }
    }
}

/// The rows that a list shows.
#[derive(Debug, Clone)]
pub struct RecordQuery<'a> {
    pub connection: &'a Connection,
    /// Rows that changed after the first and up to the second time, including deleted ones, in the
    /// order of their change. `None`: the live rows, by id.
    pub modified: Option<(Time, Time)>,
    pub include_deleted: bool,
    pub include_raw_data: bool,
    /// Filters the list; not supported together with `modified`.
    pub search: Option<Search<'a>>,
    /// The last row of the previous page: its stamp (for `modified`) and id.
    pub cursor: Option<(Time, String)>,
    /// How many rows to pass over before the first. The database walks through them, so lists of any
    /// length take `cursor` instead.
    pub offset: i64,
    pub reverse: bool,
    /// The maximum number of rows; fewer are returned if they are large.
    pub limit: i64,
}

impl RecordQuery<'_> {
    pub(super) fn sought(&self) -> (Option<String>, Option<String>) {
        self.search.as_ref().map(Search::values).unwrap_or_default()
    }
}

impl Store {
    pub async fn list_records<T: Table>(
        &self,
        query: &RecordQuery<'_>,
    ) -> Result<Batch<Row<T>>, StoreError> {
        let sql = self.list_sql(query, &select::<T>(query.include_raw_data));
        let (after, until) = query.modified.unzip();
        let (cursor_stamp, cursor_id) = query.cursor.clone().unzip();
        let (one, other) = query.sought();
        let mut reader = self.db.read().await?;
        macro_rules! bound {
            () => {
                sqlx::query(AssertSqlSafe(sql))
                    .bind(&query.connection.application_id)
                    .bind(&query.connection.customer_id)
                    .bind(query.connection.provider.as_str())
                    .bind(&query.connection.id)
                    .bind(at(after))
                    .bind(at(until))
                    .bind(at(cursor_stamp))
                    .bind(cursor_id)
                    .bind(query.limit.saturating_add(1))
                    .bind(query.offset)
                    .bind(one)
                    .bind(other)
            };
        }
        let most = usize::try_from(query.limit).unwrap_or(usize::MAX);
        match reader.connection()? {
            db::Connection::Pg(c) => batch::take_up_to(most, bound!().fetch(c), pg_bytes)
                .await?
                .try_map(|row| Ok(pg_row(&row)?)),
            db::Connection::Lite(c) => batch::take_up_to(most, bound!().fetch(c), lite_bytes)
                .await?
                .try_map(|row| Ok(lite_row(&row)?)),
        }
    }

    /// The statement of a list. Its parameters are bound by [`Self::list_records`] and
    /// [`Self::list_json`].
    fn list_sql(&self, query: &RecordQuery<'_>, select: &str) -> String {
        let (compare, direction) = if query.reverse {
            ("<", "DESC")
        } else {
            (">", "ASC")
        };
        let mut sql = format!("{select}{}", filter(query));
        if let Some(search) = &query.search {
            sql.push_str(&search.condition(&self.db, 11));
        }
        // $4 to $8 are named even if they are not used: PostgreSQL needs the type of every
        // parameter, and sqlx sends the types along.
        let (after_cursor, order) = if query.modified.is_some() {
            (
                format!(" AND (last_modified_at, id) {compare} ($7, $8)"),
                format!(" ORDER BY last_modified_at {direction}, id {direction}"),
            )
        } else {
            (
                format!(" AND id {compare} $8"),
                format!(" ORDER BY id {direction}"),
            )
        };
        if query.cursor.is_some() {
            sql.push_str(&after_cursor);
        }
        sql.push_str(&order);
        sql.push_str(" LIMIT $9");
        // Only where it is asked for: PostgreSQL plans an unknown one as a tenth of the table.
        if query.offset > 0 {
            sql.push_str(" OFFSET $10");
        }
        sql
    }

    /// The same rows as JSON, as the API shows them.
    pub async fn list_json<T: Table>(
        &self,
        query: &RecordQuery<'_>,
    ) -> Result<JsonRows, StoreError> {
        let most = usize::try_from(query.limit).unwrap_or(usize::MAX);
        let columns = Columns::of::<T>(query.include_raw_data, most);
        let select = format!("SELECT {} FROM {}", columns.select(), T::OBJECT.table());
        let sql = self.list_sql(query, &select);
        let (after, until) = query.modified.unzip();
        let (cursor_stamp, cursor_id) = query.cursor.clone().unzip();
        let (one, other) = query.sought();
        let mut page = JsonRows::default();
        if let Some(rows) = self.db.sqlite_rows()? {
            let text = |time: Option<Time>| time.map(time::format);
            let bound: [(&str, Option<String>); 10] = [
                ("$1", Some(query.connection.application_id.clone())),
                ("$2", Some(query.connection.customer_id.clone())),
                ("$3", Some(query.connection.provider.as_str().to_owned())),
                ("$4", Some(query.connection.id.clone())),
                ("$5", text(after)),
                ("$6", text(until)),
                ("$7", text(cursor_stamp)),
                ("$8", cursor_id),
                ("$11", one),
                ("$12", other),
            ];
            let numbers = [("$9", query.limit.saturating_add(1)), ("$10", query.offset)];
            let read = move |c: &rusqlite::Connection| {
                let mut statement = c.prepare_cached(&sql)?;
                for (name, value) in &bound {
                    bind(&mut statement, name, value)?;
                }
                for (name, value) in &numbers {
                    bind(&mut statement, name, value)?;
                }
                let mut rows = statement.raw_query();
                while let Some(row) = rows.next()? {
                    if !columns.push_lite(&mut page, row)? {
                        break;
                    }
                }
                Ok(page)
            };
            return rows.read(read).await;
        }
        let mut reader = self.db.read().await?;
        if let db::Connection::Pg(c) = reader.connection()? {
            let mut rows = sqlx::query(AssertSqlSafe(sql))
                .bind(&query.connection.application_id)
                .bind(&query.connection.customer_id)
                .bind(query.connection.provider.as_str())
                .bind(&query.connection.id)
                .bind(at(after))
                .bind(at(until))
                .bind(at(cursor_stamp))
                .bind(cursor_id)
                .bind(query.limit.saturating_add(1))
                .bind(query.offset)
                .bind(one)
                .bind(other)
                .fetch(c);
            while let Some(row) = rows.try_next().await? {
                if !columns.push_pg(&mut page, &row)? {
                    break;
                }
            }
        }
        Ok(page)
    }

    pub async fn get_record<T: Table>(
        &self,
        connection: &Connection,
        id: &str,
        include_raw_data: bool,
    ) -> Result<Option<Row<T>>, StoreError> {
        let sql = format!(
            "{} WHERE application_id = $1 AND customer_id = $2 AND provider_name = $3 AND id = $4",
            select::<T>(include_raw_data)
        );
        let mut reader = self.db.read().await?;
        macro_rules! bound {
            () => {
                sqlx::query(AssertSqlSafe(sql))
                    .bind(&connection.application_id)
                    .bind(&connection.customer_id)
                    .bind(connection.provider.as_str())
                    .bind(id)
            };
        }
        Ok(match reader.connection()? {
            db::Connection::Pg(c) => {
                let row = bound!().fetch_optional(c).await?;
                row.as_ref().map(pg_row).transpose()?
            }
            db::Connection::Lite(c) => {
                let row = bound!().fetch_optional(c).await?;
                row.as_ref().map(lite_row).transpose()?
            }
        })
    }

    /// The rows with these ids, in any order.
    pub(crate) async fn stored_rows<T: Table>(
        &self,
        connection: &ConnectionRef,
        ids: &[&str],
        include_raw_data: bool,
    ) -> Result<Vec<StoredRow<T>>, StoreError> {
        let mut reader = self.db.read().await?;
        let mut rows = Vec::with_capacity(ids.len());
        match reader.connection()? {
            // A join with the array would scan the tenant's whole prefix while the table has no
            // statistics; LATERAL makes each id a separate look-up by the full key.
            db::Connection::Pg(c) => {
                let sql = format!(
                    "SELECT r.* FROM UNNEST($4::text[]) AS wanted (wanted_id)
                     CROSS JOIN LATERAL ({} WHERE application_id = $1 AND customer_id = $2
                        AND provider_name = $3 AND id = wanted.wanted_id LIMIT 1) AS r",
                    select_stored::<T>(include_raw_data)
                );
                let found = sqlx::query(AssertSqlSafe(sql))
                    .bind(&connection.application_id)
                    .bind(&connection.customer_id)
                    .bind(connection.provider.as_str())
                    .bind(ids)
                    .fetch_all(c)
                    .await?;
                for row in &found {
                    rows.push(stored_row!(row, pg_row(row)));
                }
            }
            db::Connection::Lite(c) => {
                let sql = format!(
                    "{} WHERE application_id = $1 AND customer_id = $2 AND provider_name = $3
                        AND id IN (SELECT key FROM json_each($4))",
                    select_stored::<T>(include_raw_data)
                );
                let found = sqlx::query(AssertSqlSafe(sql))
                    .bind(&connection.application_id)
                    .bind(&connection.customer_id)
                    .bind(connection.provider.as_str())
                    .bind(KeySet::new(ids))
                    .fetch_all(c)
                    .await?;
                for row in &found {
                    rows.push(stored_row!(row, lite_row(row)));
                }
            }
        }
        Ok(rows)
    }

    /// The rows after the first up to the second id, without their raw data.
    pub(crate) async fn rows_between<T: Table>(
        &self,
        tx: &mut Tx,
        connection: &ConnectionRef,
        (after, until): (&str, &str),
    ) -> Result<Vec<Row<T>>, StoreError> {
        let sql = format!(
            "{} WHERE application_id = $1 AND customer_id = $2 AND provider_name = $3
               AND id > $4 AND id <= $5 ORDER BY id",
            select::<T>(false)
        );
        macro_rules! bound {
            () => {
                sqlx::query(AssertSqlSafe(sql))
                    .bind(&connection.application_id)
                    .bind(&connection.customer_id)
                    .bind(connection.provider.as_str())
                    .bind(after)
                    .bind(until)
            };
        }
        let rows: sqlx::Result<Vec<Row<T>>> = match tx.connection()? {
            db::Connection::Pg(c) => bound!().fetch_all(c).await?.iter().map(pg_row).collect(),
            db::Connection::Lite(c) => bound!().fetch_all(c).await?.iter().map(lite_row).collect(),
        };
        Ok(rows?)
    }

    /// The live states of contacts in a sequence, as pairs of contact id and state id.
    pub async fn states_in(
        &self,
        connection: &Connection,
        sequence_id: &str,
        contact_ids: &[String],
    ) -> Result<Vec<(String, String)>, StoreError> {
        const SQL: &str = "
            SELECT contact_id, id FROM engagement_sequence_states
            WHERE application_id = $1 AND customer_id = $2 AND provider_name = $3
              AND sequence_id = $4 AND contact_id IN (SELECT key FROM json_each($5))
              AND NOT is_deleted
            ORDER BY id";
        let mut reader = self.db.read().await?;
        Ok(run!(reader, |c| sqlx::query_as(SQL)
            .bind(&connection.application_id)
            .bind(&connection.customer_id)
            .bind(connection.provider.as_str())
            .bind(sequence_id)
            .bind(KeySet::new(contact_ids))
            .fetch_all(c)
            .await)?)
    }

    /// The stamp of a connection's newest change. Every change up to it is committed, because stamps are
    /// given in commit order. `None` if the object isn't synced.
    pub async fn newest_stamp(
        &self,
        connection: &Connection,
        object: Object,
    ) -> Result<Option<Time>, StoreError> {
        const SQL: &str = "
            SELECT COALESCE(
                (SELECT last_stamp_ms FROM change_feeds WHERE connection_id = $1), 0)
            FROM syncs WHERE connection_id = $1 AND object = $2";
        let mut reader = self.db.read().await?;
        let stamp: Option<i64> = run!(reader, |c| sqlx::query_scalar(SQL)
            .bind(&connection.id)
            .bind(object.as_str())
            .fetch_optional(c)
            .await)?;
        Ok(stamp.and_then(Time::from_timestamp_millis))
    }

    /// Whether a run of a connection's object has succeeded, so that the rows are all that the provider
    /// had then. `None` if the object isn't synced.
    pub async fn was_read(
        &self,
        connection: &Connection,
        object: Object,
    ) -> Result<Option<bool>, StoreError> {
        const SQL: &str = "SELECT last_succeeded_at IS NOT NULL FROM syncs
            WHERE connection_id = $1 AND object = $2";
        let mut reader = self.db.read().await?;
        Ok(run!(reader, |c| sqlx::query_scalar(SQL)
            .bind(&connection.id)
            .bind(object.as_str())
            .fetch_optional(c)
            .await)?)
    }
}

/// A statement needn't have all parameters of a list.
fn bind(
    statement: &mut rusqlite::Statement<'_>,
    name: &str,
    value: impl rusqlite::ToSql,
) -> rusqlite::Result<()> {
    match statement.parameter_index(name)? {
        Some(index) => statement.raw_bind_parameter(index, value),
        None => Ok(()),
    }
}

fn select<T: Table>(with_raw_data: bool) -> String {
    select_with::<T>("", with_raw_data)
}

fn select_stored<T: Table>(with_raw_data: bool) -> String {
    select_with::<T>(", first_stored_at, restored_at", with_raw_data)
}

fn select_with<T: Table>(more: &str, with_raw_data: bool) -> String {
    let mut sql = format!(
        "SELECT id, created_at, updated_at, is_deleted, deleted_at, last_modified_at{more}"
    );
    for column in T::COLUMNS {
        sql.push_str(", ");
        sql.push_str(column.name);
    }
    if with_raw_data {
        sql.push_str(", raw_data");
    }
    sql.push_str(" FROM ");
    sql.push_str(T::OBJECT.table());
    sql
}

/// $1 to $4: the connection, by its key and by its id; $5 and $6: the bounds of `modified`. Each
/// order has an index that begins with the columns it filters by.
pub(super) fn filter(query: &RecordQuery<'_>) -> String {
    if query.modified.is_some() {
        return String::from(
            " WHERE connection_id = $4 AND last_modified_at > $5 AND last_modified_at <= $6",
        );
    }
    let mut sql =
        String::from(" WHERE application_id = $1 AND customer_id = $2 AND provider_name = $3");
    if !query.include_deleted {
        sql.push_str(" AND NOT is_deleted");
    }
    sql
}

/// The approximate size of a row.
fn pg_bytes(row: &PgRow) -> usize {
    let values = (0..row.len()).filter_map(|column| row.try_get_raw(column).ok());
    values
        .map(|value| value.as_bytes().map_or(0, <[u8]>::len))
        .sum()
}

fn lite_bytes(row: &SqliteRow) -> usize {
    let is_text = |column: &usize| {
        row.try_get_raw(*column)
            .is_ok_and(|value| value.type_info().name() == "TEXT")
    };
    let texts = (0..row.len()).filter(is_text);
    let texts = texts.filter_map(|column| row.try_get_unchecked::<&str, _>(column).ok());
    texts.map(str::len).sum()
}

fn pg_row<T: Table>(row: &PgRow) -> sqlx::Result<Row<T>> {
    Ok(row!(row, T::from_pg(row)))
}

fn lite_row<T: Table>(row: &SqliteRow) -> sqlx::Result<Row<T>> {
    Ok(row!(row, T::from_lite(row)))
}
