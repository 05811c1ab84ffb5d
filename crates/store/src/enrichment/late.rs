//! Late answers: phone numbers and the results of a waterfall, which the provider sends to the address
//! of their batch. They may come twice, in any order, and before the batch's own answer.

use std::collections::BTreeSet;

use sqlx::types::Json;
use sqlx_macros::FromRow;
use syncline_model::{
    ProviderName,
    enrichment::{Enriched, LateAnswer, LatePerson},
};

use super::settle::{CountChanges, lock_job};
use crate::{
    Store, StoreError,
    db::{Tx, run},
    digest::digest,
    providers::parse_provider,
    retry::with_retry,
    timestamp::at,
};

/// The most people that are kept for a batch until its own answer is stored: whether it asked about them
/// is not known before.
const MOST_EARLY: i64 = 20;

/// A batch whose late answers are still taken.
#[derive(Debug, Clone)]
pub struct TakenLate {
    batch_id: String,
    job_id: String,
    pub provider: ProviderName,
}

/// What became of a late answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LateOutcome {
    /// It was added to the results, or is kept until the batch's answer is stored.
    Taken,
    /// It tells of somebody who was not asked about.
    Foreign,
}

/// A late answer that came before its batch's.
#[derive(Debug, FromRow)]
pub(super) struct EarlyAnswer {
    provider_id: String,
    #[sqlx(json)]
    answer: LatePerson,
    credits: i64,
}

#[derive(FromRow)]
struct AwaitedRow {
    id: String,
    job_id: String,
    batch_id: String,
    enriched: Json<Enriched>,
    awaited: bool,
}

impl Store {
    /// The batch whose callback has this secret; `None`: nobody's, or it has expired.
    pub async fn batch_of_callback(&self, secret: &str) -> Result<Option<TakenLate>, StoreError> {
        const SQL: &str = "
            SELECT b.id, b.job_id, j.provider_name
            FROM enrichment_batches b JOIN enrichment_jobs j ON j.id = b.job_id
            WHERE b.callback = $1 AND b.callback_until > $2";
        let now = self.now();
        let mut reader = self.db.read().await?;
        let row: Option<(String, String, String)> = run!(reader, |c| sqlx::query_as(SQL)
            .bind(digest(secret))
            .bind(at(now))
            .fetch_optional(c)
            .await)?;
        row.map(|(batch_id, job_id, provider)| {
            Ok(TakenLate {
                provider: parse_provider("enrichment_jobs", &job_id, &provider)?,
                batch_id,
                job_id,
            })
        })
        .transpose()
    }

    /// The digest under which a callback's secret is stored.
    pub fn callback_digest(secret: &str) -> String {
        digest(secret)
    }

    /// Adds a late answer to the results that it is about, or nothing of it.
    pub async fn take_late_answer(
        &self,
        batch: &TakenLate,
        answer: &LateAnswer,
    ) -> Result<LateOutcome, StoreError> {
        with_retry(|| async {
            let mut tx = self.db.begin().await?;
            let outcome = self.take_late_in(&mut tx, batch, answer).await?;
            match outcome {
                LateOutcome::Taken => tx.commit().await?,
                LateOutcome::Foreign => tx.rollback().await?,
            }
            Ok(outcome)
        })
        .await
    }

    async fn take_late_in(
        &self,
        tx: &mut Tx,
        batch: &TakenLate,
        answer: &LateAnswer,
    ) -> Result<LateOutcome, StoreError> {
        const STATE: &str = "SELECT state FROM enrichment_batches WHERE id = $1";
        const KEPT: &str = "SELECT count(*) FROM enrichment_early WHERE batch_id = $1";
        const KEEP: &str = "
            INSERT INTO enrichment_early (batch_id, provider_id, answer, credits)
            VALUES ($1, $2, $3, $4)
            ON CONFLICT (batch_id, provider_id) DO UPDATE
            SET answer = excluded.answer, credits = excluded.credits";
        lock_job(tx, &batch.job_id).await?;
        let state: Option<String> = run!(tx, |c| sqlx::query_scalar(STATE)
            .bind(&batch.batch_id)
            .fetch_optional(c)
            .await)?;
        if state.as_deref() != Some("answered") {
            let kept: i64 = run!(tx, |c| sqlx::query_scalar(KEPT)
                .bind(&batch.batch_id)
                .fetch_one(c)
                .await)?;
            if kept >= MOST_EARLY {
                return Ok(LateOutcome::Foreign);
            }
            let mut credits = answer.credits.unwrap_or(0);
            for person in &answer.people {
                let credits = std::mem::take(&mut credits);
                run!(tx, |c| sqlx::query(KEEP)
                    .bind(&batch.batch_id)
                    .bind(&person.id)
                    .bind(Json(person))
                    .bind(credits)
                    .execute(c)
                    .await
                    .map(drop))?;
            }
            return Ok(LateOutcome::Taken);
        }
        let mut came = 0;
        for person in &answer.people {
            match self.add_late(tx, &batch.batch_id, person).await? {
                None => return Ok(LateOutcome::Foreign),
                Some(was_awaited) => came += i64::from(was_awaited),
            }
        }
        if came > 0 {
            let credits = answer.credits.unwrap_or(0);
            self.count_late(tx, &batch.batch_id, &batch.job_id, credits)
                .await?;
        }
        Ok(LateOutcome::Taken)
    }

