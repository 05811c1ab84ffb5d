//! No live record is marked as deleted.

use super::{
    Checker, Moment, Run,
    rows::MARKED,
    tables::HistoryEvent,
    truth::{hidden, marked},
};
use crate::wire::FalseAnswer;
use syncline_model::{Object, Time};

/// The reason in the history for held deletions that an operator applied.
const BY_HAND: &str = "a held deletion was applied by hand";

/// The reason for a row that nobody asked about.
const UNSEEN: &str = "two complete scans in a row did not see it";

/// So many answers of a run that all say the same speak for what was not asked about.
const ENOUGH_ANSWERS: i64 = 100;

impl Checker {
    /// Checks the rows that a step marked as deleted or as live again.
    pub(super) fn look_at_deletions(&mut self, _: &Moment) -> anyhow::Result<()> {
        for entry in self.history.clone() {
            let object: Object = entry.object.parse()?;
            match entry.event.as_str() {
                "deleted" => {
                    self.count(&entry);
                    self.deleted(&entry, object);
                }
                "restored" => self.presence_is(&entry, object, false),
                _ => {}
            }
        }
        Ok(())
    }

    /// A record that the provider itself marks as deleted counts as an update of the row.
    fn count(&mut self, entry: &HistoryEvent) {
        let known = self.runs.get_mut(&entry.run_id);
        if let Some(known) = known.filter(|_| entry.reason != MARKED) {
            known.deleted += 1;
            let pass = known.row.pass;
            let before = match known.deleted_of_pass {
                (of, before) if of == pass => before,
                _ => 0,
            };
            known.deleted_of_pass = (pass, before + 1);
        }
    }

    fn deleted(&mut self, entry: &HistoryEvent, object: Object) {
        self.presence_is(entry, object, true);
        let (connection, id) = (&entry.connection_id, &entry.record_id);
        let Some(copy) = self.rows.of(connection, object).get(id).cloned() else {
            return;
        };
        if entry.reason == MARKED {
            if !copy.is_marked {
                let text = format!("{object} {id} of {connection}");
                self.violated("what is marked is marked by the provider", text);
            }
            return;
        }
        let began = self.runs.get(&entry.run_id).and_then(|run| run.began);
        let Some(began) = began else {
            let text = format!("{object} {id} by run {}", entry.run_id);
            self.violated("a deletion names its run", text);
            return;
        };
        let team = self.team_of(connection);
        let since = self.live_since(team, object, id, copy.contact_id.as_deref());
        if since.is_none_or(|since| since >= began) || self.is_marked(team, object, id) {
            return;
        }
        if self.may_have_shifted(team, object, began) {
            return;
        }
        let contact = copy.contact_id.as_deref().unwrap_or(id);
        if self.was_misled(entry, team, contact)
            || self.was_out_of_reach(entry, team, contact)
            || self.was_spoken_for(entry, team, contact)
        {
            return;
        }
        let text = format!(
            "{object} {id} of {connection}, by run {}: {}",
            entry.run_id, entry.reason
        );
        self.violated("a live record is never marked deleted", text);
    }

    /// An operator applied deletions that a run held because the provider had answered with an
    /// empty list, or had hidden records: then it was the operator who took them for gone.
    fn was_misled(&self, entry: &HistoryEvent, team: usize, id: &str) -> bool {
        let mut false_answers = self.runs.false_answers.values().flatten();
        entry.reason == BY_HAND
            && (false_answers.any(|it| *it == FalseAnswer::Nothing)
                || self.world.read(team, hidden).contains(id))
    }

    /// The record is hidden, and lookups were forbidden at the end of both of the last two scans:
    /// then nothing that the provider says tells it from one that is gone.
    fn was_out_of_reach(&self, entry: &HistoryEvent, team: usize, id: &str) -> bool {
        let Some(run) = self.runs.get(&entry.run_id) else {
            return false;
        };
        let ended = self.runs.ended.get(&run.row.sync_id).into_iter().flatten();
        let earlier = ended.filter(|id| **id != entry.run_id);
        let mut complete = earlier
            .filter_map(|id| self.runs.get(id))
            .filter(|earlier| earlier.row.is_complete());
        let forbidden = |row: &Run| self.runs.forbidden.contains(&row.scan_id);
        forbidden(&run.row)
            && complete
                .next_back()
                .is_some_and(|before| forbidden(&before.row))
            && self.world.read(team, hidden).contains(id)
    }

    /// The record is hidden among more deleted ones than two runs may ask about, and all that were asked
    /// about are gone: these speak for the others.
    fn was_spoken_for(&self, entry: &HistoryEvent, team: usize, id: &str) -> bool {
        let run = self.runs.get(&entry.run_id);
        let asked = run.map_or(0, |run| run.row.lookups);
        entry.reason == UNSEEN
            && asked >= self.lookups_per_run.max(ENOUGH_ANSWERS)
            && self.world.read(team, hidden).contains(id)
    }

    fn presence_is(&mut self, entry: &HistoryEvent, object: Object, is_deleted: bool) {
        let row = self
            .rows
            .of(&entry.connection_id, object)
            .get(&entry.record_id);
        if row.is_none_or(|row| row.is_deleted != is_deleted) {
            let text = format!(
                "{object} {} of {} is said to be {}",
                entry.record_id, entry.connection_id, entry.event
            );
            self.violated("the history says what is in the table", text);
        }
    }

    /// The provider itself considers it deleted, though it may not list it as such.
    fn is_marked(&self, team: usize, object: Object, id: &str) -> bool {
        self.world
            .read(team, |team| marked(team, object).contains(id))
    }

    /// Since when the record has existed at the provider without interruption.
    pub(super) fn live_since(
        &self,
        team: usize,
        object: Object,
        id: &str,
        contact_id: Option<&str>,
    ) -> Option<Time> {
        let provider = self.world.provider;
        self.world.read(team, |team| match object {
            Object::SequenceState => {
                let contact_id = contact_id?;
                let state_id = provider.state_in_row(contact_id, id)?;
                team.state_live_since(contact_id, state_id)
            }
            object => team.live_since(object.as_str(), id),
        })
    }
}
