//! Deals: their stages, writing, reading and finding them.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use serde_json::{Value, json};
use syncline_sim::{
    Action, Fault, FreePlan, KeyOptions, Match, Options, Plan, SimReply, SimRequest, Simulator,
    Team, TeamOptions, TokenOptions,
};

use crate::{KEY, get, ids, keys, noon, patch, post, sim};

const UNKNOWN: &str = "66e34b81740c50074e3d1bd4";

fn created(sim: &Simulator, fields: &Value) -> Value {
    let reply = post(sim, "opportunities", fields);
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()["opportunity"].clone()
}

fn path(deal: &Value) -> String {
    format!("opportunities/{}", deal["id"].as_str().expect("an id"))
}

fn search(sim: &Simulator, query: &str) -> Value {
    let reply = get(sim, &format!("opportunities/search?{query}"));
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

fn stages(sim: &Simulator) -> Vec<Value> {
    let reply = get(sim, "opportunity_stages").json();
    reply["opportunity_stages"].as_array().unwrap().clone()
}

fn stage(sim: &Simulator, name: &str) -> Value {
    let stages = stages(sim);
    let found = stages.iter().find(|stage| stage["name"] == name);
    found.expect("the stage")["id"].clone()
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
fn a_deal_is_shown_as_it_was_created() {
    let sim = sim(10);
    let (account, user) = sim.edit(0, |team| {
        let account = json!({"name": "Heron Foods", "domain": "heron.example"});
        let account = team.create_account(noon(), &account).unwrap();
        (account, team.user_ids()[0].clone())
    });
    let deal = created(
        &sim,
        &json!({
            "name": "Massive Q3 deal", "amount": "55123478", "account_id": account, "owner_id": user,
            "opportunity_stage_id": stage(&sim, "Meet & Present"), "closed_date": "2026-10-30",
            "typed_custom_fields": {"60c39ed82bd02f01154c470a": "2026-08-07"}
        }),
    );
    assert_eq!(
        [
            &deal["amount"],
            &deal["deal_probability"],
            &deal["forecasted_revenue"]
        ],
        [&json!(55_123_478.0), &json!(25.0), &json!(13_780_869.5)]
    );
    assert_eq!(
        [
            &deal["opportunity_created_at"],
            &deal["stage_updated_at"],
            &deal["closed_date"],
            &deal["last_activity_date"]
        ],
        [
            "2026-02-16T12:00:00.000+00:00",
            "2026-02-16T12:00:00.000+00:00",
            "2026-10-30T00:00:00.000+00:00",
            "2026-02-16T12:00:00.000Z"
        ]
    );
    assert_eq!(
        [
            &deal["is_closed"],
            &deal["is_won"],
            &deal["forecast_category"]
        ],
        [&json!(false), &json!(false), &json!("pipeline")]
    );
    assert_eq!(deal["existence_level"], "none");
    assert_eq!(deal["owner_id"], json!(user));
    assert!(deal.get("account").is_none() && deal.get("created_at").is_none());

    let mut shown = get(&sim, &path(&deal)).json()["opportunity"].clone();
    assert_eq!(shown["account"]["name"], "Heron Foods");
    assert_eq!(shown["num_contacts"], 0);
    let mut listed = search(&sim, "per_page=100")["opportunities"].clone();
    let rows = listed.as_array_mut().unwrap();
    let mut row = rows
        .iter()
        .find(|row| row["id"] == deal["id"])
        .unwrap()
        .clone();
    assert_eq!(row["account"], shown["account"]);
    shown.as_object_mut().unwrap().remove("num_contacts");
    assert_eq!(row, shown);
    for gone in ["account", "existence_level"] {
        row.as_object_mut().unwrap().remove(gone);
    }
    let mut rest = deal.clone();
    rest.as_object_mut().unwrap().remove("existence_level");
    assert_eq!(row, rest);
}

#[test]
fn a_deal_without_a_stage_is_neither_open_nor_closed() {
    let sim = sim(10);
    let deal = created(&sim, &json!({"name": "A beginning"}));
    for name in [
        "is_closed",
        "is_won",
        "opportunity_stage_id",
        "deal_probability",
        "forecast_category",
        "stage_updated_at",
        "amount",
        "closed_date",
        "owner_id",
        "account_id",
    ] {
        assert_eq!(deal[name], Value::Null, "{name}");
    }
    assert_eq!(deal["forecasted_revenue"], 0.0);
    assert!(deal["opportunity_pipeline_id"].is_string());
}

#[test]
fn a_deal_needs_a_name_and_ids_that_exist() {
    let sim = sim(10);
    for body in [json!({}), json!({"name": ""}), json!({"amount": "100"})] {
        assert_eq!(
            refusal(&post(&sim, "opportunities", &body)),
            (422, r#"{"error":"Name is required"}"#.to_owned())
        );
    }
    for field in ["owner_id", "account_id", "opportunity_stage_id"] {
        let reply = post(
            &sim,
            "opportunities",
            &json!({"name": "One", field: "12345"}),
        );
        assert_eq!(
            refusal(&reply),
            (
                422,
                r#"{"error":"Parameters misconfigured. 12345 is not a valid ID"}"#.to_owned()
            ),
            "{field}"
        );
    }
    assert_eq!(search(&sim, "")["pagination"]["total_entries"], 12);
}

#[test]
fn an_amount_is_exact_and_one_with_commas_or_signs_is_left_blank() {
    let sim = sim(10);
    for (amount, expected) in [
        (json!("200"), json!(200.0)),
        (json!(200), json!(200.0)),
        (json!("0.5"), json!(0.5)),
        (json!(99.95), json!(99.95)),
        (json!("10.509"), json!(10.5)),
        (json!("999999999999.07"), json!(999_999_999_999.07)),
        (json!("1,000"), Value::Null),
        (json!("$1000"), Value::Null),
        (json!("-5"), Value::Null),
        (json!("99999999999999999999"), Value::Null),
        (json!("."), Value::Null),
    ] {
        let deal = created(&sim, &json!({"name": "One", "amount": amount}));
        assert_eq!(deal["amount"], expected, "{amount}");
        assert_eq!(deal["amount_in_team_currency"], expected, "{amount}");
    }
    let reply = post(
        &sim,
        "opportunities",
        &json!({"name": "One", "amount": "200"}),
    );
    assert!(reply.text().contains(r#""amount":200.0,"#));
}

#[test]
fn a_deal_moves_through_its_stages_and_the_rest_of_it_stays() {
    let sim = sim(10);
    let deal = created(
        &sim,
        &json!({"name": "One", "amount": "200", "closed_date": "2026-10-30"}),
    );
    let at = noon() + TimeDelta::minutes(5);
    let send = |at, body: &Value| {
        let request = SimRequest::patch(&format!("/api/v1/{}", path(&deal)), body);
        let reply = sim.respond(at, &request.key(KEY));
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()["opportunity"].clone()
    };
    let won = stage(&sim, "Closed Won");
    let changed = send(at, &json!({"opportunity_stage_id": won, "amount": "300"}));
    assert_eq!(
        [
            &changed["is_closed"],
            &changed["is_won"],
            &changed["forecast_category"]
        ],
        [&json!(true), &json!(true), &json!("closed")]
    );
    assert_eq!(
        [&changed["stage_updated_at"], &changed["last_activity_date"]],
        ["2026-02-16T12:05:00.000+00:00", "2026-02-16T12:05:00.000Z"]
    );
    assert_eq!(
        [&changed["name"], &changed["closed_date"]],
        ["One", "2026-10-30T00:00:00.000+00:00"]
    );
    assert_eq!(changed["forecasted_revenue"], 300.0);
    assert_eq!(changed["existence_level"], "full");

    let later = at + TimeDelta::minutes(5);
    let same = send(
        later,
        &json!({"opportunity_stage_id": won, "unheard_of": 1}),
    );
    assert_eq!(
        same, changed,
        "a change that changes nothing is no activity"
    );
    let blank = send(later, &json!({"amount": "", "closed_date": null}));
    assert_eq!(
        (&blank["amount"], &blank["closed_date"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(blank["stage_updated_at"], changed["stage_updated_at"]);
}

#[test]
fn a_deal_that_is_not_there_is_404_when_read_and_422_when_changed() {
    let sim = sim(10);
    let deal = sim.read(0, Team::deal_ids).remove(0);
    sim.edit(0, |team| team.delete_deal(&deal)).unwrap();
    for id in [UNKNOWN, &deal] {
        assert_eq!(
            refusal(&get(&sim, &format!("opportunities/{id}"))),
            (404, r#"{"status":404,"error":"Not Found"}"#.to_owned())
        );
        let change = patch(
            &sim,
            &format!("opportunities/{id}"),
            &json!({"name": "One"}),
        );
        assert_eq!(
            refusal(&change),
            (422, r#"{"error":"Opportunity does not exist."}"#.to_owned())
        );
    }
    assert_eq!(search(&sim, "")["pagination"]["total_entries"], 11);
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
fn deals_show_their_account_as_it_is_and_lose_one_that_is_deleted() {
    let sim = sim(10);
    let account = json!({"name": "Heron Foods"});
    let account = sim.edit(0, |team| team.create_account(noon(), &account).unwrap());
    let deal = created(&sim, &json!({"name": "One", "account_id": account}));
    let shown = || get(&sim, &path(&deal)).json()["opportunity"].clone();
    let name = json!({"name": "Heron & Co"});
    sim.edit(0, |team| team.update_account(noon(), &account, &name))
        .unwrap();
    assert_eq!(shown()["account"]["name"], "Heron & Co");
    sim.edit(0, |team| team.delete_account(&account)).unwrap();
    assert_eq!(shown()["account_id"], Value::Null);
    assert!(shown().get("account").is_none());
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

#[test]
fn a_free_plan_finds_no_deals_but_reads_and_writes_them() {
    let mut options = Options::with_contacts(10);
    options.switches.free_plan = FreePlan::PaidPlansOnly;
    options.teams[0].plan = Plan::Free;
    let sim = Simulator::new(options);
    assert_eq!(
        refusal(&get(&sim, "opportunities/search")),
        (
            403,
            r#"{"message":"This endpoint is only available to Apollo users on paid plans."}"#
                .to_owned()
        )
    );
    let deal = created(&sim, &json!({"name": "One"}));
    assert_eq!(get(&sim, &path(&deal)).status, 200);
    assert_eq!(get(&sim, "opportunity_stages").status, 200);
}

#[test]
fn the_ledger_knows_the_calls_for_deals_and_counts_them_to_no_sync() {
    let sim = sim(10);
    search(&sim, "per_page=5");
    let deal = created(&sim, &json!({"name": "One"}));
    get(&sim, &path(&deal));
    patch(&sim, &path(&deal), &json!({"name": "Two"}));
    get(&sim, &format!("opportunities/{UNKNOWN}"));
    let totals = sim.ledger().totals();
    let records = |action: &str| (totals[action].requests, totals[action].records);
    assert_eq!(records("opportunities/search"), (1, 5));
    assert_eq!(records("opportunities/create"), (1, 1));
    assert_eq!(records("opportunities/show"), (2, 1));
    assert_eq!(records("opportunities/update"), (1, 1));
    assert_eq!(sim.ledger().max_records_in(0, TimeDelta::hours(1)), 0);
}

#[test]
fn faults_disturb_deals_like_every_other_list_and_write() {
    let sim = sim(10);
    let disturb = |path: &str, action: Action| {
        sim.faults().push(Fault::new(Match::path(path), action));
    };
    disturb("opportunities/search", Action::EmptyPage);
    let page = search(&sim, "");
    assert_eq!(page["opportunities"], json!([]));
    assert_eq!(page["pagination"]["total_entries"], 12);
    disturb("opportunities", Action::AppliedThenServerError);
    let deal = json!({"name": "One"});
    assert_eq!(post(&sim, "opportunities", &deal).status, 500);
    assert_eq!(search(&sim, "")["pagination"]["total_entries"], 13);
}
