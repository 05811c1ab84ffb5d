//! Enrichment jobs. Here is what is stored of one, and how it is listed; `create` makes one, `claim`
//! leases it to a worker, `reserve` counts a batch before it is sent, `settle` stores what became of it,
//! `lost` gives up those whose process died, `endings` ends, cancels and continues a job, `late` takes what
//! comes to callbacks, `policy` says how much of it is stored, `results` reads the items.

mod answers;
mod claim;
mod create;
mod endings;
mod expiry;
mod late;
mod lost;
mod policy;
mod reserve;
mod results;
mod settle;

use sqlx::types::Json;
use sqlx_macros::FromRow;
use syncline_model::{
    ProviderName, Time,
    enrichment::{JobCounts, JobState, JobWait, Kind, MatchOptions},
};

pub use self::{
    create::{NewEnrichmentItem, NewEnrichmentJob},
    endings::{ContinueJob, Continued, NewCeiling},
    late::{LateOutcome, TakenLate},
    reserve::{AskedItem, BatchRequest, NotAsked, ReservedBatch},
    results::{EnrichmentItem, ItemStatus},
    settle::{BatchMatch, BatchResult, ComesLater, SettledBatch},
};
use crate::{
    PageRequest, StoreError, Tenant, Total,
    db::run,
    providers::parse_provider,
    tenant::{Scoped, scoped},
    timestamp::Timestamp,
    totals::{Counted, total_sql},
};

/// An enrichment job, as it was when it was read.
#[derive(Debug, Clone)]
pub struct EnrichmentJob {
    pub id: String,
    pub application_id: String,
    pub customer_id: String,
    pub connection_id: String,
    pub provider: ProviderName,
    pub kind: Kind,
    pub options: MatchOptions,
    pub reuse_days: u32,
    pub retry_uncertain: bool,
    pub max_credits: Option<i64>,
    /// The names of the input's columns, if it was CSV.
    pub columns: Option<Vec<String>>,
    pub state: JobState,
    /// When a worker may take it.
    pub due_at: Time,
    pub waits_for: Option<JobWait>,
    pub counts: JobCounts,
    /// Requests in a row that the provider did not answer.
    pub failures: i64,
    pub error: Option<String>,
    pub created_at: Time,
    pub started_at: Option<Time>,
    pub finished_at: Option<Time>,
    /// Of the newest lease.
    pub(crate) fence: i64,
}

#[derive(FromRow)]
pub(crate) struct JobRow {
    id: String,
    application_id: String,
    customer_id: String,
    connection_id: String,
    provider_name: String,
    kind: String,
    options: Json<MatchOptions>,
    reuse_days: i64,
    retry_uncertain: bool,
    max_credits: Option<i64>,
    columns: Option<Json<Vec<String>>>,
    state: String,
    due_at: Timestamp,
    waiting_reason: Option<String>,
    fence: i64,
    total: i64,
    matched: i64,
    not_matched: i64,
    failed: i64,
    uncertain: i64,
    reused: i64,
    credits_spent: i64,
    credits_reserved: i64,
    awaited: i64,
    failures: i64,
    error: Option<String>,
    created_at: Timestamp,
    started_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
}

macro_rules! job_columns {
    () => {
        "id, application_id, customer_id, connection_id, provider_name, kind, options, reuse_days,
         retry_uncertain, max_credits, columns, state, due_at, waiting_reason, fence, total, matched,
         not_matched, failed, uncertain, reused, credits_spent, credits_reserved, awaited, failures,
         error, created_at, started_at, finished_at"
    };
}
pub(crate) use job_columns;

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT ",
            job_columns!(),
            " FROM enrichment_jobs WHERE ",
            $rest
        )
    };
}
pub(crate) use select;

impl TryFrom<JobRow> for EnrichmentJob {
    type Error = StoreError;

