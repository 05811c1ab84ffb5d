//! What a run may claim about the provider's complete set of records, judged from facts.
//!
//! A scan that ended without an error has not necessarily seen everything: when a record is
//! deleted, the pages behind it shift. The verdict says which scans read a set that did not change.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    Time,
    mutation::{self, Mutation},
};

/// How much of the provider's records a run has seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Coverage {
    pub verdict: Verdict,
    /// Distinct records seen by this run.
    pub records_seen: i64,
    /// The provider's own total; null if it reports none.
    #[schema(required = true)]
    pub records_reported: Option<i64>,
    pub reason: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every record was read, and the set did not change meanwhile.
    Complete,
    /// A limit ended the scan before its last page.
    Capped,
    /// The scan reached its end, but the set changed while it was read.
    Drifted,
    /// The run ended before its last page.
    Interrupted,
    /// Everything was read that changed since the run before, and nothing else.
    Incremental,
}

/// What was noticed while reading the pages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an observation of its own"
)]
pub struct ScanFacts {
    pub reached_end: bool,
    /// A limit ended the scan before the last page.
    pub capped: bool,
    /// The provider's time when it answered the first page.
    pub began: Option<Time>,
    /// The provider's total on the first and on the newest page, if it reports one.
    pub first_reported: Option<i64>,
    pub records_reported: Option<i64>,
    /// The total went down between two pages: something was deleted, and later pages shifted.
    pub total_shrank: bool,
    pub pages: u32,
    /// Records on these pages, including rejected ones.
    pub returned: i64,
    /// The pages were requested in the order of creation.
    pub ordered: bool,
    /// The pages come in the order of the last update, the newest first.
    pub recent_first: bool,
    /// When the newest record so far was created.
    pub last_created: Option<Time>,
    /// A record was created before one that came earlier.
    pub out_of_order: bool,
    /// Records that were created after the first page was answered.
    pub created_since: i64,
    /// Records created so close to that moment that it can't be told whether before or after.
    pub created_about_then: i64,
    /// Records that were rejected, and those of them without an id.
    pub rejected: i64,
    pub rejected_without_id: i64,
    /// The same for records embedded in those of the scanned object.
    pub carried_rejected_without_id: i64,
    /// Records may have slipped by between two pages; if so, others were seen twice.
    pub may_have_shifted: bool,
}

/// The distinct records that a scan saw, and how many it saw again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SeenCount {
    pub distinct: i64,
    pub repeated: i64,
}

/// How far apart the provider's clocks may be: the one that stamps records and the one that sets
/// `Date`.
const PROVIDER_CLOCK_MARGIN: TimeDelta = TimeDelta::seconds(2);

impl ScanFacts {
    /// Takes in the creation times of a page's records, in the page's order.
    pub fn note_created(&mut self, created: impl Iterator<Item = Time>) {
        for created in created {
            if self.last_created.is_some_and(|last| created < last) {
                self.out_of_order = true;
            }
            self.last_created = self.last_created.max(Some(created));
            let Some(began) = self.began else { continue };
            // The response's time has whole seconds only.
            let surely_after = began + TimeDelta::seconds(1) + PROVIDER_CLOCK_MARGIN;
            if created >= surely_after {
                self.created_since += 1;
            } else if created > began - PROVIDER_CLOCK_MARGIN {
                self.created_about_then += 1;
            }
        }
    }

    /// Takes in the total that a page reported.
    pub fn note_total(&mut self, total: Option<i64>) {
        let Some(total) = total else { return };
        self.total_shrank |= self.records_reported.is_some_and(|before| total < before);
        self.first_reported = self.first_reported.or(Some(total));
        self.records_reported = Some(total);
    }

    /// Whether more records came than the provider reported, or its total changed on the way. Then
    /// the total doesn't say where the records end.
    pub fn totals_are_doubtful(&self) -> bool {
        self.first_reported != self.records_reported
            || self
                .records_reported
                .is_some_and(|total| total < self.returned)
    }

    /// Whether exactly as many records came as the provider reported on every page.
    pub fn totals_are_met(&self) -> bool {
        self.records_reported == Some(self.returned) && !self.totals_are_doubtful()
    }

    /// Whether the provider reports more records than came.
    pub fn more_is_reported(&self) -> bool {
        self.records_reported
            .is_none_or(|total| total > self.returned)
    }

