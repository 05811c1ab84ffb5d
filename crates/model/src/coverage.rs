//! What a run may claim about the provider's whole set, judged from facts.
//!
//! A scan that ended without an error has not necessarily seen everything: a page moves when a
//! record behind the reader goes away. The verdict says which scans saw a set that held still.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How much of the provider's records a run has seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Coverage {
    pub verdict: Verdict,
    /// Distinct records seen by this run.
    pub records_seen: i64,
    /// The provider's own total; null when it tells none.
    pub records_reported: Option<i64>,
    pub reason: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every record was read while the set held still.
    Complete,
    /// A limit ended the scan before its last page.
    Capped,
    /// The scan reached its end, but the pages moved under it.
    Drifted,
    /// The run ended before its last page.
    Interrupted,
}

/// What a scan noticed on its way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ScanFacts {
    pub reached_end: bool,
    /// The provider's total on the newest page, where it tells one.
    pub records_reported: Option<i64>,
    /// The total went down between two pages: something was deleted, and a page shifted.
    pub total_shrank: bool,
    pub rejected_without_id: i64,
    /// The same for the records that come inside those of the scanned object.
    pub carried_rejected_without_id: i64,
}

impl Coverage {
    /// The verdict over a scan that saw `distinct` records and met `repeated` of them again.
    pub fn judge(facts: &ScanFacts, distinct: i64, repeated: i64) -> Self {
        let (verdict, reason) = if !facts.reached_end {
            (
                Verdict::Interrupted,
                "the run ended before its last page".to_owned(),
            )
        } else if facts.rejected_without_id > 0 {
            (
                Verdict::Drifted,
                format!("{} records had no id", facts.rejected_without_id),
            )
        } else if repeated > 0 {
            (
                Verdict::Drifted,
                format!("{repeated} records were seen twice, so others may have been missed"),
            )
        } else if facts.total_shrank {
            (
                Verdict::Drifted,
                "the provider's total went down during the scan".to_owned(),
            )
        } else if let Some(reported) = facts.records_reported.filter(|total| *total != distinct) {
            (
                Verdict::Drifted,
                format!("the provider reported {reported} records, the scan saw {distinct}"),
            )
        } else {
            let reason = match facts.records_reported {
                Some(_) => "every record that the provider reported was read",
                None => "the scan reached the last page; the provider tells no total",
            };
            (Verdict::Complete, reason.to_owned())
        };
        Self {
            verdict,
            records_seen: distinct,
            records_reported: facts.records_reported,
            reason,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quiet() -> ScanFacts {
        ScanFacts {
            reached_end: true,
            records_reported: Some(3),
            ..ScanFacts::default()
        }
    }

    #[test]
    fn a_quiet_scan_that_saw_the_reported_total_is_complete() {
        assert_eq!(Coverage::judge(&quiet(), 3, 0).verdict, Verdict::Complete);
    }

    #[test]
    fn a_scan_without_a_reported_total_is_complete_at_its_end() {
        let facts = ScanFacts {
            records_reported: None,
            ..quiet()
        };
        assert_eq!(Coverage::judge(&facts, 9, 0).verdict, Verdict::Complete);
    }

    #[test]
    fn anything_that_moved_makes_it_drifted() {
        let shrank = ScanFacts {
            total_shrank: true,
            ..quiet()
        };
        let no_id = ScanFacts {
            rejected_without_id: 1,
            ..quiet()
        };
        for (facts, distinct, repeated) in [
            (shrank, 3, 0),
            (no_id, 3, 0),
            (quiet(), 3, 1),
            (quiet(), 2, 0),
        ] {
            assert_eq!(
                Coverage::judge(&facts, distinct, repeated).verdict,
                Verdict::Drifted
            );
        }
    }

    #[test]
    fn a_run_that_did_not_reach_its_last_page_is_interrupted() {
        let facts = ScanFacts {
            reached_end: false,
            ..quiet()
        };
        assert_eq!(Coverage::judge(&facts, 3, 0).verdict, Verdict::Interrupted);
    }
}