    fn try_from(row: JobRow) -> Result<Self, StoreError> {
        let wrong = |column, reason: &str| StoreError::Inconsistent {
            table: "enrichment_jobs",
            column,
            row: row.id.clone(),
            reason: reason.to_owned(),
        };
        let kind = Kind::parse(&row.kind).ok_or_else(|| wrong("kind", &row.kind))?;
        let state = JobState::parse(&row.state).ok_or_else(|| wrong("state", &row.state))?;
        Ok(Self {
            provider: parse_provider("enrichment_jobs", &row.id, &row.provider_name)?,
            kind,
            state,
            options: row.options.0,
            reuse_days: u32::try_from(row.reuse_days).unwrap_or(0),
            retry_uncertain: row.retry_uncertain,
            max_credits: row.max_credits,
            columns: row.columns.map(|columns| columns.0),
            due_at: row.due_at.0,
            waits_for: row.waiting_reason.as_deref().and_then(JobWait::parse),
            counts: JobCounts {
                total: row.total,
                done: row.matched + row.not_matched + row.failed + row.uncertain,
                matched: row.matched,
                not_matched: row.not_matched,
                failed: row.failed,
                uncertain: row.uncertain,
                reused: row.reused,
                credits_spent: row.credits_spent,
                credits_reserved: row.credits_reserved,
                awaited: row.awaited,
            },
            failures: row.failures,
            error: row.error,
            created_at: row.created_at.0,
            started_at: row.started_at.map(Into::into),
            finished_at: row.finished_at.map(Into::into),
            fence: row.fence,
            id: row.id,
            application_id: row.application_id,
            customer_id: row.customer_id,
            connection_id: row.connection_id,
        })
    }
}

impl Tenant {
    /// A connection's jobs, the newest first.
    pub async fn list_enrichment_jobs(
        &self,
        connection_id: &str,
        page: &PageRequest,
    ) -> Result<Vec<EnrichmentJob>, StoreError> {
        const SQL: [Scoped; 2] = [
            scoped(select!(
                "application_id = $1 AND connection_id = $2
                 AND (CAST($3 AS text) IS NULL OR id < $3) ORDER BY id DESC LIMIT $4"
            )),
            scoped(select!(
                "application_id = $1 AND connection_id = $2
                 AND (CAST($3 AS text) IS NULL OR id > $3) ORDER BY id ASC LIMIT $4"
            )),
        ];
        let mut reader = self.read().await?;
        let sql = SQL[usize::from(page.reverse)];
        let rows: Vec<JobRow> = run!(reader, query_as(sql), |q, c| q
            .bind(connection_id)
            .bind(&page.cursor)
            .bind(page.limit)
            .fetch_all(c)
            .await)?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    pub async fn count_enrichment_jobs(&self, connection_id: &str) -> Result<Total, StoreError> {
        const SQL: Scoped = scoped(total_sql!(
            "enrichment_jobs",
            "application_id, id, connection_id",
            "application_id = $1 AND connection_id = $2",
            "application_id = $1"
        ));
        let mut reader = self.read().await?;
        let counted: Counted = run!(reader, query_as(SQL), |q, c| q
            .bind(connection_id)
            .fetch_one(c)
            .await)?;
        Ok(counted.into())
    }

    pub async fn get_enrichment_job(
        &self,
        connection_id: &str,
        id: &str,
    ) -> Result<Option<EnrichmentJob>, StoreError> {
        const SQL: Scoped = scoped(select!(
            "application_id = $1 AND connection_id = $2 AND id = $3"
        ));
        let mut reader = self.read().await?;
        let row: Option<JobRow> = run!(reader, query_as(SQL), |q, c| q
            .bind(connection_id)
            .bind(id)
            .fetch_optional(c)
            .await)?;
        row.map(TryInto::try_into).transpose()
    }

    /// The newest job of the connection with this fingerprint.
    pub async fn find_enrichment_job(
        &self,
        connection_id: &str,
        fingerprint: &str,
    ) -> Result<Option<EnrichmentJob>, StoreError> {
        const SQL: Scoped = scoped(select!(
            "application_id = $1 AND connection_id = $2 AND fingerprint = $3
             ORDER BY id DESC LIMIT 1"
        ));
        let mut reader = self.read().await?;
        let row: Option<JobRow> = run!(reader, query_as(SQL), |q, c| q
            .bind(connection_id)
            .bind(fingerprint)
            .fetch_optional(c)
            .await)?;
        row.map(TryInto::try_into).transpose()
    }
}
