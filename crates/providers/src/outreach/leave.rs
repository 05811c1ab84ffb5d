//! Takes prospects out of a sequence, or ends what they get in it.

use syncline_model::{Common, Object, Record, Records, SequenceState, draft::LeaveMode};

use super::{
    Outreach,
    api::collection,
    creation::{record_of, written},
    enrol::skip,
    lookup::whole,
    members::{Members, is_open},
};
use crate::{
    capabilities::Enrolled,
    error::{ErrorKind, ProviderError},
    http::Method,
    outcome::Outcome,
    provider::Provider,
    session::Session,
};

/// What was done so far.
#[derive(Default)]
struct Done {
    changed: Vec<Record<SequenceState>>,
    removed: Vec<String>,
}

/// What ends a prospect's sequence without deleting its state.
#[derive(Clone, Copy)]
struct End {
    action: &'static str,
    /// The state that the action leads to.
    reached: &'static str,
    /// Other states in which there is nothing to end.
    over: &'static [&'static str],
}

/// In these states nothing more is sent.
const PAUSE: End = End {
    action: "pause",
    reached: "paused",
    over: &["finished", "opted_out", "failed", "bounced", "disabled"],
};

const FINISH: End = End {
    action: "finish",
    reached: "finished",
    over: &["opted_out"],
};

impl Outreach {
    pub(super) async fn take_out(
        &self,
        session: &Session<'_>,
        sequence_id: u64,
        contact_ids: &[String],
        mode: LeaveMode,
    ) -> Result<Enrolled, ProviderError> {
        let members = self.members(session, sequence_id, contact_ids).await?;
        if members.is_empty() {
            // Then nothing says that there is such a sequence.
            self.read_one(session, Object::Sequence, sequence_id)
                .await?;
        }
        let outside = outside(&members, contact_ids);
        let known = self.known_prospects(session, &outside).await?;
        let mut done = Done::default();
        let mut outcomes = Vec::new();
        for (index, id) in contact_ids.iter().enumerate() {
            let outcome = match members.of(id).as_slice() {
                [] if known.contains(id) => Ok(Outcome::not_in_sequence()),
                [] => Ok(Outcome::no_such_contact()),
                states => self.end(session, states, mode, &mut done).await,
            };
            match outcome {
                Ok(outcome) => outcomes.push((id.clone(), outcome)),
                Err(error) if done.is_empty() => return Err(error),
                // Those before were taken out and must be reported.
                Err(error) => {
                    let rest = &contact_ids[index..];
                    outcomes.extend(Outcome::stopped_at(rest, self.title(), &error));
                    break;
                }
            }
        }
        Ok(Enrolled {
            outcomes,
            records: Records::SequenceStates(done.changed),
            removed: done.removed,
            warnings: Vec::new(),
        })
    }

    async fn end(
        &self,
        session: &Session<'_>,
        states: &[&Record<SequenceState>],
        mode: LeaveMode,
        done: &mut Done,
    ) -> Result<Outcome, ProviderError> {
        match mode {
            LeaveMode::Remove => self.remove(session, states, done).await,
            LeaveMode::Stop => self.bring_to(session, states, PAUSE, done).await,
            LeaveMode::Finish => self.bring_to(session, states, FINISH, done).await,
        }
    }

    /// Deletes all of a prospect's states in the sequence.
    async fn remove(
        &self,
        session: &Session<'_>,
        states: &[&Record<SequenceState>],
        done: &mut Done,
    ) -> Result<Outcome, ProviderError> {
        for state in states {
            match self.delete(session, state).await {
                Ok(()) => done.removed.push(state.id.clone()),
                Err(error) if error.kind == ErrorKind::Rejected => return Ok(skip(&error)),
                Err(error) => return Err(error),
            }
        }
        Ok(Outcome::Out {
            id: states.last().map(|state| state.id.clone()),
        })
    }

    async fn delete(
        &self,
        session: &Session<'_>,
        state: &Record<SequenceState>,
    ) -> Result<(), ProviderError> {
        let Some(number) = whole(&state.id) else {
            return Ok(());
        };
        let path = format!("{}/{number}", collection(Object::SequenceState));
        let deleted = self.write_in(session, (Method::DELETE, &path), None).await;
        let Err(error) = deleted else {
            return Ok(());
        };
        if error.kind == ErrorKind::NotFound {
            return Ok(());
        }
        if error.is_temporary() {
            let read = self.read_one(session, Object::SequenceState, number).await;
            if matches!(read, Err(read) if read.kind == ErrorKind::NotFound) {
                return Ok(());
            }
        }
        Err(error)
    }

    /// Ends what a prospect gets by its open states.
    async fn bring_to(
        &self,
        session: &Session<'_>,
        states: &[&Record<SequenceState>],
        end: End,
        done: &mut Done,
    ) -> Result<Outcome, ProviderError> {
        for state in states.iter().filter(|state| !end.is_reached_by(state)) {
            match self.act_on(session, state, end).await {
                Ok(changed) => done.changed.extend(changed),
                Err(error) => match error.kind {
                    ErrorKind::Rejected => return Ok(skip(&error)),
                    // Somebody else took it out meanwhile.
                    ErrorKind::NotFound => return Ok(Outcome::not_in_sequence()),
                    _ => return Err(error),
                },
            }
        }
        let shown = states.iter().rev().find(|state| is_open(state));
        let shown = shown.or(states.last());
        Ok(match shown {
            Some(state) => Outcome::State {
                id: state.id.clone(),
            },
            None => Outcome::not_in_sequence(),
        })
    }

    /// The changed state; `None` if Outreach didn't show it.
    async fn act_on(
        &self,
        session: &Session<'_>,
        state: &Record<SequenceState>,
        end: End,
    ) -> Result<Option<Record<SequenceState>>, ProviderError> {
        let object = Object::SequenceState;
        let Some(number) = whole(&state.id) else {
            return Ok(None);
        };
        let acted = self.act(session, (collection(object), number), end.action);
        let response = match acted.await {
            Ok(response) => response,
            Err(error) if error.is_temporary() => {
                // It may have been done all the same.
                let read = self.record(session, object, &state.id).await;
                let now = read.ok().and_then(|it| SequenceState::of(it).pop());
                return match now.filter(|state| end.is_reached_by(state)) {
                    Some(state) => Ok(Some(state)),
                    None => Err(error),
                };
            }
            Err(error) => return Err(error),
        };
        let changed = record_of(&response).and_then(|record| written(&record, object));
        let records = changed.ok().and_then(|changed| changed.records);
        Ok(records.and_then(|it| SequenceState::of(it).pop()))
    }
}

impl Done {
    fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.removed.is_empty()
    }
}

impl End {
    fn is_reached_by(self, state: &Record<SequenceState>) -> bool {
        let word = state.fields.state.as_deref().unwrap_or_default();
        word == self.reached || self.over.contains(&word)
    }
}

/// The contacts without a state in the sequence.
fn outside(members: &Members, contact_ids: &[String]) -> Vec<String> {
    let outside = contact_ids.iter().filter(|id| members.of(id).is_empty());
    outside.cloned().collect()
}
