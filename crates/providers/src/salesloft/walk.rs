//! The way through a list: where a page is, and where the next one is.
//!
//! Salesloft has pages by number only. From page 101 on they cost up to 30 times as much, and from
//! page 500 on they are known to fail. So a long list is read in windows: the first window begins
//! with the list, and each further one at the last record of the window before, by a filter like
//! `created_at[gte]`. Records with exactly that time are shown again and left out, unless they were
//! not shown before: bulk changes give many records the same time.
//!
//! - People and accounts are read in the order of creation, in windows of as many pages as cost
//!   little. Nothing moves in this order but by deletion, and only lists with more than 10,000
//!   records depend on the filter.
//! - Memberships have no such order. In that of the last change a changed record moves to the end,
//!   which shifts the pages behind its old position; so each page is a window of its own. A membership
//!   that changes meanwhile is seen twice. One can be missed only where a whole page of them has one
//!   time, and then another is seen twice. The run after such a read begins where that one did.
//! - What changed since a time is read like memberships, in a first window that begins at that time.
//! - Cadences have no filter by creation, and users none by any time. Neither has enough records for
//!   expensive pages: they are read by number, cadences in the order of creation, users by id.
//!   Before the cadences their steps are read; see `step_counts.rs`.

use std::fmt;

use chrono::DateTime;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use syncline_model::{
    Object, Watermark,
    mutation::{self, Mutation},
};

use super::cost::points_of_page;
use crate::{
    error::{ErrorKind, ProviderError},
    json::Fields,
    provider::{ListRequest, NextPage},
};

/// How an object's list is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Walk {
    pub(super) sort_by: &'static str,
    windows: Option<Windows>,
}

/// How a list is divided into windows.
#[derive(Debug, Clone, Copy)]
struct Windows {
    /// The parameter for where one begins, by the time that the list is sorted by.
    from: &'static str,
    /// Whether that time changes, which moves the record to the end of the list.
    moves: bool,
}

impl Walk {
    /// `None` if there is no such list.
    pub(super) fn of(object: Object) -> Option<Self> {
        let (sort_by, windows) = match object {
            Object::Mailbox => return None,
            Object::User => ("id", None),
            Object::Sequence => ("created_at", None),
            Object::Contact | Object::Account => (
                "created_at",
                Some(Windows {
                    from: "created_at[gte]",
                    moves: false,
                }),
            ),
            Object::SequenceState => (
                "updated_at",
                Some(Windows {
                    from: "updated_at[gte]",
                    moves: true,
                }),
            ),
        };
        Some(Self { sort_by, windows })
    }

    /// How what changed since a time is read; `None` where the list can't be filtered by it.
    pub(super) fn of_changes(object: Object) -> Option<Self> {
        match object {
            Object::Mailbox | Object::User => None,
            Object::Account | Object::Contact | Object::Sequence | Object::SequenceState => {
                Some(Self {
                    sort_by: "updated_at",
                    windows: Some(Windows {
                        from: "updated_at[gte]",
                        moves: true,
                    }),
                })
            }
        }
    }

    /// Whether new records go behind the last page and changed ones stay where they are. That ids
    /// are given in the order of creation is likely, but not documented.
    pub(super) fn has_order(self) -> bool {
        self.sort_by == "created_at"
    }

    /// Whether the page before belongs to the same window, and records of that one may have moved
    /// since: a whole page of them had one time.
    pub(super) fn may_have_shifted(self, position: &PagePosition) -> bool {
        self.windows.is_some_and(|windows| windows.moves) && position.page > 1
    }

    /// The filter for the window of a page, unless it is the first one.
    pub(super) fn filter(self, position: &PagePosition) -> Option<(&'static str, String)> {
        let from = position.from?;
        let from = if mutation::on(Mutation::TieIsLost) && !position.seen.is_empty() {
            from + 1
        } else {
            from
        };
        Some((self.windows?.from, written(from)?))
    }

    /// The records of a page, with their ids and times if these matter there.
    pub(super) fn rows<'a>(self, position: &PagePosition, items: &[&'a RawValue]) -> Vec<Row<'a>> {
        let matter = position.from.is_some() || self.ends_window(position);
        let row = |raw: &&'a RawValue| {
            if matter {
                Row::of(raw, self.sort_by)
            } else {
                Row::unread(raw)
            }
        };
        items.iter().map(row).collect()
    }

    /// The position of the page after one with these records.
    pub(super) fn after(self, position: &PagePosition, rows: &[Row<'_>]) -> PagePosition {
        let ends = self.ends_window(position);
        match border(rows).filter(|_| ends) {
            Some(from) => position.next_window(from, rows),
            None => PagePosition {
                page: position.page.saturating_add(1),
                ..position.clone()
            },
        }
    }

    /// Whether a window should end with this page: the next one would cost more, or may be shifted.
    fn ends_window(self, position: &PagePosition) -> bool {
        self.windows.is_some_and(|windows| {
            windows.moves || points_of_page(position.page.saturating_add(1)) > points_of_page(1)
        })
    }
}

