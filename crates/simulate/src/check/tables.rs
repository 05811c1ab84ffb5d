//! The tables as a user would read them: with a connection and SQL of its own. It shares nothing
//! with the store that wrote them.

use std::{collections::BTreeMap, path::Path};

use sqlx::{
    AssertSqlSafe, ConnectOptions, SqliteConnection, sqlite::SqliteConnectOptions, types::Json,
};
use sqlx_macros::FromRow;
use syncline_model::{Coverage, Object, Time, Verdict};
use syncline_store::Timestamp;

pub(crate) struct Tables(SqliteConnection);

/// A run.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub(crate) struct Run {
    pub(crate) id: String,
    pub(crate) scan_id: String,
    pub(crate) connection_id: String,
    pub(crate) sync_id: String,
    pub(crate) object: String,
    pub(crate) state: String,
    pub(crate) due_at: Timestamp,
    pub(crate) fence: i64,
    pub(crate) next_page: i64,
    pub(crate) pass: i64,
    /// The number of lookups.
    pub(crate) lookups: i64,
    pub(crate) records_read: i64,
    pub(crate) records_created: i64,
    pub(crate) records_updated: i64,
    pub(crate) records_unchanged: i64,
    pub(crate) records_deleted: i64,
    pub(crate) records_rejected: i64,
    pub(crate) records_missing: i64,
    pub(crate) deletes_held: i64,
    pub(crate) requests_made: i64,
    pub(crate) num_records_synced: Option<i64>,
    pub(crate) coverage: Option<Json<Coverage>>,
    pub(crate) error_message: Option<String>,
    pub(crate) finished_at: Option<Timestamp>,
    /// When it was deferred, while it waits.
    pub(crate) put_off_at: Option<Timestamp>,
    pub(crate) fields_unread: Json<BTreeMap<String, i64>>,
}

const RUN_COLUMNS: &str = "
    id, scan_id, connection_id, sync_id, object, state, due_at, fence,
    COALESCE(json_extract(checkpoint, '$.next_page'), 1) AS next_page,
    COALESCE(json_extract(checkpoint, '$.pass'), 1) AS pass,
    COALESCE(json_extract(checkpoint, '$.sweep.lookups'), 0) AS lookups,
    records_read, records_created, records_updated, records_unchanged, records_deleted,
    records_rejected, records_missing, deletes_held, requests_made, num_records_synced, coverage,
    error_message, finished_at, put_off_at, fields_unread";

impl Run {
    pub(crate) fn object(&self) -> Object {
        self.object.parse().expect("the store writes known objects")
    }

    pub(crate) fn is_active(&self) -> bool {
        matches!(self.state.as_str(), "queued" | "running" | "waiting")
    }

    pub(crate) fn succeeded(&self) -> bool {
        self.state == "succeeded"
    }

    pub(crate) fn verdict(&self) -> Option<Verdict> {
        self.coverage.as_ref().map(|coverage| coverage.verdict)
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.succeeded() && self.verdict() == Some(Verdict::Complete)
    }
}

/// A sync.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub(crate) struct Sync {
    pub(crate) id: String,
    pub(crate) connection_id: String,
    pub(crate) object: String,
    pub(crate) paused: bool,
    pub(crate) paused_cause: Option<String>,
    pub(crate) period_ms: i64,
    pub(crate) next_run_at: Timestamp,
    pub(crate) triggered_at: Option<Timestamp>,
    /// The newest of its connection.
    pub(crate) last_stamp_ms: i64,
}

impl Sync {
    pub(crate) fn object(&self) -> Object {
        self.object.parse().expect("the store writes known objects")
    }
}

/// The ids that one run saw on one page.
#[derive(Debug, FromRow)]
pub(crate) struct SeenPage {
    pub(crate) pass: i64,
    pub(crate) ids: Json<Vec<String>>,
    pub(crate) rejected: Option<Json<Vec<serde_json::Value>>>,
}

/// A common-model row.
#[derive(Debug, FromRow)]
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) is_deleted: bool,
    pub(crate) deleted_at: Option<Timestamp>,
    pub(crate) last_modified_at: Timestamp,
    pub(crate) contact_id: Option<String>,
    pub(crate) raw_data: String,
}

