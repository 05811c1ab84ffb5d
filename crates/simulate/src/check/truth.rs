//! Compares the tables with the provider's real records: after two complete runs in a row without
//! changes between or after them, they are equal.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use syncline_model::{Object, Time, Verdict};
use syncline_sim::{Dialect, Team};

use super::{Checker, Run, ids, tables::MissingRow};

/// Larger tables are compared less often.
const SMALL: usize = 1_000;
/// The id of a record that the provider invents.
pub(super) const MADE_UP: &str = "6a0af1f3f1ce1100203b8047";
/// How long what the provider says of a missing record holds.
const ANSWER_HOLDS: TimeDelta = TimeDelta::minutes(10);
/// Large tables are compared only once in this many runs.
const SELDOM: usize = 24;

impl Checker {
    /// Compares the tables, if the last two runs allow it.
    pub(super) async fn table_is_the_truth(&mut self, run: &Run) -> anyhow::Result<()> {
        let Some(quiet_since) = self.quiet_since(run) else {
            return Ok(());
        };
        let team = self.team_of(&run.connection_id);
        let changed = self.world.changed_at(team, run.object());
        if changed.is_some_and(|changed| changed >= quiet_since) {
            return Ok(());
        }
        if run.object() == Object::SequenceState {
            self.states_are_the_truth(run, team).await
        } else {
            self.records_are_the_truth(run, team).await
        }
    }

    /// When the first of the last two full runs of the sync began, if both were complete and had no
    /// false answers, and this is the second one.
    fn quiet_since(&self, run: &Run) -> Option<Time> {
        let ended = self.runs.ended.get(&run.sync_id)?.iter();
        let ended = ended.filter_map(|id| self.runs.get(id));
        let full: Vec<_> = ended
            .filter(|known| known.row.verdict() != Some(Verdict::Incremental))
            .collect();
        let [.., first, last] = full.as_slice() else {
            return None;
        };
        if last.row.id != run.id {
            return None;
        }
        let both = [first, last];
        let honest = both
            .iter()
            .all(|run| run.row.is_complete() && !self.is_excused_by_lies(&run.row));
        honest.then(|| both[0].began)?
    }

    async fn records_are_the_truth(&mut self, run: &Run, team: usize) -> anyhow::Result<()> {
        let (connection, object) = (run.connection_id.clone(), run.object());
        let held = self.left_open(run, object).await?;
        let truth: BTreeMap<String, Option<u64>> = self.world.read(team, |team| {
            let live = there(team, object).into_iter();
            live.map(|id| {
                let fingerprint = team.fingerprint(object.as_str(), &id);
                (id, fingerprint)
            })
            .collect()
        });
        let hidden: BTreeSet<String> = self.world.read(team, hidden);
        let marked = self.world.read(team, |team| marked(team, object));
        let (mut lacking, mut too_many, mut other) = (Vec::new(), Vec::new(), Vec::new());
        let copies = self.rows.of(&connection, object);
        for (id, fingerprint) in &truth {
            if hidden.contains(id) || marked.contains(id) {
                continue;
            }
            match copies.get(id) {
                None => lacking.push(id.clone()),
                Some(copy) if copy.is_deleted => lacking.push(id.clone()),
                Some(copy) if Some(copy.fingerprint) != *fingerprint => other.push(id.clone()),
                Some(_) => {}
            }
        }
        for (id, copy) in copies {
            if id == MADE_UP {
                continue;
            }
            let gone = !truth.contains_key(id) || marked.contains(id);
            if !copy.is_deleted && gone && !held.contains(id) {
                too_many.push(id.clone());
            }
        }
        self.differs(run, "lacks", &lacking);
        self.differs(run, "has more than is there:", &too_many);
        self.differs(run, "has an old version of", &other);
        self.steps_are_counted(run, team).await
    }

