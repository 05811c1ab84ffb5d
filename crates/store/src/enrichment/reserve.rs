//! Counts a batch before it is sent: its items, the credits and the request, in one transaction. What is
//! known already is taken from there, at no cost.

use chrono::TimeDelta;
use sqlx_macros::FromRow;
use syncline_model::{Time, budget::Refusal, enrichment::Lead};

use super::{
    EnrichmentJob,
    answers::{AnswerRow, Known},
    claim::lock_under_fence,
    settle::{CountChanges, items_of},
};
use crate::{
    Permit, PermitDecision, PermitRequest, Store, StoreError,
    db::{Tx, run},
    key_credits::KeyCreditsLeft,
    key_set::KeySet,
    retry::with_retry,
    timestamp::{Timestamp, at},
};

/// How many items are looked at in one statement.
const LOOKED_AT: i64 = 200;
/// How long late answers to a batch are taken.
const LATE_WITHIN: TimeDelta = TimeDelta::days(31);

/// A batch to be sent with a key.
#[derive(Debug, Clone)]
pub struct BatchRequest<'a> {
    /// `connection_keys.id`, or the connection's id for its main key.
    pub key_id: &'a str,
    pub account_id: &'a str,
    /// What the key may spend in 24 hours.
    pub max_credits_per_day: Option<i64>,
    pub size: usize,
    /// The most that one item can cost, at once and later together.
    pub most_credits: i64,
    pub permit: PermitRequest<'a>,
    /// The digest of the secret in the address that late answers come to.
    pub callback: Option<String>,
}

/// A batch that is counted and may be sent once.
#[derive(Debug, Clone)]
pub struct ReservedBatch {
    pub id: String,
    pub key_id: String,
    pub items: Vec<AskedItem>,
    pub permit: Permit,
}

#[derive(Debug, Clone, FromRow)]
pub struct AskedItem {
    pub position: i64,
    #[sqlx(json)]
    pub lead: Lead,
    pub(crate) question: String,
    /// How many further items have the same question.
    pub(crate) copies: i64,
}

/// Why no batch is to be sent now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotAsked {
    /// No item is left to be asked about.
    NothingLeft,
    /// What is left is being asked by other batches.
    SameQuestions,
    /// The job may not spend more.
    MaxCredits,
    /// The key may not spend more today.
    CreditsPerDay { until: Time },
    /// The request windows of the key's account are used up.
    RateLimited(Refusal),
}

/// The items that a search for a batch came across.
#[derive(Default)]
struct Picked {
    ask: Vec<AskedItem>,
    /// Answers that are too old, to the questions of `ask`.
    outdated: Vec<String>,
    are_asked: bool,
    /// There were items for which the credits are not enough.
    too_expensive: bool,
}

impl Store {
    pub async fn reserve_batch(
        &self,
        job: &EnrichmentJob,
        request: &BatchRequest<'_>,
    ) -> Result<Result<ReservedBatch, NotAsked>, StoreError> {
        with_retry(|| self.reserve_batch_once(job, request)).await
    }

    async fn reserve_batch_once(
        &self,
        job: &EnrichmentJob,
        request: &BatchRequest<'_>,
    ) -> Result<Result<ReservedBatch, NotAsked>, StoreError> {
        let mut tx = self.db.begin().await?;
        let job = lock_under_fence(&mut tx, job).await?;
        let left = self.credits_left(&mut tx, &job, request).await?;
        let affordable = left.items(request);
        let picked = self
            .pick(&mut tx, &job, affordable.min(request.size))
            .await?;
        let none = if picked.ask.is_empty() {
            Some(match picked {
                Picked {
                    too_expensive: true,
                    ..
                } => left.why(request),
                Picked {
                    are_asked: true, ..
                } => NotAsked::SameQuestions,
                _ => NotAsked::NothingLeft,
            })
        } else {
            None
        };
        if let Some(none) = none {
            tx.commit().await?;
            return Ok(Err(none));
        }
        tx.savepoint().await?;
        let batch = self.write_batch(&mut tx, &job, request, picked).await?;
        let Some((id, items)) = batch else {
            tx.rollback_to_savepoint().await?;
            tx.commit().await?;
            return Ok(Err(NotAsked::SameQuestions));
        };
        let decision = self
            .reserve_in(&mut tx, request.account_id, &request.permit)
            .await?;
        match decision {
            PermitDecision::Refused(refusal) => {
                tx.rollback_to_savepoint().await?;
                tx.commit().await?;
                Ok(Err(NotAsked::RateLimited(refusal)))
            }
            PermitDecision::Permit(permit) => {
                tx.release_savepoint().await?;
                tx.commit().await?;
                Ok(Ok(ReservedBatch {
                    id,
                    key_id: request.key_id.to_owned(),
                    items,
                    permit,
                }))
            }
        }
    }

