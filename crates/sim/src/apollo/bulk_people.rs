//! `people/bulk_match`.

use super::Call;
use super::bulk_enrichment::{MOST, SUCCESS, missing, objects, pay, too_many};
use super::refusal::{Answer, Refusal};
use crate::json::Object;
use crate::world::clues::Clues;
use crate::world::person::Person;

pub(crate) fn match_people(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let fields = call.params.fields();
    let details = objects(fields.get("details"))?;
    if details.is_empty() {
        return Err(missing("details"));
    }
    if details.len() > MOST {
        return Err(too_many("cannot enrich more than 10 in a single request"));
    }
    let people = details.iter().map(Clues::read);
    let people: Vec<Option<Person>> = people.map(|clues| call.team.find_person(&clues)).collect();
    let found: Vec<&Person> = people.iter().flatten().collect();
    // Somebody who was asked for twice is shown twice and paid for once.
    let unique = unique(&found);
    pay(call, &unique)?;
    let none = || "null".to_owned();
    let matches = people.iter().map(Option::as_ref);
    let matches: Vec<String> = matches
        .map(|person| person.map_or_else(none, Person::render))
        .collect();
    let mut o = Object::with_capacity(4096);
    o.splice(SUCCESS)
        .number("total_requested_enrichments", people.len())
        .list("matches", &matches)
        .number("unique_enriched_records", unique.len())
        .number("missing_records", people.len() - found.len())
        .number("credits_consumed", unique.len());
    Ok(Answer::of(o.finish(), found.len()))
}

/// The ids of the people, each once, in the order in which they were asked for.
fn unique<'a>(found: &[&'a Person]) -> Vec<&'a str> {
    let mut unique: Vec<&str> = Vec::with_capacity(found.len());
    for person in found {
        if !unique.contains(&person.id.as_str()) {
            unique.push(&person.id);
        }
    }
    unique
}
