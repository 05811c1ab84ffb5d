//! A person as Apollo's database knows them.

use super::Team;
use super::clues::{Clues, Traits};
use super::company::Company;
use super::contact::{Contact, joined};
use super::location::Location;

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
    pub(crate) company: Option<Company>,
    /// The contact that the team has of this person.
    pub(crate) contact_id: Option<String>,
}

impl Person {
    /// Empty if both parts are missing.
    pub(crate) fn name(&self) -> String {
        joined(self.first_name.as_deref(), self.last_name.as_deref())
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
            company,
            contact_id: Some(contact.id.clone()),
        }
    }
}

impl Team {
    /// The person whom the clues fit, as the team knows them: the oldest contact, if there are
    /// several.
    pub(crate) fn find_person(&self, clues: &Clues) -> Option<Person> {
        let mut contacts = self.contacts.listed();
        let contact = contacts.find(|contact| clues.fit(&Traits::of(contact)))?;
        let asked = clues.email.as_deref();
        // Asked for by an address, they are told of with that one.
        let asked = asked.filter(|email| contact.has_email(email));
        let email = asked.or(contact.email());
        Some(Person::of(contact, email, self.employer_of(contact)))
    }
}