    async fn states_are_the_truth(&mut self, run: &Run, team: usize) -> anyhow::Result<()> {
        let connection = run.connection_id.clone();
        let copies = self.rows.of(&connection, Object::SequenceState);
        let ended = self.runs.ended.get(&run.sync_id).map_or(0, Vec::len);
        if copies.len() > SMALL && !ended.is_multiple_of(SELDOM) {
            return Ok(());
        }
        let held = self.left_open(run, Object::SequenceState).await?;
        let held_contacts = self.left_open(run, Object::Contact).await?;
        let hidden: BTreeSet<String> = self.world.read(team, hidden);
        let provider = self.world.provider;
        // The id of each state's row, with that of its contact.
        let truth: BTreeMap<String, String> = self.world.read(team, |team| {
            let contacts = team.live_ids(Object::Contact.as_str()).into_iter();
            let states = contacts.flat_map(|contact| {
                let states = team.state_ids_of(&contact).into_iter();
                let rows = states.map(|state| {
                    let row = provider.state_row_id(&contact, &state);
                    (row, contact.clone())
                });
                rows.collect::<Vec<_>>()
            });
            states.collect()
        });
        let copies = self.rows.of(&connection, Object::SequenceState);
        let (mut lacking, mut too_many) = (Vec::new(), Vec::new());
        for (id, contact) in &truth {
            let row = copies.get(id);
            if row.is_none_or(|row| row.is_deleted) && !hidden.contains(contact) {
                lacking.push(id.clone());
            }
        }
        for (id, copy) in copies.iter().filter(|(_, copy)| !copy.is_deleted) {
            let contact = copy.contact_id.clone().unwrap_or_default();
            let excused = held.contains(id) || held_contacts.contains(&contact);
            if !truth.contains_key(id) && !excused && !hidden.contains(&contact) {
                too_many.push(id.clone());
            }
        }
        self.differs(run, "lacks", &lacking);
        self.differs(run, "has more than is there:", &too_many);
        Ok(())
    }

    /// Missing rows that may stay live: their deletion is held, the run could not look all of them up,
    /// or a clock has leapt since, so that the answer looks old.
    pub(super) async fn left_open(
        &mut self,
        run: &Run,
        object: Object,
    ) -> anyhow::Result<BTreeSet<String>> {
        let missing = self.tables.missing(&run.connection_id, object).await?;
        let asked_out =
            run.lookups >= self.lookups_per_run || self.runs.unanswered.contains(&run.scan_id);
        let ended = run.finished_at.as_ref().map(|at| at.0);
        let is_old = |row: &MissingRow| {
            let said = row.looked_up_at.as_ref().map(|at| at.0);
            said.zip(ended)
                .is_some_and(|(said, ended)| ended - said > ANSWER_HOLDS)
        };
        let open = missing
            .into_iter()
            .filter(|row| asked_out || row.held_since.is_some() || is_old(row));
        Ok(open.map(|row| row.record_id).collect())
    }

    pub(super) fn differs(&mut self, run: &Run, how: &str, which: &[String]) {
        if !which.is_empty() {
            let text = format!(
                "after run {}, the table of {} {how} {}",
                run.id,
                run.object().plural(),
                ids(which)
            );
            self.violated("after two complete runs the table is the truth", text);
        }
    }

    /// The records that have been visible since before `began`; states with the id of their rows.
    pub(super) fn there_since(&self, team: usize, object: Object, began: Time) -> Vec<String> {
        let (lag, provider) = (self.world.lag, self.world.provider);
        let visibility = self.world.visibility(team);
        let changed = |id: &str| visibility.get(id).is_some_and(|at| *at >= began);
        self.world.read(team, |team| {
            let hidden = hidden(team);
            let visible = |id: &String| !hidden.contains(id) && !changed(id);
            let before = |since: Option<Time>| since.is_some_and(|since| since + lag < began);
            if object != Object::SequenceState {
                let ids = there(team, object).into_iter().filter(visible);
                // A search may not list them.
                let unlisted = marked(team, object);
                return ids
                    .filter(|id| before(team.live_since(object.as_str(), id)))
                    .filter(|id| !unlisted.contains(id))
                    .collect();
            }
            let contacts = team.live_ids("contact").into_iter().filter(visible);
            let mut states = Vec::new();
            for contact in contacts {
                for state in team.state_ids_of(&contact) {
                    if before(team.state_live_since(&contact, &state)) {
                        states.push(provider.state_row_id(&contact, &state));
                    }
                }
            }
            states
        })
    }
}

/// The records that the provider has. Only Apollo marks users as deleted; others list them as before.
fn there(team: &Team, object: Object) -> Vec<String> {
    match (team.dialect(), object) {
        (Dialect::Outreach | Dialect::Salesloft, Object::User) => team.user_ids(),
        _ => team.live_ids(object.as_str()),
    }
}

pub(super) fn hidden(team: &Team) -> BTreeSet<String> {
    team.hidden_ids().into_iter().collect()
}

/// Records that the provider shows as deleted, or no longer shows.
pub(crate) fn marked(team: &Team, object: Object) -> BTreeSet<String> {
    match (team.dialect(), object) {
        (Dialect::Apollo, Object::Sequence) => {
            let archived = team.sequences().into_iter();
            let archived = archived.filter(|sequence| sequence["archived"] == true);
            archived
                .filter_map(|sequence| Some(sequence["id"].as_str()?.to_owned()))
                .collect()
        }
        (Dialect::Outreach, Object::Contact) => team.trashed_ids().into_iter().collect(),
        _ => BTreeSet::new(),
    }
}
