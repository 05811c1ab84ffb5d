//! What a caller of enrichment knows of a person, and whom it fits.

use serde_json::Value;

use super::contact::{Contact, joined};
use super::contact_fields::text;

#[derive(Debug, Default)]
pub(crate) struct Clues {
    pub(crate) email: Option<String>,
    id: Option<String>,
    linkedin_url: Option<String>,
    name: Option<String>,
    domain: Option<String>,
    company: Option<String>,
}

/// What tells one person from others.
#[derive(Debug)]
pub(super) struct Traits<'a> {
    pub(super) ids: [Option<&'a str>; 2],
    pub(super) linkedin_url: Option<&'a str>,
    pub(super) names: [Option<&'a str>; 2],
    pub(super) company: Option<&'a str>,
    /// The employer's; otherwise those of the addresses count.
    pub(super) domain: Option<&'a str>,
    pub(super) addresses: Vec<&'a str>,
}

impl Clues {
    /// Somebody of whom only the address is known.
    pub(super) fn of_address(email: &str) -> Self {
        Self {
            email: Some(email.to_owned()),
            ..Self::default()
        }
    }

    /// Reads the parameters of Apollo's enrichment of people.
    pub(crate) fn read(fields: &Value) -> Self {
        let given = |name: &str| fields.get(name).and_then(text);
        let parts = (given("first_name"), given("last_name"));
        let name = joined(parts.0.as_deref(), parts.1.as_deref());
        Self {
            email: given("email"),
            id: given("id"),
            linkedin_url: given("linkedin_url"),
            name: given("name").or(Some(name)).filter(|name| !name.is_empty()),
            domain: given("domain"),
            company: given("organization_name"),
        }
    }

    /// One of these is among the keys of everybody whom the clues fit.
    pub(super) fn keys(&self) -> Vec<String> {
        let id = self.id.as_deref().map(id_key);
        let email = self.email.as_deref().map(email_key);
        let url = self.linkedin_url.as_deref().map(profile_key);
        let name = self.name.as_deref().map(name_key);
        [id, email, url, name].into_iter().flatten().collect()
    }

    /// Whether one of the clues tells that it is this person. A name does so only together with the
    /// employer.
    pub(super) fn fit(&self, person: &Traits<'_>) -> bool {
        let id = self.id.as_deref();
        let email = self.email.as_deref();
        let mut addresses = person.addresses.iter();
        let profiles = [self.linkedin_url.as_deref(), person.linkedin_url];
        let [asked, own] = profiles.map(|url| url.map(profile));
        (id.is_some() && person.ids.contains(&id))
            || addresses.any(|address| same(email, Some(address)))
            || same(asked, own)
            || (self.name_fits(person) && self.employer_fits(person))
    }

    fn name_fits(&self, person: &Traits<'_>) -> bool {
        let name = self.name.as_deref();
        let [first, last] = person.names;
        name.is_some() && same(name, Some(&joined(first, last)))
    }

    fn employer_fits(&self, person: &Traits<'_>) -> bool {
        let addresses = person.addresses.iter();
        let domains = addresses.filter_map(|address| Some(address.split_once('@')?.1));
        let mut domains = domains.chain(person.domain);
        same(self.company.as_deref(), person.company)
            || domains.any(|domain| same(self.domain.as_deref(), Some(domain)))
    }
}

impl<'a> Traits<'a> {
    pub(super) fn of(contact: &'a Contact) -> Self {
        let emails = contact.emails.iter();
        Self {
            ids: [Some(contact.id.as_str()), contact.person_id.as_deref()],
            linkedin_url: contact.linkedin_url.as_deref(),
            names: [contact.first_name.as_deref(), contact.last_name.as_deref()],
            company: contact.organization_name.as_deref(),
            domain: None,
            addresses: emails.map(|email| email.address.as_str()).collect(),
        }
    }

    /// What the person can be looked up by.
    pub(super) fn keys(&self) -> Vec<String> {
        let [first, last] = self.names;
        let ids = self.ids.iter().flatten().map(|id| id_key(id));
        let emails = self.addresses.iter().map(|address| email_key(address));
        let url = self.linkedin_url.map(profile_key);
        let more = [url, Some(name_key(&joined(first, last)))];
        ids.chain(emails)
            .chain(more.into_iter().flatten())
            .collect()
    }
}

fn id_key(id: &str) -> String {
    format!("id {id}")
}

fn email_key(address: &str) -> String {
    format!("email {}", address.to_ascii_lowercase())
}

fn profile_key(url: &str) -> String {
    format!("profile {}", profile(url).to_ascii_lowercase())
}

fn name_key(name: &str) -> String {
    format!("name {}", name.to_ascii_lowercase())
}

fn same(wanted: Option<&str>, had: Option<&str>) -> bool {
    wanted
        .zip(had)
        .is_some_and(|(wanted, had)| wanted.eq_ignore_ascii_case(had))
}

/// The part of a profile's address that names the person.
fn profile(url: &str) -> &str {
    let path = url.trim_end_matches('/');
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}
