//! One batch: counted, sent once, and settled with what came.

use chrono::TimeDelta;
use syncline_model::{
    Credentials, KeyStatus, LimitOverrides, RequestWindow, Time, WindowUsage,
    enrichment::JobWait,
    mutation::{self, Mutation},
};
use syncline_providers::{
    ANSWER_WITHIN, ErrorKind, KeyCheck, Provider, ProviderError, Session, Window,
    enrichment::{self, Batch, MatchAnswer},
};
use syncline_store::{
    BatchMatch, BatchRequest, BatchResult, ComesLater, ConnectionKey, EnrichmentJob, NotAsked,
    PermitRequest, ReservedBatch, Spending, Store, StoreError,
};

use super::report;
use crate::{Engine, NoTokens};

/// How long a key without credits is not asked with.
const OUT_OF_CREDITS_FOR: TimeDelta = TimeDelta::hours(1);
/// How often the use of a key is noted.
const NOTED_EVERY: TimeDelta = TimeDelta::minutes(1);

/// What a batch came to.
#[derive(Debug)]
pub(super) enum BatchEnd {
    /// It was answered, and the answer is stored.
    Settled,
    /// The provider refuses the request: one of these items is wrong.
    RefusedAsWhole {
        items: usize,
    },
    /// The access token was rejected, and there is a new one.
    TokensReplaced,
    NothingLeft,
    SameQuestions,
    MaxCredits,
    /// Nothing may be asked with this key until then.
    Until(Time, JobWait),
    /// The key can't be used any more, which is noted.
    KeyIsOut,
    /// The provider did not answer: the batch may have been carried out.
    Unanswered(String),
    /// The batch was not carried out, for a reason that passes.
    NotSent(String),
    LeaseLost,
}

impl Engine {
    /// Asks about the next items with a key. `alone`: about one.
    pub(super) async fn batch(
        &self,
        job: &EnrichmentJob,
        key: &ConnectionKey,
        alone: bool,
    ) -> Result<BatchEnd, StoreError> {
        let provider = self.provider_named(job);
        let Ok(enrichments) = provider.capabilities().batch_enrichments() else {
            return Ok(BatchEnd::NothingLeft);
        };
        let credentials = match self.credentials_of_key(key).await? {
            Ok(credentials) => credentials,
            Err(end) => return Ok(end),
        };
        let secret = self.callback_secret(job);
        let most = enrichments.most_credits(job.kind, &job.options);
        let size = if alone { 1 } else { enrichments.batch_size() };
        let request = BatchRequest {
            key_id: &key.id,
            account_id: &key.account_id,
            max_credits_per_day: key.max_credits_per_day,
            size,
            most_credits: most.at_once + most.late,
            permit: PermitRequest {
                endpoint: enrichments.endpoint(job.kind),
                // They are no records of the customer's account.
                records: 0,
                cost: 1,
                limits: self
                    .config
                    .limits
                    .of(job.provider, LimitOverrides::default()),
                interactive: false,
                answer_within: TimeDelta::from_std(ANSWER_WITHIN).unwrap_or(TimeDelta::MAX),
            },
            callback: secret.as_deref().map(Store::callback_digest),
        };
        let batch = match self.store.reserve_batch(job, &request).await {
            Ok(Ok(batch)) => batch,
            Ok(Err(none)) => return Ok(none.into()),
            Err(StoreError::LeaseLost { .. }) => return Ok(BatchEnd::LeaseLost),
            Err(error) => return Err(error),
        };
        let leads = batch.leads();
        let url = secret.and_then(|secret| self.callback_url(&secret));
        let asked = Batch {
            kind: job.kind,
            options: &job.options,
            leads: &leads,
            callback_url: url.as_deref(),
        };
        let session = Session::unmetered(&credentials);
        let answer = enrichments.match_batch(&session, &asked).await;
        match answer {
            Ok(answer) => self.take_answer(job, key, &batch, answer, most.late).await,
            Err(error) => {
                self.take_failure(job, key, &credentials, &batch, error)
                    .await
            }
        }
    }

    fn provider_named(&self, job: &EnrichmentJob) -> &dyn Provider {
        let provider = self.providers.get(job.provider);
        &**provider.expect("a job of an unknown provider is abandoned before its first request")
    }

