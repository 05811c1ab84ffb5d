//! Phone numbers that Apollo knows itself, all of them invented, and the callback that brings them.

use chrono::{DateTime, Utc};
use sha2::{Digest as _, Sha256};

use super::job::{Job, Kind, PRICE_OF_NUMBERS, Somebody};
use crate::json::Object;

const AREAS: [&str; 8] = ["212", "303", "312", "415", "512", "617", "702", "808"];

/// A phone number of the range that is kept for fiction.
#[derive(Debug)]
pub(super) struct Number {
    pub(super) id: String,
    /// `415-555-0117`
    pub(super) local: String,
    /// `+14155550117`
    pub(super) sanitized: String,
}

/// A person's numbers, always the same: a quarter of all people have none, a quarter have two.
pub(super) fn of(person_id: &str) -> Vec<Number> {
    let digest: [u8; 32] = Sha256::digest(person_id.as_bytes()).into();
    let count = match digest[0] % 4 {
        0 => 0,
        1 => 2,
        _ => 1,
    };
    let numbers = (0..count).map(|position: u8| {
        let area = AREAS[usize::from(digest[1]) % AREAS.len()];
        let line = (digest[2] % 50) + 50 * position;
        let id = digest.iter().skip(3).take(8);
        let id = id.fold(0_u64, |id, byte| id << 8 | u64::from(*byte));
        Number {
            id: format!("{id:016x}{position:08x}"),
            local: format!("{area}-555-01{line:02}"),
            sanitized: format!("+1{area}55501{line:02}"),
        }
    });
    numbers.collect()
}

pub(super) fn body(job: &Job, paid: bool) -> String {
    let found = job.count(paid, |person| Kind::Phones.finds_number(person));
    let all = u64::try_from(job.people.len()).unwrap_or(0);
    let people = job.people.iter().map(|person| told(person, paid, job.due));
    let people: Vec<String> = people.collect();
    let mut o = Object::with_capacity(4096);
    o.text("status", "success")
        .number("total_requested_enrichments", all)
        .number("unique_enriched_records", found)
        .number("missing_records", all - found)
        .number("credits_consumed", found * PRICE_OF_NUMBERS)
        .list("people", &people);
    o.finish()
}

/// Somebody without a number has an empty list.
fn told(person: &Somebody, paid: bool, at: DateTime<Utc>) -> String {
    let numbers = if paid { of(&person.id) } else { Vec::new() };
    let numbers = numbers.iter().enumerate();
    let numbers: Vec<String> = numbers
        .map(|(position, number)| number.render(position, at))
        .collect();
    let mut o = Object::with_capacity(1024);
    o.text("id", &person.id)
        .text("status", "success")
        .list("phone_numbers", &numbers);
    o.finish()
}

impl Number {
    fn render(&self, position: usize, at: DateTime<Utc>) -> String {
        let kind = if position == 0 { "mobile" } else { "other" };
        let mut o = Object::with_capacity(512);
        o.text("_id", &self.id)
            .text("confidence_cd", "high")
            .null("created_at")
            .text("direct_dial_source_cd", "contact_trusted")
            .raw("dnc_other_info", r#"{"country":"United States"}"#)
            .text("dnc_status_cd", "not_found")
            .offset("dnc_status_updated_at", Some(at))
            .number("position", position)
            .text("raw_number", &format!("+1 {}", self.local))
            .text("sanitized_number", &self.sanitized)
            .text("status_cd", "valid_number")
            .text("type_cd", kind)
            .null("updated_at")
            .text("id", &self.id)
            .text("key", &self.id);
        o.finish()
    }
}
