//! Deals: their stages, reading and finding them.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use syncline_sim::{
    KeyOptions, Options, SimReply, SimRequest, Simulator, Team, TeamOptions, TokenOptions,
};

use crate::{get, ids, keys, noon, sim};

const UNKNOWN: &str = "66e34b81740c50074e3d1bd4";

fn search(sim: &Simulator, query: &str) -> Value {
    let reply = get(sim, &format!("opportunities/search?{query}"));
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

fn stages(sim: &Simulator) -> Vec<Value> {
    let reply = get(sim, "opportunity_stages").json();
    reply["opportunity_stages"].as_array().unwrap().clone()
}

fn refusal(reply: &SimReply) -> (u16, String) {
    (reply.status, reply.text())
}

#[test]
fn a_new_team_has_a_few_deals_of_its_accounts() {
    let sim = sim(200);
    let found = search(&sim, "per_page=100");
    let deals = found["opportunities"].as_array().unwrap();
    assert_eq!(deals.len(), 12);
    let listed: BTreeSet<String> = ids(&found["opportunities"]).into_iter().collect();
    assert_eq!(listed, sim.read(0, Team::deal_ids).into_iter().collect());
    let of_accounts = deals.iter().filter(|deal| deal["account_id"].is_string());
    assert!(of_accounts.clone().count() > 4);
    for deal in of_accounts {
        let account = sim.read(0, |team| team.account(deal["account_id"].as_str().unwrap()));
        let account = account.expect("a live account");
        assert_eq!(deal["account"]["name"], account["name"]);
        let day = |time: &Value| time.as_str().unwrap()[..10].to_owned();
        assert!(day(&deal["opportunity_created_at"]) >= day(&account["created_at"]));
    }
    let known: BTreeSet<String> = stages(&sim).iter().map(|s| s["id"].to_string()).collect();
    let in_stages = deals
        .iter()
        .filter(|deal| deal["opportunity_stage_id"].is_string());
    assert!(in_stages.clone().count() > 4);
    for deal in in_stages {
        assert!(known.contains(&deal["opportunity_stage_id"].to_string()));
    }
}

#[test]
fn the_same_seed_gives_the_same_deals_and_another_team_others() {
    let teams = || {
        let sim = Simulator::new(Options {
            seed: 7,
            teams: vec![TeamOptions::sized(30), TeamOptions::numbered(2, 30)],
            ..Options::default()
        });
        [0, 1].map(|team| sim.read(team, Team::deals))
    };
    assert_eq!(teams(), teams());
    let [ours, theirs] = teams();
    assert_ne!(ours, theirs);
}

#[test]
fn stages_say_how_likely_a_deal_is_and_how_it_ends() {
    let sim = sim(10);
    let stages = stages(&sim);
    let told: Vec<_> = stages
        .iter()
        .map(|stage| {
            let (probability, kind) = (&stage["probability"], &stage["type"]);
            (probability.as_f64().unwrap(), kind.as_str().unwrap())
        })
        .collect();
    assert_eq!(
        told,
        [
            (10.0, "Open"),
            (25.0, "Open"),
            (50.0, "Open"),
            (75.0, "Open"),
            (100.0, "Closed/Won"),
            (0.0, "Closed/Lost")
        ]
    );
    let won = &stages[4];
    assert_eq!(
        (&won["is_won"], &won["is_closed"]),
        (&json!(true), &json!(true))
    );
    let lost = &stages[5];
    assert_eq!(
        (&lost["is_won"], &lost["is_closed"]),
        (&json!(false), &json!(true))
    );
}

#[test]
fn what_is_no_id_is_422_and_so_is_a_deal_that_the_key_may_not_see() {
    let sim = sim(10);
    assert_eq!(
        refusal(&get(&sim, "opportunities/none")),
        (
            422,
            r#"{"error":"Parameters misconfigured. opportunity_id is not a valid ID"}"#.to_owned()
        )
    );
    let deal = sim.read(0, Team::deal_ids).remove(0);
    sim.edit(0, |team| team.hide_deal(&deal)).unwrap();
    assert_eq!(
        refusal(&get(&sim, &format!("opportunities/{deal}"))),
        (
            422,
            r#"{"error":"You are not authorized to view this page."}"#.to_owned()
        )
    );
    assert!(!ids(&search(&sim, "")["opportunities"]).contains(&deal));
}

#[test]
fn deals_are_found_a_page_at_a_time_in_the_order_asked_for() {
    let sim = sim(100);
    let whole = search(&sim, "sort_by_field=amount&per_page=100");
    let amounts: Vec<f64> = whole["opportunities"]
        .as_array()
        .unwrap()
        .iter()
        .map(|deal| deal["amount"].as_f64().unwrap_or(-1.0))
        .collect();
    assert!(amounts.iter().rev().is_sorted(), "{amounts:?}");
    let mut seen = Vec::new();
    for page in 1..=3 {
        let found = search(
            &sim,
            &format!("sort_by_field=amount&per_page=5&page={page}"),
        );
        assert_eq!(
            found["pagination"],
            json!({"page": page, "per_page": 5, "total_entries": 12, "total_pages": 3})
        );
        seen.extend(ids(&found["opportunities"]));
    }
    assert_eq!(seen, ids(&whole["opportunities"]));
    for field in ["is_closed", "is_won"] {
        let found = search(&sim, &format!("sort_by_field={field}"));
        let deals = found["opportunities"].as_array().unwrap().iter();
        let last: Vec<bool> = deals.map(|deal| deal[field] != true).collect();
        assert!(last.is_sorted(), "{field}: {last:?}");
    }
    let wrong = get(&sim, "opportunities/search?sort_by_field=name");
    assert_eq!(
        refusal(&wrong),
        (
            422,
            r#"{"error":"Invalid sort criteria","skip_alert_dialog":true}"#.to_owned()
        )
    );
    assert_eq!(get(&sim, "opportunities/search?per_page=101").status, 422);
}

#[test]
fn a_list_of_deals_has_its_keys_in_the_known_order() {
    let sim = sim(10);
    assert_eq!(
        keys(&get(&sim, "opportunities/search").text()),
        [
            "breadcrumbs",
            "opportunities",
            "group_by_field_facets",
            "salesforce_users",
            "partial_results_only",
            "has_join",
            "disable_eu_prospecting",
            "partial_results_limit",
            "pagination",
            "num_fetch_result"
        ]
    );
    assert_eq!(
        search(&sim, "page=1")["pagination"]["page"],
        1,
        "a number, unlike users"
    );
}

#[test]
fn a_scoped_key_is_refused_deals_by_their_own_name() {
    let mut options = Options::with_contacts(10);
    options.teams[0].keys.push(KeyOptions::scoped(
        "deals-key",
        &["opportunities/search", "opportunity_stages/index"],
    ));
    let sim = Simulator::new(options);
    let ask = |path: &str, key: &str| {
        sim.respond(
            noon(),
            &SimRequest::get(&format!("/api/v1/{path}")).key(key),
        )
    };
    for (path, action) in [
        ("opportunities/search", "opportunities/search"),
        ("opportunity_stages", "opportunity_stages/index"),
    ] {
        assert_eq!(ask(path, "deals-key").status, 200, "{path}");
        let refused = ask(path, "sim-scoped-key");
        assert_eq!(refused.status, 403);
        assert_eq!(
            refused.text(),
            format!(
                "{{\"error\":\"This API key is not authorized to access deals/api/v1/{action}. Request an API key \
                 from your administrator that includes this endpoint in its configured scope.\",\
                 \"error_code\":\"API_INACCESSIBLE\"}}"
            )
        );
    }
    assert_eq!(
        ask(&format!("opportunities/{UNKNOWN}"), "deals-key").status,
        403
    );
}

#[test]
fn a_token_reaches_the_deals_that_its_scopes_name() {
    let mut options = Options::with_contacts(10);
    let token = TokenOptions::of_apollo_team(0).with_scopes(&["opportunities_list"]);
    options.apollo.tokens = vec![token];
    let sim = Simulator::new(options);
    let ask = |path: &str| {
        let request = SimRequest::get(&format!("/api/v1/{path}"));
        sim.respond(
            noon(),
            &request.header("authorization", "Bearer sim-apollo-access"),
        )
    };
    assert_eq!(ask("opportunities/search").status, 200);
    assert_eq!(ask("opportunity_stages").status, 403);
    assert_eq!(ask(&format!("opportunities/{UNKNOWN}")).status, 403);
}
