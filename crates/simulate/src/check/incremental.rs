//! Incremental runs: what changed is in the tables after the next one.

use std::collections::BTreeSet;

use syncline_model::{Object, Time, Verdict};
use syncline_sim::Team;

use super::{
    Checker, Run, ids,
    runs::Known,
    truth::{hidden, marked},
};
use crate::provider::SimulatedProvider;

impl Checker {
    /// After an incremental run that follows a complete one, with nothing but incremental runs
    /// between and no false answers, every live record is as it was before the run began. What is not
    /// shown as changed (a record that came back, or that the user may see again) is left to the next
    /// full run.
    pub(super) fn changes_have_landed(&mut self, run: &Run) {
        if run.verdict() != Some(Verdict::Incremental) || !run.succeeded() {
            return;
        }
        let Some((base, began)) = self.since_a_complete_run(run) else {
            return;
        };
        let (object, team) = (run.object(), self.team_of(&run.connection_id));
        let changed = self.world.changed_at(team, object);
        if changed.is_some_and(|changed| changed >= began) {
            return;
        }
        let lacking = self.lacking(run, team, base);
        if !lacking.is_empty() {
            let text = format!(
                "after run {}, the table of {} lacks {}",
                run.id,
                object.plural(),
                ids(&lacking)
            );
            self.violated("an incremental run brings what changed", text);
        }
    }

    /// When the complete run began that the incremental ones up to this one follow, and when this one
    /// did.
    fn since_a_complete_run(&self, run: &Run) -> Option<(Time, Time)> {
        let ended = self.runs.ended.get(&run.sync_id)?;
        for id in ended.iter().rev() {
            let known: &Known = self.runs.get(id)?;
            if self.runs.false_answers.contains_key(&known.row.scan_id) {
                return None;
            }
            if known.row.is_complete() {
                return Some((known.began?, self.runs.get(&run.id)?.began?));
            }
            let is_partial = known.row.verdict() == Some(Verdict::Incremental);
            if known.row.succeeded() && !is_partial {
                return None;
            }
        }
        None
    }

    fn lacking(&self, run: &Run, team: usize, base: Time) -> Vec<String> {
        let (object, provider) = (run.object(), self.world.provider);
        let copies = self.rows.of(&run.connection_id, object);
        let visibility = self.world.visibility(team);
        self.world.read(team, |team| {
            let hidden: BTreeSet<String> = hidden(team);
            let marked = marked(team, object);
            let is_visible = |id: &String| {
                let changed = visibility.get(id).is_some_and(|at| *at >= base);
                !hidden.contains(id) && !marked.contains(id) && !changed
            };
            let contacts = team.live_ids(Object::Contact.as_str()).into_iter();
            let ids: Vec<String> = match object {
                Object::SequenceState => contacts
                    .filter(is_visible)
                    .flat_map(|contact| {
                        let states = team.state_ids_of(&contact).into_iter();
                        let rows = states.map(|state| provider.state_row_id(&contact, &state));
                        rows.collect::<Vec<_>>()
                    })
                    .collect(),
                Object::Contact | Object::Account => {
                    let live = team.live_ids(object.as_str()).into_iter();
                    live.filter(is_visible).collect()
                }
                // Users and mailboxes are few; a sequence's numbers change without its time.
                _ => Vec::new(),
            };
            let is_current = |id: &String| {
                let copy = copies.get(id).filter(|copy| !copy.is_deleted);
                copy.is_some_and(|copy| {
                    // Without a readable time nothing tells whether it has changed since.
                    object == Object::SequenceState
                        || copy.changed_at.is_none()
                        || team.fingerprint(object.as_str(), id) == Some(copy.fingerprint)
                        || changed_at(team, provider, object, id) == copy.changed_at
                })
            };
            ids.into_iter().filter(|id| !is_current(id)).collect()
        })
    }
}

/// When a record changed last, as a list shows it: not everything that a record shows moves that.
fn changed_at(
    team: &Team,
    provider: &SimulatedProvider,
    object: Object,
    id: &str,
) -> Option<String> {
    let record = match object {
        Object::Account => team.account(id),
        _ => team.contact(id),
    };
    provider.changed_at(&record?.to_string()).map(str::to_owned)
}
