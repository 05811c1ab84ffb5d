//! Sequences. Their steps are in [`sequence_steps`](super::sequence_steps), the steps' templates in
//! [`sequence_templates`](super::sequence_templates).

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Value as Json, json};

use super::Call;
use super::body::{Document, invalid, text, texts};
use super::list::written;
use super::record::Record;
use super::refusal::{Answer, Refusal};
use super::resource::{Item, Resource, Schema, f, fs, to, to_by};
use super::value::{Kind, Value};
use crate::world::sequence::Sequence;
use crate::world::table::Row as _;
use crate::world::{NewSequence, Team};

/// Writable attributes that the world does not model, with their default as JSON.
const EXTRAS: [(&str, &str); 16] = [
    ("description", "null"),
    ("finishOnReply", "true"),
    ("maxActivations", "150"),
    ("primaryReplyAction", "\"finish\""),
    ("primaryReplyPauseDuration", "null"),
    ("salesMotion", "null"),
    ("scheduleIntervalType", "\"calendar\""),
    ("secondaryReplyAction", "\"continue\""),
    ("secondaryReplyPauseDuration", "null"),
    ("sequenceType", "\"interval\""),
    ("shareType", "\"shared\""),
    ("throttleCapacity", "null"),
    ("throttleMaxAddsPerDay", "50"),
    ("throttlePaused", "false"),
    ("throttlePausedAt", "null"),
    ("transactional", "false"),
];

#[derive(Debug)]
pub(super) struct Sequences;

impl Resource for Sequences {
    type Row<'t> = &'t Sequence;

    const SCHEMA: Schema = Schema {
        kind: "sequence",
        plural: "sequences",
        controller: "Sequences",
        fields: &[
            fs("name", Kind::Text),
            fs("shareType", Kind::Text),
            f("salesMotion", Kind::Text),
            fs("throttleCapacity", Kind::Number),
            fs("throttleMaxAddsPerDay", Kind::Number),
            fs("clickCount", Kind::Number),
            fs("deliverCount", Kind::Number),
            fs("openCount", Kind::Number),
            fs("replyCount", Kind::Number),
            fs("createdAt", Kind::Time),
            fs("enabledAt", Kind::Time),
            fs("lastUsedAt", Kind::Time),
            fs("lockedAt", Kind::Time),
            fs("updatedAt", Kind::Time),
        ],
        relations: &[
            to("creator", "user"),
            to_by("owner", "user", &["id", "email", "firstName", "lastName"]),
            to("sequenceSteps", "sequenceStep"),
            to("updater", "user"),
        ],
    };

    fn rows(team: &Team) -> impl Iterator<Item = &Sequence> {
        team.sequences.seen()
    }

    fn find<'t>(team: &'t Team, id: &str) -> Option<&'t Sequence> {
        team.sequences.get(id).filter(|sequence| sequence.listed())
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
        let [_, delivered, _, opened, _, _, replied, _, clicked, _] = self.stats;
        match name {
            "name" => Value::Text(&self.name),
            "shareType" => Value::Text(share_type(self)),
            "clickCount" => Value::Number(i64::from(clicked)),
            "deliverCount" => Value::Number(i64::from(delivered)),
            "openCount" => Value::Number(i64::from(opened)),
            "replyCount" => Value::Number(i64::from(replied)),
            "createdAt" => Value::Time(self.created_at),
            "enabledAt" => Value::time(self.enabled_at),
            "lastUsedAt" => Value::time(self.last_used_at),
            "lockedAt" => Value::time(self.archived.then_some(self.updated_at)),
            "updatedAt" => Value::Time(self.updated_at),
            extra => match self.extras.get(extra) {
                Some(Json::Number(number)) => number.as_i64().map_or(Value::Null, Value::Number),
                Some(Json::String(text)) => Value::Text(text),
                None if extra == "throttleMaxAddsPerDay" => Value::Number(50),
                _ => Value::Null,
            },
        }
    }

    fn related(self, name: &str) -> Vec<&'t str> {
        match name {
            "creator" | "owner" => self.user_id.as_deref().into_iter().collect(),
            "sequenceSteps" => self.steps.iter().map(|step| step.id.as_str()).collect(),
            _ => Vec::new(),
        }
    }

    fn write(self, record: &mut Record<'_>) {
        write_counts(self, record);
        record
            .number("automationPercentage", 100)
            .time("createdAt", self.created_at)
            .number("durationInDays", self.steps.len())
            .flag("enabled", self.active)
            .maybe_time("enabledAt", self.enabled_at)
            .number("engagementScore", 0)
            .number("interestedCount", 0)
            .maybe_time("lastUsedAt", self.last_used_at)
            .flag("locked", self.archived)
            .maybe_time("lockedAt", self.archived.then_some(self.updated_at))
            .text("name", &self.name)
            .number("sequenceStepCount", self.steps.len())
            .texts("tags", &self.label_ids)
            .time("updatedAt", self.updated_at);
        for (name, usual) in EXTRAS {
            match self.extras.get(name) {
                _ if name == "shareType" => record.text(name, share_type(self)),
                Some(value) => record.raw(name, &value.to_string()),
                None => record.raw(name, usual),
            };
        }
        record
            .relate_one("creator", "user", self.user_id.as_deref())
            .relate_one("owner", "user", self.user_id.as_deref())
            .relate_one("ruleset", "ruleset", Some(&self.ruleset_id))
            .relate_one("schedule", "schedule", None)
            .relate_one("updater", "user", None)
            .relate_many(
                "sequenceSteps",
                "sequenceStep",
                &self.related("sequenceSteps"),
                "sequenceSteps",
            )
            .links_to(&[
                ("calls", "calls"),
                ("mailings", "mailings"),
                ("sequenceStates", "sequenceStates"),
                ("tasks", "tasks"),
            ]);
    }
}

