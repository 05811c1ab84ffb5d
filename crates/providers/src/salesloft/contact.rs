//! Maps Salesloft's people.

use syncline_model::{Address, Contact, EmailAddress, PhoneNumber, Record};

use super::mapping::{reference, with_times};
use crate::{
    item::Item,
    json::{Fields, reading::Reading},
};

/// Salesloft's fields of e-mail addresses and of phone numbers, each with our type of them.
const EMAILS: [(&str, Option<&str>); 3] = [
    ("email_address", Some("primary")),
    ("personal_email_address", Some("personal")),
    ("secondary_email_address", None),
];
const PHONES: [(&str, &str); 3] = [
    ("phone", "primary"),
    ("home_phone", "home"),
    ("mobile_phone", "mobile"),
];

pub(super) fn map(item: Item<'_>) -> Record<Contact> {
    let read = item.read();
    let counts = read.object("counts");
    let count = |name| count(read, counts.as_ref(), name);
    let fields = Contact {
        owner_id: reference(read, "owner"),
        account_id: reference(read, "account"),
        first_name: read.text("first_name"),
        last_name: read.text("last_name"),
        job_title: read.text("title"),
        address: Some(address(read)),
        email_addresses: email_addresses(read),
        phone_numbers: phone_numbers(read),
        open_count: count("emails_viewed"),
        click_count: count("emails_clicked"),
        reply_count: count("emails_replied_to"),
        bounced_count: count("emails_bounced"),
    };
    let said = with_times(read, false, fields);
    item.record(said, "")
}

/// A person has no street and no postal code.
fn address(read: Reading<'_, '_>) -> Address {
    Address {
        city: read.text("city"),
        state: read.text("state"),
        country: read.text("country"),
        ..Address::default()
    }
}

fn email_addresses(read: Reading<'_, '_>) -> Vec<EmailAddress> {
    let email = |(name, kind): &(&str, Option<&str>)| {
        let email_address = read.email(name).filter(|email| !email.is_empty())?;
        Some(EmailAddress {
            email_address,
            email_address_type: kind.map(str::to_owned),
        })
    };
    EMAILS.iter().filter_map(email).collect()
}

fn phone_numbers(read: Reading<'_, '_>) -> Vec<PhoneNumber> {
    let phone = |(name, kind): &(&str, &str)| {
        Some(PhoneNumber {
            phone_number: Some(read.filled_text(name)?),
            phone_number_type: Some((*kind).to_owned()),
        })
    };
    PHONES.iter().filter_map(phone).collect()
}

/// A counter that is null has not counted yet.
fn count(read: Reading<'_, '_>, counts: Option<&Fields<'_>>, name: &str) -> i64 {
    let count = counts.and_then(|counts| read.of("counts.", counts).int(name));
    count.unwrap_or(0)
}
