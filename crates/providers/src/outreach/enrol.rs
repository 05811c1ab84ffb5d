//! Adds prospects to a sequence, and takes them out; `leave.rs` has the latter.
//!
//! Each prospect takes a request of its own. One that is in the sequence already counts as added, so
//! the states are read first: Outreach may make a second one. What happened to a request whose answer
//! was lost is read, too (`creation.rs`).

use async_trait::async_trait;
use syncline_model::{
    Common, Object, Record, Records, SequenceState,
    draft::{CustomFields, LeaveMode},
};

use super::{
    Outreach, PROVIDER,
    api::{collection, kind},
    creation::{Creation, written},
    document::Document,
    error,
    lookup::whole,
};
use crate::{
    capabilities::{Enrolled, Enrolment, Enrolments},
    error::{ErrorKind, ProviderError},
    live,
    outcome::Outcome,
    provider::Provider,
    session::Session,
};

/// Where prospects go: the ids of an enrolment.
struct Entry {
    sequence: u64,
    mailbox: u64,
    adder: Option<u64>,
}

/// A prospect's state in the sequence, or the outcome without one.
type Added = Result<Record<SequenceState>, Outcome>;

#[async_trait]
impl Enrolments for Outreach {
    /// Outreach sends from it.
    fn mailbox_required(&self) -> Option<&'static str> {
        Some("Mailbox ID is required for Outreach")
    }

    fn leave_modes(&self) -> &'static [LeaveMode] {
        LeaveMode::ALL
    }

    async fn enrol(
        &self,
        session: &Session<'_>,
        enrolment: &Enrolment<'_>,
    ) -> Result<Enrolled, ProviderError> {
        let entry = Entry::of(enrolment)?;
        let contact_ids = enrolment.contact_ids;
        let members = self.members(session, entry.sequence, contact_ids).await?;
        let mut states = Vec::new();
        let mut outcomes = Vec::new();
        for (index, id) in contact_ids.iter().enumerate() {
            let added = match (members.open(id), whole(id)) {
                (Some(state), _) => Ok(Ok(state.clone())),
                (None, None) => Ok(Err(Outcome::no_such_contact())),
                (None, Some(number)) => self.add(session, &entry, number).await,
            };
            match added {
                Ok(Ok(state)) => {
                    let outcome = Outcome::State {
                        id: state.id.clone(),
                    };
                    outcomes.push((id.clone(), outcome));
                    states.push(state);
                }
                Ok(Err(skipped)) => outcomes.push((id.clone(), skipped)),
                Err(error) if states.is_empty() => return Err(error),
                // Those before were added and must be reported.
                Err(error) => {
                    let rest = &contact_ids[index..];
                    outcomes.extend(Outcome::stopped_at(rest, self.title(), &error));
                    break;
                }
            }
        }
        Ok(Enrolled {
            outcomes,
            records: Records::SequenceStates(states),
            removed: Vec::new(),
            warnings: Vec::new(),
        })
    }

    async fn leave(
        &self,
        session: &Session<'_>,
        sequence_id: &str,
        contact_ids: &[String],
        mode: LeaveMode,
    ) -> Result<Enrolled, ProviderError> {
        let number = number_of(Object::Sequence, sequence_id)?;
        self.take_out(session, number, contact_ids, mode).await
    }
}

impl Outreach {
    /// The prospect's new state, or why Outreach has none for it.
    async fn add(
        &self,
        session: &Session<'_>,
        entry: &Entry,
        prospect: u64,
    ) -> Result<Added, ProviderError> {
        match self.create(session, &entry.creation(prospect)).await {
            Ok(record) => {
                let wrote = written(&record, Object::SequenceState)?;
                let state = wrote.records.and_then(|it| SequenceState::of(it).pop());
                Ok(state.ok_or(Outcome::State { id: wrote.id }))
            }
            Err(error) => match error.kind {
                ErrorKind::Rejected | ErrorKind::NotFound => {
                    self.why_refused(session, entry, prospect, error).await
                }
                _ => Err(error),
            },
        }
    }

    /// Outreach's texts are not documented, so those that say nothing known lead to the records
    /// themselves.
    async fn why_refused(
        &self,
        session: &Session<'_>,
        entry: &Entry,
        prospect: u64,
        error: ProviderError,
    ) -> Result<Added, ProviderError> {
        let skipped = skip(&error);
        if says_already(&error) {
            // Somebody else may have added it a moment ago.
            let id = prospect.to_string();
            let ids = [id.clone()];
            let members = self.members(session, entry.sequence, &ids).await;
            let state = members.ok().and_then(|it| it.open(&id).cloned());
            return Ok(state.ok_or(skipped));
        }
        if reason_of(&error).is_some() {
            return Ok(Err(skipped));
        }
        for (object, number) in [
            (Object::Sequence, entry.sequence),
            (Object::Mailbox, entry.mailbox),
        ] {
            if self.is_missing(session, object, number).await {
                return Err(live::no_such(PROVIDER, object, &number.to_string()));
            }
        }
        if self.is_missing(session, Object::Contact, prospect).await {
            return Ok(Err(Outcome::no_such_contact()));
        }
        Ok(Err(skipped))
    }

