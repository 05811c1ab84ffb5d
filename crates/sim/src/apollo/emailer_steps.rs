//! `emailer_steps` and `emailer_touches`: the private calls that write a sequence's steps.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Call;
use super::contacts_write::time;
use super::emailer_campaigns::refused;
use super::refusal::{Answer, Refusal};
use crate::json::Object;
use crate::world::step::{KINDS, Step, Template, Touch, WAIT_MODES};
use crate::world::{NewStep, TouchChange};

pub(crate) fn create(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let params = call.params;
    let sequence_id = params.text("emailer_campaign_id").unwrap_or_default();
    call.team
        .live_sequence(&sequence_id)
        .map_err(|error| refused(&error))?;
    let number = |name| params.number(name).map(|number| number.value);
    let exact_datetime = params.text("exact_datetime").as_deref().and_then(time);
    let wait_time = number("wait_time").and_then(|time| i64::try_from(time).ok());
    if wait_time.is_none() && exact_datetime.is_none() {
        return Err(Refusal::invalid("Wait time must not be empty"));
    }
    let wait_mode = params.text("wait_mode");
    let new = NewStep {
        position: number("position").and_then(|at| usize::try_from(at).ok()),
        kind: listed(&KINDS, &params.text("type").unwrap_or_default(), "Type")?,
        wait_time: wait_time.unwrap_or(0),
        wait_mode: listed(
            &WAIT_MODES,
            wait_mode.as_deref().unwrap_or("day"),
            "Wait mode",
        )?,
        exact_datetime,
        note: params.text("note"),
        with_email: true,
        extras: BTreeMap::new(),
    };
    let created = call.team.create_step(call.now, &sequence_id, new);
    let id = created.map_err(|error| refused(&error))?;
    let Some((_, step)) = call.team.step(&id) else {
        return Err(Refusal::error(404, "Record not found."));
    };
    Ok(written(call, &sequence_id, step))
}

/// Answers with the deleted step.
pub(crate) fn destroy(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let removed = call.team.delete_step(call.id);
    let (sequence_id, step) = removed.map_err(|error| refused(&error))?;
    Ok(written(call, &sequence_id, &step))
}

pub(crate) fn update_touch(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let fields = call.params.fields();
    let template = fields.get("emailer_template");
    let text = |name: &str| {
        let value = template.and_then(|template| template.get(name));
        value.and_then(Value::as_str).map(str::to_owned)
    };
    let change = TouchChange {
        template_id: text("id"),
        subject: text("subject"),
        body_html: text("body_html"),
        opens_thread: match call.params.text("type").as_deref() {
            Some("new_thread") => Some(true),
            Some("reply_to_thread") => Some(false),
            _ => None,
        },
    };
    let changed = call.team.update_touch(call.id, change);
    let step_id = changed.map_err(|error| refused(&error))?;
    let step = call.team.step(&step_id);
    let Some(touch) = step.and_then(|(_, step)| step.touches.first()) else {
        return Err(Refusal::error(404, "Record not found."));
    };
    let mut o = Object::with_capacity(1024);
    render_touch(call, &mut o, &step_id, touch);
    Ok(Answer::one(o.finish()))
}

/// `{"emailer_step": …}`, and for an e-mail step its touch and template.
fn written(call: &Call<'_>, sequence_id: &str, step: &Step) -> Answer {
    let mut o = Object::with_capacity(1024);
    o.raw("emailer_step", &step.render(sequence_id));
    if let Some(touch) = step.touches.first() {
        render_touch(call, &mut o, &step.id, touch);
    }
    Answer::one(o.finish())
}

fn render_touch(call: &Call<'_>, o: &mut Object, step_id: &str, touch: &Touch) {
    let template = call.team.templates.get(&touch.template_id);
    let template = template.map_or("null".to_owned(), Template::render);
    o.raw("emailer_touch", &touch.render(step_id))
        .raw("emailer_template", &template);
}

/// The known value that equals the given one.
fn listed(known: &[&'static str], given: &str, what: &str) -> Result<&'static str, Refusal> {
    let found = known.iter().find(|one| **one == given);
    let refusal = || Refusal::invalid(&format!("{what} is not included in the list"));
    found.copied().ok_or_else(refusal)
}