    /// What the job and the key may still spend.
    async fn credits_left(
        &self,
        tx: &mut Tx,
        job: &EnrichmentJob,
        request: &BatchRequest<'_>,
    ) -> Result<CreditsLeft, StoreError> {
        let counts = &job.counts;
        let of_job = job
            .max_credits
            .map(|most| most - counts.credits_spent - counts.credits_reserved);
        let of_day = match request.max_credits_per_day {
            None => None,
            Some(per_day) => Some(self.key_credits_left(tx, request.key_id, per_day).await?),
        };
        Ok(CreditsLeft { of_job, of_day })
    }

    /// The next items to be asked about, at most `most`. Items whose answer is known, or lost, get that
    /// on the way: all of them, if nothing can be asked.
    async fn pick(
        &self,
        tx: &mut Tx,
        job: &EnrichmentJob,
        most: usize,
    ) -> Result<Picked, StoreError> {
        const SQL: &str = "
            SELECT position, lead, question,
                (SELECT count(*) FROM enrichment_items copy
                 WHERE copy.job_id = item.job_id AND copy.same_as = item.position) AS copies
            FROM enrichment_items item
            WHERE job_id = $1 AND status = 'pending' AND same_as IS NULL AND position > $2
            ORDER BY position LIMIT $3";
        let policy = self.policy_of_results(tx, &job.id).await?;
        let mut picked = Picked::default();
        let mut after = 0;
        loop {
            let items: Vec<AskedItem> = run!(tx, |c| sqlx::query_as(SQL)
                .bind(&job.id)
                .bind(after)
                .bind(LOOKED_AT)
                .fetch_all(c)
                .await)?;
            let Some(furthest) = items.last() else {
                return Ok(picked);
            };
            after = furthest.position;
            let questions: Vec<&str> = items.iter().map(|it| it.question.as_str()).collect();
            let known = self.known_answers(tx, job, &questions).await?;
            let now = self.now();
            let (mut reused, mut lost) = (Vec::new(), Vec::new());
            for item in items {
                let row = known.get(&item.question);
                match row.map_or(Known::Nothing, |row| row.known(job, &policy, now)) {
                    Known::Answered => reused.extend(row.map(|row| (item, row))),
                    Known::Uncertain => lost.push(item),
                    Known::Asked => picked.are_asked = true,
                    Known::Nothing if picked.ask.len() < most => {
                        picked.outdated.extend(row.map(|row| row.id.clone()));
                        picked.ask.push(item);
                    }
                    Known::Nothing => picked.too_expensive |= most == 0,
                }
            }
            self.reuse_answers(tx, job, &reused).await?;
            self.mark_lost(tx, job, &lost).await?;
            if most > 0 && picked.ask.len() == most {
                return Ok(picked);
            }
        }
    }

    /// Gives items the answers that were paid for before.
    async fn reuse_answers(
        &self,
        tx: &mut Tx,
        job: &EnrichmentJob,
        reused: &[(AskedItem, &AnswerRow)],
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE enrichment_items SET status = 'matched', reused = TRUE, answer_id = (
                SELECT id FROM enrichment_answers a
                WHERE a.application_id = $3 AND a.provider_name = $4 AND NOT a.superseded
                  AND a.question = enrichment_items.question)
            WHERE job_id = $1 AND status = 'pending'
              AND question IN (SELECT key FROM json_each($2))";
        if reused.is_empty() {
            return Ok(());
        }
        let questions: Vec<&str> = reused.iter().map(|(it, _)| it.question.as_str()).collect();
        run!(tx, |c| sqlx::query(SQL)
            .bind(&job.id)
            .bind(KeySet::new(&questions))
            .bind(&job.application_id)
            .bind(job.provider.as_str())
            .execute(c)
            .await
            .map(drop))?;
        let items = items_of(reused.iter().map(|(it, _)| it));
        let changes = CountChanges {
            matched: items,
            reused: items,
            ..CountChanges::default()
        };
        self.change_counts(tx, &job.id, &changes).await
    }

