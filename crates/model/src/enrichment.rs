//! Enrichment jobs: lists of people or companies that a provider is asked about, for credits.
//!
//! `lead` is what is asked about one of them and whether it can match at all, `enriched` what the
//! provider knows, `job` the job's state and counts.

mod enriched;
mod job;
mod late;
mod lead;

pub use self::{
    enriched::{Enriched, EnrichedPerson},
    job::{JobCounts, JobState, JobWait},
    late::{LateAnswer, LateEmail, LatePerson},
    lead::{Kind, Lead, LeadError, MatchOptions},
};

/// The most people or companies of a job.
pub const MOST_ITEMS: usize = 10_000;

/// For how many days the answer to the same question is used again, unless a job says otherwise.
pub const REUSE_DAYS: u32 = 30;

/// The most days that a job may ask for.
pub const MOST_REUSE_DAYS: u32 = 90;
