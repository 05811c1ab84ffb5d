//! Puts people on a cadence, and takes them off.
//!
//! Each person takes a request of its own. Salesloft has one membership for a person and a cadence,
//! which stays when the person leaves and is used again when they come back. What it does with a person
//! who is on the cadence already isn't documented, so that is read first, and again when an answer is
//! lost.

use async_trait::async_trait;
use serde_json::json;
use syncline_model::{Common, Contact, Object, Record, Records, SequenceState, draft::LeaveMode};

use super::{
    PROVIDER, Salesloft,
    api::Endpoint,
    creation::{record_of, written},
    lookup::is_id,
};
use crate::{
    capabilities::{Enrolled, Enrolment, Enrolments},
    error::{ErrorKind, ProviderError},
    json::Fields,
    live,
    outcome::Outcome,
    provider::Provider,
    session::Session,
};

const MEMBERSHIPS: &str = "v2/cadence_memberships";

/// The most ids in one filter, so that its URL stays short and the matches fit on a page.
const IDS_PER_REQUEST: usize = 100;

/// A person's membership of a cadence, or the outcome without one.
type Added = Result<Record<SequenceState>, Outcome>;

#[async_trait]
impl Enrolments for Salesloft {
    /// Each user sends from the one mailbox they have.
    fn mailbox_required(&self) -> Option<&'static str> {
        None
    }

    /// A membership can't be paused or finished.
    fn leave_modes(&self) -> &'static [LeaveMode] {
        &[LeaveMode::Remove]
    }

    async fn enrol(
        &self,
        session: &Session<'_>,
        enrolment: &Enrolment<'_>,
    ) -> Result<Enrolled, ProviderError> {
        check(Object::Sequence, enrolment.sequence_id)?;
        if let Some(id) = enrolment.user_id {
            check(Object::User, id)?;
        }
        let mut done = Done::default();
        for (place, id) in enrolment.contact_ids.iter().enumerate() {
            let added = if is_id(id) {
                self.add(session, enrolment, id).await
            } else {
                Ok(Err(Outcome::no_such_contact()))
            };
            match added {
                Ok(Ok(state)) => done.with_state(id, state),
                Ok(Err(skipped)) => done.outcomes.push((id.clone(), skipped)),
                Err(error) if done.states.is_empty() => return Err(error),
                Err(error) => {
                    let rest = &enrolment.contact_ids[place..];
                    done.outcomes
                        .extend(Outcome::stopped_at(rest, self.title(), &error));
                    break;
                }
            }
        }
        let has_mailbox = enrolment.mailbox_id.is_some();
        let warning = "Salesloft has no mailboxes: mailbox_id was not used".to_owned();
        Ok(done.told(has_mailbox.then_some(warning)))
    }

    async fn leave(
        &self,
        session: &Session<'_>,
        sequence_id: &str,
        contact_ids: &[String],
        _mode: LeaveMode,
    ) -> Result<Enrolled, ProviderError> {
        check(Object::Sequence, sequence_id)?;
        let mut done = Done::default();
        let mut outside = Vec::new();
        for (place, id) in contact_ids.iter().enumerate() {
            let left = if is_id(id) {
                self.take_off(session, sequence_id, id).await
            } else {
                Ok(None)
            };
            match left {
                Ok(Some(state)) => done.with_state(id, state),
                Ok(None) => {
                    outside.push(id.clone());
                    done.outcomes.push((id.clone(), Outcome::not_in_sequence()));
                }
                Err(error) if done.states.is_empty() => return Err(error),
                Err(error) => {
                    let rest = &contact_ids[place..];
                    done.outcomes
                        .extend(Outcome::stopped_at(rest, self.title(), &error));
                    break;
                }
            }
        }
        if done.states.is_empty() {
            // Then nothing says that there is such a cadence.
            self.record(session, Object::Sequence, sequence_id).await?;
        }
        // Others have left by now, so not being able to tell is no error.
        let known = self.known_people(session, &outside).await;
        let known = known.unwrap_or_else(|_| outside.clone());
        for (id, outcome) in &mut done.outcomes {
            if outside.contains(id) && !known.contains(id) {
                *outcome = Outcome::no_such_contact();
            }
        }
        Ok(done.told(None))
    }
}

