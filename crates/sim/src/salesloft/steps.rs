//! Steps of cadences, and what is to be done in them. A step with variants is one record for each variant.

use std::borrow::Cow;

use serde_json::Value as Json;

use super::Call;
use super::query::Query;
use super::record::{API, Record};
use super::refusal::{Answer, Refusal};
use super::resource::{FilterList, Item, Kind, Resource};
use super::value::Value;
use crate::world::Team;
use crate::world::sequence::Sequence;
use crate::world::step::Step;

#[derive(Debug)]
pub(super) struct Steps;

/// A step with its cadence.
#[derive(Debug, Clone, Copy)]
pub(super) struct StepRow<'t> {
    pub(super) sequence: &'t Sequence,
    pub(super) step: &'t Step,
}

impl Resource for Steps {
    type Row<'t> = StepRow<'t>;

    const FILTERS: FilterList = &[
        ("ids", Kind::Id),
        ("cadence_id", Kind::Id),
        ("type", Kind::Text),
        ("has_due_actions", Kind::Flag),
    ];

    fn rows<'t>(team: &'t Team, _: &Query) -> impl Iterator<Item = StepRow<'t>> {
        let steps = team.steps();
        steps.map(|(sequence, step)| StepRow { sequence, step })
    }

    fn find<'t>(team: &'t Team, id: &str) -> Option<StepRow<'t>> {
        let (sequence, step) = team.step(id)?;
        Some(StepRow { sequence, step })
    }
}

impl<'t> Item<'t> for StepRow<'t> {
    fn id(self) -> &'t str {
        &self.step.id
    }

    fn value(self, name: &str) -> Value<'t> {
        match name {
            "cadence_id" => Value::id(Some(&self.sequence.id)),
            "type" => Value::Text(Cow::Borrowed(kind(self.step))),
            "created_at" => Value::Time(self.step.created_at),
            "updated_at" => Value::Time(self.step.updated_at),
            "has_due_actions" => Value::Flag(false),
            _ => Value::Null,
        }
    }

    fn write(self, record: &mut Record) {
        let StepRow { sequence, step } = self;
        let (day, number, kind) = (day(sequence, step), number(sequence, step), kind(step));
        let mut label = kind.to_owned();
        if let Some(first) = label.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        let details = match kind {
            "email" => "email_details",
            "phone" => "call_instructions",
            "integration" => "integration_details",
            _ => "other_details",
        };
        let variants = sequence.steps.iter();
        let variants = variants.filter(|other| group(other) == group(step)).count();
        record
            .time("created_at", step.created_at)
            .time("updated_at", step.updated_at)
            .flag("disabled", !step.is_enabled())
            .text("name", &name(step))
            .text(
                "display_name",
                &format!("Day {day}: Step {number} - {label}"),
            )
            .text("type", kind)
            .number("day", day)
            .number("step_number", number)
            .flag("multitouch_enabled", variants > 1)
            .raw(
                "details",
                &format!(
                    r#"{{"id":{0},"_href":"{API}/action_details/{details}/{0}"}}"#,
                    step.id
                ),
            )
            .refer("cadence", "cadences", Some(&sequence.id));
    }
}

pub(super) fn kind(step: &Step) -> &'static str {
    match step.kind {
        "auto_email" | "manual_email" => "email",
        "call" => "phone",
        kind if kind.starts_with("linkedin") => "integration",
        _ => "other",
    }
}

/// The day of the cadence on which the step is due: 1 is the first.
pub(super) fn day(sequence: &Sequence, step: &Step) -> i64 {
    if let Some(day) = step.extras.get("day").and_then(Json::as_i64) {
        return day;
    }
    let until = sequence.steps.iter();
    let until = until.filter(|other| other.position <= step.position);
    let seconds: i64 = until.map(|step| step.wait_time * step.wait_unit()).sum();
    1 + seconds / 86_400
}

/// Steps of the same group are variants of one touch.
pub(super) fn group(step: &Step) -> i64 {
    let told = step.extras.get("group").and_then(Json::as_i64);
    told.unwrap_or(i64::try_from(step.position).unwrap_or(0))
}

/// The number of the step's group in its cadence.
fn number(sequence: &Sequence, step: &Step) -> usize {
    let mut groups: Vec<i64> = sequence.steps.iter().map(group).collect();
    groups.dedup();
    let at = groups.iter().position(|known| *known == group(step));
    at.map_or(1, |at| at + 1)
}

pub(super) fn name(step: &Step) -> String {
    let told = step.extras.get("name").and_then(Json::as_str);
    told.map_or_else(|| format!("Step {}", step.position), str::to_owned)
}

/// `GET action_details/email_details/{id}`
pub(super) fn email_details(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let row = Steps::find(call.team, call.id).ok_or_else(|| call.not_found())?;
    let touch = row.step.touches.first().ok_or_else(|| call.not_found())?;
    let mut record = Record::new(&row.step.id);
    record
        .time("created_at", row.step.created_at)
        .time("updated_at", row.step.updated_at)
        .refer(
            "email_template",
            "email_templates",
            Some(&touch.template_id),
        )
        .refer("step", "steps", Some(&row.step.id));
    Ok(Answer::record(200, &record.finish()))
}

/// `GET action_details/call_instructions/{id}`, and the same of other steps.
pub(super) fn instructions(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let row = Steps::find(call.team, call.id).ok_or_else(|| call.not_found())?;
    if !row.step.touches.is_empty() {
        return Err(call.not_found());
    }
    let mut record = Record::new(&row.step.id);
    record
        .time("created_at", row.step.created_at)
        .time("updated_at", row.step.updated_at)
        .maybe("instructions", row.step.note.as_deref());
    Ok(Answer::record(200, &record.finish()))
}
