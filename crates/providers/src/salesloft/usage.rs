//! Reads a team's usage from Salesloft's responses.
//!
//! Salesloft counts cost points in windows of one minute, for a whole team and all endpoints
//! together. What is left is always in a header; the limit is not documented to be in one.

use syncline_model::{RequestWindow, WindowUsage};

use crate::http::Response;

const LIMIT: &str = "x-ratelimit-limit-minute";
const LEFT: &str = "x-ratelimit-remaining-minute";

/// A team's points a minute, unless Salesloft has raised them.
const USUAL_LIMIT: i64 = 600;

/// The usage of the minute, if the response reports it. Headers that can't be read are ignored.
pub(super) fn usage_of(response: &Response) -> Vec<WindowUsage> {
    let Some(left) = number(response, LEFT) else {
        return Vec::new();
    };
    let told = number(response, LIMIT).filter(|limit| *limit > 0);
    // A team with more left than usual has a raised limit of at least that.
    let limit = told.unwrap_or_else(|| USUAL_LIMIT.max(left));
    vec![WindowUsage {
        window: RequestWindow::Minute,
        limit,
        left: left.clamp(0, limit),
    }]
}

fn number(response: &Response, header: &str) -> Option<i64> {
    response.header(header)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

    use super::*;

    fn usage(headers: &[(&'static str, &'static str)]) -> Option<(i64, i64)> {
        let header = |(name, value): &(&'static str, &'static str)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        };
        let response = Response {
            status: 200,
            headers: headers.iter().map(header).collect::<HeaderMap>(),
            body: bytes::Bytes::new(),
        };
        let usage = usage_of(&response);
        assert!(usage.len() <= 1);
        let usage = usage.first()?;
        assert_eq!(usage.window, RequestWindow::Minute);
        Some((usage.limit, usage.left))
    }

    #[test]
    fn the_minute_has_a_limit_and_what_is_left_of_it() {
        let told = [
            ("x-ratelimit-endpoint-cost", "3"),
            (LIMIT, "900"),
            (LEFT, "897"),
        ];
        assert_eq!(usage(&told), Some((900, 897)));
    }

    #[test]
    fn a_limit_that_is_not_told_is_the_usual_one_or_higher() {
        assert_eq!(usage(&[(LEFT, "597")]), Some((600, 597)));
        assert_eq!(usage(&[(LEFT, "1199")]), Some((1_199, 1_199)));
        for limit in ["", "many", "0", "-1"] {
            assert_eq!(usage(&[(LIMIT, limit), (LEFT, "5")]), Some((600, 5)));
        }
    }

    #[test]
    fn what_makes_no_sense_is_ignored() {
        for left in ["", "some", "4.5", "99999999999999999999"] {
            assert_eq!(usage(&[(LIMIT, "600"), (LEFT, left)]), None, "{left}");
        }
        assert_eq!(usage(&[(LIMIT, "600")]), None);
        assert_eq!(usage(&[]), None);
    }

    #[test]
    fn what_is_left_lies_between_nothing_and_the_limit() {
        for (told, left) in [("-3", 0), ("601", 600), (" 7 ", 7)] {
            assert_eq!(usage(&[(LIMIT, "600"), (LEFT, told)]), Some((600, left)));
        }
    }
}
