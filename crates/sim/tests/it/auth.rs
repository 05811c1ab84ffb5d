//! Keys, scopes and plans.

use serde_json::json;
use syncline_sim::{FreePlan, KeyOptions, Options, Plan, SimRequest, Simulator, Switches};

use crate::{KEY, get, noon, post, sim};

const BAD_KEY: &str =
    "Invalid API key. See https://docs.apollo.io/reference/authentication for how to authenticate.";

#[test]
fn an_unknown_or_missing_key_is_401_in_plain_text_without_quota_headers() {
    let sim = sim(10);
    let search = SimRequest::post("/api/v1/contacts/search", &json!({}));
    for request in [search.clone(), search.key("who-is-this")] {
        let reply = sim.respond(noon(), &request);
        assert_eq!((reply.status, reply.text().as_str()), (401, BAD_KEY));
        assert!(
            reply
                .header("content-type")
                .is_some_and(|kind| kind.starts_with("text/plain"))
        );
        assert!(
            reply
                .headers
                .iter()
                .all(|(name, _)| !name.starts_with("x-rate-limit"))
        );
    }
}

#[test]
fn the_key_header_is_case_insensitive_and_both_bases_answer() {
    let sim = sim(10);
    for base in ["/api/v1", "/v1"] {
        let request = SimRequest::get(&format!("{base}/users/search")).header("X-API-KEY", KEY);
        assert_eq!(sim.respond(noon(), &request).status, 200);
    }
}

#[test]
fn a_key_in_query_or_body_is_422() {
    let sim = sim(10);
    let expected =
        r#"{"error":"API key must be passed in the X-Api-Key header for security reasons"}"#;
    let in_query = get(&sim, "users/search?api_key=sim-master-key");
    let in_body = post(&sim, "contacts/search", &json!({"api_key": KEY}));
    for reply in [in_query, in_body] {
        assert_eq!((reply.status, reply.text().as_str()), (422, expected));
    }
}

#[test]
fn a_key_sent_as_bearer_token_is_401_with_words_of_its_own() {
    let sim = sim(10);
    let request =
        SimRequest::get("/api/v1/users/search").header("authorization", "Bearer sim-master-key");
    let reply = sim.respond(noon(), &request);
    assert_eq!(
        (reply.status, reply.text().as_str()),
        (401, "Invalid access credentials.")
    );
}

#[test]
fn a_scoped_key_reaches_its_scope_and_the_profile_only() {
    let sim = sim(10);
    let ask = |request: SimRequest| sim.respond(noon(), &request.key("sim-scoped-key"));
    assert_eq!(
        ask(SimRequest::post("/api/v1/contacts/search", &json!({}))).status,
        200
    );
    assert_eq!(
        ask(SimRequest::post("/api/v1/accounts/search", &json!({}))).status,
        200
    );
    assert_eq!(
        ask(SimRequest::get("/api/v1/users/api_profile")).status,
        200
    );
    let refused = ask(SimRequest::get("/api/v1/users/search"));
    assert_eq!(refused.status, 403);
    assert_eq!(
        refused.text(),
        "{\"error\":\"This API key is not authorized to access api/v1/users/search. Request an API key from your \
         administrator that includes this endpoint in its configured scope.\",\"error_code\":\"API_INACCESSIBLE\"}"
    );
    assert!(
        refused
            .headers
            .iter()
            .all(|(name, _)| !name.starts_with("x-rate-limit"))
    );
    let index = ask(SimRequest::get("/api/v1/email_accounts"));
    assert!(index.text().contains("access api/v1/email_accounts/index."));
}

#[test]
fn a_scoped_key_reads_its_teams_profile_unless_so_switched() {
    for reads in [true, false] {
        let mut options = Options::with_contacts(10);
        options.switches.scoped_keys_read_profile = reads;
        options.teams[0].keys.push(KeyOptions::scoped(
            "profile-key",
            &["contacts/search", "users/api_profile"],
        ));
        let sim = Simulator::new(options);
        let ask = |key: &str| {
            let profile = SimRequest::get("/api/v1/users/api_profile");
            sim.respond(noon(), &profile.key(key))
        };
        let team = sim.read(0, |team| team.id().to_owned());
        assert_eq!(ask(KEY).json()["team_id"], json!(team));
        assert_eq!(ask("profile-key").json()["team_id"], json!(team));
        let scoped = ask("sim-scoped-key");
        if reads {
            assert_eq!(scoped.json()["team_id"], json!(team));
        } else {
            assert_eq!(scoped.status, 403);
            assert!(scoped.text().contains("access api/v1/users/api_profile."));
        }
    }
}

#[test]
fn health_says_whether_the_key_is_good() {
    let ask = |sim: &Simulator, key: &str| {
        sim.respond(noon(), &SimRequest::get("/v1/auth/health").key(key))
    };
    let mild = sim(10);
    assert_eq!(
        ask(&mild, KEY).text(),
        r#"{"healthy":true,"is_logged_in":true}"#
    );
    let stranger = ask(&mild, "nobody");
    assert_eq!(
        (stranger.status, stranger.text().as_str()),
        (200, r#"{"healthy":true,"is_logged_in":false}"#)
    );
    let switches = Switches {
        health_refuses_bad_keys: true,
        ..Switches::default()
    };
    let strict = Simulator::new(Options {
        switches,
        ..Options::with_contacts(10)
    });
    assert_eq!(ask(&strict, "nobody").status, 401);
}

#[test]
fn keys_come_and_go() {
    let sim = sim(10);
    sim.edit(0, |team| team.revoke_key(KEY));
    assert_eq!(get(&sim, "users/search").status, 401);
    sim.edit(0, |team| team.add_key(KeyOptions::master(KEY)));
    assert_eq!(get(&sim, "users/search").status, 200);
}

#[test]
fn a_free_plan_is_refused_in_either_wording_if_so_switched() {
    for (free_plan, expected) in [
        (FreePlan::Served, None),
        (
            FreePlan::PaidPlansOnly,
            Some(r#"{"message":"This endpoint is only available to Apollo users on paid plans."}"#),
        ),
        (
            FreePlan::NamesTheEndpoint,
            Some(concat!(
                r#"{"error":"api/v1/contacts/search is not accessible with this api_key on a free plan. "#,
                r#"Please upgrade your plan from https://app.apollo.io/.","error_code":"API_INACCESSIBLE"}"#
            )),
        ),
    ] {
        let mut options = Options::with_contacts(10);
        options.switches.free_plan = free_plan;
        options.teams[0].plan = Plan::Free;
        let sim = Simulator::new(options);
        for path in [
            "accounts/search",
            "emailer_campaigns/search",
            "tasks/search",
        ] {
            let status = post(&sim, path, &json!({})).status;
            assert_eq!(status == 200, expected.is_none(), "{path}");
        }
        assert_eq!(get(&sim, "labels").status, 200, "not a search");
        let reply = post(&sim, "contacts/search", &json!({}));
        match expected {
            None => assert_eq!(reply.status, 200),
            Some(text) => assert_eq!((reply.status, reply.text().as_str()), (403, text)),
        }
    }
}

#[test]
fn paths_that_lead_nowhere_are_404_even_without_a_key() {
    let sim = sim(10);
    for path in [
        "/api/v1/contact",
        "/api/v2/users/search",
        "/api/v1/contacts/1/2",
        "/",
    ] {
        let reply = sim.respond(noon(), &SimRequest::get(path));
        assert_eq!(
            (reply.status, reply.text().as_str()),
            (404, r#"{"status":404,"error":"Not Found"}"#),
            "{path}"
        );
    }
}
