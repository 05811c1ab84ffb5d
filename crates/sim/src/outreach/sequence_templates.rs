//! The templates of steps: one for each variant of a step's e-mail.

use super::Call;
use super::body::{Document, invalid};
use super::list::written;
use super::record::Record;
use super::refusal::{Answer, Refusal};
use super::resource::{Item, Resource, Schema, to, to_by};
use super::sequence_steps::{COUNTERS, SequenceSteps};
use super::templates::Templates;
use super::value::Value;
use crate::world::Team;
use crate::world::sequence::Sequence;
use crate::world::step::{Step, Touch};

#[derive(Debug)]
pub(super) struct SequenceTemplates;

/// A variant with its step and its sequence.
#[derive(Debug, Clone, Copy)]
pub(super) struct TouchRow<'t> {
    sequence: &'t Sequence,
    step: &'t Step,
    touch: &'t Touch,
}

impl Resource for SequenceTemplates {
    type Row<'t> = TouchRow<'t>;

    const SCHEMA: Schema = Schema {
        kind: "sequenceTemplate",
        plural: "sequenceTemplates",
        controller: "SequenceTemplates",
        // None of its times can be asked for.
        fields: &[],
        relations: &[
            to("creator", "user"),
            to_by(
                "sequenceStep",
                "sequenceStep",
                &["id", "createdAt", "updatedAt", "stepType"],
            ),
            to("template", "template"),
        ],
    };

    fn rows(team: &Team) -> impl Iterator<Item = TouchRow<'_>> {
        team.steps().flat_map(|(sequence, step)| {
            let touches = step.touches.iter();
            touches.map(move |touch| TouchRow {
                sequence,
                step,
                touch,
            })
        })
    }

    fn find<'t>(team: &'t Team, id: &str) -> Option<TouchRow<'t>> {
        let (sequence, step, touch) = team.touch(id)?;
        Some(TouchRow {
            sequence,
            step,
            touch,
        })
    }
}

impl<'t> Item<'t> for TouchRow<'t> {
    fn id(self) -> &'t str {
        &self.touch.id
    }

    fn value(self, _: &str) -> Value<'t> {
        Value::Null
    }

    fn related(self, name: &str) -> Vec<&'t str> {
        match name {
            "creator" => self.sequence.user_id.as_deref().into_iter().collect(),
            "sequenceStep" => vec![&self.step.id],
            "template" => vec![&self.touch.template_id],
            _ => Vec::new(),
        }
    }

    fn write(self, record: &mut Record<'_>) {
        let touch = self.touch;
        for name in COUNTERS {
            record.number(name, 0);
        }
        record
            .time("createdAt", touch.created_at)
            .flag("enabled", touch.enabled)
            .maybe_time("enabledAt", touch.enabled.then_some(touch.updated_at))
            .flag("isReply", !touch.opens_thread)
            .time("updatedAt", touch.updated_at)
            .relate_one("creator", "user", self.sequence.user_id.as_deref())
            .relate_one("sequenceStep", "sequenceStep", Some(&self.step.id))
            .relate_one("template", "template", Some(&touch.template_id))
            .relate_one("updater", "user", None);
    }
}

pub(super) fn create(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let document = Document::read(call, &SequenceTemplates::SCHEMA)?;
    let step = document.related::<SequenceSteps>(call, "sequenceStep")?;
    let template = document.related::<Templates>(call, "template")?;
    let (Some(step_id), Some(template_id)) = (step, template) else {
        let detail = "Sequence step and template can't be blank";
        return Err(Refusal::invalid(detail));
    };
    let mut touch = Touch {
        id: call.team.mint(call.now),
        template_id,
        opens_thread: true,
        enabled: call.team.org.switches.new_sequence_templates_enabled,
        created_at: call.now,
        updated_at: call.now,
    };
    apply(call, &document, &mut touch)?;
    let id = touch.id.clone();
    let sequence = call
        .team
        .step(&step_id)
        .map(|(sequence, _)| sequence.id.clone());
    let sequence_id = sequence.unwrap_or_default();
    call.team.sequences.edit_in_place(&sequence_id, |sequence| {
        let mut steps = sequence.steps.iter_mut();
        if let Some(step) = steps.find(|step| step.id == step_id) {
            step.touches.push(touch);
        }
    });
    written::<SequenceTemplates>(call, 201, &id)
}

pub(super) fn update(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let mut touch = found(call)?.touch.clone();
    let document = Document::read(call, &SequenceTemplates::SCHEMA)?;
    apply(call, &document, &mut touch)?;
    if let Some(template_id) = document.related::<Templates>(call, "template")? {
        touch.template_id = template_id;
    }
    replace(call, |known| *known = touch)?;
    written::<SequenceTemplates>(call, 200, call.id)
}

pub(super) fn activate(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    replace(call, |touch| touch.enabled = true)?;
    written::<SequenceTemplates>(call, 200, call.id)
}

pub(super) fn deactivate(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    replace(call, |touch| touch.enabled = false)?;
    written::<SequenceTemplates>(call, 200, call.id)
}

pub(super) fn delete(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let sequence_id = found(call)?.sequence.id.clone();
    call.team.sequences.edit_in_place(&sequence_id, |sequence| {
        for step in &mut sequence.steps {
            step.touches.retain(|touch| touch.id != call.id);
        }
    });
    Ok(Answer::nothing())
}

fn found<'c>(call: &'c Call<'_>) -> Result<TouchRow<'c>, Refusal> {
    let row = SequenceTemplates::find(call.team, call.id);
    row.ok_or_else(|| Refusal::no_such_record("sequenceTemplate", call.id))
}

fn replace(call: &mut Call<'_>, change: impl FnOnce(&mut Touch)) -> Result<(), Refusal> {
    let sequence_id = found(call)?.sequence.id.clone();
    let now = call.now;
    call.team.sequences.edit_in_place(&sequence_id, |sequence| {
        let steps = sequence.steps.iter_mut();
        let mut touches = steps.flat_map(|step| &mut step.touches);
        if let Some(touch) = touches.find(|touch| touch.id == call.id) {
            change(touch);
            touch.updated_at = now;
        }
    });
    Ok(())
}

fn apply(call: &Call<'_>, document: &Document, touch: &mut Touch) -> Result<(), Refusal> {
    for (name, value) in document.attributes() {
        match name {
            "isReply" => touch.opens_thread = !value.as_bool().ok_or_else(|| invalid(name))?,
            other => document.refuse_unknown(call, other)?,
        }
    }
    Ok(())
}
