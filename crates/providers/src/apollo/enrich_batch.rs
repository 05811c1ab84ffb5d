//! Apollo's bulk enrichment: up to ten people or companies in a request, and what it sends to a
//! callback later.
//!
//! Credits are as Apollo documents them: one for a person or a company that it finds, eight more for a
//! mobile number, which it takes when it sends the number. They can be fractional, so they are rounded
//! up. With a waterfall the answer doesn't say what it costs; the callback does.

use async_trait::async_trait;
use serde_json::{Value, json, value::RawValue};
use syncline_model::{
    PhoneNumber,
    enrichment::{Enriched, EnrichedPerson, Kind, LateAnswer, LateEmail, LatePerson, MatchOptions},
    live::Company,
    spelling::bare_host,
};

use super::{
    Apollo,
    api::{Endpoint, unreadable},
    enrich::company,
    usage,
};
use crate::{
    enrichment::{Batch, BatchEnrichments, ComesLater, Match, MatchAnswer, MostCredits},
    error::ProviderError,
    http::Response,
    json::{self, Fields},
    session::Session,
};

/// Apollo refuses more in one request.
const MOST_LEADS: usize = 10;

const FOR_A_MATCH: i64 = 1;
const FOR_AN_EMAIL: i64 = 1;
const FOR_A_NUMBER: i64 = 8;

/// The most people that a callback may tell of: as many as were asked for.
const MOST_LATE: usize = MOST_LEADS;

#[async_trait]
impl BatchEnrichments for Apollo {
    fn batch_size(&self) -> usize {
        MOST_LEADS
    }

    fn endpoint(&self, kind: Kind) -> &'static str {
        match kind {
            Kind::People => "people/bulk_match",
            Kind::Companies => "organizations/bulk_enrich",
        }
    }

    fn most_credits(&self, kind: Kind, options: &MatchOptions) -> MostCredits {
        let phones = options.reveal_phone_number || options.run_waterfall_phone;
        let late = match kind {
            Kind::Companies => 0,
            Kind::People => {
                i64::from(phones) * FOR_A_NUMBER
                    + i64::from(options.run_waterfall_email) * FOR_AN_EMAIL
            }
        };
        MostCredits {
            at_once: FOR_A_MATCH,
            late,
        }
    }

    async fn match_batch(
        &self,
        session: &Session<'_>,
        batch: &Batch<'_>,
    ) -> Result<MatchAnswer, ProviderError> {
        let response = self.call(session, request(batch)).await?;
        answer_in(&response, batch).map_err(|reason| {
            unreadable(&response, &reason)
                .with_usage(usage::usage_of(&response))
                .without_secret(session.credentials().sent_secret())
        })
    }

    fn late_answer(&self, body: &[u8]) -> Result<LateAnswer, String> {
        let text = json::clean(body);
        let answer = Fields::parse(&text).ok_or("the body must be a JSON object")?;
        let people = answer.list("people").map_err(|error| error.to_string())?;
        if people.len() > MOST_LATE {
            return Err(format!("people must have at most {MOST_LATE} entries"));
        }
        let people = people.into_iter().map(late_person);
        Ok(LateAnswer {
            people: people.collect::<Result<_, _>>()?,
            credits: credits_in(&answer),
        })
    }
}

fn request(batch: &Batch<'_>) -> Endpoint {
    match batch.kind {
        Kind::Companies => {
            let domains = batch.leads.iter().map(|lead| lead.domain.as_deref());
            let domains: Vec<&str> = domains.map(Option::unwrap_or_default).collect();
            Endpoint::post(
                "api/v1/organizations/bulk_enrich",
                json!({"domains": domains}),
            )
        }
        Kind::People => {
            let options = batch.options;
            let mut body = json!({"details": batch.leads});
            for (name, is_on) in [
                ("reveal_personal_emails", options.reveal_personal_emails),
                ("reveal_phone_number", options.reveal_phone_number),
                ("run_waterfall_email", options.run_waterfall_email),
                ("run_waterfall_phone", options.run_waterfall_phone),
            ] {
                if is_on {
                    body[name] = Value::Bool(true);
                }
            }
            if let Some(url) = batch.callback_url {
                body["webhook_url"] = url.into();
            }
            Endpoint::post("api/v1/people/bulk_match", body)
        }
    }
}