fn write_counts(sequence: &Sequence, record: &mut Record<'_>) {
    let [
        scheduled,
        delivered,
        bounced,
        opened,
        _,
        _,
        replied,
        _,
        clicked,
        opted_out,
    ] = sequence.stats;
    record
        .number("bounceCount", bounced)
        .number("clickCount", clicked)
        .number("deliverCount", delivered)
        .number("failureCount", 0)
        .number("negativeReplyCount", 0)
        .number("neutralReplyCount", replied)
        .number("numContactedProspects", delivered)
        .number("numRepliedProspects", replied)
        .number("openCount", opened)
        .number("optOutCount", opted_out)
        .number("positiveReplyCount", 0)
        .number("replyCount", replied)
        .number("scheduleCount", scheduled);
}

fn share_type(sequence: &Sequence) -> &'static str {
    let given = sequence.extras.get("shareType").and_then(Json::as_str);
    match given {
        _ if sequence.private => "private",
        Some("read_only") => "read_only",
        _ => "shared",
    }
}

pub(super) fn create(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let document = Document::read(call, &Sequences::SCHEMA)?;
    let mut new = NewSequence {
        name: String::new(),
        private: false,
        active: false,
        label_ids: Vec::new(),
        user_id: Some(call.access.user_id.clone()),
        extras: BTreeMap::new(),
    };
    apply(call, &document, &mut new)?;
    if new.name.is_empty() {
        let detail = "Name can't be blank";
        return Err(Refusal::invalid_at("/data/attributes/name", detail));
    }
    let created = call.team.write_sequence(call.now, new);
    let id = created.map_err(|error| Refusal::invalid(&error.to_string()))?;
    written::<Sequences>(call, 201, &id)
}

pub(super) fn update(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let sequence = found(call)?;
    let document = Document::read(call, &Sequences::SCHEMA)?;
    let mut new = NewSequence {
        name: sequence.name,
        private: sequence.private,
        active: sequence.active,
        label_ids: sequence.label_ids,
        user_id: sequence.user_id,
        extras: sequence.extras,
    };
    apply(call, &document, &mut new)?;
    let now = call.now;
    call.team.sequences.edit_in_place(call.id, |sequence| {
        sequence.name = new.name;
        sequence.private = new.private;
        sequence.label_ids = new.label_ids;
        sequence.user_id = new.user_id;
        sequence.extras = new.extras;
        sequence.updated_at = now;
    });
    written::<Sequences>(call, 200, call.id)
}

fn apply(call: &Call<'_>, document: &Document, new: &mut NewSequence) -> Result<(), Refusal> {
    for (name, value) in document.attributes() {
        match name {
            "name" => new.name = text(name, value)?.unwrap_or_default(),
            "tags" => new.label_ids = texts(name, value)?,
            "shareType" => {
                let share = text(name, value)?.unwrap_or_default();
                if !["private", "read_only", "shared"].contains(&share.as_str()) {
                    return Err(invalid(name));
                }
                new.private = share == "private";
                new.extras.insert(name.to_owned(), json!(share));
            }
            other if EXTRAS.iter().any(|(extra, _)| *extra == other) => {
                new.extras.insert(other.to_owned(), value.clone());
            }
            other => document.refuse_unknown(call, other)?,
        }
    }
    for name in document.relationships() {
        match name {
            "owner" => new.user_id = document.user(call, name)?,
            "ruleset" | "schedule" => {}
            other => document.refuse_unknown(call, other)?,
        }
    }
    Ok(())
}

pub(super) fn activate(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    if found(call)?.steps.is_empty() {
        return Err(Refusal::invalid("Sequence must have at least one step"));
    }
    switch(call, true)
}

pub(super) fn deactivate(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    found(call)?;
    switch(call, false)
}

fn switch(call: &mut Call<'_>, active: bool) -> Result<Answer, Refusal> {
    let switched = call.team.set_sequence_active(call.id, active);
    switched.map_err(|_| Refusal::no_such_record("sequence", call.id))?;
    written::<Sequences>(call, 200, call.id)
}

pub(super) fn delete(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    found(call)?;
    let deleted = call.team.delete_sequence(call.id);
    deleted.map_err(|_| Refusal::no_such_record("sequence", call.id))?;
    Ok(Answer::nothing())
}

fn found(call: &Call<'_>) -> Result<Sequence, Refusal> {
    let sequence = Sequences::find(call.team, call.id);
    let missing = || Refusal::no_such_record("sequence", call.id);
    sequence.cloned().ok_or_else(missing)
}
