//! Pages, orders, filters and envelopes.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use syncline_sim::{Options, SimRequest, Simulator, Team};

use crate::{KEY, contacts_page, get, ids, keys, noon, patch, post, sim};

#[test]
fn a_quiet_scan_shows_every_record_once_in_any_order() {
    let sim = sim(350);
    let truth: BTreeSet<String> = sim.read(0, |team| team.contact_ids().into_iter().collect());
    for sort in [
        None,
        Some("contact_created_at"),
        Some("contact_updated_at"),
        Some("contact_last_activity_date"),
    ] {
        for ascending in [false, true] {
            let mut seen = Vec::new();
            for page in 1..=4 {
                let mut body = json!({"page": page, "per_page": 100, "sort_ascending": ascending});
                if let Some(field) = sort {
                    body["sort_by_field"] = json!(field);
                }
                seen.extend(ids(
                    &post(&sim, "contacts/search", &body).json()["contacts"],
                ));
            }
            assert_eq!(seen.len(), 350);
            assert_eq!(
                seen.into_iter().collect::<BTreeSet<_>>(),
                truth,
                "{sort:?} {ascending}"
            );
        }
    }
}

#[test]
fn sorting_is_descending_unless_asked_and_follows_the_field() {
    let sim = sim(300);
    for (field, key) in [
        ("contact_updated_at", "updated_at"),
        ("contact_created_at", "created_at"),
    ] {
        for ascending in [false, true] {
            let body =
                json!({"per_page": 100, "sort_by_field": field, "sort_ascending": ascending});
            let page = post(&sim, "contacts/search", &body).json();
            let times: Vec<&str> = page["contacts"]
                .as_array()
                .unwrap()
                .iter()
                .map(|c| c[key].as_str().unwrap())
                .collect();
            let in_order = if ascending {
                times.is_sorted()
            } else {
                times.iter().rev().is_sorted()
            };
            assert!(in_order, "{field} {ascending}");
        }
    }
}

#[test]
fn contacts_never_active_come_last_when_sorted_by_activity() {
    let sim = sim(200);
    let mut seen = Vec::new();
    for page in 1..=2 {
        let body =
            json!({"page": page, "per_page": 100, "sort_by_field": "contact_last_activity_date"});
        let page = post(&sim, "contacts/search", &body).json();
        seen.extend(
            page["contacts"]
                .as_array()
                .unwrap()
                .iter()
                .map(|c| c["last_activity_date"].is_null()),
        );
    }
    assert!(seen.is_sorted() && seen.first() == Some(&false) && seen.last() == Some(&true));
}

#[test]
fn without_a_field_the_order_is_arbitrary_but_stable_and_the_direction_is_ignored() {
    let sim = sim(200);
    let ask = |body: Value| ids(&post(&sim, "contacts/search", &body).json()["contacts"]);
    let first = ask(json!({"per_page": 100}));
    assert_eq!(first, ask(json!({"per_page": 100, "sort_ascending": true})));
    for field in ["contact_created_at", "contact_updated_at"] {
        for ascending in [false, true] {
            let body =
                json!({"per_page": 100, "sort_by_field": field, "sort_ascending": ascending});
            assert_ne!(first, ask(body));
        }
    }
}

#[test]
fn an_unknown_sort_field_is_422() {
    let sim = sim(10);
    let reply = post(&sim, "accounts/search", &json!({"sort_by_field": "name"}));
    assert_eq!(
        (reply.status, reply.text().as_str()),
        (
            422,
            r#"{"error":"Invalid sort criteria","skip_alert_dialog":true}"#
        )
    );
}

#[test]
fn envelopes_have_their_keys_in_the_known_order() {
    let sim = sim(60);
    let contacts = post(&sim, "contacts/search", &json!({})).text();
    assert_eq!(
        keys(&contacts),
        [
            "contacts",
            "breadcrumbs",
            "partial_results_only",
            "has_join",
            "disable_eu_prospecting",
            "partial_results_limit",
            "pagination",
            "num_fetch_result"
        ]
    );
    let accounts = post(&sim, "accounts/search", &json!({})).text();
    assert_eq!(
        keys(&accounts),
        [
            "breadcrumbs",
            "partial_results_only",
            "has_join",
            "disable_eu_prospecting",
            "partial_results_limit",
            "pagination",
            "accounts",
            "num_fetch_result"
        ]
    );
    let sequences = post(&sim, "emailer_campaigns/search", &json!({})).text();
    assert_eq!(
        keys(&sequences),
        [
            "pagination",
            "breadcrumbs",
            "emailer_campaigns",
            "num_fetch_result"
        ]
    );
    let users = get(&sim, "users/search").text();
    assert_eq!(keys(&users), ["pagination", "users", "num_fetch_result"]);
}

