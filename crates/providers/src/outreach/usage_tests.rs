//! What the headers say of the window.

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::*;

const DATE: (&str, &str) = ("date", "Mon, 04 May 2026 10:30:00 GMT");

fn answer(headers: &[(&'static str, &'static str)]) -> Response {
    let header = |(name, value): &(&'static str, &'static str)| {
        (
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )
    };
    Response {
        status: 429,
        headers: headers.iter().map(header).collect::<HeaderMap>(),
        body: bytes::Bytes::new(),
    }
}

fn usage(headers: &[(&'static str, &'static str)]) -> Option<(i64, i64)> {
    let told = usage_of(&answer(headers));
    assert!(told.len() <= 1);
    let usage = told.first()?;
    assert_eq!(usage.window, RequestWindow::Hour);
    Some((usage.limit, usage.left))
}

#[test]
fn the_headers_tell_of_the_hour_in_either_spelling() {
    let told = [
        ("x-ratelimit-limit", "10000"),
        ("x-ratelimit-remaining", "9998"),
        ("x-ratelimit-reset", "1777892400"),
    ];
    assert_eq!(usage(&told), Some((10_000, 9_998)));
    let spelled = [
        ("x-rate-limit-limit", "10000"),
        ("x-rate-limit-remaining", "0"),
    ];
    assert_eq!(usage(&spelled), Some((10_000, 0)));
}

#[test]
fn the_first_number_counts_and_lies_between_nothing_and_the_limit() {
    let limit = ("x-ratelimit-limit", "10000, 10000;w=3600");
    for (told, left) in [
        ("9998", 9_998),
        ("user=9998; app=3", 9_998),
        ("-3", 0),
        ("10001", 10_000),
    ] {
        let remaining = ("x-ratelimit-remaining", told);
        assert_eq!(usage(&[limit, remaining]), Some((10_000, left)), "{told}");
    }
}

#[test]
fn what_makes_no_sense_is_ignored() {
    let remaining = ("x-ratelimit-remaining", "5");
    for headers in [
        &[][..],
        &[remaining],
        &[("x-ratelimit-limit", "10000")],
        &[("x-ratelimit-limit", "many"), remaining],
        &[("x-ratelimit-limit", "0"), remaining],
        &[("x-ratelimit-limit", ""), remaining],
        &[("x-ratelimit-limit", "99999999999999999999"), remaining],
    ] {
        assert_eq!(usage(headers), None, "{headers:?}");
    }
}

#[test]
fn a_wait_is_until_a_time_or_a_number_of_seconds() {
    let wait = |headers: &[(&'static str, &'static str)]| {
        let wait = wait_in(&answer(headers), "retry-after");
        wait.map(|wait| wait.as_secs())
    };
    for text in [
        "1777892400",
        "2026-05-04T11:00:00.000Z",
        "2026-05-04 11:00:00 UTC",
        "Mon, 04 May 2026 11:00:00 GMT",
        "1800",
    ] {
        assert_eq!(wait(&[("retry-after", text), DATE]), Some(1_800), "{text}");
    }
    // It has passed.
    assert_eq!(wait(&[("retry-after", "1777880000"), DATE]), Some(0));
    assert_eq!(wait(&[("retry-after", "1777892400")]), None);
    assert_eq!(wait(&[("retry-after", "30")]), Some(30));
    for text in ["", "soon", "-5", "1.5"] {
        assert_eq!(wait(&[("retry-after", text), DATE]), None, "{text}");
    }
    assert_eq!(wait(&[DATE]), None);
}

#[test]
fn the_reset_is_read_in_either_spelling() {
    for name in RESET {
        let until = wait_until_reset(&answer(&[(name, "1777892400"), DATE]));
        assert_eq!(until, Some(Duration::from_mins(30)), "{name}");
    }
}
