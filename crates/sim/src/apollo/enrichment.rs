//! Enrichment: `people/match` and `organizations/enrich`, which cost credits.

use super::Call;
use super::refusal::{Answer, Refusal};
use crate::json::Object;
use crate::world::company::Company;
use crate::world::contact::Contact;

/// Larger than a double can hold exactly, like Apollo's ids.
const REQUEST_ID: &str = "-5625285838247958000";

/// Finds people by e-mail address; Apollo's other criteria are ignored.
pub(crate) fn match_person(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    if call.team.credits() == 0 {
        return Err(Refusal::no_credits());
    }
    let email = call.params.text("email");
    let found = email.as_deref().and_then(|email| {
        let contact = call.team.person_with(email)?;
        let company = call.team.employer_of(contact);
        Some(person(contact, email, company.as_ref()))
    });
    let rendered = if let Some(person) = found {
        call.team.use_credit();
        person
    } else {
        let id = call.team.mint(call.now);
        stranger(&id, email.as_deref())
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
    if company.is_some() {
        call.team.use_credit();
    }
    Ok(Answer::one(format!(
        r#"{{"organization":{}}}"#,
        company.map_or("null".to_owned(), |company| company.render())
    )))
}

fn person(contact: &Contact, email: &str, company: Option<&Company>) -> String {
    let location = contact.location.as_ref();
    let city = location.and_then(|location| location.city.as_deref());
    let state = location.and_then(|location| location.state.as_deref());
    let country = location.and_then(|location| location.country.as_deref());
    let mut o = Object::with_capacity(2048);
    o.text("id", contact.person_id.as_deref().unwrap_or(&contact.id))
        .maybe("first_name", contact.first_name.as_deref())
        .maybe("last_name", contact.last_name.as_deref())
        .text("name", &contact.name())
        .maybe("linkedin_url", contact.linkedin_url.as_deref())
        .maybe("title", contact.title.as_deref())
        .maybe("email_status", contact.email_status)
        .splice(concat!(
            r#""photo_url":null,"twitter_url":null,"github_url":null,"facebook_url":null,"#,
            r#""extrapolated_email_confidence":null"#
        ))
        .maybe("headline", contact.headline.as_deref())
        .text("email", email)
        .maybe(
            "organization_id",
            company.map(|company| company.id.as_str()),
        )
        .splice(r#""employment_history":[]"#)
        .maybe("state", state)
        .maybe("city", city)
        .maybe("country", country)
        .text("contact_id", &contact.id)
        .flag("revealed_for_current_team", true);
    if let Some(company) = company {
        o.raw("organization", &company.render());
    }
    o.splice(concat!(
        r#""is_likely_to_engage":false,"intent_strength":null,"show_intent":false,"email_domain_catchall":false,"#,
        r#""departments":[],"subdepartments":[],"functions":[],"seniority":null"#
    ));
    o.finish()
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