    /// What changed in the set while it was read, as far as the pages show it.
    ///
    /// In the order of creation new records go behind the last page, so the total may grow by those
    /// and by nothing else. A deletion shifts every record behind it by one place, so the one that
    /// moves across a page border is never shown; an undelete shows one twice.
    fn drift_reason(&self, seen: SeenCount) -> Option<String> {
        let grown = self
            .records_reported
            .zip(self.first_reported)
            .map(|(now, first)| now - first);
        if self.rejected_without_id > 0 {
            Some(format!("{} records had no id", self.rejected_without_id))
        } else if seen.repeated > 0 {
            Some(format!(
                "{} records were seen twice, so others may have been missed",
                seen.repeated
            ))
        } else if self.total_shrank {
            Some("the provider's total went down during the scan".to_owned())
        } else if self.ordered && self.out_of_order {
            Some("the records did not come in the order of their creation".to_owned())
        } else if grown.is_some_and(|grown| grown != 0) && !self.ordered {
            Some("the provider's total changed during the scan".to_owned())
        } else if !self.ordered && self.pages > 1 && self.created_since > 0 {
            // It is unknown where the record was inserted, and why the total didn't grow.
            Some(format!(
                "{} records were created during the scan",
                self.created_since
            ))
        } else if self.ordered && self.created_about_then > 0 && grown.is_some() {
            Some(format!(
                "{} records were created just when the scan began",
                self.created_about_then
            ))
        } else if self.ordered && grown.is_some_and(|grown| grown != self.created_since) {
            Some(format!(
                "the provider's total changed by {}, but {} records were created during the scan",
                grown.unwrap_or_default(),
                self.created_since
            ))
        } else {
            self.records_reported
                .filter(|total| *total != seen.distinct)
                .map(|total| {
                    format!(
                        "the provider reported {total} records, the scan saw {}",
                        seen.distinct
                    )
                })
        }
    }
}

impl Coverage {
    /// The verdict on a scan's pass that saw these records.
    pub fn judge(facts: &ScanFacts, seen: SeenCount) -> Self {
        let (verdict, reason) = if facts.capped {
            (Verdict::Capped, capped(facts, seen))
        } else if !facts.reached_end {
            (
                Verdict::Interrupted,
                "the run ended before its last page".to_owned(),
            )
        } else if let Some(drift_reason) = facts.drift_reason(seen) {
            (Verdict::Drifted, drift_reason)
        } else {
            let reason = match facts.records_reported {
                Some(_) => "every record that the provider reported was read",
                None => "the scan reached the last page; the provider reports no total",
            };
            (Verdict::Complete, reason.to_owned())
        };
        Self {
            verdict,
            records_seen: seen.distinct,
            records_reported: facts.records_reported,
            reason,
        }
    }

    /// Of a read of what changed. It says nothing of the records that it didn't see.
    pub fn of_changes(self) -> Self {
        match self.verdict {
            Verdict::Complete | Verdict::Drifted => Self {
                verdict: Verdict::Incremental,
                reason: "everything that changed since the last run was read".to_owned(),
                ..self
            },
            _ => self,
        }
    }

    /// The scan reached its end, but something changed while it read.
    pub fn drifted(self, reason: String) -> Self {
        match self.verdict {
            Verdict::Complete => Self {
                verdict: Verdict::Drifted,
                reason,
                ..self
            },
            _ => self,
        }
    }

    /// The scan saw more records than the provider reports.
    pub fn exceeds_reported_total(&self) -> bool {
        self.records_reported
            .is_some_and(|total| total < self.records_seen)
    }

    /// Whether the run may conclude anything from what it didn't see: its pages were read to the
    /// end, with or without changes on the way.
    pub fn reached_end(&self) -> bool {
        matches!(self.verdict, Verdict::Complete | Verdict::Drifted)
            || (self.verdict == Verdict::Capped && mutation::on(Mutation::SweepAfterCapped))
    }
}

fn capped(facts: &ScanFacts, seen: SeenCount) -> String {
    let which = if facts.recent_first {
        "the most recently updated"
    } else if facts.ordered {
        "the oldest"
    } else {
        "the first"
    };
    match facts.records_reported {
        Some(total) if total >= seen.distinct => format!(
            "the limit of records per object was reached: of {total} records {which} {} were read",
            seen.distinct
        ),
        _ => format!(
            "the limit of records per object was reached: {which} {} records were read, and it is \
             unknown how many there are",
            seen.distinct
        ),
    }
}

#[cfg(test)]
#[path = "coverage_tests.rs"]
mod tests;