/// The answer is refused as a whole if it can't be said which match belongs to which lead.
fn answer_in(response: &Response, batch: &Batch<'_>) -> Result<MatchAnswer, String> {
    let text = json::clean(&response.body);
    let answer = Fields::parse(&text).ok_or("the answer is not an object")?;
    let list = match batch.kind {
        Kind::People => "matches",
        Kind::Companies => "organizations",
    };
    let matches = answer.list(list).map_err(|error| error.to_string())?;
    let matches: Vec<Option<Match>> = matches
        .into_iter()
        .map(|raw| match batch.kind {
            Kind::People => person(raw),
            Kind::Companies => organization(raw),
        })
        .collect();
    let matches = match batch.kind {
        Kind::People => matches,
        Kind::Companies => by_domain(matches, batch),
    };
    if matches.len() != batch.leads.len() {
        return Err(format!(
            "{list} has {} entries for {} that were asked for",
            matches.len(),
            batch.leads.len()
        ));
    }
    let found = matches.iter().flatten().count();
    let has_waterfall = answer.raw("waterfall").is_some();
    // A waterfall of addresses leaves the address to the callback, and its price too.
    let is_told_later = has_waterfall && batch.options.run_waterfall_email;
    let for_matches = || i64::try_from(found).unwrap_or(i64::MAX) * FOR_A_MATCH;
    let credits = match credits_in(&answer) {
        None if is_told_later => None,
        told => Some(told.unwrap_or_else(for_matches)),
    };
    let status_of = |name| {
        let part = answer.object(name).ok().flatten();
        part.and_then(|part| part.filled_text("status").ok().flatten())
    };
    let statuses = [status_of("waterfall"), status_of("phone_enrichment")];
    let has = |wanted: &str| statuses.iter().flatten().any(|status| status == wanted);
    let comes_later = if found == 0 {
        ComesLater::Nothing
    } else if has("accepted") || has("pending") {
        ComesLater::ToCallback
    } else if has("skipped") {
        ComesLater::ToOthers
    } else {
        ComesLater::Nothing
    };
    Ok(MatchAnswer {
        comes_later,
        matches,
        credits,
        usage: usage::usage_of(response),
    })
}

/// Companies in the order of the leads: Apollo leaves out those that it doesn't know. Each is found by
/// a domain of its; those that were asked for by another one follow in their order, if all are there.
fn by_domain(companies: Vec<Option<Match>>, batch: &Batch<'_>) -> Vec<Option<Match>> {
    let mut rest: Vec<Match> = companies.into_iter().flatten().collect();
    let mut found: Vec<Option<Match>> = batch
        .leads
        .iter()
        .map(|lead| {
            let asked = lead.domain.as_deref()?;
            let at = rest.iter().position(|it| has_domain(it, asked))?;
            Some(rest.remove(at))
        })
        .collect();
    let gaps = found.iter().filter(|it| it.is_none()).count();
    if rest.len() == gaps {
        let mut rest = rest.into_iter();
        for gap in found.iter_mut().filter(|it| it.is_none()) {
            *gap = rest.next();
        }
    }
    found
}

fn has_domain(company: &Match, asked: &str) -> bool {
    let Some(fields) = Fields::of(&company.raw_data) else {
        return false;
    };
    let hosts = ["primary_domain", "website_url"].into_iter();
    let mut hosts = hosts.filter_map(|name| fields.filled_text(name).ok().flatten());
    hosts.any(|host| bare_host(&host) == asked)
}

