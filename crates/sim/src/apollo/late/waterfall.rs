//! The callback that brings what other vendors know. The vendor is invented.

use chrono::{DateTime, Utc};

use super::job::{Job, PRICE_OF_EMAIL, PRICE_OF_NUMBERS, Somebody};
use super::phones::{self, Number};
use crate::json::{Object, quoted};

const VENDOR: &str = "kingfisher_finder";
const VENDOR_NAME: &str = "Kingfisher";

/// `emails` and `numbers` say what was asked for.
pub(super) fn body(job: &Job, [emails, numbers]: [bool; 2], paid: bool) -> String {
    let with_email = job.count(paid, |person| job.kind.finds_email(person));
    let with_number = job.count(paid, |person| job.kind.finds_number(person));
    let enriched = job.count(paid, |person| {
        job.kind.finds_email(person) || job.kind.finds_number(person)
    });
    let all = u64::try_from(job.people.len() + job.missing).unwrap_or(0);
    let lacking = |asked: bool, found: u64| if asked { all - found } else { 0 };
    let fields = [(emails, "emails"), (numbers, "phone_numbers")];
    let fields = fields.iter().filter(|(asked, _)| *asked);
    let fields: Vec<&str> = fields.map(|(_, name)| *name).collect();
    let people = job.people.iter().map(|person| told(job, person, paid));
    let people: Vec<String> = people.collect();
    let mut o = Object::with_capacity(4096);
    o.text("status", "success")
        .number("total_requested_enrichments", all)
        .texts("target_fields", &fields)
        .number("records_enriched", enriched)
        .number("email_records_enriched", with_email)
        .number("mobile_records_enriched", with_number)
        .number("enrichment_not_found", all - enriched)
        .number("email_records_not_found", lacking(emails, with_email))
        .number("mobile_records_not_found", lacking(numbers, with_number))
        .number(
            "credits_consumed",
            with_email * PRICE_OF_EMAIL + with_number * PRICE_OF_NUMBERS,
        )
        .text("request_id", &job.request_id.to_string())
        .text("request_initiated", &second(job.asked))
        .text("request_completed", &second(job.due))
        .list("people", &people);
    o.finish()
}

/// `2026-01-08T08:05:49Z`
pub(in crate::apollo) fn second(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Somebody of whom nothing was found has empty lists.
fn told(job: &Job, person: &Somebody, paid: bool) -> String {
    let email = person.email.as_deref();
    let email = email.filter(|_| paid && job.kind.finds_email(person));
    let numbers = if paid && job.kind.finds_number(person) {
        phones::of(&person.id)
    } else {
        Vec::new()
    };
    let locals: Vec<String> = numbers.iter().map(|number| quoted(&number.local)).collect();
    let mut steps = Object::with_capacity(512);
    steps
        .list(
            "emails",
            &step(
                "emails",
                &email.map_or(Vec::new(), |email| vec![quoted(email)]),
            ),
        )
        .list("phone_numbers", &step("phone_numbers", &locals));
    let emails = email.map(|email| told_email(email, person.email_status, job.due));
    let emails: Vec<String> = emails.into_iter().collect();
    let numbers: Vec<String> = numbers.iter().map(told_number).collect();
    let mut o = Object::with_capacity(1024);
    o.text("id", &person.id)
        .raw("waterfall", &steps.finish())
        .list("phone_numbers", &numbers)
        .list("emails", &emails);
    o.finish()
}

/// Which vendor found what, none if nothing was found. The values are JSON already.
fn step(what: &str, found: &[String]) -> Vec<String> {
    if found.is_empty() {
        return Vec::new();
    }
    let mut vendor = Object::with_capacity(256);
    vendor
        .text("id", &format!("{VENDOR}-1"))
        .text("name", VENDOR_NAME)
        .text("status", "VERIFIED")
        .list(what, found)
        .flag("usedForVerification", false)
        .null("statusCode")
        .null("statusMessage")
        .text("authMechanism", "native");
    let mut step = Object::with_capacity(256);
    step.list("vendors", &[vendor.finish()]);
    vec![step.finish()]
}

fn told_email(email: &str, status: Option<&str>, at: DateTime<Utc>) -> String {
    let status = if status == Some("verified") {
        "Verified"
    } else {
        "Unverified"
    };
    let mut o = Object::with_capacity(256);
    o.text("email", email)
        .null("email_source_cd")
        .number("position", 0)
        .text("email_status_cd", status)
        .null("extrapolated_email_confidence")
        .text("third_party_data_provider_id", VENDOR)
        .zulu("waterfall_enriched_at", at)
        .raw("vendor_validation_statuses", "[]");
    o.finish()
}

/// Vendors tell less of a number than Apollo does.
fn told_number(number: &Number) -> String {
    let mut o = Object::with_capacity(256);
    o.text("_id", &number.id)
        .null("confidence_cd")
        .raw("dnc_other_info", "{}")
        .null("dnc_status_cd")
        .null("dnc_status_updated_at")
        .text("raw_number", &number.local)
        .text("sanitized_number", &number.sanitized)
        .text("status_cd", "no_status")
        .null("type_cd")
        .text("id", &number.id)
        .text("key", &number.id);
    o.finish()
}
