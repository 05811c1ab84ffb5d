//! The state of an enrichment job, and its counts.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = enrichment_job_state)]
pub enum JobState {
    /// No process has begun with it.
    Queued,
    Running,
    /// Nothing can be asked before a certain time.
    Waiting,
    /// Everything was asked that can be asked.
    Succeeded,
    /// It stopped before its end. What it has stays, and it can be continued.
    Failed,
    Cancelled,
}

impl JobState {
    pub const ALL: [Self; 6] = [
        Self::Queued,
        Self::Running,
        Self::Waiting,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    pub fn has_ended(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

/// What a job waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = enrichment_job_wait)]
pub enum JobWait {
    /// The request windows of all keys are used up.
    ProviderRateLimit,
    /// The keys have spent what they may in 24 hours.
    CreditsPerDay,
    /// The provider doesn't answer, or another process refreshes the access token.
    ProviderUnavailable,
    /// Another job asks the same, and its answer serves both.
    SameQuestion,
}

impl JobWait {
    const ALL: [Self; 4] = [
        Self::ProviderRateLimit,
        Self::CreditsPerDay,
        Self::ProviderUnavailable,
        Self::SameQuestion,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::ProviderRateLimit => "provider_rate_limit",
            Self::CreditsPerDay => "credits_per_day",
            Self::ProviderUnavailable => "provider_unavailable",
            Self::SameQuestion => "same_question",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|wait| wait.as_str() == text)
    }
}

/// What became of a job's items so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = enrichment_job_counts)]
pub struct JobCounts {
    /// Items of the list.
    pub total: i64,
    /// Items of which is known what became of them.
    pub done: i64,
    pub matched: i64,
    /// The provider doesn't know them. They cost nothing.
    pub not_matched: i64,
    /// They were not asked about, because they can't match, or the provider refused them.
    pub failed: i64,
    /// They were asked about, and the answer was lost: they may have been paid for, and are not asked
    /// about again.
    pub uncertain: i64,
    /// Of those that matched: answers that were paid for before, and cost nothing this time.
    pub reused: i64,
    pub credits_spent: i64,
    /// The most that lost answers, and answers that are still to come, may have cost. It counts for
    /// `max_credits`.
    pub credits_reserved: i64,
    /// Items whose phone numbers, or results of a waterfall, are still to come.
    pub awaited: i64,
}
