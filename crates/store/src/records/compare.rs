//! Compares records with their rows: which are new, changed or unchanged.
//!
//! The database compares the hashes, so of unchanged records it sends nothing, and of all new ones of
//! an object one row.

use std::collections::{HashMap, HashSet};

use chrono::TimeDelta;
use sqlx::{AssertSqlSafe, types::Json};
use sqlx_macros::FromRow;
use syncline_model::{Object, Record, Time, event::ConnectionRef};

use super::tables::Table;
use crate::{
    Store, StoreError,
    db::{self, Tx},
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

/// What one object's records are compared by. A page may contain a record twice (it moved while the
/// page was built): the later one counts.
pub(crate) struct Fingerprints<'r> {
    object: Object,
    /// The records' indexes in the page.
    indexes: Vec<usize>,
    ids: Vec<&'r str>,
    hashes: Vec<i64>,
    are_deleted: Vec<bool>,
}

/// One object's records that have another fingerprint than their rows, or no row.
#[derive(Debug)]
pub(crate) struct Differences {
    unchanged: usize,
    /// With the records' indexes in the page.
    rows: Vec<(usize, Option<Known>)>,
}

/// The row of a record.
#[derive(Debug, Clone)]
struct Known {
    content_hash: i64,
    is_deleted: bool,
    updated_at: Option<Timestamp>,
    last_modified_at: Option<Timestamp>,
    written_at: Option<Timestamp>,
    write_asked_at: Option<Timestamp>,
}

/// The positions of records among those that are compared of their object, and what their rows have,
/// if they have rows.
#[derive(FromRow)]
struct Different {
    object: i64,
    positions: Json<Vec<usize>>,
    content_hash: Option<i64>,
    is_deleted: Option<bool>,
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
        let compared = [Fingerprints::of(records)];
        let differences = self.differences(tx, connection, &compared).await?;
        Ok(Changes::of(records, &differences[0], origin))
    }

    /// Compares several objects' records with their rows in one statement. The result is in the order
    /// of what is compared.
    pub(crate) async fn differences(
        &self,
        tx: &mut Tx,
        connection: &ConnectionRef,
        compared: &[Fingerprints<'_>],
    ) -> Result<Vec<Differences>, StoreError> {
        let rows = differing_rows(tx, connection, compared).await?;
        let latest = self.latest_stamp();
        let mut of_each: Vec<_> = compared
            .iter()
            .map(|of_object| Differences {
                unchanged: of_object.ids.len(),
                rows: Vec::new(),
            })
            .collect();
        for row in rows {
            let object = usize::try_from(row.object).expect("objects are counted from 0");
            let (known, differences) = (row.known(latest), &mut of_each[object]);
            differences.unchanged -= row.positions.len();
            let in_page = row.positions.iter().map(|at| compared[object].indexes[*at]);
            differences
                .rows
                .extend(in_page.map(|index| (index, known.clone())));
        }
        for differences in &mut of_each {
            differences.rows.sort_unstable_by_key(|(index, _)| *index);
        }
        Ok(of_each)
    }
}

impl<'r> Fingerprints<'r> {
    pub(crate) fn of<T: Table>(records: &'r [Record<T>]) -> Self {
        let last_of_each_id: HashMap<&str, usize> = records
            .iter()
            .enumerate()
            .map(|(index, record)| (record.id.as_str(), index))
            .collect();
        let mut of_object = Self {
            object: T::OBJECT,
            indexes: Vec::with_capacity(records.len()),
            ids: Vec::with_capacity(records.len()),
            hashes: Vec::with_capacity(records.len()),
            are_deleted: Vec::with_capacity(records.len()),
        };
        for (index, record) in records.iter().enumerate() {
            if last_of_each_id[record.id.as_str()] == index {
                of_object.indexes.push(index);
                of_object.ids.push(&record.id);
                of_object.hashes.push(record.hash);
                of_object.are_deleted.push(record.is_deleted);
            }
        }
        of_object
    }

    /// For SQLite's `json_each`: an array with an array for each record.
    fn as_json(&self) -> Json<Vec<(&str, i64, bool)>> {
        let of_each = self.ids.iter().zip(&self.hashes).zip(&self.are_deleted);
        Json(
            of_each
                .map(|((id, hash), is_deleted)| (*id, *hash, *is_deleted))
                .collect(),
        )
    }
}

