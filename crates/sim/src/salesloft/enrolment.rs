//! Adds people to cadences and takes them off. There is no pause and no resumption.

use super::Call;
use super::body::{Fields, unknown};
use super::cadence_memberships::CadenceMemberships;
use super::cadences::{Cadences, is_teams, takes_people};
use super::list::written;
use super::people::{People, is_bouncing, may, primary};
use super::refusal::{Answer, Refusal};
use super::resource::Resource;
use crate::world::contact::{Contact, State};

/// The fields of the call; they can also be in the query.
const FIELDS: [&str; 5] = ["person_id", "cadence_id", "user_id", "step_id", "task_id"];

/// The records that a new membership connects.
#[derive(Debug)]
struct Enrolment {
    person: String,
    cadence: String,
    user: String,
    step: Option<String>,
}

pub(super) fn create(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let fields = Fields::read(call);
    for (name, _) in fields.iter() {
        if !FIELDS.contains(&name) {
            unknown(call, name)?;
        }
    }
    let user = fields.id("user_id")?;
    let enrolment = Enrolment {
        person: fields.required_id("person_id")?,
        cadence: fields.required_id("cadence_id")?,
        user: user.unwrap_or_else(|| call.access.user_id.clone()),
        step: fields.id("step_id")?,
    };
    let person = People::find(call.team, &enrolment.person);
    let person = person.cloned().ok_or_else(|| nobody(call, "person"))?;
    check_cadence(call, &enrolment)?;
    let known = person.state_in(&enrolment.cadence);
    if let Some(known) = known.filter(|state| state.is_in()) {
        if call.team.salesloft.switches.repeated_enrolment_accepted {
            return written::<CadenceMemberships>(call, 200, &known.id);
        }
        return Err(Refusal::field("person", "is already on this cadence"));
    }
    let mut elsewhere = person.states.iter();
    if call.team.salesloft.one_cadence_per_person && elsewhere.any(State::is_in) {
        return Err(Refusal::field("person", "is already on another cadence"));
    }
    let forbidden = !may_be_added(&person);
    if forbidden && !call.team.salesloft.switches.forbidden_enrolment_removed {
        let words = "cannot be added to a cadence";
        return Err(Refusal::field("person", words));
    }
    let id = add(call, enrolment, forbidden)?;
    if let Some(task) = fields.id("task_id")? {
        complete(call, &task);
    }
    written::<CadenceMemberships>(call, call.created_status(), &id)
}

fn nobody(call: &Call<'_>, name: &str) -> Refusal {
    if call.team.salesloft.switches.unknown_enrolment_not_found {
        call.not_found()
    } else {
        Refusal::field(name, "must exist")
    }
}

/// Whether the person can be written to at all.
fn may_be_added(person: &Contact) -> bool {
    primary(person).is_some() && may(person, "email") && !is_bouncing(person)
}

fn check_cadence(call: &Call<'_>, enrolment: &Enrolment) -> Result<(), Refusal> {
    let cadence = call.team.live_sequence(&enrolment.cadence);
    let cadence = cadence.map_err(|_| nobody(call, "cadence"))?;
    if !call.team.has_user(&enrolment.user) {
        return Err(Refusal::field("user", "must exist"));
    }
    // Somebody else's cadence works only in their name.
    let is_owner = cadence.user_id.as_ref() == Some(&enrolment.user);
    if !is_teams(cadence) && !is_owner {
        return Err(Refusal::not_for_you());
    }
    let drafts = call.team.salesloft.switches.drafts_take_people;
    if !takes_people(cadence) && (cadence.archived || !drafts) {
        let words = "does not accept people";
        return Err(Refusal::field("cadence", words));
    }
    let step = enrolment.step.as_ref();
    if step.is_some_and(|id| cadence.steps.iter().all(|step| step.id != *id)) {
        return Err(Refusal::field("step", "must exist"));
    }
    Ok(())
}

fn add(call: &mut Call<'_>, enrolment: Enrolment, leaves: bool) -> Result<String, Refusal> {
    let cadence = Cadences::find(call.team, &enrolment.cadence);
    let first = cadence.and_then(|cadence| cadence.steps.first());
    let first = first.map(|step| step.id.clone());
    let entry = call.team.entry_state(call.now, &enrolment.cadence, None);
    let mut state = entry.map_err(|error| Refusal::field("cadence", &error.to_string()))?;
    state.step_id = enrolment.step.or(first);
    state.added_by = Some(call.access.user_id.clone());
    state.send_from_user = Some(enrolment.user);
    if leaves {
        state.leave(call.now, "do not contact");
    }
    Ok(call.team.add_state(call.now, &enrolment.person, state))
}

fn complete(call: &mut Call<'_>, task_id: &str) {
    let now = call.now;
    call.team.tasks.edit(task_id, |task| {
        if task.is_open() {
            task.completed_at = Some(now);
            "completed".clone_into(&mut task.status);
            task.updated_at = now;
        }
    });
}

/// Takes the person off the cadence; the membership stays. Doing it again is no error.
pub(super) fn delete(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let row = CadenceMemberships::find(call.team, call.id).ok_or_else(|| call.not_found())?;
    let (person, cadence) = (row.contact.id.clone(), row.state.sequence_id.clone());
    // An error means that the person is off it already.
    let _ = call.team.unenrol(call.now, &person, &cadence);
    Ok(Answer::nothing())
}
