//! Live reads for the unified API: pages of any object, single records, and searches.
//!
//! Apollo returns contacts and accounts by id, a sequence by a separate endpoint, and users and
//! mailboxes only in lists. A sequence state is part of its contact.

use std::collections::HashSet;

use async_trait::async_trait;
use serde_json::{json, value::RawValue};
use syncline_model::{
    Common, Contact, Mailbox, Object, Order, Record, Records, SequenceState, User,
};

use super::{
    Apollo, PROVIDER, action,
    api::{Endpoint, PER_PAGE, support, unreadable},
    error, mapping,
    page::page_of,
};
use crate::{
    capabilities::{LivePage, LivePageRequest, LiveReads, SequenceWithSteps, WriteResult},
    error::ProviderError,
    http::{Response, segment},
    json::{self, Fields},
    live::{self, has_email},
    provider::{ListRequest, Page},
    session::Session,
};

/// How many pages of keyword hits are searched for matching records.
const KEYWORD_PAGES: u32 = 5;

/// How many pages of a list are read to find one record. Apollo returns no more.
const LIST_PAGES: u32 = 500;

#[async_trait]
impl LiveReads for Apollo {
    async fn list_live(
        &self,
        session: &Session<'_>,
        object: Object,
        ask: LivePageRequest<'_>,
    ) -> Result<LivePage, ProviderError> {
        let request = ListRequest {
            page: ask.page,
            token: None,
            since: None,
            order: Order::OldestFirst,
        };
        let scanned = support(object).carried_in.unwrap_or(object);
        let page = self.read_page(session, scanned, request, ask.size).await?;
        if let Records::Mailboxes(mailboxes) = page.records {
            return Ok(cut(mailboxes, ask));
        }
        Ok(LivePage {
            records: page.records,
            next: page.next.map(|_| ask.next(None)),
            // Apollo counts contacts, not their states.
            total: page.reported_total.filter(|_| scanned == object),
        })
    }

    async fn get_live(
        &self,
        session: &Session<'_>,
        object: Object,
        id: &str,
    ) -> Result<Records, ProviderError> {
        match object {
            Object::User => self.user_now(session, id).await,
            Object::Mailbox => self.mailbox_now(session, id).await,
            Object::Account | Object::Contact => self.show(session, object, id).await,
            Object::Sequence => {
                let found = self.sequence_with_steps(session, id).await?;
                Ok(Records::Sequences(vec![found.sequence]))
            }
            Object::SequenceState => {
                let contact_id = id.split('.').next().unwrap_or_default();
                let records = self.show(session, Object::Contact, contact_id).await?;
                match &records {
                    Records::Contacts { states, .. } if states.iter().any(|it| it.id == id) => {
                        Ok(records)
                    }
                    _ => Err(no_such(object, id)),
                }
            }
        }
    }

    async fn get_sequence(
        &self,
        session: &Session<'_>,
        id: &str,
    ) -> Result<SequenceWithSteps, ProviderError> {
        self.sequence_with_steps(session, id).await
    }

    /// Apollo searches by keyword, so the first hit may be another person of the same company.
    async fn contacts_by_email(
        &self,
        session: &Session<'_>,
        emails: &[String],
    ) -> Result<Records, ProviderError> {
        let (mut contacts, mut states) = (Vec::new(), Vec::new());
        let mut known = HashSet::new();
        for email in emails {
            for page in 1..=KEYWORD_PAGES {
                let ask = LivePageRequest::numbered(page, PER_PAGE);
                let search =
                    json!({"q_keywords": email.trim(), "page": page, "per_page": PER_PAGE});
                let hits = self.search_contacts(session, search, ask).await?;
                let Records::Contacts {
                    contacts: found,
                    states: theirs,
                } = hits.records
                else {
                    break;
                };
                let meant = found
                    .into_iter()
                    .filter(|contact| has_email(contact, email));
                let fresh: Vec<_> = meant.filter(|it| known.insert(it.id.clone())).collect();
                let of_fresh = |state: &Record<SequenceState>| {
                    fresh
                        .iter()
                        .any(|it| state.fields.contact_id.as_ref() == Some(&it.id))
                };
                states.extend(theirs.into_iter().filter(of_fresh));
                contacts.extend(fresh);
                if hits.next.is_none() {
                    break;
                }
            }
        }
        Ok(Records::Contacts { contacts, states })
    }

