//! Enrichment: `people/match` and `organizations/enrich`, which cost credits.

use super::Call;
use super::late::LateAsk;
use super::refusal::{Answer, Refusal};
use crate::json::Object;
use crate::world::clues::Clues;
use crate::world::person::Person;

/// Larger than a double can hold exactly, like Apollo's ids.
const REQUEST_ID: &str = "-5625285838247958000";

pub(crate) fn match_person(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let late = LateAsk::read(call)?;
    if call.team.credits() == 0 {
        return Err(Refusal::no_credits());
    }
    let clues = Clues::read(&call.params.fields());
    let person = call.team.find_person(&clues);
    let emails_come_later = late.as_ref().is_some_and(LateAsk::takes_emails);
    let rendered = match &person {
        Some(person) if emails_come_later => person.render_without_email(),
        Some(person) => {
            call.charge(&person.id, 1);
            person.render()
        }
        None => {
            let id = call.team.mint(call.now);
            stranger(&id, clues.email.as_deref())
        }
    };
    let mut o = Object::with_capacity(2048);
    o.raw("person", &rendered);
    match late {
        Some(late) => {
            let people: Vec<&Person> = person.iter().collect();
            let missing = usize::from(people.is_empty());
            late.plan(call, &people, missing).write(&mut o);
        }
        None => {
            o.raw("request_id", REQUEST_ID);
        }
    }
    Ok(Answer::one(o.finish()))
}

pub(crate) fn enrich_organization(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let Some(domain) = call.params.text("domain") else {
        return Err(Refusal::invalid("Required parameter 'domain' missing"));
    };
    if call.team.credits() == 0 {
        return Err(Refusal::no_credits());
    }
    let company = call.team.company_at(&domain);
    if let Some(company) = &company {
        call.charge(&company.id, 1);
    }
    Ok(Answer::one(format!(
        r#"{{"organization":{}}}"#,
        company.map_or("null".to_owned(), |company| company.render())
    )))
}

/// The answer for an unknown person: an id and the requested address.
fn stranger(id: &str, email: Option<&str>) -> String {
    let mut o = Object::with_capacity(768);
    o.text("id", id)
        .splice(concat!(
            r#""first_name":null,"last_name":null,"name":"","linkedin_url":null,"title":null,"photo_url":null,"#,
            r#""twitter_url":null,"github_url":null,"facebook_url":null,"extrapolated_email_confidence":null,"#,
            r#""headline":null,"organization_id":null,"employment_history":[]"#
        ))
        .maybe("email", email)
        .splice(concat!(
            r#""email_status":null,"intent_strength":null,"show_intent":false,"email_domain_catchall":false,"#,
            r#""revealed_for_current_team":true,"departments":[],"subdepartments":[],"functions":[],"#,
            r#""seniority":null"#
        ));
    o.finish()
}
