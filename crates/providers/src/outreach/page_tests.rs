//! What a list response is taken for, and where its next page is.

use serde_json::{Value, json};

use super::*;

const LINK: &str = "https://api.outreach.io/api/v2/users?page%5Bafter%5D=a%2Bb%3D&page%5Bsize%5D=2";

fn read(body: &Value) -> Result<Page, Unusable> {
    read_after(body, None)
}

fn read_after(body: &Value, token: Option<&str>) -> Result<Page, Unusable> {
    page_of(&body.to_string(), Object::User, (token, 2))
}

fn next(links: &Value) -> Result<Option<String>, Unusable> {
    let page = read(&json!({"data": [], "links": links}))?;
    Ok(page.next.map(|next| next.token.unwrap()))
}

fn is_unreadable(answered: Result<impl std::fmt::Debug, Unusable>) -> bool {
    matches!(answered.unwrap_err(), Unusable::Unreadable(_))
}

fn total(meta: &Value) -> Option<i64> {
    read(&json!({"data": [], "meta": meta}))
        .unwrap()
        .reported_total
}

#[test]
fn the_next_page_is_the_cursor_of_the_link_wherever_the_link_leads() {
    for link in [
        LINK,
        "http://elsewhere.test/?page%5Bafter%5D=a%2Bb%3D",
        "/api/v2/users?page[after]=a%2Bb%3D#top",
        "?sort=id&page[after]=a%2Bb%3D",
    ] {
        assert_eq!(
            next(&json!({"next": link})).unwrap().as_deref(),
            Some("a+b="),
            "{link}"
        );
    }
}

#[test]
fn without_a_link_there_is_no_next_page() {
    for links in [
        Value::Null,
        json!({}),
        json!({"next": null}),
        json!({"next": ""}),
        json!({"first": LINK, "prev": LINK}),
    ] {
        assert_eq!(next(&links).unwrap(), None, "{links}");
    }
    assert_eq!(read(&json!({"data": []})).unwrap().next, None);
}

#[test]
fn a_link_without_a_cursor_is_no_end() {
    let long = format!("?page[after]={}", "a".repeat(LONGEST_CURSOR + 1));
    for links in [
        json!({"next": "https://api.outreach.io/api/v2/users"}),
        json!({"next": "https://api.outreach.io/api/v2/users?page[size]=2"}),
        json!({"next": "https://api.outreach.io/api/v2/users#?page[before]=1"}),
        json!({"next": "?page[after]="}),
        json!({"next": long}),
        json!({"next": {"href": LINK}}),
        json!({"next": 7}),
        json!([LINK]),
        json!("next"),
    ] {
        assert!(is_unreadable(next(&links)), "{links}");
    }
    let longest = format!("?page[after]={}", "a".repeat(LONGEST_CURSOR));
    assert!(next(&json!({"next": longest})).unwrap().is_some());
}

#[test]
fn a_link_that_leads_to_its_own_page_is_no_end_either() {
    let body = json!({"data": [], "links": {"next": LINK}});
    assert!(is_unreadable(read_after(&body, Some("a+b="))));
    assert!(read_after(&body, Some("a+a=")).unwrap().next.is_some());
}

#[test]
fn a_total_counts_where_it_is_whole() {
    assert_eq!(
        total(&json!({"count": 7, "count_truncated": false})),
        Some(7)
    );
    assert_eq!(total(&json!({"count": 0})), Some(0));
    for meta in [
        json!({"count": 2_000_000, "count_truncated": true}),
        json!({"count": 0, "count_truncated": true}),
        json!({"count": null, "count_truncated": false}),
        json!({"count": -1}),
        json!({"count": "many"}),
        json!({}),
        json!([7]),
        Value::Null,
    ] {
        assert_eq!(total(&meta), None, "{meta}");
    }
}

#[test]
fn a_page_larger_than_was_asked_for_is_none() {
    let page = |size: usize| json!({"data": vec![json!({"id": 1}); size]});
    let refused = read(&page(3)).unwrap_err();
    let expected = Unusable::Oversized {
        returned: 3,
        asked: 2,
    };
    assert_eq!(refused, expected);
    assert_eq!(read(&page(2)).unwrap().returned, 2);
}

#[test]
fn what_has_no_records_is_no_page() {
    for body in [
        json!({}),
        json!({"data": null}),
        json!({"data": {"id": 1}}),
        json!({"errors": []}),
        json!([]),
    ] {
        assert!(is_unreadable(read(&body)), "{body}");
    }
    for text in [
        "",
        "<html>maintenance</html>",
        "{\"data\":[",
        "{\"data\":[]}x",
    ] {
        assert!(
            is_unreadable(page_of(text, Object::User, (None, 2))),
            "{text}"
        );
    }
}

#[test]
fn a_page_with_a_record_of_unknown_age_has_no_order() {
    let user =
        |id: u32, created: Option<&str>| json!({"id": id, "attributes": {"createdAt": created}});
    let dated = Some("2026-03-02T09:14:05.000Z");
    let has_order = |users: Value| read(&json!({"data": users})).unwrap().has_order;
    assert!(has_order(json!([user(1, dated), user(2, dated)])));
    assert!(has_order(json!([])));
    assert!(!has_order(json!([user(1, dated), user(2, None)])));
}

#[test]
fn an_item_that_is_no_record_is_rejected_and_the_others_are_kept() {
    let page = read(&json!({"data": [{"id": 7}, {"type": "user"}]})).unwrap();
    assert_eq!(page.records.scanned(), [("7", None)]);
    assert_eq!((page.rejected.len(), page.returned), (1, 2));
    assert_eq!(page.rejected[0].reason, "id: it is missing");
}
