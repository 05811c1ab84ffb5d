//! Whether a row that a scan didn't see is gone.
//!
//! Absence from a scan is never proof: a page may have shifted, or a search index may lag. A row is
//! deleted when the provider confirms it by id, or when two complete reads in a row, neither
//! disturbed, did not have it.

use crate::{
    Verdict,
    mutation::{self, Mutation},
};

/// What is known of a live row that a pass didn't see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingRow {
    /// The number of complete reads in a row without it, this one included.
    pub complete_misses: i64,
    /// What the provider said when asked by id, in this run or, if the deletion is held, in an
    /// earlier one.
    pub lookup: Option<LookupOutcome>,
}

/// The result of looking a record up by its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LookupOutcome {
    /// The provider says that it is deleted or doesn't exist.
    Gone(String),
    /// It exists: the scan missed it.
    Found,
    /// The provider doesn't let this key see it, so it may still exist.
    Hidden,
    /// The response doesn't say whether it exists.
    Unclear,
    /// The response is another record or redirects to one; perhaps this one was merged into it.
    Another,
}

impl LookupOutcome {
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Gone(_) => "gone",
            Self::Found => "found",
            Self::Hidden => "hidden",
            Self::Unclear => "unclear",
            Self::Another => "another",
        }
    }

    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Gone(reason) => Some(reason),
            Self::Found | Self::Hidden | Self::Unclear | Self::Another => None,
        }
    }

    pub fn parse(word: &str, reason: Option<String>) -> Option<Self> {
        match word {
            "gone" => Some(Self::Gone(reason.unwrap_or_default())),
            "found" => Some(Self::Found),
            "hidden" => Some(Self::Hidden),
            "unclear" => Some(Self::Unclear),
            "another" => Some(Self::Another),
            _ => None,
        }
    }
}

/// What happens to a missing row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SweepDecision {
    /// Marked as deleted, for this reason.
    Delete(String),
    /// It stays live and missing until more is known.
    Keep,
}

/// How many complete reads in a row have to miss a record before it counts as deleted without being asked
/// about.
pub const COMPLETE_MISSES_TO_DELETE: i64 = 2;

impl MissingRow {
    /// What happens to it after a pass with this verdict.
    pub fn fate(&self, verdict: Verdict) -> SweepDecision {
        if mutation::on(Mutation::DeleteWithoutConfirmation) && self.lookup.is_none() {
            return SweepDecision::Delete("a scan did not see it".to_owned());
        }
        let hidden = matches!(self.lookup, Some(LookupOutcome::Hidden));
        if mutation::on(Mutation::NotAuthorizedConfirms) && hidden {
            return SweepDecision::Delete("the provider does not show it".to_owned());
        }
        let verdict = match verdict {
            Verdict::Capped if mutation::on(Mutation::SweepAfterCapped) => Verdict::Complete,
            verdict => verdict,
        };
        let reached_end = matches!(verdict, Verdict::Complete | Verdict::Drifted);
        match &self.lookup {
            Some(LookupOutcome::Gone(reason)) if reached_end => {
                SweepDecision::Delete(reason.clone())
            }
            None | Some(LookupOutcome::Another)
                if verdict == Verdict::Complete
                    && self.complete_misses >= COMPLETE_MISSES_TO_DELETE =>
            {
                SweepDecision::Delete("two complete scans in a row did not see it".to_owned())
            }
            // Found, or possibly there; or the verdict allows no conclusion from absence.
            _ => SweepDecision::Keep,
        }
    }
}

/// Up to so many deletions at once need no approval, however few rows there are.
const MAX_DELETIONS_WITHOUT_APPROVAL: i64 = 10;
/// And beyond that, up to one in so many of the live rows.
const ONE_IN: i64 = 2;

/// The deletion threshold: whether this many deletions at once need approval. It is more than ten that
/// are also more than half of the live rows, or any if the provider returned no records at all.
pub fn needs_approval(deletions: i64, live: i64, empty_answer: bool) -> bool {
    let is_many = deletions > MAX_DELETIONS_WITHOUT_APPROVAL && deletions * ONE_IN > live;
    deletions > 0 && (empty_answer || is_many)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(complete_misses: i64, lookup: Option<LookupOutcome>) -> MissingRow {
        MissingRow {
            complete_misses,
            lookup,
        }
    }

    fn deleted(row: &MissingRow, verdict: Verdict) -> bool {
        matches!(row.fate(verdict), SweepDecision::Delete(_))
    }

    #[test]
    fn one_scan_that_lacks_a_row_proves_nothing() {
        assert!(!deleted(&row(1, None), Verdict::Complete));
        assert!(deleted(&row(2, None), Verdict::Complete));
        assert!(!deleted(&row(2, None), Verdict::Drifted));
    }

    #[test]
    fn the_providers_word_on_an_id_settles_it_in_a_scan_that_reached_its_end() {
        let gone = || Some(LookupOutcome::Gone("deleted".to_owned()));
        assert!(deleted(&row(0, gone()), Verdict::Drifted));
        assert!(deleted(&row(1, gone()), Verdict::Complete));
        for verdict in [Verdict::Capped, Verdict::Interrupted] {
            assert!(!deleted(&row(2, gone()), verdict));
        }
    }

    #[test]
    fn a_row_that_is_not_said_to_be_gone_stays_however_often_it_was_missed() {
        for lookup in [
            LookupOutcome::Found,
            LookupOutcome::Hidden,
            LookupOutcome::Unclear,
        ] {
            assert!(!deleted(&row(9, Some(lookup)), Verdict::Complete));
        }
    }

    #[test]
    fn an_answer_about_another_record_settles_nothing() {
        let other = |misses| row(misses, Some(LookupOutcome::Another));
        assert!(!deleted(&other(1), Verdict::Complete));
        assert!(!deleted(&other(9), Verdict::Drifted));
        assert!(deleted(&other(2), Verdict::Complete));
    }

    #[test]
    fn more_than_half_and_more_than_ten_need_approval() {
        assert!(!needs_approval(10, 10, false));
        assert!(needs_approval(11, 21, false));
        assert!(!needs_approval(11, 22, false));
        assert!(needs_approval(1, 1, true));
        assert!(!needs_approval(0, 0, true));
    }
}
