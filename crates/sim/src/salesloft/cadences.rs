//! Cadences. There is no call to change them; [`cadence_imports`](super::cadence_imports) creates them.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::Value as Json;

use super::query::Query;
use super::record::Record;
use super::resource::{FilterList, Item, Kind, Resource};
use super::switches::DeletedCadence;
use super::users::guid;
use super::value::Value;
use crate::json::Object;
use crate::world::Team;
use crate::world::sequence::Sequence;
use crate::world::table::Row as _;

/// Settings that the world does not model, with their default as JSON.
pub(super) const EXTRAS: [(&str, &str); 5] = [
    ("target_daily_people", "0"),
    ("remove_replied", "true"),
    ("remove_bounced", "true"),
    ("external_identifier", "null"),
    ("cadence_function", "\"outbound\""),
];

#[derive(Debug)]
pub(super) struct Cadences;

impl Resource for Cadences {
    type Row<'t> = &'t Sequence;

    const FILTERS: FilterList = &[
        ("ids", Kind::Id),
        ("updated_at", Kind::Time),
        ("team_cadence", Kind::Flag),
        ("shared", Kind::Flag),
        ("owned_by_guid", Kind::Text),
        ("people_addable", Kind::Flag),
        ("name", Kind::Text),
        ("group_ids", Kind::Id),
        ("archived", Kind::Flag),
    ];
    const SORTS: &'static [&'static str] = &["updated_at", "created_at", "name"];

    fn rows<'t>(team: &'t Team, _: &Query) -> impl Iterator<Item = &'t Sequence> {
        team.sequences.seen()
    }

    fn find<'t>(team: &'t Team, id: &str) -> Option<&'t Sequence> {
        let shown = team.salesloft.switches.deleted_cadence == DeletedCadence::Shown;
        let cadence = team.sequences.get(id);
        cadence.filter(|cadence| cadence.listed() || shown)
    }

    fn cached(team: &Team, id: &str) -> Option<Bytes> {
        Some(team.sequences.json_of(id))
    }
}

impl<'t> Item<'t> for &'t Sequence {
    fn id(self) -> &'t str {
        &self.id
    }

    fn value(self, name: &str) -> Value<'t> {
        match name {
            "updated_at" => Value::Time(self.updated_at),
            "created_at" => Value::Time(self.created_at),
            "team_cadence" => Value::Flag(is_teams(self)),
            "shared" => Value::Flag(!self.private),
            "owned_by_guid" => {
                let owner = self.user_id.as_deref();
                owner.map_or(Value::Null, |id| Value::Text(Cow::Owned(guid(id))))
            }
            "people_addable" => Value::Flag(takes_people(self)),
            "name" => Value::text(Some(&self.name)),
            "archived" => Value::Flag(self.archived),
            _ => Value::Null,
        }
    }

    fn write(self, record: &mut Record) {
        let extra = |name: &str| extra(self, name);
        let archived_at = self.archived.then_some(self.updated_at);
        let [_, delivered, ..] = self.stats;
        let mut counts = Object::new();
        counts
            .number("cadence_people", delivered)
            .number("people_acted_on_count", delivered / 2)
            .raw("target_daily_people", &extra("target_daily_people"))
            .number("opportunities_created", 0)
            .number("meetings_booked", 0);
        record
            .time("created_at", self.created_at)
            .time("updated_at", self.updated_at)
            .maybe_time("archived_at", archived_at)
            .flag("archived", self.archived)
            .flag("team_cadence", is_teams(self))
            .flag("shared", !self.private)
            .raw("remove_bounces_enabled", &extra("remove_bounced"))
            .raw("remove_replies_enabled", &extra("remove_replied"))
            .flag("opt_out_link_included", false)
            .flag("override_contact_restrictions", false)
            .flag("draft", is_draft(self))
            .text("current_state", state(self))
            .maybe_time("latest_active_date", self.last_used_at)
            .raw("cadence_function", &extra("cadence_function"))
            .raw("external_identifier", &extra("external_identifier"))
            .text("name", &self.name)
            .texts("tags", &self.label_ids)
            .refer("owner", "users", self.user_id.as_deref())
            .refer("creator", "users", self.user_id.as_deref())
            .nulls(&[
                "archived_by",
                "added_stage",
                "bounced_stage",
                "finished_stage",
                "replied_stage",
                "cadence_priority",
                "cadence_framework_id",
            ])
            .raw("groups", "[]")
            .raw("counts", &counts.finish());
    }
}

/// A setting as JSON.
pub(super) fn extra(cadence: &Sequence, name: &str) -> String {
    let usual = EXTRAS.iter().find(|(extra, _)| *extra == name);
    let usual = usual.map_or("null", |(_, usual)| *usual);
    let value = cadence.extras.get(name);
    value.map_or(usual.to_owned(), Json::to_string)
}

/// Whether it belongs to the team instead of its owner; a shared cadence does unless told otherwise.
pub(super) fn is_teams(cadence: &Sequence) -> bool {
    let told = cadence.extras.get("team_cadence").and_then(Json::as_bool);
    told.unwrap_or(!cadence.private)
}

pub(super) fn is_draft(cadence: &Sequence) -> bool {
    !cadence.active && !cadence.archived
}

/// Whether people can be added.
pub(super) fn takes_people(cadence: &Sequence) -> bool {
    cadence.active && !cadence.archived
}

fn state(cadence: &Sequence) -> &'static str {
    match cadence {
        _ if cadence.deleted => "deleted",
        _ if cadence.archived => "archived",
        _ if is_draft(cadence) => "draft",
        _ => "active",
    }
}
