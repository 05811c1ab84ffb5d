//! Creates a cadence with all its steps in one call, or gives steps to an empty one.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use super::Call;
use super::cadences::EXTRAS;
use super::record::reference;
use super::refusal::{Answer, Refusal};
use crate::json::Object;
use crate::world::{NewSequence, NewStep, Team, TouchChange};

/// What can stand between double braces in e-mails, besides labels of custom fields.
const TAGS: [&str; 26] = [
    "first_name",
    "last_name",
    "full_name",
    "email_address",
    "title",
    "company",
    "company_name",
    "phone",
    "city",
    "state",
    "country",
    "industry",
    "website",
    "tags",
    "account.name",
    "account.city",
    "account.state",
    "account.industry",
    "account.website",
    "my.first_name",
    "my.last_name",
    "my.full_name",
    "my.email_address",
    "my.phone",
    "my.company",
    "my.email_signature",
];

/// A group of steps: one touch, whose steps are its variants.
#[derive(Debug)]
struct Group<'b> {
    day: i64,
    fields: &'b Map<String, Json>,
    reference: Option<&'b Json>,
    steps: Vec<&'b Json>,
}

pub(super) fn create(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let body = call.params.fields();
    let content = body.get("cadence_content").unwrap_or(&Json::Null);
    let groups = read_groups(content)?;
    check_contents(call.team, &groups)?;
    let id = match content.get("cadence_id") {
        None | Some(Json::Null) => new_cadence(call, &body)?,
        Some(id) => existing(call, &id.to_string().replace('"', ""))?,
    };
    let before = call.team.sequences.get(&id);
    let before = before.map_or(0, |cadence| cadence.steps.len());
    for (number, group) in (1_i64..).zip(&groups) {
        let number = number + i64::try_from(before).unwrap_or(0);
        add_group(call, &id, number, group)?;
    }
    let mut o = Object::new();
    o.raw("cadence", &reference("cadences", &id));
    Ok(Answer::record(call.created_status(), &o.finish()))
}

/// An existing cadence must have no steps, unless switched.
fn existing(call: &Call<'_>, id: &str) -> Result<String, Refusal> {
    let cadence = call.team.live_sequence(id);
    let cadence = cadence.map_err(|_| Refusal::field("cadence_id", "must exist"))?;
    if !cadence.steps.is_empty() && !call.team.salesloft.switches.imports_append {
        let words = "must not have existing steps";
        return Err(Refusal::field("cadence_id", words));
    }
    Ok(cadence.id.clone())
}

/// A new cadence is a draft.
fn new_cadence(call: &mut Call<'_>, body: &Json) -> Result<String, Refusal> {
    let setting = |name: &str| body.pointer(&format!("/settings/{name}"));
    let sharing = |name: &str| {
        let value = body.pointer(&format!("/sharing_settings/{name}"));
        value.and_then(Json::as_bool).unwrap_or(false)
    };
    let name = setting("name").and_then(Json::as_str).unwrap_or_default();
    if name.is_empty() {
        return Err(Refusal::field("name", "can't be blank"));
    }
    let function = setting("cadence_function").and_then(Json::as_str);
    if function.is_some_and(|it| !["outbound", "inbound", "event", "other"].contains(&it)) {
        return Err(Refusal::field("cadence_function", "is invalid"));
    }
    let owner = match setting("cadence_owner").and_then(Json::as_str) {
        Some(address) => {
            let mut users = call.team.users.listed();
            let user = users.find(|user| user.email.eq_ignore_ascii_case(address));
            user.map(|user| user.id.clone())
                .ok_or_else(|| Refusal::field("cadence_owner", "must exist"))?
        }
        None => call.access.user_id.clone(),
    };
    let mut extras = BTreeMap::new();
    extras.insert("team_cadence".to_owned(), json!(sharing("team_cadence")));
    for (name, _) in EXTRAS {
        if let Some(value) = setting(name) {
            extras.insert(name.to_owned(), value.clone());
        }
    }
    let new = NewSequence {
        name: name.to_owned(),
        private: !sharing("shared") && !sharing("team_cadence"),
        active: false,
        label_ids: Vec::new(),
        user_id: Some(owner),
        extras,
    };
    let made = call.team.write_sequence(call.now, new);
    made.map_err(|error| Refusal::field("cadence_owner", &error.to_string()))
}

