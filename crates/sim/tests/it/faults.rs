//! Faults on order.

use serde_json::{Value, json};
use syncline_sim::{Action, Fault, Match, Window, WireFault};

use crate::{contacts_page, get, ids, noon, patch, post, sim};

#[test]
fn a_fault_strikes_the_request_it_was_made_for_and_is_spent() {
    let sim = sim(10);
    sim.faults().push(Fault::new(
        Match::path("contacts/search").nth(2),
        Action::bad_gateway(),
    ));
    let ask = || post(&sim, "contacts/search", &json!({}));
    assert_eq!(get(&sim, "users/search").status, 200);
    assert_eq!(ask().status, 200);
    assert!(!sim.faults().spent());
    let struck = ask();
    assert_eq!(
        (struck.status, struck.header("content-type")),
        (502, Some("text/html; charset=UTF-8"))
    );
    assert!(struck.text().starts_with("<!DOCTYPE html>"));
    assert_eq!(ask().status, 200);
    assert!(sim.faults().spent());
    assert_eq!(sim.faults().struck(), 1);
}

#[test]
fn a_fault_can_wait_for_a_page_and_repeat() {
    let sim = sim(300);
    sim.faults()
        .push(Fault::new(Match::path("contacts").page(3), Action::server_error()).times(2));
    let status = |page: u64| {
        post(
            &sim,
            "contacts/search",
            &json!({"page": page, "per_page": 100}),
        )
        .status
    };
    assert_eq!(
        [status(1), status(2), status(3), status(3), status(3)],
        [200, 200, 500, 500, 200]
    );
}

#[test]
fn chance_faults_follow_the_seed() {
    let pattern = || {
        let sim = sim(10);
        sim.faults()
            .push(Fault::new(Match::any().chance(0.3), Action::unavailable()).always());
        (0..50)
            .map(|_| get(&sim, "labels").status)
            .collect::<Vec<_>>()
    };
    let first = pattern();
    assert_eq!(first, pattern());
    let struck = first.iter().filter(|status| **status == 503).count();
    assert!((5..30).contains(&struck), "{struck}");
}

#[test]
fn pages_can_be_empty_repeated_or_hold_a_malformed_record() {
    let sim = sim(250);
    let (first, second) = (contacts_page(&sim, 1), contacts_page(&sim, 2));
    let order = |action: Action| {
        sim.faults()
            .push(Fault::new(Match::path("contacts/search").page(2), action));
        contacts_page(&sim, 2)
    };
    let empty = order(Action::EmptyPage);
    assert_eq!(
        (&empty["contacts"], &empty["pagination"]["total_entries"]),
        (&json!([]), &json!(250))
    );
    let repeated = order(Action::RepeatPreviousPage);
    assert_eq!(ids(&repeated["contacts"]), ids(&first["contacts"]));
    assert_eq!(repeated["pagination"]["page"], 2);
    let nameless = order(Action::record_without_id());
    let records = nameless["contacts"].as_array().unwrap();
    assert_eq!(
        records
            .iter()
            .filter(|record| record.get("id").is_none())
            .count(),
        1
    );
    assert_eq!(records.len(), 101);
    let odd = order(Action::record_with_wrong_type());
    assert!(
        odd["contacts"]
            .as_array()
            .unwrap()
            .iter()
            .any(|record| record["first_name"].is_object())
    );
    assert_eq!(contacts_page(&sim, 2), second);
}

#[test]
fn refusals_can_be_ordered() {
    let sim = sim(10);
    let order = |action: Action| {
        sim.faults().push(Fault::new(Match::any(), action));
        post(&sim, "contacts/search", &json!({}))
    };
    let minute = order(Action::RateLimited {
        window: Window::Minute,
        retry_after: Some(17),
    });
    assert_eq!(
        (minute.status, minute.header("retry-after")),
        (429, Some("17"))
    );
    assert!(
        minute
            .text()
            .contains("api/v1/contacts/search is 200 times per minute.")
    );
    let day = order(Action::RateLimited {
        window: Window::Day,
        retry_after: None,
    });
    assert_eq!((day.status, day.header("retry-after")), (429, None));
    assert!(day.text().contains("times per day."));
    let busy = order(Action::AlreadyProcessing);
    assert_eq!(
        busy.text(),
        r#"{"error":"We are already processing the request for your sequence"}"#
    );
    assert_eq!(order(Action::KeyRevoked).status, 401);
    let garbage = order(Action::Garbage);
    assert_eq!((garbage.status, garbage.json()), (200, Value::Null));
}

#[test]
fn a_write_can_be_applied_and_answered_with_an_error() {
    let sim = sim(10);
    let id = sim.read(0, |team| team.contact_ids()[0].clone());
    sim.faults()
        .push(Fault::new(Match::any(), Action::AppliedThenServerError));
    assert_eq!(
        patch(&sim, &format!("contacts/{id}"), &json!({"title": "Pilot"})).status,
        500
    );
    assert_eq!(
        sim.read(0, |team| team.contact(&id)).unwrap()["title"],
        "Pilot"
    );
}

#[test]
fn trouble_on_the_wire_is_handed_to_whoever_carries_the_answer() {
    let sim = sim(10);
    sim.faults().push(Fault::new(
        Match::any().method(http::Method::POST),
        Action::Wire(WireFault::Reset),
    ));
    assert_eq!(get(&sim, "labels").wire, None);
    let reply = post(&sim, "contacts/search", &json!({}));
    assert_eq!((reply.status, reply.wire), (200, Some(WireFault::Reset)));
    assert_eq!(
        sim.ledger().requests_to("contacts/search")[0].records,
        0,
        "none of them arrived"
    );
    assert_eq!(sim.ledger().records_between(noon(), noon()), 0);
}
