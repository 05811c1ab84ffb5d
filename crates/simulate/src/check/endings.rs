//! How runs end: the event, the counters, and the coverage.

use std::collections::BTreeSet;

use syncline_model::{Object, Time, Verdict};

use super::{Checker, Run, ids, rows::MARKED, tables::SeenPage};
use crate::wire::FalseAnswer;

impl Checker {
    /// Exactly one event for each run that ended, and no other events.
    pub(super) async fn look_at_events(&mut self, ended: &[Run]) -> anyhow::Result<()> {
        let events = self.tables.events_after(self.events_seen).await?;
        for event in events {
            self.events_seen = event.number;
            if event.event_type != "sync.complete" {
                continue;
            }
            let run_id = event.run_id.unwrap_or_default();
            let run = self.runs.get(&run_id).map(|known| known.row.clone());
            let expected = match &run {
                Some(run) if run.succeeded() => Some("SUCCESS"),
                Some(run) if !run.is_active() => Some("ERROR"),
                _ => None,
            };
            if expected.is_none() || expected != event.result.as_deref() {
                let text = format!("run {run_id} is told as {:?}: {run:?}", event.result);
                self.violated("an event tells of a run that ended", text);
            }
            if !self.told.insert(run_id.clone()) {
                self.violated("one event for each run that ended", format!("run {run_id}"));
            }
        }
        for run in ended {
            if !self.told.contains(&run.id) {
                self.violated(
                    "one event for each run that ended",
                    format!("run {} ended without one", run.id),
                );
            }
        }
        Ok(())
    }

    pub(super) async fn look_at_ending(&mut self, run: &Run) -> anyhow::Result<()> {
        let pages = self.tables.pages(&run.id).await?;
        self.counters_add_up(run, &pages).await?;
        self.only_whole_scans_delete(run);
        self.full_pages_are_followed(run);
        self.pages_keep_their_size(run, &pages);
        if run.succeeded() {
            self.seen_is_what_it_says(run, &pages);
        }
        if run.is_complete() {
            self.complete_has_seen_all(run, &pages);
        }
        let ended = self.runs.ended.entry(run.sync_id.clone()).or_default();
        ended.push(run.id.clone());
        if run.is_complete() {
            self.unreadable_fields_cost_themselves(run).await?;
        }
        self.changes_have_landed(run);
        self.table_is_the_truth(run).await
    }

    /// A page with more records than requested would exceed its reservation.
    fn pages_keep_their_size(&mut self, run: &Run, pages: &[SeenPage]) {
        let provider = self.world.provider;
        let object = run.object();
        let comes_in_pages = object == provider.carrier_of(object) && !provider.is_bare(object);
        let largest = pages.iter().map(|page| page.ids.0.len()).max().unwrap_or(0);
        if comes_in_pages && largest > provider.page_size {
            let text = format!(
                "run {} ({}) took {largest} records for a page",
                run.id, run.object
            );
            self.violated("a page has no more records than were asked for", text);
        }
    }

    async fn counters_add_up(&mut self, run: &Run, pages: &[SeenPage]) -> anyhow::Result<()> {
        let connection = run.connection_id.clone();
        let missing = self.tables.missing(&connection, run.object()).await?;
        let missed = missing.iter().filter(|row| row.last_missed_by == run.id);
        let missed = count(missed.count());
        let Some(known) = self.runs.get(&run.id) else {
            return Ok(());
        };
        let (created, updated, deleted) = (known.created, known.updated, known.deleted);
        let rejected = rejected_in(pages) - known.taken_over_rejected;
        let requests = self.runs.requests.get(&run.scan_id).copied().unwrap_or(0);
        let done = run.records_created + run.records_updated + run.records_unchanged;
        let mut wrong = Vec::new();
        let mut expect = |what: &str, told: i64, is: i64| {
            if told != is {
                wrong.push(format!("{what} {told}, not {is}"));
            }
        };
        expect("records_created", run.records_created, created);
        expect("records_updated", run.records_updated, updated);
        expect("records_rejected", run.records_rejected, rejected);
        expect("records_deleted", run.records_deleted, deleted);
        if run.succeeded() && run.verdict() != Some(Verdict::Capped) {
            expect("records_missing", run.records_missing, missed);
        }
        if done > run.records_read {
            wrong.push(format!("{done} records of {} read", run.records_read));
        }
        if run.requests_made > requests {
            wrong.push(format!("{} requests of {requests}", run.requests_made));
        }
        if !wrong.is_empty() {
            let text = format!("run {} ({}): {}", run.id, run.object, wrong.join("; "));
            self.violated("counters add up", text);
        }
        Ok(())
    }

