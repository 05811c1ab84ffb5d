//! A leased job: one stream of batches for each provider account among the connection's keys, until
//! nothing is left, nothing may be asked now, or it is others' turn.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, HashMap},
};

use chrono::TimeDelta;
use futures::future::join_all;
use syncline_model::{KeyStatus, Time, enrichment::JobWait};
use syncline_store::{ConnectionKey, EnrichmentJob, StoreError};
use tokio::time::Instant;

use super::{batch::BatchEnd, report};
use crate::Engine;

/// How often in a row the provider may leave a job unanswered. Each time costs the items of a batch.
const MOST_FAILURES: i64 = 5;
/// The delay after the first time; doubled after each.
const AFTER_FAILURE: TimeDelta = TimeDelta::seconds(10);
/// The delay while another job asks the same.
const AFTER_SAME_QUESTION: TimeDelta = TimeDelta::seconds(2);

/// Why a worker stops working on a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobEnd {
    /// It succeeded or failed.
    Ended,
    /// Postponed until something may be asked.
    Waiting,
    /// Released, because this process shuts down or others' jobs are due.
    Released,
    /// Another worker has the lease, or it was cancelled, or the database could not be reached.
    Abandoned,
}

/// Why the batches with one key stop.
#[derive(Debug, Clone, PartialEq, Eq)]
enum StreamEnd {
    NothingLeft,
    SameQuestions,
    MaxCredits,
    /// The key may be used again then.
    Until(Time, JobWait),
    /// The key can't be used; this was noted.
    KeyIsOut,
    /// The provider did not answer.
    Unanswered(String),
    /// It was not sent, and may be soon.
    NotSent(String),
    Shutdown,
    Turn,
    LeaseLost,
}

/// What one round with all keys came to.
struct Round {
    ends: Vec<StreamEnd>,
    /// Batches that were settled.
    batches: usize,
}

impl Round {
    fn waits_for_credits(&self) -> bool {
        let of_key = |end: &StreamEnd| matches!(end, StreamEnd::Until(_, JobWait::CreditsPerDay));
        self.ends.iter().any(of_key)
    }
}

