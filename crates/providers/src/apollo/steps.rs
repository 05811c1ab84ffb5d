//! Writes sequences and their steps.
//!
//! A sequence is created first, then its steps one after the other: concurrent requests would
//! conflict over positions. A step that sends an e-mail comes with a touch and an empty template,
//! which a third call fills in.

use async_trait::async_trait;
use serde_json::{Map, Value, json};
use syncline_model::{
    Object, Records, ShareType,
    draft::{SequenceDraft, StepDraft, StepKind, TemplateDraft, TemplateUpdate},
};

use super::{
    Apollo,
    api::{Endpoint, unreadable},
    error,
    live::{id_in_path, written},
};
use crate::{
    capabilities::{SequenceWrites, WriteResult},
    error::{ErrorKind, ProviderError},
    json::{self, Fields},
    session::Session,
};

/// What Apollo created together with a step that sends something.
struct Sends {
    touch_id: Option<String>,
    template_id: Option<String>,
}

#[async_trait]
impl SequenceWrites for Apollo {
    async fn create_sequence(
        &self,
        session: &Session<'_>,
        draft: &SequenceDraft,
    ) -> Result<WriteResult, ProviderError> {
        let mut body = draft.custom_fields.clone();
        let permissions = match draft.share_type {
            ShareType::Private => "private",
            ShareType::Team => "team_can_use",
        };
        body.insert("name".to_owned(), draft.name.clone().into());
        body.insert("permissions".to_owned(), permissions.into());
        body.insert("active".to_owned(), true.into());
        body.insert("label_ids".to_owned(), draft.tags.clone().into());
        if let Some(owner_id) = &draft.owner_id {
            body.insert("user_id".to_owned(), owner_id.clone().into());
        }
        let endpoint = Endpoint::post("api/v1/emailer_campaigns", Value::Object(body));
        let response = self.call(session, endpoint).await?;
        let mut wrote = written(&response, "emailer_campaign", Object::Sequence)?;
        self.make_steps(session, &mut wrote, &draft.steps).await;
        Ok(wrote)
    }

    /// Without a given position, the step is added after the last one. Apollo doesn't move other
    /// steps if a given position is taken; the new step then also goes last.
    async fn create_step(
        &self,
        session: &Session<'_>,
        sequence_id: &str,
        draft: &StepDraft,
    ) -> Result<WriteResult, ProviderError> {
        let position = if let Some(order) = draft.order {
            order
        } else {
            let found = self.sequence_with_steps(session, sequence_id).await?;
            found.steps.iter().map(|it| it.order).max().unwrap_or(0) + 1
        };
        self.make_step(session, sequence_id, draft, position).await
    }

    async fn update_step(
        &self,
        session: &Session<'_>,
        sequence_id: &str,
        step_id: &str,
        update: &TemplateUpdate,
    ) -> Result<(), ProviderError> {
        let touch = self.touch_of(session, sequence_id, step_id).await?;
        let touch = touch.ok_or_else(|| {
            let message = format!("the sequence has no step {step_id} that sends an e-mail");
            ProviderError::new(ErrorKind::NotFound, None, &message)
        })?;
        let mut template = Map::new();
        template.insert("id".to_owned(), touch.template_id.into());
        if let Some(subject) = &update.subject {
            template.insert("subject".to_owned(), subject.clone().into());
        }
        if let Some(body) = &update.body {
            template.insert("body_html".to_owned(), body.clone().into());
        }
        let body = json!({"id": touch.id, "emailer_template": template});
        self.put_touch(session, &touch.id, body).await
    }
}

impl Apollo {
    /// The sequence exists already, so failures here are warnings: an error would invite a second
    /// sequence.
    async fn make_steps(
        &self,
        session: &Session<'_>,
        wrote: &mut WriteResult,
        steps: &[StepDraft],
    ) {
        if steps.is_empty() {
            return;
        }
        for (position, step) in (1..).zip(steps) {
            match self.make_step(session, &wrote.id, step, position).await {
                Ok(made) => wrote.warnings.extend(made.warnings),
                Err(error) => {
                    let left = "it and the steps after it were not created";
                    wrote
                        .warnings
                        .push(format!("step {position}: {error}; {left}"));
                    break;
                }
            }
        }
        match self.sequence_with_steps(session, &wrote.id).await {
            Ok(found) => {
                wrote.records = Some(Records::Sequences(vec![found.sequence]));
            }
            Err(error) => wrote
                .warnings
                .push(format!("the sequence could not be read again: {error}")),
        }
    }

