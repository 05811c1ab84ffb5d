//! `mixed_people/*`: searches of Apollo's own people. They cost no credits and tell no addresses.

use super::Call;
use super::company_filter::{CompanyFilter, any, lies_in};
use super::page::{around, cut};
use super::refusal::{Answer, Refusal};
use crate::world::person::Person;
use crate::world::table::Order;

pub(crate) fn api_search(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let ask = call.page(25)?;
    let filter = Filter::read(call);
    let all = call.team.people.ordered(Order::Unspecified);
    let table = &mut call.team.people;
    let found = all.iter().copied();
    let found = found.filter(|&at| table.at(at).is_some_and(|person| filter.keeps(person)));
    let found: Vec<usize> = found.collect();
    let page = cut(table, &found, true, ask, call.distortion);
    let entries = match page.entries.as_str() {
        "" => String::new(),
        entries => format!(r#""total_entries":{entries},"#),
    };
    let before = format!(r#"{{{entries}"people":["#);
    Ok(around(&before, &page.rows, "]}"))
}

/// The supported filters; others are ignored.
#[derive(Debug)]
struct Filter {
    keywords: Option<String>,
    titles: Option<Vec<String>>,
    strict_titles: bool,
    seniorities: Option<Vec<String>>,
    locations: Option<Vec<String>>,
    email_statuses: Option<Vec<String>>,
    company: CompanyFilter,
}

impl Filter {
    fn read(call: &Call<'_>) -> Self {
        let similar = call.params.text("include_similar_titles");
        Self {
            keywords: call.params.text("q_keywords"),
            titles: call.choices("person_titles"),
            strict_titles: similar.as_deref() == Some("false"),
            seniorities: call.choices("person_seniorities"),
            locations: call.choices("person_locations"),
            email_statuses: call.choices("contact_email_status"),
            company: CompanyFilter::read(call),
        }
    }

    fn keeps(&self, person: &Person) -> bool {
        let location = person.location.as_ref();
        let company = person.company.as_ref();
        let keywords = self.keywords.as_deref();
        any(self.titles.as_ref(), |wanted| {
            self.title_fits(person, wanted)
        }) && any(self.seniorities.as_ref(), |rank| {
            person.seniority == Some(rank)
        }) && any(self.locations.as_ref(), |place| lies_in(location, place))
            && any(self.email_statuses.as_ref(), |status| {
                person.email_status == Some(status)
            })
            && company.is_some_and(|company| self.company.keeps(company))
            && keywords.is_none_or(|keywords| says(person, keywords))
    }

    /// `marketing manager` also finds a content marketing manager, unless it is to be strict.
    fn title_fits(&self, person: &Person, wanted: &str) -> bool {
        let title = person.title.as_deref().unwrap_or_default().to_lowercase();
        let wanted = wanted.to_lowercase();
        if self.strict_titles {
            return title == wanted;
        }
        let mut wanted = wanted.split_whitespace();
        wanted.all(|word| title.split_whitespace().any(|part| part == word))
    }
}

/// Whether every keyword is in the person's name, title or company.
fn says(person: &Person, keywords: &str) -> bool {
    let company = person.company.as_ref().map_or("", |company| &company.name);
    let title = person.title.as_deref().unwrap_or_default();
    let text = format!("{} {title} {company}", person.name()).to_lowercase();
    let keywords = keywords.to_lowercase();
    keywords.split_whitespace().all(|word| text.contains(word))
}
