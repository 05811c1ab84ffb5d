//! Windows, their borders, and records that share a time.

use syncline_model::Order;

use super::*;
use crate::salesloft::api::PER_PAGE;

fn raw(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap()
}

/// The record with that id, with its times so many seconds after noon.
fn record(id: u32, second: u32) -> Box<RawValue> {
    let time = format!("2026-03-07T12:00:{second:02}.000001-05:00");
    raw(&format!(
        r#"{{"id":{id},"created_at":"{time}","updated_at":"{time}"}}"#
    ))
}

fn noon_and(seconds: i64) -> i64 {
    microseconds("2026-03-07T17:00:00.000001Z").unwrap() + seconds * 1_000_000
}

fn request(page: u32, token: Option<&str>) -> ListRequest<'_> {
    ListRequest {
        page,
        token,
        since: None,
        order: Order::OldestFirst,
    }
}

fn position(page: u32) -> PagePosition {
    PagePosition::of(request(page, None), PER_PAGE).unwrap()
}

fn walk(object: Object) -> Walk {
    Walk::of(object).unwrap()
}

/// The position after a page with these records.
fn after(object: Object, position: &PagePosition, records: &[Box<RawValue>]) -> PagePosition {
    let items: Vec<&RawValue> = records.iter().map(AsRef::as_ref).collect();
    let walk = walk(object);
    walk.after(position, &walk.rows(position, &items))
}

fn window(from: i64, page: u32, before: i64, seen: &[&str]) -> PagePosition {
    PagePosition {
        from: Some(from),
        page,
        before,
        seen: seen.iter().map(ToString::to_string).collect(),
        size: PER_PAGE,
    }
}

#[test]
fn pages_of_one_window_are_told_by_their_numbers() {
    let three = [record(1, 1), record(2, 2), record(3, 3)];
    for object in [Object::User, Object::Sequence] {
        let next = after(object, &position(400), &three);
        assert_eq!(next, position(401), "{object}");
        assert_eq!(next.into_next(), NextPage::default());
    }
    for object in [Object::Contact, Object::Account] {
        assert_eq!(
            after(object, &position(99), &three),
            position(100),
            "{object}"
        );
    }
}

#[test]
fn a_window_of_people_ends_before_pages_cost_more() {
    let records = [record(1, 1), record(2, 2), record(3, 3), record(4, 3)];
    let expected = window(noon_and(3), 1, 9_902, &["3", "4"]);
    assert_eq!(after(Object::Contact, &position(100), &records), expected);
    // Without a border on that page it ends on a later one.
    let next = after(Object::Contact, &position(101), &records);
    assert_eq!(next, window(noon_and(3), 1, 10_002, &["3", "4"]));
    let further = after(
        Object::Contact,
        &window(noon_and(3), 100, 9_902, &[]),
        &[record(8, 4), record(9, 5)],
    );
    assert_eq!(further, window(noon_and(5), 1, 9_902 + 9_901, &["9"]));
}

#[test]
fn a_window_of_memberships_is_one_page() {
    let next = after(
        Object::SequenceState,
        &position(1),
        &[record(1, 1), record(2, 2)],
    );
    assert_eq!(next, window(noon_and(2), 1, 1, &["2"]));
}

#[test]
fn a_window_goes_on_while_all_records_share_a_time() {
    let alike = [record(3, 2), record(4, 2)];
    let first = window(noon_and(2), 1, 7, &["2"]);
    let second = after(Object::SequenceState, &first, &alike);
    assert_eq!(second, window(noon_and(2), 2, 7, &["2"]));
    // The last of them are on a page with later ones.
    let mixed = [record(5, 2), record(6, 4)];
    let next = after(Object::SequenceState, &second, &mixed);
    assert_eq!(next, window(noon_and(4), 1, 7 + 101, &["6"]));
}

#[test]
fn a_window_goes_on_where_records_have_no_order_or_no_time() {
    let first = window(noon_and(1), 1, 0, &[]);
    for records in [
        vec![record(1, 2), record(2, 1)],
        vec![record(1, 2), raw(r#"{"id":2,"updated_at":null}"#)],
        vec![record(1, 2), raw(r#"{"id":2,"updated_at":"soon"}"#)],
        vec![record(1, 2), raw("7")],
        vec![],
    ] {
        let next = after(Object::SequenceState, &first, &records);
        assert_eq!(next, window(noon_and(1), 2, 0, &[]), "{records:?}");
    }
}

#[test]
fn instants_count_and_not_their_texts() {
    // The night of the 1st of November 2026, when the clocks of the eastern states go back.
    let before = microseconds("2026-11-01T01:30:00.000000-04:00").unwrap();
    let after = microseconds("2026-11-01T01:10:00.000000-05:00").unwrap();
    assert!(before < after);
    assert_eq!(written(after).unwrap(), "2026-11-01T06:10:00.000000Z");
    assert_eq!(
        microseconds("2026-03-07T02:46:00.302715-05:00"),
        microseconds("2026-03-07T07:46:00.302715Z")
    );
    for text in ["", "soon", "2026-03-07", "1772869560"] {
        assert_eq!(microseconds(text), None, "{text}");
    }
}

#[test]
fn only_a_record_that_is_still_at_the_border_has_been_seen() {
    let position = window(noon_and(2), 1, 1, &["2"]);
    let walk = walk(Object::SequenceState);
    let records = [record(1, 1), record(2, 2), record(3, 2), record(2, 5)];
    let items: Vec<&RawValue> = records.iter().map(AsRef::as_ref).collect();
    let rows = walk.rows(&position, &items);
    let seen: Vec<bool> = rows.iter().map(|row| position.has_seen(row)).collect();
    assert_eq!(seen, [false, true, false, false]);
    let before: Vec<bool> = rows.iter().map(|row| position.is_before(row)).collect();
    assert_eq!(before, [true, false, false, false]);
}

#[test]
fn a_further_window_has_a_filter_and_a_token() {
    let position = window(noon_and(2), 3, 9_900, &["2", "18446744073709551615"]);
    let token = position.clone().into_next().token.unwrap();
    assert_eq!(
        PagePosition::of(request(250, Some(&token)), PER_PAGE),
        Ok(position.clone())
    );
    for (object, name) in [
        (Object::Contact, "created_at[gte]"),
        (Object::Account, "created_at[gte]"),
        (Object::SequenceState, "updated_at[gte]"),
    ] {
        let from = "2026-03-07T17:00:02.000001Z".to_owned();
        assert_eq!(walk(object).filter(&position), Some((name, from)));
        assert_eq!(walk(object).filter(&self::position(1)), None);
    }
}

#[test]
fn a_token_of_another_form_is_refused() {
    for token in ["", "7", r#"{"from":"yesterday"}"#] {
        let error = PagePosition::of(request(2, Some(token)), PER_PAGE).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Rejected, "{token}");
    }
}

#[test]
fn totals_are_those_of_the_whole_list() {
    assert_eq!(position(3).total(250), 250);
    assert_eq!(position(3).so_far(50), 250);
    let position = window(noon_and(2), 2, 9_902, &["2"]);
    assert_eq!(position.total(350), 10_252);
    assert_eq!(position.so_far(100), 200);
}
