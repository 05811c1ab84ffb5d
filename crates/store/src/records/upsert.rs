//! The upsert of records: new rows, and changed ones.

use std::fmt::Write as _;

use sqlx::{AssertSqlSafe, QueryBuilder, Sqlite, types::Json};
use syncline_model::{Record, Time, event::ConnectionRef};

use super::{compare::Origin, tables::Table};
use crate::{
    StoreError,
    db::{self, Tx},
    timestamp::at,
};

/// The columns of every table, in the order in which they are bound.
const COMMON: [(&str, &str); 6] = [
    ("id", "text[]"),
    ("created_at", "timestamptz[]"),
    ("updated_at", "timestamptz[]"),
    ("is_deleted", "boolean[]"),
    ("content_hash", "bigint[]"),
    ("raw_data", "jsonb[]"),
];

/// Where a page's rows come from, and their stamp.
pub(super) struct Source<'a> {
    pub(super) connection: &'a ConnectionRef,
    pub(super) run_id: Option<&'a str>,
    pub(super) stamp: Time,
    pub(super) origin: Origin,
    /// A later timestamp was written by a clock that was ahead.
    pub(super) latest_stamp: Time,
}

/// PostgreSQL gets a page as one array per column, SQLite as a list of values, because that is the
/// fastest way for each to write rows that may exist.
pub(super) async fn upsert<T: Table>(
    tx: &mut Tx,
    source: &Source<'_>,
    records: &[&Record<T>],
) -> Result<(), StoreError> {
    let Source {
        connection,
        run_id,
        stamp,
        origin,
        latest_stamp,
    } = *source;
    match tx.connection()? {
        db::Connection::Pg(c) => {
            let query = sqlx::query(AssertSqlSafe(postgres_upsert::<T>(origin)))
                .bind(&connection.application_id)
                .bind(&connection.customer_id)
                .bind(connection.provider.as_str())
                .bind(&connection.connection_id)
                .bind(run_id)
                .bind(at(stamp))
                .bind(column(records, |record| record.id.as_str()))
                .bind(column(records, |record| at(record.created_at)))
                .bind(column(records, |record| at(record.updated_at)))
                .bind(column(records, |record| record.is_deleted))
                .bind(column(records, |record| record.hash))
                .bind(column(records, |record| Json(&*record.raw)));
            let mut query = T::bind_arrays(query, records);
            if let Some(cutoff) = origin.cutoff() {
                query = query.bind(at(cutoff)).bind(at(latest_stamp));
            }
            query.execute(c).await?;
        }
        db::Connection::Lite(c) => {
            for chunk in records.chunks((SQLITE_VARIABLES - 2) / num_columns::<T>()) {
                sqlite_upsert(source, chunk)
                    .build()
                    .execute(&mut *c)
                    .await?;
            }
        }
    }
    Ok(())
}

/// A record that the database refuses: its index, and the reason.
pub(crate) struct Refused {
    pub(crate) index: usize,
    pub(crate) reason: String,
}

/// Writes the records that the database accepts. If it refuses a batch, the batch is split in half
/// until the refused records are found.
pub(super) async fn upsert_all_but_refused<T: Table>(
    tx: &mut Tx,
    source: &Source<'_>,
    records: &[&Record<T>],
) -> Result<Vec<Refused>, StoreError> {
    let mut refused = Vec::new();
    let mut parts = vec![(0, records)];
    while let Some((first, part)) = parts.pop() {
        tx.savepoint().await?;
        let error = match upsert(tx, source, part).await {
            Ok(()) => {
                tx.release_savepoint().await?;
                continue;
            }
            Err(error) if error.refuses_data() => error,
            Err(error) => return Err(error),
        };
        tx.rollback_to_savepoint().await?;
        if part.len() == 1 {
            let reason = error.refusal();
            let index = first;
            refused.push(Refused { index, reason });
        } else {
            let (one, other) = part.split_at(part.len() / 2);
            parts.extend([(first, one), (first + one.len(), other)]);
        }
    }
    Ok(refused)
}

/// The maximum number of variables in a statement on SQLite.
const SQLITE_VARIABLES: usize = 32_766;

