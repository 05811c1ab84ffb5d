//! Enrichment of several people or companies in one call.

use serde_json::{Value, json};
use syncline_sim::{
    KeyOptions, Options, Plan, SimReply, SimRequest, Simulator, Team, TokenOptions,
};

use crate::{get, keys, noon, post, sim};

const INSUFFICIENT: &str = "You have insufficient credits! <a href='https://app.apollo.io/#/settings/plans/upgrade' \
     aria-onclick='close_alert'>Upgrade your plan</a> to increase your number of lead credits.";

fn credits(sim: &Simulator) -> u64 {
    sim.read(0, Team::credits)
}

/// Ids of people of the database.
fn people(sim: &Simulator, count: usize) -> Vec<Value> {
    let found = post(sim, "mixed_people/api_search", &json!({"per_page": count})).json();
    let found = found["people"].as_array().unwrap().iter();
    found.map(|person| person["id"].clone()).collect()
}

fn match_people(sim: &Simulator, details: &Value) -> SimReply {
    post(sim, "people/bulk_match", &json!({"details": details}))
}

fn refusal(reply: &SimReply) -> (u16, String) {
    (reply.status, reply.text())
}

#[test]
fn several_people_are_matched_for_a_credit_each_and_misses_are_null() {
    let sim = sim(10);
    let contact = json!({"first_name": "Ines", "email": "ines@heron.example"});
    let contact = sim
        .edit(0, |team| team.create_contact(noon(), &contact))
        .unwrap();
    let known = people(&sim, 1).remove(0);
    let details = json!([
        {"id": known},
        {"email": "nobody@x.example"},
        {"email": "ines@heron.example"},
    ]);
    let reply = match_people(&sim, &details);
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(
        keys(&reply.text()),
        [
            "status",
            "error_code",
            "error_message",
            "total_requested_enrichments",
            "matches",
            "unique_enriched_records",
            "missing_records",
            "credits_consumed"
        ]
    );
    let answer = reply.json();
    assert_eq!(
        (&answer["status"], &answer["error_code"]),
        (&json!("success"), &Value::Null)
    );
    assert_eq!(
        [
            &answer["total_requested_enrichments"],
            &answer["unique_enriched_records"],
            &answer["missing_records"],
            &answer["credits_consumed"]
        ],
        [3, 2, 1, 2]
    );
    let matches = answer["matches"].as_array().unwrap();
    assert_eq!(matches[0]["id"], known);
    assert_eq!(matches[1], Value::Null);
    assert_eq!(matches[2]["contact_id"], json!(contact));
    assert_eq!(credits(&sim), 98);
    let alone = post(&sim, "people/match", &json!({"id": known})).json();
    assert_eq!(alone["person"], matches[0]);
    assert_eq!(sim.ledger().totals()["people/bulk_match"].records, 2);
}

#[test]
fn somebody_asked_for_twice_is_shown_twice_and_paid_for_once() {
    let sim = sim(10);
    let known = people(&sim, 1).remove(0);
    let answer = match_people(&sim, &json!([{"id": known}, {"id": known}])).json();
    assert_eq!(answer["matches"][0], answer["matches"][1]);
    assert_eq!(
        [
            &answer["total_requested_enrichments"],
            &answer["unique_enriched_records"],
            &answer["missing_records"],
            &answer["credits_consumed"]
        ],
        [2, 1, 0, 1]
    );
    assert_eq!(credits(&sim), 99);
}

#[test]
fn ten_people_are_the_most_and_one_the_least() {
    let sim = sim(10);
    let known = people(&sim, 11);
    let details: Vec<Value> = known.iter().map(|id| json!({"id": id})).collect();
    assert_eq!(
        match_people(&sim, &json!(details[..10])).json()["credits_consumed"],
        10
    );
    assert_eq!(
        refusal(&match_people(&sim, &json!(details))),
        (
            400,
            concat!(
                r#"{"status":"failed","error_code":"RECORD_LIMIT_EXCEEDED","#,
                r#""error_message":"cannot enrich more than 10 in a single request"}"#
            )
            .to_owned()
        )
    );
    let missing = concat!(
        r#"{"status":"failed","error_code":"INVALID_REQUEST","#,
        r#""error_message":"invalid request, missing details"}"#
    );
    for body in [json!({}), json!({"details": []}), json!({"details": null})] {
        let reply = post(&sim, "people/bulk_match", &body);
        assert_eq!(refusal(&reply), (400, missing.to_owned()), "{body}");
    }
    assert_eq!(credits(&sim), 90);
}

