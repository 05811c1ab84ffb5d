//! Stores what became of a batch: its answers, what it cost, and the job's counts, in one transaction.
//!
//! What is settled is the batch, whoever has the job's lease by then: an answer that comes after its
//! worker lost the lease was paid for, and is kept.

use std::collections::HashMap;

use serde_json::value::RawValue;
use sqlx_macros::FromRow;
use syncline_model::enrichment::{Enriched, JobState};

use super::{
    EnrichmentJob, JobRow,
    answers::NewAnswer,
    job_columns,
    late::EarlyAnswer,
    reserve::{AskedItem, ReservedBatch},
};
use crate::{
    Spending, Store, StoreError,
    db::{Tx, run},
    key_set::KeySet,
    retry::with_retry,
};

/// What the provider knows of one item.
#[derive(Debug, Clone)]
pub struct BatchMatch {
    /// The provider's id, by which late answers name it.
    pub provider_id: Option<String>,
    pub enriched: Enriched,
    pub raw_data: Box<RawValue>,
}

/// What is still to be told of a batch's matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ComesLater {
    Nothing,
    /// It comes to the batch's callback.
    ToCallback,
    /// It comes to the callbacks of other batches, which asked about the same people before.
    ToOthers,
}

/// What became of a batch.
#[derive(Debug)]
pub enum BatchResult {
    Answered {
        /// In the order of the items; `None` for those that the provider doesn't know.
        matches: Vec<Option<BatchMatch>>,
        /// What the provider took; `None` if it will say so later.
        credits: Option<i64>,
        /// The most that it may take later for each match.
        late_credits: i64,
        /// What comes later.
        comes_later: ComesLater,
    },
    /// It was not carried out and cost nothing: its items can be asked about again.
    Refused,
    /// The same, and its items are not asked about again, for this reason.
    Rejected(String),
    /// Nobody knows whether it was carried out.
    Uncertain(String),
}

/// A batch was settled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SettledBatch {
    pub matched: i64,
    pub not_matched: i64,
    pub credits: i64,
    /// Whether the job goes on; otherwise it was cancelled or continued elsewhere meanwhile.
    pub goes_on: bool,
}

/// Changes of a job's counts.
#[derive(Debug, Default)]
pub(super) struct CountChanges {
    pub(super) matched: i64,
    pub(super) not_matched: i64,
    pub(super) reused: i64,
    pub(super) failed: i64,
    pub(super) uncertain: i64,
    pub(super) credits_spent: i64,
    pub(super) credits_reserved: i64,
    pub(super) awaited: i64,
}

/// A batch as it is stored.
#[derive(FromRow)]
struct BatchRow {
    state: String,
    credits_reserved: i64,
}

impl BatchRow {
    fn is_open(&self) -> bool {
        matches!(self.state.as_str(), "sent" | "uncertain")
    }
}

impl Store {
    /// Stores a batch's result with what its request cost.
    pub async fn settle_batch(
        &self,
        job: &EnrichmentJob,
        batch: &ReservedBatch,
        result: &BatchResult,
        spending: &Spending<'_>,
    ) -> Result<SettledBatch, StoreError> {
        with_retry(|| async {
            let mut tx = self.db.begin().await?;
            let settled = self.settle_batch_in(&mut tx, job, batch, result).await?;
            self.settle_in(&mut tx, spending, None).await?;
            tx.commit().await?;
            Ok(settled)
        })
        .await
    }

