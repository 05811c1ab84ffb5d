//! Where lists end, what their totals say, and what is no page.

use syncline_model::Order;

use super::*;
use crate::{
    error::ErrorKind,
    http::Response,
    provider::{ListRequest, NextPage},
    salesloft::{PROVIDER, api::PER_PAGE},
};

fn records(ids: std::ops::Range<u32>) -> Vec<String> {
    let record = |id| format!(r#"{{"id":{id},"created_at":"2026-03-07T12:00:00.{id:06}-05:00"}}"#);
    ids.map(record).collect()
}

fn list(records: &[String], metadata: &str) -> String {
    format!(
        r#"{{"metadata":{metadata},"data":[{}]}}"#,
        records.join(",")
    )
}

fn at(page: u32, token: Option<&str>) -> PagePosition {
    let order = Order::OldestFirst;
    let request = ListRequest {
        page,
        token,
        since: None,
        order,
    };
    PagePosition::of(request, PER_PAGE).unwrap()
}

fn read_at(object: Object, position: &PagePosition, text: &str) -> Result<Page, Unusable> {
    page_of(text, object, Walk::of(object).unwrap(), position)
}

fn read(page: u32, returned: u32, metadata: &str) -> Page {
    let text = list(&records(0..returned), metadata);
    read_at(Object::User, &at(page, None), &text).unwrap()
}

fn goes_on(page: u32, returned: u32, paging: &str) -> bool {
    let metadata = format!(r#"{{"filtering":{{}},"paging":{paging},"sorting":{{}}}}"#);
    read(page, returned, &metadata).next.is_some()
}

#[test]
fn pages_go_on_until_the_last_one() {
    let told = |next: &str| {
        format!(
            r#"{{"per_page":100,"current_page":1,"next_page":{next},"total_pages":3,"total_count":201}}"#
        )
    };
    assert!(goes_on(1, 100, &told("2")));
    assert!(goes_on(2, 100, &told("\"3\"")));
    assert!(!goes_on(3, 1, &told("null")));
}

#[test]
fn a_page_number_or_a_total_promises_more_but_never_after_an_empty_page() {
    assert!(goes_on(1, 50, r#"{"next_page":2}"#));
    assert!(goes_on(1, 100, r#"{"next_page":null,"total_count":"101"}"#));
    assert!(!goes_on(1, 100, r#"{"next_page":null,"total_count":100}"#));
    assert!(!goes_on(1, 100, r#"{"next_page":null}"#));
    assert!(!goes_on(7, 0, r#"{"next_page":8,"total_count":9000}"#));
}

#[test]
fn a_list_without_paging_is_complete() {
    for metadata in [
        "null",
        "[]",
        "{}",
        r#"{"paging":null}"#,
        r#"{"paging":[2]}"#,
        r#"{"paging":{"next_page":"soon","total_count":-1}}"#,
    ] {
        let page = read(1, 100, metadata);
        assert_eq!((page.next, page.reported_total), (None, None), "{metadata}");
        assert_eq!(page.returned, 100);
    }
    let bare = r#"{"data":[{"id":1}]}"#;
    let page = read_at(Object::User, &at(1, None), bare).unwrap();
    assert_eq!((page.returned, page.next), (1, None));
}

#[test]
fn what_is_no_list_is_unreadable() {
    for text in [
        "",
        "gateway timeout",
        "[]",
        "{}",
        r#"{"data":null,"metadata":{}}"#,
        r#"{"data":{"id":1}}"#,
        r#"{"data":[{"id":1}"#,
        r#"{"data":[]} and more"#,
    ] {
        let read = read_at(Object::User, &at(1, None), text);
        assert!(matches!(read, Err(Unusable::Unreadable(_))), "{text}");
    }
}

#[test]
fn more_records_than_requested_are_refused() {
    let text = list(&records(0..101), "{}");
    let refused = read_at(Object::Contact, &at(1, None), &text).unwrap_err();
    let response = Response {
        status: 200,
        headers: reqwest::header::HeaderMap::new(),
        body: text.into(),
    };
    let error = refused.into_error(PROVIDER, &response);
    assert_eq!(error.kind, ErrorKind::Oversized);
    assert_eq!(error.records, Some(101));
}

#[test]
fn a_record_of_the_border_is_left_out_and_not_counted_twice() {
    let from = "2026-03-07T17:00:00.000005Z";
    let first = list(&records(0..6), r#"{"paging":{"next_page":101}}"#);
    let first = read_at(Object::Contact, &at(100, None), &first).unwrap();
    let Some(NextPage { token: Some(token) }) = first.next else {
        panic!("no next window")
    };
    let position = at(101, Some(&token));
    let walk = Walk::of(Object::Contact).unwrap();
    assert_eq!(
        walk.filter(&position),
        Some(("created_at[gte]", from.to_owned()))
    );
    let paging = r#"{"paging":{"next_page":null,"total_count":3}}"#;
    let second = list(&records(5..8), paging);
    let second = read_at(Object::Contact, &position, &second).unwrap();
    let ids: Vec<&str> = second.records.scanned().iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, ["6", "7"]);
    assert_eq!((second.returned, second.next), (2, None));
    // The others are read as well, and count.
    assert_eq!(second.served, 3);
    // 99 full pages, five records before the border, and three from there.
    assert_eq!(second.reported_total, Some(9_908));
}

#[test]
fn a_window_that_begins_too_early_is_unreadable() {
    let token = r#"{"from":1772902800000005,"page":1,"before":9905,"seen":["5"]}"#;
    let position = at(101, Some(token));
    let text = list(&records(4..8), "{}");
    let read = read_at(Object::Contact, &position, &text);
    assert!(matches!(read, Err(Unusable::Unreadable(_))), "{read:?}");
}

#[test]
fn only_lists_in_the_order_of_creation_say_so() {
    for (object, expected) in [
        (Object::User, false),
        (Object::Sequence, true),
        (Object::Account, true),
        (Object::Contact, true),
        (Object::SequenceState, false),
    ] {
        let page = read_at(object, &at(1, None), r#"{"data":[]}"#).unwrap();
        assert_eq!(page.has_order, expected, "{object}");
    }
}

#[test]
fn an_empty_page_of_steps_is_no_end_before_the_total_is_met() {
    let items = |page: u32, count: u32, paging: &str| {
        let metadata = format!(r#"{{"paging":{paging}}}"#);
        let text = list(&records(0..count), &metadata);
        let read = items_of(&text, &at(page, None));
        read.map(|(items, more)| (items.len(), more))
    };
    assert_eq!(items(1, 0, r#"{"total_count":0}"#), Ok((0, false)));
    assert_eq!(items(2, 0, r#"{"total_count":100}"#), Ok((0, false)));
    assert_eq!(items(1, 3, r#"{"total_count":3}"#), Ok((3, false)));
    assert_eq!(items(1, 100, r#"{"total_count":101}"#), Ok((100, true)));
    for (page, total) in [(1, 35), (2, 101)] {
        let paging = format!(r#"{{"next_page":null,"total_count":{total}}}"#);
        assert!(matches!(
            items(page, 0, &paging),
            Err(Unusable::Unreadable(_))
        ));
    }
}