    async fn accounts_by_name(
        &self,
        session: &Session<'_>,
        name: &str,
    ) -> Result<Records, ProviderError> {
        let mut found = Vec::new();
        for page in 1..=KEYWORD_PAGES {
            let search = json!({"q_organization_name": name, "page": page, "per_page": PER_PAGE});
            let endpoint = Endpoint::post("api/v1/accounts/search", search);
            let response = self.call(session, endpoint).await?;
            let text = json::clean(&response.body);
            let listed = page_of(&text, Object::Account, "accounts", (page, PER_PAGE))
                .map_err(|unusable| unusable.into_error(PROVIDER, &response))?;
            if let Records::Accounts(accounts) = listed.records {
                found.extend(accounts);
            }
            if listed.next.is_none() {
                break;
            }
        }
        Ok(Records::Accounts(found))
    }

    /// Apollo has no search by domain; the name often begins the domain.
    async fn accounts_by_domain(
        &self,
        session: &Session<'_>,
        domain: &str,
    ) -> Result<Records, ProviderError> {
        let label = domain.split('.').next().unwrap_or(domain);
        self.accounts_by_name(session, label).await
    }

    /// The states are part of the contact.
    async fn states_of_contact(
        &self,
        session: &Session<'_>,
        contact_id: &str,
    ) -> Result<Records, ProviderError> {
        self.show(session, Object::Contact, contact_id).await
    }

    /// Uses a filter that Apollo doesn't document. Unknown filters are ignored, so the response is
    /// filtered again here.
    async fn states_of_sequence(
        &self,
        session: &Session<'_>,
        sequence_id: &str,
        ask: LivePageRequest<'_>,
    ) -> Result<LivePage, ProviderError> {
        let search = json!({
            "emailer_campaign_ids": [sequence_id],
            "sort_by_field": "contact_created_at",
            "sort_ascending": true,
            "page": ask.page,
            "per_page": ask.size,
        });
        let page = self.search_contacts(session, search, ask).await?;
        let (mut contacts, mut states) = (
            Contact::of(page.records.clone()),
            SequenceState::of(page.records),
        );
        states.retain(|state| state.fields.sequence_id.as_deref() == Some(sequence_id));
        let of_state = |state: &Record<SequenceState>| state.fields.contact_id.clone();
        let members: HashSet<_> = states.iter().filter_map(of_state).collect();
        contacts.retain(|contact| members.contains(&contact.id));
        Ok(LivePage {
            records: Records::Contacts { contacts, states },
            next: page.next.map(|_| ask.next(None)),
            total: None,
        })
    }
}

impl Apollo {
    /// A contact, with its states, or an account.
    pub(super) async fn show(
        &self,
        session: &Session<'_>,
        object: Object,
        id: &str,
    ) -> Result<Records, ProviderError> {
        let path = format!("api/v1/{}/{}", object.plural(), id_in_path(object, id)?);
        let response = self
            .call(session, Endpoint::get(path))
            .await
            .map_err(error::of_one_record)?;
        one_record(&response, object)
    }

    async fn user_now(&self, session: &Session<'_>, id: &str) -> Result<Records, ProviderError> {
        let mut page = 1;
        while page <= LIST_PAGES {
            let ask = LivePageRequest::numbered(page, PER_PAGE);
            let listed = self.list_live(session, Object::User, ask).await?;
            if let Some(user) = take::<User>(listed.records, id) {
                return Ok(Records::Users(vec![user]));
            }
            match listed.next {
                Some(next) => page = next.page,
                None => break,
            }
        }
        Err(no_such(Object::User, id))
    }