    async fn settle_batch_in(
        &self,
        tx: &mut Tx,
        job: &EnrichmentJob,
        batch: &ReservedBatch,
        result: &BatchResult,
    ) -> Result<SettledBatch, StoreError> {
        let now = lock_job(tx, &job.id).await?;
        let Some(row) = lock_batch(tx, &batch.id).await? else {
            return Ok(SettledBatch::default());
        };
        if !row.is_open() {
            return Ok(SettledBatch::default());
        }
        let goes_on = now.state == JobState::Running && now.fence == job.fence;
        let was_lost = row.state == "uncertain";
        let mut changes = CountChanges::default();
        // Nobody goes on with a job that has ended: its items stay uncertain, although it is known now
        // that they were not paid for.
        let comes_too_late = now.state.has_ended() && matches!(result, BatchResult::Refused);
        // Those of a lost batch may have been asked about again meanwhile.
        let open = self.open_items(tx, &job.id, batch).await?;
        let items: i64 = open.values().sum();
        if was_lost && !comes_too_late {
            changes.uncertain -= items;
        }
        let mut settled = SettledBatch {
            goes_on,
            ..SettledBatch::default()
        };
        let kept_reserved = match result {
            BatchResult::Answered {
                matches,
                credits,
                late_credits,
                comes_later,
            } => {
                let found = self
                    .write_matches(tx, &now, (batch, &open), matches, *comes_later)
                    .await?;
                changes.matched += found.matched;
                changes.not_matched += found.not_matched;
                changes.awaited += found.awaited;
                changes.credits_spent += credits.unwrap_or(0);
                settled.matched = found.matched;
                settled.not_matched = found.not_matched;
                settled.credits = credits.unwrap_or(0);
                match (comes_later, credits) {
                    (ComesLater::ToCallback, Some(_)) => found.awaited * late_credits,
                    (ComesLater::ToCallback | ComesLater::ToOthers, None) => row.credits_reserved,
                    (ComesLater::Nothing, _) | (ComesLater::ToOthers, Some(_)) => 0,
                }
            }
            BatchResult::Refused => {
                self.forget_questions(tx, &batch.id).await?;
                if !(was_lost && comes_too_late) {
                    self.mark_items(tx, batch, "pending", None).await?;
                }
                0
            }
            BatchResult::Rejected(reason) => {
                self.forget_questions(tx, &batch.id).await?;
                self.mark_items(tx, batch, "failed", Some(reason)).await?;
                changes.failed += items;
                0
            }
            BatchResult::Uncertain(reason) => {
                self.lose_answers(tx, &batch.id).await?;
                self.mark_items(tx, batch, "uncertain", Some(reason))
                    .await?;
                changes.uncertain += items;
                row.credits_reserved
            }
        };
        changes.credits_reserved += kept_reserved - row.credits_reserved;
        self.end_batch(
            tx,
            &batch.id,
            result.state(),
            changes.credits_spent,
            kept_reserved,
        )
        .await?;
        self.change_counts(tx, &job.id, &changes).await?;
        let failures = matches!(result, BatchResult::Uncertain(_));
        self.count_failures(tx, &job.id, failures).await?;
        self.take_early_answers(tx, &batch.id).await?;
        if changes.awaited > 0 {
            self.take_answers_to_others(tx, &now, &batch.id).await?;
        }
        Ok(settled)
    }

    /// The positions of the items that still wait for this batch, with the number of items that each
    /// stands for.
    async fn open_items(
        &self,
        tx: &mut Tx,
        job_id: &str,
        batch: &ReservedBatch,
    ) -> Result<HashMap<i64, i64>, StoreError> {
        const SQL: &str = "
            SELECT position FROM enrichment_items
            WHERE job_id = $1 AND batch_id = $2 AND status IN ('asked', 'uncertain')";
        let open: Vec<i64> = run!(tx, |c| sqlx::query_scalar(SQL)
            .bind(job_id)
            .bind(&batch.id)
            .fetch_all(c)
            .await)?;
        let copies = batch.items.iter().map(|it| (it.position, 1 + it.copies));
        let mut copies: HashMap<i64, i64> = copies.collect();
        copies.retain(|position, _| open.contains(position));
        Ok(copies)
    }

