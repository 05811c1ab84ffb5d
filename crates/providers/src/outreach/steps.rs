//! A sequence with its steps: Outreach returns the steps, the variants (what an e-mail step sends, and
//! how) and the templates as separate lists.

use std::collections::HashMap;

use syncline_model::{
    Common, Object, Sequence,
    draft::StepKind,
    live::{SequenceStep, StepTemplate},
};

use super::{
    Outreach, PROVIDER,
    api::{PAGE_SIZE, unreadable},
    lookup::whole,
    part::Part,
};
use crate::{
    capabilities::SequenceWithSteps,
    error::{ErrorKind, ProviderError},
    http::Response,
    json::{self, Fields, Malformed},
    live,
    session::Session,
};

/// The most ids in one filter, so that its URL stays short and the matches fit on a page.
const IDS_PER_REQUEST: usize = 100;

/// The steps of a sequence.
const OF_SEQUENCE: (&str, &str) = ("sequenceSteps", "filter[sequence][id]");

/// What an e-mail step sends to some of its prospects.
struct Variant {
    step_id: Option<String>,
    template_id: Option<String>,
    is_reply: bool,
    is_enabled: bool,
}

type Read<T> = fn(&Part<'_>) -> Result<T, Malformed>;

impl Outreach {
    pub(super) async fn sequence_with_steps(
        &self,
        session: &Session<'_>,
        id: &str,
    ) -> Result<SequenceWithSteps, ProviderError> {
        let found = self.record(session, Object::Sequence, id).await?;
        let sequence = Sequence::of(found)
            .pop()
            .ok_or_else(|| live::no_such(PROVIDER, Object::Sequence, id))?;
        let mut steps = self
            .parts(session, OF_SEQUENCE, &[id.to_owned()], step)
            .await?;
        steps.sort_by_key(|step| step.order);
        self.fill(session, &mut steps).await?;
        Ok(SequenceWithSteps { sequence, steps })
    }

    /// The place of a sequence's last step; 0 without any.
    pub(super) async fn last_order(
        &self,
        session: &Session<'_>,
        sequence_id: &str,
    ) -> Result<u32, ProviderError> {
        let steps = self
            .parts(session, OF_SEQUENCE, &[sequence_id.to_owned()], step)
            .await?;
        Ok(steps.iter().map(|step| step.order).max().unwrap_or(0))
    }

    /// Adds what the e-mail steps send.
    async fn fill(
        &self,
        session: &Session<'_>,
        steps: &mut [SequenceStep],
    ) -> Result<(), ProviderError> {
        let ids: Vec<String> = steps.iter().map(|step| step.id.clone()).collect();
        let of_steps = ("sequenceTemplates", "filter[sequenceStep][id]");
        let variants = self.parts(session, of_steps, &ids, variant).await?;
        let shown = steps.iter().map(|step| variant_of(&step.id, &variants));
        let shown: Vec<Option<&Variant>> = shown.collect();
        let template_ids = shown.iter().flatten();
        let template_ids: Vec<String> = template_ids
            .filter_map(|variant| variant.template_id.clone())
            .collect();
        let templates = self.templates(session, &template_ids).await?;
        for (step, variant) in steps.iter_mut().zip(shown) {
            step.is_reply = variant.map(|variant| variant.is_reply);
            let template_id = variant.and_then(|variant| variant.template_id.as_ref());
            step.template = template_id.and_then(|id| templates.get(id)).cloned();
        }
        Ok(())
    }

    /// Templates by their ids. Those without a name are not listed, and are read one by one.
    async fn templates(
        &self,
        session: &Session<'_>,
        ids: &[String],
    ) -> Result<HashMap<String, StepTemplate>, ProviderError> {
        let by_id = ("templates", "filter[id]");
        let listed = self.parts(session, by_id, ids, template).await?;
        let with_id = |it: StepTemplate| Some((it.id.clone()?, it));
        let mut known: HashMap<_, _> = listed.into_iter().filter_map(with_id).collect();
        for id in ids {
            if !known.contains_key(id)
                && let Some(template) = self.template(session, id).await?
            {
                known.insert(id.clone(), template);
            }
        }
        Ok(known)
    }

    /// `None` if the template is gone, or kept from this user.
    async fn template(
        &self,
        session: &Session<'_>,
        id: &str,
    ) -> Result<Option<StepTemplate>, ProviderError> {
        let Some(number) = whole(id) else {
            return Ok(None);
        };
        let path = format!("templates/{number}");
        match self.read_in(session, &path, Vec::new()).await {
            Ok(response) => template_in(&response).map(Some),
            Err(error) => match error.kind {
                ErrorKind::NotFound | ErrorKind::Forbidden(_) => Ok(None),
                _ => Err(error),
            },
        }
    }

    /// The records of a collection whose filter has one of the ids; without ids it would be all.
    async fn parts<T>(
        &self,
        session: &Session<'_>,
        (collection, filter): (&str, &'static str),
        ids: &[String],
        read: Read<T>,
    ) -> Result<Vec<T>, ProviderError> {
        let mut parts = Vec::new();
        for some in ids.chunks(IDS_PER_REQUEST) {
            let query = vec![
                ("page[size]", PAGE_SIZE.to_string()),
                (filter, some.join(",")),
            ];
            let response = self.read_in(session, collection, query).await?;
            parts.extend(parts_in(&response, read)?);
        }
        Ok(parts)
    }
}

fn parts_in<T>(response: &Response, read: Read<T>) -> Result<Vec<T>, ProviderError> {
    let text = json::clean(&response.body);
    let answer = Fields::parse(&text);
    let answer = answer.ok_or_else(|| unreadable(response, "it is not an object"))?;
    let parts = || {
        let items = answer.list("data")?.into_iter();
        items
            .map(|raw| read(&Part::of(Fields::of(raw))?))
            .collect::<Result<_, _>>()
    };
    parts().map_err(|malformed: Malformed| unreadable(response, &malformed.to_string()))
}

fn template_in(response: &Response) -> Result<StepTemplate, ProviderError> {
    let text = json::clean(&response.body);
    let answer = Fields::parse(&text);
    let answer = answer.ok_or_else(|| unreadable(response, "it is not an object"))?;
    let part = || template(&Part::of(answer.object("data")?)?);
    part().map_err(|malformed| unreadable(response, &malformed.to_string()))
}

/// The enabled variant that comes first; if none is enabled, the first.
fn variant_of<'v>(step_id: &str, variants: &'v [Variant]) -> Option<&'v Variant> {
    let of_step = |variant: &&Variant| variant.step_id.as_deref() == Some(step_id);
    let mut own = variants.iter().filter(of_step);
    let first = own.clone().next();
    own.find(|variant| variant.is_enabled).or(first)
}

