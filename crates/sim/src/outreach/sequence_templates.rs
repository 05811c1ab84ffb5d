//! The templates of steps: one for each variant of a step's e-mail.

use super::record::Record;
use super::resource::{Item, Resource, Schema, to, to_by};
use super::sequence_steps::COUNTERS;
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
