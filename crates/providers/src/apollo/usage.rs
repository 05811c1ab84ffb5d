//! Reads the usage of an endpoint's request windows from Apollo's responses.
//!
//! Every authenticated response has two headers per window: its limit, and what is left of it. If a
//! window has no limit, its header is empty. No header says when the window opened or will close.

use syncline_model::{RequestWindow, WindowUsage};

use crate::http::Response;

/// Per window, the headers of its limit and of what is left. The day's headers had other names
/// once.
const HEADERS: [(RequestWindow, &[(&str, &str)]); 3] = [
    (
        RequestWindow::Minute,
        &[("x-rate-limit-minute", "x-minute-requests-left")],
    ),
    (
        RequestWindow::Hour,
        &[("x-rate-limit-hourly", "x-hourly-requests-left")],
    ),
    (
        RequestWindow::Day,
        &[
            ("x-rate-limit-24-hour", "x-24-hour-requests-left"),
            ("x-rate-limit-daily", "x-daily-requests-left"),
        ],
    ),
];

/// The windows that the response reports, shortest first. Headers that can't be read are ignored.
pub(super) fn usage_of(response: &Response) -> Vec<WindowUsage> {
    let told = |(window, names): (RequestWindow, &[(&str, &str)])| {
        let (limit, left) = names
            .iter()
            .find_map(|(limit, left)| Some((number(response, limit)?, number(response, left)?)))?;
        // A limit of 0 can't be right, because there is a response.
        (limit > 0).then(|| WindowUsage {
            window,
            limit,
            // It can be negative if refused requests count too.
            left: left.clamp(0, limit),
        })
    };
    HEADERS.into_iter().filter_map(told).collect()
}

fn number(response: &Response, header: &str) -> Option<i64> {
    response.header(header)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

    use super::*;

    fn usage(headers: &[(&'static str, &'static str)]) -> Vec<(RequestWindow, i64, i64)> {
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
        usage_of(&response)
            .into_iter()
            .map(|usage| (usage.window, usage.limit, usage.left))
            .collect()
    }

    #[test]
    fn a_recorded_answer_tells_of_three_windows() {
        let recorded = [
            ("x-rate-limit-minute", "50"),
            ("x-minute-usage", "2"),
            ("x-minute-requests-left", "48"),
            ("x-rate-limit-hourly", "200"),
            ("x-hourly-usage", "3"),
            ("x-hourly-requests-left", "197"),
            ("x-rate-limit-24-hour", "600"),
            ("x-24-hour-usage", "3"),
            ("x-24-hour-requests-left", "597"),
        ];
        assert_eq!(
            usage(&recorded),
            [
                (RequestWindow::Minute, 50, 48),
                (RequestWindow::Hour, 200, 197),
                (RequestWindow::Day, 600, 597),
            ]
        );
    }

    #[test]
    fn the_days_headers_have_an_older_name() {
        let old = [
            ("x-rate-limit-daily", "600"),
            ("x-daily-requests-left", "0"),
        ];
        assert_eq!(usage(&old), [(RequestWindow::Day, 600, 0)]);
    }

    #[test]
    fn an_empty_limit_is_none_and_what_makes_no_sense_is_ignored() {
        for headers in [
            &[("x-rate-limit-minute", "")][..],
            &[("x-rate-limit-minute", ""), ("x-minute-requests-left", "")],
            &[("x-rate-limit-minute", "50")],
            &[("x-minute-requests-left", "50")],
            &[
                ("x-rate-limit-minute", "fifty"),
                ("x-minute-requests-left", "48"),
            ],
            &[
                ("x-rate-limit-minute", "50"),
                ("x-minute-requests-left", "4.5"),
            ],
            &[
                ("x-rate-limit-minute", "0"),
                ("x-minute-requests-left", "0"),
            ],
            &[
                ("x-rate-limit-minute", "99999999999999999999"),
                ("x-minute-requests-left", "1"),
            ],
        ] {
            assert_eq!(usage(headers), [], "{headers:?}");
        }
    }

    #[test]
    fn what_is_left_lies_between_nothing_and_the_limit() {
        let limit = ("x-rate-limit-minute", "50");
        for (told, left) in [("-3", 0), ("51", 50), (" 7 ", 7)] {
            assert_eq!(
                usage(&[limit, ("x-minute-requests-left", told)]),
                [(RequestWindow::Minute, 50, left)]
            );
        }
    }
}
