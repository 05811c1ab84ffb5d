//! Maps Outreach's prospects to contacts.

use serde_json::value::RawValue;
use syncline_model::{Address, Contact, EmailAddress, PhoneNumber};

use super::resource::Resource;
use crate::json::{Fields, reading::Reading, text_of};

/// The lists of phone numbers, and what the numbers are.
const PHONES: [(&str, &str); 5] = [
    ("mobilePhones", "mobile"),
    ("homePhones", "home"),
    ("workPhones", "work"),
    ("otherPhones", "other"),
    ("voipPhones", "other"),
];

pub(super) fn map(resource: &Resource<'_, '_>) -> Contact {
    let read = resource.attributes();
    let emails = emails(read);
    let bounced = emails.iter().filter(|email| email.has_bounced).count();
    // Outreach starts these counters again whenever the prospect is touched.
    let count = |name| read.int(name).unwrap_or(0);
    Contact {
        owner_id: resource.related("owner"),
        account_id: resource.related("account"),
        first_name: read.text("firstName"),
        last_name: read.text("lastName"),
        job_title: read.text("title"),
        address: Some(address(read)),
        email_addresses: emails.into_iter().map(|email| email.address).collect(),
        phone_numbers: phone_numbers(read),
        open_count: count("openCount"),
        click_count: count("clickCount"),
        reply_count: count("replyCount"),
        bounced_count: i64::try_from(bounced).unwrap_or(i64::MAX),
    }
}

fn address(read: Reading<'_, '_>) -> Address {
    Address {
        street_1: read.text("addressStreet"),
        street_2: read.text("addressStreet2"),
        city: read.text("addressCity"),
        state: read.text("addressState"),
        postal_code: read.text("addressZip"),
        country: read.text("addressCountry"),
    }
}

struct Email {
    address: EmailAddress,
    order: i64,
    has_bounced: bool,
}

/// The addresses with their types, or without types where Outreach sends only the addresses.
fn emails(read: Reading<'_, '_>) -> Vec<Email> {
    let known = read.members("emailContacts", |raw| {
        let fields = Fields::of(raw)?;
        Some(email(read.of("attributes.emailContacts[].", &fields)))
    });
    let mut known: Vec<Email> = known.into_iter().flatten().collect();
    if known.is_empty() {
        return bare_emails(read);
    }
    known.sort_by_key(|email| email.order);
    known
}

fn email(read: Reading<'_, '_>) -> Option<Email> {
    let email_address = read.email("email").filter(|email| !email.is_empty())?;
    let kind = read.text("email_type");
    let kind = kind.filter(|kind| matches!(kind.as_str(), "work" | "personal"));
    Some(Email {
        address: EmailAddress {
            email_address,
            email_address_type: kind,
        },
        // One without a place goes behind the others.
        order: read.int("order").unwrap_or(i64::MAX),
        has_bounced: read.time("bounced_at").is_some(),
    })
}

fn bare_emails(read: Reading<'_, '_>) -> Vec<Email> {
    let bare = |email_address| Email {
        address: EmailAddress {
            email_address,
            email_address_type: None,
        },
        order: 0,
        has_bounced: false,
    };
    texts(read, "emails").into_iter().map(bare).collect()
}

fn phone_numbers(read: Reading<'_, '_>) -> Vec<PhoneNumber> {
    let numbers = PHONES.into_iter().flat_map(|(list, kind)| {
        let of_kind = move |number| PhoneNumber {
            phone_number: Some(number),
            phone_number_type: Some(kind.to_owned()),
        };
        texts(read, list).into_iter().map(of_kind)
    });
    numbers.collect()
}

/// The members of a list of texts, without blank ones.
fn texts(read: Reading<'_, '_>, name: &str) -> Vec<String> {
    let text = |raw: &RawValue| text_of(name, raw).ok();
    let texts = read.members(name, text).into_iter();
    let texts = texts.map(|text| text.trim().to_owned());
    texts.filter(|text| !text.is_empty()).collect()
}
