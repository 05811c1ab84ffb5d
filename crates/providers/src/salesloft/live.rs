//! Live reads for the unified API: pages of any object but mailboxes, single records, and searches.

use async_trait::async_trait;
use syncline_model::{Common, Contact, Object, Order, Record, Records, SequenceState};

use super::{
    PROVIDER, Salesloft,
    api::{Endpoint, PER_PAGE, collection, support, unreadable},
    lookup::is_id,
    mapping,
};
use crate::{
    capabilities::{LivePage, LivePageRequest, LiveReads, SequenceWithSteps},
    error::ProviderError,
    http::Response,
    json::{self, Fields},
    live::{self, EMAILS_PER_REQUEST, Parameter},
    provider::ListRequest,
    session::Session,
};

/// How many pages of matches are read.
const MATCH_PAGES: u32 = 10;

#[async_trait]
impl LiveReads for Salesloft {
    fn has(&self, object: Object) -> bool {
        support(object).list
    }

    async fn list_live(
        &self,
        session: &Session<'_>,
        object: Object,
        ask: LivePageRequest<'_>,
    ) -> Result<LivePage, ProviderError> {
        let mut page = self.live_page(session, (object, &[]), ask).await?;
        if object == Object::Sequence && !page.records.scanned().is_empty() {
            self.all_steps(session).await?.tell(&mut page.records);
        }
        Ok(page)
    }

    async fn get_live(
        &self,
        session: &Session<'_>,
        object: Object,
        id: &str,
    ) -> Result<Records, ProviderError> {
        match object {
            Object::Sequence => self.cadence(session, id).await,
            _ => self.record(session, object, id).await,
        }
    }

    async fn get_sequence(
        &self,
        session: &Session<'_>,
        id: &str,
    ) -> Result<SequenceWithSteps, ProviderError> {
        self.cadence_with_steps(session, id).await
    }

    /// Salesloft searches the primary addresses only. Several people can share one.
    async fn contacts_by_email(
        &self,
        session: &Session<'_>,
        emails: &[String],
    ) -> Result<Records, ProviderError> {
        let mut found: Vec<Record<Contact>> = Vec::new();
        for some in emails.chunks(EMAILS_PER_REQUEST) {
            let filter = |email: &String| ("email_addresses[]", email.trim().to_owned());
            let filters: Vec<Parameter> = some.iter().map(filter).collect();
            found.extend(self.matching(session, &filters).await?);
        }
        Ok(Records::Contacts {
            contacts: live::with_emails(found, emails),
            states: Vec::new(),
        })
    }

    async fn accounts_by_name(
        &self,
        session: &Session<'_>,
        name: &str,
    ) -> Result<Records, ProviderError> {
        let filter = ("name[]", name.to_owned());
        let found = self.matching(session, &[filter]).await?;
        Ok(Records::Accounts(found))
    }

    async fn accounts_by_domain(
        &self,
        session: &Session<'_>,
        domain: &str,
    ) -> Result<Records, ProviderError> {
        let filter = ("domain", domain.to_owned());
        let found = self.matching(session, &[filter]).await?;
        Ok(Records::Accounts(found))
    }

    /// Filtered again, because Salesloft ignores filters that it doesn't know.
    async fn states_of_contact(
        &self,
        session: &Session<'_>,
        contact_id: &str,
    ) -> Result<Records, ProviderError> {
        let filter = ("person_id", id_of(Object::Contact, contact_id)?);
        let mut states: Vec<Record<SequenceState>> = self.matching(session, &[filter]).await?;
        states.retain(|state| state.fields.contact_id.as_deref() == Some(contact_id));
        Ok(Records::SequenceStates(states))
    }

    /// Filtered again, like a contact's.
    async fn states_of_sequence(
        &self,
        session: &Session<'_>,
        sequence_id: &str,
        ask: LivePageRequest<'_>,
    ) -> Result<LivePage, ProviderError> {
        let filter = ("cadence_id", id_of(Object::Sequence, sequence_id)?);
        let page = self
            .live_page(session, (Object::SequenceState, &[filter]), ask)
            .await?;
        let mut states = SequenceState::of(page.records);
        states.retain(|state| state.fields.sequence_id.as_deref() == Some(sequence_id));
        Ok(LivePage {
            records: Records::SequenceStates(states),
            ..page
        })
    }
}

impl Salesloft {
    async fn live_page(
        &self,
        session: &Session<'_>,
        asked: (Object, &[Parameter]),
        ask: LivePageRequest<'_>,
    ) -> Result<LivePage, ProviderError> {
        let request = ListRequest {
            page: ask.page,
            token: ask.token,
            since: None,
            order: Order::OldestFirst,
        };
        let page = self.read_page(session, asked, request, ask.size).await?;
        Ok(live::shown(page, ask))
    }

    /// The records that match the filters.
    pub(super) async fn matching<T: Common>(
        &self,
        session: &Session<'_>,
        filters: &[Parameter],
    ) -> Result<Vec<Record<T>>, ProviderError> {
        let (mut found, mut token) = (Vec::new(), None::<String>);
        for page in 1..=MATCH_PAGES {
            let ask = LivePageRequest {
                token: token.as_deref(),
                ..LivePageRequest::numbered(page, PER_PAGE)
            };
            let listed = self.live_page(session, (T::OBJECT, filters), ask).await?;
            found.extend(T::of(listed.records));
            match listed.next {
                Some(next) => token = next.token,
                None => break,
            }
        }
        Ok(found)
    }

    pub(super) async fn record(
        &self,
        session: &Session<'_>,
        object: Object,
        id: &str,
    ) -> Result<Records, ProviderError> {
        let missing = || live::no_such(PROVIDER, object, id);
        let collection = collection(object).filter(|_| is_id(id));
        let collection = collection.ok_or_else(missing)?;
        let endpoint = Endpoint::get(format!("{collection}/{id}"));
        let response = self.call(session, endpoint).await?;
        let records = record_in(&response, object)?;
        let is_it = records.scanned().first().is_some_and(|(it, _)| *it == id);
        if is_it { Ok(records) } else { Err(missing()) }
    }
}

fn record_in(response: &Response, object: Object) -> Result<Records, ProviderError> {
    let text = json::clean(&response.body);
    let raw = Fields::parse(&text)
        .and_then(|answer| answer.raw("data"))
        .ok_or_else(|| unreadable(response, "it has no `data`"))?;
    let mapped = mapping::map_page(object, &[raw]);
    match mapped.rejected.first() {
        Some(rejected) => Err(unreadable(response, &rejected.reason)),
        None => Ok(mapped.records),
    }
}

/// The id for a filter.
fn id_of(object: Object, id: &str) -> Result<String, ProviderError> {
    if is_id(id) {
        Ok(id.to_owned())
    } else {
        Err(live::no_such(PROVIDER, object, id))
    }
}
