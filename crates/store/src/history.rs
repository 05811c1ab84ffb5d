//! The history of a row's presence: when and why it went missing, was deleted or came back.
//!
//! A record that is simply present has no entry. The run that saw it first is stored on the row,
//! the one that saw it last is derived from the pages of runs.

use sqlx_macros::FromRow;
use syncline_model::{Object, Time, event::ConnectionRef};

use crate::{
    Store, StoreError,
    connections::Connection,
    db::{Db, Tx, run},
    key_set::KeySet,
    timestamp::{Timestamp, at},
};

/// Used instead of a run's id for writes through the unified API.
pub(crate) const NO_RUN: &str = "";

/// One kind of entry, for any number of records.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HistoryEntry<'a> {
    /// `missing`, `seen_again`, `held`, `deleted` or `restored`.
    event: &'static str,
    reason: &'a str,
    /// For missing records: the run that saw them last.
    last_seen_by: Option<&'a str>,
}

impl<'a> HistoryEntry<'a> {
    pub(crate) fn new(event: &'static str, reason: &'a str) -> Self {
        Self {
            event,
            reason,
            last_seen_by: None,
        }
    }

    pub(crate) fn missing(last_seen_by: Option<&'a str>) -> Self {
        Self {
            last_seen_by,
            ..Self::new("missing", "a scan that reached its end did not see it")
        }
    }
}

/// A change of a record's presence.
#[derive(Debug, Clone, FromRow)]
pub struct PresenceEvent {
    pub event: String,
    pub reason: String,
    /// Empty for writes through the unified API.
    pub run_id: String,
    pub recorded_at: Timestamp,
}

/// Where a row comes from and how its presence changed.
#[derive(Debug, Clone)]
pub struct Provenance {
    pub is_deleted: bool,
    pub deleted_at: Option<Time>,
    pub last_modified_at: Time,
    /// The run that inserted it; `None` for rows of an earlier version.
    pub first_seen_by: Option<String>,
    /// The newest run whose stored pages contain it.
    pub last_seen_by: Option<String>,
    pub missing_since: Option<Time>,
    /// Oldest first.
    pub events: Vec<PresenceEvent>,
}

#[derive(FromRow)]
struct PresenceRow {
    is_deleted: bool,
    deleted_at: Option<Timestamp>,
    last_modified_at: Timestamp,
    first_seen_by: Option<String>,
    missing_since: Option<Timestamp>,
    /// For records that went missing, whether or not they were then deleted.
    last_seen_by: Option<String>,
}

impl Store {
    pub(crate) async fn write_history(
        &self,
        tx: &mut Tx,
        connection: &ConnectionRef,
        object: Object,
        run_id: &str,
        record_ids: &[&str],
        entry: &HistoryEntry<'_>,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            INSERT INTO record_history
                (id, connection_id, object, record_id, run_id, event, reason, recorded_at,
                 last_seen_by)
            SELECT $1 || '/' || key, $2, $3, key, $4, $5, $6, $7, $9 FROM json_each($8)";
        if record_ids.is_empty() {
            return Ok(());
        }
        let (id, now) = (self.new_id(), self.now());
        run!(tx, |c| sqlx::query(SQL)
            .bind(&id)
            .bind(&connection.connection_id)
            .bind(object.as_str())
            .bind(run_id)
            .bind(entry.event)
            .bind(entry.reason)
            .bind(at(now))
            .bind(KeySet::new(record_ids))
            .bind(entry.last_seen_by)
            .execute(c)
            .await
            .map(drop))?;
        Ok(())
    }

    /// `None` if there is no such row.
    pub async fn provenance(
        &self,
        connection: &Connection,
        object: Object,
        record_id: &str,
    ) -> Result<Option<Provenance>, StoreError> {
        const EVENTS: &str = "
            SELECT event, reason, run_id, recorded_at FROM record_history
            WHERE connection_id = $1 AND object = $2 AND record_id = $3 ORDER BY id";
        let sql = format!(
            "SELECT r.is_deleted, r.deleted_at, r.last_modified_at, r.first_seen_by,
                    m.missing_since,
                    (SELECT h.last_seen_by FROM record_history h
                     WHERE h.connection_id = r.connection_id AND h.object = $5
                       AND h.record_id = r.id AND h.event = 'missing'
                       AND (r.is_deleted OR m.record_id IS NOT NULL)
                     ORDER BY h.id DESC LIMIT 1) AS last_seen_by
             FROM {} r LEFT JOIN missing_records m ON m.connection_id = r.connection_id
                AND m.object = $5 AND m.record_id = r.id
             WHERE r.application_id = $1 AND r.customer_id = $2 AND r.provider_name = $3
               AND r.id = $4",
            object.table()
        );
        let mut reader = self.db.read().await?;
        let row: Option<PresenceRow> = run!(reader, |c| sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .bind(&connection.application_id)
            .bind(&connection.customer_id)
            .bind(connection.provider.as_str())
            .bind(record_id)
            .bind(object.as_str())
            .fetch_optional(c)
            .await)?;
        let Some(row) = row else { return Ok(None) };
        let events = run!(reader, |c| sqlx::query_as(EVENTS)
            .bind(&connection.id)
            .bind(object.as_str())
            .bind(record_id)
            .fetch_all(c)
            .await)?;
        drop(reader);
        let last_seen_by = match row.last_seen_by {
            Some(run_id) => Some(run_id),
            None => self.last_seen(&connection.id, object, record_id).await?,
        };
        Ok(Some(Provenance {
            is_deleted: row.is_deleted,
            deleted_at: row.deleted_at.map(Into::into),
            last_modified_at: row.last_modified_at.into(),
            first_seen_by: row.first_seen_by,
            last_seen_by,
            missing_since: row.missing_since.map(Into::into),
            events,
        }))
    }

    /// The newest run of the object whose stored pages contain the record.
    async fn last_seen(
        &self,
        connection_id: &str,
        object: Object,
        record_id: &str,
    ) -> Result<Option<String>, StoreError> {
        macro_rules! sql {
            ($names:literal) => {
                concat!(
                    "SELECT p.run_id FROM sync_run_pages p
                     JOIN sync_runs r ON r.id = p.run_id
                     WHERE r.connection_id = $1 AND r.object = $2 AND ",
                    $names,
                    " ORDER BY p.run_id DESC LIMIT 1"
                )
            };
        }
        let sql = match &self.db {
            Db::Pg(_) => sql!("jsonb_exists(p.ids, $3)"),
            Db::Lite { .. } => {
                sql!("EXISTS (SELECT 1 FROM json_each(p.ids) WHERE value = $3)")
            }
        };
        let mut reader = self.db.read().await?;
        Ok(run!(reader, |c| sqlx::query_scalar(sql)
            .bind(connection_id)
            .bind(object.as_str())
            .bind(record_id)
            .fetch_optional(c)
            .await)?)
    }
}