#[test]
fn page_sizes_default_to_25_and_10_for_tasks() {
    let sim = sim(600);
    let contacts = post(&sim, "contacts/search", &json!({})).json();
    assert_eq!(contacts["contacts"].as_array().unwrap().len(), 25);
    assert_eq!(
        contacts["pagination"],
        json!({"page": 1, "per_page": 25, "total_entries": 600, "total_pages": 24})
    );
    let tasks = get(&sim, "tasks/search").json();
    assert_eq!(tasks["tasks"].as_array().unwrap().len(), 10);
}

#[test]
fn users_search_echoes_what_came_in_the_query_as_text() {
    let sim = sim(10);
    let pagination = |target: &str| get(&sim, target).json()["pagination"].clone();
    assert_eq!(
        pagination("users/search?page=1&per_page=3"),
        json!({"page": "1", "per_page": "3", "total_entries": 8, "total_pages": 3})
    );
    assert_eq!(pagination("users/search?page=1")["per_page"], json!(25));
    assert_eq!(
        pagination("emailer_campaigns/search?page=1")["page"],
        json!(1)
    );
}

#[test]
fn a_page_past_the_end_is_empty_and_an_empty_set_counts_zero_pages() {
    let sim = sim(30);
    let past = contacts_page(&sim, 500);
    assert_eq!(past["contacts"], json!([]));
    assert_eq!(
        past["pagination"],
        json!({"page": 500, "per_page": 100, "total_entries": 30, "total_pages": 1})
    );
    let none = post(
        &sim,
        "contacts/search",
        &json!({"q_keywords": "nobodyiscalledthis"}),
    )
    .json();
    assert_eq!(
        none["pagination"],
        json!({"page": 1, "per_page": 25, "total_entries": 0, "total_pages": 0})
    );
}

#[test]
fn pages_over_100_past_50000_or_of_nothing_are_422() {
    let sim = sim(10);
    let text = |body: Value| {
        let reply = post(&sim, "contacts/search", &body);
        assert_eq!(reply.status, 422);
        reply.text()
    };
    assert_eq!(
        text(json!({"per_page": 101})),
        r#"{"error":"Per page not supported","error_details":{"code":"SEARCH_VALIDATION_SEARCH_PARAMS_INVALID"}}"#
    );
    assert_eq!(
        text(json!({"per_page": 0})),
        r#"{"error":"An error occurred. Per page cannot be 0."}"#
    );
    assert_eq!(
        text(json!({"page": 501, "per_page": 100})),
        r#"{"error":"Page * per page number is over threshold."}"#
    );
    assert_eq!(
        post(
            &sim,
            "contacts/search",
            &json!({"page": 500, "per_page": 100})
        )
        .status,
        200
    );
}

#[test]
fn unknown_parameters_are_ignored_and_leave_no_crumb() {
    let sim = sim(40);
    let body = json!({"pagination": {"per_page": 5}, "contact_stages": ["x"], "updated_since": "2026-01-01"});
    let reply = post(&sim, "contacts/search", &body).json();
    assert_eq!(reply["breadcrumbs"], json!([]));
    assert_eq!(reply["pagination"]["per_page"], 25);
    assert_eq!(reply["pagination"]["total_entries"], 40);
}

#[test]
fn contacts_of_a_sequence_can_be_listed_by_json_or_by_query() {
    let sim = sim(400);
    let sequence = sim.read(0, |team| team.sequence_ids()[0].clone());
    let expected: BTreeSet<String> = sim.read(0, |team| {
        let states = team.states().into_iter();
        states
            .filter(|(_, state)| state["emailer_campaign_id"] == sequence.as_str())
            .map(|(id, _)| id)
            .collect()
    });
    assert!(expected.len() > 5);
    let by_json = post(
        &sim,
        "contacts/search",
        &json!({"emailer_campaign_ids": [sequence], "per_page": 100}),
    )
    .json();
    let target = format!("/api/v1/contacts/search?emailer_campaign_ids[]={sequence}&per_page=100");
    let by_query = sim
        .respond(
            noon(),
            &SimRequest::new(http::Method::POST, &target).key(KEY),
        )
        .json();
    for reply in [by_json, by_query] {
        assert_eq!(
            ids(&reply["contacts"]).into_iter().collect::<BTreeSet<_>>(),
            expected
        );
        assert_eq!(
            reply["breadcrumbs"][0]["signal_field_name"],
            "emailer_campaign_ids"
        );
        assert_eq!(reply["breadcrumbs"][0]["value"], sequence.as_str());
    }
}