#[test]
fn details_that_are_no_objects_fail_like_ruby() {
    let sim = sim(10);
    for details in [json!(["ines@heron.example"]), json!({"id": "1"})] {
        let reply = match_people(&sim, &details);
        assert_eq!(
            refusal(&reply),
            (
                422,
                concat!(
                    r#"{"status":"failed","error_code":"UNKNOWN_ERROR","#,
                    r#""error_message":"no implicit conversion of Symbol into Integer"}"#
                )
                .to_owned()
            ),
            "{details}"
        );
    }
}

#[test]
fn credits_pay_for_everybody_who_is_found_or_for_nobody() {
    let sim = sim(10);
    let details: Vec<Value> = people(&sim, 3).iter().map(|id| json!({"id": id})).collect();
    for left in [0, 2] {
        sim.edit(0, |team| team.set_credits(left));
        let reply = match_people(&sim, &json!(details));
        assert_eq!(
            (reply.status, &reply.json()["error"]),
            (422, &json!(INSUFFICIENT))
        );
        assert_eq!(credits(&sim), left);
    }
    sim.edit(0, |team| team.set_credits(3));
    assert_eq!(
        match_people(&sim, &json!(details)).json()["credits_consumed"],
        3
    );
    assert_eq!(credits(&sim), 0);
    let profile = get(&sim, "users/api_profile?include_credit_usage=true").json();
    assert_eq!(
        (
            &profile["num_credits_remaining"],
            &profile["num_lead_credits_used"]
        ),
        (&json!(0), &json!(3))
    );
}

#[test]
fn a_free_plan_has_less_room_for_bulk_enrichment_than_for_the_rest() {
    for (plan, expected) in [
        (Plan::Free, ["20", "100", "600"]),
        (Plan::Basic, ["1000", "", ""]),
    ] {
        let mut options = Options::with_contacts(10);
        options.teams[0].plan = plan;
        let reply = match_people(
            &Simulator::new(options),
            &json!([{"email": "nobody@x.example"}]),
        );
        let limits = ["minute", "hourly", "24-hour"];
        let limits = limits.map(|window| reply.header(&format!("x-rate-limit-{window}")).unwrap());
        assert_eq!(limits, expected, "{plan:?}");
    }
}

#[test]
fn bulk_enrichment_needs_a_scope_of_its_own() {
    let mut options = Options::with_contacts(10);
    options.teams[0]
        .keys
        .push(KeyOptions::scoped("one-by-one", &["people/match"]));
    let token = TokenOptions::of_apollo_team(0).with_scopes(&["people_bulk_match"]);
    options.apollo.tokens = vec![token];
    let sim = Simulator::new(options);
    let ask = || {
        SimRequest::post(
            "/api/v1/people/bulk_match",
            &json!({"details": [{"id": "1"}]}),
        )
    };
    let refused = sim.respond(noon(), &ask().key("one-by-one"));
    assert_eq!(refused.status, 403);
    assert!(refused.text().contains("access api/v1/people/bulk_match."));
    let by_token = ask().header("authorization", "Bearer sim-apollo-access");
    assert_eq!(sim.respond(noon(), &by_token).status, 200);
}

/// Companies of the database, in the notation of enrichment.
fn companies(sim: &Simulator, count: usize) -> Vec<Value> {
    let mut found: Vec<Value> = Vec::new();
    for id in people(sim, 100) {
        let person = post(sim, "people/match", &json!({"id": id})).json();
        let company = person["person"]["organization"].clone();
        if !found.contains(&company) {
            found.push(company);
        }
        if found.len() == count {
            break;
        }
    }
    sim.edit(0, |team| team.set_credits(100));
    found
}

