//! What Apollo knows of a company, by its domain or by a person's e-mail address. Each response with
//! a result costs a credit.

use async_trait::async_trait;
use serde_json::json;
use syncline_model::live::Company;

use super::{Apollo, api::Endpoint};
use crate::{
    capabilities::{Enrichment, Enrichments},
    error::ProviderError,
    http::Response,
    json::{self, Fields},
    session::Session,
};

#[async_trait]
impl Enrichments for Apollo {
    /// Looks up the person first, who may be unknown; then the company by its domain, since the
    /// person's entry often has only its name.
    async fn enrich_person(
        &self,
        session: &Session<'_>,
        email: &str,
    ) -> Result<Enrichment, ProviderError> {
        let endpoint = Endpoint::post("api/v1/people/match", json!({ "email": email }));
        let response = self.call(session, endpoint).await?;
        let Some(known) = person_in(&response) else {
            return Ok(Enrichment::NONE);
        };
        let is_whole = known.industry.is_some() && known.employee_count.is_some();
        let domain = known.domain.clone().filter(|_| !is_whole);
        let mut enrichment = Enrichment::of(known);
        if let Some(domain) = domain {
            // The person has been paid for already, so that result is returned even if this request
            // fails.
            let answer = self.enrich_organization(session, &domain).await;
            if let Ok(Enrichment {
                company: Some(company),
                credits,
            }) = answer
            {
                enrichment.company = Some(company);
                enrichment.credits += credits;
            }
        }
        Ok(enrichment)
    }

    async fn enrich_organization(
        &self,
        session: &Session<'_>,
        domain: &str,
    ) -> Result<Enrichment, ProviderError> {
        let endpoint = Endpoint::get("api/v1/organizations/enrich").query("domain", &domain);
        let response = self.call(session, endpoint).await?;
        Ok(organization_in(&response).map_or(Enrichment::NONE, Enrichment::of))
    }
}

impl Enrichment {
    const NONE: Self = Self {
        company: None,
        credits: 0,
    };

    fn of(company: Company) -> Self {
        Self {
            company: Some(company),
            credits: 1,
        }
    }
}

/// For an unknown address Apollo returns a person with nothing but that address.
fn person_in(response: &Response) -> Option<Company> {
    let text = json::clean(&response.body);
    let answer = Fields::parse(&text)?;
    let person = answer.object("person").ok()??;
    person.filled_text("id").ok()??;
    let name = person.filled_text("name").ok()?;
    let company = match person.object("organization").ok()? {
        Some(organization) => company(&organization),
        None => Company::default(),
    };
    (name.is_some() || company != Company::default()).then_some(company)
}

fn organization_in(response: &Response) -> Option<Company> {
    let text = json::clean(&response.body);
    let answer = Fields::parse(&text)?;
    let organization = answer.object("organization").ok()??;
    let company = company(&organization);
    (company != Company::default()).then_some(company)
}

/// Fields that can't be read count as unknown.
pub(super) fn company(organization: &Fields<'_>) -> Company {
    let text = |name| organization.filled_text(name).ok().flatten();
    Company {
        name: text("name"),
        industry: text("industry"),
        domain: text("primary_domain"),
        annual_revenue: organization.number("annual_revenue").ok().flatten(),
        employee_count: organization.int("estimated_num_employees").ok().flatten(),
    }
}