impl Salesloft {
    /// The person's membership, or why Salesloft has none.
    async fn add(
        &self,
        session: &Session<'_>,
        enrolment: &Enrolment<'_>,
        person_id: &str,
    ) -> Result<Added, ProviderError> {
        let cadence_id = enrolment.sequence_id;
        let known = self.membership(session, cadence_id, person_id).await?;
        if let Some(known) = known.filter(is_on) {
            return Ok(Ok(known));
        }
        let mut body = json!({
            "person_id": number(person_id),
            "cadence_id": number(cadence_id),
        });
        if let Some(user_id) = enrolment.user_id {
            body["user_id"] = number(user_id).into();
        }
        let added = self.call(session, Endpoint::post(MEMBERSHIPS, body)).await;
        let state = added.and_then(|response| membership_in(&record_of(&response)?));
        let error = match state {
            Ok(state) if is_on(&state) => return Ok(Ok(state)),
            Ok(_) => return Ok(Err(removed_at_once())),
            Err(error) => error,
        };
        if error.is_temporary() || says(&error, ALREADY) {
            // Either the answer was lost, or somebody else was quicker.
            let now = self.membership(session, cadence_id, person_id).await;
            if let Some(state) = now.ok().flatten().filter(is_on) {
                return Ok(Ok(state));
            }
        }
        match error.kind {
            ErrorKind::Rejected | ErrorKind::NotFound => {
                self.why_refused(session, enrolment, person_id, error).await
            }
            _ => Err(error),
        }
    }

    /// Salesloft's texts are not documented, so those that say nothing known lead to the records
    /// themselves.
    async fn why_refused(
        &self,
        session: &Session<'_>,
        enrolment: &Enrolment<'_>,
        person_id: &str,
        error: ProviderError,
    ) -> Result<Added, ProviderError> {
        if reason_of(&error).is_some() {
            return Ok(Err(skip(&error)));
        }
        let cadence = Some((Object::Sequence, enrolment.sequence_id));
        let user = enrolment.user_id.map(|id| (Object::User, id));
        for (object, id) in cadence.into_iter().chain(user) {
            if self.is_missing(session, object, id).await {
                return Err(live::no_such(PROVIDER, object, id));
            }
        }
        if self.is_missing(session, Object::Contact, person_id).await {
            return Ok(Err(Outcome::no_such_contact()));
        }
        Ok(Err(skip(&error)))
    }

    async fn is_missing(&self, session: &Session<'_>, object: Object, id: &str) -> bool {
        let read = self.record(session, object, id).await;
        matches!(read, Err(error) if error.kind == ErrorKind::NotFound)
    }

    /// The membership as it is after the person left; `None` if there is none.
    async fn take_off(
        &self,
        session: &Session<'_>,
        cadence_id: &str,
        person_id: &str,
    ) -> Result<Option<Record<SequenceState>>, ProviderError> {
        let known = self.membership(session, cadence_id, person_id).await?;
        let Some(known) = known else {
            return Ok(None);
        };
        if !is_on(&known) {
            return Ok(Some(known));
        }
        let endpoint = Endpoint::delete(format!("{MEMBERSHIPS}/{}", known.id));
        let deleted = self.call(session, endpoint).await;
        let now = self.membership(session, cadence_id, person_id).await;
        match (deleted, now) {
            (_, Ok(Some(now))) if !is_on(&now) => Ok(Some(now)),
            (Ok(_), _) => Ok(Some(known)),
            (Err(error), _) => Err(error),
        }
    }

    async fn membership(
        &self,
        session: &Session<'_>,
        cadence_id: &str,
        person_id: &str,
    ) -> Result<Option<Record<SequenceState>>, ProviderError> {
        let filters = [
            ("person_id", person_id.to_owned()),
            ("cadence_id", cadence_id.to_owned()),
        ];
        let found: Vec<Record<SequenceState>> = self.matching(session, &filters).await?;
        // Salesloft ignores filters that it doesn't know.
        Ok(found.into_iter().rev().find(|state| {
            state.fields.contact_id.as_deref() == Some(person_id)
                && state.fields.sequence_id.as_deref() == Some(cadence_id)
        }))
    }

    /// Which of these people are there.
    async fn known_people(
        &self,
        session: &Session<'_>,
        ids: &[String],
    ) -> Result<Vec<String>, ProviderError> {
        let mut known = Vec::new();
        let numbers: Vec<&String> = ids.iter().filter(|id| is_id(id)).collect();
        for some in numbers.chunks(IDS_PER_REQUEST) {
            let filters: Vec<_> = some.iter().map(|id| ("ids[]", (*id).clone())).collect();
            let found: Vec<Record<Contact>> = self.matching(session, &filters).await?;
            known.extend(found.into_iter().map(|person| person.id));
        }
        Ok(known)
    }
}

/// What was done so far.
#[derive(Default)]
struct Done {
    outcomes: Vec<(String, Outcome)>,
    states: Vec<Record<SequenceState>>,
}

