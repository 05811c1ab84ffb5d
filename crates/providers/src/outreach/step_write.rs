//! Writes the steps of sequences, and what they send.
//!
//! An e-mail step takes a template, the step, and a variant that joins the two.

use std::collections::HashSet;

use serde_json::value::RawValue;
use syncline_model::{
    Object,
    draft::{CustomFields, StepDraft, StepKind, TemplateDraft},
};

use super::{
    Outreach,
    api::kind,
    creation::{Creation, number_of},
    document::{Document, id_in},
};
use crate::{
    capabilities::WriteResult,
    error::{ErrorKind, ProviderError},
    http::Method,
    json::Fields,
    session::Session,
};

/// Where a step goes.
#[derive(Clone, Copy)]
pub(super) struct StepPosition {
    pub(super) sequence_id: u64,
    pub(super) order: u32,
}

/// What a step sends.
pub(super) enum Content<'d> {
    Nothing,
    /// A template that is there.
    Existing(u64),
    New(&'d TemplateDraft),
}

/// A template for a step, and whether it was created for it.
struct Sent {
    id: u64,
    is_new: bool,
}

impl Outreach {
    /// Creates a step with what it sends.
    pub(super) async fn make_step(
        &self,
        session: &Session<'_>,
        draft: &StepDraft,
        position: StepPosition,
    ) -> Result<WriteResult, ProviderError> {
        let content = content_of(draft, "")?;
        let sent = self.template_for(session, content).await?;
        let step = match self.create(session, &step(draft, position)).await {
            Ok(step) => step,
            Err(error) => {
                if let Some(sent) = sent.filter(|sent| sent.is_new) {
                    self.drop_template(session, sent.id).await;
                }
                return Err(error);
            }
        };
        let step_id = number_of(&step)?;
        let mut wrote = WriteResult {
            id: step_id.to_string(),
            records: None,
            warnings: left_out(draft, position.order),
        };
        if let Some(sent) = sent {
            let joined = self.join(session, step_id, sent.id, draft.is_reply).await;
            if let Err(error) = joined {
                let order = position.order;
                wrote.warnings.push(format!(
                    "step {order} was created but sends nothing: {error}"
                ));
            }
        }
        Ok(wrote)
    }

    async fn template_for(
        &self,
        session: &Session<'_>,
        content: Content<'_>,
    ) -> Result<Option<Sent>, ProviderError> {
        match content {
            Content::Nothing => Ok(None),
            Content::Existing(id) => Ok(Some(Sent { id, is_new: false })),
            Content::New(draft) => {
                let record = self.create(session, &template(draft)).await?;
                let id = number_of(&record)?;
                Ok(Some(Sent { id, is_new: true }))
            }
        }
    }

    /// A template whose step was refused is of no use. One that can't be deleted is sent by nothing, so
    /// the caller isn't told.
    async fn drop_template(&self, session: &Session<'_>, id: u64) {
        let path = format!("templates/{id}");
        let _ = self.write_in(session, (Method::DELETE, &path), None).await;
    }

    /// Makes a step send a template.
    async fn join(
        &self,
        session: &Session<'_>,
        step_id: u64,
        template_id: u64,
        is_reply: bool,
    ) -> Result<(), ProviderError> {
        let mut document = Document::new("sequenceTemplate", &CustomFields::new());
        document.set("isReply", is_reply);
        document.relate("sequenceStep", "sequenceStep", step_id);
        document.relate("template", "template", template_id);
        let variant = Creation {
            collection: "sequenceTemplates",
            document,
            sought: vec![("filter[sequenceStep][id]", step_id.to_string())],
            same: &["isReply"],
        };
        let record = self.create(session, &variant).await?;
        if is_enabled(&record) {
            return Ok(());
        }
        let id = number_of(&record)?;
        self.act(session, ("sequenceTemplates", id), "activate")
            .await
            .map(drop)
    }

    /// That the templates which steps name are there, because a step can't be taken back.
    pub(super) async fn check_templates(
        &self,
        session: &Session<'_>,
        steps: &[StepDraft],
    ) -> Result<(), ProviderError> {
        let mut checked = HashSet::new();
        for (index, step) in steps.iter().enumerate() {
            let prefix = format!("steps[{index}].");
            let content = content_of(step, &prefix)?;
            if let Content::Existing(id) = content
                && checked.insert(id)
            {
                self.check_template(session, &content, &prefix).await?;
            }
        }
        Ok(())
    }

