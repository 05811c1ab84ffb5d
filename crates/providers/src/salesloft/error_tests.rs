//! Each of Salesloft's known errors, as documented or recorded.

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use syncline_model::RequestWindow;

use super::*;

fn answer(status: u16, body: &str, headers: &[(&'static str, &'static str)]) -> ProviderError {
    let headers: HeaderMap = headers
        .iter()
        .map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        })
        .collect();
    classify(&Response {
        status,
        headers,
        body: body.to_owned().into(),
    })
}

#[test]
fn every_known_error_has_its_kind_and_its_text_is_kept() {
    let scope =
        "Requested scoped field(s) could not be returned, required scope access not included.";
    let cases = [
        (401, "Invalid Bearer token", ErrorKind::Unauthorized),
        (
            403,
            "Insufficient scope: people:read is required",
            ErrorKind::Forbidden(Denial::KeyScope),
        ),
        (
            403,
            "You are not authorized to perform this action",
            ErrorKind::Forbidden(Denial::Unknown),
        ),
        (404, "Not Found", ErrorKind::NotFound),
        (400, "Bad Request", ErrorKind::Rejected),
        (422, "sort_by is invalid", ErrorKind::Rejected),
        (422, scope, ErrorKind::Forbidden(Denial::KeyScope)),
        (
            429,
            "API rate limit exceeded",
            ErrorKind::RateLimited(Window::Minute),
        ),
        (500, "Internal Server Error", ErrorKind::Unavailable),
    ];
    for (status, text, kind) in cases {
        for body in [
            format!(r#"{{"error":"{text}"}}"#),
            format!(r#"{{"status":{status},"error":"{text}"}}"#),
            format!(r#"{{"status":"{status}","error":"{text}"}}"#),
            format!(r#"{{"message":" {text} "}}"#),
            text.to_owned(),
            format!(r#""{text}""#),
        ] {
            let error = answer(status, &body, &[]);
            assert_eq!((error.kind, error.status), (kind, Some(status)), "{body}");
            assert_eq!(error.message, text, "{body}");
            assert_eq!(error.body.as_deref(), Some(body.as_str()));
            assert_eq!(error.retry_after, None);
        }
    }
}

#[test]
fn texts_by_field_are_put_in_one_line() {
    for (body, expected) in [
        (
            r#"{"errors":{"email_address":["is already taken"],"first_name":["is required"]}}"#,
            "email_address is already taken; first_name is required",
        ),
        (
            r#"{"errors":{"domain":["is short","is bad"]}}"#,
            "domain is short; domain is bad",
        ),
        (r#"{"errors":{"domain":"is taken"}}"#, "domain is taken"),
        (
            r#"{"errors":{"domain":[{"odd":1}]}}"#,
            r#"{"errors":{"domain":[{"odd":1}]}}"#,
        ),
        (
            r#"{"errors":["domain is bad"]}"#,
            r#"{"errors":["domain is bad"]}"#,
        ),
        (r#"{"error":null,"errors":{"a":["b"]}}"#, "a b"),
    ] {
        let error = answer(422, body, &[]);
        assert_eq!(error.kind, ErrorKind::Rejected, "{body}");
        assert_eq!(error.message, expected, "{body}");
    }
}

#[test]
fn a_proxys_page_is_no_message() {
    for status in [502, 503, 504] {
        let error = answer(status, "<html><title>Bad Gateway</title></html>", &[]);
        assert_eq!(error.kind, ErrorKind::Unavailable);
        assert_eq!(
            error.message,
            format!("Salesloft answered {status} without a text")
        );
        let plain = answer(status, "upstream request timeout", &[]);
        assert_eq!(plain.message, "upstream request timeout");
    }
    let empty = answer(418, "", &[]);
    assert_eq!(empty.message, "Salesloft answered 418 without a text");
    assert_eq!((empty.kind, empty.body), (ErrorKind::Rejected, None));
}

#[test]
fn a_redirect_says_where_to() {
    let error = answer(302, "", &[("location", "https://login.test/")]);
    assert_eq!(error.kind, ErrorKind::Rejected);
    assert!(
        error.message.contains("https://login.test/"),
        "{}",
        error.message
    );
}

#[test]
fn a_refusal_for_want_of_points_tells_the_usage() {
    let headers = [
        ("x-ratelimit-endpoint-cost", "1"),
        ("x-ratelimit-remaining-minute", "0"),
    ];
    let error = answer(429, r#"{"error":"API rate limit exceeded"}"#, &headers);
    assert_eq!(error.usage.len(), 1);
    assert_eq!(error.usage[0].window, RequestWindow::Minute);
    assert_eq!((error.usage[0].limit, error.usage[0].left), (600, 0));
}
