//! The state machine of a run.
//!
//! ```text
//! Queued ──► Running ⇄ Waiting
//!               └────► Succeeded | Failed | Stalled | Cancelled
//! ```
//!
//! Transitions consume the old state, so a run that ended can't continue. The store writes a new
//! state only under the fence of the current lease, so only one of two workers can win.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    Coverage, ScanFacts, Time,
    mutation::{self, Mutation},
};

/// The right to work on a run until it expires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The worker's name, only for people who read the table.
    pub owner: String,
    pub expires_at: Time,
    /// Raised with every lease of the run. A worker that lost its lease holds a smaller value than
    /// the row and can't commit.
    pub fence: i64,
}

/// In which order an object's pages are read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Stable while it is read: new records go behind the last page, and changes move nothing.
    #[default]
    OldestFirst,
    /// For a set that is larger than the limit: the most recently updated records.
    RecentFirst,
}

/// Where an incremental read begins, in the provider's own form, which nobody else reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Watermark(pub String);

/// Only a read of everything says something of the rows that it didn't see. What looks for such rows
/// takes this proof, and [`Checkpoint::full_read`] alone makes it.
#[derive(Debug, Clone, Copy)]
pub struct FullRead(());

/// How much a run reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReadStrategy {
    /// Everything.
    Full,
    /// What changed since the run before.
    Incremental,
}

/// Where a run continues after a pause, a wait or a crash. Committed together with the page before
/// it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Checkpoint {
    /// The page to ask for next; the first is 1. Pages are stored under it and ordered by it.
    pub next_page: u32,
    /// Where that page is, in the provider's own form: a cursor, for example. Only its provider reads
    /// it. Absent for the first page, and where the page's number says it all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// Only what changed since then is read; absent: everything is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Watermark>,
    /// Where an incremental read after this pass begins. From the pass's first page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub watermark: Option<Watermark>,
    /// The number of this pass, from 1: a small object is read again when rows are missing.
    pub pass: u32,
    pub order: Order,
    /// Records requested from the provider over all passes; the limit per object applies to it.
    pub records_asked: i64,
    /// When the first page was requested, by our clock. If this run continues an earlier one, the
    /// time of that run.
    pub began_at: Option<Time>,
    /// The provider's newest reported total, from any pass.
    pub reported: Option<i64>,
    /// Of the current pass.
    pub facts: ScanFacts,
    /// Progress on the rows that the pass didn't see.
    pub sweep: SweepProgress,
}

/// How far a pass that reached its end has handled the rows that it didn't see.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SweepProgress {
    /// The missing rows have been recorded.
    pub noted: bool,
    /// Lookups of this run that were answered.
    pub lookups: u32,
    /// Of these, the number that said that the record is gone.
    pub gone: u32,
    /// Missing rows whose records still exist.
    pub found: u32,
    /// Lookups kept failing: the run makes no more of them.
    pub unanswered: bool,
    /// The key may not look records up by id.
    pub forbidden: bool,
}

impl Default for Checkpoint {
    fn default() -> Self {
        Self {
            next_page: 1,
            token: None,
            since: None,
            watermark: None,
            pass: 1,
            order: Order::default(),
            records_asked: 0,
            began_at: None,
            reported: None,
            facts: ScanFacts::default(),
            sweep: SweepProgress::default(),
        }
    }
}

impl Checkpoint {
    /// The proof that everything is read, if it is.
    pub fn full_read(&self) -> Option<FullRead> {
        let is_full = self.since.is_none() || mutation::on(Mutation::PartialReadSweeps);
        is_full.then_some(FullRead(()))
    }

    pub fn strategy(&self) -> ReadStrategy {
        match self.since {
            None => ReadStrategy::Full,
            Some(_) => ReadStrategy::Incremental,
        }
    }

    /// The checkpoint before the first page of another pass. That reads everything.
    pub fn again(&self, order: Order) -> Self {
        Self {
            next_page: 1,
            token: None,
            since: None,
            watermark: None,
            pass: self.pass + 1,
            order,
            facts: ScanFacts::default(),
            sweep: SweepProgress {
                noted: false,
                ..self.sweep
            },
            records_asked: self.records_asked,
            began_at: self.began_at,
            reported: self.reported,
        }
    }
}

/// What a run has done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Counters {
    pub records_read: i64,
    pub records_created: i64,
    pub records_updated: i64,
    pub records_unchanged: i64,
    pub records_deleted: i64,
    pub records_rejected: i64,
    /// Rows that the provider no longer shows; whether their records are gone is not certain yet.
    pub records_missing: i64,
    /// Deletions that wait for approval.
    pub deletes_held: i64,
    pub requests_made: i64,
}

/// Why a run waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WaitReason {
    /// The account has read as many records as an hour allows.
    RecordsPerHour,
    /// The account has read as many records as a day allows.
    RecordsPerDay,
    /// The provider answered 429, or its request windows have no room for a sync.
    ProviderRateLimit,
}

