//! Paging: the requested page, its limits, cutting the page out of a table, and the body around it.

use bytes::{Bytes, BytesMut};

use super::refusal::{Answer, Refusal};
use super::{Call, distortion};
use crate::fault::Action;
use crate::json::{Object, quoted};
use crate::switches::{DeepPageText, DefaultOrder, Echo, OversizedPage};
use crate::world::table::{Order, Row, Table};

/// The most records of a page.
const LARGEST_PAGE: u64 = 100;

/// The most records that the pages of one search can reach.
const REACH: u64 = 50_000;

/// The requested page, after its limits were checked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask {
    page: u64,
    per_page: u64,
    page_quoted: bool,
    per_page_quoted: bool,
}

impl Call<'_> {
    /// The requested page, or why it is refused.
    pub(crate) fn page(&self, default_per_page: u64) -> Result<Ask, Refusal> {
        let switches = &self.team.switches;
        let page = self.params.number("page");
        let per_page = self.params.number("per_page");
        let echo = match switches.echo {
            Echo::Users => self.action == "users/search",
            Echo::Everywhere => true,
            Echo::Nowhere => false,
        };
        let mut ask = Ask {
            page: page.map_or(1, |page| page.value.max(1)),
            per_page: per_page.map_or(default_per_page, |per_page| per_page.value),
            page_quoted: echo && page.is_some_and(|page| page.from_query),
            per_page_quoted: echo && per_page.is_some_and(|per_page| per_page.from_query),
        };
        if ask.per_page == 0 {
            return Err(Refusal::invalid("An error occurred. Per page cannot be 0."));
        }
        if ask.per_page > LARGEST_PAGE {
            let refused = match switches.oversized_page {
                OversizedPage::Refused => true,
                OversizedPage::RefusedForTasks => self.action == "tasks/search",
                OversizedPage::Clamped => false,
            };
            if refused {
                let body = concat!(
                    r#"{"error":"Per page not supported","#,
                    r#""error_details":{"code":"SEARCH_VALIDATION_SEARCH_PARAMS_INVALID"}}"#
                );
                return Err(Refusal::json(422, body.to_owned()));
            }
            ask.per_page = LARGEST_PAGE;
        }
        if ask.page.saturating_mul(ask.per_page) > REACH {
            let text = "Page * per page number is over threshold.";
            return Err(Refusal::invalid(&match switches.deep_page_text {
                DeepPageText::Short => text.to_owned(),
                DeepPageText::Long => format!("Invalid parameter passed in. {text}"),
            }));
        }
        Ok(ask)
    }

    /// The order of a search without a requested order; it is descending.
    pub(crate) fn default_order(&self) -> Order {
        match self.team.switches.default_order {
            DefaultOrder::Arbitrary => Order::Unspecified,
            DefaultOrder::NewestFirst => Order::Created,
            DefaultOrder::LastChangedFirst => Order::Updated,
        }
    }

    /// `sort_by_field` and `sort_ascending`, for these fields. The direction is ignored without a
    /// field.
    pub(crate) fn sorting(&self, fields: &[(&str, Order)]) -> Result<(Order, bool), Refusal> {
        let Some(field) = self.params.text("sort_by_field") else {
            return Ok((self.default_order(), false));
        };
        let known = fields.iter().find(|(name, _)| *name == field);
        match known {
            Some((_, order)) => Ok((*order, self.params.flag("sort_ascending"))),
            None => Err(Refusal::json(
                422,
                r#"{"error":"Invalid sort criteria","skip_alert_dialog":true}"#.to_owned(),
            )),
        }
    }
}

/// A page of records with its totals.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) rows: Vec<Bytes>,
    pub(crate) pagination: String,
    /// The number of records that the search finds, as JSON; empty if a fault leaves it out.
    pub(crate) entries: String,
}

/// Cuts the page out of `positions`, which ascend.
pub(crate) fn cut<T: Row>(
    table: &mut Table<T>,
    positions: &[usize],
    ascending: bool,
    ask: Ask,
    fault: Option<&Action>,
) -> Page {
    let total = positions.len();
    let ranks = distortion::ranks(total, ask.page, ask.per_page, fault);
    let ascending = distortion::ascends(ascending, fault);
    let positions = ranks.into_iter().filter_map(|rank| {
        let rank = if ascending { rank } else { total - 1 - rank };
        positions.get(rank).copied()
    });
    let rows = distortion::rows(table, positions, fault);
    let claimed = distortion::claimed(total, ask.page, ask.per_page, fault);
    let asked = (ask.page, ask.per_page);
    let totals = distortion::totals(claimed, asked, rows.len(), fault);
    Page {
        rows,
        pagination: pagination(ask, &totals),
        entries: totals.0,
    }
}

fn pagination(ask: Ask, (entries, pages): &(String, String)) -> String {
    let number = |value: u64, in_quotes: bool| {
        let text = value.to_string();
        if in_quotes { quoted(&text) } else { text }
    };
    let mut o = Object::new();
    o.raw("page", &number(ask.page, ask.page_quoted))
        .raw("per_page", &number(ask.per_page, ask.per_page_quoted));
    for (key, told) in [("total_entries", entries), ("total_pages", pages)] {
        if !told.is_empty() {
            o.raw(key, told);
        }
    }
    o.finish()
}

/// `before`, the rows separated by commas, `after`. Rows are copied, without parsing or rendering
/// them again.
pub(crate) fn around(before: &str, rows: &[Bytes], after: &str) -> Answer {
    let size = rows.iter().map(|row| row.len() + 1).sum::<usize>();
    let mut body = BytesMut::with_capacity(before.len() + size + after.len());
    body.extend_from_slice(before.as_bytes());
    for (n, row) in rows.iter().enumerate() {
        if n > 0 {
            body.extend_from_slice(b",");
        }
        body.extend_from_slice(row);
    }
    body.extend_from_slice(after.as_bytes());
    Answer {
        body: body.freeze(),
        records: rows.len(),
    }
}

/// The trace of an accepted filter in the answer.
pub(crate) fn crumb(label: &str, field: &str, value: &str, display: &str) -> String {
    let mut o = Object::new();
    o.text("label", label)
        .text("signal_field_name", field)
        .text("value", value)
        .text("display_name", display);
    o.finish()
}
