//! Maps Apollo's contacts, and the sequence states that are part of them.

use serde_json::value::RawValue;
use syncline_model::{
    Address, Contact, EmailAddress, Object, PhoneNumber, Record, Records, Rejected, SequenceState,
    mutation::{self, Mutation},
    spelling::is_same_email,
};

use super::hash::HASHING;
use crate::{
    item::{Item, MappedFields, fields_of, keep_record, rejection},
    json::{Fields, Malformed, reading::Reading},
};

/// Apollo's placeholder for an e-mail address that has not been bought yet.
const LOCKED_EMAIL: &str = "email_not_unlocked@";

pub(super) fn map_all(items: &[&RawValue], rejected: &mut Vec<Rejected>) -> Records {
    let mut contacts = Vec::with_capacity(items.len());
    let mut states = Vec::new();
    for raw in items {
        match Item::of(Object::Contact, raw, &HASHING) {
            Ok(item) => {
                map_states(&item, &mut states, rejected);
                contacts.extend(keep_record(Object::Contact, contact(item), rejected));
            }
            Err(rejection) => rejected.push(rejection),
        }
    }
    Records::Contacts { contacts, states }
}

fn contact(item: Item<'_>) -> Record<Contact> {
    let read = item.read();
    let fields = Contact {
        owner_id: read.text("owner_id"),
        account_id: read.text("account_id"),
        first_name: read.text("first_name"),
        last_name: read.text("last_name"),
        job_title: read.text("title"),
        address: Some(address(read)),
        email_addresses: email_addresses(read),
        phone_numbers: phone_numbers(read),
        // Apollo has none of these counters per contact.
        open_count: 0,
        click_count: 0,
        reply_count: 0,
        bounced_count: 0,
    };
    let said = MappedFields {
        created_at: read.time("created_at"),
        updated_at: read.time("updated_at"),
        is_deleted: false,
        is_normalized: has_padded_email(&item.fields),
        fields,
    };
    item.record(said, "")
}

fn address(read: Reading<'_, '_>) -> Address {
    Address {
        street_1: read.text("street_address"),
        street_2: None,
        city: read.text("city"),
        state: read.text("state"),
        postal_code: read.text("postal_code"),
        country: read.text("country"),
    }
}

/// The primary address comes first; the others have no type.
fn email_addresses(read: Reading<'_, '_>) -> Vec<EmailAddress> {
    let bought = |email: &String| !email.is_empty() && !email.starts_with(LOCKED_EMAIL);
    let mut addresses = Vec::new();
    if let Some(email_address) = read.email("email").filter(bought) {
        addresses.push(EmailAddress {
            email_address,
            email_address_type: Some("primary".to_owned()),
        });
    }
    let others = read.members("contact_emails", |raw| {
        let fields = Fields::of(raw)?;
        Some(read.of("contact_emails[].", &fields).email("email"))
    });
    for email_address in others.into_iter().flatten().filter(bought) {
        let same = |known: &EmailAddress| is_same_email(&known.email_address, &email_address);
        if !addresses.iter().any(same) {
            addresses.push(EmailAddress {
                email_address,
                email_address_type: None,
            });
        }
    }
    addresses
}

fn has_padded_email(fields: &Fields<'_>) -> bool {
    let is_padded = |fields: &Fields<'_>| {
        let email = fields.text("email").ok().flatten();
        email.is_some_and(|email| email.trim() != email)
    };
    let others = fields.list("contact_emails").unwrap_or_default();
    is_padded(fields)
        || others
            .into_iter()
            .filter_map(Fields::of)
            .any(|other| is_padded(&other))
}

fn phone_numbers(read: Reading<'_, '_>) -> Vec<PhoneNumber> {
    read.members("phone_numbers", |raw| {
        let fields = Fields::of(raw)?;
        Some(phone_number(read.of("phone_numbers[].", &fields)))
    })
}

fn phone_number(read: Reading<'_, '_>) -> PhoneNumber {
    let phone_number = read
        .filled_text("sanitized_number")
        .or_else(|| read.filled_text("raw_number"));
    let kind = match read.text("type").as_deref() {
        Some("work" | "work_hq") => Some("work"),
        Some("home") => Some("home"),
        Some("mobile") => Some("mobile"),
        Some("other") => Some("other"),
        _ => None,
    };
    PhoneNumber {
        phone_number,
        phone_number_type: kind.map(str::to_owned),
    }
}

/// Appends a contact's states. Two with the same id would be the same row, so the later one is
/// kept. A list that can't be read doesn't mean that there are none.
fn map_states(
    contact: &Item<'_>,
    states: &mut Vec<Record<SequenceState>>,
    rejected: &mut Vec<Rejected>,
) {
    const STATUSES: &str = "contact_campaign_statuses";
    let statuses = contact.fields.list(STATUSES).unwrap_or_else(|malformed| {
        rejected.push(rejection(Object::SequenceState, None, &malformed));
        // This records it as unread.
        contact.read().list(STATUSES)
    });
    let first = states.len();
    for raw in statuses {
        match state(&contact.id, raw) {
            Ok(state) => match states[first..]
                .iter_mut()
                .find(|known| known.id == state.id)
            {
                Some(known) => *known = state,
                None => states.push(state),
            },
            Err(rejection) => rejected.push(rejection),
        }
    }
}

fn state(contact_id: &str, raw: &RawValue) -> Result<Record<SequenceState>, Rejected> {
    let object = Object::SequenceState;
    let malformed = |malformed: Malformed| rejection(object, None, &malformed);
    let fields = fields_of(raw).map_err(malformed)?;
    let id = state_id(contact_id, &fields).map_err(malformed)?;
    let item = Item::with_id(object, id, raw, fields, &HASHING)?;
    let read = item.read();
    let said = MappedFields {
        created_at: read.time("added_at"),
        updated_at: None,
        is_deleted: false,
        is_normalized: false,
        fields: SequenceState {
            state: read.text("status"),
            contact_id: Some(contact_id.to_owned()),
            mailbox_id: read.text("send_email_from_email_account_id"),
            user_id: read.text("added_by_user_id"),
            sequence_id: read.text("emailer_campaign_id"),
        },
    };
    Ok(item.record(said, contact_id))
}

/// Apollo's status ids are not unique across contacts, so a state's id includes the contact's.
fn state_id(contact_id: &str, fields: &Fields<'_>) -> Result<String, Malformed> {
    let own = fields
        .id("id")
        .or_else(|_| fields.id("emailer_campaign_id"));
    if mutation::on(Mutation::StateIdNotUnique) {
        return own;
    }
    own.map(|id| format!("{contact_id}.{id}"))
        .map_err(|_| Malformed::new("id", "it is missing, and so is the sequence's"))
}
