//! The ledger: the requests, their costs, and the maximum in any interval.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use syncline_sim::{Action, Fault, Match, Options, SimRequest, Simulator, TeamOptions};

use crate::{KEY, contacts_page, get, noon, sim};

fn second(n: i64) -> DateTime<Utc> {
    noon() + TimeDelta::seconds(n)
}

/// Reads one contact at a time, each costing a record.
fn read_at(sim: &Simulator, seconds: &[i64]) {
    let id = sim.read(0, |team| team.contact_ids()[0].clone());
    let read = SimRequest::get(&format!("/api/v1/contacts/{id}")).key(KEY);
    for &n in seconds {
        assert_eq!(sim.respond(second(n), &read).status, 200);
    }
}

#[test]
fn the_ledger_tells_what_was_asked_and_what_it_cost() {
    let sim = sim(250);
    for page in 1..=3 {
        contacts_page(&sim, page);
    }
    sim.respond(
        noon() + TimeDelta::hours(1),
        &SimRequest::get("/api/v1/users/search").key(KEY),
    );
    sim.respond(
        noon(),
        &SimRequest::get("/api/v1/users/search").key("nobody"),
    );
    let ledger = sim.ledger();
    let searches = ledger.requests_to("contacts/search");
    let seen: Vec<_> = searches
        .iter()
        .map(|e| (e.team, e.page, e.status, e.records))
        .collect();
    assert_eq!(
        seen,
        [
            (Some(0), Some(1), 200, 100),
            (Some(0), Some(2), 200, 100),
            (Some(0), Some(3), 200, 50)
        ]
    );
    assert_eq!(
        ledger.records_between(noon(), noon() + TimeDelta::minutes(1)),
        250
    );
    let totals = ledger.totals();
    let users = totals["users/search"];
    assert_eq!((users.requests, users.records, users.refused), (2, 8, 1));
    let request = SimRequest::get("/api/v1/contacts/1").key(KEY);
    let (one, two) = (sim.arrive(&request), sim.arrive(&request));
    drop(one);
    let three = sim.arrive(&request);
    drop((two, three));
    assert_eq!(ledger.most_in_flight(0, "contacts"), 2);
    ledger.reset();
    assert!(ledger.is_empty());
}

#[test]
fn a_read_by_id_costs_one_record_if_it_finds_one() {
    let sim = sim(20);
    let (contact, account) = sim.read(0, |team| {
        (team.contact_ids()[0].clone(), team.account_ids()[0].clone())
    });
    get(&sim, &format!("contacts/{contact}"));
    get(&sim, &format!("accounts/{account}"));
    get(&sim, "contacts/nobody");
    sim.faults()
        .push(Fault::new(Match::any(), Action::server_error()));
    get(&sim, &format!("contacts/{contact}"));
    let records: Vec<_> = sim.ledger().requests().iter().map(|e| e.records).collect();
    assert_eq!(records, [1, 1, 0, 0]);
}

#[test]
fn the_most_records_in_a_window_end_before_its_length_is_over() {
    let sim = sim(20);
    let most = |seconds: i64| {
        let window = TimeDelta::seconds(seconds);
        sim.ledger().max_records_in(0, window)
    };
    assert_eq!(most(60), 0);
    read_at(&sim, &[0, 1, 59, 60, 61, 118, 119]);
    assert_eq!(most(1), 1);
    assert_eq!(most(2), 2);
    // From 59 to 118; 119 is exactly a minute after 59.
    assert_eq!(most(60), 4);
    assert_eq!(most(61), 5);
    assert_eq!(most(1_000), 7);
    assert_eq!((most(0), most(-5)), (0, 0));
}

#[test]
fn only_what_a_sync_of_the_team_reads_is_in_the_most_records_of_a_window() {
    let teams = vec![TeamOptions::sized(30), TeamOptions::numbered(2, 20)];
    let sim = Simulator::new(Options {
        teams,
        ..Options::default()
    });
    let minute = TimeDelta::minutes(1);
    for path in ["labels", "tasks/search", "users/api_profile"] {
        get(&sim, path);
    }
    assert_eq!(sim.ledger().max_records_in(0, minute), 0);
    get(&sim, "email_accounts");
    get(&sim, "users/search");
    contacts_page(&sim, 1);
    assert_eq!(sim.ledger().max_records_in(0, minute), 10 + 8 + 30);
    assert_eq!(sim.ledger().max_records_in(1, minute), 0);
    let theirs = SimRequest::post("/api/v1/contacts/search", &json!({"per_page": 7}));
    sim.respond(noon(), &theirs.key("sim-master-key-2"));
    assert_eq!(sim.ledger().max_records_in(1, minute), 7);
}

#[test]
fn books_written_out_of_order_give_the_same_maximum() {
    let sim = sim(20);
    read_at(&sim, &[100, 40, 0, 70, 41, 99]);
    assert_eq!(sim.ledger().max_records_in(0, TimeDelta::seconds(60)), 4);
}

#[test]
fn trimming_bit_by_bit_misses_no_interval_and_keeps_the_totals() {
    let times: Vec<i64> = (0..400).map(|n| n * n % 1_009).collect();
    let mut times: Vec<i64> = times.iter().map(|n| n * 3).collect();
    times.sort_unstable();
    let window = TimeDelta::seconds(120);
    let (whole, bits) = (sim(20), sim(20));
    read_at(&whole, &times);
    let expected = whole.ledger().max_records_in(0, window);
    let (ledger, mut most, mut longest) = (bits.ledger(), 0, 0);
    for some in times.chunks(10) {
        read_at(&bits, some);
        most = most.max(ledger.max_records_in(0, window));
        longest = longest.max(ledger.len());
        ledger.trim_before(second(some[some.len() - 1]) - window);
    }
    assert_eq!(most, expected);
    assert!(longest < 100, "{longest}");
    assert_eq!(ledger.totals(), whole.ledger().totals());
    assert!(ledger.requests().iter().all(|e| e.at >= second(2_000)));
    ledger.reset();
    assert!(ledger.totals().is_empty());
}
