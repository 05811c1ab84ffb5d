//! Paging by cursor or by offset: the requested part of a list.

use std::ops::Range;

use super::cursor::{Order, Position};
use super::query::Query;
use super::refusal::Refusal;
use super::switches::{BrokenCursor, DeepOffset, OutreachSwitches};

const USUAL_SIZE: usize = 50;
const LARGEST_SIZE: usize = 1_000;

/// The largest offset.
const LARGEST_OFFSET: usize = 10_000;

/// The requested part of a list.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) size: usize,
    pub(super) from: From,
}

#[derive(Debug)]
pub(super) enum From {
    Start,
    After(Position),
    Before(Position),
    Offset(usize),
    /// Beyond the largest offset, if that gives an empty page.
    Nowhere,
}

impl Page {
    pub(super) fn read(
        query: &Query,
        switches: &OutreachSwitches,
        order: &Order,
    ) -> Result<Self, Refusal> {
        let size = query.text("page[size]");
        let by_offset = size.is_none()
            && (query.text("page[limit]").is_some() || query.text("page[offset]").is_some());
        let size = read_size(
            size.or_else(|| query.text("page[limit]")),
            switches.page_size_refused,
        )?;
        let from = if by_offset {
            offset(query, switches.deep_offset)?
        } else {
            cursor(query, switches.broken_cursor, order)?
        };
        Ok(Self { size, from })
    }

    /// The range of the page in a sorted list.
    pub(super) fn cut<T>(&self, rows: &[(Position, T)], order: &Order) -> Range<usize> {
        let total = rows.len();
        let start = match &self.from {
            From::Start => 0,
            From::Nowhere => total,
            From::Offset(offset) => (*offset).min(total),
            From::After(position) => {
                rows.partition_point(|(row, _)| order.compare(row, position).is_le())
            }
            From::Before(position) => {
                let end = rows.partition_point(|(row, _)| order.compare(row, position).is_lt());
                return end.saturating_sub(self.size)..end;
            }
        };
        start..start.saturating_add(self.size).min(total)
    }

    pub(super) fn is_by_offset(&self) -> bool {
        matches!(self.from, From::Offset(_) | From::Nowhere)
    }

    /// The parameters of another page, by offset.
    pub(super) fn at_offset(&self, offset: usize) -> [(&'static str, String); 2] {
        [
            ("page[limit]", self.size.to_string()),
            ("page[offset]", offset.to_string()),
        ]
    }
}

fn read_size(text: Option<&str>, refuse: bool) -> Result<usize, Refusal> {
    let Some(text) = text else {
        return Ok(USUAL_SIZE);
    };
    let size: Option<i64> = text.parse().ok();
    let largest = i64::try_from(LARGEST_SIZE).unwrap_or(i64::MAX);
    match size {
        Some(size) if (1..=largest).contains(&size) => {
            Ok(usize::try_from(size).unwrap_or(USUAL_SIZE))
        }
        Some(size) if !refuse => Ok(usize::try_from(size.clamp(1, largest)).unwrap_or(1)),
        _ => Err(Refusal::invalid_parameter(&format!(
            "Page size must be between 1 and {LARGEST_SIZE}."
        ))),
    }
}

fn offset(query: &Query, deep: DeepOffset) -> Result<From, Refusal> {
    let text = query.text("page[offset]").unwrap_or("0");
    let Ok(offset) = text.parse::<usize>() else {
        return Err(Refusal::bad_request("Invalid page offset."));
    };
    if offset <= LARGEST_OFFSET {
        return Ok(From::Offset(offset));
    }
    let detail = format!("Page offset must not be greater than {LARGEST_OFFSET}.");
    match deep {
        DeepOffset::BadRequest => Err(Refusal::bad_request(&detail)),
        DeepOffset::Unprocessable => Err(Refusal::invalid_parameter(&detail)),
        DeepOffset::EmptyPage => Ok(From::Nowhere),
    }
}

fn cursor(query: &Query, broken: BrokenCursor, order: &Order) -> Result<From, Refusal> {
    let given = |name: &str| query.text(name).filter(|text| !text.is_empty());
    let position = match (given("page[after]"), given("page[before]")) {
        (None, None) => return Ok(From::Start),
        (Some(after), _) => order.position(after).map(From::After),
        (None, Some(before)) => order.position(before).map(From::Before),
    };
    match (position, broken) {
        (Some(position), _) => Ok(position),
        (None, BrokenCursor::FirstPage) => Ok(From::Start),
        (None, BrokenCursor::BadRequest) => Err(Refusal::bad_request("Invalid cursor.")),
        (None, BrokenCursor::ServerError) => Err(Refusal::new(
            500,
            "internalServerError",
            "Internal Server Error",
            "Something went wrong.",
            "",
        )),
    }
}
