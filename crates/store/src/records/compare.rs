//! Compares records with their rows: which are new, changed or unchanged.

use std::collections::{HashMap, HashSet};

use chrono::TimeDelta;
use sqlx::AssertSqlSafe;
use sqlx_macros::FromRow;
use syncline_model::{Record, Time, event::ConnectionRef};

use super::tables::Table;
use crate::{
    Store, StoreError,
    db::{self, Tx},
    key_set::KeySet,
    timestamp::Timestamp,
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
    pub(super) new: HashSet<usize>,
    /// The indexes of unchanged records whose rows have a hash of an earlier version.
    pub(super) rehashed: Vec<usize>,
    /// Records whose presence changed: they were deleted, or they are back.
    pub(super) turned: Vec<PresenceChange>,
}

/// A record whose deletion state differs from the row's.
#[derive(Debug)]
pub(super) struct PresenceChange {
    pub(super) index: usize,
    pub(super) is_deleted: bool,
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