    /// These questions were asked before, and their answers were lost.
    async fn mark_lost(
        &self,
        tx: &mut Tx,
        job: &EnrichmentJob,
        lost: &[AskedItem],
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE enrichment_items SET status = 'uncertain', error = $3
            WHERE job_id = $1 AND status = 'pending'
              AND question IN (SELECT key FROM json_each($2))";
        const ASKED_BEFORE: &str = "the same was asked before and its answer was lost: it may have been \
                                    paid for, and is asked again with retry_uncertain";
        if lost.is_empty() {
            return Ok(());
        }
        let questions: Vec<&str> = lost.iter().map(|it| it.question.as_str()).collect();
        run!(tx, |c| sqlx::query(SQL)
            .bind(&job.id)
            .bind(KeySet::new(&questions))
            .bind(ASKED_BEFORE)
            .execute(c)
            .await
            .map(drop))?;
        let changes = CountChanges {
            uncertain: items_of(lost),
            ..CountChanges::default()
        };
        self.change_counts(tx, &job.id, &changes).await
    }

    /// `None` if other batches began to ask all of it at the same time.
    async fn write_batch(
        &self,
        tx: &mut Tx,
        job: &EnrichmentJob,
        request: &BatchRequest<'_>,
        picked: Picked,
    ) -> Result<Option<(String, Vec<AskedItem>)>, StoreError> {
        const INSERT: &str = "
            INSERT INTO enrichment_batches (id, application_id, job_id, key_id, state, fence, sent_at,
                credits_spent, credits_reserved, callback, callback_until)
            VALUES ($1, $2, $3, $4, 'sent', $5, $6, 0, $7, $8, $9)";
        const ITEMS: &str = "
            UPDATE enrichment_items SET status = 'asked', batch_id = $2
            WHERE job_id = $1 AND same_as IS NULL AND status = 'pending'
              AND question IN (SELECT key FROM json_each($3))";
        let outdated: Vec<&str> = picked.outdated.iter().map(String::as_str).collect();
        self.supersede_answers(tx, &outdated).await?;
        let id = self.new_id();
        let questions: Vec<&str> = picked.ask.iter().map(|it| it.question.as_str()).collect();
        let begun = self.begin_asking(tx, job, &id, &questions).await?;
        if begun.is_empty() {
            return Ok(None);
        }
        let mut items = picked.ask;
        items.retain(|item| begun.contains(&item.question));
        let credits = i64::try_from(items.len()).unwrap_or(i64::MAX) * request.most_credits;
        let now = self.now();
        let until = request
            .callback
            .as_ref()
            .map(|_| Timestamp(now + LATE_WITHIN));
        run!(tx, |c| sqlx::query(INSERT)
            .bind(&id)
            .bind(&job.application_id)
            .bind(&job.id)
            .bind(request.key_id)
            .bind(job.fence)
            .bind(at(now))
            .bind(credits)
            .bind(&request.callback)
            .bind(until)
            .execute(c)
            .await
            .map(drop))?;
        run!(tx, |c| sqlx::query(ITEMS)
            .bind(&job.id)
            .bind(&id)
            .bind(KeySet::new(&begun))
            .execute(c)
            .await
            .map(drop))?;
        let changes = CountChanges {
            credits_reserved: credits,
            ..CountChanges::default()
        };
        self.change_counts(tx, &job.id, &changes).await?;
        Ok(Some((id, items)))
    }
}

/// What may still be spent; `None`: without limit.
struct CreditsLeft {
    of_job: Option<i64>,
    of_day: Option<KeyCreditsLeft>,
}

impl CreditsLeft {
    /// How many items it is enough for.
    fn items(&self, request: &BatchRequest<'_>) -> usize {
        let of_day = self.of_day.map(|left| left.credits);
        let least = [self.of_job, of_day].into_iter().flatten().min();
        let Some(least) = least else {
            return usize::MAX;
        };
        let each = request.most_credits.max(1);
        usize::try_from(least.max(0) / each).unwrap_or(usize::MAX)
    }

    fn why(&self, request: &BatchRequest<'_>) -> NotAsked {
        let job_is_out = self.of_job.is_some_and(|left| left < request.most_credits);
        match self.of_day {
            Some(left) if !job_is_out => NotAsked::CreditsPerDay { until: left.until },
            _ => NotAsked::MaxCredits,
        }
    }
}

/// The leads of a batch, in its order.
impl ReservedBatch {
    pub fn leads(&self) -> Vec<Lead> {
        self.items.iter().map(|item| item.lead.clone()).collect()
    }
}
