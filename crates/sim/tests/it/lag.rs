//! Searches that show edits later than reads by id do.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use syncline_sim::{Options, SimReply, SimRequest, Simulator, Switches};

use crate::{KEY, ids, noon};

fn behind(search_lag: u64, delete_lag: u64) -> Simulator {
    let switches = Switches {
        search_lag: Duration::from_secs(search_lag),
        delete_lag: Duration::from_secs(delete_lag),
        ..Switches::default()
    };
    Simulator::new(Options {
        switches,
        ..Options::with_contacts(40)
    })
}

/// `noon` plus so many seconds.
fn at(seconds: i64) -> DateTime<Utc> {
    noon() + TimeDelta::seconds(seconds)
}

fn ask(sim: &Simulator, seconds: i64, request: SimRequest) -> SimReply {
    sim.respond(at(seconds), &request.key(KEY))
}

fn search(sim: &Simulator, seconds: i64, what: &str) -> Value {
    let body = json!({"per_page": 100, "sort_by_field": format!("{}_updated_at", &what[..7])});
    let request = SimRequest::post(&format!("/api/v1/{what}/search"), &body);
    ask(sim, seconds, request).json()
}

/// A contact as contact search shows it.
fn found(sim: &Simulator, seconds: i64, id: &str) -> Option<Value> {
    let page = search(sim, seconds, "contacts");
    let rows = page["contacts"].as_array().unwrap();
    rows.iter().find(|row| row["id"] == id).cloned()
}

fn shown(sim: &Simulator, seconds: i64, id: &str) -> Value {
    let request = SimRequest::get(&format!("/api/v1/contacts/{id}"));
    ask(sim, seconds, request).json()["contact"].clone()
}

#[test]
fn a_created_contact_is_read_at_once_and_found_later() {
    let sim = behind(30, 0);
    let body = json!({"first_name": "Ines", "email": "ines@x.example"});
    let created = ask(&sim, 0, SimRequest::post("/api/v1/contacts", &body)).json();
    let id = created["contact"]["id"].as_str().unwrap();
    assert_eq!(shown(&sim, 1, id)["name"], "Ines");
    assert!(found(&sim, 29, id).is_none());
    assert_eq!(
        search(&sim, 29, "contacts")["pagination"]["total_entries"],
        40
    );
    let page = search(&sim, 30, "contacts");
    assert_eq!(page["pagination"]["total_entries"], 41);
    assert_eq!(ids(&page["contacts"])[0], id);
}

#[test]
fn a_changed_contact_keeps_its_old_fields_and_place_for_a_while() {
    let sim = behind(30, 0);
    let order = ids(&search(&sim, 0, "contacts")["contacts"]);
    let id = order.last().unwrap();
    let change = |title: &str| {
        SimRequest::patch(&format!("/api/v1/contacts/{id}"), &json!({"title": title}))
    };
    assert_eq!(
        ask(&sim, 0, change("Astronaut")).json()["contact"]["title"],
        "Astronaut"
    );
    ask(&sim, 20, change("Pilot"));
    assert_eq!(shown(&sim, 20, id)["title"], "Pilot");
    assert_eq!(ids(&search(&sim, 29, "contacts")["contacts"]), order);
    let titles: Vec<Value> = [29, 30, 49, 50]
        .into_iter()
        .map(|seconds| found(&sim, seconds, id).unwrap()["title"].clone())
        .collect();
    assert_eq!(titles[1..], ["Astronaut", "Astronaut", "Pilot"]);
    assert_ne!(titles[0], "Astronaut");
    assert_eq!(ids(&search(&sim, 50, "contacts")["contacts"])[0], *id);
}

#[test]
fn an_enrolment_is_found_later_by_its_sequence() {
    let sim = behind(30, 0);
    let (contact, sequence) = sim.edit(0, |team| {
        let contact = team
            .create_contact(at(-100), &json!({"first_name": "Ines"}))
            .unwrap();
        let sequence = team.create_sequence(at(-100), "Spring");
        team.enrol(at(0), &contact, &sequence).unwrap();
        (contact, sequence)
    });
    let members = |seconds: i64| {
        let body = json!({"emailer_campaign_ids": [sequence]});
        let request = SimRequest::post("/api/v1/contacts/search", &body);
        ids(&ask(&sim, seconds, request).json()["contacts"])
    };
    assert_eq!(
        shown(&sim, 1, &contact)["emailer_campaign_ids"],
        json!([sequence])
    );
    assert!(members(29).is_empty());
    assert_eq!(members(30), [contact]);
}

#[test]
fn a_deleted_contact_stays_in_searches_by_a_lag_of_its_own() {
    let sim = behind(0, 60);
    let id = sim.read(0, |team| team.contact_ids()[0].clone());
    let gone = SimRequest::delete(&format!("/api/v1/contacts/{id}"));
    assert_eq!(ask(&sim, 0, gone).status, 200);
    let read = SimRequest::get(&format!("/api/v1/contacts/{id}"));
    assert_eq!(ask(&sim, 0, read).status, 422);
    assert!(found(&sim, 59, &id).is_some());
    assert!(found(&sim, 60, &id).is_none());
    // Without that lag a deletion shows before an earlier change does.
    let sim = behind(60, 0);
    let id = sim.read(0, |team| team.contact_ids()[0].clone());
    sim.edit(0, |team| {
        team.update_contact(at(0), &id, &json!({"title": "Pilot"}))
            .unwrap();
        team.delete_contact(&id).unwrap();
    });
    assert!(found(&sim, 1, &id).is_none());
    assert_eq!(
        search(&sim, 1, "contacts")["pagination"]["total_entries"],
        39
    );
}

#[test]
fn accounts_lag_too_and_without_a_lag_everything_shows_at_once() {
    for lag in [0, 30] {
        let sim = behind(lag, lag);
        let before = search(&sim, 0, "accounts")["pagination"]["total_entries"].clone();
        let create = SimRequest::post("/api/v1/accounts", &json!({"name": "Heron Foods"}));
        let id = ask(&sim, 0, create).json()["account"]["id"].clone();
        let seen = |seconds: i64| {
            ids(&search(&sim, seconds, "accounts")["accounts"])
                .contains(&id.as_str().unwrap().into())
        };
        assert_eq!(seen(0), lag == 0);
        assert!(seen(30));
        sim.edit(0, |team| team.delete_account(id.as_str().unwrap()))
            .unwrap();
        assert_eq!(seen(30), lag != 0);
        assert_eq!(
            search(&sim, 60, "accounts")["pagination"]["total_entries"],
            before
        );
    }
}