    /// The key's valid credentials, or what to do without.
    async fn credentials_of_key(
        &self,
        key: &ConnectionKey,
    ) -> Result<Result<Credentials, BatchEnd>, StoreError> {
        let credentials = match self.store.credentials_of_key(key) {
            Ok(credentials) => credentials,
            Err(error) => {
                let reason = error.to_string();
                self.note(key, KeyStatus::Rejected, Some(&reason), None)
                    .await?;
                return Ok(Err(BatchEnd::KeyIsOut));
            }
        };
        if !key.is_main {
            return Ok(Ok(credentials));
        }
        match self.tokens.newer(&key.connection_id, &credentials).await {
            Ok(newer) => Ok(Ok(newer.map_or(credentials, |newer| newer.credentials))),
            Err(none) => self.without_key_tokens(key, none).await.map(Err),
        }
    }

    async fn without_key_tokens(
        &self,
        key: &ConnectionKey,
        none: NoTokens,
    ) -> Result<BatchEnd, StoreError> {
        let reason = none.to_string();
        match none {
            NoTokens::Store(error) => Err(error),
            NoTokens::Deleted => Ok(BatchEnd::LeaseLost),
            NoTokens::RateLimited { until } => {
                Ok(BatchEnd::Until(until, JobWait::ProviderRateLimit))
            }
            NoTokens::Later { .. } => Ok(BatchEnd::NotSent(reason)),
            NoTokens::AuthorizationLost { .. } => {
                self.note(key, KeyStatus::Rejected, Some(&reason), None)
                    .await?;
                Ok(BatchEnd::KeyIsOut)
            }
        }
    }

    async fn take_answer(
        &self,
        job: &EnrichmentJob,
        key: &ConnectionKey,
        batch: &ReservedBatch,
        answer: MatchAnswer,
        late_credits: i64,
    ) -> Result<BatchEnd, StoreError> {
        let matches = answer.matches.into_iter().map(|found| {
            found.map(|it| BatchMatch {
                provider_id: it.id,
                enriched: it.enriched,
                raw_data: it.raw_data,
            })
        });
        let result = BatchResult::Answered {
            matches: matches.collect(),
            credits: answer.credits,
            late_credits,
            comes_later: match answer.comes_later {
                enrichment::ComesLater::Nothing => ComesLater::Nothing,
                enrichment::ComesLater::ToCallback => ComesLater::ToCallback,
                enrichment::ComesLater::ToOthers => ComesLater::ToOthers,
            },
        };
        let spending = self.spending(job, batch, &answer.usage, None);
        if mutation::on(Mutation::SettledBeforeAnswer) {
            self.store
                .settle_batch(job, batch, &BatchResult::Refused, &spending)
                .await?;
        }
        let settled = self
            .store
            .settle_batch(job, batch, &result, &spending)
            .await?;
        report::settled(&settled);
        let noted = key
            .last_used_at
            .is_some_and(|at| self.clock.now() - at < NOTED_EVERY);
        if key.status != KeyStatus::Active || !noted {
            self.note(key, KeyStatus::Active, None, None).await?;
        }
        Ok(if settled.goes_on {
            BatchEnd::Settled
        } else {
            BatchEnd::LeaseLost
        })
    }

    async fn take_failure(
        &self,
        job: &EnrichmentJob,
        key: &ConnectionKey,
        credentials: &Credentials,
        batch: &ReservedBatch,
        error: ProviderError,
    ) -> Result<BatchEnd, StoreError> {
        let refused = match error.kind {
            ErrorKind::RateLimited(window) => Some(self.refused_until(window, &error)),
            _ => None,
        };
        let result = result_of(&error, batch);
        let spending = self.spending(job, batch, &error.usage, refused);
        let settled = self
            .store
            .settle_batch(job, batch, &result, &spending)
            .await?;
        report::failed(&result, &error);
        if !settled.goes_on {
            return Ok(BatchEnd::LeaseLost);
        }
        let said = error.message.clone();
        if matches!(result, BatchResult::Uncertain(_)) {
            return Ok(BatchEnd::Unanswered(said));
        }
        Ok(match error.kind {
            ErrorKind::Unauthorized => {
                return self
                    .after_key_was_rejected(job, key, credentials, &said)
                    .await;
            }
            ErrorKind::Forbidden(_) => {
                self.note(key, KeyStatus::Forbidden, Some(&said), None)
                    .await?;
                BatchEnd::KeyIsOut
            }
            ErrorKind::OutOfCredits => {
                let retry_at = self.clock.now() + OUT_OF_CREDITS_FOR;
                self.note(key, KeyStatus::UsedUp, Some(&said), Some(retry_at))
                    .await?;
                BatchEnd::KeyIsOut
            }
            ErrorKind::RateLimited(_) => {
                let until = refused.map_or_else(|| self.clock.now(), |(_, until)| until);
                BatchEnd::Until(until, JobWait::ProviderRateLimit)
            }
            ErrorKind::NotFound
            | ErrorKind::Rejected
            | ErrorKind::Invalid
            | ErrorKind::Oversized => match result {
                BatchResult::Rejected(_) => BatchEnd::Settled,
                _ => BatchEnd::RefusedAsWhole {
                    items: batch.items.len(),
                },
            },
            ErrorKind::Unavailable
            | ErrorKind::Timeout
            | ErrorKind::Connection
            | ErrorKind::InvalidResponse => BatchEnd::NotSent(said),
        })
    }

