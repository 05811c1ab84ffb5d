//! The invariants of enrichment jobs, by the simulated Apollo's own charges.

use std::collections::{BTreeMap, BTreeSet};

use syncline_model::enrichment::Enriched;
use syncline_store::{EnrichmentItem, EnrichmentJob, ItemStatus};

use super::lists::{Allowed, Question};
use crate::Violation;

/// The most items of a batch.
const BATCH: usize = 10;
/// What Apollo takes for a phone number; all else is one.
const FOR_A_NUMBER: u64 = 8;

/// One charge of Apollo.
pub(super) struct Charge {
    pub(super) email: String,
    pub(super) credits: u64,
}

/// A job with its items.
pub(super) struct JobState {
    pub(super) job: EnrichmentJob,
    pub(super) items: Vec<EnrichmentItem>,
}

pub(super) struct Check<'a> {
    pub(super) step: u64,
    pub(super) charges: &'a [Charge],
    pub(super) jobs: &'a [JobState],
    /// The questions of all lists.
    pub(super) asked: &'a BTreeSet<Question>,
    pub(super) allowed: &'a Allowed,
    /// How many batches may have been lost so far.
    pub(super) lost: usize,
}

impl Check<'_> {
    /// What holds after every move.
    pub(super) fn always(&self) -> Vec<Violation> {
        let mut violations = Vec::new();
        self.nothing_is_paid_for_twice(&mut violations);
        self.what_was_charged_is_counted(&mut violations);
        self.ceilings_hold(&mut violations);
        self.a_loss_costs_one_batch(&mut violations);
        self.counts_fit_the_items(&mut violations);
        violations
    }

    /// What holds when every job has ended and every late answer has come.
    pub(super) fn at_the_end(&self) -> Vec<Violation> {
        let mut violations = self.always();
        for state in self.jobs {
            let (job, counts) = (&state.job, &state.job.counts);
            let open = state.items.iter().filter(|item| {
                matches!(item.status, ItemStatus::Asked)
                    || (item.status == ItemStatus::Pending && job.error.is_none())
            });
            let open = open.count();
            let is_cancelled = job.state == syncline_model::enrichment::JobState::Cancelled;
            if open > 0 && !is_cancelled {
                let text = format!("job {} has ended with {open} open items", job.id);
                violations.push(self.violation("a job that ended has asked everything", text));
            }
            if counts.awaited > 0 {
                let text = format!("job {} still awaits {} answers", job.id, counts.awaited);
                violations.push(self.violation("late answers are added when they come", text));
            }
            for item in &state.items {
                if let Some(Enriched::Person(person)) = &item.enriched
                    && person.email != item.lead.email
                {
                    let text =
                        format!("{:?} got the answer of {:?}", item.lead.email, person.email);
                    violations.push(self.violation("everybody gets their own answer", text));
                }
            }
        }
        violations
    }

    fn nothing_is_paid_for_twice(&self, violations: &mut Vec<Violation>) {
        let mut matches: BTreeMap<&str, u64> = BTreeMap::new();
        let mut numbers: BTreeMap<&str, u64> = BTreeMap::new();
        for charge in self.charges {
            let kind = if charge.credits >= FOR_A_NUMBER {
                &mut numbers
            } else {
                &mut matches
            };
            *kind.entry(&charge.email).or_default() += 1;
        }
        for (what, paid) in [("match", matches), ("number", numbers)] {
            for (email, times) in paid {
                let most = self.allowed.matches_of(email, self.asked);
                if times > most {
                    let text = format!("{email}: {times} times for a {what}, {most} are right");
                    violations.push(self.violation("nothing is paid for twice", text));
                }
            }
        }
    }

    fn what_was_charged_is_counted(&self, violations: &mut Vec<Violation>) {
        let charged: u64 = self.charges.iter().map(|charge| charge.credits).sum();
        let counted = self.jobs.iter().map(|state| {
            let counts = &state.job.counts;
            u64::try_from(counts.credits_spent + counts.credits_reserved).unwrap_or_default()
        });
        let counted: u64 = counted.sum();
        if charged > counted {
            let text = format!("{charged} credits were charged, {counted} are counted");
            violations.push(self.violation("every credit that is spent is counted", text));
        }
    }

    fn ceilings_hold(&self, violations: &mut Vec<Violation>) {
        for JobState { job, .. } in self.jobs {
            let counts = &job.counts;
            let counted = counts.credits_spent + counts.credits_reserved;
            if job.max_credits.is_some_and(|most| counted > most) {
                let text = format!("job {} counts {counted} of {:?}", job.id, job.max_credits);
                violations.push(self.violation("no job spends more than it may", text));
            }
        }
    }

    fn a_loss_costs_one_batch(&self, violations: &mut Vec<Violation>) {
        let items = self.jobs.iter().flat_map(|state| {
            let options = state.job.options;
            let uncertain = state.items.iter();
            let uncertain = uncertain.filter(|item| item.status == ItemStatus::Uncertain);
            uncertain.map(move |item| {
                let flags = (options.reveal_phone_number, options.reveal_personal_emails);
                (item.lead.email.clone(), flags)
            })
        });
        let uncertain: BTreeSet<_> = items.collect();
        if uncertain.len() > self.lost * BATCH {
            let text = format!(
                "{} questions are uncertain after {} losses",
                uncertain.len(),
                self.lost
            );
            violations.push(self.violation("a loss costs at most the batch in flight", text));
        }
    }

    fn counts_fit_the_items(&self, violations: &mut Vec<Violation>) {
        for JobState { job, items } in self.jobs {
            let count = |status| {
                let with = items.iter().filter(|item| item.status == status);
                i64::try_from(with.count()).unwrap_or(i64::MAX)
            };
            let counts = &job.counts;
            for (status, counted) in [
                (ItemStatus::Matched, counts.matched),
                (ItemStatus::NotMatched, counts.not_matched),
                (ItemStatus::Failed, counts.failed),
                (ItemStatus::Uncertain, counts.uncertain),
            ] {
                let is = count(status);
                if is != counted {
                    let status = status.as_str();
                    let text = format!("job {} counts {counted} {status}, and has {is}", job.id);
                    violations.push(self.violation("a job's counts fit its items", text));
                }
            }
        }
    }

    fn violation(&self, rule: &'static str, text: String) -> Violation {
        Violation {
            step: self.step,
            rule,
            text,
        }
    }
}
