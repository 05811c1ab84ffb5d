//! Writes cadences with their steps.
//!
//! Salesloft takes a cadence and all of its steps in one import, or refuses it as a whole. Steps can be
//! added to an empty cadence only, and none can be changed. What an import can't express is refused
//! before it is sent.

use async_trait::async_trait;
use serde_json::{Map, Value, json};
use syncline_model::{
    Common, Object, Records, ShareType, User,
    draft::{SequenceDraft, StepDraft, StepKind, TemplateUpdate},
};

use super::{
    Salesloft,
    api::{Endpoint, unreadable},
    creation::written,
    lookup::is_id,
    steps_import::{Prepared, field_of, groups},
};
use crate::{
    capabilities::{SequenceWrites, WriteResult},
    error::{ErrorKind, ProviderError},
    http::Response,
    json::{self, Fields},
    session::Session,
};

const IMPORTS: &str = "v2/cadence_imports";
const CADENCES: &str = "v2/cadences";

#[async_trait]
impl SequenceWrites for Salesloft {
    async fn create_sequence(
        &self,
        session: &Session<'_>,
        draft: &SequenceDraft,
    ) -> Result<WriteResult, ProviderError> {
        let prepared = self.prepare(session, &draft.steps, "steps").await?;
        let owner = match &draft.owner_id {
            Some(id) => Some(self.email_of(session, id).await?),
            None => None,
        };
        let body = import(draft, owner, &prepared.groups);
        let imported = self.call(session, Endpoint::post(IMPORTS, body)).await;
        let imported = imported.and_then(|response| cadence_in(&response));
        let id = match imported {
            Ok(id) => id,
            Err(error) if error.is_temporary() => self
                .imported_anyway(session, &draft.name)
                .await
                .ok_or(error)?,
            Err(error) => return Err(error),
        };
        let mut wrote = WriteResult {
            id,
            records: None,
            warnings: prepared.warnings,
        };
        if !draft.tags.is_empty() {
            let warning = "Salesloft takes no tags with a new cadence: tags were not set";
            wrote.warnings.push(warning.to_owned());
        }
        match self.cadence(session, &wrote.id).await {
            Ok(records) => wrote.records = Some(records),
            Err(error) => wrote
                .warnings
                .push(format!("the cadence could not be read again: {error}")),
        }
        Ok(wrote)
    }

    async fn create_step(
        &self,
        session: &Session<'_>,
        sequence_id: &str,
        draft: &StepDraft,
    ) -> Result<WriteResult, ProviderError> {
        let found = self.cadence_with_steps(session, sequence_id).await?;
        if !found.steps.is_empty() {
            let message = "Salesloft takes steps only into a cadence that has none: \
                create the cadence with all of its steps";
            return Err(ProviderError::new(ErrorKind::Invalid, None, message));
        }
        if draft.order.is_some_and(|order| order != 1) {
            let reason = "must be 1 or left out, because the cadence has no steps";
            return Err(ProviderError::invalid("order", reason));
        }
        let steps = std::slice::from_ref(draft);
        let prepared = self.prepare(session, steps, "").await?;
        let content = json!({
            "cadence_id": sequence_id.parse::<u64>().ok(),
            "step_groups": prepared.groups,
        });
        let body = json!({ "cadence_content": content });
        let imported = self.call(session, Endpoint::post(IMPORTS, body)).await;
        let lost = match imported {
            Ok(_) => None,
            Err(error) if error.is_temporary() => Some(error),
            Err(error) => return Err(error),
        };
        // An answer doesn't have the step, and without one it may be there all the same.
        let found = self.cadence_with_steps(session, sequence_id).await?;
        let step = found.steps.into_iter().next();
        let step = step.ok_or_else(|| lost.unwrap_or_else(without_step))?;
        Ok(WriteResult {
            id: step.id,
            records: Some(Records::Sequences(vec![found.sequence])),
            warnings: prepared.warnings,
        })
    }

    /// There is no request for it, neither for a step nor for a template.
    async fn update_step(
        &self,
        _session: &Session<'_>,
        _sequence_id: &str,
        _step_id: &str,
        _template: &TemplateUpdate,
    ) -> Result<(), ProviderError> {
        let message = "Salesloft's API can't change what a step sends: change it in Salesloft";
        Err(ProviderError::new(ErrorKind::Invalid, None, message))
    }
}

