//! What each of Outreach's responses to a lookup says about the record.

use serde_json::json;

use super::*;
use crate::outreach::error::classify;

fn answer(status: u16, body: &str) -> Response {
    Response {
        status,
        headers: reqwest::header::HeaderMap::new(),
        body: body.to_owned().into(),
    }
}

fn verdict(status: u16, body: &str) -> Option<Found> {
    found_despite(&classify(&answer(status, body)))
}

fn error(code: &str) -> String {
    json!({"errors": [{"id": code, "title": "T", "detail": "D"}]}).to_string()
}

#[test]
fn a_record_that_is_not_there_is_gone_and_one_that_may_not_be_seen_hidden() {
    let reason = || "D".to_owned();
    let gone = Some(Found::Gone { reason: reason() });
    assert_eq!(verdict(404, &error("resourceNotFound")), gone);
    let hidden = Some(Found::Hidden { reason: reason() });
    assert_eq!(verdict(403, &error("unauthorizedRequest")), hidden);
}

#[test]
fn nothing_else_settles_anything() {
    for (status, body) in [
        (404, error("routeNotFound")),
        (404, String::new()),
        (404, "<html>404 not found</html>".to_owned()),
        (404, r#"{"errors":[]}"#.to_owned()),
        (404, r#"{"error":"resourceNotFound"}"#.to_owned()),
        (410, error("resourceNotFound")),
        (403, error("resourceNotFound")),
        (404, error("unauthorizedRequest")),
        (403, error("unauthorizedOauthScope")),
        (403, String::new()),
        (401, error("resourceNotFound")),
        (429, error("resourceNotFound")),
        (500, error("resourceNotFound")),
        (301, String::new()),
    ] {
        assert_eq!(verdict(status, &body), None, "{status} {body}");
    }
}

#[test]
fn a_success_has_the_record_or_is_no_answer() {
    let found = |body: &str| found_in(&answer(200, body), "81");
    for exists in [
        r#"{"data":{"type":"prospect","id":81,"attributes":{"trashedAt":null}}}"#,
        r#"{"data":{"id":"81"}}"#,
        r#"{"data":{"id":81,"attributes":{"trashedAt":"soon"}}}"#,
    ] {
        assert_eq!(found(exists), Ok(Found::Exists), "{exists}");
    }
    assert_eq!(found(r#"{"data":{"id":82}}"#), Ok(Found::Another));
    let trashed = r#"{"data":{"id":81,"attributes":{"trashedAt":"2026-03-02T09:14:05.000Z"}}}"#;
    assert!(matches!(found(trashed), Ok(Found::Gone { .. })));
    for body in [
        "",
        "<html>maintenance</html>",
        "{}",
        r#"{"data":null}"#,
        r#"{"data":[{"id":81}]}"#,
        r#"{"data":{"type":"prospect"}}"#,
    ] {
        let error = found(body).unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidResponse, "{body}");
    }
}

#[test]
fn an_id_is_a_whole_number() {
    assert_eq!((whole("81"), whole("0")), (Some(81), Some(0)));
    for id in [
        "",
        "8a",
        "-1",
        "+1",
        "1.0",
        " 1",
        "99999999999999999999",
        "..",
        "\u{661}",
    ] {
        assert_eq!(whole(id), None, "{id}");
    }
}
