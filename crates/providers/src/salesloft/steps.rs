//! A cadence with its steps: their list has ids and days, and the cadence's export has what they do.
//!
//! The export has no ids, so its steps are told apart by day, type and name. A touch with variants is a step
//! for each of them. Disabled steps are left out.

use syncline_model::{
    Common, Object, Records, Sequence,
    draft::StepKind,
    live::{SequenceStep, StepTemplate},
};

use super::{
    PROVIDER, Salesloft,
    api::{Endpoint, PER_PAGE, unreadable},
    step_counts::tell,
};
use crate::{
    capabilities::SequenceWithSteps,
    error::ProviderError,
    http::Response,
    json::{self, Fields, Malformed},
    live,
    session::Session,
};

const DAY: i64 = 86_400;
const MINUTE: i64 = 60;

/// How many pages of a cadence's steps are read.
const STEP_PAGES: u32 = 10;

/// A step as the list has it.
struct Listed {
    id: String,
    cadence_id: Option<String>,
    name: Option<String>,
    /// `email`, `phone`, `integration` or `other`.
    kind: String,
    /// The day of the cadence, from 1.
    day: i64,
    /// The number of its touch.
    number: i64,
    is_disabled: bool,
}

/// A step as the export has it.
struct Exported {
    name: Option<String>,
    kind: String,
    day: i64,
    is_automated: bool,
    /// How long it waits on its day, in seconds.
    delay: i64,
    template: Option<StepTemplate>,
    is_reply: bool,
    instructions: Option<String>,
}

impl Salesloft {
    pub(super) async fn cadence_with_steps(
        &self,
        session: &Session<'_>,
        id: &str,
    ) -> Result<SequenceWithSteps, ProviderError> {
        let found = self.record(session, Object::Sequence, id).await?;
        let mut sequence = Sequence::of(found)
            .pop()
            .ok_or_else(|| live::no_such(PROVIDER, Object::Sequence, id))?;
        let listed = self.listed_steps(session, id).await?;
        let exported = if listed.is_empty() {
            Vec::new()
        } else {
            self.exported_steps(session, id).await?
        };
        let steps = joined(listed, exported);
        tell(&mut sequence, number_of(&steps));
        Ok(SequenceWithSteps { sequence, steps })
    }

    /// A cadence with the number of its steps.
    pub(super) async fn cadence(
        &self,
        session: &Session<'_>,
        id: &str,
    ) -> Result<Records, ProviderError> {
        let mut cadences = Sequence::of(self.record(session, Object::Sequence, id).await?);
        let mut steps = self.listed_steps(session, id).await?;
        steps.retain(|step| !step.is_disabled);
        for cadence in &mut cadences {
            tell(cadence, number_of(&steps));
        }
        Ok(Records::Sequences(cadences))
    }

    async fn listed_steps(
        &self,
        session: &Session<'_>,
        cadence_id: &str,
    ) -> Result<Vec<Listed>, ProviderError> {
        let mut steps = Vec::new();
        for page in 1..=STEP_PAGES {
            let endpoint = Endpoint::get("v2/steps")
                .query("cadence_id", &cadence_id)
                .query("page", &page)
                .query("per_page", &PER_PAGE)
                .query("sort_by", &"created_at")
                .query("sort_direction", &"ASC");
            let response = self.call(session, endpoint).await?;
            let listed: Vec<Listed> = within(&response, |answer| {
                let items = answer.list("data")?.into_iter();
                items.map(|raw| step(Fields::of(raw))).collect()
            })?;
            let is_full = listed.len() >= PER_PAGE as usize;
            steps.extend(listed);
            if !is_full {
                break;
            }
        }
        // Salesloft ignores filters that it doesn't know.
        steps.retain(|step| step.cadence_id.as_deref() == Some(cadence_id));
        steps.sort_by_key(|step| (step.day, step.number));
        Ok(steps)
    }

    async fn exported_steps(
        &self,
        session: &Session<'_>,
        cadence_id: &str,
    ) -> Result<Vec<Exported>, ProviderError> {
        let endpoint = Endpoint::get(format!("v2/cadence_exports/{cadence_id}"));
        let response = self.call(session, endpoint).await?;
        within(&response, |answer| {
            let data = answer.object("data")?.unwrap_or_default();
            let content = data.object("cadence_content")?.unwrap_or_default();
            let mut steps = Vec::new();
            for raw in content.list("step_groups")? {
                steps.extend(exported_group(Fields::of(raw))?);
            }
            Ok(steps)
        })
    }
}

fn number_of<T>(steps: &[T]) -> i64 {
    i64::try_from(steps.len()).unwrap_or(i64::MAX)
}

