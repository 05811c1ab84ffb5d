//! Writes records to rows.
//!
//! A page first asks which of its ids have another hash and writes only those, so a page without
//! changes writes nothing. All rows of an object in a transaction get the same stamp
//! (`last_modified_at`), see `change_feed`.

use std::collections::{HashMap, HashSet};

use chrono::TimeDelta;
use serde_json::value::RawValue;
use sqlx::{AssertSqlSafe, types::Json};
use sqlx_macros::FromRow;
use syncline_model::{Object, Record, Time, event::ConnectionRef};

use super::{
    tables::Table,
    upsert::{Source, upsert, upsert_all_but_refused},
};
use crate::{
    Connection, Store, StoreError,
    db::{self, Tx, run},
    history::{HistoryEntry, NO_RUN},
    key_set::KeySet,
    timestamp::{Timestamp, at},
};

/// How a page's records differ from the stored rows.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) created: i64,
    pub(crate) updated: i64,
    pub(crate) unchanged: i64,
    /// The indexes in the page of the records to write.
    pub(super) indexes: Vec<usize>,
    /// Those of them without a row.
    new: HashSet<usize>,
    /// The indexes of unchanged records whose rows have a hash of an earlier version.
    rehashed: Vec<usize>,
    /// Records whose presence changed: they were deleted, or they are back.
    turned: Vec<PresenceChange>,
}

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
    /// Skip records that the database refuses, instead of failing as a whole.
    pub(crate) without_refused: bool,
}

/// A record whose deletion state differs from the row's.
#[derive(Debug)]
struct PresenceChange {
    index: usize,
    is_deleted: bool,
}

#[derive(FromRow)]
struct Known {
    id: String,
    content_hash: i64,
    is_deleted: bool,
    updated_at: Option<Timestamp>,
    last_modified_at: Option<Timestamp>,
    written_at: Option<Timestamp>,
    write_asked_at: Option<Timestamp>,
}

/// The source of records that are compared with their rows.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Origin {
    /// A page of a list that was requested at this time. It may be outdated.
    Page { asked_at: Time },
    /// The provider's response to a write that was sent at this time.
    Write { asked_at: Time },
    /// The row itself, of which less is stored from now on.
    Policy,
}

impl Origin {
    /// The latest time of callers' writes that a page overwrites.
    pub(super) fn cutoff(self) -> Option<Time> {
        match self {
            Self::Page { asked_at } => Some(asked_at - INDEX_LAG),
            Self::Write { .. } | Self::Policy => None,
        }
    }
}

/// How long after a write through the unified API a page may still show the state before it,
/// because search indexes lag.
pub(crate) const INDEX_LAG: TimeDelta = TimeDelta::minutes(2);

impl Store {
    /// Checks which records have another hash than their rows, or no row yet.
    pub(crate) async fn compare<T: Table>(
        &self,
        tx: &mut Tx,
        connection: &ConnectionRef,
        records: &[Record<T>],
        origin: Origin,
    ) -> Result<Changes, StoreError> {
        let mut changes = Changes::default();
        if records.is_empty() {
            return Ok(changes);
        }
        let mut known = known_rows::<T>(tx, connection, records).await?;
        let latest = self.latest_stamp();
        for row in known.values_mut() {
            row.ignore_the_future(latest);
        }
        for (index, record) in last_of_each_id(records) {
            let was_deleted = match known.get(&record.id) {
                None => {
                    changes.created += 1;
                    changes.new.insert(index);
                    false
                }
                Some(row) if row.has_content(record) || row.is_newer_than(record, origin) => {
                    changes.unchanged += 1;
                    if row.has_former_hash_of(record) {
                        changes.rehashed.push(index);
                    }
                    continue;
                }
                Some(row) => {
                    changes.updated += 1;
                    row.is_deleted
                }
            };
            changes.indexes.push(index);
            if was_deleted != record.is_deleted {
                changes.turned.push(PresenceChange {
                    index,
                    is_deleted: record.is_deleted,
                });
            }
        }
        Ok(changes)
    }

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
        let refused = if writing.without_refused {
            upsert_all_but_refused(tx, &source, &to_write).await?
        } else {
            upsert(tx, &source, &to_write).await?;
            Vec::new()
        };
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

impl Known {
    /// Timestamps of a clock that was ahead say nothing about the order of events.
    fn ignore_the_future(&mut self, latest: Time) {
        for stamp in [
            &mut self.last_modified_at,
            &mut self.written_at,
            &mut self.write_asked_at,
        ] {
            stamp.take_if(|stamp| stamp.0 > latest);
        }
    }

