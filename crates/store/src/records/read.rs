//! Rows into answers: lists by keyset, and single rows.

use serde_json::value::RawValue;
use sqlx::{AssertSqlSafe, Row as _, postgres::PgRow, sqlite::SqliteRow, types::Json};
use syncline_model::{Object, ProviderName, Time};

use super::tables::Table;
use crate::{
    Store, StoreError,
    db::{self, run},
};

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
    /// Only when it was asked for.
    pub raw_data: Option<Box<RawValue>>,
}

/// Which rows of which connection a list shows.
#[derive(Debug, Clone)]
pub struct RecordQuery<'a> {
    pub application_id: &'a str,
    pub customer_id: &'a str,
    pub provider: ProviderName,
    /// Rows that changed after this moment and up to that one, deleted ones included, in the order
    /// of their change. `None`: the live rows, by id.
    pub modified: Option<(Time, Time)>,
    pub include_deleted: bool,
    pub include_raw_data: bool,
    /// The row that the last page ended with: its stamp (for `modified`) and id.
    pub cursor: Option<(Time, String)>,
    pub reverse: bool,
    pub limit: i64,
}

impl Store {
    pub async fn list_records<T: Table>(
        &self,
        query: &RecordQuery<'_>,
    ) -> Result<Vec<Row<T>>, StoreError> {
        let (compare, direction) = if query.reverse {
            ("<", "DESC")
        } else {
            (">", "ASC")
        };
        let mut sql = select::<T>(query.include_raw_data);
        sql.push_str(&filter(query));
        // $4 to $7 are named even where they are not used: PostgreSQL wants every parameter typed,
        // and sqlx sends the types along.
        let (key, position, order) = if query.modified.is_some() {
            ("(last_modified_at, id)", "($6, $7)", "last_modified_at")
        } else {
            ("id", "$7", "id")
        };
        if query.cursor.is_some() {
            sql.extend([" AND ", key, " ", compare, " ", position]);
        }
        sql.extend([
            " ORDER BY ",
            order,
            " ",
            direction,
            ", id ",
            direction,
            " LIMIT $8",
        ]);
        let (after, until) = query.modified.unzip();
        let (cursor_stamp, cursor_id) = query.cursor.clone().unzip();
        let mut reader = self.db.read().await?;
        macro_rules! bound {
            () => {
                sqlx::query(AssertSqlSafe(sql))
                    .bind(query.application_id)
                    .bind(query.customer_id)
                    .bind(query.provider.as_str())
                    .bind(after)
                    .bind(until)
                    .bind(cursor_stamp)
                    .bind(cursor_id)
                    .bind(query.limit)
            };
        }
        match reader.connection() {
            db::Connection::Pg(c) => {
                let rows = bound!().fetch_all(c).await?;
                rows.iter().map(|row| Ok(pg_row(row)?)).collect()
            }
            db::Connection::Lite(c) => {
                let rows = bound!().fetch_all(c).await?;
                rows.iter().map(|row| Ok(lite_row(row)?)).collect()
            }
        }
    }

    /// How many rows the query's list has in all.
    pub async fn count_records(
        &self,
        object: Object,
        query: &RecordQuery<'_>,
    ) -> Result<i64, StoreError> {
        let sql = format!("SELECT count(*) FROM {}{}", object.table(), filter(query));
        let (after, until) = query.modified.unzip();
        let mut reader = self.db.read().await?;
        Ok(run!(reader, |c| sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(query.application_id)
            .bind(query.customer_id)
            .bind(query.provider.as_str())
            .bind(after)
            .bind(until)
            .fetch_one(c)
            .await)?)
    }

    pub async fn get_record<T: Table>(
        &self,
        application_id: &str,
        customer_id: &str,
        provider: ProviderName,
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
                    .bind(application_id)
                    .bind(customer_id)
                    .bind(provider.as_str())
                    .bind(id)
            };
        }
        Ok(match reader.connection() {
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

    /// The newest change of an object of a connection: everything up to it is committed, because
    /// stamps are given in commit order. `None` when the object isn't synced.
    pub async fn newest_stamp(
        &self,
        connection_id: &str,
        object: Object,
    ) -> Result<Option<Time>, StoreError> {
        const SQL: &str =
            "SELECT last_stamp_ms FROM syncs WHERE connection_id = $1 AND object = $2";
        let mut reader = self.db.read().await?;
        let stamp: Option<i64> = run!(reader, |c| sqlx::query_scalar(SQL)
            .bind(connection_id)
            .bind(object.as_str())
            .fetch_optional(c)
            .await)?;
        Ok(stamp.and_then(Time::from_timestamp_millis))
    }
}

fn select<T: Table>(with_raw_data: bool) -> String {
    let mut sql =
        String::from("SELECT id, created_at, updated_at, is_deleted, deleted_at, last_modified_at");
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

/// $1 to $5: the connection, then the bounds of `modified`.
fn filter(query: &RecordQuery<'_>) -> String {
    let mut sql =
        String::from(" WHERE application_id = $1 AND customer_id = $2 AND provider_name = $3");
    if query.modified.is_some() {
        sql.push_str(" AND last_modified_at > $4 AND last_modified_at <= $5");
    } else if !query.include_deleted {
        sql.push_str(" AND NOT is_deleted");
    }
    sql
}

macro_rules! row {
    ($row:expr, $fields:expr) => {
        Row {
            id: $row.try_get("id")?,
            fields: $fields?,
            created_at: $row.try_get("created_at")?,
            updated_at: $row.try_get("updated_at")?,
            is_deleted: $row.try_get("is_deleted")?,
            deleted_at: $row.try_get("deleted_at")?,
            last_modified_at: $row.try_get("last_modified_at")?,
            raw_data: match $row.try_get::<Json<Box<RawValue>>, _>("raw_data") {
                Ok(raw) => Some(raw.0),
                Err(sqlx::Error::ColumnNotFound(_)) => None,
                Err(error) => return Err(error),
            },
        }
    };
}

fn pg_row<T: Table>(row: &PgRow) -> sqlx::Result<Row<T>> {
    Ok(row!(row, T::from_pg(row)))
}

fn lite_row<T: Table>(row: &SqliteRow) -> sqlx::Result<Row<T>> {
    Ok(row!(row, T::from_lite(row)))
}
