//! Enrichment: `people/match` and `organizations/enrich`, which cost credits.

use super::Call;
use super::refusal::{Answer, Refusal};
use crate::json::Object;
use crate::world::clues::Clues;

/// Larger than a double can hold exactly, like Apollo's ids.
const REQUEST_ID: &str = "-5625285838247958000";

pub(crate) fn match_person(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    if call.team.credits() == 0 {
        return Err(Refusal::no_credits());
    }
    let clues = Clues::read(&call.params.fields());
    let rendered = if let Some(person) = call.team.find_person(&clues) {
        call.charge(&person.id, 1);
        person.render()
    } else {
        let id = call.team.mint(call.now);
        stranger(&id, clues.email.as_deref())
    };
    let mut o = Object::with_capacity(2048);
    o.raw("person", &rendered).raw("request_id", REQUEST_ID);
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
