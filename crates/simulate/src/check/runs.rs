//! Runs: one active run per sync, growing fences, pages that commit atomically, and final ends.

use std::collections::{BTreeMap, BTreeSet};

use syncline_model::Time;

use super::{Checker, Moment, Run, endings::rejected_in};
use crate::wire::FalseAnswer;

/// A run, with facts that are not in the tables.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) row: Run,
    /// The true time when its scan began, or earlier.
    pub(crate) began: Option<Time>,
    /// Records, and rejected ones, on the pages that it took over from the failed run before it.
    pub(crate) taken_over: i64,
    pub(crate) taken_over_rejected: i64,
    /// The rows that its pages inserted and changed, as observed.
    pub(crate) created: i64,
    pub(crate) updated: i64,
    /// The rows that it marked as deleted because the provider no longer has them.
    pub(crate) deleted: i64,
    /// The deletions of its newest pass, with the pass. With new credentials a run starts over, and
    /// its earlier pass may have been complete.
    pub(crate) deleted_of_pass: (i64, i64),
}

#[derive(Default)]
pub(crate) struct Runs {
    known: BTreeMap<String, Known>,
    active: BTreeSet<String>,
    /// Those that ended in the step that is looked at.
    ended_now: Vec<String>,
    /// Per scan, the false answers of the provider.
    pub(crate) false_answers: BTreeMap<String, Vec<FalseAnswer>>,
    /// Scans with lookups that the provider did not answer.
    pub(crate) unanswered: BTreeSet<String>,
    /// Scans with lookups that the provider refused because of the key or the plan.
    pub(crate) forbidden: BTreeSet<String>,
    /// The number of requests of each scan.
    pub(crate) requests: BTreeMap<String, i64>,
    /// When each scan was first seen running.
    began: BTreeMap<String, Time>,
    /// Per sync, its runs in the order in which they ended.
    pub(crate) ended: BTreeMap<String, Vec<String>>,
}