fn within<T>(
    response: &Response,
    read: impl FnOnce(&Fields<'_>) -> Result<T, Malformed>,
) -> Result<T, ProviderError> {
    let text = json::clean(&response.body);
    let answer = Fields::parse(&text);
    let answer = answer.ok_or_else(|| unreadable(response, "it is not an object"))?;
    read(&answer).map_err(|malformed| unreadable(response, &malformed.to_string()))
}

fn object<'a>(name: &str, fields: Option<Fields<'a>>) -> Result<Fields<'a>, Malformed> {
    fields.ok_or_else(|| Malformed::new(name, "one of them is not an object"))
}

fn step(fields: Option<Fields<'_>>) -> Result<Listed, Malformed> {
    let fields = object("data", fields)?;
    let cadence = fields.object("cadence")?.unwrap_or_default();
    Ok(Listed {
        id: fields.id("id")?,
        cadence_id: cadence.filled_text("id")?,
        name: fields.filled_text("name")?,
        kind: word(&fields)?,
        day: fields.int("day")?.unwrap_or(1),
        number: fields.int("step_number")?.unwrap_or(1),
        is_disabled: fields.flag("disabled")?.unwrap_or(false),
    })
}

/// The type; the list writes it small and the export with a capital.
fn word(fields: &Fields<'_>) -> Result<String, Malformed> {
    Ok(fields.text("type")?.unwrap_or_default().to_lowercase())
}

/// The variants of one touch.
fn exported_group(fields: Option<Fields<'_>>) -> Result<Vec<Exported>, Malformed> {
    let group = object("step_groups", fields)?;
    let day = group.int("day")?.unwrap_or(1);
    let is_automated = group.flag("automated")?.unwrap_or(false);
    let settings = group.object("automated_settings")?.unwrap_or_default();
    let delay = settings.int("delay_time")?.unwrap_or(0);
    let variants = group.list("steps")?.into_iter();
    variants
        .map(|raw| {
            let fields = object("steps", Fields::of(raw))?;
            let settings = fields.object("type_settings")?.unwrap_or_default();
            let reply_to = settings.filled_text("previous_email_step_group_reference_id")?;
            Ok(Exported {
                name: fields.filled_text("name")?,
                kind: word(&fields)?,
                day,
                is_automated,
                delay: delay.saturating_mul(MINUTE),
                template: settings
                    .object("email_template")?
                    .map(|email| template(&email))
                    .transpose()?,
                is_reply: reply_to.is_some(),
                instructions: settings.filled_text("instructions")?,
            })
        })
        .collect()
}

/// A reply has no subject of its own.
fn template(email: &Fields<'_>) -> Result<StepTemplate, Malformed> {
    Ok(StepTemplate {
        id: None,
        subject: email.text("subject")?.unwrap_or_default(),
        body: email.text("body")?.unwrap_or_default(),
        name: email.filled_text("title")?,
    })
}

/// The steps in their order, each with what the export says about it.
fn joined(listed: Vec<Listed>, mut exported: Vec<Exported>) -> Vec<SequenceStep> {
    let pairs = listed.into_iter().map(|step| {
        let content = taken(&step, &mut exported);
        (step, content)
    });
    let pairs: Vec<_> = pairs.filter(|(step, _)| !step.is_disabled).collect();
    let (mut steps, mut day_before) = (Vec::with_capacity(pairs.len()), 1);
    let mut touch_before = None;
    let mut days = 0;
    for (order, (step, content)) in (1..).zip(pairs) {
        let touch = (step.day, step.number);
        if touch_before != Some(touch) {
            days = step.day.saturating_sub(day_before);
            (touch_before, day_before) = (Some(touch), step.day);
        }
        steps.push(shown(step, content, (order, days)));
    }
    steps
}

/// The exported step that is the listed one. Its name distinguishes it from others of the same day
/// and type; without that, their order does.
fn taken(step: &Listed, exported: &mut Vec<Exported>) -> Option<Exported> {
    let alike = |it: &Exported| it.day == step.day && it.kind == step.kind;
    let same = |it: &Exported| alike(it) && it.name == step.name;
    let at = exported.iter().position(same);
    let at = at.or_else(|| exported.iter().position(alike))?;
    Some(exported.remove(at))
}

fn shown(step: Listed, content: Option<Exported>, (order, days): (u32, i64)) -> SequenceStep {
    let is_automated = content.as_ref().is_some_and(|it| it.is_automated);
    let delay = content.as_ref().map_or(0, |it| it.delay);
    let is_email = step.kind == "email";
    SequenceStep {
        id: step.id,
        name: step.name,
        order,
        kind: match step.kind.as_str() {
            "email" if is_automated => StepKind::AutoEmail,
            "email" => StepKind::ManualEmail,
            "phone" => StepKind::Call,
            _ => StepKind::Task,
        },
        interval_seconds: Some(days.saturating_mul(DAY).saturating_add(delay)),
        date: None,
        is_reply: content
            .as_ref()
            .filter(|_| is_email)
            .map(|content| content.is_reply),
        task_note: content.as_ref().and_then(|it| it.instructions.clone()),
        template: content.and_then(|content| content.template),
    }
}

#[cfg(test)]
#[path = "steps_tests.rs"]
mod tests;
