//! A cadence in the form that [`cadence_imports`](super::cadence_imports) takes, without ids.

use serde_json::{Map, Value as Json, json};

use super::Call;
use super::cadences::{EXTRAS, extra, is_teams};
use super::refusal::{Answer, Refusal};
use super::steps::{day, group, kind, name};
use crate::world::Team;
use crate::world::sequence::Sequence;
use crate::world::step::{Step, Touch};

pub(super) fn show(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let cadence = call.team.live_sequence(call.id);
    let cadence = cadence.map_err(|_| call.not_found())?;
    let mut settings = Map::new();
    settings.insert("name".to_owned(), json!(cadence.name));
    for (name, _) in EXTRAS {
        let value = serde_json::from_str(&extra(cadence, name));
        settings.insert(name.to_owned(), value.unwrap_or(Json::Null));
    }
    let content = json!({
        "settings": settings,
        "sharing_settings": {"team_cadence": is_teams(cadence), "shared": !cadence.private},
        "step_groups": groups(call.team, cadence),
    });
    let data = json!({"cadence_content": content});
    Ok(Answer::record(200, &data.to_string()))
}

fn groups(team: &Team, cadence: &Sequence) -> Vec<Json> {
    let mut groups: Vec<Json> = Vec::new();
    let mut last = None;
    for step in &cadence.steps {
        let shown = shown(team, cadence, step);
        if last == Some(group(step))
            && let Some(steps) = groups.last_mut().and_then(|group| group.get_mut("steps"))
            && let Some(steps) = steps.as_array_mut()
        {
            steps.push(shown);
            continue;
        }
        last = Some(group(step));
        groups.push(json!({
            "day": day(cadence, step),
            "automated": step.kind == "auto_email",
            "automated_settings": automated_settings(step),
            "due_immediately": step.extras.get("due_immediately").unwrap_or(&json!(false)),
            "reference_id": reference(step),
            "steps": [shown],
        }));
    }
    groups
}

fn automated_settings(step: &Step) -> Json {
    let told = step.extras.get("automated_settings");
    match (told, step.kind) {
        (Some(told), _) => told.clone(),
        (None, "auto_email") => json!({"send_type": "after_time_delay", "delay_time": 0}),
        (None, _) => Json::Null,
    }
}

fn reference(step: &Step) -> Json {
    let told = step.extras.get("reference_id");
    told.cloned().unwrap_or_else(|| json!(step.position))
}

fn shown(team: &Team, cadence: &Sequence, step: &Step) -> Json {
    let (word, settings) = match kind(step) {
        "email" => ("Email", email_settings(team, cadence, step)),
        "phone" => ("Phone", json!({"instructions": step.note})),
        "integration" => ("Integration", integration_settings(step)),
        _ => ("Other", json!({"instructions": step.note})),
    };
    json!({
        "enabled": step.is_enabled(),
        "name": name(step),
        "type": word,
        "type_settings": settings,
    })
}

fn integration_settings(step: &Step) -> Json {
    let told = step.extras.get("type_settings");
    told.cloned().unwrap_or_else(|| {
        json!({
            "instructions": step.note,
            "integration_id": 1,
            "integration_step_type_guid": format!("{}-0000", step.kind),
        })
    })
}

fn email_settings(team: &Team, cadence: &Sequence, step: &Step) -> Json {
    let touch = step.touches.first();
    let template = touch.and_then(|touch| team.templates.get(&touch.template_id));
    let Some(template) = template else {
        return json!({});
    };
    let mut email = Map::new();
    email.insert("title".to_owned(), json!(template.name));
    email.insert("body".to_owned(), json!(template.body_html));
    let tracked = |name: &str| template.extras.get(name).cloned().unwrap_or(json!(true));
    for name in ["open_tracking", "click_tracking"] {
        email.insert(name.to_owned(), tracked(name));
    }
    let mut settings = Map::new();
    if touch.is_some_and(opens_thread) {
        email.insert("subject".to_owned(), json!(template.subject));
    } else {
        let previous = "previous_email_step_group_reference_id";
        settings.insert(previous.to_owned(), previous_of(cadence, step));
    }
    settings.insert("email_template".to_owned(), Json::Object(email));
    Json::Object(settings)
}

fn opens_thread(touch: &Touch) -> bool {
    touch.opens_thread
}

/// The reference of the group that a reply goes on with: as imported, or else the first with an e-mail.
fn previous_of(cadence: &Sequence, step: &Step) -> Json {
    let told = step.extras.get("type_settings");
    let told = told.and_then(|told| told.get("previous_email_step_group_reference_id"));
    if let Some(told) = told {
        return told.clone();
    }
    let mut emails = cadence.steps.iter().filter(|step| !step.touches.is_empty());
    emails.next().map_or(Json::Null, reference)
}