impl Runs {
    pub(crate) fn active(&self) -> impl Iterator<Item = &Run> {
        self.active.iter().map(|id| &self.known[id].row)
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Known> {
        self.known.get(id)
    }

    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut Known> {
        self.known.get_mut(id)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Known> {
        self.known.values()
    }

    pub(crate) fn holding(&self) -> Vec<String> {
        let held = |known: &&Known| !known.row.is_active() && known.row.deletes_held > 0;
        let holding = self.known.values().filter(held);
        holding.map(|known| known.row.id.clone()).collect()
    }

    /// The active run of a sync.
    pub(crate) fn active_of(&self, sync_id: &str) -> Option<&Run> {
        self.active().find(|run| run.sync_id == sync_id)
    }

    /// The run of a sync that may have written a page in this step: it may have ended by the request
    /// that was sent meanwhile.
    pub(crate) fn writer_of(&self, sync_id: &str) -> Option<&Run> {
        let ended = self.ended_now.iter().map(|id| &self.known[id].row);
        self.active_of(sync_id)
            .or_else(|| ended.into_iter().find(|run| run.sync_id == sync_id))
    }
}

impl Checker {
    /// Takes over the present runs and returns those that ended.
    pub(super) async fn look_at_runs(&mut self, moment: &Moment) -> anyhow::Result<Vec<Run>> {
        let active = self.tables.active_runs().await?;
        self.one_active_run_of_each_sync(&active);
        let mut ended = Vec::new();
        let still: BTreeSet<String> = active.iter().map(|run| run.id.clone()).collect();
        let gone: Vec<String> = self.runs.active.difference(&still).cloned().collect();
        for run in active {
            self.take_over(run, moment).await?;
        }
        for id in gone {
            match self.tables.run(&id).await? {
                Some(run) => {
                    self.take_over(run.clone(), moment).await?;
                    ended.push(run);
                }
                None => self.violated("a run does not vanish", format!("run {id} is gone")),
            }
        }
        self.runs.active = still;
        self.runs.ended_now = ended.iter().map(|run| run.id.clone()).collect();
        if let Some(id) = &moment.applied {
            self.take_over_applied(id).await?;
        }
        Ok(ended)
    }

    fn one_active_run_of_each_sync(&mut self, active: &[Run]) {
        let mut syncs = BTreeSet::new();
        for run in active {
            if !syncs.insert(&run.sync_id) {
                self.violated(
                    "at most one run of a sync is active",
                    format!("sync {} has another one, {}", run.sync_id, run.id),
                );
            }
        }
    }

    async fn take_over(&mut self, run: Run, moment: &Moment) -> anyhow::Result<()> {
        let now = self.world.now();
        let before = self.runs.get(&run.id).map(|known| known.row.clone());
        if before.as_ref() == Some(&run) {
            return Ok(());
        }
        if let Some(before) = &before {
            self.fence_holds(before, &run, moment);
        }
        if run.state == "running" {
            self.runs.began.entry(run.scan_id.clone()).or_insert(now);
        }
        let moved = before.as_ref().is_none_or(|before| {
            (before.pass, before.next_page, before.records_read)
                != (run.pass, run.next_page, run.records_read)
        });
        let (mut taken_over, mut taken_over_rejected) = (0, 0);
        if before.is_none() && run.next_page > 1 {
            (_, taken_over) = self.tables.page_sums(&run.id, run.pass).await?;
            taken_over_rejected = rejected_in(&self.tables.pages(&run.id).await?);
        }
        let began = self.runs.began.get(&run.scan_id).copied();
        let known = self.runs.known.entry(run.id.clone());
        let known = known.or_insert_with(|| Known {
            row: run.clone(),
            began,
            taken_over,
            taken_over_rejected,
            created: 0,
            updated: 0,
            deleted: 0,
            deleted_of_pass: (0, 0),
        });
        known.row = run.clone();
        known.began = began;
        if moved {
            self.pages_commit_whole(&run).await?;
        }
        Ok(())
    }

    /// A worker that lost its lease changes nothing of the scan.
    fn fence_holds(&mut self, before: &Run, run: &Run, moment: &Moment) {
        if moment.overtaken.as_ref() == Some(&run.scan_id) {
            self.violated(
                "a worker that was overtaken changes nothing",
                format!(
                    "run {} was {} at page {} and is {} at page {}, by a worker whose lease is lost",
                    run.id, before.state, before.next_page, run.state, run.next_page
                ),
            );
        }
        if run.fence < before.fence {
            self.violated(
                "fences grow",
                format!("run {}: {} after {}", run.id, run.fence, before.fence),
            );
        }
    }

    /// The checkpoint and the counters match the written pages.
    async fn pages_commit_whole(&mut self, run: &Run) -> anyhow::Result<()> {
        let (pages, records) = self.tables.page_sums(&run.id, run.pass).await?;
        if pages != run.next_page - 1 {
            self.violated(
                "a page commits whole",
                format!(
                    "run {} ({}) has {pages} pages of pass {} and goes on with page {}",
                    run.id, run.object, run.pass, run.next_page
                ),
            );
        }
        let taken_over = self.runs.get(&run.id).map_or(0, |known| known.taken_over);
        if records != run.records_read + taken_over {
            self.violated(
                "counters add up",
                format!(
                    "run {} ({}) has read {} records, its pages have {records}",
                    run.id, run.object, run.records_read
                ),
            );
        }
        Ok(())
    }

    /// Only applying held deletions may change a run after its end.
    async fn take_over_applied(&mut self, id: &str) -> anyhow::Result<()> {
        let Some(applied) = self.runs.get(id).map(|known| known.row.scan_id.clone()) else {
            return Ok(());
        };
        let of_scan = |known: &&Known| known.row.scan_id == applied;
        let ids: Vec<String> = self
            .runs
            .all()
            .filter(of_scan)
            .map(|known| known.row.id.clone())
            .collect();
        for id in ids {
            let (Some(run), Some(known)) = (self.tables.run(&id).await?, self.runs.get_mut(&id))
            else {
                continue;
            };
            let expected = Run {
                records_deleted: run.records_deleted,
                records_missing: run.records_missing,
                deletes_held: run.deletes_held,
                ..known.row.clone()
            };
            known.row = run.clone();
            if run != expected {
                self.violated("a run that ended stays as it is", format!("run {id}"));
            }
        }
        Ok(())
    }

    /// At the end of the simulation: no run that ended has changed since.
    pub(super) async fn ended_runs_are_as_they_were(&mut self) -> anyhow::Result<()> {
        for run in self.tables.all_runs().await? {
            match self.runs.get(&run.id) {
                Some(known) if known.row == run => {}
                Some(known) => {
                    let text = format!("run {}: {:?} became {run:?}", run.id, known.row);
                    self.violated("a run that ended stays as it is", text);
                }
                None => self.violated("a run is seen when it is made", format!("run {}", run.id)),
            }
        }
        Ok(())
    }
}