    /// A late answer that came before its batch's own. Somebody who was not asked about is nobody here.
    pub(super) async fn take_early(
        &self,
        tx: &mut Tx,
        batch_id: &str,
        early: &EarlyAnswer,
    ) -> Result<(), StoreError> {
        const JOB: &str = "SELECT job_id FROM enrichment_batches WHERE id = $1";
        let taken = self.add_late(tx, batch_id, &early.answer).await?;
        if taken.is_none() {
            let unknown = &early.provider_id;
            tracing::warn!("a late answer tells of {unknown}, who was not asked about");
        }
        if taken == Some(true) {
            let job_id: String = run!(tx, |c| sqlx::query_scalar(JOB)
                .bind(batch_id)
                .fetch_one(c)
                .await)?;
            self.count_late(tx, batch_id, &job_id, early.credits)
                .await?;
        }
        Ok(())
    }

    /// Adds what came of a person to the batch's answer, and to other answers that wait for the same
    /// person: the provider tells once of somebody who was asked about twice. `None`: the batch didn't
    /// ask about this person; otherwise whether its answer was awaited.
    async fn add_late(
        &self,
        tx: &mut Tx,
        batch_id: &str,
        person: &LatePerson,
    ) -> Result<Option<bool>, StoreError> {
        const OWN: &str = "
            SELECT id, job_id, batch_id, enriched, awaited FROM enrichment_answers
            WHERE batch_id = $1 AND provider_id = $2 AND state = 'matched'";
        const OTHERS: &str = "
            SELECT other.id, other.job_id, other.batch_id, other.enriched, other.awaited
            FROM enrichment_answers own JOIN enrichment_answers other
              ON other.application_id = own.application_id
             AND other.provider_name = own.provider_name AND other.provider_id = own.provider_id
             AND other.awaited AND other.id <> own.id
            WHERE own.id = $1";
        let own: Vec<AwaitedRow> = run!(tx, |c| sqlx::query_as(OWN)
            .bind(batch_id)
            .bind(&person.id)
            .fetch_all(c)
            .await)?;
        let Some(first) = own.first() else {
            return Ok(None);
        };
        let others: Vec<AwaitedRow> = run!(tx, |c| sqlx::query_as(OTHERS)
            .bind(&first.id)
            .fetch_all(c)
            .await)?;
        let was_awaited = own.iter().any(|row| row.awaited);
        let mut elsewhere = BTreeSet::new();
        for row in own.into_iter().chain(others) {
            self.write_late(tx, &row, person).await?;
            if row.awaited && row.batch_id != batch_id {
                elsewhere.insert((row.job_id, row.batch_id));
            }
        }
        for (job_id, batch_id) in elsewhere {
            self.count_late(tx, &batch_id, &job_id, 0).await?;
        }
        Ok(Some(was_awaited))
    }

    async fn write_late(
        &self,
        tx: &mut Tx,
        row: &AwaitedRow,
        person: &LatePerson,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE enrichment_answers SET enriched = $2, awaited = FALSE, late_at = $3 WHERE id = $1";
        let mut enriched = row.enriched.0.clone();
        if let Enriched::Person(known) = &mut enriched {
            known.add_late(person);
        }
        let now = self.now();
        Ok(run!(tx, |c| sqlx::query(SQL)
            .bind(&row.id)
            .bind(Json(&enriched))
            .bind(at(now))
            .execute(c)
            .await
            .map(drop))?)
    }

    /// Counts what came for a batch. Once nothing is awaited any more, nothing stays reserved.
    pub(super) async fn count_late(
        &self,
        tx: &mut Tx,
        batch_id: &str,
        job_id: &str,
        credits: i64,
    ) -> Result<(), StoreError> {
        const STATE: &str = "
            SELECT b.credits_reserved,
                (SELECT count(*) FROM enrichment_answers a WHERE a.batch_id = b.id AND a.awaited),
                (SELECT count(*) FROM enrichment_answers a
                 JOIN enrichment_batches o ON o.id = a.batch_id
                 WHERE o.job_id = b.job_id AND a.awaited)
            FROM enrichment_batches b WHERE b.id = $1";
        const BATCH: &str = "
            UPDATE enrichment_batches
            SET credits_spent = credits_spent + $2, credits_reserved = credits_reserved - $3
            WHERE id = $1";
        const AWAITED: &str = "UPDATE enrichment_jobs SET awaited = $2 WHERE id = $1";
        let (reserved, of_batch, of_job): (i64, i64, i64) = run!(tx, |c| sqlx::query_as(STATE)
            .bind(batch_id)
            .fetch_one(c)
            .await)?;
        let freed = if of_batch == 0 {
            reserved
        } else {
            credits.min(reserved)
        };
        run!(tx, |c| sqlx::query(BATCH)
            .bind(batch_id)
            .bind(credits)
            .bind(freed)
            .execute(c)
            .await
            .map(drop))?;
        run!(tx, |c| sqlx::query(AWAITED)
            .bind(job_id)
            .bind(of_job)
            .execute(c)
            .await
            .map(drop))?;
        let changes = CountChanges {
            credits_spent: credits,
            credits_reserved: -freed,
            ..CountChanges::default()
        };
        self.change_counts(tx, job_id, &changes).await
    }
}
