//! What each of Outreach's errors is taken for.

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::*;

fn answer(status: u16, body: &str, headers: &[(&'static str, &'static str)]) -> Response {
    let header = |(name, value): &(&'static str, &'static str)| {
        (
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )
    };
    Response {
        status,
        headers: headers.iter().map(header).collect::<HeaderMap>(),
        body: body.to_owned().into(),
    }
}

fn classified(status: u16, body: &str) -> (ErrorKind, String) {
    let error = classify(&answer(status, body, &[]));
    assert_eq!(error.status, Some(status));
    (error.kind, error.message)
}

fn coded(status: u16, code: &str) -> ErrorKind {
    let body = format!(r#"{{"errors":[{{"id":"{code}","title":"T","detail":"D"}}]}}"#);
    let (kind, message) = classified(status, &body);
    assert_eq!(message, "D");
    kind
}

#[test]
fn a_status_and_its_code_say_the_kind() {
    for (status, code, kind) in [
        (400, "badRequest", ErrorKind::Rejected),
        (
            403,
            "unauthorizedOauthScope",
            ErrorKind::Forbidden(Denial::KeyScope),
        ),
        (
            403,
            "unauthorizedRequest",
            ErrorKind::Forbidden(Denial::Unknown),
        ),
        (403, "other", ErrorKind::Forbidden(Denial::Unknown)),
        (404, "resourceNotFound", ErrorKind::NotFound),
        (404, "routeNotFound", ErrorKind::NotFound),
        (415, "unsupportedMediaType", ErrorKind::Rejected),
        (422, "validationError", ErrorKind::Rejected),
        (
            429,
            "rateLimitExceeded",
            ErrorKind::RateLimited(Window::Hour),
        ),
        (500, "internalServerError", ErrorKind::Unavailable),
        (503, "scheduledServerMaintenance", ErrorKind::Unavailable),
    ] {
        assert_eq!(coded(status, code), kind, "{status} {code}");
    }
    assert_eq!(classified(408, "").0, ErrorKind::Timeout);
    assert_eq!(classified(302, "").0, ErrorKind::Rejected);
}

#[test]
fn a_401_is_an_object_of_its_own() {
    let body =
        r#"{"error":"Invalid JWT token.","description":"The JWT token could not be decoded."}"#;
    let expected = "Invalid JWT token. The JWT token could not be decoded.";
    assert_eq!(
        classified(401, body),
        (ErrorKind::Unauthorized, expected.to_owned())
    );
    for (body, said) in [
        (r#"{"error":"Expired JWT token."}"#, "Expired JWT token."),
        (r#"{"description":"Expired."}"#, "Expired."),
        (
            r#"{"error":null,"description":" "}"#,
            r#"{"error":null,"description":" "}"#,
        ),
    ] {
        assert_eq!(classified(401, body).1, said);
    }
}

#[test]
fn the_first_error_says_what_is_wrong() {
    for (body, said) in [
        (
            r#"{"errors":[{"id":"a","title":"T","detail":" D "},{"detail":"E"}]}"#,
            "D",
        ),
        (r#"{"errors":[{"id":"a","title":"T","details":"D"}]}"#, "D"),
        (r#"{"errors":[{"id":"a","title":"T","detail":""}]}"#, "T"),
        (r#"{"errors":[{"id":"a","detail":{}}]}"#, "a"),
        (r#"{"errors":[]}"#, r#"{"errors":[]}"#),
        (r#"{"errors":["no"]}"#, r#"{"errors":["no"]}"#),
        (r#"["no"]"#, r#"["no"]"#),
        ("Retry later\n", "Retry later"),
        ("no healthy upstream", "no healthy upstream"),
    ] {
        assert_eq!(classified(422, body).1, said);
    }
}

#[test]
fn a_proxys_page_is_not_quoted() {
    let html = "<html><head><title>502 Bad Gateway</title></head></html>";
    for body in [html, ""] {
        let (kind, message) = classified(502, body);
        assert_eq!(kind, ErrorKind::Unavailable);
        assert_eq!(message, "Outreach answered 502 without a text");
    }
    let typed = answer(503, "Bad gateway", &[("content-type", "text/html")]);
    assert_eq!(
        classify(&typed).message,
        "Outreach answered 503 without a text"
    );
    let moved = answer(301, "", &[("location", "https://elsewhere.test/")]);
    assert!(classify(&moved).message.contains("https://elsewhere.test/"));
}

#[test]
fn a_refusal_says_how_long_it_lasts() {
    let date = ("date", "Mon, 04 May 2026 10:30:00 GMT");
    let limit = ("x-ratelimit-limit", "10000");
    let left = ("x-ratelimit-remaining", "0");
    let reset = ("x-ratelimit-reset", "1777892400");
    let wait = |status, headers: &[(&'static str, &'static str)]| {
        let error = classify(&answer(status, "{}", headers));
        error.retry_after.map(|wait| wait.as_secs())
    };
    assert_eq!(wait(429, &[date, reset, limit, left]), Some(1_800));
    assert_eq!(wait(429, &[date, reset, ("retry-after", "60")]), Some(60));
    assert_eq!(wait(429, &[date]), None);
    // The window's end has nothing to do with another error.
    assert_eq!(wait(503, &[date, reset]), None);
    assert_eq!(
        wait(503, &[date, ("retry-after", "2026-05-04T10:40:00.000Z")]),
        Some(600)
    );
    let error = classify(&answer(429, "", &[date, reset, limit, left]));
    assert_eq!((error.usage[0].limit, error.usage[0].left), (10_000, 0));
}

#[test]
fn only_a_429_is_a_refusal_of_a_callers_request() {
    assert!(refusal_of(&answer(200, "", &[])).is_none());
    assert!(refusal_of(&answer(403, "", &[])).is_none());
    let error = refusal_of(&answer(429, "", &[])).unwrap();
    assert_eq!(error.kind, ErrorKind::RateLimited(Window::Hour));
}