    /// A single 401 may be the provider's mistake, so the key is checked again.
    async fn after_key_was_rejected(
        &self,
        job: &EnrichmentJob,
        key: &ConnectionKey,
        credentials: &Credentials,
        said: &str,
    ) -> Result<BatchEnd, StoreError> {
        if let Credentials::OAuth(tokens) = credentials {
            let newer = self.tokens.replacement(&key.connection_id, tokens).await;
            return match newer {
                Ok(_) => Ok(BatchEnd::TokensReplaced),
                Err(none) => self.without_key_tokens(key, none).await,
            };
        }
        match self.provider_named(job).check(credentials).await {
            KeyCheck::Rejected { reason } => {
                self.note(key, KeyStatus::Rejected, Some(&reason), None)
                    .await?;
                Ok(BatchEnd::KeyIsOut)
            }
            KeyCheck::Valid { .. } | KeyCheck::Unclear { .. } => {
                Ok(BatchEnd::NotSent(said.to_owned()))
            }
        }
    }

    async fn note(
        &self,
        key: &ConnectionKey,
        status: KeyStatus,
        reason: Option<&str>,
        retry_at: Option<Time>,
    ) -> Result<(), StoreError> {
        if let Some(reason) = reason {
            tracing::warn!("the key {} is passed over: {reason}", key.id);
        }
        self.store.note_key(key, status, reason, retry_at).await
    }

    fn spending<'a>(
        &self,
        job: &EnrichmentJob,
        batch: &ReservedBatch,
        usage: &'a [WindowUsage],
        refused: Option<(RequestWindow, Time)>,
    ) -> Spending<'a> {
        let enrichments = self.provider_named(job).capabilities().batch_enrichments;
        Spending {
            permit: batch.permit.clone(),
            records: Some(0),
            at: self.clock.now(),
            endpoint: enrichments.map_or("", |it| it.endpoint(job.kind)),
            usage,
            refused,
        }
    }

    /// A secret for the address that this batch's late answers come to, if some do.
    fn callback_secret(&self, job: &EnrichmentJob) -> Option<String> {
        let needed = job.options.has_late_answers() && self.config.callback_base.is_some();
        needed.then(|| self.store.new_secret())
    }

    fn callback_url(&self, secret: &str) -> Option<String> {
        let base = self.config.callback_base.as_deref()?;
        Some(format!("{base}/callbacks/enrichment/{secret}"))
    }
}

/// What a failed request means for its items. Only what certainly cost nothing is asked again.
fn result_of(error: &ProviderError, batch: &ReservedBatch) -> BatchResult {
    let never_sent = error.kind == ErrorKind::Connection && error.records == Some(0);
    match error.kind {
        _ if never_sent => BatchResult::Refused,
        ErrorKind::Unauthorized
        | ErrorKind::Forbidden(_)
        | ErrorKind::OutOfCredits
        | ErrorKind::RateLimited(Window::Minute | Window::Hour | Window::Day | Window::Unknown) => {
            BatchResult::Refused
        }
        // The service took no request, if its own words are true.
        ErrorKind::Unavailable if error.status == Some(503) => BatchResult::Refused,
        ErrorKind::NotFound | ErrorKind::Rejected | ErrorKind::Invalid => {
            if batch.items.len() == 1 {
                BatchResult::Rejected(error.message.clone())
            } else {
                BatchResult::Refused
            }
        }
        ErrorKind::Unavailable
        | ErrorKind::Timeout
        | ErrorKind::Connection
        | ErrorKind::InvalidResponse
        | ErrorKind::Oversized
        | ErrorKind::RateLimited(Window::AlreadyProcessing) => {
            BatchResult::Uncertain(error.message.clone())
        }
    }
}

impl From<NotAsked> for BatchEnd {
    fn from(none: NotAsked) -> Self {
        match none {
            NotAsked::NothingLeft => Self::NothingLeft,
            NotAsked::SameQuestions => Self::SameQuestions,
            NotAsked::MaxCredits => Self::MaxCredits,
            NotAsked::CreditsPerDay { until } => Self::Until(until, JobWait::CreditsPerDay),
            NotAsked::RateLimited(refusal) => {
                Self::Until(refusal.until, JobWait::ProviderRateLimit)
            }
        }
    }
}
