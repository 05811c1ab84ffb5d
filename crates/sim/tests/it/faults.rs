//! Faults.

use serde_json::{Value, json};
use syncline_sim::{Action, Fault, Match, Simulator, Window, WireFault};

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

/// Every list, with the key of its records.
const LISTS: [(&str, &str); 5] = [
    ("users/search", "users"),
    ("emailer_campaigns/search", "emailer_campaigns"),
    ("accounts/search", "accounts"),
    ("contacts/search", "contacts"),
    ("email_accounts", "email_accounts"),
];

fn list(sim: &Simulator, path: &str) -> Value {
    let reply = match path {
        "accounts/search" | "contacts/search" => post(sim, path, &json!({})),
        _ => get(sim, path),
    };
    assert_eq!(reply.status, 200, "{path}");
    reply.json()
}

#[test]
fn a_list_can_be_claimed_to_be_empty_in_its_own_envelope() {
    let sim = sim(60);
    for (path, key) in LISTS {
        let real = list(&sim, path);
        sim.faults()
            .push(Fault::new(Match::path(path), Action::EmptyList));
        let mut expected = real.clone();
        expected[key] = json!([]);
        if path != "email_accounts" {
            expected["pagination"]["total_entries"] = json!(0);
            expected["pagination"]["total_pages"] = json!(0);
        }
        assert_eq!(list(&sim, path), expected);
        assert_eq!(ids(&list(&sim, path)[key]), ids(&real[key]), "it is over");
    }
    assert_eq!(sim.ledger().requests_to("users")[1].records, 0);
}

#[test]
fn a_page_can_be_answered_whatever_page_is_asked_for() {
    let sim = sim(250);
    let real: Vec<_> = (1..=3).map(|page| contacts_page(&sim, page)).collect();
    sim.faults()
        .push(Fault::new(Match::path("contacts/search"), Action::RepeatPage(2)).always());
    for page in 1..=3 {
        let answered = contacts_page(&sim, page);
        assert_eq!(answered["contacts"], real[1]["contacts"]);
        assert_eq!(answered["pagination"]["page"], page);
        assert_eq!(answered["pagination"]["total_entries"], 250);
    }
}

#[test]
fn pages_can_go_on_for_ever_with_the_records_of_earlier_ones() {
    let sim = sim(250);
    let real: Vec<String> = (1..=3)
        .flat_map(|page| ids(&contacts_page(&sim, page)["contacts"]))
        .collect();
    sim.faults()
        .push(Fault::new(Match::path("contacts/search"), Action::EndlessPages).always());
    let page = |page: u64| {
        let answered = contacts_page(&sim, page);
        let numbers = answered["pagination"].clone();
        (
            ids(&answered["contacts"]),
            numbers["total_entries"].as_u64().unwrap(),
            numbers["total_pages"].as_u64().unwrap(),
        )
    };
    assert_eq!(page(1), (real[..100].to_vec(), 250, 3));
    assert_eq!(page(2), (real[100..200].to_vec(), 300, 3));
    let third = [&real[200..], &real[..50]].concat();
    assert_eq!(page(3), (third, 400, 4));
    assert_eq!(page(4), (real[50..150].to_vec(), 500, 5));
    assert_eq!(page(400).2, 401);
    let past = post(
        &sim,
        "contacts/search",
        &json!({"page": 501, "per_page": 100}),
    );
    assert_eq!(past.status, 422, "the provider's own limit still holds");
}

#[test]
fn endless_pages_of_a_short_list_show_no_record_twice_on_one_page() {
    let sim = sim(30);
    let real = ids(&contacts_page(&sim, 1)["contacts"]);
    let endless = |sim: &Simulator| {
        sim.faults()
            .push(Fault::new(Match::path("contacts/search"), Action::EndlessPages).always());
    };
    endless(&sim);
    for page in 1..4 {
        let mut seen = ids(&contacts_page(&sim, page)["contacts"]);
        let mut all = real.clone();
        seen.sort();
        all.sort();
        assert_eq!(seen, all);
    }
    let none = crate::sim(0);
    endless(&none);
    let page = contacts_page(&none, 2);
    assert_eq!(
        (&page["contacts"], &page["pagination"]["total_pages"]),
        (&json!([]), &json!(3))
    );
}

#[test]
fn records_can_be_missing_from_their_page_and_still_be_counted() {
    let sim = sim(60);
    for (path, key) in LISTS {
        let real = list(&sim, path);
        let mut expected = ids(&real[key]);
        let missing = vec![expected.remove(0), expected.pop().unwrap()];
        sim.faults()
            .push(Fault::new(Match::path(path), Action::HideRecords(missing)));
        let answered = list(&sim, path);
        assert_eq!(ids(&answered[key]), expected);
        assert_eq!(answered["pagination"], real["pagination"]);
    }
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
    let garbage = order(Action::InvalidResponse);
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
        10,
        "they were served, though none of them arrived"
    );
    assert_eq!(sim.ledger().records_between(noon(), noon()), 0);
}
