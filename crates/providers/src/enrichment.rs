//! Enrichment in batches: what a provider is asked about several people or companies at once, and what
//! it answers, at once or later.

use async_trait::async_trait;
use serde_json::value::RawValue;
use syncline_model::{
    WindowUsage,
    enrichment::{Enriched, Kind, LateAnswer, Lead, MatchOptions},
};

use crate::{error::ProviderError, session::Session};

/// Looks up what the provider knows of several people or companies, for credits.
#[async_trait]
pub trait BatchEnrichments: Send + Sync {
    /// The most leads of one request.
    fn batch_size(&self) -> usize;

    /// The name under which the provider counts the request.
    fn endpoint(&self, kind: Kind) -> &'static str;

    /// The most that one lead can cost.
    fn most_credits(&self, kind: Kind, options: &MatchOptions) -> MostCredits;

    /// Asks by a single request that is never sent again: it costs credits.
    async fn match_batch(
        &self,
        session: &Session<'_>,
        batch: &Batch<'_>,
    ) -> Result<MatchAnswer, ProviderError>;

    /// Reads what the provider sent to a batch's callback. The error says what can't be read.
    fn late_answer(&self, body: &[u8]) -> Result<LateAnswer, String>;
}

/// The most that a lead costs, by when the provider takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MostCredits {
    /// With the answer.
    pub at_once: i64,
    /// With what comes later.
    pub late: i64,
}

/// Leads that are asked about in one request.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    pub kind: Kind,
    pub options: &'a MatchOptions,
    pub leads: &'a [Lead],
    /// Where the provider sends what comes later.
    pub callback_url: Option<&'a str>,
}

/// The answer to a batch.
#[derive(Debug)]
pub struct MatchAnswer {
    /// In the order of the leads; `None` for those that the provider doesn't know.
    pub matches: Vec<Option<Match>>,
    /// What the provider took, rounded up; `None` if it will say so later.
    pub credits: Option<i64>,
    pub comes_later: ComesLater,
    pub usage: Vec<WindowUsage>,
}

/// What is still to be told of the matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ComesLater {
    Nothing,
    /// It comes to the batch's callback.
    ToCallback,
    /// It comes to the callbacks of earlier requests about the same people.
    ToOthers,
}

/// What the provider knows of one lead.
#[derive(Debug, Clone)]
pub struct Match {
    /// The provider's id of the person or company, by which late answers name it.
    pub id: Option<String>,
    pub enriched: Enriched,
    pub raw_data: Box<RawValue>,
}
