//! Writes the steps of sequences and the contents of their e-mails.

use chrono::{DateTime, Utc};

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
        let opens_thread = sequence.steps.iter().all(|step| step.touch.is_none());
        let touch = new.kind.ends_with("_email").then(|| Touch {
            id: self.mint(now),
            template: Template {
                id: self.mint(now),
                subject: None,
                body_html: None,
            },
            opens_thread,
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
            touch,
        };
        self.sequences.edit_in_place(sequence_id, |sequence| {
            let steps = &mut sequence.steps;
            let at = steps.partition_point(|other| other.position < position);
            steps.insert(at, step);
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
        let mut template = match &change.template_id {
            Some(id) => self.template(id).ok_or(EditError::NoSuchRecord)?.clone(),
            None => touch.template.clone(),
        };
        if let Some(subject) = change.subject {
            template.subject = Some(subject);
        }
        if let Some(body) = change.body_html {
            template.body_html = Some(body);
        }
        self.sequences.edit_in_place(&sequence_id, |sequence| {
            let touch = touches_mut(sequence).find(|touch| touch.id == id)?;
            touch.template.id.clone_from(&template.id);
            touch.opens_thread = change.opens_thread.unwrap_or(touch.opens_thread);
            Some(())
        });
        let users = self.steps().filter(|(_, step)| {
            let touch = step.touch.as_ref();
            touch.is_some_and(|touch| touch.template.id == template.id)
        });
        let users: Vec<String> = users.map(|(sequence, _)| sequence.id.clone()).collect();
        for sequence_id in users {
            self.sequences.edit_in_place(&sequence_id, |sequence| {
                for touch in touches_mut(sequence).filter(|touch| touch.template.id == template.id)
                {
                    touch.template.clone_from(&template);
                }
            });
        }
        Ok(step_id)
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

    fn touch(&self, id: &str) -> Option<(&Sequence, &Step, &Touch)> {
        let mut touches = self
            .steps()
            .filter_map(|(sequence, step)| Some((sequence, step, step.touch.as_ref()?)));
        touches.find(|(.., touch)| touch.id == id)
    }

    fn template(&self, id: &str) -> Option<&Template> {
        let touches = self.steps().filter_map(|(_, step)| step.touch.as_ref());
        let mut templates = touches.map(|touch| &touch.template);
        templates.find(|template| template.id == id)
    }

    fn steps(&self) -> impl Iterator<Item = (&Sequence, &Step)> {
        let sequences = self.sequences.all().iter();
        let live = sequences.filter(|sequence| !sequence.deleted);
        live.flat_map(|sequence| sequence.steps.iter().map(move |step| (sequence, step)))
    }
}

fn touches_mut(sequence: &mut Sequence) -> impl Iterator<Item = &mut Touch> {
    let steps = sequence.steps.iter_mut();
    steps.filter_map(|step| step.touch.as_mut())
}
