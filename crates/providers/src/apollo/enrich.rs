//! What Apollo knows of a person's company, by the person's e-mail address. Each response with a
//! result costs a credit.

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
    async fn enrich(
        &self,
        session: &Session<'_>,
        email: &str,
    ) -> Result<Enrichment, ProviderError> {
        let endpoint = Endpoint::post("api/v1/people/match", json!({ "email": email }));
        let response = self.call(session, endpoint).await?;
        let Some(known) = person_in(&response) else {
            return Ok(Enrichment {
                company: None,
                credits: 0,
            });
        };
        let mut enrichment = Enrichment {
            company: Some(known),
            credits: 1,
        };
        let domain = enrichment.company.as_ref().and_then(|it| it.domain.clone());
        let is_whole = enrichment
            .company
            .as_ref()
            .is_some_and(|company| company.industry.is_some() && company.employee_count.is_some());
        if let Some(domain) = domain.filter(|_| !is_whole) {
            let endpoint = Endpoint::get("api/v1/organizations/enrich").query("domain", &domain);
            // The person has been paid for already, so that result is returned even if this request
            // fails.
            let answer = self.call(session, endpoint).await.ok();
            if let Some(company) = answer.as_ref().and_then(organization_in) {
                enrichment.credits += 1;
                enrichment.company = Some(company);
            }
        }
        Ok(enrichment)
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
    Some(company(&organization))
}

/// Fields that can't be read count as unknown.
fn company(organization: &Fields<'_>) -> Company {
    let text = |name| organization.filled_text(name).ok().flatten();
    Company {
        name: text("name"),
        industry: text("industry"),
        domain: text("primary_domain"),
        annual_revenue: organization.number("annual_revenue").ok().flatten(),
        employee_count: organization.int("estimated_num_employees").ok().flatten(),
    }
}
