//! What each of Salesloft's responses to a lookup says about the record.

use super::*;
use crate::salesloft::error::classify;

fn answer(status: u16, body: &str) -> Response {
    Response {
        status,
        headers: reqwest::header::HeaderMap::new(),
        body: body.to_owned().into(),
    }
}

fn found(body: &str) -> Result<Found, ErrorKind> {
    found_in(&answer(200, body), "7").map_err(|error| error.kind)
}

fn despite(status: u16, body: &str) -> Option<Found> {
    found_despite(&classify(&answer(status, body)))
}

#[test]
fn the_record_itself_exists_and_another_one_says_nothing() {
    assert_eq!(found(r#"{"data":{"id":7}}"#), Ok(Found::Exists));
    assert_eq!(found(r#"{"data":{"id":"7"}}"#), Ok(Found::Exists));
    assert_eq!(found(r#"{"data":{"id":8}}"#), Ok(Found::Another));
    let archived = r#"{"data":{"id":7,"current_state":"archived","archived_at":"2026-01-01"}}"#;
    assert_eq!(found(archived), Ok(Found::Exists));
}

#[test]
fn a_deleted_cadence_that_is_still_shown_is_gone() {
    let shown = found(r#"{"data":{"id":7,"current_state":"deleted"}}"#);
    assert!(matches!(shown, Ok(Found::Gone { .. })), "{shown:?}");
    let other = found(r#"{"data":{"id":8,"current_state":"deleted"}}"#);
    assert_eq!(other, Ok(Found::Another));
}

#[test]
fn a_success_without_a_record_decides_nothing() {
    for body in [
        "",
        "OK",
        "[]",
        "{}",
        r#"{"data":null}"#,
        r#"{"data":[]}"#,
        r#"{"data":[{"id":7}]}"#,
        r#"{"data":{}}"#,
        r#"{"data":{"id":null}}"#,
        r#"{"id":7}"#,
    ] {
        assert_eq!(found(body), Err(ErrorKind::InvalidResponse), "{body}");
    }
}

#[test]
fn a_404_in_salesloft_s_words_says_that_the_record_is_gone() {
    for body in [
        r#"{"status":404,"error":"Not Found"}"#,
        r#"{"error":"Not Found"}"#,
        r#"{"error":"Record not found"}"#,
    ] {
        let reason = if body.contains("Record") {
            "Record not found"
        } else {
            "Not Found"
        };
        let reason = reason.to_owned();
        assert_eq!(despite(404, body), Some(Found::Gone { reason }), "{body}");
    }
}

#[test]
fn a_404_of_a_proxy_and_any_other_error_decide_nothing() {
    for (status, body) in [
        (404, ""),
        (404, "Not Found"),
        (404, "<html><title>404 Not Found</title></html>"),
        (404, r#"{"error":"no route matches"}"#),
        (404, r#"{"message":"Not Found"}"#),
        (401, r#"{"error":"Invalid Bearer token"}"#),
        (403, r#"{"status":403,"error":"Not Found"}"#),
        (410, r#"{"error":"Not Found"}"#),
        (422, r#"{"error":"Not Found"}"#),
        (429, r#"{"error":"API rate limit exceeded"}"#),
        (500, r#"{"status":500,"error":"Internal Server Error"}"#),
    ] {
        assert_eq!(despite(status, body), None, "{status} {body}");
    }
}

#[test]
fn a_redirect_leads_to_another_record() {
    assert_eq!(despite(301, ""), Some(Found::Another));
}

#[test]
fn ids_are_whole_numbers() {
    for id in ["0", "7", "18446744073709551615"] {
        assert!(is_id(id), "{id}");
    }
    for id in [
        "",
        " 7",
        "07",
        "+7",
        "-7",
        "7.0",
        "7/actions",
        "..",
        "abc",
        "7?x=1",
        "18446744073709551616",
    ] {
        assert!(!is_id(id), "{id}");
    }
}