/// `None` for nobody: null, or an entry without an id or without anything that was not asked.
fn person(raw: &RawValue) -> Option<Match> {
    let fields = Fields::of(raw)?;
    let text = |name| fields.filled_text(name).ok().flatten();
    let id = text("id")?;
    let employer = fields.object("organization").ok().flatten();
    let employer = employer
        .map(|it| company(&it))
        .filter(|it| *it != Company::default());
    let person = EnrichedPerson {
        id: Some(id.clone()),
        first_name: text("first_name"),
        last_name: text("last_name"),
        name: text("name"),
        title: text("title"),
        headline: text("headline"),
        seniority: text("seniority"),
        email: text("email"),
        email_status: text("email_status"),
        personal_emails: texts(&fields, "personal_emails"),
        phone_numbers: phone_numbers(&fields),
        linkedin_url: text("linkedin_url"),
        city: text("city"),
        state: text("state"),
        country: text("country"),
        company: employer,
    };
    if person.name.is_none() && person.company.is_none() {
        return None;
    }
    Some(Match {
        id: Some(id),
        enriched: Enriched::Person(Box::new(person)),
        raw_data: raw.to_owned(),
    })
}

fn organization(raw: &RawValue) -> Option<Match> {
    let fields = Fields::of(raw)?;
    let company = company(&fields);
    if company == Company::default() {
        return None;
    }
    Some(Match {
        id: fields.filled_text("id").ok().flatten(),
        enriched: Enriched::Company(company),
        raw_data: raw.to_owned(),
    })
}

fn late_person(raw: &RawValue) -> Result<LatePerson, String> {
    let fields = Fields::of(raw).ok_or("an entry of people is not an object")?;
    let id = fields.id("id").map_err(|error| error.to_string())?;
    let emails = fields.list("emails").unwrap_or_default();
    let email = emails.into_iter().find_map(|raw| {
        let email = Fields::of(raw)?;
        Some(LateEmail {
            address: email.filled_text("email").ok()??,
            status: email.filled_text("email_status_cd").ok().flatten(),
        })
    });
    Ok(LatePerson {
        id,
        phone_numbers: phone_numbers(&fields),
        email,
    })
}

/// What is longer is no phone number, in bytes.
const LONGEST_NUMBER: usize = 200;
/// The most numbers that are read of a person.
const MOST_NUMBERS: usize = 100;
/// The most credits that an answer is believed to have cost: a hundred times what a batch can cost.
const MOST_CREDITS: f64 = 10_000.0;

fn phone_numbers(person: &Fields<'_>) -> Vec<PhoneNumber> {
    let numbers = person.list("phone_numbers").unwrap_or_default();
    let number = |raw| {
        let fields = Fields::of(raw)?;
        let text = |name| {
            let text: Option<String> = fields.filled_text(name).ok().flatten();
            text.filter(|text| text.len() <= LONGEST_NUMBER)
        };
        let phone_number = text("sanitized_number").or_else(|| text("raw_number"))?;
        Some(PhoneNumber {
            phone_number: Some(phone_number),
            phone_number_type: text("type_cd").or_else(|| text("type")),
        })
    };
    let numbers = numbers.into_iter().filter_map(number);
    numbers.take(MOST_NUMBERS).collect()
}

fn texts(fields: &Fields<'_>, name: &str) -> Vec<String> {
    let list = fields.list(name).unwrap_or_default().into_iter();
    list.filter_map(|raw| json::string(raw).map(Into::into))
        .collect()
}

/// Rounded up: a part of a credit is counted as a whole one, so that no ceiling is exceeded.
fn credits_in(answer: &Fields<'_>) -> Option<i64> {
    let number = answer.number("credits_consumed").ok()??;
    let credits = number.as_f64().filter(|it| it.is_finite() && *it >= 0.0)?;
    #[expect(clippy::cast_possible_truncation, reason = "it is bounded")]
    Some(credits.ceil().min(MOST_CREDITS) as i64)
}

#[cfg(test)]
#[path = "enrich_batch_tests.rs"]
mod tests;
