//! Writing of people.

use std::borrow::Cow;

use serde_json::Value as Json;

use super::Call;
use super::body::{Fields, flag, id, text, texts, unknown};
use super::custom_fields;
use super::extras::set_native;
use super::list::written;
use super::people::{People, UNMODELED, WORK_PHONES, phone, primary};
use super::refusal::{Answer, Refusal};
use super::resource::Resource;
use super::upsert;
use crate::world::account::Account;
use crate::world::contact::Contact;
use crate::world::location::Location;

pub(super) fn create(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let fields = Fields::read(call);
    let id = insert(call, &fields)?;
    written::<People>(call, call.created_status(), &id)
}

pub(super) fn update(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let fields = Fields::read(call);
    let id = call.id.to_owned();
    replace(call, &fields, &id)?;
    written::<People>(call, 200, &id)
}

/// Deleting somebody again is no error.
pub(super) fn delete(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    if call.team.contacts.get(call.id).is_none() {
        return Err(call.not_found());
    }
    // An error means that they are gone already.
    let _ = call.team.delete_contact(call.id);
    Ok(Answer::nothing())
}

/// Updates the person whom `upsert_key` finds, or creates one. Without a key it always creates.
pub(super) fn upsert(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let fields = Fields::read(call);
    let (done, id) = match matching(call, &fields)? {
        Some(id) => {
            replace(call, &fields, &id)?;
            ("update", id)
        }
        None => ("create", insert(call, &fields)?),
    };
    upsert::answer::<People>(call, "person", (done, &id))
}

fn matching(call: &Call<'_>, fields: &Fields) -> Result<Option<String>, Refusal> {
    let Some((key, wanted)) = upsert::key(fields, &["id", "crm_id", "email_address"])? else {
        return Ok(None);
    };
    let people = call.team.contacts.listed();
    let found = people.filter(|person| match key {
        "id" => person.id == wanted,
        "crm_id" => person.crm_id.as_ref() == Some(&wanted),
        _ => primary(person).is_some_and(|address| address.eq_ignore_ascii_case(&wanted)),
    });
    upsert::only(found.map(|person| person.id.as_str()), key, "people")
}

fn insert(call: &mut Call<'_>, fields: &Fields) -> Result<String, Refusal> {
    let mut person = call.team.blank_contact(call.now);
    person.updated_at = call.now;
    person.stage_id = None;
    person.owner_id = Some(call.access.user_id.clone());
    person.creator_id = Some(call.access.user_id.clone());
    apply(call, fields, &mut person)?;
    check(call, &person)?;
    Ok(call.team.insert_contact(person))
}

fn replace(call: &mut Call<'_>, fields: &Fields, id: &str) -> Result<(), Refusal> {
    let person = People::find(call.team, id);
    let mut person = person.cloned().ok_or_else(|| call.not_found())?;
    apply(call, fields, &mut person)?;
    check(call, &person)?;
    if person.unsubscribed == Some(true) {
        let states = person.states.iter_mut().filter(|state| state.is_in());
        states.for_each(|state| state.leave(call.now, "do not contact"));
    }
    call.team.replace_contact(call.now, person);
    Ok(())
}

/// A person needs an address, or a phone number and a last name, that nobody else of the team has.
fn check(call: &Call<'_>, person: &Contact) -> Result<(), Refusal> {
    let number = phone(person, &WORK_PHONES);
    let address = primary(person);
    if address.is_none() && (number.is_none() || person.last_name.is_none()) {
        return Err(Refusal::field("email_address", "is required"));
    }
    if call.team.salesloft.duplicates_allowed {
        return Ok(());
    }
    let others = call.team.contacts.listed();
    let mut others = others.filter(|other| other.id != person.id);
    let Some(address) = address else {
        let twin = |other: &Contact| {
            primary(other).is_none()
                && phone(other, &WORK_PHONES) == number
                && other.last_name == person.last_name
        };
        if others.any(twin) {
            return Err(Refusal::field("phone", "is already taken"));
        }
        return Ok(());
    };
    let known =
        |other: &Contact| primary(other).is_some_and(|known| known.eq_ignore_ascii_case(address));
    if others.any(known) {
        return Err(Refusal::field("email_address", "is already taken"));
    }
    Ok(())
}

