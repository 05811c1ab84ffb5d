//! `mixed_companies/*`: searches of Apollo's own companies. A page costs a credit.

use serde_json::Value;

use super::Call;
use super::company_filter::{CompanyFilter, SIZES, any, lies_in};
use super::page::{Page, crumb, cut};
use super::refusal::{Answer, Refusal};
use super::render::account::View;
use crate::json::Object;
use crate::world::Team;
use crate::world::account::Account;
use crate::world::company::Company;
use crate::world::table::Order;

pub(crate) fn search(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let ask = call.page(25)?;
    let filter = Filter::read(call);
    if call.team.credits() == 0 {
        return Err(Refusal::no_credits());
    }
    call.charge("", 1);
    let all = call.team.companies.ordered(Order::Unspecified);
    let table = &mut call.team.companies;
    let found = all.iter().copied();
    let found = found.filter(|&at| table.at(at).is_some_and(|company| filter.keeps(company)));
    let found: Vec<usize> = found.collect();
    let page = cut(table, &found, true, ask, call.distortion);
    let body = body(call.team, &filter.crumbs(), &page);
    Ok(Answer::of(body, page.rows.len()))
}

/// Companies that the team has saved are shown as its accounts, and only there.
fn body(team: &Team, crumbs: &[String], page: &Page) -> String {
    let (mut ids, mut accounts, mut organizations) = (Vec::new(), Vec::new(), Vec::new());
    for row in &page.rows {
        let id = id_of(row);
        match saved(team, &id) {
            Some(account) => accounts.push(account.render(View::Search)),
            None => organizations.push(String::from_utf8_lossy(row).into_owned()),
        }
        ids.push(id);
    }
    let mut o = Object::with_capacity(8192);
    o.list("breadcrumbs", crumbs)
        .splice(concat!(
            r#""partial_results_only":false,"has_join":false,"disable_eu_prospecting":false,"#,
            r#""partial_results_limit":10000"#
        ))
        .raw("pagination", &page.pagination)
        .list("accounts", &accounts)
        .list("organizations", &organizations)
        .texts("model_ids", &ids)
        .splice(r#""num_fetch_result":null,"derived_params":{}"#);
    o.finish()
}

/// Empty for a row that a fault made without one.
fn id_of(row: &[u8]) -> String {
    let row: Value = serde_json::from_slice(row).unwrap_or_default();
    let id = row.get("id").and_then(Value::as_str);
    id.unwrap_or_default().to_owned()
}

fn saved<'t>(team: &'t Team, company_id: &str) -> Option<&'t Account> {
    let domain = team.companies.get(company_id)?.domain.as_deref();
    let mut accounts = team.accounts.listed();
    accounts.find(|account| domain.is_some() && account.domain.as_deref() == domain)
}

/// The supported filters; others are ignored, without a crumb.
#[derive(Debug)]
struct Filter {
    name: Option<String>,
    tags: Option<Vec<String>>,
    locations_not: Option<Vec<String>>,
    company: CompanyFilter,
}

impl Filter {
    fn read(call: &Call<'_>) -> Self {
        Self {
            name: call.params.text("q_organization_name"),
            tags: call.choices("q_organization_keyword_tags"),
            locations_not: call.choices("organization_not_locations"),
            company: CompanyFilter::read(call),
        }
    }

    fn keeps(&self, company: &Company) -> bool {
        let contains = |text: &str, part: &str| text.to_lowercase().contains(&part.to_lowercase());
        let industry = company
            .figures
            .as_ref()
            .map_or("", |figures| figures.industry);
        let mut avoided = self.locations_not.iter().flatten();
        let name = self.name.as_deref();
        name.is_none_or(|part| contains(&company.name, part))
            && any(self.tags.as_ref(), |tag| contains(industry, tag))
            && !avoided.any(|place| lies_in(company.location.as_ref(), place))
            && self.company.keeps(company)
    }

    /// The labels of names, sizes and locations are recorded or documented; the others are guesses.
    fn crumbs(&self) -> Vec<String> {
        let name = self.name.clone().map(|name| vec![name]);
        let sizes = self.company.sizes.as_ref();
        let places = self.company.locations.as_ref();
        let domains = self.company.domains.as_ref();
        let (tags, avoided) = (self.tags.as_ref(), self.locations_not.as_ref());
        let filters = [
            ("Company Name", "q_organization_name", name.as_ref()),
            ("# Employees", SIZES, sizes),
            ("Company Locations", "organization_locations", places),
            ("Company Locations", "organization_not_locations", avoided),
            ("Company Domains", "q_organization_domains_list", domains),
            ("Company Keywords", "q_organization_keyword_tags", tags),
        ];
        let crumbs = filters.into_iter().flat_map(|(label, field, values)| {
            let values = values.into_iter().flatten();
            values.map(move |value| match field {
                SIZES => crumb(label, field, value, &value.replace(',', "-")),
                _ => crumb(label, field, value, value),
            })
        });
        crumbs.collect()
    }
}