    async fn make_step(
        &self,
        session: &Session<'_>,
        sequence_id: &str,
        draft: &StepDraft,
        position: u32,
    ) -> Result<WriteResult, ProviderError> {
        let body = step_body(sequence_id, draft, position);
        let endpoint = Endpoint::post("api/v1/emailer_steps", Value::Object(body));
        let response = self
            .call(session, endpoint)
            .await
            .map_err(error::of_one_record)?;
        let text = json::clean(&response.body);
        let answer = Fields::parse(&text);
        let id_of = |name: &str| {
            let part = answer.as_ref()?.object(name).ok()??;
            part.filled_text("id").ok()?
        };
        let id = id_of("emailer_step");
        let id = id.ok_or_else(|| unreadable(&response, "it has no `emailer_step`"))?;
        let mut wrote = WriteResult {
            id,
            records: None,
            warnings: Vec::new(),
        };
        let sends = Sends {
            touch_id: id_of("emailer_touch"),
            template_id: id_of("emailer_template"),
        };
        self.fill(session, &mut wrote, draft, sends).await;
        Ok(wrote)
    }

    /// The step exists already, so failures here are warnings.
    async fn fill(
        &self,
        session: &Session<'_>,
        wrote: &mut WriteResult,
        draft: &StepDraft,
        sends: Sends,
    ) {
        let Some(template) = &draft.template else {
            return;
        };
        let step_id = &wrote.id;
        let Some(touch_id) = sends.touch_id else {
            let warning = format!("step {step_id} sends nothing: its template was not set");
            wrote.warnings.push(warning);
            return;
        };
        let template = match &template.id {
            Some(id) => json!({ "id": id }),
            None => new_template(sends.template_id.as_deref(), template),
        };
        let body = json!({
            "id": touch_id,
            "emailer_step_id": step_id,
            "emailer_template": template,
            "type": if draft.is_reply { "reply_to_thread" } else { "new_thread" },
        });
        if let Err(error) = self.put_touch(session, &touch_id, body).await {
            let warning = format!("the template of step {step_id} was not set: {error}");
            wrote.warnings.push(warning);
        }
    }

    async fn put_touch(
        &self,
        session: &Session<'_>,
        touch_id: &str,
        body: Value,
    ) -> Result<(), ProviderError> {
        let id = id_in_path(Object::Sequence, touch_id)?;
        let endpoint = Endpoint::put(format!("api/v1/emailer_touches/{id}"), body);
        self.call(session, endpoint)
            .await
            .map(drop)
            .map_err(error::of_one_record)
    }
}

fn new_template(id: Option<&str>, template: &TemplateDraft) -> Value {
    json!({
        "id": id,
        "name": template.name,
        "subject": template.subject.clone().unwrap_or_default(),
        "body_html": template.body.clone().unwrap_or_default(),
    })
}

fn step_body(sequence_id: &str, draft: &StepDraft, position: u32) -> Map<String, Value> {
    let mut body = draft.custom_fields.clone();
    body.insert("emailer_campaign_id".to_owned(), sequence_id.into());
    body.insert("position".to_owned(), position.into());
    body.insert("type".to_owned(), word(draft.kind).into());
    let (time, mode) = wait(draft.interval_seconds.unwrap_or(0));
    body.insert("wait_time".to_owned(), time.into());
    body.insert("wait_mode".to_owned(), mode.into());
    if let Some(date) = &draft.date {
        body.insert("exact_datetime".to_owned(), date.clone().into());
    }
    if let Some(note) = &draft.task_note {
        body.insert("note".to_owned(), note.clone().into());
    }
    body
}

fn word(kind: StepKind) -> &'static str {
    match kind {
        StepKind::AutoEmail => "auto_email",
        StepKind::ManualEmail => "manual_email",
        StepKind::Call => "call",
        StepKind::Task => "action_item",
        StepKind::LinkedinSendMessage => "linkedin_step_message",
    }
}

/// In the largest unit that expresses it exactly.
fn wait(seconds: u32) -> (u32, &'static str) {
    const UNITS: [(u32, &str); 3] = [(86_400, "day"), (3_600, "hour"), (60, "minute")];
    let exact = UNITS
        .into_iter()
        .find(|(length, _)| seconds >= *length && seconds.is_multiple_of(*length));
    match exact {
        Some((length, unit)) => (seconds / length, unit),
        None => (seconds, "second"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_told_in_the_largest_unit_that_is_exact() {
        for (seconds, told) in [
            (0, (0, "second")),
            (59, (59, "second")),
            (60, (1, "minute")),
            (5_400, (90, "minute")),
            (7_200, (2, "hour")),
            (259_200, (3, "day")),
        ] {
            assert_eq!(wait(seconds), told);
        }
    }
}