    fn has_content<T>(&self, record: &Record<T>) -> bool {
        let is_same = self.content_hash == record.hash || self.has_former_hash_of(record);
        is_same && self.is_deleted == record.is_deleted
    }

    /// Whether a page has shown a state newer than the write's response, after the write was sent.
    /// A write's own `updated_at` is not enough: the next write may be answered by a server whose
    /// clock is behind.
    fn has_newer_page_state(&self, asked_at: Time, updated_at: Option<Time>) -> bool {
        let Some(Timestamp(recorded)) = self.last_modified_at else {
            return false;
        };
        let by_a_write = self.written_at.is_some_and(|written| written.0 >= recorded);
        let newer = updated_at.is_some() && self.updated_at.map(Into::into) > updated_at;
        recorded > asked_at && !by_a_write && newer
    }

    fn has_former_hash_of<T>(&self, record: &Record<T>) -> bool {
        record.former_hash == Some(self.content_hash)
    }

    fn is_newer_than<T>(&self, record: &Record<T>, origin: Origin) -> bool {
        match origin {
            // It was written through the unified API so recently that the page may be outdated.
            Origin::Page { asked_at } => {
                let newer = record.updated_at > self.updated_at.map(Into::into);
                !newer
                    && self
                        .written_at
                        .is_some_and(|written| asked_at < written.0 + INDEX_LAG)
            }
            // The responses of two writes may arrive in the other order.
            Origin::Write { asked_at } => {
                self.write_asked_at.is_some_and(|other| other.0 > asked_at)
                    || self.has_newer_page_state(asked_at, record.updated_at)
            }
            Origin::Policy => false,
        }
    }
}

/// The records with their indexes. A page may contain a record twice (it moved while the page was
/// built): the later one counts.
fn last_of_each_id<T>(records: &[Record<T>]) -> impl Iterator<Item = (usize, &Record<T>)> {
    let indexes: HashMap<&str, usize> = records
        .iter()
        .enumerate()
        .map(|(index, record)| (record.id.as_str(), index))
        .collect();
    records
        .iter()
        .enumerate()
        .filter(move |(index, record)| indexes[record.id.as_str()] == *index)
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

async fn known_rows<T: Table>(
    tx: &mut Tx,
    connection: &ConnectionRef,
    records: &[Record<T>],
) -> Result<HashMap<String, Known>, StoreError> {
    let table = T::OBJECT.table();
    let ids: Vec<&str> = records.iter().map(|record| record.id.as_str()).collect();
    let rows: Vec<Known> = match tx.connection()? {
        // A join with the array would scan the tenant's whole prefix while the table has no
        // statistics; LATERAL makes each id a separate look-up by the full key.
        db::Connection::Pg(c) => {
            let sql = format!(
                "SELECT r.* FROM UNNEST($4::text[]) AS wanted (id)
                 CROSS JOIN LATERAL (
                    SELECT id, content_hash, is_deleted, updated_at, last_modified_at,
                        written_at, write_asked_at FROM {table}
                    WHERE application_id = $1 AND customer_id = $2 AND provider_name = $3
                      AND id = wanted.id LIMIT 1) AS r"
            );
            sqlx::query_as(AssertSqlSafe(sql))
                .bind(&connection.application_id)
                .bind(&connection.customer_id)
                .bind(connection.provider.as_str())
                .bind(ids)
                .fetch_all(c)
                .await?
        }
        db::Connection::Lite(c) => {
            let sql = format!(
                "SELECT id, content_hash, is_deleted, updated_at, last_modified_at,
                        written_at, write_asked_at FROM {table}
                 WHERE application_id = $1 AND customer_id = $2 AND provider_name = $3
                   AND id IN (SELECT key FROM json_each($4))"
            );
            sqlx::query_as(AssertSqlSafe(sql))
                .bind(&connection.application_id)
                .bind(&connection.customer_id)
                .bind(connection.provider.as_str())
                .bind(KeySet::new(&ids))
                .fetch_all(c)
                .await?
        }
    };
    Ok(rows.into_iter().map(|row| (row.id.clone(), row)).collect())
}
