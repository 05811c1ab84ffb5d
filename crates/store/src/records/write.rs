//! Writes records to rows.
//!
//! Only records that differ from their rows are written (`compare`), so a page without changes writes
//! nothing. All rows of an object in a transaction get the same stamp (`last_modified_at`), see
//! `change_feed`.

use std::collections::HashMap;

use serde_json::value::RawValue;
use sqlx::{AssertSqlSafe, types::Json};
use syncline_model::{Object, Record, Time, event::ConnectionRef};

use super::{
    compare::{Changes, Origin, PresenceChange},
    copy::copy_new,
    tables::Table,
    upsert::{Source, upsert, upsert_all_but_refused},
};
use crate::{
    Connection, Store, StoreError,
    db::{Tx, run},
    history::{HistoryEntry, NO_RUN},
    key_set::KeySet,
    timestamp::at,
};

/// Records that the database refused.
#[derive(Debug, Default)]
pub(crate) struct RefusedRecords {
    /// `(id, reason)`.
    pub(crate) records: Vec<(String, String)>,
    pub(crate) new: i64,
}

/// How and for whom changes are written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Writing<'a> {
    pub(crate) run_id: Option<&'a str>,
    pub(crate) origin: Origin,
    pub(crate) way: Way,
}

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// New ones by `COPY` on PostgreSQL. It fails if one has got a row since it was compared.
    Copy,
    Upsert,
    /// Skipping the records that the database refuses, instead of failing as a whole.
    UpsertAllButRefused,
}

impl Store {
    /// Writes the changed records under one stamp, and returns it.
    pub(crate) async fn write_changes<T: Table>(
        &self,
        tx: &mut Tx,
        connection: &ConnectionRef,
        writing: Writing<'_>,
        records: &[Record<T>],
        changes: &Changes,
    ) -> Result<(Option<Time>, RefusedRecords), StoreError> {
        if !changes.rehashed.is_empty() {
            let rehashed = changes.rehashed.iter().map(|index| &records[*index]);
            self.lock_feed(tx, &connection.connection_id).await?;
            rehash(tx, connection, rehashed).await?;
        }
        if changes.indexes.is_empty() {
            return Ok((None, RefusedRecords::default()));
        }
        let to_write: Vec<_> = changes
            .indexes
            .iter()
            .map(|index| &records[*index])
            .collect();
        let stamp = self.take_stamp(tx, &connection.connection_id).await?;
        let source = Source {
            connection,
            run_id: writing.run_id,
            stamp,
            origin: writing.origin,
            latest_stamp: self.latest_stamp(),
        };
        let mut refused = Vec::new();
        match writing.way {
            Way::Copy => copy_new(tx, &source, &to_write, changes).await?,
            Way::Upsert => upsert(tx, &source, &to_write).await?,
            Way::UpsertAllButRefused => {
                refused = upsert_all_but_refused(tx, &source, &to_write).await?;
            }
        }
        let kept_out: HashMap<usize, String> = refused
            .into_iter()
            .map(|refused| (changes.indexes[refused.index], refused.reason))
            .collect();
        let written = |turned: &&PresenceChange| !kept_out.contains_key(&turned.index);
        for PresenceChange { index, is_deleted } in changes.turned.iter().filter(written) {
            let entry = if *is_deleted {
                HistoryEntry::new("deleted", "the provider marks it as deleted")
            } else {
                HistoryEntry::new("restored", "the provider shows it again")
            };
            let ids = [records[*index].id.as_str()];
            let run_id = writing.run_id.unwrap_or(NO_RUN);
            self.write_history(tx, connection, T::OBJECT, run_id, &ids, &entry)
                .await?;
        }
        Ok((Some(stamp), changes.kept_out(records, kept_out)))
    }

