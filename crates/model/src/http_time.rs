//! Times in HTTP headers: `Date` and `Retry-After`.

use std::time::Duration;

use crate::Time;

/// In any of the three forms that HTTP has.
pub fn parse_http_date(text: &str) -> Option<Time> {
    Some(httpdate::parse_http_date(text).ok()?.into())
}

/// How long `Retry-After` asks to wait: seconds, or until a time. That is a time by the sender's clock, so
/// without a `Date` beside it, it says nothing.
pub fn retry_after(value: &str, date: Option<&str>) -> Option<Duration> {
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let wait = parse_http_date(value)? - parse_http_date(date?)?;
    Some(wait.to_std().unwrap_or_default())
}
