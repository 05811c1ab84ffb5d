//! Memberships: people in cadences, also those who have left. Writing is in [`enrolment`](super::enrolment).

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};

use super::query::Query;
use super::record::Record;
use super::resource::{FilterList, Item, Kind, Resource};
use super::value::Value;
use crate::json::Object;
use crate::world::Team;
use crate::world::contact::{Contact, State, StateKind};

/// A membership's record is made this many microseconds after the person was added.
const MADE_AFTER: i64 = 12_345;

#[derive(Debug)]
pub(super) struct CadenceMemberships;

/// A state with its person.
#[derive(Debug, Clone, Copy)]
pub(super) struct Membership<'t> {
    pub(super) contact: &'t Contact,
    pub(super) state: &'t State,
}

impl Resource for CadenceMemberships {
    type Row<'t> = Membership<'t>;

    const FILTERS: FilterList = &[
        ("ids", Kind::Id),
        ("person_id", Kind::Id),
        ("cadence_id", Kind::Id),
        ("updated_at", Kind::Time),
        ("currently_on_cadence", Kind::Flag),
    ];
    const SORTS: &'static [&'static str] = &["updated_at", "added_at"];

    /// Those of deleted people as well.
    fn rows<'t>(team: &'t Team, _: &Query) -> impl Iterator<Item = Membership<'t>> {
        all(team)
    }

    fn find<'t>(team: &'t Team, id: &str) -> Option<Membership<'t>> {
        all(team).find(|row| row.state.id == id)
    }

    /// Only those with a value of the wrong type.
    fn cached(team: &Team, id: &str) -> Option<Bytes> {
        team.misshapen_state(id).map(Bytes::from)
    }
}

fn all(team: &Team) -> impl Iterator<Item = Membership<'_>> {
    let people = team.contacts.all().iter();
    let seen = people.filter(|person| !team.contacts.is_hidden(&person.id));
    seen.flat_map(|contact| {
        let states = contact.states.iter();
        states.map(move |state| Membership { contact, state })
    })
}

impl<'t> Item<'t> for Membership<'t> {
    fn id(self) -> &'t str {
        &self.state.id
    }

    fn value(self, name: &str) -> Value<'t> {
        let state = self.state;
        match name {
            "person_id" => Value::id(Some(&self.contact.id)),
            "cadence_id" => Value::id(Some(&state.sequence_id)),
            "updated_at" => Value::Time(state.updated_at),
            "added_at" => Value::Time(added_at(state)),
            "currently_on_cadence" => Value::Flag(state.is_in()),
            _ => Value::Null,
        }
    }

    fn write(self, record: &mut Record) {
        let Membership { contact, state } = self;
        let bounced = state
            .failure_reason
            .is_some_and(|why| why.contains("bounced"));
        let mut counts = Object::new();
        counts
            .number("views", 0)
            .number("clicks", 0)
            .number("replies", usize::from(has_replied(state)))
            .number("calls", 0)
            .number("sent_emails", state.step_position.unwrap_or(0))
            .number("bounces", usize::from(bounced));
        record
            .time("added_at", added_at(state))
            .time("created_at", state.since)
            .time("updated_at", state.updated_at)
            .flag("person_deleted", contact.deleted)
            .flag("currently_on_cadence", state.is_in())
            .text("current_state", word(state))
            .refer("cadence", "cadences", Some(&state.sequence_id))
            .refer("person", "people", Some(&contact.id))
            .refer("user", "users", state.send_from_user.as_deref())
            .refer("step", "steps", state.step_id.as_deref());
        match &state.step_id {
            // This reference has no address.
            Some(_) => record.raw("latest_action", &format!(r#"{{"id":{}}}"#, state.id)),
            None => record.nulls(&["latest_action"]),
        };
        record.raw("counts", &counts.finish());
    }
}

fn added_at(state: &State) -> DateTime<Utc> {
    state.added_at - TimeDelta::microseconds(MADE_AFTER)
}

/// Salesloft's name of the state.
pub(super) fn word(state: &State) -> &'static str {
    let reason = state.inactive_reason.as_deref();
    match state.status {
        StateKind::Active if state.step_position.is_none() => "staged",
        StateKind::Active => "active",
        StateKind::Paused if reason == Some("Sequence inactive") => "staged",
        StateKind::Paused => "scheduled",
        StateKind::Finished if reason == Some("Completed last step") => "completed",
        StateKind::Finished if reason == Some("archived") => "archived",
        StateKind::Finished | StateKind::Failed if state.step_position.is_none() => {
            "removed_no_action"
        }
        StateKind::Finished | StateKind::Failed => "removed",
    }
}

pub(super) fn has_replied(state: &State) -> bool {
    state.inactive_reason.as_deref() == Some("replied")
}
