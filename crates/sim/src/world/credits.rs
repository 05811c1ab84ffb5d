//! A team's credits for enrichment, and what each of them was charged for.

use chrono::{DateTime, Utc};

use super::Team;

/// The credits of a plan, unless [`Team::set_credits`] changes them.
const USUAL_CREDITS: u64 = 100;

#[derive(Debug, Clone)]
pub(crate) struct Credits {
    pub(crate) left: u64,
    pub(crate) used: u64,
    charges: Vec<Charge>,
}

impl Default for Credits {
    fn default() -> Self {
        Self {
            left: USUAL_CREDITS,
            used: 0,
            charges: Vec::new(),
        }
    }
}

/// Credits that were taken for one person, one company or one search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    pub at: DateTime<Utc>,
    /// The API key of the call, `None` if it had an OAuth token.
    pub key: Option<String>,
    /// The call that asked for it: `people/match`, `organizations/bulk_enrich`, …
    pub action: &'static str,
    /// The id of the person or the company, empty for a search.
    pub subject: String,
    pub credits: u64,
}

impl Team {
    /// Credits that enrichment may still use: one for each person or company found, none for a miss.
    pub fn credits(&self) -> u64 {
        self.credits.left
    }

    /// Sets the number of credits left.
    pub fn set_credits(&mut self, credits: u64) {
        self.credits.left = credits;
    }

    /// Every charge, oldest first.
    pub fn charges(&self) -> &[Charge] {
        &self.credits.charges
    }

    /// Takes credits and writes down for what. That there are enough is the caller's business.
    pub(crate) fn charge(&mut self, charge: Charge) {
        self.credits.left = self.credits.left.saturating_sub(charge.credits);
        self.credits.used += charge.credits;
        self.credits.charges.push(charge);
    }
}
