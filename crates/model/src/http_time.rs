//! Times in HTTP headers: `Date` and `Retry-After`.

use std::time::Duration;

use crate::Time;

/// Parses any of the three date formats of HTTP.
pub fn parse_http_date(text: &str) -> Option<Time> {
    Some(httpdate::parse_http_date(text).ok()?.into())
}

/// How long `Retry-After` asks to wait: in seconds, or until a date. The date is by the sender's
/// clock, so it can only be used if there is a `Date` header too.
pub fn retry_after(value: &str, date: Option<&str>) -> Option<Duration> {
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let wait = parse_http_date(value)? - parse_http_date(date?)?;
    Some(wait.to_std().unwrap_or_default())
}
