//! Reads the usage of the request window from Outreach's responses, and when it ends.
//!
//! A user has one window of an hour, for all endpoints and applications together. Every response has
//! headers with its limit and what is left of it.

use std::time::Duration;

use syncline_model::{RequestWindow, WindowUsage};

use crate::{http::Response, json::time};

/// The headers, each in two spellings: clients have seen both.
const LIMIT: [&str; 2] = ["x-ratelimit-limit", "x-rate-limit-limit"];
const LEFT: [&str; 2] = ["x-ratelimit-remaining", "x-rate-limit-remaining"];
const RESET: [&str; 2] = ["x-ratelimit-reset", "x-rate-limit-reset"];

/// The window, if the response reports it. Headers that can't be read are ignored.
pub(super) fn usage_of(response: &Response) -> Vec<WindowUsage> {
    let window = number(response, LIMIT)
        .zip(number(response, LEFT))
        // A limit of 0 can't be right, because there is a response.
        .filter(|(limit, _)| *limit > 0)
        .map(|(limit, left)| WindowUsage {
            window: RequestWindow::Hour,
            limit,
            left: left.clamp(0, limit),
        });
    window.into_iter().collect()
}

/// The first whole number in the header: Outreach once put more around it.
fn number(response: &Response, names: [&str; 2]) -> Option<i64> {
    let text = names.iter().find_map(|name| response.header(name))?;
    let start = text.find(|char: char| char.is_ascii_digit())?;
    let digits = &text[start..];
    let end = digits
        .find(|char: char| !char.is_ascii_digit())
        .unwrap_or(digits.len());
    let number: i64 = digits[..end].parse().ok()?;
    let is_negative = text[..start].ends_with('-');
    Some(if is_negative { -number } else { number })
}

pub(super) fn wait_until_reset(response: &Response) -> Option<Duration> {
    RESET.iter().find_map(|name| wait_in(response, name))
}

/// How long a header asks to wait: until a time, in words or in seconds since 1970, by Outreach's
/// clock; or a number of seconds.
pub(super) fn wait_in(response: &Response, header: &str) -> Option<Duration> {
    let text = response.header(header)?;
    match time::read(text) {
        Some(until) => Some((until - response.date()?).to_std().unwrap_or_default()),
        None => text.parse().ok().map(Duration::from_secs),
    }
}

#[cfg(test)]
#[path = "usage_tests.rs"]
mod tests;