    /// Marks rows as deleted and returns the ids of those that were live. Their `missing_records`
    /// entries are removed. Rows that callers wrote after `unless_written_after` are left alone,
    /// because the deletion was determined before that write.
    pub(crate) async fn mark_deleted(
        &self,
        tx: &mut Tx,
        connection: &ConnectionRef,
        (object, stamp): (Object, Time),
        ids: &[&str],
        unless_written_after: Option<Time>,
    ) -> Result<Vec<String>, StoreError> {
        const KNOWN: &str = "
            DELETE FROM missing_records
            WHERE connection_id = $1 AND object = $2
              AND record_id IN (SELECT key FROM json_each($3))";
        let sql = format!(
            "UPDATE {} SET is_deleted = true, deleted_at = $5, last_modified_at = $5
             WHERE application_id = $1 AND customer_id = $2 AND provider_name = $3
               AND id IN (SELECT key FROM json_each($4)) AND NOT is_deleted
               AND (written_at IS NULL OR CAST($6 AS {}) IS NULL OR written_at <= $6
                    OR written_at > $7)
             RETURNING id",
            object.table(),
            // SQLite would cast a time to a number.
            if tx.is_postgres() {
                "timestamptz"
            } else {
                "text"
            }
        );
        let marked: Vec<String> = run!(tx, |c| sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(&connection.application_id)
            .bind(&connection.customer_id)
            .bind(connection.provider.as_str())
            .bind(KeySet::new(ids))
            .bind(at(stamp))
            .bind(at(unless_written_after))
            .bind(at(self.latest_stamp()))
            .fetch_all(c)
            .await)?;
        run!(tx, |c| sqlx::query(KNOWN)
            .bind(&connection.connection_id)
            .bind(object.as_str())
            .bind(KeySet::new(ids))
            .execute(c)
            .await
            .map(drop))?;
        Ok(marked)
    }

    /// Deletes a connection's rows of one object.
    pub(crate) async fn delete_records(
        &self,
        tx: &mut Tx,
        connection: &Connection,
        object: Object,
    ) -> Result<(), StoreError> {
        let sql = format!(
            "DELETE FROM {} WHERE customer_id = $1 AND connection_id = $2",
            object.table()
        );
        run!(tx, |c| sqlx::query(AssertSqlSafe(sql))
            .bind(&connection.customer_id)
            .bind(&connection.id)
            .execute(c)
            .await
            .map(drop))?;
        Ok(())
    }

    pub(crate) async fn raw_data_of(
        &self,
        connection: &ConnectionRef,
        object: Object,
        ids: &[String],
    ) -> Result<HashMap<String, Box<RawValue>>, StoreError> {
        let sql = format!(
            "SELECT id, raw_data FROM {}
             WHERE application_id = $1 AND customer_id = $2 AND provider_name = $3
               AND id IN (SELECT key FROM json_each($4))",
            object.table()
        );
        let mut reader = self.db.read().await?;
        let rows: Vec<(String, Json<Box<RawValue>>)> =
            run!(reader, |c| sqlx::query_as(AssertSqlSafe(sql))
                .bind(&connection.application_id)
                .bind(&connection.customer_id)
                .bind(connection.provider.as_str())
                .bind(KeySet::new(ids))
                .fetch_all(c)
                .await)?;
        Ok(rows.into_iter().map(|(id, raw)| (id, raw.0)).collect())
    }
}

impl Changes {
    fn kept_out<T>(
        &self,
        records: &[Record<T>],
        refused: HashMap<usize, String>,
    ) -> RefusedRecords {
        let new = refused.keys().filter(|index| self.new.contains(index));
        RefusedRecords {
            new: i64::try_from(new.count()).unwrap_or(i64::MAX),
            records: refused
                .into_iter()
                .map(|(index, reason)| (records[index].id.clone(), reason))
                .collect(),
        }
    }
}

/// Updates the hashes of rows that an earlier version wrote and whose content is unchanged. Their
/// stamps don't change. Rows are written under the lock of the feed, which the caller has taken.
async fn rehash<'r, T: Table>(
    tx: &mut Tx,
    connection: &ConnectionRef,
    records: impl Iterator<Item = &'r Record<T>>,
) -> Result<(), StoreError> {
    let sql = format!(
        "UPDATE {} AS t SET content_hash = CAST(CAST(h.value AS text) AS bigint)
         FROM json_each($4) AS h
         WHERE t.application_id = $1 AND t.customer_id = $2 AND t.provider_name = $3
           AND t.id = h.key",
        T::OBJECT.table()
    );
    let hashes = KeySet::with_numbers(records.map(|record| (record.id.as_str(), record.hash)));
    run!(tx, |c| sqlx::query(AssertSqlSafe(sql))
        .bind(&connection.application_id)
        .bind(&connection.customer_id)
        .bind(connection.provider.as_str())
        .bind(hashes)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}