fn apply(call: &mut Call<'_>, fields: &Fields, person: &mut Contact) -> Result<(), Refusal> {
    for (name, value) in fields.iter() {
        match name {
            "first_name" => person.first_name = text(name, value)?,
            "last_name" => person.last_name = text(name, value)?,
            "title" => person.title = text(name, value)?,
            "linkedin_url" => person.linkedin_url = text(name, value)?,
            "person_company_name" => person.organization_name = text(name, value)?,
            "crm_id" => {
                call.require_scope("crm_id_person:write")?;
                person.crm_id = text(name, value)?;
            }
            "do_not_contact" => person.unsubscribed = Some(flag(name, value)?),
            "tags" => person.label_ids = texts(name, value)?,
            "email_address" => set_email(call, person, None, text(name, value)?),
            "secondary_email_address" => {
                set_email(call, person, Some("work"), text(name, value)?);
            }
            "personal_email_address" => {
                set_email(call, person, Some("personal"), text(name, value)?);
            }
            "phone" => set_phone(call, person, &WORK_PHONES, text(name, value)?),
            "mobile_phone" => set_phone(call, person, &["mobile"], text(name, value)?),
            "home_phone" => set_phone(call, person, &["home"], text(name, value)?),
            "city" | "state" | "country" => set_location(person, name, text(name, value)?),
            "owner_id" | "account_id" | "person_stage_id" => relate(call, person, name, value)?,
            "custom_fields" => {
                custom_fields::set(call, "contact", &mut person.custom_fields, value)?;
            }
            "upsert_key" | "crm_id_type" | "id" | "autotag_date" | "import_id" => {}
            "contact_restrictions" | "eu_resident" => {
                set_native(&mut person.custom_fields, name, value);
            }
            other if UNMODELED.contains(&other) => {
                set_native(&mut person.custom_fields, other, value);
            }
            other => unknown(call, other)?,
        }
    }
    Ok(())
}

/// Sets or removes the address of that kind.
fn set_email(
    call: &mut Call<'_>,
    person: &mut Contact,
    kind: Option<&'static str>,
    address: Option<String>,
) {
    let index = person.emails.iter().position(|email| email.kind == kind);
    let known = index.map(|index| person.emails.remove(index));
    let Some(address) = address else {
        return;
    };
    let same = known.filter(|email| email.address == address);
    let mut email = same.unwrap_or_else(|| call.team.new_email(call.now, &address));
    email.kind = kind;
    let end = if kind.is_none() {
        0
    } else {
        person.emails.len()
    };
    person.emails.insert(index.unwrap_or(end), email);
}

/// Sets or removes the number that a field with these kinds shows.
fn set_phone(
    call: &mut Call<'_>,
    person: &mut Contact,
    kinds: &[&'static str],
    number: Option<String>,
) {
    if phone(person, kinds) == number.as_deref() {
        return;
    }
    person.phones.retain(|phone| !kinds.contains(&phone.kind));
    if let (Some(number), Some(kind)) = (number, kinds.first()) {
        let phone = call.team.new_phone(call.now, kind, &number);
        person.phones.push(phone);
    }
}

fn set_location(person: &mut Contact, name: &str, value: Option<String>) {
    let location = person.location.get_or_insert_with(Location::default);
    let value = value.map(Cow::Owned);
    match name {
        "city" => location.city = value,
        "state" => location.state = value,
        _ => location.country = value,
    }
}

fn relate(call: &Call<'_>, person: &mut Contact, name: &str, value: &Json) -> Result<(), Refusal> {
    let id = id(name, value)?;
    let team = &call.team;
    let relation = name.trim_end_matches("_id");
    let exists = id.as_deref().is_none_or(|id| match name {
        "owner_id" => team.has_user(id),
        "account_id" => team.live_account(id).is_ok(),
        _ => team.contact_stages.iter().any(|stage| stage.id == id),
    });
    if !exists {
        return Err(Refusal::field(relation, "must exist"));
    }
    match name {
        "owner_id" => person.owner_id = id,
        "account_id" => {
            let account = id.as_deref().and_then(|id| team.accounts.get(id));
            person.account = account.map(Account::brief);
            person.account_id = id;
        }
        _ => person.stage_id = id,
    }
    Ok(())
}
