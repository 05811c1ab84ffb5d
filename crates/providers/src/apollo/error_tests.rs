//! Each of Apollo's known errors, as documented or recorded.

use std::time::Duration;

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
fn every_known_error_text_has_its_kind_and_is_kept() {
    let cases = [
        (
            401,
            "Invalid API key. See https://docs.apollo.io/reference/authentication for how to authenticate.",
            "Invalid API key. See",
            ErrorKind::Unauthorized,
        ),
        (
            401,
            "Invalid access credentials.",
            "Invalid access credentials.",
            ErrorKind::Unauthorized,
        ),
        (
            401,
            r#"{"error_code":"INVALID_ACCESS_TOKEN"}"#,
            "INVALID_ACCESS_TOKEN",
            ErrorKind::Unauthorized,
        ),
        (
            403,
            r#"{"error":"api/v1/users/search is not accessible with this api_key","error_code":"API_INACCESSIBLE"}"#,
            "api/v1/users/search is not accessible",
            ErrorKind::Forbidden(Denial::KeyScope),
        ),
        (
            403,
            r#"{"error":"api/v1/contacts/search is not accessible with this api_key on a free plan. Please upgrade your plan from https://app.apollo.io/.","error_code":"API_INACCESSIBLE"}"#,
            "on a free plan. Please upgrade your plan from https://app.apollo.io/.",
            ErrorKind::Forbidden(Denial::Plan),
        ),
        (
            403,
            r#"{"message":"This endpoint is only available to Apollo users on paid plans."}"#,
            "only available to Apollo users on paid plans",
            ErrorKind::Forbidden(Denial::Plan),
        ),
        (
            404,
            r#"{"status":404,"error":"Not Found"}"#,
            "Not Found",
            ErrorKind::NotFound,
        ),
        (
            422,
            r#"{"error":"Page * per page number is over threshold."}"#,
            "over threshold",
            ErrorKind::Rejected,
        ),
        (
            422,
            r#"{"error":"API key must be passed in the X-Api-Key header for security reasons"}"#,
            "X-Api-Key header",
            ErrorKind::Rejected,
        ),
        (
            422,
            r#"{"error":"Invalid sort criteria","skip_alert_dialog":true}"#,
            "Invalid sort criteria",
            ErrorKind::Rejected,
        ),
        (
            400,
            r#"{"status":"failed","error_code":"INVALID_REQUEST","error_message":"invalid request, missing details"}"#,
            "invalid request, missing details",
            ErrorKind::Rejected,
        ),
        (
            500,
            r#"{"error":"An error occurred. Please try again."}"#,
            "Please try again",
            ErrorKind::Unavailable,
        ),
        (
            503,
            "",
            "Apollo answered 503 without a text",
            ErrorKind::Unavailable,
        ),
        (408, "", "408", ErrorKind::Timeout),
    ];
    for (status, body, text, kind) in cases {
        let error = answer(status, body, &[]);
        assert_eq!((error.kind, error.status), (kind, Some(status)), "{body}");
        assert!(error.message.contains(text), "{}", error.message);
    }
}

#[test]
fn a_rate_limit_names_its_window() {
    let text = |per: &str| {
        format!(
            r#"{{"message":"The maximum number of api calls allowed for api/v1/contacts/search is 600 times per {per}. Please upgrade your plan from https://app.apollo.io/#/settings/plans/upgrade."}}"#
        )
    };
    for (body, window) in [
        (text("minute"), Window::Minute),
        (text("hour"), Window::Hour),
        (text("day"), Window::Day),
        (
            r#""The maximum number of api calls allowed for api/v1/users is 9 times per day. Please upgrade your plan""#.to_owned(),
            Window::Day,
        ),
        (
            r#"{"error":"We are already processing the request for your sequence"}"#.to_owned(),
            Window::AlreadyProcessing,
        ),
        ("Too many requests".to_owned(), Window::Unknown),
    ] {
        let error = answer(429, &body, &[]);
        assert_eq!(error.kind, ErrorKind::RateLimited(window), "{body}");
        assert!(!error.is_temporary());
    }
}

