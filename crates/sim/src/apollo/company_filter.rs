//! The filters that searches for companies and for their people have in common.

use serde_json::Value;

use super::Call;
use crate::world::company::Company;
use crate::world::location::Location;

/// Ranges of the number of employees: `250,1000`.
pub(super) const SIZES: &str = "organization_num_employees_ranges";

#[derive(Debug)]
pub(super) struct CompanyFilter {
    pub(super) locations: Option<Vec<String>>,
    pub(super) sizes: Option<Vec<String>>,
    pub(super) domains: Option<Vec<String>>,
    ids: Option<Vec<String>>,
    least_revenue: Option<u64>,
    most_revenue: Option<u64>,
}

impl CompanyFilter {
    pub(super) fn read(call: &Call<'_>) -> Self {
        let fields = call.params.fields();
        Self {
            locations: call.choices("organization_locations"),
            sizes: call.choices(SIZES),
            domains: call.choices("q_organization_domains_list"),
            ids: call.choices("organization_ids"),
            least_revenue: bound(&fields, "min"),
            most_revenue: bound(&fields, "max"),
        }
    }

    pub(super) fn keeps(&self, company: &Company) -> bool {
        let domain = company.domain.as_deref().unwrap_or_default();
        let figures = company.figures.as_ref();
        let employees = figures.map(|figures| figures.employees);
        let revenue = figures.map(|figures| figures.revenue);
        any(self.locations.as_ref(), |place| {
            lies_in(company.location.as_ref(), place)
        }) && any(self.sizes.as_ref(), |range| {
            employees.is_some_and(|n| is_in(range, n))
        }) && any(self.domains.as_ref(), |wanted| {
            wanted.eq_ignore_ascii_case(domain)
        }) && any(self.ids.as_ref(), |id| *id == company.id)
            && self
                .least_revenue
                .is_none_or(|least| revenue >= Some(least))
            && self
                .most_revenue
                .is_none_or(|most| revenue.is_some_and(|revenue| revenue <= most))
    }
}

impl Call<'_> {
    /// The values of a filter, of which a record needs one.
    pub(super) fn choices(&self, name: &str) -> Option<Vec<String>> {
        self.params.list(name).filter(|values| !values.is_empty())
    }
}

/// Whether there is no filter, or one of its values fits.
pub(super) fn any(choices: Option<&Vec<String>>, fits: impl Fn(&String) -> bool) -> bool {
    choices.is_none_or(|choices| choices.iter().any(fits))
}

/// Whether a location is in a city, state or country, or in several: `Berlin, Germany`.
pub(super) fn lies_in(location: Option<&Location>, place: &str) -> bool {
    let Some(location) = location else {
        return false;
    };
    let parts = [&location.city, &location.state, &location.country];
    place.split(',').map(str::trim).all(|wanted| {
        let mut parts = parts.into_iter().flatten();
        parts.any(|part| part.to_lowercase() == wanted.to_lowercase())
    })
}

/// Whether a number is in a range.
fn is_in(range: &str, number: u64) -> bool {
    let ends = range.split_once(',');
    let ends = ends.map(|(low, high)| (low.trim().parse(), high.trim().parse()));
    matches!(ends, Some((Ok(low), Ok(high))) if (low..=high).contains(&number))
}

/// One end of `revenue_range`, which is an object in a body and two parameters in a query.
fn bound(fields: &Value, end: &str) -> Option<u64> {
    let inner = fields.get("revenue_range").and_then(|range| range.get(end));
    let value = inner.or(fields.get(format!("revenue_range[{end}]")))?;
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}