    /// Deletions of a run that this step wrote to the history, except those that the provider marks
    /// itself.
    fn deleted_by(&self, run_id: &str) -> i64 {
        let deleted = self.history.iter().filter(|entry| {
            entry.run_id == run_id && entry.event == "deleted" && entry.reason != MARKED
        });
        count(deleted.count())
    }

    /// A run that didn't reach its last page deletes nothing, and a run that fails deletes nothing
    /// when it ends; it may have deleted before it waited.
    fn only_whole_scans_delete(&mut self, run: &Run) {
        let whole = matches!(run.verdict(), Some(Verdict::Complete | Verdict::Drifted));
        let of_pass = self.runs.get(&run.id).map(|known| known.deleted_of_pass);
        let deleted = of_pass.map_or(
            0,
            |(pass, deleted)| {
                if pass == run.pass { deleted } else { 0 }
            },
        );
        let at_its_end = self.deleted_by(&run.id);
        if (deleted > 0 && !whole) || (at_its_end > 0 && !run.succeeded()) {
            let text = format!(
                "run {} ({}, {}, {:?}) deleted {deleted} rows",
                run.id,
                run.object,
                run.state,
                run.verdict()
            );
            self.violated("only a run that reached its end deletes", text);
        }
    }

    fn seen_is_what_it_says(&mut self, run: &Run, pages: &[SeenPage]) {
        let Some(coverage) = &run.coverage else {
            self.violated("a run that succeeded has a coverage", run.id.clone());
            return;
        };
        let all = coverage.verdict == Verdict::Capped;
        let of_pass = pages.iter().filter(|page| all || page.pass == run.pass);
        let distinct: BTreeSet<&String> = of_pass.flat_map(|page| &page.ids.0).collect();
        let rejected: BTreeSet<&str> = pages
            .iter()
            .filter_map(|page| page.rejected.as_ref())
            .flat_map(|rejected| rejected.0.iter())
            .filter_map(|rejected| rejected["id"].as_str())
            .collect();
        let every: BTreeSet<&str> = pages
            .iter()
            .flat_map(|page| page.ids.0.iter().map(String::as_str))
            .collect();
        let valid = every.difference(&rejected).count();
        let (told, is) = (coverage.records_seen, count(distinct.len()));
        let synced = run.num_records_synced.unwrap_or(-1);
        if told != is || synced != count(valid) {
            let text = format!(
                "run {} ({}) says it saw {told} and synced {synced}; its pages have {is} and {valid}",
                run.id, run.object
            );
            self.violated("a run says what it saw", text);
        }
    }

    /// A complete run saw every record that was visible for the whole time of the run.
    fn complete_has_seen_all(&mut self, run: &Run, pages: &[SeenPage]) {
        let Some(began) = self.runs.get(&run.id).and_then(|known| known.began) else {
            return;
        };
        let team = self.team_of(&run.connection_id);
        let scanned = self.world.provider.carrier_of(run.object());
        if self.is_excused_by_lies(run)
            || self.may_have_shifted(team, run.object(), began)
            || self.world.has_swapped(team, scanned, began)
        {
            return;
        }
        let of_pass = pages.iter().filter(|page| page.pass == run.pass);
        let seen: BTreeSet<&String> = of_pass.flat_map(|page| &page.ids.0).collect();
        let expected = self.there_since(team, run.object(), began);
        let unseen: Vec<String> = expected
            .into_iter()
            .filter(|id| !seen.contains(id))
            .collect();
        if !unseen.is_empty() {
            let text = format!(
                "run {} ({}) did not see {}, which were there all the time",
                run.id,
                run.object,
                ids(&unseen)
            );
            self.violated("a complete run has seen everything", text);
        }
    }

    /// Pages without an order shift when one record is removed and another added, and the engine
    /// can't detect that.
    pub(super) fn may_have_shifted(&self, team: usize, object: Object, began: Time) -> bool {
        let changed = self.world.changed_at(team, object);
        self.world.provider.shifts(object) && changed.is_some_and(|changed| changed >= began)
    }

    /// The provider returned an empty list, or distorted a list that has neither an order nor a
    /// total, or lied more than once, which the engine can't detect.
    pub(super) fn is_excused_by_lies(&self, run: &Run) -> bool {
        let false_answers = self.runs.false_answers.get(&run.scan_id);
        let false_answers = false_answers.map_or(&[][..], Vec::as_slice);
        false_answers.contains(&FalseAnswer::Nothing)
            || false_answers.len() > 1
            || (self.world.provider.is_bare(run.object()) && !false_answers.is_empty())
    }
}

/// Records that were rejected.
pub(super) fn rejected_in(pages: &[SeenPage]) -> i64 {
    let rejected = pages.iter().filter_map(|page| page.rejected.as_ref());
    rejected.map(|rejected| count(rejected.0.len())).sum()
}

pub(super) fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