    async fn is_missing(&self, session: &Session<'_>, object: Object, number: u64) -> bool {
        let read = self.read_one(session, object, number).await;
        matches!(read, Err(error) if error.kind == ErrorKind::NotFound)
    }
}

impl Entry {
    fn of(enrolment: &Enrolment<'_>) -> Result<Self, ProviderError> {
        let adder = enrolment.user_id.map(|id| number_of(Object::User, id));
        Ok(Self {
            sequence: number_of(Object::Sequence, enrolment.sequence_id)?,
            mailbox: number_of(Object::Mailbox, enrolment.mailbox_id.unwrap_or_default())?,
            adder: adder.transpose()?,
        })
    }

    /// The user who adds it is its creator; the one who sends is the mailbox's.
    fn creation(&self, prospect: u64) -> Creation {
        let object = Object::SequenceState;
        let mut document = Document::new(kind(object), &CustomFields::new());
        document.relate("prospect", kind(Object::Contact), prospect);
        document.relate("sequence", kind(Object::Sequence), self.sequence);
        document.relate("mailbox", kind(Object::Mailbox), self.mailbox);
        if let Some(adder) = self.adder {
            document.relate("creator", kind(Object::User), adder);
        }
        Creation {
            collection: collection(object),
            document,
            sought: vec![
                ("filter[prospect][id]", prospect.to_string()),
                ("filter[sequence][id]", self.sequence.to_string()),
                ("sort", "-createdAt".to_owned()),
            ],
            same: &[],
        }
    }
}

fn number_of(object: Object, id: &str) -> Result<u64, ProviderError> {
    whole(id).ok_or_else(|| live::no_such(PROVIDER, object, id))
}

/// Why Outreach refused it, in its words if they are not known.
pub(super) fn skip(error: &ProviderError) -> Outcome {
    let known = reason_of(error).map(|(code, reason)| (code.to_owned(), reason.to_owned()));
    let (code, reason) = known.unwrap_or_else(|| {
        let code = error::code_of(error).unwrap_or_else(|| "refused".to_owned());
        (code, error.message.clone())
    });
    Outcome::Skipped { code, reason }
}

/// What Outreach's texts mean, as far as they are known.
const REASONS: [(&str, &str, &str); 7] = [
    (
        ALREADY,
        "already_been_in_sequence",
        "it has been in the sequence before, and the sequence's ruleset doesn't let it in again",
    ),
    (
        "exclusive sequence",
        "active_in_exclusive_sequence",
        "it is active in another sequence, which is exclusive",
    ),
    ("opted out", "opted_out", "it has opted out"),
    ("no email", "without_email", "it has no e-mail address"),
    (
        "user is locked",
        "mailbox_user_locked",
        "the user of the mailbox is locked",
    ),
    (
        "not the owner",
        "not_the_owner",
        "the mailbox or the sequence belongs to another user",
    ),
    (
        "is not active",
        "sequence_not_active",
        "the sequence is not active",
    ),
];

const ALREADY: &str = "already been in this sequence";

fn reason_of(error: &ProviderError) -> Option<(&'static str, &'static str)> {
    let said = error.message.to_lowercase();
    let known = REASONS.into_iter().find(|(text, ..)| said.contains(text));
    known.map(|(_, code, reason)| (code, reason))
}

fn says_already(error: &ProviderError) -> bool {
    error.message.to_lowercase().contains(ALREADY)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(message: &str) -> ProviderError {
        ProviderError::new(ErrorKind::Rejected, Some(422), message)
    }

    #[test]
    fn known_texts_have_codes_of_their_own_whatever_stands_around_them() {
        for (message, code) in [
            (
                "Prospect has Already been in this sequence.",
                "already_been_in_sequence",
            ),
            (
                "Prospect active in another exclusive sequence",
                "active_in_exclusive_sequence",
            ),
            ("Prospect is opted out", "opted_out"),
            ("User is locked", "mailbox_user_locked"),
        ] {
            let Outcome::Skipped { code: told, .. } = skip(&refusal(message)) else {
                panic!("{message} is a refusal");
            };
            assert_eq!(told, code);
        }
    }

    #[test]
    fn an_unknown_text_is_told_as_it_is() {
        let error = refusal("Capacity is used up").with_body(r#"{"errors":[{"id":"capacity"}]}"#);
        let expected = Outcome::Skipped {
            code: "capacity".to_owned(),
            reason: "Capacity is used up".to_owned(),
        };
        assert_eq!(skip(&error), expected);
    }
}
