//! Actions: what is to be done next for the people on cadences. They are made up from memberships.

use std::borrow::Cow;

use super::query::Query;
use super::record::Record;
use super::resource::{FilterList, Item, Kind, Resource};
use super::steps::kind;
use super::users::guid;
use super::value::Value;
use crate::world::Team;
use crate::world::contact::{Contact, State};
use crate::world::step::Step;

#[derive(Debug)]
pub(super) struct Actions;

/// A membership with the step that is next. The action has the membership's id.
#[derive(Debug, Clone, Copy)]
pub(super) struct Due<'t> {
    contact: &'t Contact,
    state: &'t State,
    step: &'t Step,
}

impl Resource for Actions {
    type Row<'t> = Due<'t>;

    const FILTERS: FilterList = &[
        ("ids", Kind::Id),
        ("step_id", Kind::Id),
        ("type", Kind::Text),
        ("due_on", Kind::Time),
        ("user_guid", Kind::Text),
        ("person_id", Kind::Id),
        ("cadence_id", Kind::Id),
        ("updated_at", Kind::Time),
    ];

    fn rows<'t>(team: &'t Team, _: &Query) -> impl Iterator<Item = Due<'t>> {
        team.contacts.seen().flat_map(|contact| {
            let states = contact.states.iter().filter(|state| state.is_in());
            states.filter_map(|state| {
                let cadence = team.sequences.get(&state.sequence_id)?;
                let step = cadence
                    .steps
                    .iter()
                    .find(|step| Some(&step.id) == state.step_id.as_ref())?;
                Some(Due {
                    contact,
                    state,
                    step,
                })
            })
        })
    }

    fn find<'t>(team: &'t Team, id: &str) -> Option<Due<'t>> {
        Self::rows(team, &Query::default()).find(|row| row.state.id == id)
    }
}

impl<'t> Item<'t> for Due<'t> {
    fn id(self) -> &'t str {
        &self.state.id
    }

    fn value(self, name: &str) -> Value<'t> {
        let state = self.state;
        match name {
            "step_id" => Value::id(state.step_id.as_deref()),
            "type" => Value::text(Some(kind(self.step))),
            "due_on" | "created_at" => Value::Time(state.since),
            "updated_at" => Value::Time(state.updated_at),
            "user_guid" => {
                let user = state.send_from_user.as_deref();
                user.map_or(Value::Null, |id| Value::Text(Cow::Owned(guid(id))))
            }
            "person_id" => Value::id(Some(&self.contact.id)),
            "cadence_id" => Value::id(Some(&state.sequence_id)),
            _ => Value::Null,
        }
    }

    fn write(self, record: &mut Record) {
        let state = self.state;
        record
            .time("created_at", state.since)
            .time("updated_at", state.updated_at)
            .time("due_on", state.since)
            .flag("due", true)
            .text("status", "in_progress")
            .text("type", kind(self.step))
            .nulls(&["multitouch_group_id", "action_details"])
            .refer("user", "users", state.send_from_user.as_deref())
            .refer("person", "people", Some(&self.contact.id))
            .refer("cadence", "cadences", Some(&state.sequence_id))
            .refer("step", "steps", state.step_id.as_deref());
    }
}
