//! The items of a job with what is known of them.

use serde_json::value::RawValue;
use sqlx::types::Json;
use sqlx_macros::FromRow;
use syncline_model::{
    Time,
    enrichment::{Enriched, Lead},
};

use super::EnrichmentJob;
use crate::{Batch, Store, StoreError, db::run, timestamp::Timestamp};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemStatus {
    Pending,
    /// It is being asked about.
    Asked,
    Matched,
    NotMatched,
    Failed,
    Uncertain,
}

impl ItemStatus {
    const ALL: [Self; 6] = [
        Self::Pending,
        Self::Asked,
        Self::Matched,
        Self::NotMatched,
        Self::Failed,
        Self::Uncertain,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Asked => "asked",
            Self::Matched => "matched",
            Self::NotMatched => "not_matched",
            Self::Failed => "failed",
            Self::Uncertain => "uncertain",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

/// An item, with what is known of it.
#[derive(Debug, Clone)]
pub struct EnrichmentItem {
    pub position: i64,
    pub line: Option<i64>,
    pub reference: Option<String>,
    pub lead: Lead,
    pub cells: Option<Vec<String>>,
    pub status: ItemStatus,
    /// The position of the item that was asked about in its place.
    pub same_as: Option<i64>,
    /// It was paid for before.
    pub reused: bool,
    pub error: Option<String>,
    pub enriched: Option<Enriched>,
    pub raw_data: Option<Box<RawValue>>,
    pub asked_at: Option<Time>,
    /// Phone numbers, or the results of a waterfall, are still to come.
    pub awaited: bool,
    /// When they came.
    pub late_at: Option<Time>,
}

impl Batch<EnrichmentItem> {
    /// The position after which the next items are read, if there are more.
    pub fn next_after_position(&self) -> Option<i64> {
        let last = self.rows.last().filter(|_| self.more);
        last.map(|item| item.position)
    }
}

#[derive(FromRow)]
struct Row {
    position: i64,
    line: Option<i64>,
    #[sqlx(rename = "ref")]
    reference: Option<String>,
    lead: Json<Lead>,
    cells: Option<Json<Vec<String>>>,
    status: String,
    same_as: Option<i64>,
    reused: bool,
    error: Option<String>,
    enriched: Option<Json<Enriched>>,
    raw_data: Option<Json<Box<RawValue>>>,
    asked_at: Option<Timestamp>,
    awaited: Option<bool>,
    late_at: Option<Timestamp>,
}

impl Row {
    fn item(self, job: &EnrichmentJob) -> Result<EnrichmentItem, StoreError> {
        let status = ItemStatus::parse(&self.status);
        let status = status.ok_or_else(|| StoreError::Inconsistent {
            table: "enrichment_items",
            column: "status",
            row: format!("{}/{}", job.id, self.position),
            reason: self.status.clone(),
        })?;
        Ok(EnrichmentItem {
            position: self.position,
            line: self.line,
            reference: self.reference,
            lead: self.lead.0,
            cells: self.cells.map(|cells| cells.0),
            status,
            same_as: self.same_as,
            reused: self.reused,
            error: self.error,
            enriched: self.enriched.map(|it| it.0),
            raw_data: self.raw_data.map(|it| it.0),
            asked_at: self.asked_at.map(Into::into),
            awaited: self.awaited.unwrap_or(false),
            late_at: self.late_at.map(Into::into),
        })
    }
}

impl Store {
    /// The items after a position, in the order of the list.
    pub async fn enrichment_items(
        &self,
        job: &EnrichmentJob,
        after: i64,
        most: i64,
        with_raw_data: bool,
    ) -> Result<Batch<EnrichmentItem>, StoreError> {
        const SQL: &str = "
            SELECT i.position, i.line, i.ref, i.lead, i.cells, i.status, i.same_as, i.reused, i.error,
                   a.enriched, CASE WHEN $4 THEN a.raw_data END AS raw_data, a.asked_at, a.awaited,
                   a.late_at
            FROM enrichment_items i LEFT JOIN enrichment_answers a ON a.id = i.answer_id
            WHERE i.job_id = $1 AND i.position > $2 ORDER BY i.position LIMIT $3";
        let mut reader = self.db.read().await?;
        let rows: Vec<Row> = run!(reader, |c| sqlx::query_as(SQL)
            .bind(&job.id)
            .bind(after)
            .bind(most + 1)
            .bind(with_raw_data)
            .fetch_all(c)
            .await)?;
        let items = rows.into_iter().map(|row| row.item(job));
        let mut rows = items.collect::<Result<Vec<_>, _>>()?;
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let more = rows.len() > most;
        rows.truncate(most);
        Ok(Batch { rows, more })
    }
}
