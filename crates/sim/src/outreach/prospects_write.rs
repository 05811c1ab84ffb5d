//! Writing of prospects.

use chrono::{DateTime, Utc};
use serde_json::Value as Json;

use super::Call;
use super::accounts::{Accounts, is_custom};
use super::body::{Document, invalid, text, texts};
use super::list::written;
use super::prospects::{PHONE_LISTS, Prospects, UNMODELED};
use super::refusal::{Answer, Refusal};
use super::resource::Resource;
use super::stages::Stages;
use crate::world::Team;
use crate::world::contact::Contact;
use crate::world::location::Location;

pub(super) fn create(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let document = Document::read(call, &Prospects::SCHEMA)?;
    let mut contact = call.team.blank_contact(call.now);
    contact.updated_at = call.now;
    contact.owner_id = None;
    contact.creator_id = Some(call.access.user_id.clone());
    apply(call, &document, &mut contact)?;
    let id = call.team.insert_contact(contact);
    written::<Prospects>(call, 201, &id)
}

pub(super) fn update(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let mut contact = found(call)?;
    let document = Document::read(call, &Prospects::SCHEMA)?;
    apply(call, &document, &mut contact)?;
    call.team.replace_contact(call.now, contact);
    written::<Prospects>(call, 200, call.id)
}

pub(super) fn delete(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    found(call)?;
    let deleted = call.team.delete_contact(call.id);
    deleted.map_err(|_| Refusal::no_such_record("prospect", call.id))?;
    Ok(Answer::nothing())
}

fn found(call: &Call<'_>) -> Result<Contact, Refusal> {
    if Prospects::hidden(call.team, call.id) {
        return Err(Refusal::not_for_you());
    }
    let contact = Prospects::find(call.team, call.id);
    let missing = || Refusal::no_such_record("prospect", call.id);
    contact.cloned().ok_or_else(missing)
}

fn apply(call: &mut Call<'_>, document: &Document, contact: &mut Contact) -> Result<(), Refusal> {
    for (name, value) in document.attributes() {
        match name {
            "firstName" => contact.first_name = text(name, value)?,
            "lastName" => contact.last_name = text(name, value)?,
            "title" => contact.title = text(name, value)?,
            "company" => contact.organization_name = text(name, value)?,
            "linkedInUrl" => contact.linkedin_url = text(name, value)?,
            "tags" => contact.label_ids = texts(name, value)?,
            "emails" => set_emails(call, contact, &texts(name, value)?)?,
            "optedOut" | "emailOptedOut" => contact.unsubscribed = flag(name, value)?,
            "callOptedOut" => contact.call_opted_out = flag(name, value)?,
            // Accepted without effect.
            "externalSource" | "source" | "timeZone" => {}
            location if location.starts_with("address") && location != "addressStreet2" => {
                set_location(contact, location, text(name, value)?)?;
            }
            list if PHONE_LISTS.iter().any(|(name, _)| *name == list) => {
                set_phones(call.team, call.now, contact, list, texts(name, value)?);
            }
            other if UNMODELED.contains(&other) || is_custom(other) => {
                let kept = &mut contact.custom_fields;
                kept.insert(other.to_owned(), value.clone());
            }
            other => document.refuse_unknown(call, other)?,
        }
    }
    for name in document.relationships() {
        match name {
            "owner" => contact.owner_id = document.user(call, name)?,
            "stage" => contact.stage_id = document.related::<Stages>(call, name)?,
            "account" => {
                contact.account_id = document.related::<Accounts>(call, name)?;
                let account = contact.account_id.as_deref();
                let account = account.and_then(|id| Accounts::find(call.team, id));
                contact.account = account.map(crate::world::account::Account::brief);
            }
            other => document.refuse_unknown(call, other)?,
        }
    }
    Ok(())
}

fn flag(name: &str, value: &Json) -> Result<Option<bool>, Refusal> {
    match value {
        Json::Null => Ok(None),
        Json::Bool(flag) => Ok(Some(*flag)),
        _ => Err(invalid(name)),
    }
}

/// Replaces all addresses. Addresses that stay keep their id.
fn set_emails(
    call: &mut Call<'_>,
    contact: &mut Contact,
    addresses: &[String],
) -> Result<(), Refusal> {
    let mut emails = Vec::with_capacity(addresses.len());
    for address in addresses {
        let mut known = contact.emails.iter();
        let known = known.find(|email| email.address.eq_ignore_ascii_case(address));
        emails.push(if let Some(email) = known {
            email.clone()
        } else {
            refuse_taken(call.team, &contact.id, address)?;
            call.team.new_email(call.now, address)
        });
    }
    contact.emails = emails;
    Ok(())
}

/// Refuses an address of another prospect, of an excluded domain or without a domain.
pub(super) fn refuse_taken(team: &Team, prospect_id: &str, address: &str) -> Result<(), Refusal> {
    let mut others = team.contacts.listed();
    if others.any(|other| other.id != prospect_id && other.has_email(address)) {
        return Err(Refusal::invalid(
            "Contacts email hash has already been taken.",
        ));
    }
    let domain = address.split_once('@').map(|(_, domain)| domain);
    let mut excluded = team.org.excluded_domains.iter();
    if excluded.any(|excluded| domain.is_some_and(|domain| domain.eq_ignore_ascii_case(excluded))) {
        let detail = "Contacts contact is using an excluded email address.";
        return Err(Refusal::invalid(detail));
    }
    if domain.is_none() {
        let detail = "Contacts email is invalid";
        return Err(Refusal::invalid_at("/data/attributes/emails", detail));
    }
    Ok(())
}

fn set_location(contact: &mut Contact, name: &str, text: Option<String>) -> Result<(), Refusal> {
    let mut location = contact.location.take().unwrap_or_default();
    let text = text.map(std::borrow::Cow::Owned);
    match name {
        "addressStreet" => location.street = text,
        "addressCity" => location.city = text,
        "addressState" => location.state = text,
        "addressZip" => location.postal_code = text,
        "addressCountry" => location.country = text,
        other => return Err(invalid(other)),
    }
    contact.location = (location != Location::default()).then_some(location);
    Ok(())
}

/// Replaces all numbers of one attribute. Numbers that stay keep their id.
fn set_phones(
    team: &mut Team,
    now: DateTime<Utc>,
    contact: &mut Contact,
    list: &str,
    numbers: Vec<String>,
) {
    let lists = PHONE_LISTS.iter().find(|(name, _)| *name == list);
    let kinds = lists.map_or(&[][..], |(_, kinds)| kinds);
    let usual = kinds.first().copied().unwrap_or("other");
    let (known, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut contact.phones)
        .into_iter()
        .partition(|phone| kinds.contains(&phone.kind));
    contact.phones = rest;
    for number in numbers {
        let same = known.iter().find(|phone| phone.raw == number).cloned();
        let phone = same.unwrap_or_else(|| team.new_phone(now, usual, &number));
        contact.phones.push(phone);
    }
}