fn read_groups(content: &Json) -> Result<Vec<Group<'_>>, Refusal> {
    let missing = || Refusal::field("step_groups", "is required");
    let groups = content.get("step_groups").and_then(Json::as_array);
    groups.ok_or_else(missing)?.iter().map(read_group).collect()
}

fn read_group(group: &Json) -> Result<Group<'_>, Refusal> {
    let fields = group.as_object();
    let fields = fields.ok_or_else(|| Refusal::field("step_groups", "is invalid"))?;
    // Whole days, counted from the start of the cadence.
    let day = group.get("day").and_then(Json::as_i64);
    let day = day.filter(|day| *day >= 1);
    let day = day.ok_or_else(|| Refusal::field("day", "must be a whole number from 1"))?;
    let steps = group.get("steps").and_then(Json::as_array);
    let steps: Vec<&Json> = steps.into_iter().flatten().collect();
    if steps.is_empty() {
        return Err(Refusal::field("steps", "can't be blank"));
    }
    let types = ["Email", "Phone", "Other", "Integration"];
    if steps.iter().any(|step| !types.contains(&type_of(step))) {
        return Err(Refusal::field("type", "is invalid"));
    }
    let emails = steps.iter().filter(|step| type_of(step) == "Email").count();
    if group.get("automated") == Some(&json!(true)) && emails < steps.len() {
        return Err(Refusal::field("automated", "is only possible for emails"));
    }
    let reference = group.get("reference_id").filter(|id| !id.is_null());
    if emails > 0 && reference.is_none() {
        return Err(Refusal::field("reference_id", "is required"));
    }
    Ok(Group {
        day,
        fields,
        reference,
        steps,
    })
}

fn type_of(step: &Json) -> &str {
    step.get("type").and_then(Json::as_str).unwrap_or_default()
}

/// Checks the e-mails: subjects, the threads that they reply to, and dynamic tags.
fn check_contents(team: &Team, groups: &[Group<'_>]) -> Result<(), Refusal> {
    for (at, group) in groups.iter().enumerate() {
        for step in group.steps.iter().filter(|step| type_of(step) == "Email") {
            let template = step.pointer("/type_settings/email_template");
            let template = template.unwrap_or(&Json::Null);
            let part = |name: &str| template.get(name).and_then(Json::as_str);
            let subject = part("subject").unwrap_or_default();
            let earlier = groups.iter().take(at);
            let mut earlier = earlier.filter_map(|earlier| earlier.reference);
            match replies_to(step) {
                Some(_) if !subject.is_empty() => {
                    return Err(Refusal::field("subject", "must be blank in a reply"));
                }
                Some(previous) if !earlier.any(|known| known == previous) => {
                    let name = "previous_email_step_group_reference_id";
                    return Err(Refusal::field(name, "must be an earlier group"));
                }
                None if subject.is_empty() => {
                    return Err(Refusal::field("subject", "can't be blank"));
                }
                _ => {}
            }
            let texts = [subject, part("body").unwrap_or_default()];
            if let Some(tag) = texts.iter().find_map(|text| unknown_tag(team, text)) {
                let words = format!("has an unknown dynamic tag: {tag}");
                return Err(Refusal::field("email_template", &words));
            }
        }
    }
    Ok(())
}

/// The reference of the group whose thread the step goes on with.
fn replies_to(step: &Json) -> Option<&Json> {
    let previous = step.pointer("/type_settings/previous_email_step_group_reference_id");
    previous.filter(|previous| !previous.is_null())
}

fn unknown_tag<'b>(team: &Team, text: &'b str) -> Option<&'b str> {
    let tags = text.split("{{").skip(1);
    let mut tags = tags.filter_map(|rest| Some(rest.split_once("}}")?.0.trim()));
    tags.find(|tag| {
        let known = TAGS.contains(&tag.to_lowercase().as_str());
        !known && team.fields.iter().all(|field| field.name != *tag)
    })
}