    async fn mailbox_now(&self, session: &Session<'_>, id: &str) -> Result<Records, ProviderError> {
        let all = LivePageRequest::numbered(1, u32::MAX);
        let listed = self.list_live(session, Object::Mailbox, all).await?;
        take::<Mailbox>(listed.records, id)
            .map(|mailbox| Records::Mailboxes(vec![mailbox]))
            .ok_or_else(|| no_such(Object::Mailbox, id))
    }

    async fn search_contacts(
        &self,
        session: &Session<'_>,
        search: serde_json::Value,
        ask: LivePageRequest<'_>,
    ) -> Result<Page, ProviderError> {
        let endpoint = Endpoint::post("api/v1/contacts/search", search);
        let response = self.call(session, endpoint).await?;
        let text = json::clean(&response.body);
        page_of(&text, Object::Contact, "contacts", (ask.page, ask.size))
            .map_err(|unusable| unusable.into_error(PROVIDER, &response))
    }
}

/// The record of a response such as `{"contact": {…}}`.
pub(super) fn one_record(response: &Response, object: Object) -> Result<Records, ProviderError> {
    let text = json::clean(&response.body);
    let raw = Fields::parse(&text)
        .and_then(|answer| answer.raw(object.as_str()))
        .ok_or_else(|| unreadable(response, &format!("it has no `{object}`")))?;
    records_of(response, object, &[raw])
}

/// The written record in a write's response. The write has been carried out: if the record can't be
/// mapped, its id is still returned, because an error would invite a second write.
pub(super) fn written(
    response: &Response,
    key: &str,
    object: Object,
) -> Result<WriteResult, ProviderError> {
    let text = json::clean(&response.body);
    let raw = Fields::parse(&text)
        .and_then(|answer| answer.raw(key))
        .ok_or_else(|| unreadable(response, &format!("it has no `{key}`")))?;
    let id = Fields::of(raw).and_then(|fields| fields.filled_text("id").ok().flatten());
    let id = id.ok_or_else(|| unreadable(response, &format!("the {object} has no id")))?;
    let (records, warnings) = match records_of(response, object, &[raw]) {
        Ok(records) => (Some(records), Vec::new()),
        Err(error) => (None, vec![format!("the {object} can't be shown: {error}")]),
    };
    Ok(WriteResult {
        id,
        records,
        warnings,
    })
}

/// Maps records of a response. A record that can't be mapped is an error, because it was requested
/// explicitly.
pub(super) fn records_of(
    response: &Response,
    object: Object,
    raw: &[&RawValue],
) -> Result<Records, ProviderError> {
    let mapped = mapping::map_page(object, raw);
    match mapped.rejected.first() {
        Some(rejected) if rejected.object == object => Err(unreadable(response, &rejected.reason)),
        _ => Ok(mapped.records),
    }
}

/// An id as a path segment. A word without a digit would be an action's name and lead to another
/// endpoint.
pub(super) fn id_in_path(object: Object, id: &str) -> Result<String, ProviderError> {
    segment(id)
        .filter(|_| action::is_id(id))
        .ok_or_else(|| no_such(object, id))
}

pub(super) fn no_such(object: Object, id: &str) -> ProviderError {
    live::no_such(PROVIDER, object, id)
}

/// Cuts a page out of a list that Apollo returns as a whole.
fn cut(mailboxes: Vec<Record<Mailbox>>, ask: LivePageRequest<'_>) -> LivePage {
    let total = mailboxes.len();
    let size = usize::try_from(ask.size).unwrap_or(usize::MAX);
    let before = usize::try_from(ask.page.saturating_sub(1)).unwrap_or(usize::MAX);
    let first = before.saturating_mul(size);
    let more = first.saturating_add(size) < total;
    LivePage {
        records: Records::Mailboxes(mailboxes.into_iter().skip(first).take(size).collect()),
        next: more.then(|| ask.next(None)),
        total: i64::try_from(total).ok(),
    }
}

/// The record with this id, if the list has it.
fn take<T: Common>(records: Records, id: &str) -> Option<Record<T>> {
    T::of(records).into_iter().find(|record| record.id == id)
}
