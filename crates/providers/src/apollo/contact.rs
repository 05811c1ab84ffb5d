//! A contact of Apollo's, and the sequence states that come inside of it.

use serde_json::value::RawValue;
use syncline_model::{
    Address, Contact, EmailAddress, Object, PhoneNumber, Record, Records, Rejected, SequenceState,
    mutation::{self, Mutation},
};

use super::{
    hash,
    mapping::{Item, fields_of, rejection},
};
use crate::json::{Fields, Malformed};

/// What stands where the address of a contact was not bought yet.
const LOCKED_EMAIL: &str = "email_not_unlocked@";

pub(super) fn map_all(items: &[&RawValue], rejected: &mut Vec<Rejected>) -> Records {
    let mut contacts = Vec::with_capacity(items.len());
    let mut states = Vec::new();
    for raw in items {
        let item = match Item::of(raw) {
            Ok(item) => item,
            Err(malformed) => {
                rejected.push(rejection(Object::Contact, None, &malformed));
                continue;
            }
        };
        let statuses = item.fields.list("contact_campaign_statuses");
        // A contact's states are good even where the contact itself is not.
        if let Ok(statuses) = &statuses {
            map_states(&item.id, statuses, &mut states, rejected);
        }
        match statuses.and_then(|_| contact(&item)) {
            Ok(contact) => contacts.push(contact),
            Err(malformed) => {
                rejected.push(rejection(Object::Contact, Some(item.id), &malformed));
            }
        }
    }
    Records::Contacts { contacts, states }
}

fn contact(item: &Item<'_>) -> Result<Record<Contact>, Malformed> {
    let fields = &item.fields;
    Ok(Record {
        id: item.id.clone(),
        created_at: fields.time("created_at")?,
        updated_at: fields.time("updated_at")?,
        is_deleted: false,
        fields: Contact {
            owner_id: fields.text("owner_id")?,
            account_id: fields.text("account_id")?,
            first_name: fields.text("first_name")?,
            last_name: fields.text("last_name")?,
            job_title: fields.text("title")?,
            address: Some(address(fields)?),
            email_addresses: email_addresses(fields)?,
            phone_numbers: phone_numbers(fields)?,
            // Apollo counts none of these per contact.
            open_count: 0,
            click_count: 0,
            reply_count: 0,
            bounced_count: 0,
        },
        raw: item.raw.to_owned(),
        hash: hash::of(Object::Contact, fields, false, ""),
    })
}

fn address(fields: &Fields<'_>) -> Result<Address, Malformed> {
    Ok(Address {
        street_1: fields.text("street_address")?,
        street_2: None,
        city: fields.text("city")?,
        state: fields.text("state")?,
        postal_code: fields.text("postal_code")?,
        country: fields.text("country")?,
    })
}

/// The address that Apollo calls the contact's comes first, the others have no type.
fn email_addresses(fields: &Fields<'_>) -> Result<Vec<EmailAddress>, Malformed> {
    let bought = |email: &String| !email.trim_start().starts_with(LOCKED_EMAIL);
    let mut addresses = Vec::new();
    if let Some(email_address) = fields.filled_text("email")?.filter(bought) {
        addresses.push(EmailAddress {
            email_address,
            email_address_type: Some("primary".to_owned()),
        });
    }
    for raw in fields.list("contact_emails")? {
        // What can't be read is only left out: the contact's own address is the one that counts.
        let email = Fields::of(raw).and_then(|fields| fields.filled_text("email").ok().flatten());
        let known = |email: &String| {
            let same = |known: &EmailAddress| known.email_address.eq_ignore_ascii_case(email);
            addresses.iter().any(same)
        };
        if let Some(email_address) = email.filter(bought).filter(|email| !known(email)) {
            addresses.push(EmailAddress {
                email_address,
                email_address_type: None,
            });
        }
    }
    Ok(addresses)
}

fn phone_numbers(fields: &Fields<'_>) -> Result<Vec<PhoneNumber>, Malformed> {
    let within = |malformed: Malformed| {
        Malformed::new(
            &format!("phone_numbers.{}", malformed.field),
            malformed.reason,
        )
    };
    fields
        .list("phone_numbers")?
        .into_iter()
        .map(|raw| phone_number(raw).map_err(within))
        .collect()
}

fn phone_number(raw: &RawValue) -> Result<PhoneNumber, Malformed> {
    let fields = fields_of(raw)?;
    let phone_number = match fields.filled_text("sanitized_number")? {
        Some(number) => Some(number),
        None => fields.filled_text("raw_number")?,
    };
    let kind = match fields.text("type")?.as_deref() {
        Some("work" | "work_hq") => Some("work"),
        Some("home") => Some("home"),
        Some("mobile") => Some("mobile"),
        Some("other") => Some("other"),
        _ => None,
    };
    Ok(PhoneNumber {
        phone_number,
        phone_number_type: kind.map(str::to_owned),
    })
}

/// Appends a contact's states. Two with the same id would be one row, so the later one is kept.
fn map_states(
    contact_id: &str,
    statuses: &[&RawValue],
    states: &mut Vec<Record<SequenceState>>,
    rejected: &mut Vec<Rejected>,
) {
    let first = states.len();
    for raw in statuses {
        let mapped = fields_of(raw)
            .and_then(|fields| Ok((state_id(contact_id, &fields)?, fields)))
            .map_err(|malformed| (None, malformed))
            .and_then(|(id, fields)| {
                state(contact_id, &id, &fields, raw).map_err(|malformed| (Some(id), malformed))
            });
        match mapped {
            Ok(state) => match states[first..]
                .iter_mut()
                .find(|known| known.id == state.id)
            {
                Some(known) => *known = state,
                None => states.push(state),
            },
            Err((id, malformed)) => {
                rejected.push(rejection(Object::SequenceState, id, &malformed));
            }
        }
    }
}

/// Apollo repeats the ids of statuses across contacts, so the contact's is part of a state's.
fn state_id(contact_id: &str, fields: &Fields<'_>) -> Result<String, Malformed> {
    let own = match fields.filled_text("id")? {
        Some(id) => Some(id),
        None => fields.filled_text("emailer_campaign_id")?,
    };
    if mutation::on(Mutation::StateIdNotUnique) {
        return own.ok_or_else(|| Malformed::new("id", "it is missing"));
    }
    own.map(|id| format!("{contact_id}.{id}"))
        .ok_or_else(|| Malformed::new("id", "it is missing, and so is the sequence's"))
}

fn state(
    contact_id: &str,
    id: &str,
    fields: &Fields<'_>,
    raw: &RawValue,
) -> Result<Record<SequenceState>, Malformed> {
    Ok(Record {
        id: id.to_owned(),
        created_at: fields.time("added_at")?,
        updated_at: None,
        is_deleted: false,
        fields: SequenceState {
            state: fields.text("status")?,
            contact_id: Some(contact_id.to_owned()),
            mailbox_id: fields.text("send_email_from_email_account_id")?,
            user_id: fields.text("added_by_user_id")?,
            sequence_id: fields.text("emailer_campaign_id")?,
        },
        raw: raw.to_owned(),
        hash: hash::of(Object::SequenceState, fields, false, contact_id),
    })
}