fn add_group(
    call: &mut Call<'_>,
    cadence_id: &str,
    number: i64,
    group: &Group<'_>,
) -> Result<(), Refusal> {
    for step in &group.steps {
        let mut extras = BTreeMap::new();
        extras.insert("day".to_owned(), json!(group.day));
        extras.insert("group".to_owned(), json!(number));
        for name in [
            "automated",
            "automated_settings",
            "due_immediately",
            "reference_id",
        ] {
            if let Some(value) = group.fields.get(name) {
                extras.insert(name.to_owned(), value.clone());
            }
        }
        for name in ["enabled", "name", "type_settings"] {
            if let Some(value) = step.get(name) {
                extras.insert(name.to_owned(), value.clone());
            }
        }
        let automated = group.fields.get("automated") == Some(&json!(true));
        let instructions = step.pointer("/type_settings/instructions");
        let new = NewStep {
            position: None,
            kind: match (type_of(step), automated) {
                ("Email", true) => "auto_email",
                ("Email", false) => "manual_email",
                ("Phone", _) => "call",
                ("Integration", _) => "linkedin_step_message",
                _ => "action_item",
            },
            wait_time: 0,
            wait_mode: "day",
            exact_datetime: None,
            note: instructions.and_then(Json::as_str).map(str::to_owned),
            with_email: true,
            extras,
        };
        let made = call.team.create_step(call.now, cadence_id, new);
        let id = made.map_err(|error| Refusal::field("cadence_id", &error.to_string()))?;
        if type_of(step) == "Email" {
            write_email(call, &id, step)?;
        }
    }
    Ok(())
}

/// Fills the template of a new step.
fn write_email(call: &mut Call<'_>, step_id: &str, step: &Json) -> Result<(), Refusal> {
    let template = step.pointer("/type_settings/email_template");
    let part = |name: &str| template.and_then(|template| template.get(name)).cloned();
    let text = |name: &str| part(name).and_then(|value| value.as_str().map(str::to_owned));
    let previous = replies_to(step).cloned();
    let subject = match &previous {
        Some(previous) => Some(reply_subject(call.team, step_id, previous)),
        None => text("subject"),
    };
    let touch = call
        .team
        .step(step_id)
        .and_then(|(_, step)| step.touches.first());
    let touch = touch.ok_or_else(Refusal::server_error)?;
    let (touch_id, template_id) = (touch.id.clone(), touch.template_id.clone());
    let change = TouchChange {
        template_id: None,
        subject,
        body_html: text("body"),
        opens_thread: Some(previous.is_none()),
    };
    let changed = call.team.update_touch(&touch_id, change);
    changed.map_err(|_| Refusal::server_error())?;
    let owner = call.access.user_id.clone();
    call.team.templates.edit_in_place(&template_id, |known| {
        known.name = text("title");
        known.owner_id = Some(owner);
        known
            .extras
            .insert("cadence_template".to_owned(), json!(true));
        for name in ["open_tracking", "click_tracking"] {
            if let Some(value) = part(name) {
                known.extras.insert(name.to_owned(), value);
            }
        }
    });
    Ok(())
}

/// `Re: …`, with the subject of the group that has the reference.
fn reply_subject(team: &Team, step_id: &str, reference: &Json) -> String {
    let cadence = team.step(step_id).map(|(cadence, _)| cadence);
    let mut steps = cadence.into_iter().flat_map(|cadence| &cadence.steps);
    let opened = steps.find(|step| step.extras.get("reference_id") == Some(reference));
    let touch = opened.and_then(|step| step.touches.first());
    let template = touch.and_then(|touch| team.templates.get(&touch.template_id));
    let subject = template.and_then(|template| template.subject.clone());
    format!("Re: {}", subject.unwrap_or_default())
}
