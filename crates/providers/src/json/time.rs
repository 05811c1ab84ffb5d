//! Reads times in every format that denotes one instant.

use chrono::{DateTime, Datelike as _, NaiveDate, NaiveDateTime, NaiveTime};
use syncline_model::Time;

/// Formats with an offset, and those without one, which are in UTC.
const WITH_OFFSET: &[&str] = &[
    "%Y-%m-%dT%H:%M:%S%.f%#z",
    "%Y-%m-%dT%H:%M%#z",
    "%Y%m%dT%H%M%S%.f%#z",
];
const IN_UTC: &[&str] = &["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y%m%dT%H%M%S%.f"];
const DAYS: &[&str] = &["%Y-%m-%d", "%Y%m%d"];

/// The smallest number of seconds since 1970 that is accepted; smaller numbers mean something else.
const FIRST_SECONDS: f64 = 1e8;
/// From this value on, a number counts in the next smaller unit (milli, micro, nano).
const NEXT_UNIT: f64 = 1e11;

/// `None` if the text is not a time, or its year can't be represented.
pub(crate) fn read(text: &str) -> Option<Time> {
    let text = text.trim();
    let time = DateTime::parse_from_rfc3339(text)
        .ok()
        .map(|time| time.to_utc())
        .or_else(|| text.parse::<f64>().ok().and_then(since_1970))
        .or_else(|| in_words(text))
        .or_else(|| {
            DateTime::parse_from_rfc2822(text)
                .ok()
                .map(|time| time.to_utc())
        })?;
    // Whole milliseconds, and no leap second: second 60 becomes second 0 of the next minute.
    let time = DateTime::from_timestamp_millis(time.timestamp_millis())?;
    (1..=9999).contains(&time.year()).then_some(time)
}

fn in_words(text: &str) -> Option<Time> {
    let (text, is_utc) = match strip_zone(text) {
        Some(text) => (text, true),
        None => (text, false),
    };
    let text = with_t(text);
    let utc = || {
        let times = IN_UTC.iter();
        let days = DAYS.iter();
        times
            .filter_map(|form| NaiveDateTime::parse_from_str(&text, form).ok())
            .chain(
                days.filter_map(|form| NaiveDate::parse_from_str(&text, form).ok())
                    .map(|day| day.and_time(NaiveTime::MIN)),
            )
            .next()
            .map(|time| time.and_utc())
    };
    if is_utc {
        return utc();
    }
    let with_offset = WITH_OFFSET
        .iter()
        .find_map(|form| DateTime::parse_from_str(&text, form).ok());
    with_offset.map(|time| time.to_utc()).or_else(utc)
}

/// Removes a suffix that means UTC.
fn strip_zone(text: &str) -> Option<&str> {
    ["Z", "z", "UTC", "GMT"]
        .iter()
        .find_map(|zone| text.strip_suffix(zone))
        .map(str::trim_end)
}

/// Normalizes to a `T` between date and time, a dot before the fraction, and no space before the
/// offset.
fn with_t(text: &str) -> String {
    let mut parts = text.split_whitespace();
    let day = parts.next().unwrap_or_default();
    let rest: String = parts.collect();
    let text = if rest.is_empty() {
        day.to_owned()
    } else if day.contains(['T', 't']) {
        format!("{day}{rest}")
    } else {
        format!("{day}T{rest}")
    };
    text.replace('t', "T").replace(',', ".")
}

/// Seconds, milli-, micro- or nanoseconds: each is a separate range of values.
#[expect(
    clippy::cast_possible_truncation,
    reason = "fewer milliseconds than a year 10,000 has"
)]
fn since_1970(number: f64) -> Option<Time> {
    let mut seconds = number;
    for _ in 0..3 {
        if seconds < NEXT_UNIT {
            break;
        }
        seconds /= 1000.0;
    }
    if !(FIRST_SECONDS..NEXT_UNIT).contains(&seconds) {
        return None;
    }
    DateTime::from_timestamp_millis((seconds * 1000.0).round() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_an_instant_is_read() {
        for text in [
            "2026-01-31T09:30:00.120Z",
            "2026-01-31t09:30:00.120z",
            "2026-01-31T09:30:00.12Z",
            "2026-01-31T09:30:00.120999999Z",
            "2026-01-31T09:30:00,120Z",
            "2026-01-31T10:30:00.120+01:00",
            "2026-01-31T10:30:00.120+0100",
            "2026-01-31T10:30:00.120+01",
            "2026-01-31T00:00:00.120-09:30",
            "2026-01-31 09:30:00.120+0000",
            "2026-01-31 09:30:00.120 +0000",
            "2026-01-31 09:30:00.120 UTC",
            "2026-01-31 09:30:00.120",
            "2026-01-31T09:30:00.120",
            " 2026-01-31T09:30:00.120Z ",
            "20260131T093000.120Z",
            "1769851800.120",
            "1769851800120",
            "1769851800120000",
            "1769851800120000000",
        ] {
            let time = read(text).map(syncline_model::time::format);
            assert_eq!(time.as_deref(), Some("2026-01-31T09:30:00.120Z"), "{text}");
        }
        for text in [
            "2026-01-31",
            "20260131",
            "2026-01-31T00:00Z",
            "2026-01-31T00:00",
            "2026-01-31T00:00+00:00",
            "2026-01-30T23:59:60Z",
            "Sat, 31 Jan 2026 00:00:00 GMT",
            "1769817600",
            "1769817600000",
            "1.7698176e9",
        ] {
            let time = read(text).map(syncline_model::time::format);
            assert_eq!(time.as_deref(), Some("2026-01-31T00:00:00.000Z"), "{text}");
        }
    }

    #[test]
    fn what_is_no_instant_is_none() {
        for text in [
            "",
            "soon",
            "7",
            "-5",
            "0",
            "1.5",
            "NaN",
            "inf",
            "1e400",
            "2026",
            "2026-02-30",
            "2026-13-01T00:00:00Z",
            "2026-01-31T25:00:00Z",
            "-5000-01-01T00:00:00Z",
            "+12026-01-01T00:00:00Z",
            "0000-00-00 00:00:00",
            "09:30:00",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