fn enrich(sim: &Simulator, body: &Value) -> Value {
    let reply = post(sim, "organizations/bulk_enrich", body);
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

#[test]
fn companies_are_enriched_by_domain_for_a_credit_each() {
    let sim = sim(10);
    let known = companies(&sim, 2);
    let domains: Vec<&str> = known
        .iter()
        .map(|c| c["primary_domain"].as_str().unwrap())
        .collect();
    let query = format!(
        "domains[]={}&domains[]={}",
        domains[0],
        domains[1].to_uppercase()
    );
    let query = format!("{query}&domains[]={}&domains[]=nowhere.example", domains[0]);
    let reply = post(
        &sim,
        &format!("organizations/bulk_enrich?{query}"),
        &json!({}),
    );
    assert_eq!(
        keys(&reply.text()),
        [
            "status",
            "error_code",
            "error_message",
            "total_requested_records",
            "total_requested_domains",
            "unique_domains",
            "unique_records",
            "unique_enriched_records",
            "missing_records",
            "organizations"
        ]
    );
    let answer = reply.json();
    assert_eq!(
        [
            &answer["total_requested_domains"],
            &answer["unique_domains"],
            &answer["unique_enriched_records"],
            &answer["missing_records"],
            &answer["total_requested_records"],
            &answer["unique_records"],
        ],
        [
            &json!(4),
            &json!(3),
            &json!(2),
            &json!(1),
            &Value::Null,
            &Value::Null
        ]
    );
    assert_eq!(answer["organizations"], json!(known));
    assert_eq!(credits(&sim), 98);
    assert_eq!(
        enrich(&sim, &json!({"domains": [domains[0]]}))["organizations"],
        json!([known[0]])
    );
}

#[test]
fn companies_are_enriched_by_what_else_is_known_of_them() {
    let sim = sim(10);
    let account = json!({"name": "Heron Foods", "domain": "heron.example"});
    sim.edit(0, |team| team.create_account(noon(), &account))
        .unwrap();
    let known = companies(&sim, 2);
    let answer = enrich(
        &sim,
        &json!({"details": [
            {"website": format!("{}/about", known[0]["website_url"].as_str().unwrap())},
            {"name": known[1]["name"].as_str().unwrap().to_uppercase()},
            {"name": "Heron Foods", "domain": "elsewhere.example"},
            {"name": "Nowhere & Sons"},
        ]}),
    );
    let names = answer["organizations"].as_array().unwrap().iter();
    let names: Vec<&Value> = names.map(|company| &company["name"]).collect();
    assert_eq!(
        names,
        [&known[0]["name"], &known[1]["name"], &json!("Heron Foods")]
    );
    assert_eq!(
        [
            &answer["total_requested_records"],
            &answer["unique_records"],
            &answer["missing_records"],
            &answer["unique_domains"]
        ],
        [&json!(4), &json!(4), &json!(1), &Value::Null]
    );
    assert_eq!(credits(&sim), 97);
}

#[test]
fn ten_companies_are_the_most_and_credits_have_to_suffice() {
    let sim = sim(10);
    let failed = |body: &Value, code: &str, text: &str| {
        let reply = post(&sim, "organizations/bulk_enrich", body);
        let expected =
            format!(r#"{{"status":"failed","error_code":"{code}","error_message":"{text}"}}"#);
        assert_eq!(refusal(&reply), (400, expected), "{body}");
    };
    for body in [json!({}), json!({"domains": []}), json!({"details": []})] {
        failed(&body, "INVALID_REQUEST", "invalid request, missing domains");
    }
    let domains: Vec<String> = (0..11).map(|n| format!("{n}.example")).collect();
    let too_many = "domain count cannot be more than 10";
    failed(
        &json!({"domains": domains}),
        "RECORD_LIMIT_EXCEEDED",
        too_many,
    );
    assert_eq!(
        enrich(&sim, &json!({"domains": domains[..10]}))["organizations"],
        json!([])
    );
    let known = companies(&sim, 2);
    let known: Vec<&Value> = known
        .iter()
        .map(|company| &company["primary_domain"])
        .collect();
    sim.edit(0, |team| team.set_credits(1));
    let reply = post(
        &sim,
        "organizations/bulk_enrich",
        &json!({"domains": known}),
    );
    assert_eq!(
        (reply.status, &reply.json()["error"]),
        (422, &json!(INSUFFICIENT))
    );
    assert_eq!(credits(&sim), 1);
}
