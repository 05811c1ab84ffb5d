//! The states of prospects in a sequence. A prospect may have several in one: each time it enters makes
//! another.

use syncline_model::{Common, Contact, Object, Order, Record, SequenceState};

use super::{Outreach, api::PAGE_SIZE, lookup::whole};
use crate::{error::ProviderError, live::Parameter, provider::ListRequest, session::Session};

/// The most ids in one filter, so that its URL stays short.
const IDS_PER_REQUEST: usize = 100;

/// States in one sequence, the newest last.
#[derive(Default)]
pub(super) struct Members {
    states: Vec<Record<SequenceState>>,
}

impl Members {
    pub(super) fn is_empty(&self) -> bool {
        self.states.is_empty()
    }

    pub(super) fn of(&self, contact_id: &str) -> Vec<&Record<SequenceState>> {
        let of_contact =
            |state: &&Record<SequenceState>| state.fields.contact_id.as_deref() == Some(contact_id);
        self.states.iter().filter(of_contact).collect()
    }

    /// The state by which a prospect is in the sequence.
    pub(super) fn open(&self, contact_id: &str) -> Option<&Record<SequenceState>> {
        let states = self.of(contact_id);
        states.into_iter().rev().find(|state| is_open(state))
    }
}

/// Whether the prospect is in the sequence by it. One that failed or is paused still is.
pub(super) fn is_open(state: &Record<SequenceState>) -> bool {
    !matches!(
        state.fields.state.as_deref(),
        Some("finished" | "opted_out")
    )
}

impl Outreach {
    /// The states of these prospects in a sequence. An id that is no number has none.
    pub(super) async fn members(
        &self,
        session: &Session<'_>,
        sequence_id: u64,
        contact_ids: &[String],
    ) -> Result<Members, ProviderError> {
        let mut members = Members::default();
        for some in numbers_of(contact_ids).chunks(IDS_PER_REQUEST) {
            let filters = [
                ("filter[prospect][id]", some.join(",")),
                ("filter[sequence][id]", sequence_id.to_string()),
            ];
            let states = self
                .all_pages(session, (Object::SequenceState, &filters))
                .await?;
            members.states.extend(states);
        }
        Ok(members)
    }

    /// Which of these prospects are there.
    pub(super) async fn known_prospects(
        &self,
        session: &Session<'_>,
        contact_ids: &[String],
    ) -> Result<Vec<String>, ProviderError> {
        let mut known = Vec::new();
        for some in numbers_of(contact_ids).chunks(IDS_PER_REQUEST) {
            let filters = [("filter[id]", some.join(","))];
            let found: Vec<Record<Contact>> =
                self.all_pages(session, (Object::Contact, &filters)).await?;
            known.extend(found.into_iter().map(|contact| contact.id));
        }
        Ok(known)
    }

    async fn all_pages<T: Common>(
        &self,
        session: &Session<'_>,
        (object, filters): (Object, &[Parameter]),
    ) -> Result<Vec<Record<T>>, ProviderError> {
        let (mut records, mut number, mut token) = (Vec::new(), 1, None);
        loop {
            let request = ListRequest {
                page: number,
                token: token.as_deref(),
                since: None,
                order: Order::OldestFirst,
            };
            let page = self
                .read_page(session, (object, filters), request, PAGE_SIZE)
                .await?;
            records.extend(T::of(page.records));
            match page.next {
                Some(next) => (number, token) = (number + 1, next.token),
                None => return Ok(records),
            }
        }
    }
}

/// The ids that can be Outreach's.
fn numbers_of(ids: &[String]) -> Vec<String> {
    let numbers = ids.iter().filter_map(|id| whole(id));
    numbers.map(|number| number.to_string()).collect()
}
