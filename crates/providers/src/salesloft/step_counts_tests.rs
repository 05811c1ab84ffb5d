//! What is counted, where a scan of cadences is, and what its pages cost.

use syncline_model::Order;

use super::*;
use crate::{error::ErrorKind, item::Item, salesloft::hash::HASHING};

fn request(page: u32, token: Option<&str>) -> ListRequest<'_> {
    ListRequest {
        page,
        token,
        since: None,
        order: Order::OldestFirst,
    }
}

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).unwrap()
}

#[test]
fn a_step_counts_for_its_cadence_unless_it_is_disabled_or_says_none() {
    let steps = [
        (
            r#"{"id":1,"disabled":false,"cadence":{"id":12}}"#,
            Some("12"),
        ),
        (
            r#"{"id":2,"disabled":null,"cadence":{"id":"12"}}"#,
            Some("12"),
        ),
        (r#"{"id":3,"cadence":{"id":13,"_href":"…"}}"#, Some("13")),
        (
            r#"{"id":4,"disabled":{"no":1},"cadence":{"id":13}}"#,
            Some("13"),
        ),
        (r#"{"id":5,"disabled":true,"cadence":{"id":12}}"#, None),
        (r#"{"id":6,"cadence":null}"#, None),
        (r#"{"id":7,"cadence":{}}"#, None),
        (r#"{"id":8,"cadence":[12]}"#, None),
        ("7", None),
    ];
    let mut counts = StepCounts::default();
    for (step, expected) in steps {
        let cadence = cadence_of(&raw(step));
        assert_eq!(cadence.as_deref(), expected, "{step}");
        counts.add(cadence.into_iter().collect());
    }
    let expected = [("12".to_owned(), 2), ("13".to_owned(), 2)];
    assert_eq!(counts, StepCounts(expected.into()));
}

#[test]
fn a_cadence_without_steps_has_none_and_the_number_is_part_of_the_hash() {
    let json = raw(r#"{"id":12,"name":"CFO intro"}"#);
    let cadence = || {
        let item = Item::of(Object::Sequence, &json, &HASHING).unwrap();
        crate::salesloft::sequence::map(item)
    };
    let mut records = Records::Sequences(vec![cadence()]);
    StepCounts::default().tell(&mut records);
    let mut four = cadence();
    tell(&mut four, 4);
    let Records::Sequences(none) = records else {
        panic!("they are sequences");
    };
    assert_eq!(none[0].fields.num_steps, 0);
    assert_eq!(four.fields.num_steps, 4);
    assert_ne!(none[0].hash, four.hash);
}

#[test]
fn a_scan_begins_with_steps_and_numbers_its_cadences_from_one() {
    let first = Position::of(request(1, None)).unwrap();
    assert!(first.cadences(request(1, None)).is_none());
    let counted = Position {
        steps: StepCounts([("12".to_owned(), 3)].into()),
        step_pages: Some(7),
        cadences: Some("window".to_owned()),
    };
    let token = counted.into_next().token;
    let ask = request(9, token.as_deref());
    let position = Position::of(ask).unwrap();
    let ask = position.cadences(ask).unwrap();
    assert_eq!((ask.page, ask.token), (2, Some("window")));
    assert_eq!(position.steps.0["12"], 3);
}

#[test]
fn a_place_that_makes_no_sense_is_refused_before_anything_is_sent() {
    for (page, token) in [(2, None), (2, Some("7")), (2, Some("{}")), (1, Some("x"))] {
        let error = Position::of(request(page, token)).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Rejected, "{token:?}");
        assert_eq!(error.records, Some(0));
    }
}

#[test]
fn pages_of_steps_cost_more_the_deeper_they_are() {
    let at = |position: Position, page| {
        let token = position.into_next().token;
        points_of_scan(request(page, token.as_deref()))
    };
    assert_eq!(points_of_scan(request(1, None)), 1);
    assert_eq!(at(Position::default(), 100), 1);
    assert_eq!(at(Position::default(), 101), 3);
    assert_eq!(at(Position::default(), PAGES_OF_A_SCAN), 8);
    let counted = || Position {
        step_pages: Some(200),
        ..Position::default()
    };
    assert_eq!(at(counted(), 201), 1, "the first page of cadences");
    assert_eq!(at(counted(), 301), 3);
    let points = (1..=PAGES_OF_A_SCAN).map(points_of_page);
    assert_eq!(points.sum::<u32>(), 1_050);
}
