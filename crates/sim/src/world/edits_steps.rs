//! Writes the steps of sequences and the contents of their e-mails.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::Team;
use super::edits::EditError;
use super::sequence::Sequence;
use super::step::{Step, Template, Touch};

/// The fields of a new step.
#[derive(Debug)]
pub(crate) struct NewStep {
    pub(crate) position: Option<usize>,
    pub(crate) kind: &'static str,
    pub(crate) wait_time: i64,
    pub(crate) wait_mode: &'static str,
    pub(crate) exact_datetime: Option<DateTime<Utc>>,
    pub(crate) note: Option<String>,
    /// Whether a step of e-mails gets an empty e-mail.
    pub(crate) with_email: bool,
    /// Further attributes of the dialect.
    pub(crate) extras: BTreeMap<String, Value>,
}

/// A change to a touch; `None` leaves a field unchanged.
#[derive(Debug, Default)]
pub(crate) struct TouchChange {
    /// The template to send from now on. The texts below change that template.
    pub(crate) template_id: Option<String>,
    pub(crate) subject: Option<String>,
    pub(crate) body_html: Option<String>,
    pub(crate) opens_thread: Option<bool>,
}

impl Team {
    /// Adds a step and returns its id. If its position is taken, the step is added at the end, and
    /// no other step is moved.
    pub(crate) fn create_step(
        &mut self,
        now: DateTime<Utc>,
        sequence_id: &str,
        new: NewStep,
    ) -> Result<String, EditError> {
        self.tick(now);
        let sequence = self.live_sequence(sequence_id)?;
        let taken = |position: usize| sequence.steps.iter().any(|step| step.position == position);
        let last = sequence.steps.last().map_or(0, |step| step.position);
        let wanted = new.position.filter(|&at| at > 0 && !taken(at));
        let position = wanted.unwrap_or(last + 1);
        // Unless changed later, the first e-mail starts the thread that later ones reply to.
        let opens_thread = sequence.steps.iter().all(|step| step.touches.is_empty());
        let writes = new.with_email && new.kind.ends_with("_email");
        let touch = writes.then(|| {
            let id = self.mint(now);
            let template_id = self.mint(now);
            let template = Template::blank(template_id.clone(), now);
            self.templates.insert(template);
            Touch {
                id,
                template_id,
                opens_thread,
                enabled: true,
                created_at: now,
                updated_at: now,
            }
        });
        let id = self.mint(now);
        let step = Step {
            id: id.clone(),
            position,
            kind: new.kind,
            wait_time: new.wait_time,
            wait_mode: new.wait_mode,
            exact_datetime: new.exact_datetime,
            note: new.note,
            created_at: now,
            updated_at: now,
            extras: new.extras,
            touches: touch.into_iter().collect(),
        };
        self.sequences.edit_in_place(sequence_id, |sequence| {
            let steps = &mut sequence.steps;
            let at = steps.partition_point(|other| other.position < position);
            steps.insert(at, step);
            sequence.updated_at = now;
        });
        Ok(id)
    }

    /// Removes a step and returns it with its sequence's id. The steps after it move up.
    pub(crate) fn delete_step(&mut self, id: &str) -> Result<(String, Step), EditError> {
        let (sequence, _) = self.step(id).ok_or(EditError::NoSuchRecord)?;
        let sequence_id = sequence.id.clone();
        let removed = self.sequences.edit_in_place(&sequence_id, |sequence| {
            let at = sequence.steps.iter().position(|step| step.id == id)?;
            let removed = sequence.steps.remove(at);
            for step in sequence.steps.iter_mut().skip(at) {
                step.position -= 1;
            }
            Some(removed)
        });
        let removed = removed.flatten().ok_or(EditError::NoSuchRecord)?;
        Ok((sequence_id, removed))
    }

    /// Changes a touch and its template, which other touches may share; returns the id of its step.
    pub(crate) fn update_touch(
        &mut self,
        id: &str,
        change: TouchChange,
    ) -> Result<String, EditError> {
        let (sequence, step, touch) = self.touch(id).ok_or(EditError::NoSuchRecord)?;
        let (sequence_id, step_id) = (sequence.id.clone(), step.id.clone());
        let template_id = match change.template_id {
            Some(id) if self.is_sent(&id) => id,
            Some(_) => return Err(EditError::NoSuchRecord),
            None => touch.template_id.clone(),
        };
        self.sequences.edit_in_place(&sequence_id, |sequence| {
            let steps = sequence.steps.iter_mut();
            let mut touches = steps.flat_map(|step| &mut step.touches);
            let touch = touches.find(|touch| touch.id == id)?;
            touch.template_id.clone_from(&template_id);
            touch.opens_thread = change.opens_thread.unwrap_or(touch.opens_thread);
            Some(())
        });
        self.templates.edit_in_place(&template_id, |template| {
            template.subject = change.subject.or(template.subject.take());
            template.body_html = change.body_html.or(template.body_html.take());
        });
        Ok(step_id)
    }

    /// Enables or disables a step of a cadence, which itself doesn't change. Only Salesloft has disabled
    /// steps.
    pub fn enable_step(&mut self, id: &str, enabled: bool) -> Result<(), EditError> {
        let (sequence, _) = self.step(id).ok_or(EditError::NoSuchRecord)?;
        let sequence_id = sequence.id.clone();
        self.sequences.edit_in_place(&sequence_id, |sequence| {
            let mut steps = sequence.steps.iter_mut();
            let step = steps.find(|step| step.id == id)?;
            step.extras.insert("enabled".to_owned(), enabled.into())
        });
        Ok(())
    }

    /// Ids of the steps of a live sequence, each with whether it is enabled.
    pub fn step_ids_of(&self, sequence_id: &str) -> Vec<(String, bool)> {
        let of_it = self
            .steps()
            .filter(|(sequence, _)| sequence.id == sequence_id);
        of_it
            .map(|(_, step)| (step.id.clone(), step.is_enabled()))
            .collect()
    }

    pub(crate) fn live_sequence(&self, id: &str) -> Result<&Sequence, EditError> {
        let sequence = self.sequences.get(id);
        let sequence = sequence.filter(|sequence| !sequence.deleted);
        sequence.ok_or(EditError::NoSuchRecord)
    }

    /// A step with its sequence.
    pub(crate) fn step(&self, id: &str) -> Option<(&Sequence, &Step)> {
        self.steps().find(|(_, step)| step.id == id)
    }

    /// A touch with its sequence and its step.
    pub(crate) fn touch(&self, id: &str) -> Option<(&Sequence, &Step, &Touch)> {
        let mut touches = self.steps().flat_map(|(sequence, step)| {
            let touches = step.touches.iter();
            touches.map(move |touch| (sequence, step, touch))
        });
        touches.find(|(.., touch)| touch.id == id)
    }

    /// Whether a step sends the template.
    fn is_sent(&self, template_id: &str) -> bool {
        let mut touches = self.steps().flat_map(|(_, step)| &step.touches);
        touches.any(|touch| touch.template_id == template_id)
    }

    /// Every step of every live sequence.
    pub(crate) fn steps(&self) -> impl Iterator<Item = (&Sequence, &Step)> {
        let sequences = self.sequences.all().iter();
        let live = sequences.filter(|sequence| !sequence.deleted);
        live.flat_map(|sequence| sequence.steps.iter().map(move |step| (sequence, step)))
    }
}