#[test]
fn where_the_text_names_no_window_the_counters_do() {
    let headers = [
        ("x-rate-limit-24-hour", "2000"),
        ("x-24-hour-requests-left", "0"),
        ("x-rate-limit-hourly", "400"),
        ("x-hourly-requests-left", "3"),
        ("x-rate-limit-minute", "200"),
        ("x-minute-requests-left", "0"),
        ("retry-after", "15733"),
    ];
    let error = answer(429, "", &headers);
    assert_eq!(error.kind, ErrorKind::RateLimited(Window::Day));
    assert_eq!(error.retry_after, Some(Duration::from_secs(15_733)));
    let used_up = WindowUsage {
        window: RequestWindow::Day,
        limit: 2_000,
        left: 0,
    };
    assert!(error.usage.contains(&used_up), "{:?}", error.usage);
}

#[test]
fn any_refusal_may_tell_of_the_request_windows() {
    let headers = [
        ("x-rate-limit-minute", "200"),
        ("x-minute-requests-left", "12"),
    ];
    for status in [404, 422, 500] {
        let usage = answer(status, "", &headers).usage;
        assert_eq!((usage.len(), usage[0].left), (1, 12), "{status}");
    }
}

#[test]
fn each_counted_window_of_a_429_has_its_quota() {
    for (window, quota) in [
        (Window::Minute, Some(RequestWindow::Minute)),
        (Window::Hour, Some(RequestWindow::Hour)),
        (Window::Day, Some(RequestWindow::Day)),
        (Window::AlreadyProcessing, None),
        (Window::Unknown, None),
    ] {
        assert_eq!(window.request_window(), quota);
    }
}

#[test]
fn a_denial_tells_the_plan_from_the_key() {
    for (body, denial) in [
        (
            r#"{"error":"This API key is not authorized to access api/v1/users/search. Request an API key from your administrator that includes this endpoint in its configured scope.","error_code":"API_INACCESSIBLE"}"#,
            Denial::KeyScope,
        ),
        (
            r#"{"error":"api/v1/contacts/destroy is not accessible with this access token","error_code":"API_INACCESSIBLE"}"#,
            Denial::KeyScope,
        ),
        (
            r#"{"error":"api/v1/contacts/search is not accessible with this api_key on a free plan.","error_code":"API_INACCESSIBLE"}"#,
            Denial::Plan,
        ),
        (
            r#"{"error":"api/v1/contacts/search is not accessible with this api_key. Please upgrade your plan from https://app.apollo.io/."}"#,
            Denial::Plan,
        ),
        ("<html>Attention required!</html>", Denial::Unknown),
        ("", Denial::Unknown),
    ] {
        let error = answer(403, body, &[]);
        assert_eq!(error.kind, ErrorKind::Forbidden(denial), "{body}");
    }
}

#[test]
fn a_plan_without_the_endpoint_is_no_rate_limit() {
    let error = answer(429, "This endpoint is only available to paying teams", &[]);
    assert_eq!(error.kind, ErrorKind::Forbidden(Denial::Plan));
}

#[test]
fn a_proxys_html_page_becomes_a_short_message() {
    let page = "<!DOCTYPE html><html><body><h1>502 Bad Gateway</h1></body></html>";
    let error = answer(502, page, &[("content-type", "text/html; charset=UTF-8")]);
    assert_eq!(error.message, "Apollo answered 502 without a text");
    assert!(error.is_temporary());
    assert_eq!(error.body.as_deref(), Some(page));
}

#[test]
fn a_redirect_is_refused_with_its_target() {
    let error = answer(301, "", &[("location", "https://elsewhere.test/")]);
    assert_eq!(error.kind, ErrorKind::Rejected);
    assert!(error.message.contains("https://elsewhere.test/"));
}

#[test]
fn a_429_that_nobody_read_is_told_by_its_counters() {
    let refusal = |left: &'static str, body: &'static str| {
        let mut headers = HeaderMap::new();
        headers.insert("x-rate-limit-minute", HeaderValue::from_static("50"));
        headers.insert("x-minute-requests-left", HeaderValue::from_static(left));
        let response = Response {
            status: 429,
            headers,
            body: body.into(),
        };
        refusal_of(&response).unwrap().kind
    };
    let busy = ErrorKind::RateLimited(Window::AlreadyProcessing);
    assert_eq!(refusal("0", ""), ErrorKind::RateLimited(Window::Minute));
    assert_eq!(refusal("7", ""), busy);
    let text = r#"{"message":"The maximum number of api calls allowed is 50 times per minute."}"#;
    assert_eq!(refusal("7", text), ErrorKind::RateLimited(Window::Minute));
    let success = Response {
        status: 200,
        headers: HeaderMap::new(),
        body: bytes::Bytes::new(),
    };
    assert!(refusal_of(&success).is_none());
}
