//! The end of a simulation: no edits and no more faults, while time passes.

use syncline_model::{Object, Time, Verdict};

use super::{
    Checker, Run, ids,
    truth::{MADE_UP, hidden},
};

/// The number of runs that each sync must have then.
const RUNS: usize = 3;

impl Checker {
    /// Whether every sync that isn't paused has had some runs since the quiet phase began, when
    /// `ended` runs of it had ended.
    pub(crate) fn is_settled(&self, before: &[(String, usize)]) -> bool {
        before.iter().all(|(sync, ended)| {
            let runs = self.runs.ended.get(sync);
            runs.is_some_and(|runs| runs.len() >= ended + RUNS)
        })
    }

    /// Per sync, the number of its runs that have ended.
    pub(crate) fn ended_so_far(&self) -> Vec<(String, usize)> {
        let ended = |sync: &super::Sync| self.runs.ended.get(&sync.id).map_or(0, Vec::len);
        let syncs = self.syncs.iter();
        syncs.map(|sync| (sync.id.clone(), ended(sync))).collect()
    }

    /// Reports syncs that should have run and didn't.
    pub(crate) fn stuck(&mut self, before: &[(String, usize)]) {
        for (sync_id, ended) in before {
            let runs = self.runs.ended.get(sync_id).map_or(0, Vec::len);
            if runs < ended + RUNS {
                let sync = self.syncs.iter().find(|sync| sync.id == *sync_id).cloned();
                let active = self.runs.active_of(sync_id).cloned();
                let text = format!(
                    "{sync:?} had {} runs since; active: {active:?}",
                    runs - ended
                );
                self.violated("nothing is stuck once all is well", text);
            }
        }
    }

    /// Checks whole tables, and how the runs of the quiet phase ended.
    pub(crate) async fn finish(
        &mut self,
        before: &[(String, usize)],
        quiet_since: Time,
    ) -> anyhow::Result<()> {
        self.ended_runs_are_as_they_were().await?;
        self.rows_are_as_they_were().await?;
        self.feeds_lead_to_the_tables().await?;
        self.budgets_are_whole().await?;
        for (sync_id, ended) in before {
            let runs = self.runs.ended.get(sync_id).cloned().unwrap_or_default();
            for id in runs.iter().skip(*ended) {
                let Some(known) = self.runs.get(id) else {
                    continue;
                };
                // A run that began earlier may have been disturbed.
                if known.began.is_some_and(|began| began > quiet_since) {
                    let run = known.row.clone();
                    self.quiet_run_is_good(&run);
                }
            }
            if let Some(run) = runs.last().and_then(|id| self.run(id)).cloned() {
                self.nothing_is_left_open(&run).await?;
            }
        }
        Ok(())
    }

    fn quiet_run_is_good(&mut self, run: &Run) {
        let good = matches!(
            run.verdict(),
            Some(Verdict::Complete | Verdict::Capped | Verdict::Incremental)
        );
        if !run.succeeded() || !good {
            let text = format!(
                "run {} ({}) is {}, {:?}: {:?}",
                run.id,
                run.object,
                run.state,
                run.coverage.as_ref().map(|coverage| &coverage.reason),
                run.error_message
            );
            self.violated("a run that nothing disturbs is complete", text);
        }
    }

    /// Rows that are still missing then are held, hidden, or beyond the limit of lookups.
    async fn nothing_is_left_open(&mut self, run: &Run) -> anyhow::Result<()> {
        if !run.is_complete() {
            return Ok(());
        }
        let object = run.object();
        let connection = run.connection_id.clone();
        let team = self.team_of(&connection);
        let left_open = self.left_open(run, object).await?;
        let hidden = self.world.read(team, hidden);
        let open_contacts = self.left_open(run, Object::Contact).await?;
        let mut open = Vec::new();
        for row in self.tables.missing(&connection, object).await? {
            let copy = self.rows.of(&connection, object).get(&row.record_id);
            let contact_id = copy.and_then(|copy| copy.contact_id.clone());
            let since = self.live_since(team, object, &row.record_id, contact_id.as_deref());
            let excused = row.record_id == MADE_UP
                || left_open.contains(&row.record_id)
                || contact_id.is_some_and(|contact| {
                    open_contacts.contains(&contact) || hidden.contains(&contact)
                });
            if since.is_none() && !excused {
                open.push(row.record_id);
            }
        }
        if !open.is_empty() {
            let text = format!("{} of {connection}: {}", object.plural(), ids(&open));
            self.violated("a real deletion is marked after two complete runs", text);
        }
        Ok(())
    }

    /// Settled requests leave no reservation: only crashes and losses do, and those expire after a
    /// day.
    async fn budgets_are_whole(&mut self) -> anyhow::Result<()> {
        for account in self.books.accounts() {
            self.budget_knows(&account).await?;
        }
        Ok(())
    }
}