    async fn write_matches(
        &self,
        tx: &mut Tx,
        job: &EnrichmentJob,
        (batch, open): (&ReservedBatch, &HashMap<i64, i64>),
        matches: &[Option<BatchMatch>],
        comes_later: ComesLater,
    ) -> Result<Found, StoreError> {
        const MATCHED: &str = "
            UPDATE enrichment_items SET status = 'matched', error = NULL, answer_id = (
                SELECT id FROM enrichment_answers a
                WHERE a.batch_id = $2 AND a.question = enrichment_items.question AND NOT a.superseded)
            WHERE job_id = $1 AND batch_id = $2 AND status IN ('asked', 'uncertain')
              AND question IN (SELECT key FROM json_each($3))";
        const NOT_MATCHED: &str = "
            UPDATE enrichment_items SET status = 'not_matched', error = NULL
            WHERE job_id = $1 AND batch_id = $2 AND status IN ('asked', 'uncertain')";
        let policy = self.policy_of_results(tx, &job.id).await?;
        let mut found = Found::default();
        let mut answers = Vec::new();
        let asked = batch.items.iter().zip(matches);
        for (item, answer) in asked {
            let items = open.get(&item.position).copied().unwrap_or(0);
            let Some(answer) = answer else {
                found.not_matched += items;
                continue;
            };
            found.matched += items;
            let awaited = comes_later != ComesLater::Nothing && answer.provider_id.is_some();
            found.awaited += i64::from(awaited);
            answers.push(NewAnswer {
                question: &item.question,
                provider_id: answer.provider_id.as_deref(),
                enriched: policy.stored_result(&answer.enriched),
                raw_data: policy.keeps_raw_data().then_some(&*answer.raw_data),
                awaited,
                late_due: awaited && comes_later == ComesLater::ToCallback,
            });
        }
        let questions: Vec<&str> = answers.iter().map(|it| it.question).collect();
        let questions = KeySet::new(&questions);
        self.write_answers(tx, job, &batch.id, answers).await?;
        run!(tx, |c| sqlx::query(MATCHED)
            .bind(&job.id)
            .bind(&batch.id)
            .bind(questions)
            .execute(c)
            .await
            .map(drop))?;
        run!(tx, |c| sqlx::query(NOT_MATCHED)
            .bind(&job.id)
            .bind(&batch.id)
            .execute(c)
            .await
            .map(drop))?;
        self.copy_to_same(tx, &job.id, &batch.items).await?;
        Ok(found)
    }

    async fn mark_items(
        &self,
        tx: &mut Tx,
        batch: &ReservedBatch,
        status: &str,
        error: Option<&str>,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE enrichment_items SET status = $3, error = $4
            WHERE job_id = (SELECT job_id FROM enrichment_batches WHERE id = $1)
              AND batch_id = $1 AND status IN ('asked', 'uncertain')
              AND position IN (SELECT CAST(key AS bigint) FROM json_each($2))
            RETURNING job_id";
        let positions: Vec<String> = batch
            .items
            .iter()
            .map(|it| it.position.to_string())
            .collect();
        let jobs: Vec<String> = run!(tx, |c| sqlx::query_scalar(SQL)
            .bind(&batch.id)
            .bind(KeySet::new(&positions))
            .bind(status)
            .bind(error)
            .fetch_all(c)
            .await)?;
        match jobs.first() {
            Some(job_id) => self.copy_to_same(tx, job_id, &batch.items).await,
            None => Ok(()),
        }
    }

    /// Gives further items with the same question what the first one has.
    pub(super) async fn copy_to_same(
        &self,
        tx: &mut Tx,
        job_id: &str,
        items: &[AskedItem],
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE enrichment_items SET (status, answer_id, reused, error) = (
                SELECT status, answer_id, reused, error FROM enrichment_items asked
                WHERE asked.job_id = enrichment_items.job_id
                  AND asked.position = enrichment_items.same_as)
            WHERE job_id = $1 AND same_as IN (SELECT CAST(key AS bigint) FROM json_each($2))";
        let with_copies = items.iter().filter(|item| item.copies > 0);
        let positions: Vec<String> = with_copies.map(|it| it.position.to_string()).collect();
        if positions.is_empty() {
            return Ok(());
        }
        Ok(run!(tx, |c| sqlx::query(SQL)
            .bind(job_id)
            .bind(KeySet::new(&positions))
            .execute(c)
            .await
            .map(drop))?)
    }

