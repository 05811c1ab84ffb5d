//! Writes sequences and their steps.
//!
//! A sequence is created first, then its steps one after the other (`step_write.rs`), because Outreach
//! numbers steps that arrive together as it likes; then it is activated. What can be checked is checked
//! before the first of these requests.

use async_trait::async_trait;
use syncline_model::{
    Object, ShareType,
    draft::{CustomFields, SequenceDraft, StepDraft, TemplateUpdate},
};

use super::{
    Outreach, PROVIDER,
    api::{collection, kind},
    creation::{Creation, number_of, record_of, written},
    document::Document,
    lookup::whole,
    step_write::{StepPosition, content_of},
};
use crate::{
    capabilities::{SequenceWrites, WriteResult},
    error::{ErrorKind, ProviderError},
    http::Method,
    live,
    session::Session,
};

#[async_trait]
impl SequenceWrites for Outreach {
    async fn create_sequence(
        &self,
        session: &Session<'_>,
        draft: &SequenceDraft,
    ) -> Result<WriteResult, ProviderError> {
        check_dates(&draft.steps)?;
        self.check_templates(session, &draft.steps).await?;
        let record = self.create(session, &sequence(draft)?).await?;
        let sequence_id = number_of(&record)?;
        let mut wrote = written(&record, Object::Sequence)?;
        self.make_steps(session, sequence_id, &draft.steps, &mut wrote)
            .await;
        Ok(wrote)
    }

    /// Without a given position, the step is added after the last one.
    async fn create_step(
        &self,
        session: &Session<'_>,
        sequence_id: &str,
        draft: &StepDraft,
    ) -> Result<WriteResult, ProviderError> {
        let number = whole(sequence_id)
            .ok_or_else(|| live::no_such(PROVIDER, Object::Sequence, sequence_id))?;
        let content = content_of(draft, "")?;
        self.read_one(session, Object::Sequence, number).await?;
        self.check_template(session, &content, "").await?;
        let order = match draft.order {
            Some(order) => order,
            None => self.last_order(session, sequence_id).await? + 1,
        };
        let position = StepPosition {
            sequence_id: number,
            order,
        };
        self.make_step(session, draft, position).await
    }

    /// The template changes wherever it is used.
    async fn update_step(
        &self,
        session: &Session<'_>,
        sequence_id: &str,
        step_id: &str,
        update: &TemplateUpdate,
    ) -> Result<(), ProviderError> {
        let found = self.sequence_with_steps(session, sequence_id).await?;
        let mut steps = found.steps.into_iter();
        let step = steps.find(|step| step.id == step_id);
        let template = step.and_then(|step| step.template);
        let id = template.and_then(|template| whole(&template.id?));
        let id = id.ok_or_else(|| no_step(step_id))?;
        let mut template = Document::new("template", &CustomFields::new()).of(id);
        if let Some(subject) = &update.subject {
            template.set("subject", subject.clone());
        }
        if let Some(body) = &update.body {
            template.set("bodyHtml", body.clone());
        }
        let path = format!("templates/{id}");
        self.write_in(session, (Method::PATCH, &path), Some(template.to_body()))
            .await
            .map(drop)
    }
}

impl Outreach {
    /// The sequence exists already, so failures here are warnings: an error would invite a second
    /// sequence. A sequence that lacks steps isn't activated.
    async fn make_steps(
        &self,
        session: &Session<'_>,
        sequence_id: u64,
        steps: &[StepDraft],
        wrote: &mut WriteResult,
    ) {
        for (order, step) in (1..).zip(steps) {
            let position = StepPosition { sequence_id, order };
            match self.make_step(session, step, position).await {
                Ok(made) => wrote.warnings.extend(made.warnings),
                Err(error) => {
                    wrote.warnings.push(format!(
                        "step {order}: {error}; it and the steps after it were not created, and the \
                         sequence was not activated"
                    ));
                    self.read_again(session, sequence_id, wrote).await;
                    return;
                }
            }
        }
        if !steps.is_empty() {
            self.activate(session, sequence_id, wrote).await;
        }
    }

    async fn activate(&self, session: &Session<'_>, sequence_id: u64, wrote: &mut WriteResult) {
        let activated = self
            .act(
                session,
                (collection(Object::Sequence), sequence_id),
                "activate",
            )
            .await;
        let shown = activated.and_then(|response| record_of(&response));
        let shown = shown.and_then(|record| written(&record, Object::Sequence));
        match shown {
            Ok(activated) => wrote.records = activated.records.or(wrote.records.take()),
            Err(error) => {
                wrote
                    .warnings
                    .push(format!("the sequence was not activated: {error}"));
                self.read_again(session, sequence_id, wrote).await;
            }
        }
    }

    async fn read_again(&self, session: &Session<'_>, sequence_id: u64, wrote: &mut WriteResult) {
        let id = sequence_id.to_string();
        match self.record(session, Object::Sequence, &id).await {
            Ok(records) => wrote.records = Some(records),
            Err(error) => wrote
                .warnings
                .push(format!("the sequence could not be read again: {error}")),
        }
    }
}

fn sequence(draft: &SequenceDraft) -> Result<Creation, ProviderError> {
    let mut document = Document::new(kind(Object::Sequence), &draft.custom_fields);
    document.set("name", draft.name.clone());
    document.set("tags", draft.tags.clone());
    let share_type = match draft.share_type {
        ShareType::Private => "private",
        ShareType::Team => "shared",
    };
    document.set("shareType", share_type);
    if draft.steps.iter().any(|step| step.date.is_some()) {
        document.set("sequenceType", "date");
    }
    let owner = draft.owner_id.clone().map(Some);
    document.relate_to(("owner", "user"), ("owner_id", &owner))?;
    Ok(Creation {
        collection: collection(Object::Sequence),
        document,
        sought: vec![
            ("filter[name]", draft.name.clone()),
            ("sort", "-createdAt".to_owned()),
        ],
        same: &["name", "shareType"],
    })
}

/// A sequence goes by dates or by intervals.
fn check_dates(steps: &[StepDraft]) -> Result<(), ProviderError> {
    let has_dates = steps.iter().any(|step| step.date.is_some());
    let undated = steps.iter().position(|step| step.date.is_none());
    match undated.filter(|_| has_dates) {
        None => Ok(()),
        Some(index) => Err(ProviderError::invalid(
            &format!("steps[{index}].date"),
            "must be set if another step has a date: all steps of an Outreach sequence have one, or none",
        )),
    }
}

fn no_step(id: &str) -> ProviderError {
    let message = format!("the sequence has no step {id} that sends an e-mail");
    ProviderError::new(ErrorKind::NotFound, None, &message)
}
