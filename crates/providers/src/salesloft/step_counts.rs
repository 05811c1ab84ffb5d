//! How many steps cadences have.
//!
//! A cadence doesn't say it, and neither does any other record: only the list of all steps does. It
//! can be limited to one cadence, but neither to several nor to what changed. So whoever lists
//! cadences reads all steps first, 100 for a point, which costs less than a request for each cadence.
//!
//! A scan does so page by page, like everything it reads: its first pages are the steps, which bring
//! no records, and the others are the cadences. Its place has what was counted, so a scan that is
//! interrupted counts nothing again. Disabled steps don't count.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use syncline_model::{Object, Record, Records, Sequence};
use xxhash_rust::xxh3::xxh3_64;

use super::{
    Salesloft,
    api::{Endpoint, PER_PAGE, unusable},
    cost::points_of_page,
    page, usage,
    walk::{PagePosition, unreadable_position},
};
use crate::{
    answer,
    error::ProviderError,
    http::Response,
    json::{self, Fields},
    provider::{ListRequest, NextPage, Page},
    session::Session,
};

/// The most pages of steps that a scan reads, for 1,050 points. The newest steps behind them are not
/// counted.
const PAGES_OF_A_SCAN: u32 = 250;

/// The most that a caller has to wait for, of those that cost one point.
const PAGES_OF_A_CALLER: u32 = 100;

/// The number of enabled steps by cadence.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct StepCounts(BTreeMap<String, i64>);

impl StepCounts {
    fn add(&mut self, cadence_ids: Vec<String>) {
        for id in cadence_ids {
            *self.0.entry(id).or_default() += 1;
        }
    }

    pub(super) fn tell(&self, records: &mut Records) {
        if let Records::Sequences(sequences) = records {
            for sequence in sequences {
                let count = self.0.get(&sequence.id).copied().unwrap_or_default();
                tell(sequence, count);
            }
        }
    }
}

/// Gives a cadence its number of steps. It is not in the cadence's JSON, so that it takes part in the
/// hash by itself.
pub(super) fn tell(sequence: &mut Record<Sequence>, count: i64) {
    sequence.fields.num_steps = count;
    let hash = xxh3_64(format!("num_steps {count}").as_bytes());
    sequence.hash = sequence.hash.wrapping_add(hash.cast_signed());
}

/// Where a scan of cadences is.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Position {
    steps: StepCounts,
    /// How many pages of steps there were, once all are counted.
    step_pages: Option<u32>,
    /// The place among the cadences, if the page's number doesn't say it.
    cadences: Option<String>,
}

impl Position {
    fn of(request: ListRequest<'_>) -> Result<Self, ProviderError> {
        match request.token {
            Some(token) => serde_json::from_str(token).map_err(|error| unreadable_position(&error)),
            None if request.page == 1 => Ok(Self::default()),
            None => Err(unreadable_position(&"it has no token")),
        }
    }

    /// The request for a page of cadences, once all steps are counted.
    fn cadences<'r>(&'r self, request: ListRequest<'r>) -> Option<ListRequest<'r>> {
        Some(ListRequest {
            page: request.page.saturating_sub(self.step_pages?),
            token: self.cadences.as_deref(),
            ..request
        })
    }

    fn into_next(self) -> NextPage {
        let token = serde_json::to_string(&self).ok();
        NextPage { token }
    }
}

/// What a page of a scan of cadences costs.
pub(super) fn points_of_scan(request: ListRequest<'_>) -> u32 {
    let page = Position::of(request).and_then(|position| match position.cadences(request) {
        Some(request) => Ok(PagePosition::of(request, PER_PAGE)?.page),
        None => Ok(request.page),
    });
    page.map_or(1, points_of_page)
}

/// A page of steps.
struct StepPage {
    /// The cadence of each enabled step that says it.
    cadence_ids: Vec<String>,
    has_next: bool,
    response: Response,
}

impl Salesloft {
    /// A page of a scan: of steps as long as not all are counted, and then of cadences.
    pub(super) async fn scan_cadences(
        &self,
        session: &Session<'_>,
        request: ListRequest<'_>,
    ) -> Result<Page, ProviderError> {
        let mut position = Position::of(request)?;
        let Some(ask) = position.cadences(request) else {
            return self.count_page(session, position, request.page).await;
        };
        let asked = (Object::Sequence, [].as_slice());
        let mut page = self.read_page(session, asked, ask, PER_PAGE).await?;
        position.steps.tell(&mut page.records);
        page.next = page.next.map(|next| {
            position.cadences = next.token;
            position.into_next()
        });
        Ok(page)
    }

    /// Counts a page of steps; it brings no records, and there is always a next one.
    async fn count_page(
        &self,
        session: &Session<'_>,
        mut position: Position,
        number: u32,
    ) -> Result<Page, ProviderError> {
        let read = self.step_page(session, number).await?;
        position.steps.add(read.cadence_ids);
        let is_last = !read.has_next || number >= PAGES_OF_A_SCAN;
        position.step_pages = is_last.then_some(number);
        Ok(Page {
            records: Records::Sequences(Vec::new()),
            rejected: Vec::new(),
            next: Some(position.into_next()),
            reported_total: None,
            returned: 0,
            served: 0,
            loading: Vec::new(),
            watermark: answer::watermark_of(&read.response),
            usage: usage::usage_of(&read.response),
            provider_time: read.response.date(),
            has_order: false,
            may_have_shifted: false,
        })
    }

    /// The steps of all cadences, for a caller.
    pub(super) async fn all_steps(
        &self,
        session: &Session<'_>,
    ) -> Result<StepCounts, ProviderError> {
        let mut counts = StepCounts::default();
        for number in 1..=PAGES_OF_A_CALLER {
            let read = self.step_page(session, number).await?;
            counts.add(read.cadence_ids);
            if !read.has_next {
                break;
            }
        }
        Ok(counts)
    }

    /// In the order of creation, so that none is missed when another comes.
    async fn step_page(
        &self,
        session: &Session<'_>,
        number: u32,
    ) -> Result<StepPage, ProviderError> {
        let endpoint = Endpoint::get("v2/steps")
            .query("page", &number)
            .query("per_page", &PER_PAGE)
            .query("sort_by", &"created_at")
            .query("sort_direction", &"ASC")
            .query("include_paging_counts", &true);
        let response = self.call(session, endpoint).await?;
        let text = json::clean(&response.body);
        let position = PagePosition::numbered(number, PER_PAGE);
        let read = page::items_of(&text, &position).map(|(items, has_next)| {
            let cadence_ids = items.into_iter().filter_map(cadence_of).collect();
            (cadence_ids, has_next)
        });
        let (cadence_ids, has_next) = read.map_err(|error| unusable(session, &response, error))?;
        Ok(StepPage {
            cadence_ids,
            has_next,
            response,
        })
    }
}

/// The cadence of a step, unless it is disabled.
fn cadence_of(step: &RawValue) -> Option<String> {
    let step = Fields::of(step)?;
    let is_disabled = step.flag("disabled").ok().flatten().unwrap_or(false);
    let cadence = step.object("cadence").ok().flatten()?;
    cadence.id("id").ok().filter(|_| !is_disabled)
}

#[cfg(test)]
#[path = "step_counts_tests.rs"]
mod tests;
