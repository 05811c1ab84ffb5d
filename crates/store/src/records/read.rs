//! Reads single rows, and rows by their ids; `list.rs` reads lists.

use serde_json::value::RawValue;
use sqlx::{AssertSqlSafe, Row as _, postgres::PgRow, sqlite::SqliteRow, types::Json};
use syncline_model::{Object, Record, Time, event::ConnectionRef};

use super::tables::Table;
use crate::{
    Connection, Store, StoreError,
    db::{self, Tx, run},
    key_set::KeySet,
    timestamp::Timestamp,
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

impl Store {
    /// `None` as well if the object isn't synced.
    pub async fn get_record<T: Table>(
        &self,
        connection: &Connection,
        id: &str,
        include_raw_data: bool,
    ) -> Result<Option<Row<T>>, StoreError> {
        let sql = format!(
            "{} WHERE application_id = $1 AND customer_id = $2 AND provider_name = $3 AND id = $4
               AND EXISTS (SELECT 1 FROM syncs WHERE connection_id = $5 AND object = $6)",
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
                    .bind(&connection.id)
                    .bind(T::OBJECT.as_str())
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

pub(super) fn select<T: Table>(with_raw_data: bool) -> String {
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

pub(super) fn pg_row<T: Table>(row: &PgRow) -> sqlx::Result<Row<T>> {
    Ok(row!(row, T::from_pg(row)))
}

pub(super) fn lite_row<T: Table>(row: &SqliteRow) -> sqlx::Result<Row<T>> {
    Ok(row!(row, T::from_lite(row)))
}
