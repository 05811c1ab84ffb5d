//! The request limits of providers, for callers' requests.
//!
//! Syncs read and write an account's budget with every page. A caller's request must not wait for
//! the database twice, so this process keeps a copy of each account's request windows: requests are
//! counted in it, and answers update it. Updates are written back at once when they matter (a
//! refusal, a window that is nearly used up) and otherwise within a second, and no request uses a
//! copy that is older than that. Every answer reports the provider's own count, so two processes
//! never drift far apart.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::TimeDelta;
use syncline_model::{Ask, Budget, Time, VolumeLimits, WindowUsage, budget::Refusal};
use syncline_providers::ANSWER_WITHIN;
use syncline_store::{RateLimitUpdate, StoreError};

use crate::{AppState, remote::Sender, request_counts::RequestCounts};

/// How old a copy may be.
const FRESH_FOR: TimeDelta = TimeDelta::seconds(1);
const WRITE_AFTER: Duration = Duration::from_secs(1);
/// How long the copy of an unused account is kept.
const KEPT_FOR: TimeDelta = TimeDelta::minutes(10);

/// The copies, by account.
#[derive(Default)]
pub struct RequestGate {
    copies: Mutex<HashMap<String, Copy>>,
    sent: RequestCounts,
}

#[derive(Default)]
struct Copy {
    budget: Budget,
    /// When it was last compared with the database.
    synced_at: Time,
    /// What answers reported since, the latest per endpoint.
    unwritten: HashMap<String, RateLimitUpdate>,
}

/// The permit for one request.
#[derive(Debug)]
pub(crate) struct RequestPermit {
    id: String,
    pub(crate) endpoint: String,
    cost: i64,
}

impl RequestGate {
    /// Counts a request that is about to be sent, or refuses it.
    pub(crate) async fn enter(
        &self,
        state: &AppState,
        account_id: &str,
        (endpoint, cost): (&str, i64),
        limits: &VolumeLimits,
    ) -> Result<Result<RequestPermit, Refusal>, StoreError> {
        let now = state.clock.now();
        if !self.is_fresh(account_id, now) {
            self.sync(state, account_id, now).await?;
        }
        let permit = RequestPermit {
            id: state.ids.id(now),
            endpoint: endpoint.to_owned(),
            cost,
        };
        let ask = Ask {
            id: &permit.id,
            endpoint,
            // Records that callers read don't count against the limits of syncs.
            records: 0,
            cost,
            limits,
            interactive: true,
            answer_within: TimeDelta::from_std(ANSWER_WITHIN).unwrap_or(TimeDelta::MAX),
        };
        let mut copies = self.copies();
        let copy = copies.entry(account_id.to_owned()).or_default();
        copy.budget.clamp_future(now);
        Ok(copy.budget.reserve(&ask, now).map(|()| permit))
    }

    /// Updates the windows from a request's answer, and counts how often it was sent again.
    pub(crate) async fn record_answer(
        &self,
        state: &AppState,
        account_id: &str,
        permit: RequestPermit,
        repeated: i64,
        update: RateLimitUpdate,
    ) -> Result<(), StoreError> {
        let now = update.at;
        let matters = update.refused.is_some() || update.usage.iter().any(is_nearly_used_up);
        {
            let mut copies = self.copies();
            let copy = copies.entry(account_id.to_owned()).or_default();
            for _ in 0..repeated {
                copy.budget.count_retry(&permit.endpoint, permit.cost, now);
            }
            copy.budget.settle(&permit.id, 0, now);
            copy.budget.learn(&update.endpoint, &update.usage, now);
            if let Some((window, until)) = update.refused {
                copy.budget
                    .refused(&update.endpoint, window, until, update.at);
            }
            if update.refused.is_none() && update.usage.is_empty() {
                return Ok(());
            }
            let is_first = copy.unwritten.is_empty();
            copy.keep(update);
            if !matters {
                if is_first {
                    write_soon(state.clone(), account_id.to_owned());
                }
                return Ok(());
            }
        }
        self.sync(state, account_id, now).await
    }

