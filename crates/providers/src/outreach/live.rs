//! Live reads for the unified API: pages of any object, single records, and searches.

use async_trait::async_trait;
use syncline_model::{Common, Contact, Object, Order, Records};

use super::{
    Outreach, PROVIDER,
    api::{PAGE_SIZE, unreadable},
    lookup::whole,
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

#[async_trait]
impl LiveReads for Outreach {
    async fn list_live(
        &self,
        session: &Session<'_>,
        object: Object,
        ask: LivePageRequest<'_>,
    ) -> Result<LivePage, ProviderError> {
        self.live_page(session, (object, &[]), ask).await
    }

    async fn get_live(
        &self,
        session: &Session<'_>,
        object: Object,
        id: &str,
    ) -> Result<Records, ProviderError> {
        self.record(session, object, id).await
    }

    async fn get_sequence(
        &self,
        session: &Session<'_>,
        id: &str,
    ) -> Result<SequenceWithSteps, ProviderError> {
        self.sequence_with_steps(session, id).await
    }

    /// An address belongs to one prospect at most, so the matches fit on a page.
    async fn contacts_by_email(
        &self,
        session: &Session<'_>,
        emails: &[String],
    ) -> Result<Records, ProviderError> {
        let mut found = Vec::new();
        let sendable: Vec<&str> = emails.iter().map(|it| it.trim()).filter(is_value).collect();
        for some in sendable.chunks(EMAILS_PER_REQUEST) {
            let filter = ("filter[emails]", some.join(","));
            let records = self.matching(session, Object::Contact, filter).await?;
            found.extend(Contact::of(records));
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
        let filter = ("filter[name]", name.to_owned());
        self.matching(session, Object::Account, filter).await
    }

    async fn accounts_by_domain(
        &self,
        session: &Session<'_>,
        domain: &str,
    ) -> Result<Records, ProviderError> {
        let filter = ("filter[domain]", domain.to_owned());
        self.matching(session, Object::Account, filter).await
    }

    async fn states_of_contact(
        &self,
        session: &Session<'_>,
        contact_id: &str,
    ) -> Result<Records, ProviderError> {
        let filter = ("filter[prospect][id]", id_of(Object::Contact, contact_id)?);
        self.matching(session, Object::SequenceState, filter).await
    }

    async fn states_of_sequence(
        &self,
        session: &Session<'_>,
        sequence_id: &str,
        ask: LivePageRequest<'_>,
    ) -> Result<LivePage, ProviderError> {
        let filter = (
            "filter[sequence][id]",
            id_of(Object::Sequence, sequence_id)?,
        );
        self.live_page(session, (Object::SequenceState, &[filter]), ask)
            .await
    }
}

impl Outreach {
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

    /// The records that match a filter, up to Outreach's largest page.
    async fn matching(
        &self,
        session: &Session<'_>,
        object: Object,
        filter: Parameter,
    ) -> Result<Records, ProviderError> {
        let ask = LivePageRequest::numbered(1, PAGE_SIZE);
        let page = self.live_page(session, (object, &[filter]), ask).await?;
        Ok(page.records)
    }

    pub(super) async fn record(
        &self,
        session: &Session<'_>,
        object: Object,
        id: &str,
    ) -> Result<Records, ProviderError> {
        let missing = || live::no_such(PROVIDER, object, id);
        let number = whole(id).ok_or_else(missing)?;
        let response = self.read_one(session, object, number).await?;
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
    let (records, rejected) = mapping::map_page(object, &[raw]);
    match rejected.first() {
        Some(rejected) => Err(unreadable(response, &rejected.reason)),
        None => Ok(records),
    }
}

/// The id for a filter, where anything else would have another meaning.
fn id_of(object: Object, id: &str) -> Result<String, ProviderError> {
    let number = whole(id).ok_or_else(|| live::no_such(PROVIDER, object, id))?;
    Ok(number.to_string())
}

/// Whether a filter takes an address as a value. A comma separates values and two dots are a range;
/// no prospect can have such an address.
pub(super) fn is_value(email: &&str) -> bool {
    email.contains('@') && !email.contains(',') && !email.contains("..")
}
