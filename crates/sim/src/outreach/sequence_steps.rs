//! The steps of sequences.

use serde_json::Value as Json;

use super::record::Record;
use super::resource::{Item, Resource, Schema, fs, to, to_by};
use super::value::{Kind, Value};
use crate::world::Team;
use crate::world::sequence::Sequence;
use crate::world::step::Step;

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