    /// Writes what answers reported of an account, so that a report has it.
    pub(crate) async fn write_reported(
        &self,
        state: &AppState,
        account_id: &str,
    ) -> Result<(), StoreError> {
        self.sync(state, account_id, state.clock.now()).await
    }

    fn is_fresh(&self, account_id: &str, now: Time) -> bool {
        let copies = self.copies();
        let copy = copies.get(account_id);
        let age = copy.map(|copy| now - copy.synced_at);
        age.is_some_and(|age| age < FRESH_FOR && age > -FRESH_FOR)
    }

    /// Writes the pending updates, and merges what the database has.
    async fn sync(&self, state: &AppState, account_id: &str, now: Time) -> Result<(), StoreError> {
        let updates: Vec<RateLimitUpdate> = {
            let mut copies = self.copies();
            copies.retain(|_, copy| now - copy.synced_at < KEPT_FOR || !copy.unwritten.is_empty());
            let copy = copies.entry(account_id.to_owned()).or_default();
            if copy.synced_at > Time::UNIX_EPOCH {
                // Concurrent requests use the present copy meanwhile.
                copy.synced_at = now;
            }
            copy.unwritten.drain().map(|(_, update)| update).collect()
        };
        let known = if updates.is_empty() {
            state.store.budget(account_id).await
        } else {
            state.store.learn(account_id, &updates).await
        };
        let mut copies = self.copies();
        let copy = copies.entry(account_id.to_owned()).or_default();
        match known {
            Ok(known) => {
                copy.budget.learn_from(&known);
                copy.synced_at = now;
                Ok(())
            }
            Err(error) => {
                // They are written with the next ones.
                for update in updates {
                    copy.keep_older(update);
                }
                Err(error)
            }
        }
    }

    /// Counts what was sent, for reports only: `sent_by` is one of the callers.
    pub(crate) fn count_sent(
        &self,
        state: &AppState,
        account_id: &str,
        endpoint: &str,
        sent_by: &Sender,
        requests: i64,
    ) {
        self.sent
            .count(state, account_id, (endpoint, sent_by.as_str()), requests);
    }

    /// Writes what was counted, so that a report is up to date.
    pub(crate) async fn write_sent(&self, state: &AppState) {
        self.sent.write(state).await;
    }

    fn copies(&self) -> MutexGuard<'_, HashMap<String, Copy>> {
        self.copies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Copy {
    /// A refusal is kept, whatever later answers of its endpoint report.
    fn keep(&mut self, mut update: RateLimitUpdate) {
        let before = self.unwritten.remove(&update.endpoint);
        update.refused = update.refused.or(before.and_then(|it| it.refused));
        self.unwritten.insert(update.endpoint.clone(), update);
    }

    fn keep_older(&mut self, update: RateLimitUpdate) {
        match self.unwritten.get_mut(&update.endpoint) {
            Some(newer) => newer.refused = newer.refused.or(update.refused),
            None => {
                self.unwritten.insert(update.endpoint.clone(), update);
            }
        }
    }
}

/// Writes the pending updates in a second, so that callers don't wait.
fn write_soon(state: AppState, account_id: String) {
    let tasks = state.tasks.clone();
    tasks.spawn(async move {
        tokio::time::sleep(WRITE_AFTER).await;
        let now = state.clock.now();
        if let Err(error) = state.request_gate.sync(&state, &account_id, now).await {
            tracing::warn!(
                "could not write the request limits that a provider reported; they will be \
                 retried: {error}"
            );
        }
    });
}

/// A fifth or less is left: the share that syncs don't use.
fn is_nearly_used_up(usage: &WindowUsage) -> bool {
    usage.left.saturating_mul(5) <= usage.limit
}
