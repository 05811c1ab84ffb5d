//! `organizations/bulk_enrich`.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Call;
use super::bulk_enrichment::{MOST, SUCCESS, missing, objects, pay, too_many};
use super::refusal::{Answer, Refusal};
use crate::json::Object;
use crate::world::Team;
use crate::world::company::Company;

pub(crate) fn enrich_organizations(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let fields = call.params.fields();
    let details = objects(fields.get("details"))?;
    let domains = call.params.list("domains").unwrap_or_default();
    let by_domain = details.is_empty();
    let sought: Vec<Sought> = if by_domain {
        domains.iter().map(|domain| Sought::at(domain)).collect()
    } else {
        details.iter().map(Sought::read).collect()
    };
    if sought.is_empty() {
        return Err(missing("domains"));
    }
    if sought.len() > MOST {
        return Err(too_many("domain count cannot be more than 10"));
    }
    let found = found(call.team, &sought);
    let ids: Vec<&str> = found.iter().map(|company| company.id.as_str()).collect();
    pay(call, &ids)?;
    Ok(Answer::of(body(&sought, by_domain, &found), found.len()))
}

fn body(sought: &[Sought], by_domain: bool, found: &[Company]) -> String {
    let unique = sought.iter().collect::<BTreeSet<_>>().len();
    let mut o = Object::with_capacity(4096);
    o.splice(SUCCESS);
    // The counts of what was not asked for are null.
    for (name, count, is_told) in [
        ("total_requested_records", sought.len(), !by_domain),
        ("total_requested_domains", sought.len(), by_domain),
        ("unique_domains", unique, by_domain),
        ("unique_records", unique, !by_domain),
    ] {
        if is_told {
            o.number(name, count);
        } else {
            o.null(name);
        }
    }
    let organizations: Vec<String> = found.iter().map(Company::render).collect();
    o.number("unique_enriched_records", found.len())
        .number("missing_records", unique.saturating_sub(found.len()))
        .list("organizations", &organizations);
    o.finish()
}

/// What is known of a company to be found, in lower case.
#[derive(Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Sought {
    domain: Option<String>,
    name: Option<String>,
}

impl Sought {
    fn at(domain: &str) -> Self {
        Self {
            domain: Some(domain.to_lowercase()),
            name: None,
        }
    }

    /// Profiles are ignored: no company has one.
    fn read(details: &Value) -> Self {
        let text = |name: &str| Some(details.get(name)?.as_str()?.to_lowercase());
        let website = text("website");
        let host = website.as_deref().map(host);
        Self {
            domain: text("domain").or(host.map(str::to_owned)),
            name: text("name"),
        }
    }

    fn find(&self, team: &Team) -> Option<Company> {
        let by_domain = self.domain.as_deref();
        let by_domain = by_domain.and_then(|domain| team.company_at(domain));
        by_domain.or_else(|| team.company_named(self.name.as_deref()?))
    }
}

/// `apollo.io` of `http://www.apollo.io/about`.
fn host(website: &str) -> &str {
    let rest = website.split_once("//").map_or(website, |(_, rest)| rest);
    let host = rest.split('/').next().unwrap_or_default();
    host.strip_prefix("www.").unwrap_or(host)
}

/// The companies that are found, each once, in the order in which they were asked for.
fn found(team: &Team, sought: &[Sought]) -> Vec<Company> {
    let mut found: Vec<Company> = Vec::new();
    for company in sought.iter().filter_map(|sought| sought.find(team)) {
        if found.iter().all(|other| other.id != company.id) {
            found.push(company);
        }
    }
    found
}