fn sqlite_upsert<'r, T: Table>(
    source: &'r Source<'_>,
    records: &[&'r Record<T>],
) -> QueryBuilder<Sqlite> {
    let Source {
        connection,
        run_id,
        stamp,
        origin,
        latest_stamp,
    } = *source;
    let mut query = QueryBuilder::<Sqlite>::new(format!("INSERT INTO {} VALUES ", target::<T>()));
    for (index, record) in records.iter().enumerate() {
        query.push(if index == 0 { "(" } else { ", (" });
        let mut values = query.separated(", ");
        values
            .push_bind(&connection.application_id)
            .push_bind(&connection.customer_id)
            .push_bind(connection.provider.as_str())
            .push_bind(&connection.connection_id)
            .push_bind(run_id)
            .push_bind(at(stamp))
            .push_bind(at(stamp))
            .push_bind(at(record.is_deleted.then_some(stamp)))
            .push_bind(&record.id)
            .push_bind(at(record.created_at))
            .push_bind(at(record.updated_at))
            .push_bind(record.is_deleted)
            .push_bind(record.hash)
            .push_bind(record.raw.get());
        T::push_values(&mut values, &record.fields);
        query.push(")");
    }
    query.push(on_conflict::<T>());
    if let Some(cutoff) = origin.cutoff() {
        let [cutoff_test, latest_test, rest] = overwrites::<T>();
        query
            .push(cutoff_test)
            .push_bind(at(cutoff))
            .push(latest_test)
            .push_bind(at(latest_stamp))
            .push(rest);
    }
    query
}

fn column<'r, T, V>(records: &[&'r Record<T>], value: impl Fn(&'r Record<T>) -> V) -> Vec<V> {
    records.iter().map(|record| value(record)).collect()
}

/// The number of columns in [`target`].
pub(super) fn num_columns<T: Table>() -> usize {
    const OF_THE_CONNECTION: usize = 8;
    OF_THE_CONNECTION + own_columns::<T>().count()
}

fn own_columns<T: Table>() -> impl Iterator<Item = (&'static str, &'static str)> {
    COMMON.into_iter().chain(
        T::COLUMNS
            .iter()
            .map(|column| (column.name, column.array_type)),
    )
}

/// The table with the columns that are written, in the order of their values.
pub(super) fn target<T: Table>() -> String {
    let mut target = format!(
        "{} (application_id, customer_id, provider_name, connection_id,
            first_seen_by, last_modified_at, first_stored_at, deleted_at",
        T::OBJECT.table()
    );
    for (name, _) in own_columns::<T>() {
        write!(target, ", {name}").expect("writing to a string can't fail");
    }
    target.push(')');
    target
}

fn postgres_upsert<T: Table>(origin: Origin) -> String {
    let names: Vec<_> = own_columns::<T>().map(|(name, _)| name).collect();
    let arrays: Vec<_> = own_columns::<T>()
        .enumerate()
        .map(|(index, (_, array_type))| format!("${}::{array_type}", index + 7))
        .collect();
    let mut sql = format!(
        "INSERT INTO {} SELECT $1, $2, $3, $4, $5, $6, $6, CASE WHEN page.is_deleted THEN $6 END, page.*
         FROM UNNEST({}) AS page ({}){}",
        target::<T>(),
        arrays.join(", "),
        names.join(", "),
        on_conflict::<T>()
    );
    if origin.cutoff().is_some() {
        let [cutoff_test, latest_test, rest] = overwrites::<T>();
        let cutoff = arrays.len() + 7;
        let latest_stamp = cutoff + 1;
        write!(
            sql,
            "{cutoff_test}${cutoff}{latest_test}${latest_stamp}{rest}"
        )
        .expect("writing to a string can't fail");
    }
    sql
}

/// The condition for overwriting a row by a page. It repeats the check of the comparison
/// (`compare.rs`) on the current row, which a caller may have written since. [`Origin::cutoff`] and
/// [`Source::latest_stamp`] go between the parts. A caller's write doesn't need it: it is compared
/// and written under the sync's lock.
fn overwrites<T: Table>() -> [String; 3] {
    let table = T::OBJECT.table();
    [
        format!(" WHERE {table}.written_at IS NULL OR {table}.written_at <= "),
        format!(" OR {table}.written_at > "),
        format!(
            " OR excluded.updated_at > {table}.updated_at
              OR (excluded.updated_at IS NOT NULL AND {table}.updated_at IS NULL)"
        ),
    ]
}

fn on_conflict<T: Table>() -> String {
    let table = T::OBJECT.table();
    let mut sql = format!(
        " ON CONFLICT (application_id, customer_id, provider_name, id) DO UPDATE SET
         connection_id = excluded.connection_id, last_modified_at = excluded.last_modified_at,
         deleted_at = CASE WHEN excluded.is_deleted
            THEN COALESCE({table}.deleted_at, excluded.deleted_at) END,
         restored_at = CASE WHEN {table}.is_deleted AND NOT excluded.is_deleted
            THEN excluded.last_modified_at ELSE {table}.restored_at END"
    );
    for (name, _) in own_columns::<T>().filter(|(name, _)| *name != "id") {
        write!(sql, ", {name} = excluded.{name}").expect("writing to a string can't fail");
    }
    sql
}
