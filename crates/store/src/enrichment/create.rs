//! Makes a job of a list, with one item for each of its entries, or nothing at all.

use std::collections::HashMap;

use sqlx::{QueryBuilder, types::Json};
use syncline_model::enrichment::{JobState, Kind, Lead, LeadError, MatchOptions};

use super::{EnrichmentJob, JobRow, job_columns, select};
use crate::{
    Connection, StoreError, Tenant,
    db::run,
    digest::digest,
    retry::with_retry,
    tenant::{Scoped, scoped},
    timestamp::at,
};

/// Rows of one statement: a statement has a limited number of parameters.
const BATCH: usize = 500;

/// A list to be enriched.
#[derive(Debug, Clone)]
pub struct NewEnrichmentJob {
    pub kind: Kind,
    pub options: MatchOptions,
    pub reuse_days: u32,
    pub retry_uncertain: bool,
    pub max_credits: Option<i64>,
    pub columns: Option<Vec<String>>,
    pub fingerprint: Option<String>,
    /// A command works on it, and no other process does.
    pub foreground: bool,
    pub items: Vec<NewEnrichmentItem>,
}

/// An entry of a list.
#[derive(Debug, Clone)]
pub struct NewEnrichmentItem {
    /// The line of a CSV file that it begins at.
    pub line: Option<i64>,
    pub reference: Option<String>,
    /// As it was given, if it can't match.
    pub lead: Result<Lead, (Lead, LeadError)>,
    /// The cells of its line.
    pub cells: Option<Vec<String>>,
}

/// An item's row.
struct Row {
    position: i64,
    line: Option<i64>,
    reference: Option<String>,
    lead: Lead,
    cells: Option<Vec<String>>,
    question: Option<String>,
    same_as: Option<i64>,
    error: Option<String>,
}

impl Row {
    fn status(&self) -> &'static str {
        if self.error.is_some() {
            "failed"
        } else {
            "pending"
        }
    }
}

/// The rows of a list. Of several items with the same question, the first is asked for all.
fn rows_of(new: &NewEnrichmentJob) -> Vec<Row> {
    let mut first: HashMap<String, i64> = HashMap::new();
    let items = new.items.iter().zip(1..);
    items
        .map(|(item, position)| {
            let (lead, error) = match &item.lead {
                Ok(lead) => (lead, None),
                Err((lead, error)) => (lead, Some(error.to_string())),
            };
            let question = error
                .is_none()
                .then(|| digest(&lead.question(new.kind, &new.options)));
            let same_as = question.as_ref().and_then(|question| {
                let first = *first.entry(question.clone()).or_insert(position);
                (first != position).then_some(first)
            });
            Row {
                position,
                line: item.line,
                reference: item.reference.clone(),
                lead: lead.clone(),
                cells: item.cells.clone(),
                question,
                same_as,
                error,
            }
        })
        .collect()
}

macro_rules! insert_items {
    ($job_id:expr, $rows:expr) => {{
        let mut sql = QueryBuilder::new(
            "INSERT INTO enrichment_items (job_id, position, line, ref, lead, cells, question,
                same_as, status, reused, error) ",
        );
        sql.push_values($rows, |mut values, row: &Row| {
            values
                .push_bind($job_id)
                .push_bind(row.position)
                .push_bind(row.line)
                .push_bind(&row.reference)
                .push_bind(Json(&row.lead))
                .push_bind(row.cells.as_ref().map(Json))
                .push_bind(&row.question)
                .push_bind(row.same_as)
                .push_bind(row.status())
                .push_bind(false)
                .push_bind(&row.error);
        });
        sql
    }};
}

impl Tenant {
    pub async fn create_enrichment_job(
        &self,
        connection: &Connection,
        new: &NewEnrichmentJob,
    ) -> Result<EnrichmentJob, StoreError> {
        let rows = rows_of(new);
        with_retry(|| self.create_enrichment_job_once(connection, new, &rows)).await
    }

    async fn create_enrichment_job_once(
        &self,
        connection: &Connection,
        new: &NewEnrichmentJob,
        rows: &[Row],
    ) -> Result<EnrichmentJob, StoreError> {
        const SQL: Scoped = scoped(
            "INSERT INTO enrichment_jobs (application_id, id, customer_id, connection_id,
                provider_name, kind, options, reuse_days, retry_uncertain, max_credits, columns,
                fingerprint, foreground, state, due_at, fence, total, matched, not_matched, failed,
                uncertain, reused, credits_spent, credits_reserved, awaited, failures, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, 0, $16, 0, 0,
                $17, 0, 0, 0, 0, 0, 0, $15)",
        );
        const READ: Scoped = scoped(select!("application_id = $1 AND id = $2"));
        let (id, now) = (self.store().new_id(), self.store().now());
        let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        let failed = rows.iter().filter(|row| row.error.is_some()).count();
        let mut tx = self.begin().await?;
        tx.unscoped().wakes(&self.store().enrichment_due);
        run!(tx, query(SQL), |q, c| q
            .bind(&id)
            .bind(&connection.customer_id)
            .bind(&connection.id)
            .bind(connection.provider.as_str())
            .bind(new.kind.as_str())
            .bind(Json(&new.options))
            .bind(i64::from(new.reuse_days))
            .bind(new.retry_uncertain)
            .bind(new.max_credits)
            .bind(new.columns.as_ref().map(Json))
            .bind(&new.fingerprint)
            .bind(new.foreground)
            .bind(JobState::Queued.as_str())
            .bind(at(now))
            .bind(count(rows.len()))
            .bind(count(failed))
            .execute(c)
            .await
            .map(drop))?;
        for rows in rows.chunks(BATCH) {
            let items = tx.unscoped();
            run!(items, |c| insert_items!(&id, rows)
                .build()
                .execute(c)
                .await
                .map(drop))?;
        }
        let row: JobRow = run!(tx, query_as(READ), |q, c| q.bind(&id).fetch_one(c).await)?;
        tx.commit().await?;
        row.try_into()
    }
}
