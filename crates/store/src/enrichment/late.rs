//! Late answers: phone numbers and the results of a waterfall, which the provider sends to the address
//! of their batch. They may come twice, in any order, and before the batch's own answer.

use std::{collections::BTreeMap, slice};

use sqlx::types::Json;
use sqlx_macros::FromRow;
use syncline_model::{
    ProviderName,
    enrichment::{Enriched, LateAnswer, LatePerson},
};

use super::{
    EnrichmentJob,
    settle::{CountChanges, lock_job},
};
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
    enriched: Json<Enriched>,
    awaited: bool,
    late_due: bool,
}

/// An awaited answer, and that of another batch to which something came.
#[derive(FromRow)]
struct ToldRow {
    #[sqlx(flatten)]
    row: AwaitedRow,
    provider_id: String,
    told: Json<Enriched>,
}

/// An awaited answer, and what came for a batch whose own answer was lost.
#[derive(FromRow)]
struct EarlyRow {
    #[sqlx(flatten)]
    row: AwaitedRow,
    late: Json<LatePerson>,
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
                self.add_to_others(tx, &batch.batch_id, person).await?;
            }
            return Ok(LateOutcome::Taken);
        }
        let mut was_due = false;
        for person in &answer.people {
            match self.add_late(tx, &batch.batch_id, person).await? {
                None => return Ok(LateOutcome::Foreign),
                Some(due) => was_due |= due,
            }
        }
        if was_due {
            let credits = answer.credits.unwrap_or(0);
            self.count_late(tx, (&batch.batch_id, &batch.job_id), credits)
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
            self.count_late(tx, (batch_id, &job_id), early.credits)
                .await?;
        }
        Ok(())
    }

    /// Adds what came of a person to the batch's answer, and to others that wait for the same person.
    /// `None`: the batch didn't ask about this person; otherwise whether its callback had not told of them
    /// before.
    async fn add_late(
        &self,
        tx: &mut Tx,
        batch_id: &str,
        person: &LatePerson,
    ) -> Result<Option<bool>, StoreError> {
        const OWN: &str = "
            SELECT id, job_id, enriched, awaited, late_due FROM enrichment_answers
            WHERE batch_id = $1 AND provider_id = $2 AND state = 'matched'";
        let own: Vec<AwaitedRow> = run!(tx, |c| sqlx::query_as(OWN)
            .bind(batch_id)
            .bind(&person.id)
            .fetch_all(c)
            .await)?;
        if own.is_empty() {
            return Ok(None);
        }
        let was_due = own.iter().any(|row| row.late_due);
        for row in &own {
            self.write_late(tx, row, slice::from_ref(person), false)
                .await?;
        }
        self.add_to_others(tx, batch_id, person).await?;
        Ok(Some(was_due))
    }

    /// Adds what came of a person to the answers of other batches that wait for them: of somebody who
    /// was asked about twice, the provider tells once.
    async fn add_to_others(
        &self,
        tx: &mut Tx,
        batch_id: &str,
        person: &LatePerson,
    ) -> Result<(), StoreError> {
        const OTHERS: &str = "
            SELECT a.id, a.job_id, a.enriched, a.awaited, a.late_due
            FROM enrichment_batches b JOIN enrichment_jobs j ON j.id = b.job_id
            JOIN enrichment_answers a
              ON a.application_id = b.application_id AND a.provider_name = j.provider_name
             AND a.provider_id = $2
            WHERE b.id = $1 AND a.awaited AND a.batch_id <> b.id";
        let others: Vec<AwaitedRow> = run!(tx, |c| sqlx::query_as(OTHERS)
            .bind(batch_id)
            .bind(&person.id)
            .fetch_all(c)
            .await)?;
        for row in &others {
            // What its own callback may cost stays reserved.
            self.write_late(tx, row, slice::from_ref(person), row.late_due)
                .await?;
        }
        Ok(())
    }

    /// A batch was answered that waits for people whom another batch asked about before: what came for
    /// that one while this one was under way is not told again.
    pub(super) async fn take_answers_to_others(
        &self,
        tx: &mut Tx,
        job: &EnrichmentJob,
        batch_id: &str,
    ) -> Result<(), StoreError> {
        const TOLD: &str = "
            SELECT own.id, own.job_id, own.enriched, own.awaited,
                own.late_due, other.provider_id, other.enriched AS told
            FROM enrichment_batches b
            JOIN enrichment_answers own ON own.batch_id = b.id AND own.awaited
            JOIN enrichment_answers other
              ON other.application_id = $2 AND other.provider_name = $3
             AND other.provider_id = own.provider_id AND other.late_at >= b.sent_at
            WHERE b.id = $1";
        const EARLY: &str = "
            SELECT own.id, own.job_id, own.enriched, own.awaited, own.late_due,
                e.answer AS late
            FROM enrichment_batches b
            JOIN enrichment_answers own ON own.batch_id = b.id AND own.awaited
            JOIN enrichment_early e ON e.provider_id = own.provider_id
            JOIN enrichment_batches other
              ON other.id = e.batch_id AND other.application_id = b.application_id
            WHERE b.id = $1";
        let told: Vec<ToldRow> = run!(tx, |c| sqlx::query_as(TOLD)
            .bind(batch_id)
            .bind(&job.application_id)
            .bind(job.provider.as_str())
            .fetch_all(c)
            .await)?;
        let early: Vec<EarlyRow> = run!(tx, |c| sqlx::query_as(EARLY)
            .bind(batch_id)
            .fetch_all(c)
            .await)?;
        let told = told.into_iter().filter_map(|row| match &row.told.0 {
            Enriched::Person(person) => Some((row.row, LatePerson::of(&row.provider_id, person))),
            Enriched::Company(_) => None,
        });
        let early = early.into_iter().map(|row| (row.row, row.late.0));
        let mut rows: BTreeMap<String, (AwaitedRow, Vec<LatePerson>)> = BTreeMap::new();
        for (row, late) in told.chain(early) {
            let id = row.id.clone();
            rows.entry(id).or_insert((row, Vec::new())).1.push(late);
        }
        for (row, late) in rows.values() {
            self.write_late(tx, row, late, row.late_due).await?;
        }
        Ok(())
    }

    /// Adds what came to an answer. `late_due`: whether its own batch's callback is still to come.
    async fn write_late(
        &self,
        tx: &mut Tx,
        row: &AwaitedRow,
        late: &[LatePerson],
        late_due: bool,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE enrichment_answers
            SET enriched = $2, awaited = FALSE, late_due = $3, late_at = $4 WHERE id = $1";
        let mut enriched = row.enriched.0.clone();
        if let Enriched::Person(known) = &mut enriched {
            for person in late {
                known.add_late(person);
            }
        }
        let policy = self.policy_of_results(tx, &row.job_id).await?;
        let enriched = policy.stored_result(&enriched);
        let now = self.now();
        run!(tx, |c| sqlx::query(SQL)
            .bind(&row.id)
            .bind(Json(&enriched))
            .bind(late_due)
            .bind(at(now))
            .execute(c)
            .await
            .map(drop))?;
        let changes = CountChanges {
            awaited: -i64::from(row.awaited),
            ..CountChanges::default()
        };
        self.change_counts(tx, &row.job_id, &changes).await
    }

    /// Counts what a batch's callback cost. Once it has told of everybody, nothing stays reserved.
    async fn count_late(
        &self,
        tx: &mut Tx,
        (batch_id, job_id): (&str, &str),
        credits: i64,
    ) -> Result<(), StoreError> {
        const STATE: &str = "
            SELECT b.credits_reserved,
                (SELECT count(*) FROM enrichment_answers a WHERE a.batch_id = b.id AND a.late_due)
            FROM enrichment_batches b WHERE b.id = $1";
        const BATCH: &str = "
            UPDATE enrichment_batches
            SET credits_spent = credits_spent + $2, credits_reserved = credits_reserved - $3
            WHERE id = $1";
        let (reserved, due): (i64, i64) = run!(tx, |c| sqlx::query_as(STATE)
            .bind(batch_id)
            .fetch_one(c)
            .await)?;
        let freed = if due == 0 {
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
        let changes = CountChanges {
            credits_spent: credits,
            credits_reserved: -freed,
            ..CountChanges::default()
        };
        self.change_counts(tx, job_id, &changes).await
    }
}
