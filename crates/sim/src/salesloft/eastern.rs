//! Salesloft's notation of times: microseconds, in the time of the east of the USA.
//!
//! The rules of daylight saving are computed here instead of taken from a library with all time zones of the
//! world: it is one zone, and its rules have not changed since 2007.

use chrono::{DateTime, Datelike as _, FixedOffset, NaiveDate, TimeDelta, Utc, Weekday};

const STANDARD_HOURS: i32 = 5;

/// `2026-03-07T02:46:00.302715-05:00`
pub(super) fn timestamp(at: DateTime<Utc>) -> String {
    let hours = STANDARD_HOURS - i32::from(is_summer(at));
    match FixedOffset::west_opt(hours * 3_600) {
        Some(zone) => {
            let local = at.with_timezone(&zone);
            local.format("%Y-%m-%dT%H:%M:%S%.6f%:z").to_string()
        }
        None => at.to_rfc3339(),
    }
}

/// Whether clocks are an hour ahead: from the second Sunday of March to the first Sunday of November, each
/// time from 2:00 local time.
fn is_summer(at: DateTime<Utc>) -> bool {
    // The offset before the change is the standard one in March and the summer one in November.
    let starts = change(at.year(), 3, 2, STANDARD_HOURS);
    let ends = change(at.year(), 11, 1, STANDARD_HOURS - 1);
    starts
        .zip(ends)
        .is_some_and(|(starts, ends)| starts <= at && at < ends)
}

/// 2:00 on the nth Sunday of a month, at an offset in hours west of UTC.
fn change(year: i32, month: u32, nth: u8, west: i32) -> Option<DateTime<Utc>> {
    let day = NaiveDate::from_weekday_of_month_opt(year, month, Weekday::Sun, nth)?;
    let local = day.and_hms_opt(2, 0, 0)?;
    Some(local.and_utc() + TimeDelta::hours(i64::from(west)))
}

/// Parses a time in RFC 3339.
pub(super) fn instant(text: &str) -> Option<DateTime<Utc>> {
    let at = DateTime::parse_from_rfc3339(text).ok()?;
    Some(at.to_utc())
}