    pub(super) async fn end_batch(
        &self,
        tx: &mut Tx,
        batch_id: &str,
        state: &str,
        credits_spent: i64,
        credits_reserved: i64,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE enrichment_batches
            SET state = $2, credits_spent = credits_spent + $3, credits_reserved = $4 WHERE id = $1";
        Ok(run!(tx, |c| sqlx::query(SQL)
            .bind(batch_id)
            .bind(state)
            .bind(credits_spent)
            .bind(credits_reserved)
            .execute(c)
            .await
            .map(drop))?)
    }

    pub(super) async fn change_counts(
        &self,
        tx: &mut Tx,
        job_id: &str,
        by: &CountChanges,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE enrichment_jobs
            SET matched = matched + $2, not_matched = not_matched + $3, failed = failed + $4,
                uncertain = uncertain + $5, credits_spent = credits_spent + $6,
                credits_reserved = credits_reserved + $7, awaited = awaited + $8,
                reused = reused + $9
            WHERE id = $1";
        Ok(run!(tx, |c| sqlx::query(SQL)
            .bind(job_id)
            .bind(by.matched)
            .bind(by.not_matched)
            .bind(by.failed)
            .bind(by.uncertain)
            .bind(by.credits_spent)
            .bind(by.credits_reserved)
            .bind(by.awaited)
            .bind(by.reused)
            .execute(c)
            .await
            .map(drop))?)
    }

    async fn count_failures(
        &self,
        tx: &mut Tx,
        job_id: &str,
        failed: bool,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE enrichment_jobs SET failures = CASE WHEN $2 THEN failures + 1 ELSE 0 END
            WHERE id = $1";
        Ok(run!(tx, |c| sqlx::query(SQL)
            .bind(job_id)
            .bind(failed)
            .execute(c)
            .await
            .map(drop))?)
    }

    /// Late answers that came before the batch's own one.
    async fn take_early_answers(&self, tx: &mut Tx, batch_id: &str) -> Result<(), StoreError> {
        const SQL: &str = "
            DELETE FROM enrichment_early WHERE batch_id = $1 RETURNING provider_id, answer, credits";
        let early: Vec<EarlyAnswer> = run!(tx, |c| sqlx::query_as(SQL)
            .bind(batch_id)
            .fetch_all(c)
            .await)?;
        for answer in early {
            self.take_early(tx, batch_id, &answer).await?;
        }
        Ok(())
    }
}

impl BatchResult {
    fn state(&self) -> &'static str {
        match self {
            Self::Answered { .. } => "answered",
            Self::Refused | Self::Rejected(_) => "refused",
            Self::Uncertain(_) => "uncertain",
        }
    }
}

#[derive(Default)]
struct Found {
    matched: i64,
    not_matched: i64,
    awaited: i64,
}

/// How many items of the list have these questions.
pub(super) fn items_of<'i>(items: impl IntoIterator<Item = &'i AskedItem>) -> i64 {
    items.into_iter().map(|item| 1 + item.copies).sum()
}

/// Locks the job's row and reads it as it is now.
pub(super) async fn lock_job(tx: &mut Tx, id: &str) -> Result<EnrichmentJob, StoreError> {
    const SQL: &str = concat!(
        "UPDATE enrichment_jobs SET due_at = due_at WHERE id = $1 RETURNING ",
        job_columns!()
    );
    let row: Option<JobRow> = run!(tx, |c| sqlx::query_as(SQL).bind(id).fetch_optional(c).await)?;
    row.ok_or(StoreError::Missing("the enrichment job"))?
        .try_into()
}

async fn lock_batch(tx: &mut Tx, id: &str) -> Result<Option<BatchRow>, StoreError> {
    const SQL: &str = "
        UPDATE enrichment_batches SET fence = fence WHERE id = $1 RETURNING state, credits_reserved";
    Ok(run!(tx, |c| sqlx::query_as(SQL)
        .bind(id)
        .fetch_optional(c)
        .await)?)
}
