//! E-mail templates. Those of cadences, and archived ones, are listed on request.

use bytes::Bytes;

use super::query::Query;
use super::record::Record;
use super::resource::{FilterList, Item, Kind, Resource};
use super::value::Value;
use crate::world::Team;
use crate::world::step::Template;
use crate::world::table::Row as _;

/// The longest preview of a body, in characters.
const PREVIEW: usize = 100;

#[derive(Debug)]
pub(super) struct EmailTemplates;

impl Resource for EmailTemplates {
    type Row<'t> = &'t Template;

    const FILTERS: FilterList = &[
        ("ids", Kind::Id),
        ("updated_at", Kind::Time),
        ("search", Kind::Echo),
        ("cadence_id", Kind::Echo),
        ("include_cadence_templates", Kind::Echo),
        ("include_archived_templates", Kind::Echo),
    ];
    const SORTS: &'static [&'static str] = &["updated_at", "created_at", "last_used_at"];

    fn rows<'t>(team: &'t Team, query: &Query) -> impl Iterator<Item = &'t Template> {
        let cadence = query.text("cadence_id");
        let of_cadence: Option<Vec<&str>> = cadence.map(|id| {
            let steps = team.steps().filter(|(sequence, _)| sequence.id == id);
            let touches = steps.flat_map(|(_, step)| &step.touches);
            touches.map(|touch| touch.template_id.as_str()).collect()
        });
        let archived_too = query.flag("include_archived_templates");
        let cadences_too = query.flag("include_cadence_templates") || cadence.is_some();
        let words = query.text("search").unwrap_or_default().to_lowercase();
        team.templates.seen().filter(move |template| {
            let names = [&template.name, &template.subject];
            let mut names = names.into_iter().flatten();
            (archived_too || template.archived_at.is_none())
                && (cadences_too || !is_of_a_cadence(template))
                && of_cadence
                    .as_ref()
                    .is_none_or(|ids| ids.contains(&template.id.as_str()))
                && (words.is_empty() || names.any(|name| name.to_lowercase().contains(&words)))
        })
    }

    fn find<'t>(team: &'t Team, id: &str) -> Option<&'t Template> {
        team.templates.get(id).filter(|template| template.listed())
    }

    fn cached(team: &Team, id: &str) -> Option<Bytes> {
        Some(team.templates.json_of(id))
    }
}

/// Whether it was written for a cadence: those have no name of their own.
fn is_of_a_cadence(template: &Template) -> bool {
    template.extras.contains_key("cadence_template")
}

impl<'t> Item<'t> for &'t Template {
    fn id(self) -> &'t str {
        &self.id
    }

    fn value(self, name: &str) -> Value<'t> {
        match name {
            "updated_at" => Value::Time(self.updated_at),
            "created_at" => Value::Time(self.created_at),
            _ => Value::Null,
        }
    }

    fn write(self, record: &mut Record) {
        let text = self.body_text().unwrap_or_default();
        let preview: String = text.chars().take(PREVIEW).collect();
        let title = self.name.as_deref().or(self.subject.as_deref());
        let tracks = |name: &str| {
            let told = self.extras.get(name).and_then(serde_json::Value::as_bool);
            told.unwrap_or(true)
        };
        record
            .time("created_at", self.created_at)
            .time("updated_at", self.updated_at)
            .maybe_time("archived_at", self.archived_at)
            .nulls(&["last_used_at"])
            .text("title", title.unwrap_or_default())
            .maybe("subject", self.subject.as_deref())
            .maybe("body", self.body_html.as_deref())
            .text("body_preview", &preview)
            .flag("cadence_template", is_of_a_cadence(self))
            .flag("open_tracking_enabled", tracks("open_tracking"))
            .flag("click_tracking_enabled", tracks("click_tracking"))
            .flag("shared", !self.private)
            .texts("tags", &self.label_ids)
            .raw("_links", r#"{"attachments":[]}"#)
            .raw(
                "counts",
                r#"{"sent_emails":0,"views":0,"clicks":0,"replies":0,"bounces":0}"#,
            )
            .raw("groups", "[]")
            .nulls(&["team_template"])
            .refer("template_owner", "users", self.owner_id.as_deref());
    }
}
