//! The steps of sequences.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::Call;
use super::body::{Document, invalid, text};
use super::list::written;
use super::record::Record;
use super::refusal::{Answer, Refusal};
use super::resource::{Item, Resource, Schema, fs, to, to_by};
use super::sequences::Sequences;
use super::value::{Kind, Value, instant};
use crate::world::sequence::Sequence;
use crate::world::step::Step;
use crate::world::{NewStep, Team};

/// The default interval in seconds.
const A_WEEK: i64 = 604_800;

/// The world's kinds of step with Outreach's names.
const KINDS: [(&str, &str); 10] = [
    ("auto_email", "auto_email"),
    ("manual_email", "manual_email"),
    ("call", "call"),
    ("action_item", "task"),
    ("linkedin_step_message", "linkedin_send_message"),
    ("linkedin_step_connect", "linkedin_send_connection_request"),
    ("linkedin_step_view_profile", "linkedin_view_profile"),
    ("linkedin_step_interact_post", "linkedin_interact_with_post"),
    ("linkedin_step_other", "linkedin_other"),
    ("sms", "sms"),
];

/// Writable attributes that the world does not model.
const EXTRAS: [&str; 2] = ["taskAutoskipDelay", "displayName"];

#[derive(Debug)]
pub(super) struct SequenceSteps;

/// A step with its sequence.
#[derive(Debug, Clone, Copy)]
pub(super) struct StepRow<'t> {
    sequence: &'t Sequence,
    step: &'t Step,
    in_minutes: bool,
}

impl Resource for SequenceSteps {
    type Row<'t> = StepRow<'t>;

    const SCHEMA: Schema = Schema {
        kind: "sequenceStep",
        plural: "sequenceSteps",
        controller: "SequenceSteps",
        fields: &[
            fs("createdAt", Kind::Time),
            fs("updatedAt", Kind::Time),
            fs("date", Kind::Time),
            fs("order", Kind::Number),
            fs("stepType", Kind::Text),
        ],
        relations: &[
            to("creator", "user"),
            to_by("sequence", "sequence", &["id", "enabledAt", "name"]),
            to("sequenceTemplates", "sequenceTemplate"),
        ],
    };

    fn rows(team: &Team) -> impl Iterator<Item = StepRow<'_>> {
        let in_minutes = team.org.switches.intervals_in_minutes;
        team.steps().map(move |(sequence, step)| StepRow {
            sequence,
            step,
            in_minutes,
        })
    }

    fn find<'t>(team: &'t Team, id: &str) -> Option<StepRow<'t>> {
        Self::rows(team).find(|row| row.step.id == id)
    }
}

impl<'t> Item<'t> for StepRow<'t> {
    fn id(self) -> &'t str {
        &self.step.id
    }

    fn value(self, name: &str) -> Value<'t> {
        match name {
            "createdAt" => Value::Time(self.step.created_at),
            "updatedAt" => Value::Time(self.step.updated_at),
            "date" => Value::time(self.step.exact_datetime),
            "order" => Value::count(self.step.position),
            "stepType" => Value::Text(step_type(self.step)),
            _ => Value::Null,
        }
    }

    fn related(self, name: &str) -> Vec<&'t str> {
        match name {
            "creator" => self.sequence.user_id.as_deref().into_iter().collect(),
            "sequence" => vec![&self.sequence.id],
            "sequenceTemplates" => {
                let touches = self.step.touches.iter();
                touches.map(|touch| touch.id.as_str()).collect()
            }
            _ => Vec::new(),
        }
    }

    fn write(self, record: &mut Record<'_>) {
        let step = self.step;
        let date = step
            .exact_datetime
            .map(|at| at.format("%Y-%m-%d").to_string());
        for name in COUNTERS {
            record.number(name, 0);
        }
        record
            .time("createdAt", step.created_at)
            .maybe("date", date.as_deref())
            .text("displayName", &display_name(step))
            .number("interval", interval(step, self.in_minutes))
            .number("order", step.position)
            .text("stepType", step_type(step));
        let delay = step.extras.get("taskAutoskipDelay");
        record
            .raw(
                "taskAutoskipDelay",
                &delay.map_or("null".to_owned(), Json::to_string),
            )
            .maybe("taskNote", step.note.as_deref())
            .time("updatedAt", step.updated_at)
            .relate_one("callPurpose", "callPurpose", None)
            .relate_one("creator", "user", self.sequence.user_id.as_deref())
            .relate_one("schedule", "schedule", None)
            .relate_one("sequence", "sequence", Some(&self.sequence.id))
            .relate_one("taskPriority", "taskPriority", None)
            .relate_one("updater", "user", None)
            .relate_many(
                "sequenceTemplates",
                "sequenceTemplate",
                &self.related("sequenceTemplates"),
                "sequenceTemplates",
            )
            .links_to(&[
                ("calls", "calls"),
                ("mailings", "mailings"),
                ("tasks", "tasks"),
            ]);
    }
}

