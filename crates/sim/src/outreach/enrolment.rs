//! Adds prospects to sequences, moves their states on and removes them.

use super::Call;
use super::body::Document;
use super::list::written;
use super::mailboxes::Mailboxes;
use super::options::Duplicates;
use super::prospects::Prospects;
use super::refusal::{Answer, Refusal};
use super::resource::Resource;
use super::sequence_states::{SequenceStates, is_open, word};
use super::sequences::Sequences;
use super::users::{Users, is_locked};
use crate::world::contact::{Contact, State, StateKind};

/// The ids of the records that a new state connects.
#[derive(Debug)]
struct Enrolment {
    prospect: String,
    sequence: String,
    mailbox: String,
}

pub(super) fn create(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let document = Document::read(call, &SequenceStates::SCHEMA)?;
    for (name, _) in document.attributes() {
        document.refuse_unknown(call, name)?;
    }
    let enrolment = Enrolment {
        prospect: required::<Prospects>(call, &document, "prospect")?,
        sequence: required::<Sequences>(call, &document, "sequence")?,
        mailbox: required::<Mailboxes>(call, &document, "mailbox")?,
    };
    refuse_people(call, &enrolment)?;
    refuse_duplicates(call, &enrolment)?;
    let creator = document.user(call, "creator")?;
    let entry = call
        .team
        .entry_state(call.now, &enrolment.sequence, Some(&enrolment.mailbox));
    let mut state = entry.map_err(|error| Refusal::invalid(&error.to_string()))?;
    state.added_by = creator.or_else(|| Some(call.access.user_id.clone()));
    let id = state.id.clone();
    call.team.add_state(call.now, &enrolment.prospect, state);
    written::<SequenceStates>(call, 201, &id)
}

fn required<R: Resource>(
    call: &Call<'_>,
    document: &Document,
    name: &str,
) -> Result<String, Refusal> {
    let missing = || {
        let mut name = name.to_owned();
        if let Some(first) = name.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        Refusal::invalid(&format!("{name} can't be blank"))
    };
    document.related::<R>(call, name)?.ok_or_else(missing)
}

/// Checks the mailbox's user, the sequence, and whether the prospect can be written to.
fn refuse_people(call: &Call<'_>, enrolment: &Enrolment) -> Result<(), Refusal> {
    let mailbox = Mailboxes::find(call.team, &enrolment.mailbox);
    let owner = mailbox
        .map(|mailbox| mailbox.user_id.as_str())
        .unwrap_or_default();
    if Users::find(call.team, owner).is_none_or(is_locked) {
        return Err(Refusal::invalid("User is locked"));
    }
    let sequence = Sequences::find(call.team, &enrolment.sequence);
    if let Some(sequence) = sequence {
        let caller = Some(call.access.user_id.as_str());
        if sequence.private && sequence.user_id.as_deref() != caller {
            return Err(Refusal::invalid("User not the owner"));
        }
        if !sequence.active && !call.team.org.switches.disabled_sequences_take_prospects {
            return Err(Refusal::invalid("Sequence is not active"));
        }
    }
    let prospect = Prospects::find(call.team, &enrolment.prospect);
    let Some(prospect) = prospect else {
        return Ok(());
    };
    if prospect.unsubscribed == Some(true) {
        return Err(Refusal::invalid("Prospect is opted out"));
    }
    let sends = sequence.is_some_and(|sequence| {
        let mut steps = sequence.steps.iter();
        steps.any(|step| step.kind.ends_with("_email"))
    });
    if sends && prospect.emails.is_empty() {
        return Err(Refusal::invalid("Prospect has no email address"));
    }
    Ok(())
}

/// Checks the ruleset: the prospect's other states, in this sequence and in others.
fn refuse_duplicates(call: &Call<'_>, enrolment: &Enrolment) -> Result<(), Refusal> {
    let Some(prospect) = Prospects::find(call.team, &enrolment.prospect) else {
        return Ok(());
    };
    let ruleset = call.team.org.ruleset;
    let here = |state: &&State| state.sequence_id == enrolment.sequence;
    let mut inside = prospect.states.iter().filter(here);
    let again = match ruleset.duplicates {
        Duplicates::Disallow => inside.next().is_some(),
        Duplicates::OnlyIfInactive => inside.any(|state| word(state) != "finished"),
        Duplicates::Allow => false,
    };
    if again {
        let detail = "Prospect has already been in this sequence";
        return Err(Refusal::invalid(detail));
    }
    let mut elsewhere = prospect.states.iter().filter(|state| !here(state));
    if ruleset.exclusive && elsewhere.any(is_open) {
        let detail = "Prospect active in another exclusive sequence";
        return Err(Refusal::invalid(detail));
    }
    Ok(())
}

pub(super) fn pause(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    transition(
        call,
        &["active"],
        &[],
        StateKind::Paused,
        Some("manually paused"),
    )
}

pub(super) fn resume(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let lenient = ["failed", "bounced", "disabled", "opted_out"];
    transition(call, &["paused"], &lenient, StateKind::Active, None)
}

pub(super) fn finish(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let lenient = ["paused", "pending"];
    let reason = Some("manually finished");
    transition(call, &["active"], &lenient, StateKind::Finished, reason)
}

/// Changes a state if it is one of `from`, or of `lenient` where transitions are lenient.
fn transition(
    call: &mut Call<'_>,
    from: &[&str],
    lenient: &[&str],
    to: StateKind,
    reason: Option<&str>,
) -> Result<Answer, Refusal> {
    let (prospect, state) = found(call)?;
    let is = word(&state);
    let allows_more = call.team.org.switches.lenient_transitions;
    let allowed = from.contains(&is) || (allows_more && lenient.contains(&is));
    if !allowed {
        return Err(Refusal::invalid("Cannot transition to requested state"));
    }
    let now = call.now;
    edit(call, &prospect, |state| {
        state.status = to;
        state.inactive_reason = reason.map(str::to_owned);
        state.failure_reason = None;
        state.finished_at = (to == StateKind::Finished).then_some(now);
        state.paused_at = (to == StateKind::Paused).then_some(now);
        state.updated_at = now;
        state.changed_at = now;
    });
    written::<SequenceStates>(call, 200, call.id)
}

pub(super) fn delete(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let (prospect, _) = found(call)?;
    call.team
        .contacts
        .edit_in_place(&prospect, |contact: &mut Contact| {
            contact.states.retain(|state| state.id != call.id);
        });
    Ok(Answer::nothing())
}

/// The state of the path, with the id of its prospect.
fn found(call: &Call<'_>) -> Result<(String, State), Refusal> {
    let row = SequenceStates::find(call.team, call.id);
    let found = row.map(|row| (row.contact.id.clone(), row.state.clone()));
    found.ok_or_else(|| Refusal::no_such_record("sequenceState", call.id))
}

fn edit(call: &mut Call<'_>, prospect: &str, change: impl FnOnce(&mut State)) {
    call.team.contacts.edit_in_place(prospect, |contact| {
        let mut states = contact.states.iter_mut();
        if let Some(state) = states.find(|state| state.id == call.id) {
            change(state);
        }
    });
}
