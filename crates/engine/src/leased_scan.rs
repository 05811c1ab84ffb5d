//! A leased scan: what its worker remembers between two steps.
//!
//! Nothing here is needed to go on after a crash; the database has all of that. It only saves asking
//! again.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use chrono::TimeDelta;
use syncline_model::{Coverage, Time};
use syncline_providers::ANSWER_WITHIN;
use syncline_store::{Grant, Scan, ScanRun};

use crate::{RetryConfig, seen::Seen};

/// A scan that a worker holds the lease of.
pub struct LeasedScan {
    pub scan: Scan,
    /// The answer to the request for a permit that went along with the last page.
    pub(crate) grant: Option<Grant>,
    /// When that answer came.
    pub(crate) granted_at: Time,
    /// Requests that were not counted with a page yet.
    pub(crate) requests: i64,
    /// What its reading has seen, as far as that is known here.
    pub(crate) seen: Option<Seen>,
    /// How often the page that is due was answered with an earlier one.
    pub(crate) repeats: u32,
    /// Full pages in a row that brought nothing new.
    pub(crate) barren_pages: u32,
    pub(crate) has_begun: bool,
    tries: Option<Tries>,
    pub(crate) judged: Option<Vec<Judged>>,
}

/// A run with what may be said of its newest pass.
#[derive(Debug, Clone)]
pub(crate) struct Judged {
    pub(crate) run: ScanRun,
    pub(crate) coverage: Coverage,
    pub(crate) num_records_synced: i64,
    /// Records that the pass met again.
    pub(crate) repeated: i64,
    pub(crate) empty_answer: bool,
}

/// Tries of one request.
struct Tries {
    began: Time,
    delays: Option<ExponentialBackoff>,
}

impl LeasedScan {
    pub(crate) fn new(scan: Scan) -> Self {
        Self {
            scan,
            grant: None,
            granted_at: Time::UNIX_EPOCH,
            requests: 0,
            seen: None,
            repeats: 0,
            barren_pages: 0,
            has_begun: false,
            tries: None,
            judged: None,
        }
    }

    /// A request leaves now; it is the first of its tries, unless one has failed before it.
    pub(crate) fn tries_from(&mut self, now: Time) {
        self.tries.get_or_insert(Tries {
            began: now,
            delays: None,
        });
    }

    /// How long to wait before the next try; `None` when the last one was enough.
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

    /// A request got a usable answer, so the next one starts with all of its tries.
    pub(crate) fn answered(&mut self) {
        self.tries = None;
    }
}