fn step(part: &Part<'_>) -> Result<SequenceStep, Malformed> {
    let attributes = &part.attributes;
    let date = attributes.filled_text("date")?;
    let order = attributes.int("order")?.unwrap_or(1);
    Ok(SequenceStep {
        id: part.id.clone(),
        name: attributes.filled_text("displayName")?,
        order: u32::try_from(order).unwrap_or(1),
        kind: kind(attributes.text("stepType")?.as_deref()),
        interval_seconds: match date {
            Some(_) => None,
            None => attributes.int("interval")?,
        },
        date,
        template: None,
        is_reply: None,
        task_note: attributes.filled_text("taskNote")?,
    })
}

fn kind(word: Option<&str>) -> StepKind {
    match word {
        Some("auto_email") => StepKind::AutoEmail,
        Some("manual_email") => StepKind::ManualEmail,
        Some("call") => StepKind::Call,
        Some("linkedin_send_message") => StepKind::LinkedinSendMessage,
        _ => StepKind::Task,
    }
}

fn variant(part: &Part<'_>) -> Result<Variant, Malformed> {
    Ok(Variant {
        step_id: part.related("sequenceStep")?,
        template_id: part.related("template")?,
        is_reply: part.attributes.flag("isReply")?.unwrap_or(false),
        is_enabled: part.attributes.flag("enabled")?.unwrap_or(false),
    })
}

fn template(part: &Part<'_>) -> Result<StepTemplate, Malformed> {
    let attributes = &part.attributes;
    let html = attributes.text("bodyHtml")?;
    Ok(StepTemplate {
        id: Some(part.id.clone()),
        subject: attributes.text("subject")?.unwrap_or_default(),
        body: match html {
            Some(html) => html,
            None => attributes.text("bodyText")?.unwrap_or_default(),
        },
        name: attributes.filled_text("name")?,
    })
}
