//! Writing `contacts/*`.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::Call;
use super::contacts::missing;
use super::refusal::{Answer, Refusal};
use super::render::contact::View;
use crate::json::{Object, quoted};
use crate::switches::DeleteAnswer;
use crate::world::contact::Contact;
use crate::world::{EditError, Team};

pub(crate) fn create(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let fields = call.params.fields();
    if !call.params.flag("run_dedupe") {
        let id = call
            .team
            .create_contact(call.now, &fields)
            .map_err(|error| refused(&error))?;
        return Ok(Answer::one(written(call.team, &id, View::Created)));
    }
    let found = twin(call.team, &fields);
    let id = if let Some((id, _)) = &found {
        let updated = call.team.update_contact(call.now, id, &fields);
        updated.map_err(|error| refused(&error))?;
        id.clone()
    } else {
        let created = call.team.create_contact(call.now, &fields);
        created.map_err(|error| refused(&error))?
    };
    let mut dedupe = Object::new();
    dedupe
        .flag("found_existing", found.is_some())
        .maybe("match_reason", found.as_ref().map(|(_, reason)| *reason))
        .maybe(
            "existing_contact_id",
            found.as_ref().map(|(id, _)| id.as_str()),
        );
    let mut body = written(call.team, &id, View::Created);
    body.pop();
    body.push_str(",\"dedupe_result\":");
    body.push_str(&dedupe.finish());
    body.push('}');
    Ok(Answer::one(body))
}

pub(crate) fn update(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let fields = call.params.fields();
    match call.team.update_contact(call.now, call.id, &fields) {
        Ok(_) => Ok(Answer::one(written(call.team, call.id, View::Written))),
        Err(EditError::Deleted) => Err(Refusal::json(
            422,
            format!(
                r#"{{"error":"Cannot update contact as it is deleted.","deleted_contact_ids":[{}]}}"#,
                quoted(call.id)
            ),
        )),
        Err(error) => Err(refused(&error)),
    }
}

pub(crate) fn destroy(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let Some(contact) = call
        .team
        .live_contact(call.id)
        .ok()
        .map(|contact| contact.render(View::Written))
    else {
        return super::contacts::show(call);
    };
    call.team
        .delete_contact(call.id)
        .map_err(|error| refused(&error))?;
    Ok(Answer::one(match call.team.switches.delete_answer {
        DeleteAnswer::Empty => "{}".to_owned(),
        DeleteAnswer::Contact | DeleteAnswer::Refused => format!(r#"{{"contact":{contact}}}"#),
    }))
}

pub(crate) fn update_stages(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    update_many(call, "contact_stage_id", |contact| {
        contact.render(View::WrittenInBulk)
    })
}

pub(crate) fn update_owners(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    // For each contact the answer has little more than what was changed.
    update_many(call, "owner_id", |contact| {
        let mut o = Object::new();
        o.text("id", &contact.id)
            .maybe("owner_id", contact.owner_id.as_deref())
            .null("crm_owner_id");
        o.finish()
    })
}

fn update_many(
    call: &mut Call<'_>,
    field: &str,
    render: impl Fn(&Contact) -> String,
) -> Result<Answer, Refusal> {
    let Some(ids) = call.params.list("contact_ids") else {
        return Err(Refusal::invalid("Required parameter 'contact_ids' missing"));
    };
    let Some(value) = call.params.text(field) else {
        return Err(Refusal::invalid(&format!(
            "Required parameter '{field}' missing"
        )));
    };
    let mut contacts = Vec::new();
    for id in ids {
        match call
            .team
            .update_contact(call.now, &id, &json!({field: value}))
        {
            Ok(_) => contacts.extend(call.team.live_contact(&id).ok().map(&render)),
            Err(error @ EditError::InvalidId(_)) => return Err(refused(&error)),
            Err(EditError::NoSuchRecord | EditError::Deleted) => {}
        }
    }
    let mut o = Object::new();
    o.list("contacts", &contacts);
    Ok(Answer::of(o.finish(), contacts.len()))
}

fn refused(error: &EditError) -> Refusal {
    match error {
        EditError::InvalidId(id) => Refusal::invalid_id(id),
        EditError::NoSuchRecord | EditError::Deleted => missing(),
    }
}

/// `{"contact": …, "labels": […]}`
fn written(team: &Team, id: &str, view: View) -> String {
    let Some(contact) = team.contacts.get(id) else {
        return "{}".to_owned();
    };
    let labels = team
        .labels
        .iter()
        .filter(|label| contact.label_ids.contains(&label.id));
    let labels: Vec<String> = labels.map(crate::world::catalogue::Label::brief).collect();
    let mut o = Object::with_capacity(4096);
    o.raw("contact", &contact.render(view))
        .list("labels", &labels);
    o.finish()
}

/// The contact that deduplication finds: by e-mail first, then by name and company.
fn twin(team: &Team, fields: &Value) -> Option<(String, &'static str)> {
    let given = |name: &str| {
        fields
            .get(name)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
    };
    if let Some(email) = given("email") {
        let known = team.contacts.listed();
        let mut known = known.filter(|contact| contact.has_email(email));
        if let Some(contact) = known.next() {
            return Some((contact.id.clone(), "email_match"));
        }
    }
    let (first, last) = (given("first_name")?, given("last_name")?);
    let company = given("organization_name")?;
    let mut known = team.contacts.listed();
    let contact = known.find(|contact| {
        contact.first_name.as_deref() == Some(first)
            && contact.last_name.as_deref() == Some(last)
            && contact.organization_name.as_deref() == Some(company)
    })?;
    Some((contact.id.clone(), "name_and_company_match"))
}

/// A time in a request, in any RFC 3339 notation.
pub(super) fn time(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text)
        .ok()
        .map(|at| at.to_utc())
}
