//! Sync runs, for display.

use std::collections::BTreeMap;

use sqlx::types::Json;
use sqlx_macros::FromRow;
use syncline_model::{
    Counters, Coverage, Object, ProviderName, ReadStrategy, StateName, Time, WaitReason,
};

use crate::{
    PageRequest, Store, StoreError, Sync, Tenant, Total,
    db::run,
    key_set::KeySet,
    providers::parse_provider,
    syncs::parse_object,
    tenant::{Scoped, scoped},
    timestamp::{Timestamp, at},
    totals::{Counted, total_sql},
};

#[derive(Debug, Clone)]
pub struct SyncRun {
    pub id: String,
    pub sync_id: String,
    pub application_id: String,
    pub customer_id: String,
    pub provider: ProviderName,
    pub connection_id: String,
    pub object: Object,
    /// A [`RunState`](syncline_model::RunState)'s name.
    pub state: StateName,
    pub waiting_until: Option<Time>,
    pub waiting_reason: Option<WaitReason>,
    pub started_at: Time,
    pub finished_at: Option<Time>,
    pub num_records_synced: Option<i64>,
    pub counters: Counters,
    pub coverage: Option<Coverage>,
    pub error_message: Option<String>,
    /// The names of fields that could not be read, with the number of records.
    pub fields_unread: BTreeMap<String, i64>,
    /// The provider's total and the pages read so far, as of the checkpoint.
    pub records_reported: Option<i64>,
    pub strategy: ReadStrategy,
}

/// A bound on a time: `>` or `<`.
#[derive(Debug, Clone, Copy)]
pub enum TimeBound {
    After(Time),
    Before(Time),
}

impl TimeBound {
    fn after(bound: Option<Self>) -> Option<Time> {
        match bound {
            Some(Self::After(time)) => Some(time),
            _ => None,
        }
    }

    fn before(bound: Option<Self>) -> Option<Time> {
        match bound {
            Some(Self::Before(time)) => Some(time),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, Default)]
pub struct RunFilter {
    pub customer_id: Option<String>,
    pub provider_name: Option<String>,
    pub object: Option<String>,
    /// `IN_PROGRESS`, `SUCCESS` or `FAILURE`.
    pub status: Option<String>,
    pub started: Option<TimeBound>,
    pub finished: Option<TimeBound>,
}

/// The counter columns, shared by all queries of runs.
#[derive(FromRow)]
pub(crate) struct CounterColumns {
    records_read: i64,
    records_created: i64,
    records_updated: i64,
    records_unchanged: i64,
    records_deleted: i64,
    records_rejected: i64,
    records_missing: i64,
    deletes_held: i64,
    requests_made: i64,
}

impl From<CounterColumns> for Counters {
    fn from(row: CounterColumns) -> Self {
        Self {
            records_read: row.records_read,
            records_created: row.records_created,
            records_updated: row.records_updated,
            records_unchanged: row.records_unchanged,
            records_deleted: row.records_deleted,
            records_rejected: row.records_rejected,
            records_missing: row.records_missing,
            deletes_held: row.deletes_held,
            requests_made: row.requests_made,
        }
    }
}

#[derive(FromRow)]
struct RunRow {
    id: String,
    sync_id: String,
    application_id: String,
    customer_id: String,
    provider_name: String,
    connection_id: String,
    object: String,
    state: String,
    due_at: Timestamp,
    waiting_reason: Option<String>,
    created_at: Timestamp,
    started_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
    #[sqlx(flatten)]
    counters: CounterColumns,
    num_records_synced: Option<i64>,
    coverage: Option<Json<Coverage>>,
    error_message: Option<String>,
    checkpoint: Json<syncline_model::Checkpoint>,
    fields_unread: Json<BTreeMap<String, i64>>,
}

pub(crate) fn parse_state(run_id: &str, name: &str) -> Result<StateName, StoreError> {
    StateName::parse(name).ok_or_else(|| StoreError::Inconsistent {
        table: "sync_runs",
        column: "state",
        row: run_id.to_owned(),
        reason: name.to_owned(),
    })
}

impl TryFrom<RunRow> for SyncRun {
    type Error = StoreError;