#[test]
fn names_stages_and_companies_can_be_searched_for() {
    let sim = sim(200);
    let account = sim.read(0, |team| team.accounts()[3].clone());
    let name = account["name"].as_str().unwrap();
    let found = post(
        &sim,
        "accounts/search",
        &json!({"q_organization_name": name.to_uppercase()}),
    )
    .json();
    assert!(ids(&found["accounts"]).contains(&account["id"].as_str().unwrap().to_owned()));
    let wrong = post(
        &sim,
        "accounts/search",
        &json!({"account_stage_ids": ["123"]}),
    );
    assert_eq!(wrong.status, 422);
    assert!(
        wrong
            .text()
            .contains("Did you try to edit the URL directly?")
    );
    let found = post(
        &sim,
        "emailer_campaigns/search",
        &json!({"q_name": "q3 outbound"}),
    )
    .json();
    assert_eq!(found["emailer_campaigns"].as_array().unwrap().len(), 2);
    let stage = get(&sim, "contact_stages").json()["contact_stages"][2]["id"].clone();
    let staged = post(
        &sim,
        "contacts/search",
        &json!({"contact_stage_ids": [stage], "per_page": 100}),
    )
    .json();
    let staged = staged["contacts"].as_array().unwrap();
    assert!(
        !staged.is_empty()
            && staged
                .iter()
                .all(|contact| contact["contact_stage_id"] == stage)
    );
}

#[test]
fn edits_between_pages_shift_records_as_they_would_live() {
    let sim = sim(250);
    let first = ids(&contacts_page(&sim, 1)["contacts"]);
    let last = ids(&contacts_page(&sim, 3)["contacts"]).pop().unwrap();
    assert_eq!(
        patch(
            &sim,
            &format!("contacts/{last}"),
            &json!({"title": "Chief of Staff"})
        )
        .status,
        200
    );
    let second = ids(&contacts_page(&sim, 2)["contacts"]);
    assert_eq!(
        second.first(),
        first.last(),
        "the edited record pushed one from page 1 to page 2"
    );
    assert_eq!(
        ids(&contacts_page(&sim, 1)["contacts"]).first(),
        Some(&last)
    );
}

#[test]
fn pages_read_between_edits_are_in_the_order_of_pages_read_afterwards() {
    for lag in [0, 90] {
        let mut options = Options::with_contacts(150);
        options.switches.search_lag = Duration::from_secs(lag);
        options.switches.delete_lag = Duration::from_secs(lag / 3);
        let (watched, left_alone) = (Simulator::new(options.clone()), Simulator::new(options));
        let at = |n: u64| noon() + TimeDelta::seconds(i64::try_from(n).unwrap() * 20);
        let pages = |sim: &Simulator, n: u64| {
            let orders = [
                json!({"per_page": 100}),
                json!({"per_page": 100, "page": 2, "sort_by_field": "contact_updated_at"}),
                json!({"per_page": 100, "sort_by_field": "contact_created_at", "sort_ascending": true}),
                json!({"per_page": 50, "sort_by_field": "contact_last_activity_date"}),
            ];
            orders.map(|body| {
                let search = SimRequest::post("/api/v1/contacts/search", &body);
                let reply = sim.respond(at(n), &search.key(KEY));
                assert_eq!(reply.status, 200);
                reply.text()
            })
        };
        for n in 1..=60 {
            for sim in [&watched, &left_alone] {
                sim.edit(0, |team| meddle(team, at(n), n));
            }
            let seen = pages(&watched, n);
            if n % 20 == 19 {
                assert!(
                    seen == pages(&left_alone, n),
                    "after {n} with a lag of {lag}"
                );
            }
        }
    }
}

/// Edits of all kinds, sometimes few and sometimes many.
fn meddle(team: &mut Team, now: DateTime<Utc>, n: u64) {
    team.random_edits(now, n, if n.is_multiple_of(10) { 70 } else { 3 });
    let ids = team.contact_ids();
    let some = |step: u64| ids[usize::try_from(n * step).unwrap() % ids.len()].clone();
    team.hide_contact(&some(7)).unwrap();
    team.show_contact(&some(7 * 2)).unwrap();
    team.log_call(now, &some(3)).unwrap();
    let deletable = some(5);
    team.delete_contact(&deletable).unwrap();
    if n.is_multiple_of(2) {
        team.undelete_contact(now, &deletable).unwrap();
    }
}

#[test]
fn a_body_that_is_not_json_is_400() {
    let sim = sim(5);
    let mut request = SimRequest::post("/api/v1/contacts/search", &json!({})).key(KEY);
    request.body = bytes::Bytes::from_static(b"{\"page\":");
    assert_eq!(sim.respond(noon(), &request).status, 400);
}
