//! What each of Apollo's responses to a lookup says about the record.

use super::*;
use crate::apollo::error::classify;

const ID: &str = "6a0af22c859e90001829c2dd";

fn answer(status: u16, body: &str) -> Response {
    Response {
        status,
        headers: reqwest::header::HeaderMap::new(),
        body: body.to_owned().into(),
    }
}

fn verdict(object: Object, status: u16, body: &str) -> Option<Found> {
    let error = classify(&answer(status, body));
    found_despite(&error, Kind::of(object).unwrap())
}

fn gone(object: Object, status: u16, body: &str) -> bool {
    matches!(verdict(object, status, body), Some(Found::Gone { .. }))
}

fn hidden(object: Object, status: u16, body: &str) -> bool {
    matches!(verdict(object, status, body), Some(Found::Hidden { .. }))
}

#[test]
fn a_sentence_about_the_record_settles_that_it_is_gone() {
    for (status, body) in [
        (
            422,
            r#"{"error":"Oops! This contact does not exist in Apollo."}"#,
        ),
        (422, r#"{"error":"This contact has been deleted."}"#),
        (404, r#"{"error":"Record not found."}"#),
        (404, r#"{"error":"Contact not found"}"#),
    ] {
        assert!(gone(Object::Contact, status, body), "{body}");
    }
    for (status, body) in [
        (422, r#"{"error":"This account has been deleted!"}"#),
        (
            422,
            r#"{"error":"Oops! This account does not exist in Apollo."}"#,
        ),
        (404, r#"{"error":"Record not found."}"#),
        (404, r#"{"error":"Account not found"}"#),
    ] {
        assert!(gone(Object::Account, status, body), "{body}");
    }
}

#[test]
fn the_reason_is_apollos_own() {
    let body = r#"{"error":"This contact has been deleted."}"#;
    let reason = "This contact has been deleted.".to_owned();
    assert_eq!(
        verdict(Object::Contact, 422, body),
        Some(Found::Gone { reason })
    );
}

#[test]
fn a_record_that_may_not_be_seen_or_named_is_hidden() {
    for body in [
        r#"{"error":"You are not authorized to view this page."}"#,
        r#"{"error":"Parameters misconfigured. id is not a valid ID"}"#,
    ] {
        assert!(hidden(Object::Contact, 422, body), "{body}");
        assert!(hidden(Object::Account, 422, body), "{body}");
    }
}

#[test]
fn nothing_else_settles_anything() {
    for (status, body) in [
        (404, r#"{"status":404,"error":"Not Found"}"#),
        (404, ""),
        (404, "<html>404 not found</html>"),
        (410, r#"{"error":"This contact has been deleted."}"#),
        (422, ""),
        (422, r#"{"error":"Your account has been deleted!"}"#),
        (422, r#"{"error":"Invalid sort criteria"}"#),
        (
            401,
            "Invalid API key. See https://docs.apollo.io/reference/authentication",
        ),
        (
            403,
            r#"{"error":"You are not authorized to view this page."}"#,
        ),
        (403, r#"{"error":"This contact has been deleted."}"#),
        (429, r#"{"error":"This contact has been deleted."}"#),
        (500, r#"{"error":"This contact does not exist in Apollo."}"#),
    ] {
        for object in [Object::Contact, Object::Account] {
            assert_eq!(verdict(object, status, body), None, "{status} {body}");
        }
    }
    // A message about another kind of record doesn't apply.
    let other = r#"{"error":"This account has been deleted!"}"#;
    assert_eq!(verdict(Object::Contact, 422, other), None);
}

#[test]
fn a_success_has_the_record_or_is_no_answer() {
    let kind = Kind::of(Object::Contact).unwrap();
    let found = |body: &str| found_in(&answer(200, body), kind, ID);
    let whole = format!(r#"{{"contact":{{"id":"{ID}","first_name":"Ada"}},"labels":[]}}"#);
    assert_eq!(found(&whole), Ok(Found::Exists));
    let other = found(r#"{"contact":{"id":"6a0af1f3f1ce1100203b8047"}}"#);
    assert_eq!(other, Ok(Found::Another));
    for body in [
        "",
        "<html>maintenance</html>",
        "{}",
        r#"{"contact":null}"#,
        r#"{"contact":{"name":"Ada"}}"#,
        r#"{"account":{"id":"6a0af22c859e90001829c2dd"}}"#,
    ] {
        let error = found(body).unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidResponse, "{body}");
    }
}