    fn try_from(row: RunRow) -> Result<Self, StoreError> {
        let state = parse_state(&row.id, &row.state)?;
        Ok(Self {
            object: parse_object("sync_runs", &row.id, &row.object)?,
            provider: parse_provider("sync_runs", &row.id, &row.provider_name)?,
            waiting_until: (state == StateName::Waiting).then_some(row.due_at.into()),
            waiting_reason: row.waiting_reason.as_deref().and_then(WaitReason::parse),
            started_at: row.started_at.unwrap_or(row.created_at).into(),
            finished_at: row.finished_at.map(Into::into),
            // For an active run, the number of records read so far.
            num_records_synced: row.num_records_synced.or(Some(row.counters.records_read)),
            counters: row.counters.into(),
            fields_unread: row.fields_unread.0,
            coverage: row.coverage.map(|coverage| coverage.0),
            records_reported: row.checkpoint.0.facts.records_reported,
            strategy: row.checkpoint.0.strategy(),
            id: row.id,
            sync_id: row.sync_id,
            application_id: row.application_id,
            customer_id: row.customer_id,
            connection_id: row.connection_id,
            state,
            error_message: row.error_message,
        })
    }
}

macro_rules! columns {
    () => {
        "id, sync_id, application_id, customer_id, provider_name, connection_id, object, state,
         due_at, waiting_reason, created_at, started_at, finished_at, records_read,
         records_created, records_updated, records_unchanged, records_deleted, records_rejected,
         records_missing, deletes_held, requests_made, num_records_synced, coverage, error_message,
         checkpoint, fields_unread"
    };
}

/// The runs of all customers, or of one. One customer has a separate statement text: with an
/// optional condition no index would be used.
macro_rules! filter {
    (all) => {
        filter!("CAST($2 AS text) IS NULL")
    };
    (one) => {
        filter!("customer_id = $2")
    };
    ($customer:literal) => {
        concat!(
            "application_id = $1 AND ",
            $customer,
            "
         AND (CAST($3 AS text) IS NULL OR provider_name = $3)
         AND (CAST($4 AS text) IS NULL OR object = $4)
         AND (CAST($5 AS text) IS NULL OR $5 = CASE
                WHEN state IN ('queued', 'running', 'waiting') THEN 'IN_PROGRESS'
                WHEN state = 'succeeded' THEN 'SUCCESS' ELSE 'FAILURE' END)
         AND (CAST($6 AS text) IS NULL OR COALESCE(started_at, created_at) > $7)
         AND (CAST($8 AS text) IS NULL OR COALESCE(started_at, created_at) < $9)
         AND (CAST($10 AS text) IS NULL OR finished_at > $11)
         AND (CAST($12 AS text) IS NULL OR finished_at < $13)"
        )
    };
}

/// Binds a [`RunFilter`] to `filter!()`, after the application. A time is bound twice: as text to
/// check whether it is set, because SQLite casts times differently from PostgreSQL, and as the time
/// itself.
macro_rules! bind_filter {
    ($query:expr, $filter:expr) => {{
        let started_after = TimeBound::after($filter.started);
        let started_before = TimeBound::before($filter.started);
        let finished_after = TimeBound::after($filter.finished);
        let finished_before = TimeBound::before($filter.finished);
        $query
            .bind(&$filter.customer_id)
            .bind(&$filter.provider_name)
            .bind(&$filter.object)
            .bind(&$filter.status)
            .bind(started_after.map(|_| "set"))
            .bind(at(started_after))
            .bind(started_before.map(|_| "set"))
            .bind(at(started_before))
            .bind(finished_after.map(|_| "set"))
            .bind(at(finished_after))
            .bind(finished_before.map(|_| "set"))
            .bind(at(finished_before))
    }};
}

impl Tenant {
    /// Newest first.
    pub async fn list_runs(
        &self,
        filter: &RunFilter,
        page: &PageRequest,
    ) -> Result<Vec<SyncRun>, StoreError> {
        macro_rules! sql {
            ($customer:ident, $beyond:literal) => {
                scoped(concat!(
                    "SELECT ",
                    columns!(),
                    " FROM sync_runs WHERE ",
                    filter!($customer),
                    " AND (CAST($14 AS text) IS NULL OR id ",
                    $beyond
                ))
            };
        }
        const FORWARD: [Scoped; 2] = [
            sql!(all, "< $14) ORDER BY id DESC LIMIT $15"),
            sql!(one, "< $14) ORDER BY id DESC LIMIT $15"),
        ];
        const BACKWARD: [Scoped; 2] = [
            sql!(all, "> $14) ORDER BY id ASC LIMIT $15"),
            sql!(one, "> $14) ORDER BY id ASC LIMIT $15"),
        ];
        let texts = if page.reverse { BACKWARD } else { FORWARD };
        let sql = texts[usize::from(filter.customer_id.is_some())];
        let mut reader = self.read().await?;
        let rows: Vec<RunRow> = run!(reader, query_as(sql), |q, c| {
            bind_filter!(q, filter)
                .bind(&page.cursor)
                .bind(page.limit)
                .fetch_all(c)
                .await
        })?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    pub async fn count_runs(&self, filter: &RunFilter) -> Result<Total, StoreError> {
        macro_rules! sql {
            ($there:literal, $customer:ident) => {
                scoped(total_sql!(
                    "sync_runs",
                    "application_id, id, customer_id, provider_name, object, state, started_at,
                     created_at, finished_at",
                    $there,
                    filter!($customer)
                ))
            };
        }
        const ALL: Scoped = sql!("application_id = $1", all);
        const OF_CUSTOMER: Scoped = sql!("application_id = $1 AND customer_id = $2", one);
        let sql = match filter.customer_id {
            Some(_) => OF_CUSTOMER,
            None => ALL,
        };
        let mut reader = self.read().await?;
        let counted: Counted = run!(reader, query_as(sql), |q, c| {
            bind_filter!(q, filter).fetch_one(c).await
        })?;
        Ok(counted.into())
    }

    pub async fn get_run(&self, id: &str) -> Result<Option<SyncRun>, StoreError> {
        const SQL: Scoped = scoped(concat!(
            "SELECT ",
            columns!(),
            " FROM sync_runs WHERE application_id = $1 AND id = $2"
        ));
        let mut reader = self.read().await?;
        let row: Option<RunRow> = run!(reader, query_as(SQL), |q, c| q
            .bind(id)
            .fetch_optional(c)
            .await)?;
        row.map(TryInto::try_into).transpose()
    }

    /// The last run of each of these syncs, if it has one.
    pub async fn last_runs(&self, syncs: &[Sync]) -> Result<Vec<SyncRun>, StoreError> {
        const SQL: Scoped = scoped(concat!(
            "SELECT ",
            columns!(),
            " FROM sync_runs WHERE application_id = $1 AND id IN (
                SELECT last_run_id FROM syncs WHERE id IN (SELECT key FROM json_each($2)))"
        ));
        let ids: Vec<&str> = syncs.iter().map(|sync| sync.id.as_str()).collect();
        let mut reader = self.read().await?;
        let rows: Vec<RunRow> = run!(reader, query_as(SQL), |q, c| q
            .bind(KeySet::new(&ids))
            .fetch_all(c)
            .await)?;
        rows.into_iter().map(TryInto::try_into).collect()
    }
}

impl Store {
    /// Whether all of these runs have ended.
    pub async fn have_ended(&self, run_ids: &[String]) -> Result<bool, StoreError> {
        const SQL: &str = "
            SELECT NOT EXISTS (
                SELECT 1 FROM sync_runs
                WHERE id IN (SELECT key FROM json_each($1)) AND finished_at IS NULL)";
        let mut reader = self.db.read().await?;
        Ok(run!(reader, |c| sqlx::query_scalar(SQL)
            .bind(KeySet::new(run_ids))
            .fetch_one(c)
            .await)?)
    }

    /// The records that a run rejected, with the reasons; at most `limit`.
    pub async fn rejections(
        &self,
        run: &SyncRun,
        limit: usize,
    ) -> Result<Vec<serde_json::Value>, StoreError> {
        const SQL: &str = "
            SELECT rejected FROM sync_run_pages
            WHERE run_id = $1 AND rejected IS NOT NULL ORDER BY pass, page";
        let mut reader = self.db.read().await?;
        let pages: Vec<Json<Vec<serde_json::Value>>> = run!(reader, |c| sqlx::query_scalar(SQL)
            .bind(&run.id)
            .fetch_all(c)
            .await)?;
        Ok(pages
            .into_iter()
            .flat_map(|page| page.0)
            .take(limit)
            .collect())
    }
}
