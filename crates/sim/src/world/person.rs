//! A person as Apollo's database knows them.

use chrono::{DateTime, Utc};

use super::Team;
use super::clues::{Clues, Traits};
use super::company::Company;
use super::contact::{Contact, joined};
use super::location::Location;
use super::table::{Order, Row};

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Person {
    pub(crate) id: String,
    pub(crate) first_name: Option<String>,
    pub(crate) last_name: Option<String>,
    pub(crate) title: Option<String>,
    pub(crate) headline: Option<String>,
    pub(crate) linkedin_url: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) email_status: Option<&'static str>,
    pub(crate) location: Option<Location>,
    /// `c_suite`, `vp` or another of Apollo's ranks.
    pub(crate) seniority: Option<&'static str>,
    pub(crate) company: Option<Company>,
    /// The contact that the team has of this person.
    pub(crate) contact_id: Option<String>,
    pub(crate) has_direct_phone: bool,
    pub(crate) refreshed_at: Option<DateTime<Utc>>,
}

impl Person {
    /// Empty if both parts are missing.
    pub(crate) fn name(&self) -> String {
        joined(self.first_name.as_deref(), self.last_name.as_deref())
    }

    fn traits(&self) -> Traits<'_> {
        let company = self.company.as_ref();
        Traits {
            ids: [Some(self.id.as_str()), None],
            linkedin_url: self.linkedin_url.as_deref(),
            names: [self.first_name.as_deref(), self.last_name.as_deref()],
            company: company.map(|company| company.name.as_str()),
            domain: company.and_then(|company| company.domain.as_deref()),
            addresses: self.email.as_deref().into_iter().collect(),
        }
    }

    fn of(contact: &Contact, email: Option<&str>, company: Option<Company>) -> Self {
        Self {
            id: contact.person_id.as_ref().unwrap_or(&contact.id).clone(),
            first_name: contact.first_name.clone(),
            last_name: contact.last_name.clone(),
            title: contact.title.clone(),
            headline: contact.headline.clone(),
            linkedin_url: contact.linkedin_url.clone(),
            email: email.map(str::to_owned),
            email_status: contact.email_status,
            location: contact.location.clone(),
            seniority: None,
            company,
            contact_id: Some(contact.id.clone()),
            has_direct_phone: !contact.phones.is_empty(),
            refreshed_at: None,
        }
    }
}

impl Row for Person {
    fn id(&self) -> &str {
        &self.id
    }

    fn listed(&self) -> bool {
        true
    }

    fn created_at(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH
    }

    /// All are equal, so they are sorted by their ids.
    fn rank(&self, _: Order) -> i64 {
        0
    }
}

impl Team {
    /// The person whom the clues fit. Contacts come first, as the team knows them: the oldest, if there
    /// are several.
    pub(crate) fn find_person(&mut self, clues: &Clues) -> Option<Person> {
        let Some(contact) = self.find_contact(clues).cloned() else {
            return self.find_in_database(clues);
        };
        let asked = clues.email.as_deref();
        // Asked for by an address, they are told of with that one.
        let asked = asked.filter(|email| contact.has_email(email));
        let email = asked.or(contact.email());
        Some(Person::of(&contact, email, self.employer_of(&contact)))
    }

    fn find_in_database(&mut self, clues: &Clues) -> Option<Person> {
        let known = |person: &&Person| clues.fit(&person.traits());
        let mut person = self.people.listed().find(known)?.clone();
        let address = person.email.as_deref().map(Clues::of_address);
        let contact = address.and_then(|address| self.find_contact(&address));
        person.contact_id = contact.map(|contact| contact.id.clone());
        Some(person)
    }
}
