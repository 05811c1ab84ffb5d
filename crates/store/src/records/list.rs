//! Lists with keyset pagination: their statement, and their rows as records or as JSON.
//!
//! A list with `modified_after` takes its upper bound from [`Store::newest_stamp`] on its first page
//! and keeps it in the cursor. The first page of any other list tells that stamp itself. The index behind it begins with `connection_id`: with the columns of the
//! key first, PostgreSQL took it for the key as long as a table had no statistics, and read all of the
//! customer for every record.

use std::fmt::Write as _;

use futures::TryStreamExt;
use sqlx::{
    AssertSqlSafe, Row as _, TypeInfo as _, ValueRef as _, postgres::PgRow, sqlite::SqliteRow,
};
use syncline_model::{Object, Time, time};

use super::{
    json::{Columns, JsonRows},
    read::{Row, lite_row, pg_row, select},
    search::Search,
    tables::Table,
};
use crate::{
    Connection, Store, StoreError,
    batch::{self, Batch},
    db,
    sqlite_rows::SqliteRows,
    timestamp::at,
};

/// A list's statement with its parameters; see `Store::list_sql`.
macro_rules! bound {
    ($sql:expr, $query:expr) => {{
        let (after, until) = $query.modified.unzip();
        let (cursor_stamp, cursor_id) = $query.cursor.clone().unzip();
        let (one, other) = $query.sought();
        sqlx::query(AssertSqlSafe($sql))
            .bind(&$query.connection.application_id)
            .bind(&$query.connection.customer_id)
            .bind($query.connection.provider.as_str())
            .bind(&$query.connection.id)
            .bind(at(after))
            .bind(at(until))
            .bind(at(cursor_stamp))
            .bind(cursor_id)
            .bind($query.limit.saturating_add(1))
            .bind($query.offset)
            .bind(one)
            .bind(other)
    }};
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

    fn most(&self) -> usize {
        usize::try_from(self.limit).unwrap_or(usize::MAX)
    }

    fn tells_newest(&self) -> bool {
        self.cursor.is_none() && self.modified.is_none()
    }
}

impl Store {
    pub async fn list_records<T: Table>(
        &self,
        query: &RecordQuery<'_>,
    ) -> Result<Batch<Row<T>>, StoreError> {
        let sql = self.list_sql(query, &select::<T>(query.include_raw_data));
        let mut reader = self.db.read().await?;
        let most = query.most();
        match reader.connection()? {
            db::Connection::Pg(c) => batch::take_up_to(most, bound!(sql, query).fetch(c), pg_bytes)
                .await?
                .try_map(|row| Ok(pg_row(&row)?)),
            db::Connection::Lite(c) => {
                batch::take_up_to(most, bound!(sql, query).fetch(c), lite_bytes)
                    .await?
                    .try_map(|row| Ok(lite_row(&row)?))
            }
        }
    }

    /// The same rows as JSON, as the API shows them.
    pub async fn list_json<T: Table>(
        &self,
        query: &RecordQuery<'_>,
    ) -> Result<JsonRows, StoreError> {
        let columns = Columns::of::<T>(query.include_raw_data, query.most());
        let mut select = format!("SELECT {}", columns.select());
        if query.tells_newest() {
            write!(select, ", {}", newest_of(T::OBJECT)).expect("writing to a string can't fail");
        }
        write!(select, " FROM {}", T::OBJECT.table()).expect("writing to a string can't fail");
        let sql = self.list_sql(query, &select);
        match self.db.sqlite_rows()? {
            Some(rows) => json_of_sqlite(&rows, sql, query, columns).await,
            None => self.json_of_postgres(sql, query, &columns).await,
        }
    }

    async fn json_of_postgres(
        &self,
        sql: String,
        query: &RecordQuery<'_>,
        columns: &Columns,
    ) -> Result<JsonRows, StoreError> {
        let mut page = columns.page();
        let mut reader = self.db.read().await?;
        if let db::Connection::Pg(c) = reader.connection()? {
            let mut rows = bound!(sql, query).fetch(c);
            while let Some(row) = rows.try_next().await? {
                if query.tells_newest() && page.is_empty() {
                    page.set_newest(row.try_get(NEWEST)?);
                }
                if !columns.push_pg(&mut page, &row)? {
                    if page.len() == query.most() {
                        // The statement's end: with it read, the connection is ready for its next use.
                        rows.try_next().await?;
                    }
                    break;
                }
            }
        }
        Ok(page)
    }

    /// The statement of a list. `bound!` binds its parameters, and [`sqlite_parameters`] does for
    /// `rusqlite`.
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
}

async fn json_of_sqlite(
    rows: &SqliteRows,
    sql: String,
    query: &RecordQuery<'_>,
    columns: Columns,
) -> Result<JsonRows, StoreError> {
    let (texts, numbers) = sqlite_parameters(query);
    let tells_newest = query.tells_newest();
    let read = move |c: &rusqlite::Connection| {
        let mut page = columns.page();
        let mut statement = c.prepare_cached(&sql)?;
        for (name, value) in &texts {
            bind(&mut statement, name, value)?;
        }
        for (name, value) in &numbers {
            bind(&mut statement, name, value)?;
        }
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next()? {
            if tells_newest && page.is_empty() {
                page.set_newest(row.get(NEWEST)?);
            }
            if !columns.push_lite(&mut page, row)? {
                break;
            }
        }
        Ok(page)
    };
    rows.read(read).await
}

const NEWEST: &str = "newest";

/// The newest stamp of the connection `$4` in milliseconds, as [`NEWEST`]; null if the object isn't
/// synced.
fn newest_of(object: Object) -> String {
    format!(
        "(SELECT COALESCE((SELECT last_stamp_ms FROM change_feeds WHERE connection_id = $4), 0)
          FROM syncs WHERE connection_id = $4 AND object = '{object}') AS {NEWEST}"
    )
}

type Parameters<T, const N: usize> = [(&'static str, T); N];

/// The parameters of a list's statement, by their names.
fn sqlite_parameters(
    query: &RecordQuery<'_>,
) -> (Parameters<Option<String>, 10>, Parameters<i64, 2>) {
    let (after, until) = query.modified.unzip();
    let (cursor_stamp, cursor_id) = query.cursor.clone().unzip();
    let (one, other) = query.sought();
    let text = |time: Option<Time>| time.map(time::format);
    let texts = [
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
    (texts, numbers)
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

/// $1 to $4: the connection, by its key and by its id; $5 and $6: the bounds of `modified`. Each
/// order has an index that begins with the columns it filters by.
pub(super) fn filter(query: &RecordQuery<'_>) -> String {
    if query.modified.is_some() {
        return String::from(
            " WHERE customer_id = $2 AND connection_id = $4
                AND last_modified_at > $5 AND last_modified_at <= $6",
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