impl Done {
    fn with_state(&mut self, contact_id: &str, state: Record<SequenceState>) {
        let outcome = Outcome::State {
            id: state.id.clone(),
        };
        self.outcomes.push((contact_id.to_owned(), outcome));
        self.states.push(state);
    }

    fn told(self, warning: Option<String>) -> Enrolled {
        Enrolled {
            outcomes: self.outcomes,
            records: Records::SequenceStates(self.states),
            // The memberships stay.
            removed: Vec::new(),
            warnings: warning.into_iter().collect(),
        }
    }
}

fn check(object: Object, id: &str) -> Result<(), ProviderError> {
    if is_id(id) {
        Ok(())
    } else {
        Err(live::no_such(PROVIDER, object, id))
    }
}

/// An id was looked at before, so it is a number.
fn number(id: &str) -> Option<u64> {
    id.parse().ok()
}

fn membership_in(
    record: &serde_json::value::RawValue,
) -> Result<Record<SequenceState>, ProviderError> {
    let wrote = written(record, Object::SequenceState)?;
    let state = wrote.records.and_then(|it| SequenceState::of(it).pop());
    state.ok_or_else(|| {
        let message = format!("Salesloft's answer can't be read: {:?}", wrote.warnings);
        ProviderError::new(ErrorKind::InvalidResponse, None, &message)
    })
}

/// Whether the person is on the cadence by it, by its flag, or else by its state.
fn is_on(state: &Record<SequenceState>) -> bool {
    let flag = Fields::of(&state.raw).and_then(|it| it.flag("currently_on_cadence").ok()?);
    flag.unwrap_or_else(|| {
        let word = state.fields.state.as_deref().unwrap_or_default();
        ![
            "completed",
            "removed",
            "removed_no_action",
            "reassigned",
            "archived",
        ]
        .contains(&word)
    })
}

fn removed_at_once() -> Outcome {
    Outcome::skipped(
        "removed_at_once",
        "Salesloft took it off the cadence at once, as it does with people who must not be contacted",
    )
}

/// Why Salesloft refused it, in its words if they are not known.
fn skip(error: &ProviderError) -> Outcome {
    match reason_of(error) {
        Some((code, reason)) => Outcome::skipped(code, reason),
        None => Outcome::skipped("refused", error.message.as_str()),
    }
}

const ALREADY: &str = "already on this cadence";

/// What Salesloft's texts mean, as far as they are known.
const REASONS: [(&str, &str, &str); 3] = [
    (
        "already on another cadence",
        "active_in_another_cadence",
        "it is on another cadence, and the team allows one at a time",
    ),
    (
        "cannot be added",
        "must_not_be_contacted",
        "it must not be contacted, its address bounces, or it has none",
    ),
    (
        "does not accept people",
        "sequence_not_active",
        "the cadence is a draft or archived",
    ),
];

fn reason_of(error: &ProviderError) -> Option<(&'static str, &'static str)> {
    let known = REASONS.into_iter().find(|(text, ..)| says(error, text));
    known.map(|(_, code, reason)| (code, reason))
}

fn says(error: &ProviderError, text: &str) -> bool {
    error.message.to_lowercase().contains(text)
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;

    fn membership(fields: &str) -> Record<SequenceState> {
        let json = format!(r#"{{"id":9,{fields}}}"#);
        membership_in(&RawValue::from_string(json).unwrap()).unwrap()
    }

    #[test]
    fn a_membership_without_its_flag_is_judged_by_its_state() {
        for (fields, on) in [
            (
                r#""currently_on_cadence":true,"current_state":"removed""#,
                true,
            ),
            (
                r#""currently_on_cadence":false,"current_state":"active""#,
                false,
            ),
            (r#""current_state":"active""#, true),
            (
                r#""currently_on_cadence":null,"current_state":"removed_no_action""#,
                false,
            ),
        ] {
            assert_eq!(is_on(&membership(fields)), on, "{fields}");
        }
    }

    #[test]
    fn a_refusal_is_told_by_code_or_in_salesloft_s_words() {
        let told = |message: &str| match skip(&ProviderError::new(
            ErrorKind::Rejected,
            Some(422),
            message,
        )) {
            Outcome::Skipped { code, reason } => (code, reason),
            other => panic!("{other:?} is no refusal"),
        };
        let (code, _) = told("cadence does not accept people");
        assert_eq!(code, "sequence_not_active");
        let own = ("refused".to_owned(), "person is on holiday".to_owned());
        assert_eq!(told("person is on holiday"), own);
    }
}
