//! Templates: the contents of e-mails.

use bytes::Bytes;
use serde_json::Value as Json;

use super::Call;
use super::body::{Document, invalid, text, texts};
use super::list::written;
use super::record::Record;
use super::refusal::{Answer, Refusal};
use super::resource::{Item, Resource, Schema, fs, to};
use super::sequence_steps::COUNTERS;
use super::value::{Kind, Value};
use crate::world::Team;
use crate::world::step::Template;
use crate::world::table::Row as _;

/// Writable attributes that the world does not model, with their default as JSON.
const EXTRAS: [(&str, &str); 5] = [
    ("bccRecipients", "[]"),
    ("ccRecipients", "[]"),
    ("toRecipients", "[]"),
    ("trackLinks", "true"),
    ("trackOpens", "true"),
];

#[derive(Debug)]
pub(super) struct Templates;

impl Resource for Templates {
    type Row<'t> = &'t Template;

    const SCHEMA: Schema = Schema {
        kind: "template",
        plural: "templates",
        controller: "Templates",
        fields: &[
            fs("archivedAt", Kind::Time),
            fs("createdAt", Kind::Time),
            fs("lastUsedAt", Kind::Time),
            fs("updatedAt", Kind::Time),
            fs("name", Kind::Text),
            fs("shareType", Kind::Text),
        ],
        relations: &[to("creator", "user"), to("owner", "user")],
    };

    /// A template without a name is not listed; it can be read by id.
    fn rows(team: &Team) -> impl Iterator<Item = &Template> {
        team.templates
            .seen()
            .filter(|template| template.name.is_some())
    }

    fn find<'t>(team: &'t Team, id: &str) -> Option<&'t Template> {
        team.templates.get(id).filter(|template| template.listed())
    }

    fn cached(team: &Team, id: &str) -> Option<Bytes> {
        Some(team.templates.json_of(id))
    }
}

impl<'t> Item<'t> for &'t Template {
    fn id(self) -> &'t str {
        &self.id
    }

    fn value(self, name: &str) -> Value<'t> {
        match name {
            "archivedAt" => Value::time(self.archived_at),
            "createdAt" => Value::Time(self.created_at),
            "updatedAt" => Value::Time(self.updated_at),
            "name" => Value::text(self.name.as_deref()),
            "shareType" => Value::Text(share_type(self)),
            _ => Value::Null,
        }
    }

    fn related(self, name: &str) -> Vec<&'t str> {
        match name {
            "creator" | "owner" => self.owner_id.as_deref().into_iter().collect(),
            _ => Vec::new(),
        }
    }

    fn write(self, record: &mut Record<'_>) {
        for name in COUNTERS {
            record.number(name, 0);
        }
        record
            .flag("archived", self.archived_at.is_some())
            .maybe_time("archivedAt", self.archived_at)
            .maybe("bodyHtml", self.body_html.as_deref())
            .maybe("bodyText", self.body_text().as_deref())
            .time("createdAt", self.created_at)
            .nulls(&["lastUsedAt"])
            .maybe("name", self.name.as_deref())
            .text("shareType", share_type(self))
            .maybe("subject", self.subject.as_deref())
            .texts("tags", &self.label_ids)
            .time("updatedAt", self.updated_at);
        for (name, usual) in EXTRAS {
            let value = self.extras.get(name);
            record.raw(name, &value.map_or(usual.to_owned(), Json::to_string));
        }
        record
            .relate_one("creator", "user", self.owner_id.as_deref())
            .relate_one("owner", "user", self.owner_id.as_deref())
            .relate_one("updater", "user", None);
    }
}

fn share_type(template: &Template) -> &'static str {
    if template.private {
        "private"
    } else {
        "shared"
    }
}

pub(super) fn create(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let document = Document::read(call, &Templates::SCHEMA)?;
    let id = call.team.mint(call.now);
    let mut template = Template::blank(id.clone(), call.now);
    template.owner_id = Some(call.access.user_id.clone());
    apply(call, &document, &mut template)?;
    call.team.templates.insert(template);
    written::<Templates>(call, 201, &id)
}

pub(super) fn update(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let mut template = found(call)?;
    let document = Document::read(call, &Templates::SCHEMA)?;
    apply(call, &document, &mut template)?;
    template.updated_at = call.now;
    call.team.templates.edit(call.id, |known| *known = template);
    written::<Templates>(call, 200, call.id)
}

pub(super) fn delete(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    found(call)?;
    call.team
        .templates
        .edit(call.id, |template| template.deleted = true);
    Ok(Answer::nothing())
}

fn found(call: &Call<'_>) -> Result<Template, Refusal> {
    let template = Templates::find(call.team, call.id);
    let missing = || Refusal::no_such_record("template", call.id);
    template.cloned().ok_or_else(missing)
}

fn apply(call: &Call<'_>, document: &Document, template: &mut Template) -> Result<(), Refusal> {
    for (name, value) in document.attributes() {
        match name {
            "name" => template.name = text(name, value)?,
            "subject" => template.subject = text(name, value)?,
            "bodyHtml" => template.body_html = text(name, value)?,
            "tags" => template.label_ids = texts(name, value)?,
            "shareType" => template.private = value == "private",
            "archived" => {
                let archived = value.as_bool().ok_or_else(|| invalid(name))?;
                template.archived_at = archived.then(|| template.archived_at.unwrap_or(call.now));
            }
            other if EXTRAS.iter().any(|(extra, _)| *extra == other) => {
                template.extras.insert(other.to_owned(), value.clone());
            }
            other => document.refuse_unknown(call, other)?,
        }
    }
    for name in document.relationships() {
        match name {
            "owner" => template.owner_id = document.user(call, name)?,
            other => document.refuse_unknown(call, other)?,
        }
    }
    Ok(())
}