impl Salesloft {
    /// The steps as an import takes them. `at` leads to them in the caller's record.
    async fn prepare(
        &self,
        session: &Session<'_>,
        steps: &[StepDraft],
        at: &str,
    ) -> Result<Prepared, ProviderError> {
        let mut steps = steps.to_vec();
        for (place, step) in steps.iter_mut().enumerate() {
            let sends = matches!(step.kind, StepKind::AutoEmail | StepKind::ManualEmail);
            let template = step.template.as_mut().filter(|_| sends);
            if let Some(template) = template
                && let Some(id) = template.id.take()
            {
                let field = field_of(at, place, "template.id");
                let known = self.template(session, &id, &field).await?;
                template.subject = template.subject.take().or(known.subject);
                template.body = template.body.take().or(known.body);
                template.name = template.name.take().or(known.name);
            }
        }
        groups(&steps, at)
    }

    /// A cadence's owner is named by e-mail address.
    async fn email_of(&self, session: &Session<'_>, id: &str) -> Result<String, ProviderError> {
        let unknown = || {
            let reason = format!("must be the id of a user of Salesloft, and '{id}' is none");
            ProviderError::invalid("owner_id", &reason)
        };
        if !is_id(id) {
            return Err(unknown());
        }
        let records = match self.record(session, Object::User, id).await {
            Err(error) if error.kind == ErrorKind::NotFound => return Err(unknown()),
            read => read?,
        };
        let user = User::of(records).pop();
        user.and_then(|user| user.fields.email).ok_or_else(unknown)
    }

    /// The id of the cadence, if it was imported although the answer was lost.
    async fn imported_anyway(&self, session: &Session<'_>, name: &str) -> Option<String> {
        let sought = [
            ("name[]", name.to_owned()),
            ("sort_by", "created_at".to_owned()),
            ("sort_direction", "DESC".to_owned()),
        ];
        let mut sent = Map::new();
        sent.insert("name".to_owned(), name.into());
        let record = self
            .newest(session, (CADENCES, &sought), (&sent, &["name"]))
            .await?;
        written(&record, Object::Sequence).ok().map(|it| it.id)
    }
}

/// A cadence is a draft until somebody activates it in Salesloft.
fn import(draft: &SequenceDraft, owner: Option<String>, groups: &[Value]) -> Value {
    let mut body = draft.custom_fields.clone();
    let is_teams = draft.share_type == ShareType::Team;
    let mut settings = json!({
        "name": draft.name,
        "target_daily_people": 0,
        "remove_replied": true,
        "remove_bounced": true,
        "external_identifier": null,
        "cadence_function": "outbound",
    });
    if let Some(owner) = owner {
        settings["cadence_owner"] = owner.into();
    }
    let sharing = json!({"team_cadence": is_teams, "shared": is_teams});
    let content = json!({ "step_groups": groups });
    for (name, own) in [
        ("settings", settings),
        ("sharing_settings", sharing),
        ("cadence_content", content),
    ] {
        let given = body.remove(name);
        body.insert(name.to_owned(), merged(own, given));
    }
    Value::Object(body)
}

/// Our settings with the caller's own ones over them.
fn merged(own: Value, given: Option<Value>) -> Value {
    match (own, given) {
        (Value::Object(mut own), Some(Value::Object(given))) => {
            own.extend(given);
            Value::Object(own)
        }
        (own, _) => own,
    }
}

fn without_step() -> ProviderError {
    let message = "Salesloft took the step and doesn't show it";
    ProviderError::new(ErrorKind::InvalidResponse, None, message)
}

/// The id of the cadence in the answer to an import.
fn cadence_in(response: &Response) -> Result<String, ProviderError> {
    let text = json::clean(&response.body);
    let id = Fields::parse(&text).and_then(|answer| {
        let data = answer.object("data").ok()??;
        let cadence = data.object("cadence").ok()??;
        cadence.id("id").ok()
    });
    id.ok_or_else(|| unreadable(response, "it has no `cadence` with an id"))
}