impl WaitReason {
    const ALL: [Self; 3] = [
        Self::RecordsPerHour,
        Self::RecordsPerDay,
        Self::ProviderRateLimit,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::RecordsPerHour => "records_per_hour",
            Self::RecordsPerDay => "records_per_day",
            Self::ProviderRateLimit => "provider_rate_limit",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == text)
    }
}

/// A run's state, with the data of that state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunState {
    Queued {
        due_at: Time,
    },
    Running {
        lease: Lease,
    },
    Waiting {
        until: Time,
        reason: WaitReason,
    },
    Succeeded {
        finished_at: Time,
        coverage: Coverage,
    },
    Failed {
        finished_at: Time,
        coverage: Coverage,
        error: String,
    },
    Stalled {
        finished_at: Time,
        coverage: Coverage,
        error: String,
    },
    Cancelled {
        finished_at: Time,
        reason: String,
    },
}

/// The name of a run's state, as rows and lists show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = run_state)]
pub enum StateName {
    Queued,
    Running,
    Waiting,
    Succeeded,
    Failed,
    Stalled,
    Cancelled,
}

impl StateName {
    const ALL: [Self; 7] = [
        Self::Queued,
        Self::Running,
        Self::Waiting,
        Self::Succeeded,
        Self::Failed,
        Self::Stalled,
        Self::Cancelled,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Stalled => "stalled",
            Self::Cancelled => "cancelled",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == text)
    }

    /// Supaglue's name for it.
    pub fn status(self) -> &'static str {
        match self {
            Self::Queued | Self::Running | Self::Waiting => "IN_PROGRESS",
            Self::Succeeded => "SUCCESS",
            Self::Failed | Self::Stalled | Self::Cancelled => "FAILURE",
        }
    }
}

impl fmt::Display for StateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The run's current state doesn't allow this transition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a run that is {from} can't become {to}")]
pub struct InvalidTransition {
    pub from: &'static str,
    pub to: &'static str,
}

impl RunState {
    pub fn name(&self) -> StateName {
        match self {
            Self::Queued { .. } => StateName::Queued,
            Self::Running { .. } => StateName::Running,
            Self::Waiting { .. } => StateName::Waiting,
            Self::Succeeded { .. } => StateName::Succeeded,
            Self::Failed { .. } => StateName::Failed,
            Self::Stalled { .. } => StateName::Stalled,
            Self::Cancelled { .. } => StateName::Cancelled,
        }
    }

    /// Supaglue's name for the state.
    pub fn status(&self) -> &'static str {
        self.name().status()
    }

    pub fn wait(self, until: Time, reason: WaitReason) -> Result<Self, InvalidTransition> {
        self.leave_running("waiting", Self::Waiting { until, reason })
    }

    pub fn succeed(self, finished_at: Time, coverage: Coverage) -> Result<Self, InvalidTransition> {
        self.leave_running(
            "succeeded",
            Self::Succeeded {
                finished_at,
                coverage,
            },
        )
    }

    pub fn fail(
        self,
        finished_at: Time,
        coverage: Coverage,
        error: String,
    ) -> Result<Self, InvalidTransition> {
        self.leave_running(
            "failed",
            Self::Failed {
                finished_at,
                coverage,
                error,
            },
        )
    }

    pub fn stall(
        self,
        finished_at: Time,
        coverage: Coverage,
        error: String,
    ) -> Result<Self, InvalidTransition> {
        self.leave_running(
            "stalled",
            Self::Stalled {
                finished_at,
                coverage,
                error,
            },
        )
    }

    fn leave_running(self, to: &'static str, next: Self) -> Result<Self, InvalidTransition> {
        match self {
            Self::Running { .. } => Ok(next),
            other => Err(InvalidTransition {
                from: other.name().as_str(),
                to,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SeenCount;

    fn at(millis: i64) -> Time {
        Time::from_timestamp_millis(millis).unwrap()
    }

    fn running() -> RunState {
        RunState::Running {
            lease: Lease {
                owner: "w".into(),
                expires_at: at(9),
                fence: 1,
            },
        }
    }

    #[test]
    fn only_a_running_run_can_wait_or_end() {
        let coverage = Coverage::judge(&ScanFacts::default(), SeenCount::default());
        assert!(running().wait(at(1), WaitReason::ProviderRateLimit).is_ok());
        let ended = running().succeed(at(1), coverage.clone()).unwrap();
        assert_eq!(
            ended.clone().fail(at(2), coverage.clone(), "no".into()),
            Err(InvalidTransition {
                from: "succeeded",
                to: "failed"
            })
        );
        let queued = RunState::Queued { due_at: at(1) };
        assert!(queued.succeed(at(2), coverage).is_err());
    }

    #[test]
    fn statuses_are_the_three_that_clients_know() {
        assert_eq!(running().status(), "IN_PROGRESS");
        let cancelled = RunState::Cancelled {
            finished_at: at(1),
            reason: String::new(),
        };
        assert_eq!(cancelled.status(), "FAILURE");
    }
}