/// An entry of a row's history.
#[derive(Debug, Clone, FromRow)]
pub(crate) struct HistoryEvent {
    pub(crate) number: i64,
    pub(crate) connection_id: String,
    pub(crate) object: String,
    pub(crate) record_id: String,
    pub(crate) run_id: String,
    pub(crate) event: String,
    pub(crate) reason: String,
}

/// An event in the outbox.
#[derive(Debug, FromRow)]
pub(crate) struct OwedEvent {
    pub(crate) number: i64,
    pub(crate) event_type: String,
    pub(crate) run_id: Option<String>,
    pub(crate) result: Option<String>,
}

/// A live row that a scan didn't see.
#[derive(Debug, Clone, FromRow)]
pub(crate) struct MissingRow {
    pub(crate) record_id: String,
    pub(crate) last_missed_by: String,
    pub(crate) held_since: Option<String>,
    pub(crate) looked_up_at: Option<Timestamp>,
}

/// A provider account's budget.
#[derive(Debug, FromRow)]
pub(crate) struct BudgetRow {
    pub(crate) id: String,
    pub(crate) budget: Json<serde_json::Value>,
}

impl Tables {
    pub(crate) async fn open(database: &Path) -> anyhow::Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(database)
            .read_only(true);
        Ok(Self(options.connect().await?))
    }

    /// Changes whenever another connection commits.
    pub(crate) async fn version(&mut self) -> sqlx::Result<i64> {
        sqlx::query_scalar("PRAGMA data_version")
            .fetch_one(&mut self.0)
            .await
    }

    pub(crate) async fn active_runs(&mut self) -> sqlx::Result<Vec<Run>> {
        let sql = format!(
            "SELECT {RUN_COLUMNS} FROM sync_runs
             WHERE state IN ('queued', 'running', 'waiting') ORDER BY +id"
        );
        sqlx::query_as(AssertSqlSafe(sql))
            .fetch_all(&mut self.0)
            .await
    }

    pub(crate) async fn run(&mut self, id: &str) -> sqlx::Result<Option<Run>> {
        let sql = format!("SELECT {RUN_COLUMNS} FROM sync_runs WHERE id = $1");
        sqlx::query_as(AssertSqlSafe(sql))
            .bind(id)
            .fetch_optional(&mut self.0)
            .await
    }

    pub(crate) async fn all_runs(&mut self) -> sqlx::Result<Vec<Run>> {
        let sql = format!("SELECT {RUN_COLUMNS} FROM sync_runs ORDER BY id");
        sqlx::query_as(AssertSqlSafe(sql))
            .fetch_all(&mut self.0)
            .await
    }

    pub(crate) async fn syncs(&mut self) -> sqlx::Result<Vec<Sync>> {
        sqlx::query_as(
            "SELECT s.id, s.connection_id, s.object, s.paused, s.paused_cause, s.period_ms,
                    s.next_run_at, s.triggered_at, COALESCE(f.last_stamp_ms, 0) AS last_stamp_ms
             FROM syncs s LEFT JOIN change_feeds f ON f.connection_id = s.connection_id
             ORDER BY s.id",
        )
        .fetch_all(&mut self.0)
        .await
    }

    /// Connections whose credentials the provider accepts no more.
    pub(crate) async fn unauthorized(&mut self) -> sqlx::Result<Vec<String>> {
        sqlx::query_scalar("SELECT id FROM connections WHERE status = 'unauthorized' ORDER BY id")
            .fetch_all(&mut self.0)
            .await
    }

    pub(crate) async fn pages(&mut self, run_id: &str) -> sqlx::Result<Vec<SeenPage>> {
        sqlx::query_as(
            "SELECT pass, ids, rejected FROM sync_run_pages
             WHERE run_id = $1 ORDER BY pass, page",
        )
        .bind(run_id)
        .fetch_all(&mut self.0)
        .await
    }

    /// How many pages of a pass are written, and the records on all pages of the run.
    pub(crate) async fn page_sums(&mut self, run_id: &str, pass: i64) -> sqlx::Result<(i64, i64)> {
        sqlx::query_as(
            "SELECT COALESCE(sum(pass = $2), 0),
                    COALESCE(sum(json_array_length(ids) + COALESCE((
                        SELECT sum(0 - (value ->> 'id' IS NOT NULL)) FROM json_each(rejected)), 0)), 0)
             FROM sync_run_pages WHERE run_id = $1",
        )
        .bind(run_id)
        .bind(pass)
        .fetch_one(&mut self.0)
        .await
    }

    /// The rows of one object that were changed after a stamp.
    pub(crate) async fn rows_after(
        &mut self,
        connection_id: &str,
        object: Object,
        after: Option<Time>,
    ) -> sqlx::Result<Vec<Row>> {
        let contact_id = match object {
            Object::SequenceState => "contact_id",
            _ => "NULL",
        };
        let sql = format!(
            "SELECT id, is_deleted, deleted_at, last_modified_at,
                    CAST({contact_id} AS text) AS contact_id, CAST(raw_data AS text) AS raw_data
             FROM {} WHERE connection_id = $1 AND last_modified_at > $2
             ORDER BY last_modified_at, id",
            object.table()
        );
        sqlx::query_as(AssertSqlSafe(sql))
            .bind(connection_id)
            .bind(Timestamp(after.unwrap_or(Time::UNIX_EPOCH)))
            .fetch_all(&mut self.0)
            .await
    }

    /// Whether the SQL expression is true for a live row; `None` if there is no such row.
    pub(crate) async fn row_is(
        &mut self,
        connection_id: &str,
        object: Object,
        id: &str,
        expression: &'static str,
    ) -> sqlx::Result<Option<bool>> {
        let sql = format!(
            "SELECT {expression} FROM {}
             WHERE connection_id = $1 AND id = $2 AND NOT is_deleted",
            object.table()
        );
        sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(connection_id)
            .bind(id)
            .fetch_optional(&mut self.0)
            .await
    }

    /// The live sequences of a connection, each with its number of steps.
    pub(crate) async fn steps_of(
        &mut self,
        connection_id: &str,
    ) -> sqlx::Result<Vec<(String, i64)>> {
        sqlx::query_as(
            "SELECT id, num_steps FROM engagement_sequences
             WHERE connection_id = $1 AND NOT is_deleted ORDER BY id",
        )
        .bind(connection_id)
        .fetch_all(&mut self.0)
        .await
    }

    pub(crate) async fn history_after(&mut self, number: i64) -> sqlx::Result<Vec<HistoryEvent>> {
        sqlx::query_as(
            "SELECT rowid AS number, connection_id, object, record_id, run_id, event, reason
             FROM record_history WHERE rowid > $1 ORDER BY rowid",
        )
        .bind(number)
        .fetch_all(&mut self.0)
        .await
    }

    pub(crate) async fn events_after(&mut self, number: i64) -> sqlx::Result<Vec<OwedEvent>> {
        sqlx::query_as(
            "SELECT rowid AS number, event_type, payload ->> 'run_id' AS run_id,
                    payload ->> 'result' AS result
             FROM outbox WHERE rowid > $1 ORDER BY rowid",
        )
        .bind(number)
        .fetch_all(&mut self.0)
        .await
    }

    pub(crate) async fn missing(
        &mut self,
        connection_id: &str,
        object: Object,
    ) -> sqlx::Result<Vec<MissingRow>> {
        sqlx::query_as(
            "SELECT record_id, last_missed_by, held_since, looked_up_at FROM missing_records
             WHERE connection_id = $1 AND object = $2 ORDER BY record_id",
        )
        .bind(connection_id)
        .bind(object.as_str())
        .fetch_all(&mut self.0)
        .await
    }

    pub(crate) async fn budgets(&mut self) -> sqlx::Result<Vec<BudgetRow>> {
        sqlx::query_as(
            "SELECT id, budget FROM provider_accounts WHERE moved_to IS NULL ORDER BY id",
        )
        .fetch_all(&mut self.0)
        .await
    }

    /// The last change of each row's presence.
    pub(crate) async fn last_presence(
        &mut self,
    ) -> sqlx::Result<Vec<(String, String, String, String)>> {
        sqlx::query_as(
            "SELECT connection_id, object, record_id, event FROM record_history h
             WHERE event IN ('deleted', 'restored') AND rowid = (
                SELECT max(rowid) FROM record_history l
                WHERE l.connection_id = h.connection_id AND l.object = h.object
                  AND l.record_id = h.record_id AND l.event IN ('deleted', 'restored'))
             ORDER BY connection_id, object, record_id",
        )
        .fetch_all(&mut self.0)
        .await
    }
}