impl Engine {
    pub(super) async fn run_enrichment_job(&self, job: &EnrichmentJob) -> JobEnd {
        match self.try_run(job).await {
            Ok(end) => end,
            Err(StoreError::LeaseLost { .. } | StoreError::Missing(_)) => JobEnd::Abandoned,
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the job is left until its lease expires: {error}"
                );
                JobEnd::Abandoned
            }
        }
    }

    async fn try_run(&self, job: &EnrichmentJob) -> Result<JobEnd, StoreError> {
        let provider = match self.providers.get(job.provider) {
            Ok(provider) => provider,
            Err(unknown) => {
                tracing::warn!("this job is left to other processes: {unknown}");
                return Ok(JobEnd::Abandoned);
            }
        };
        let price = match provider.capabilities().batch_enrichments() {
            Ok(enrichments) => {
                let most = enrichments.most_credits(job.kind, &job.options);
                most.at_once + most.late
            }
            Err(unsupported) => return self.end(job, Some(&unsupported.to_string())).await,
        };
        let began = Instant::now();
        loop {
            let keys = self.store.keys_of(&job.connection_id).await?;
            let left = self.store.credits_left_by_key(&job.connection_id).await?;
            let mut usable = one_per_account(&keys, &left, self.clock.now());
            if usable.is_empty() {
                return self.without_keys(job, &keys, price).await;
            }
            let round = self.round(job, &usable, began).await?;
            // What costs nothing is answered by then.
            usable.retain(|key| affords(key, price));
            if usable.is_empty() && round.waits_for_credits() {
                return self.without_keys(job, &keys, price).await;
            }
            if let Some(end) = self.after(job, &round).await? {
                return Ok(end);
            }
        }
    }

    /// Asks with all keys at once, each until it has a reason to stop.
    async fn round(
        &self,
        job: &EnrichmentJob,
        keys: &[&ConnectionKey],
        began: Instant,
    ) -> Result<Round, StoreError> {
        let mut round = Round {
            ends: Vec::new(),
            batches: 0,
        };
        for keys in keys.chunks(self.config.keys_at_once) {
            let streams = keys.iter().map(|key| self.stream(job, key, began));
            for stream in join_all(streams).await {
                let (end, batches) = stream?;
                round.ends.push(end);
                round.batches += batches;
            }
        }
        Ok(round)
    }

    /// One batch after the other with one key.
    async fn stream(
        &self,
        job: &EnrichmentJob,
        key: &ConnectionKey,
        began: Instant,
    ) -> Result<(StreamEnd, usize), StoreError> {
        let mut batches = 0;
        // Of a batch that the provider refused, each item is asked about alone: one of them is wrong.
        let mut alone = 0;
        let mut has_new_tokens = false;
        loop {
            if self.shutdown.is_cancelled() {
                return Ok((StreamEnd::Shutdown, batches));
            }
            if began.elapsed() >= self.config.turn
                && self.store.other_enrichment_jobs_are_due(job).await?
            {
                return Ok((StreamEnd::Turn, batches));
            }
            let end = match self.batch(job, key, alone > 0).await? {
                BatchEnd::Settled => {
                    batches += 1;
                    alone = usize::saturating_sub(alone, 1);
                    continue;
                }
                BatchEnd::RefusedAsWhole { items } => {
                    alone = items;
                    continue;
                }
                BatchEnd::TokensReplaced if !has_new_tokens => {
                    has_new_tokens = true;
                    continue;
                }
                BatchEnd::TokensReplaced => {
                    let reason = "the provider rejects a new access token".to_owned();
                    StreamEnd::NotSent(reason)
                }
                BatchEnd::NothingLeft => StreamEnd::NothingLeft,
                BatchEnd::SameQuestions => StreamEnd::SameQuestions,
                BatchEnd::MaxCredits => StreamEnd::MaxCredits,
                BatchEnd::Until(until, reason) => StreamEnd::Until(until, reason),
                BatchEnd::KeyIsOut => StreamEnd::KeyIsOut,
                BatchEnd::Unanswered(reason) => StreamEnd::Unanswered(reason),
                BatchEnd::NotSent(reason) => StreamEnd::NotSent(reason),
                BatchEnd::LeaseLost => StreamEnd::LeaseLost,
            };
            return Ok((end, batches));
        }
    }

    /// Decides after a round; `None`: there is more to ask.
    async fn after(
        &self,
        job: &EnrichmentJob,
        round: &Round,
    ) -> Result<Option<JobEnd>, StoreError> {
        let has = |end: &StreamEnd| round.ends.contains(end);
        let all = |end: &StreamEnd| round.ends.iter().all(|it| it == end);
        if has(&StreamEnd::LeaseLost) {
            return Ok(Some(JobEnd::Abandoned));
        }
        if has(&StreamEnd::Shutdown) || has(&StreamEnd::Turn) {
            self.store.release_enrichment_job(job).await?;
            return Ok(Some(JobEnd::Released));
        }
        if all(&StreamEnd::NothingLeft) {
            return self.end(job, None).await.map(Some);
        }
        let unanswered = round.ends.iter().find_map(|end| match end {
            StreamEnd::Unanswered(reason) | StreamEnd::NotSent(reason) => Some(reason),
            _ => None,
        });
        if let Some(reason) = unanswered {
            return self.after_unanswered(job, reason).await.map(Some);
        }
        // Others' batches may have left something, or a key is out and its items are asked with others.
        if round.batches > 0 || has(&StreamEnd::KeyIsOut) {
            return Ok(None);
        }
        if has(&StreamEnd::MaxCredits) {
            let most = job.max_credits.unwrap_or_default();
            let error = format!(
                "max_credits of {most} is reached; continue the job with a higher one for what is left"
            );
            return self.end(job, Some(&error)).await.map(Some);
        }
        let now = self.clock.now();
        let waits = round.ends.iter().filter_map(|end| match end {
            StreamEnd::Until(until, reason) => Some((*until, *reason)),
            StreamEnd::SameQuestions => Some((now + AFTER_SAME_QUESTION, JobWait::SameQuestion)),
            _ => None,
        });
        match waits.min_by_key(|(until, _)| *until) {
            Some((until, reason)) => self.postpone(job, until, reason).await.map(Some),
            None => Ok(None),
        }
    }

    async fn after_unanswered(
        &self,
        job: &EnrichmentJob,
        reason: &str,
    ) -> Result<JobEnd, StoreError> {
        let failures = self.store.enrichment_failures(job).await?;
        if failures >= MOST_FAILURES {
            let error = format!("the provider did not answer {failures} times in a row: {reason}");
            return self.end(job, Some(&error)).await;
        }
        let doubled = 1 << failures.saturating_sub(1).clamp(0, 10);
        let until = self.clock.now() + AFTER_FAILURE * doubled;
        tracing::warn!("the job goes on at {until}: {reason}");
        self.postpone(job, until, JobWait::ProviderUnavailable)
            .await
    }

    /// No key can be used now: waits for one that will be tried again soon, or stops.
    async fn without_keys(
        &self,
        job: &EnrichmentJob,
        keys: &[ConnectionKey],
        price: i64,
    ) -> Result<JobEnd, StoreError> {
        let said = |key: &ConnectionKey| {
            let label = &key.label;
            match (&key.status_reason, key.max_credits_per_day) {
                (_, Some(most)) if !affords(key, price) => format!(
                    "{label}: it may spend {most} credits in 24 hours, and an entry may cost {price}"
                ),
                (Some(reason), _) => format!("{label}: {reason}"),
                (None, _) => format!("{label}: it can't be used"),
            }
        };
        let said: Vec<String> = keys.iter().map(said).collect();
        let out_of_credits = keys.iter().any(|key| key.status == KeyStatus::UsedUp);
        let what = if out_of_credits {
            "no key has credits left"
        } else {
            "no key can be used"
        };
        let error = format!("{what} ({})", said.join("; "));
        self.end(job, Some(&error)).await
    }

    async fn postpone(
        &self,
        job: &EnrichmentJob,
        until: Time,
        reason: JobWait,
    ) -> Result<JobEnd, StoreError> {
        if self
            .store
            .postpone_enrichment_job(job, until, reason)
            .await?
        {
            report::waits(until, reason);
            Ok(JobEnd::Waiting)
        } else {
            Ok(JobEnd::Abandoned)
        }
    }

    async fn end(&self, job: &EnrichmentJob, error: Option<&str>) -> Result<JobEnd, StoreError> {
        if self.store.end_enrichment_job(job, error).await? {
            report::ended(error);
            Ok(JobEnd::Ended)
        } else {
            Ok(JobEnd::Abandoned)
        }
    }
}

/// Whether one entry may cost what may be spent with the key in 24 hours.
fn affords(key: &ConnectionKey, price: i64) -> bool {
    key.max_credits_per_day.is_none_or(|most| most >= price)
}

/// The usable keys, one of each provider account: that which may spend most today. Further keys of an
/// account share its limits, and only take over when the first can't be used, or has spent more.
fn one_per_account<'k>(
    keys: &'k [ConnectionKey],
    left: &HashMap<String, i64>,
    now: Time,
) -> Vec<&'k ConnectionKey> {
    let mut usable: Vec<&ConnectionKey> = keys.iter().filter(|key| key.is_usable(now)).collect();
    usable.sort_by_key(|key| {
        let ceiling = key.max_credits_per_day.unwrap_or(i64::MAX);
        let left = left.get(&key.id).copied().unwrap_or(ceiling);
        (Reverse(left), key.last_used_at)
    });
    let mut accounts = BTreeSet::new();
    usable.retain(|key| accounts.insert(key.account_id.as_str()));
    usable
}
