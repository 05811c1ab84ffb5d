//! A leased scan: what its worker keeps in memory between two steps.
//!
//! It is a cache: everything that is needed to continue after a crash is in the database.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use chrono::TimeDelta;
use syncline_model::{Coverage, Time};
use syncline_providers::ANSWER_WITHIN;
use syncline_store::{PermitDecision, Scan, ScanRun};

use crate::{RetryConfig, exchange::Answer, seen::Seen};

/// A scan whose lease this worker holds.
pub struct LeasedScan {
    pub scan: Scan,
    /// The result of the permit request that was made in the last page's transaction.
    pub(crate) decision: Option<PermitDecision>,
    /// The page that was asked for and is not written yet.
    pub(crate) in_hand: Option<Answer>,
    /// Others have their turn as soon as nothing is in hand.
    pub(crate) yields: bool,
    /// When that permit was decided.
    pub(crate) decided_at: Time,
    /// Requests that are not yet counted with a page.
    pub(crate) requests: i64,
    /// What its pass has seen, if it is loaded.
    pub(crate) seen: Option<Seen>,
    /// How often the requested page came with an earlier page's records.
    pub(crate) repeats: u32,
    /// Consecutive full pages without new records.
    pub(crate) pages_without_new_records: u32,
    pub(crate) has_begun: bool,
    /// Its tokens were refreshed because a request was rejected, and no request has succeeded since.
    pub(crate) has_new_tokens: bool,
    tries: Option<Tries>,
    pub(crate) verdicts: Option<Vec<RunVerdict>>,
}

/// A run with the evaluation of its newest pass.
#[derive(Debug, Clone)]
pub(crate) struct RunVerdict {
    pub(crate) run: ScanRun,
    pub(crate) coverage: Coverage,
    pub(crate) num_records_synced: i64,
    /// Records that the pass saw more than once.
    pub(crate) repeated: i64,
    pub(crate) empty_answer: bool,
}

/// The attempts of one request.
struct Tries {
    began: Time,
    delays: Option<ExponentialBackoff>,
}

impl LeasedScan {
    pub(crate) fn new(scan: Scan) -> Self {
        Self {
            scan,
            decision: None,
            in_hand: None,
            yields: false,
            decided_at: Time::UNIX_EPOCH,
            requests: 0,
            seen: None,
            repeats: 0,
            pages_without_new_records: 0,
            has_begun: false,
            has_new_tokens: false,
            tries: None,
            verdicts: None,
        }
    }

    /// The page that its next step asks for, if it asks for one: its pass and number.
    pub fn next_request(&self) -> (u32, u32) {
        let checkpoint = &self.scan.checkpoint;
        let in_hand = u32::from(self.in_hand.is_some());
        (checkpoint.pass, checkpoint.next_page + in_hand)
    }

    /// The page that was answered and is not written yet.
    pub fn page_in_hand(&self) -> Option<(u32, u32)> {
        let checkpoint = &self.scan.checkpoint;
        self.in_hand
            .as_ref()
            .map(|_| (checkpoint.pass, checkpoint.next_page))
    }

    /// Records the start of the attempts, unless an earlier attempt has failed.
    pub(crate) fn tries_from(&mut self, now: Time) {
        self.tries.get_or_insert(Tries {
            began: now,
            delays: None,
        });
    }

    /// How long to wait before the next attempt; `None` if there are no more attempts.
    pub(crate) fn next_try(&mut self, retry: &RetryConfig, now: Time) -> Option<Duration> {
        let tries = self.tries.as_mut()?;
        let delays = tries.delays.get_or_insert_with(|| {
            ExponentialBuilder::default()
                .with_min_delay(retry.first_delay)
                .with_max_times(retry.tries.saturating_sub(1))
                .build()
        });
        let delay = delays.next()?;
        let so_far = (now - tries.began).max(TimeDelta::zero()).to_std().ok()?;
        (so_far + delay + ANSWER_WITHIN <= retry.within).then_some(delay)
    }

    /// A request succeeded, so the next one starts with all of its attempts.
    pub(crate) fn answered(&mut self) {
        self.tries = None;
        self.has_new_tokens = false;
    }
}
