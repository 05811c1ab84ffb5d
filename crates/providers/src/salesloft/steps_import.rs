//! The steps of a cadence in the form of an import: groups, each on a day.
//!
//! A group is one touch, and several steps in one would be its variants, so each step is a group of its
//! own. Days are counted from the start of the cadence, from 1.

use serde_json::{Value, json, value::RawValue};
use syncline_model::draft::{StepDraft, StepKind, TemplateDraft};

use super::{Salesloft, api::Endpoint, creation::record_of, lookup::is_id};
use crate::{
    error::{ErrorKind, ProviderError},
    json::Fields,
    session::Session,
};

const DAY: u32 = 86_400;

/// The steps as an import takes them, and what of them has no place there.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) groups: Vec<Value>,
    pub(super) warnings: Vec<String>,
}

impl Salesloft {
    /// An import has no place for the id of a template, so its contents are copied.
    pub(super) async fn template(
        &self,
        session: &Session<'_>,
        id: &str,
        field: &str,
    ) -> Result<TemplateDraft, ProviderError> {
        let unknown = || {
            let reason = format!("must be the id of an e-mail template, and '{id}' is none");
            ProviderError::invalid(field, &reason)
        };
        if !is_id(id) {
            return Err(unknown());
        }
        let endpoint = Endpoint::get(format!("v2/email_templates/{id}"));
        match self.call(session, endpoint).await {
            Ok(response) => Ok(contents(&record_of(&response)?)),
            Err(error) if error.kind == ErrorKind::NotFound => Err(unknown()),
            Err(error) => Err(error),
        }
    }
}

fn contents(record: &RawValue) -> TemplateDraft {
    let fields = Fields::of(record).unwrap_or_default();
    let text = |name| fields.text(name).ok().flatten();
    TemplateDraft {
        id: None,
        subject: text("subject"),
        body: text("body"),
        name: text("title"),
    }
}

/// The name of a step's field in the caller's record, where `at` leads to the steps.
pub(super) fn field_of(at: &str, place: usize, name: &str) -> String {
    if at.is_empty() {
        name.to_owned()
    } else {
        format!("{at}[{place}].{name}")
    }
}

pub(super) fn groups(steps: &[StepDraft], at: &str) -> Result<Prepared, ProviderError> {
    let mut prepared = Prepared {
        groups: Vec::new(),
        warnings: Vec::new(),
    };
    let mut day = 1;
    // The number of the e-mail before, which a reply goes on with.
    let mut email_before = None;
    for (place, step) in steps.iter().enumerate() {
        check(step, email_before.is_some(), |name| {
            field_of(at, place, name)
        })?;
        day += step.interval_seconds.unwrap_or(0) / DAY;
        let number = place + 1;
        prepared
            .groups
            .push(group(step, day, (number, email_before)));
        prepared.warnings.extend(left_out(step, number));
        if sends(step.kind) {
            email_before = Some(number);
        }
    }
    Ok(prepared)
}

/// Refuses what an import can't express. `field` names a field of the step.
fn check(
    step: &StepDraft,
    follows_email: bool,
    field: impl Fn(&str) -> String,
) -> Result<(), ProviderError> {
    let refused = |name: &str, reason: &str| Err(ProviderError::invalid(&field(name), reason));
    if step.kind == StepKind::LinkedinSendMessage {
        let reason = "must be auto_email, manual_email, call or task: Salesloft's steps on \
            LinkedIn need ids of the team's own integration";
        return refused("type", reason);
    }
    if step.date.is_some() {
        return refused(
            "date",
            "must be left out, because Salesloft's steps wait for days and have no dates",
        );
    }
    if !step.interval_seconds.unwrap_or(0).is_multiple_of(DAY) {
        return refused(
            "interval_seconds",
            "must be a multiple of 86400, because Salesloft's steps wait for whole days",
        );
    }
    if !sends(step.kind) {
        return Ok(());
    }
    if step.is_reply && !follows_email {
        return refused("is_reply", "must be false: there is no e-mail before it");
    }
    let subject = step.template.as_ref().and_then(|it| it.subject.as_deref());
    if !step.is_reply && subject.unwrap_or_default().trim().is_empty() {
        return refused(
            "template.subject",
            "must not be empty, unless the e-mail is a reply",
        );
    }
    Ok(())
}

fn sends(kind: StepKind) -> bool {
    matches!(kind, StepKind::AutoEmail | StepKind::ManualEmail)
}

fn group(step: &StepDraft, day: u32, (number, email_before): (usize, Option<usize>)) -> Value {
    let name = step.name.clone().filter(|name| !name.trim().is_empty());
    let (kind, settings) = if sends(step.kind) {
        ("Email", email(step, email_before))
    } else {
        let kind = match step.kind {
            StepKind::Call => "Phone",
            _ => "Other",
        };
        (
            kind,
            json!({"instructions": step.task_note.clone().unwrap_or_default()}),
        )
    };
    let is_automated = step.kind == StepKind::AutoEmail;
    let mut group = json!({
        "day": day,
        "automated": is_automated,
        "due_immediately": false,
        "reference_id": number,
        "steps": [{
            "enabled": true,
            "name": name.unwrap_or_else(|| format!("Step {number}")),
            "type": kind,
            "type_settings": settings,
        }],
    });
    if is_automated {
        group["automated_settings"] = json!({"send_type": "after_time_delay", "delay_time": 0});
    }
    for (name, value) in &step.custom_fields {
        group[name] = value.clone();
    }
    group
}

/// A reply has the subject of the e-mail before.
fn email(step: &StepDraft, email_before: Option<usize>) -> Value {
    let template = step.template.clone().unwrap_or_default();
    let subject = template.subject.unwrap_or_default();
    let title = template.name.filter(|name| !name.trim().is_empty());
    let mut settings = json!({
        "email_template": {
            "title": title.unwrap_or_else(|| subject.clone()),
            "body": template.body.unwrap_or_default(),
        },
    });
    match email_before.filter(|_| step.is_reply) {
        Some(before) => settings["previous_email_step_group_reference_id"] = before.into(),
        None => settings["email_template"]["subject"] = subject.into(),
    }
    settings
}

fn left_out(step: &StepDraft, number: usize) -> Vec<String> {
    let mut warnings = Vec::new();
    let subject = step.template.as_ref().and_then(|it| it.subject.as_deref());
    if sends(step.kind) && step.is_reply && subject.is_some_and(|it| !it.trim().is_empty()) {
        warnings.push(format!(
            "step {number} is a reply and has the subject of the e-mail before: its own was not set"
        ));
    }
    if sends(step.kind) && step.task_note.as_deref().is_some_and(|it| !it.is_empty()) {
        warnings.push(format!(
            "step {number} is an e-mail, which has no note at Salesloft: task_note was not set"
        ));
    }
    if !sends(step.kind) && step.template.is_some() {
        warnings.push(format!(
            "step {number} sends no e-mail, so its template was not set"
        ));
    }
    warnings
}

#[cfg(test)]
#[path = "steps_import_tests.rs"]
mod tests;