impl Changes {
    pub(crate) fn of<T>(records: &[Record<T>], differences: &Differences, origin: Origin) -> Self {
        let mut changes = Self {
            unchanged: i64::try_from(differences.unchanged).unwrap_or(i64::MAX),
            ..Self::default()
        };
        for (index, row) in &differences.rows {
            let (index, record) = (*index, &records[*index]);
            let was_deleted = match row {
                None => {
                    changes.created += 1;
                    changes.new.insert(index);
                    false
                }
                Some(row)
                    if row.has_former_content_of(record) || row.is_newer_than(record, origin) =>
                {
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
        changes
    }

    /// The records to write, divided into those without a row and those with one.
    pub(super) fn new_and_others<'r, T>(
        &self,
        to_write: &[&'r Record<T>],
    ) -> (Vec<&'r Record<T>>, Vec<&'r Record<T>>) {
        let (mut new, mut others) = (Vec::new(), Vec::new());
        for (record, index) in to_write.iter().zip(&self.indexes) {
            if self.new.contains(index) {
                new.push(*record);
            } else {
                others.push(*record);
            }
        }
        (new, others)
    }
}

impl Different {
    /// Timestamps of a clock that was ahead say nothing about the order of events.
    fn known(&self, latest: Time) -> Option<Known> {
        let not_ahead = |stamp: Option<Timestamp>| stamp.filter(|stamp| stamp.0 <= latest);
        Some(Known {
            content_hash: self.content_hash?,
            is_deleted: self.is_deleted?,
            updated_at: self.updated_at,
            last_modified_at: not_ahead(self.last_modified_at),
            written_at: not_ahead(self.written_at),
            write_asked_at: not_ahead(self.write_asked_at),
        })
    }
}

impl Known {
    /// Whether an earlier version wrote the same. What this version wrote, the database has compared.
    fn has_former_content_of<T>(&self, record: &Record<T>) -> bool {
        self.has_former_hash_of(record) && self.is_deleted == record.is_deleted
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

/// The records without a row of the same content, in no order. Those whose rows have the same, which
/// are mostly those without rows, are one.
async fn differing_rows(
    tx: &mut Tx,
    connection: &ConnectionRef,
    compared: &[Fingerprints<'_>],
) -> Result<Vec<Different>, StoreError> {
    if compared.iter().all(|of_object| of_object.ids.is_empty()) {
        return Ok(Vec::new());
    }
    match tx.connection()? {
        db::Connection::Pg(c) => {
            let mut query = sqlx::query_as(AssertSqlSafe(postgres_comparison(compared)))
                .bind(&connection.application_id)
                .bind(&connection.customer_id)
                .bind(connection.provider.as_str());
            for of_object in compared {
                query = query
                    .bind(&of_object.ids)
                    .bind(&of_object.hashes)
                    .bind(&of_object.are_deleted);
            }
            Ok(query.fetch_all(c).await?)
        }
        db::Connection::Lite(c) => {
            let mut query = sqlx::query_as(AssertSqlSafe(sqlite_comparison(compared)))
                .bind(&connection.application_id)
                .bind(&connection.customer_id)
                .bind(connection.provider.as_str());
            for of_object in compared {
                query = query.bind(of_object.as_json());
            }
            Ok(query.fetch_all(c).await?)
        }
    }
}

/// A join with the arrays would scan the tenant's whole prefix while the table has no statistics;
/// LATERAL makes each id a separate look-up by the full key.
fn postgres_comparison(compared: &[Fingerprints<'_>]) -> String {
    of_each_object(compared, |object, table| {
        let [ids, hashes, are_deleted] = [4, 5, 6].map(|parameter| parameter + 3 * object);
        format!(
            "SELECT {object}::bigint AS object, json_agg(compared.number - 1) AS positions, r.*
             FROM UNNEST(${ids}::text[], ${hashes}::bigint[], ${are_deleted}::boolean[])
                WITH ORDINALITY AS compared (id, hash, is_deleted, number)
             LEFT JOIN LATERAL (
                SELECT content_hash, is_deleted, updated_at, last_modified_at, written_at,
                    write_asked_at FROM {table}
                WHERE application_id = $1 AND customer_id = $2 AND provider_name = $3
                  AND id = compared.id LIMIT 1) AS r ON true
             WHERE (r.content_hash = compared.hash AND r.is_deleted = compared.is_deleted)
                IS NOT TRUE
             GROUP BY 3, 4, 5, 6, 7, 8"
        )
    })
}

fn sqlite_comparison(compared: &[Fingerprints<'_>]) -> String {
    of_each_object(compared, |object, table| {
        let records = 4 + object;
        format!(
            "SELECT {object} AS object, json_group_array(compared.key) AS positions,
                r.content_hash, r.is_deleted, r.updated_at, r.last_modified_at, r.written_at,
                r.write_asked_at
             FROM json_each(${records}) AS compared
             LEFT JOIN {table} AS r
                ON r.application_id = $1 AND r.customer_id = $2 AND r.provider_name = $3
               AND r.id = compared.value ->> 0
             WHERE (r.content_hash = compared.value ->> 1 AND r.is_deleted = compared.value ->> 2)
                IS NOT TRUE
             GROUP BY 3, 4, 5, 6, 7, 8"
        )
    })
}

fn of_each_object(compared: &[Fingerprints<'_>], select: impl Fn(usize, &str) -> String) -> String {
    let selects: Vec<_> = compared
        .iter()
        .enumerate()
        .map(|(index, of_object)| select(index, of_object.object.table()))
        .collect();
    selects.join(" UNION ALL ")
}