/// The counters of steps and templates.
pub(super) const COUNTERS: [&str; 11] = [
    "bounceCount",
    "clickCount",
    "deliverCount",
    "failureCount",
    "negativeReplyCount",
    "neutralReplyCount",
    "openCount",
    "optOutCount",
    "positiveReplyCount",
    "replyCount",
    "scheduleCount",
];

fn step_type(step: &Step) -> &'static str {
    let kind = KINDS.iter().find(|(kind, _)| *kind == step.kind);
    kind.map_or(step.kind, |(_, name)| name)
}

/// `Step #1 (Auto Email)`
fn display_name(step: &Step) -> String {
    let words = step_type(step).split('_').map(|word| {
        let (first, rest) = word.split_at(word.len().min(1));
        first.to_uppercase() + rest
    });
    let words: Vec<String> = words.collect();
    format!("Step #{} ({})", step.position, words.join(" "))
}

fn interval(step: &Step, in_minutes: bool) -> i64 {
    let seconds = step.wait_time.saturating_mul(step.wait_unit());
    if in_minutes { seconds / 60 } else { seconds }
}

pub(super) fn create(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let document = Document::read(call, &SequenceSteps::SCHEMA)?;
    let Some(sequence_id) = document.related::<Sequences>(call, "sequence")? else {
        return Err(Refusal::invalid("Sequence can't be blank"));
    };
    let mut new = NewStep {
        position: None,
        kind: "",
        wait_time: A_WEEK,
        wait_mode: "second",
        exact_datetime: None,
        note: None,
        with_email: false,
        extras: BTreeMap::new(),
    };
    if call.team.org.switches.intervals_in_minutes {
        (new.wait_time, new.wait_mode) = (A_WEEK / 60, "minute");
    }
    apply(call, &document, &mut new)?;
    if new.kind.is_empty() {
        let detail = "Step type can't be blank";
        return Err(Refusal::invalid_at("/data/attributes/stepType", detail));
    }
    let created = call.team.create_step(call.now, &sequence_id, new);
    let id = created.map_err(|error| Refusal::invalid(&error.to_string()))?;
    written::<SequenceSteps>(call, 201, &id)
}

pub(super) fn update(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let Some(row) = SequenceSteps::find(call.team, call.id) else {
        return Err(Refusal::no_such_record("sequenceStep", call.id));
    };
    let (sequence_id, step) = (row.sequence.id.clone(), row.step.clone());
    let document = Document::read(call, &SequenceSteps::SCHEMA)?;
    let mut new = NewStep {
        position: Some(step.position),
        kind: step.kind,
        wait_time: step.wait_time,
        wait_mode: step.wait_mode,
        exact_datetime: step.exact_datetime,
        note: step.note,
        with_email: false,
        extras: step.extras,
    };
    apply(call, &document, &mut new)?;
    let now = call.now;
    call.team.sequences.edit_in_place(&sequence_id, |sequence| {
        let mut steps = sequence.steps.iter_mut();
        if let Some(step) = steps.find(|step| step.id == call.id) {
            step.position = new.position.unwrap_or(step.position);
            step.kind = new.kind;
            step.wait_time = new.wait_time;
            step.wait_mode = new.wait_mode;
            step.exact_datetime = new.exact_datetime;
            step.note = new.note;
            step.extras = new.extras;
            step.updated_at = now;
        }
        sequence.steps.sort_by_key(|step| step.position);
        sequence.updated_at = now;
    });
    written::<SequenceSteps>(call, 200, call.id)
}

fn apply(call: &Call<'_>, document: &Document, new: &mut NewStep) -> Result<(), Refusal> {
    let in_minutes = call.team.org.switches.intervals_in_minutes;
    for (name, value) in document.attributes() {
        match name {
            "stepType" => new.kind = kind(call, value)?,
            "order" => {
                let order = value.as_u64().and_then(|order| usize::try_from(order).ok());
                new.position = order;
            }
            "interval" => {
                new.wait_time = value.as_i64().ok_or_else(|| invalid(name))?;
                new.wait_mode = if in_minutes { "minute" } else { "second" };
            }
            "date" => {
                let date = text(name, value)?;
                new.exact_datetime = date.as_deref().and_then(instant);
            }
            "taskNote" => new.note = text(name, value)?,
            other if EXTRAS.contains(&other) => {
                new.extras.insert(other.to_owned(), value.clone());
            }
            other => document.refuse_unknown(call, other)?,
        }
    }
    for name in document.relationships() {
        if !["sequence", "callPurpose", "taskPriority", "schedule"].contains(&name) {
            document.refuse_unknown(call, name)?;
        }
    }
    Ok(())
}

/// The world's kind of a step type.
fn kind(call: &Call<'_>, value: &Json) -> Result<&'static str, Refusal> {
    let given = value.as_str().unwrap_or_default();
    let known = KINDS.iter().find(|(_, name)| *name == given);
    let known = known.map(|(kind, _)| *kind);
    let allowed = !given.starts_with("linkedin_") || call.team.org.switches.linkedin_steps;
    known.filter(|_| allowed).ok_or_else(|| invalid("stepType"))
}