    pub(super) async fn check_template(
        &self,
        session: &Session<'_>,
        content: &Content<'_>,
        prefix: &str,
    ) -> Result<(), ProviderError> {
        let Content::Existing(id) = content else {
            return Ok(());
        };
        let path = format!("templates/{id}");
        match self.read_in(session, &path, Vec::new()).await {
            Err(error) if error.kind == ErrorKind::NotFound => {
                let field = format!("{prefix}template.id");
                let reason = format!("Outreach has no template with the id {id}");
                Err(ProviderError::invalid(&field, &reason))
            }
            read => read.map(drop),
        }
    }
}

fn step(draft: &StepDraft, position: StepPosition) -> Creation {
    let StepPosition { sequence_id, order } = position;
    let mut document = Document::new("sequenceStep", &draft.custom_fields);
    document.set("stepType", word(draft.kind));
    document.set("order", order);
    match day_of(draft) {
        Some(day) => document.set("date", day),
        // Without an interval Outreach waits a week.
        None => document.set("interval", draft.interval_seconds.unwrap_or(0)),
    }
    if let Some(note) = &draft.task_note {
        document.set("taskNote", note.clone());
    }
    document.relate("sequence", kind(Object::Sequence), sequence_id);
    Creation {
        collection: "sequenceSteps",
        document,
        sought: vec![
            ("filter[sequence][id]", sequence_id.to_string()),
            ("sort", "-createdAt".to_owned()),
        ],
        same: &["order", "stepType"],
    }
}

/// Without a name a template is not offered to others, and can't be searched for.
fn template(draft: &TemplateDraft) -> Creation {
    let mut document = Document::new("template", &CustomFields::new());
    let name = draft.name.as_ref().filter(|name| !name.trim().is_empty());
    if let Some(name) = name {
        document.set("name", name.clone());
    }
    document.set("subject", draft.subject.clone().unwrap_or_default());
    document.set("bodyHtml", draft.body.clone().unwrap_or_default());
    let sort = ("sort", "-createdAt".to_owned());
    let sought = name.map(|name| vec![("filter[name]", name.clone()), sort]);
    Creation {
        collection: "templates",
        document,
        sought: sought.unwrap_or_default(),
        same: &["name", "subject", "bodyHtml"],
    }
}

fn word(kind: StepKind) -> &'static str {
    match kind {
        StepKind::AutoEmail => "auto_email",
        StepKind::ManualEmail => "manual_email",
        StepKind::Call => "call",
        StepKind::Task => "task",
        StepKind::LinkedinSendMessage => "linkedin_send_message",
    }
}

fn sends(kind: StepKind) -> bool {
    matches!(kind, StepKind::AutoEmail | StepKind::ManualEmail)
}

/// What the step sends. `prefix` leads to the step in the caller's record.
pub(super) fn content_of<'d>(
    draft: &'d StepDraft,
    prefix: &str,
) -> Result<Content<'d>, ProviderError> {
    match &draft.template {
        Some(template) if sends(draft.kind) => match &template.id {
            Some(id) => {
                let field = format!("{prefix}template.id");
                Ok(Content::Existing(id_in(&field, id)?))
            }
            None => Ok(Content::New(template)),
        },
        _ => Ok(Content::Nothing),
    }
}

/// The day of a step with a date; its time has no place.
fn day_of(draft: &StepDraft) -> Option<&str> {
    let date = draft.date.as_deref()?;
    Some(date.get(..10).unwrap_or(date))
}

fn left_out(draft: &StepDraft, order: u32) -> Vec<String> {
    let mut warnings = Vec::new();
    if draft.name.as_deref().is_some_and(|name| !name.is_empty()) {
        warnings.push(format!(
            "step {order}: Outreach names its steps itself, so its name was not set"
        ));
    }
    let time = draft.date.as_deref().and_then(|date| date.get(10..19));
    if time.is_some_and(|time| time != "T00:00:00") {
        warnings.push(format!(
            "step {order}: Outreach's steps have a day and no time, so only its day was set"
        ));
    }
    if draft.template.is_some() && !sends(draft.kind) {
        warnings.push(format!(
            "step {order} sends no e-mail, so its template was not set"
        ));
    }
    if draft.date.is_some() && draft.interval_seconds.is_some() {
        warnings.push(format!(
            "step {order} has a date, so its interval_seconds was not set"
        ));
    }
    warnings
}

fn is_enabled(variant: &RawValue) -> bool {
    let attributes = Fields::of(variant).and_then(|it| it.object("attributes").ok()?);
    let enabled = attributes.and_then(|it| it.flag("enabled").ok()?);
    enabled == Some(true)
}
