//! `people/bulk_match`.

use super::Call;
use super::bulk_enrichment::{self, MOST, SUCCESS, objects, pay, too_many};
use super::late::LateAsk;
use super::refusal::{Answer, Refusal};
use crate::json::Object;
use crate::world::clues::Clues;
use crate::world::person::Person;

pub(crate) fn match_people(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let fields = call.params.fields();
    let details = objects(fields.get("details"))?;
    if details.is_empty() {
        return Err(bulk_enrichment::missing("details"));
    }
    if details.len() > MOST {
        return Err(too_many("cannot enrich more than 10 in a single request"));
    }
    let late = LateAsk::read(call)?;
    let emails_come_later = late.as_ref().is_some_and(LateAsk::takes_emails);
    let people = details.iter().map(Clues::read);
    let people: Vec<Option<Person>> = people.map(|clues| call.team.find_person(&clues)).collect();
    let found: Vec<&Person> = people.iter().flatten().collect();
    // Somebody who was asked for twice is shown twice and paid for once.
    let unique = unique(&found);
    let ids: Vec<&str> = unique.iter().map(|person| person.id.as_str()).collect();
    pay(call, if emails_come_later { &[] } else { &ids })?;
    let render = if emails_come_later {
        Person::render_without_email
    } else {
        Person::render
    };
    let none = || "null".to_owned();
    let matches = people.iter().map(Option::as_ref);
    let matches: Vec<String> = matches
        .map(|person| person.map_or_else(none, render))
        .collect();
    let missing = people.len() - found.len();
    let mut o = Object::with_capacity(4096);
    o.splice(SUCCESS)
        .number("total_requested_enrichments", people.len())
        .list("matches", &matches);
    // A waterfall's costs are not known yet.
    if !late.as_ref().is_some_and(LateAsk::is_waterfall) {
        o.number("unique_enriched_records", unique.len())
            .number("missing_records", missing)
            .number("credits_consumed", unique.len());
    }
    if let Some(late) = late {
        late.plan(call, &unique, missing).write(&mut o);
    }
    Ok(Answer::of(o.finish(), found.len()))
}

/// The people, each once, in the order in which they were asked for.
fn unique<'a>(found: &[&'a Person]) -> Vec<&'a Person> {
    let mut unique: Vec<&Person> = Vec::with_capacity(found.len());
    for person in found {
        if unique.iter().all(|other| other.id != person.id) {
            unique.push(person);
        }
    }
    unique
}
