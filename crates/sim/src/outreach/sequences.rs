//! Sequences. Their steps are in [`sequence_steps`](super::sequence_steps), the steps' templates in
//! [`sequence_templates`](super::sequence_templates).

use bytes::Bytes;
use serde_json::Value as Json;

use super::record::Record;
use super::resource::{Item, Resource, Schema, f, fs, to, to_by};
use super::value::{Kind, Value};
use crate::world::Team;
use crate::world::sequence::Sequence;
use crate::world::table::Row as _;

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