/// Where a page is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PagePosition {
    /// Where the window begins, in microseconds since 1970: Salesloft's times are that precise.
    /// `None` for the first window.
    from: Option<i64>,
    /// The page's number in the window; the first is 1.
    pub(super) page: u32,
    /// How many records are before the window.
    before: i64,
    /// The records of exactly that time that earlier windows have shown.
    seen: Vec<String>,
    /// Of all pages, in records.
    #[serde(skip)]
    pub(super) size: u32,
}

impl PagePosition {
    pub(super) fn of(request: ListRequest<'_>, size: u32) -> Result<Self, ProviderError> {
        let Some(token) = request.token else {
            let since = |Watermark(time): &Watermark| {
                microseconds(time)
                    .ok_or_else(|| unreadable_position(&"its watermark is not a time"))
            };
            return Ok(Self {
                from: request.since.map(since).transpose()?,
                ..Self::numbered(request.page, size)
            });
        };
        let position: Self =
            serde_json::from_str(token).map_err(|error| unreadable_position(&error))?;
        Ok(Self { size, ..position })
    }

    /// A page of the whole list.
    pub(super) fn numbered(page: u32, size: u32) -> Self {
        Self {
            from: None,
            page,
            before: 0,
            seen: Vec::new(),
            size,
        }
    }

    /// In the first window the page's number says it all.
    pub(super) fn into_next(self) -> NextPage {
        let token = self.from.and_then(|_| serde_json::to_string(&self).ok());
        NextPage { token }
    }

    /// The total of the whole list, from that of the window.
    pub(super) fn total(&self, in_window: i64) -> i64 {
        self.before.saturating_add(in_window)
    }

    /// The number of records in the window up to this page, if it has `returned`.
    pub(super) fn so_far(&self, returned: usize) -> i64 {
        let pages_before = i64::from(self.page.saturating_sub(1));
        let returned = i64::try_from(returned).unwrap_or(i64::MAX);
        returned.saturating_add(pages_before * i64::from(self.size))
    }

    /// Whether a record is before the window, so that the filter can't have been applied.
    pub(super) fn is_before(&self, row: &Row<'_>) -> bool {
        self.from.zip(row.at).is_some_and(|(from, at)| at < from)
    }

    /// Whether an earlier window has shown the record as it is. A record that is no longer at the
    /// border has changed.
    pub(super) fn has_seen(&self, row: &Row<'_>) -> bool {
        let at_border = self.from.is_some() && row.at == self.from;
        at_border && row.id.as_ref().is_some_and(|id| self.seen.contains(id))
    }

    fn next_window(&self, from: i64, rows: &[Row<'_>]) -> Self {
        let (at_border, earlier): (Vec<_>, Vec<_>) =
            rows.iter().partition(|row| row.at == Some(from));
        Self {
            from: Some(from),
            page: 1,
            before: self.total(self.so_far(earlier.len())),
            seen: at_border
                .into_iter()
                .filter_map(|row| row.id.clone())
                .collect(),
            size: self.size,
        }
    }
}

/// Nothing is sent for a position that makes no sense.
pub(super) fn unreadable_position(error: &dyn fmt::Display) -> ProviderError {
    let message = format!("the position of the page can't be read: {error}");
    ProviderError::new(ErrorKind::Rejected, None, &message).with_records(0)
}

/// A record of a page before it is mapped.
#[derive(Debug)]
pub(super) struct Row<'a> {
    pub(super) raw: &'a RawValue,
    id: Option<String>,
    /// In microseconds since 1970.
    at: Option<i64>,
}

impl<'a> Row<'a> {
    fn of(raw: &'a RawValue, key: &str) -> Self {
        let fields = Fields::of(raw);
        let fields = fields.as_ref();
        let time = fields.and_then(|fields| fields.text(key).ok().flatten());
        Self {
            raw,
            id: fields.and_then(|fields| fields.id("id").ok()),
            at: time.and_then(|time| microseconds(&time)),
        }
    }

    fn unread(raw: &'a RawValue) -> Self {
        Self {
            raw,
            id: None,
            at: None,
        }
    }
}

/// Where the window after these records begins: at the last of their times. `None` if they have no
/// order, or if all have the same time: then the window goes on.
fn border(rows: &[Row<'_>]) -> Option<i64> {
    let times: Option<Vec<i64>> = rows.iter().map(|row| row.at).collect();
    let times = times?;
    let (first, last) = (times.first()?, times.last()?);
    (times.is_sorted() && first < last).then_some(*last)
}

fn microseconds(time: &str) -> Option<i64> {
    let time = DateTime::parse_from_rfc3339(time.trim()).ok()?;
    Some(time.timestamp_micros())
}

fn written(microseconds: i64) -> Option<String> {
    let time = DateTime::from_timestamp_micros(microseconds)?;
    Some(time.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string())
}

#[cfg(test)]
#[path = "walk_fuzz.rs"]
mod fuzz;

#[cfg(test)]
#[path = "walk_tests.rs"]
mod tests;
