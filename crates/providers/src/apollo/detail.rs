//! A sequence with its steps: Apollo returns the steps, the touches (what an e-mail step sends, and
//! how) and the templates as separate lists.

use serde_json::value::RawValue;
use syncline_model::{
    Common, Object, Sequence,
    draft::StepKind,
    live::{SequenceStep, StepTemplate},
};

use super::{
    Apollo,
    api::{Endpoint, unreadable},
    error,
    live::{id_in_path, records_of},
};
use crate::{
    capabilities::SequenceWithSteps,
    error::ProviderError,
    http::Response,
    json::{self, Fields, Malformed},
    session::Session,
};

/// A touch: it links a step to the template that it sends.
pub(super) struct Touch {
    pub(super) id: String,
    pub(super) step_id: String,
    pub(super) template_id: Option<String>,
    continues_thread: bool,
}

impl Apollo {
    pub(super) async fn sequence_with_steps(
        &self,
        session: &Session<'_>,
        id: &str,
    ) -> Result<SequenceWithSteps, ProviderError> {
        let response = self.campaign(session, id).await?;
        let text = json::clean(&response.body);
        let answer = Fields::parse(&text);
        let answer = answer.ok_or_else(|| unreadable(&response, "it is not an object"))?;
        let raw = answer
            .raw("emailer_campaign")
            .ok_or_else(|| unreadable(&response, "it has no `emailer_campaign`"))?;
        let sequence = Sequence::of(records_of(&response, Object::Sequence, &[raw])?)
            .pop()
            .ok_or_else(|| unreadable(&response, "it has no sequence"))?;
        let steps = steps(&answer).map_err(|it| unreadable(&response, &it.to_string()))?;
        Ok(SequenceWithSteps { sequence, steps })
    }

    /// The touch of a step, needed to change what the step sends.
    pub(super) async fn touch_of(
        &self,
        session: &Session<'_>,
        sequence_id: &str,
        step_id: &str,
    ) -> Result<Option<Touch>, ProviderError> {
        let response = self.campaign(session, sequence_id).await?;
        let text = json::clean(&response.body);
        let answer = Fields::parse(&text);
        let answer = answer.ok_or_else(|| unreadable(&response, "it is not an object"))?;
        let touches = touches(&answer).map_err(|it| unreadable(&response, &it.to_string()))?;
        Ok(touches.into_iter().find(|touch| touch.step_id == step_id))
    }

    async fn campaign(&self, session: &Session<'_>, id: &str) -> Result<Response, ProviderError> {
        let id_in_path = id_in_path(Object::Sequence, id)?;
        let endpoint = Endpoint::get(format!("api/v1/emailer_campaigns/{id_in_path}"));
        self.call(session, endpoint)
            .await
            .map_err(error::of_one_record)
    }
}

fn steps(answer: &Fields<'_>) -> Result<Vec<SequenceStep>, Malformed> {
    let touches = touches(answer)?;
    let templates = answer.list("emailer_templates")?;
    let mut steps = Vec::new();
    for raw in answer.list("emailer_steps")? {
        let fields = Fields::of(raw)
            .ok_or_else(|| Malformed::new("emailer_steps", "one of them is not an object"))?;
        steps.push(step(&fields, &touches, &templates)?);
    }
    steps.sort_by_key(|step| step.order);
    Ok(steps)
}

fn step(
    fields: &Fields<'_>,
    touches: &[Touch],
    templates: &[&RawValue],
) -> Result<SequenceStep, Malformed> {
    let id = fields.filled_text("id")?;
    let id = id.ok_or_else(|| Malformed::new("emailer_steps.id", "it is missing"))?;
    let touch = touches.iter().find(|touch| touch.step_id == id);
    let template = touch.and_then(|touch| touch.template_id.as_deref());
    let date = fields.filled_text("exact_datetime")?;
    Ok(SequenceStep {
        name: None,
        order: order(fields)?,
        kind: kind(fields.text("type")?.as_deref()),
        interval_seconds: match date {
            Some(_) => None,
            None => Some(interval(fields)?),
        },
        date,
        template: template.and_then(|id| template_with(id, templates)),
        is_reply: touch.map(|touch| touch.continues_thread),
        task_note: fields.filled_text("note")?,
        id,
    })
}

fn order(fields: &Fields<'_>) -> Result<u32, Malformed> {
    let position = fields.int("position")?.unwrap_or(1);
    Ok(u32::try_from(position).unwrap_or(1))
}

/// Relative to the previous step, as Apollo stores it.
fn interval(fields: &Fields<'_>) -> Result<i64, Malformed> {
    let time = fields.int("wait_time")?.unwrap_or(0);
    let seconds = match fields.text("wait_mode")?.as_deref() {
        Some("minute") => 60,
        Some("hour") => 60 * 60,
        Some("day") => 24 * 60 * 60,
        _ => 1,
    };
    Ok(time.saturating_mul(seconds))
}

fn kind(word: Option<&str>) -> StepKind {
    match word {
        Some("auto_email") => StepKind::AutoEmail,
        Some("manual_email") => StepKind::ManualEmail,
        Some("call") => StepKind::Call,
        Some("linkedin_step_message") => StepKind::LinkedinSendMessage,
        _ => StepKind::Task,
    }
}

fn touches(answer: &Fields<'_>) -> Result<Vec<Touch>, Malformed> {
    let mut touches = Vec::new();
    for raw in answer.list("emailer_touches")? {
        let Some(fields) = Fields::of(raw) else {
            continue;
        };
        let (Some(id), Some(step_id)) = (
            fields.filled_text("id")?,
            fields.filled_text("emailer_step_id")?,
        ) else {
            continue;
        };
        touches.push(Touch {
            id,
            step_id,
            template_id: fields.filled_text("emailer_template_id")?,
            continues_thread: fields.text("type")?.as_deref() == Some("reply_to_thread"),
        });
    }
    Ok(touches)
}

fn template_with(id: &str, templates: &[&RawValue]) -> Option<StepTemplate> {
    let text = |fields: &Fields<'_>, name| fields.text(name).ok().flatten();
    templates
        .iter()
        .filter_map(|raw| Fields::of(raw))
        .find(|fields| text(fields, "id").as_deref() == Some(id))
        .map(|fields| StepTemplate {
            id: Some(id.to_owned()),
            subject: text(&fields, "subject").unwrap_or_default(),
            body: text(&fields, "body_html")
                .or_else(|| text(&fields, "body_text"))
                .unwrap_or_default(),
            name: text(&fields, "name"),
        })
}
