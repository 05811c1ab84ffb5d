//! What the live reads of all providers have in common.

use std::collections::HashSet;

use syncline_model::{Contact, Object, Record, spelling::is_same_email};

use crate::{
    capabilities::{LivePage, LivePageRequest},
    error::{ErrorKind, ProviderError},
    provider::Page,
};

/// A parameter of a request.
pub(crate) type Parameter = (&'static str, String);

/// The most addresses that one request searches for, so that its URL stays short.
pub(crate) const EMAILS_PER_REQUEST: usize = 50;

/// The error for a record that the provider doesn't have. `provider` is its name in sentences.
pub(crate) fn no_such(provider: &str, object: Object, id: &str) -> ProviderError {
    ProviderError::new(
        ErrorKind::NotFound,
        None,
        &format!("{provider} has no {object} with the id {id}"),
    )
}

/// A page as callers get it.
pub(crate) fn shown(page: Page, ask: LivePageRequest<'_>) -> LivePage {
    LivePage {
        records: page.records,
        next: page.next.map(|next| ask.next(next.token)),
        total: page.reported_total,
    }
}

pub(crate) fn has_email(contact: &Record<Contact>, wanted: &str) -> bool {
    let addresses = &contact.fields.email_addresses;
    addresses
        .iter()
        .any(|it| is_same_email(&it.email_address, wanted))
}

/// The contacts with one of the addresses, each once, in the order of the addresses.
pub(crate) fn with_emails(
    contacts: Vec<Record<Contact>>,
    emails: &[String],
) -> Vec<Record<Contact>> {
    let index = |contact: &_| emails.iter().position(|email| has_email(contact, email));
    let mut placed: Vec<_> = contacts
        .into_iter()
        .filter_map(|contact| Some((index(&contact)?, contact)))
        .collect();
    placed.sort_by_key(|(index, _)| *index);
    let mut known = HashSet::new();
    let contacts = placed.into_iter().map(|(_, contact)| contact);
    contacts
        .filter(|contact| known.insert(contact.id.clone()))
        .collect()
}
