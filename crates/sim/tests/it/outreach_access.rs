//! Who may ask, how often, and how a refusal looks.

use chrono::TimeDelta;
use serde_json::json;
use syncline_sim::{
    Action, Dialect, ExpiredWords, Fault, Match, Options, RootMeta, SimRequest, TeamOptions,
    TokenOptions, Window,
};

use crate::noon;
use crate::outreach_support::{
    JSON_API, TOKEN, error, get, get_at, id, ids, new, outreach, outreach_with, post, request, walk,
};

#[test]
fn without_a_token_every_path_is_401_in_plain_json() {
    let sim = outreach(10);
    for path in ["/api/v2/prospects", "/api/v2/nowhere", "/api/v2"] {
        let reply = sim.respond(noon(), &SimRequest::get(path));
        assert_eq!(reply.status, 401);
        assert_eq!(
            reply.text(),
            "{\"error\":\"No Authorization header.\",\"description\":\"You must provide an Authorization header \
             with a valid access token.\"}"
        );
        assert_eq!(
            reply.header("content-type"),
            Some("application/json; charset=utf-8")
        );
        assert_eq!(reply.header("x-ratelimit-limit"), None);
    }
    let garbage = SimRequest::get("/api/v2/prospects").header("authorization", "Bearer garbage");
    assert_eq!(
        sim.respond(noon(), &garbage).text(),
        r#"{"error":"Invalid JWT token.","description":"The JWT token could not be decoded."}"#
    );
}

#[test]
fn an_expired_token_is_refused_in_the_words_that_are_switched() {
    for words in [ExpiredWords::Expired, ExpiredWords::Invalid] {
        let sim = outreach_with(10, |options| {
            options.outreach.switches.expired_words = words;
        });
        sim.edit(0, |team| team.expire_access_tokens(noon()));
        let error = get(&sim, "users").json()["error"].clone();
        let expected = match words {
            ExpiredWords::Expired => "Expired JWT token.",
            ExpiredWords::Invalid => "Invalid JWT token.",
        };
        assert_eq!(error, expected);
    }
}

#[test]
fn the_root_tells_who_is_calling() {
    let sim = outreach(10);
    let reply = get(&sim, "");
    assert_eq!(reply.status, 200);
    assert_eq!(
        reply.header("content-type"),
        Some("application/vnd.api+json; charset=utf-8")
    );
    let user = sim.read(0, |team| team.users()[0].clone());
    let meta = reply.json()["meta"].clone();
    assert_eq!(meta["user"]["id"], user["id"]);
    assert_eq!(meta["user"]["email"], user["attributes"]["email"]);
    assert!(meta["instanceUrl"].is_string());
    assert!(meta.get("org").is_none());
    let rich = outreach_with(10, |options| {
        options.outreach.switches.root = RootMeta::Rich;
    });
    assert!(get(&rich, "").json()["meta"]["org"]["id"].is_u64());
}

#[test]
fn a_token_reaches_its_scopes_only_and_all_includes_the_others() {
    let sim = outreach_with(20, |options| {
        let scopes = ["users.read", "prospects.all", "accounts.write"];
        options.outreach.tokens = vec![TokenOptions::of_team(0).with_scopes(&scopes)];
    });
    assert_eq!(get(&sim, "users").status, 200);
    assert_eq!(get(&sim, "prospects").status, 200);
    let created = post(
        &sim,
        "prospects",
        &new("prospect", &json!({"firstName": "Ada"}), &json!({})),
    );
    assert_eq!(created.status, 201);
    for (target, scope) in [
        ("accounts", "accounts.read"),
        ("sequences", "sequences.read"),
        ("sequenceStates", "sequenceStates.read"),
        ("prospects?include=account", "accounts.read"),
    ] {
        let refused = get(&sim, target);
        assert_eq!(refused.status, 403, "{target}");
        let (id, detail, _) = error(&refused);
        assert_eq!(id, "unauthorizedOauthScope");
        assert_eq!(
            detail,
            format!("Your authorization does not include the required scope '{scope}'.")
        );
    }
    let named = post(
        &sim,
        "accounts",
        &new("account", &json!({"name": "Heron"}), &json!({})),
    );
    assert_eq!(named.status, 201, "write does not need read");
}

#[test]
fn unknown_paths_and_records_are_404_with_words_of_their_own() {
    let sim = outreach(10);
    let nowhere = get(&sim, "cats");
    assert_eq!(nowhere.status, 404);
    assert_eq!(error(&nowhere).0, "routeNotFound");
    let nobody = get(&sim, "prospects/999999");
    assert_eq!(nobody.status, 404);
    let (id, detail, _) = error(&nobody);
    assert_eq!(id, "resourceNotFound");
    assert_eq!(detail, "Could not find 'prospect' with ID '999999'.");
    assert_eq!(get(&sim, "sequenceSteps/1/actions/fly").status, 404);
}

#[test]
fn writes_need_json_apis_type_and_reads_only_if_switched() {
    let sim = outreach(10);
    let body = new("account", &json!({"name": "Heron"}), &json!({}));
    let plain = request("POST", "accounts", Some(&body)).header("content-type", "application/json");
    let refused = sim.respond(noon(), &plain);
    assert_eq!(refused.status, 415);
    let (id, detail, _) = error(&refused);
    assert_eq!(id, "unsupportedMediaType");
    assert_eq!(
        detail,
        "Expected Content-Type header to be 'application/vnd.api+json'."
    );
    assert_eq!(get(&sim, "users").status, 200);
    let strict = outreach_with(10, |options| {
        options.outreach.switches.strict_content_type = true;
    });
    assert_eq!(get(&strict, "users").status, 415);
    let typed = request("GET", "users", None).header("content-type", JSON_API);
    assert_eq!(strict.respond(noon(), &typed).status, 200);
}

#[test]
fn the_checks_come_in_order_token_route_scope_type_body() {
    let sim = outreach_with(10, |options| {
        options.outreach.tokens = vec![TokenOptions::of_team(0).with_scopes(&["users.read"])];
    });
    let body = json!({"data": {"type": "cat"}});
    let wrong = |path: &str| {
        let wrong = request("POST", path, Some(&body)).header("content-type", "text/plain");
        sim.respond(noon(), &wrong)
    };
    assert_eq!(wrong("cats").status, 404);
    assert_eq!(wrong("accounts").status, 403);
    let sim = outreach(10);
    let wrong = request("POST", "accounts", Some(&body)).header("content-type", "text/plain");
    assert_eq!(sim.respond(noon(), &wrong).status, 415);
    assert_eq!(post(&sim, "accounts", &body).status, 409);
    let mut broken = request("POST", "accounts", Some(&body));
    broken.body = "{".into();
    let broken = sim.respond(noon(), &broken);
    assert_eq!(
        (broken.status, error(&broken).0.as_str()),
        (400, "badRequest")
    );
}

#[test]
fn a_user_has_ten_thousand_requests_in_an_hour_that_begins_with_the_first() {
    let sim = outreach(10);
    let reply = get(&sim, "users");
    assert_eq!(reply.header("x-ratelimit-limit"), Some("10000"));
    assert_eq!(reply.header("x-ratelimit-remaining"), Some("9999"));
    let reset = (noon().timestamp() + 3_600).to_string();
    assert_eq!(reply.header("x-ratelimit-reset"), Some(reset.as_str()));
}

#[test]
fn requests_beyond_the_hour_are_429_until_it_is_over_and_each_user_has_their_own() {
    let sim = outreach_with(10, |options| {
        options.outreach.requests_per_hour = 3;
        options.outreach.tokens = vec![
            TokenOptions::named(0, 0, ""),
            TokenOptions::named(0, 0, "-again"),
            TokenOptions::named(0, 3, "-other"),
        ];
    });
    let ask = |token: &str, seconds: i64| {
        let request = SimRequest::get("/api/v2/users");
        let bearer = format!("Bearer sim-outreach-access{token}");
        let now = noon() + TimeDelta::seconds(seconds);
        sim.respond(now, &request.header("authorization", &bearer))
    };
    assert_eq!(ask("", 0).status, 200);
    assert_eq!(ask("-again", 10).status, 200, "the same user");
    assert_eq!(get(&sim, "cats").status, 404, "counts as well");
    let refused = ask("", 20);
    assert_eq!(refused.status, 429);
    let (id, detail, _) = error(&refused);
    assert_eq!(id, "rateLimitExceeded");
    assert_eq!(
        detail,
        "You have exceeded your permitted rate limit of 3; please try again at 2026-02-16T13:00:00.000Z."
    );
    let reset = (noon().timestamp() + 3_600).to_string();
    assert_eq!(refused.header("retry-after"), Some(reset.as_str()));
    assert_eq!(refused.header("x-ratelimit-reset"), Some(reset.as_str()));
    assert_eq!(refused.header("x-ratelimit-remaining"), Some("0"));
    assert_eq!(ask("-other", 20).status, 200);
    assert_eq!(ask("", 3_599).status, 429);
    assert_eq!(ask("", 3_600).status, 200);
    let user = sim.read(0, |team| team.user_ids()[0].clone());
    let hour = TimeDelta::hours(1);
    assert_eq!(sim.ledger().max_requests_in(0, &user, hour), 3);
}

#[test]
fn teams_have_worlds_and_tokens_of_their_own() {
    let teams = vec![TeamOptions::sized(30), TeamOptions::numbered(2, 20)];
    let sim = outreach_with(0, |options| options.teams = teams);
    let ours = walk(&sim, "prospects");
    let request = SimRequest::get("/api/v2/prospects?count=true");
    let request = request.header("authorization", "Bearer sim-outreach-access-2");
    let theirs = sim.respond(noon(), &request).json();
    assert_eq!((ours.len(), &theirs["meta"]["count"]), (30, &json!(20)));
    let last = sim.ledger().requests().pop().unwrap();
    assert_eq!((last.team, last.records), (Some(1), 20));
}

#[test]
fn the_ledger_counts_requests_and_records_by_action() {
    let sim = outreach(120);
    walk(&sim, "prospects?page[size]=50");
    let prospect = id(&walk(&sim, "prospects?page[size]=1000")[0]);
    get(&sim, &format!("prospects/{prospect}"));
    get(&sim, "prospects/999999");
    let totals = sim.ledger().totals();
    let lists = totals["prospects/list"];
    assert_eq!((lists.requests, lists.records, lists.refused), (4, 240, 0));
    let reads = totals["prospects/get"];
    assert_eq!((reads.requests, reads.records, reads.refused), (2, 1, 1));
    assert_eq!(sim.ledger().max_records_in(0, TimeDelta::minutes(1)), 241);
    let request = request("GET", "prospects", None);
    let two = (sim.arrive(&request), sim.arrive(&request));
    drop(two);
    assert_eq!(sim.ledger().most_in_flight(0, "prospects"), 2);
}

#[test]
fn faults_hooks_and_hidden_records_work_as_for_apollo() {
    let sim = outreach(60);
    let faults = sim.faults();
    faults.push(Fault::new(Match::path("prospects"), Action::KeyRevoked));
    faults.push(Fault::new(
        Match::path("prospects"),
        Action::RateLimited {
            window: Window::Hour,
            retry_after: Some(7),
        },
    ));
    faults.push(Fault::new(
        Match::path("prospects").nth(3),
        Action::bad_gateway(),
    ));
    assert_eq!(get(&sim, "prospects").status, 401);
    let limited = get(&sim, "prospects");
    let at = (noon().timestamp() + 7).to_string();
    assert_eq!(
        (limited.status, limited.header("retry-after")),
        (429, Some(at.as_str()))
    );
    assert_eq!(get(&sim, "prospects").status, 502);
    faults.push(Fault::new(
        Match::any(),
        Action::Maintenance(TimeDelta::minutes(5)),
    ));
    let away = get(&sim, "prospects");
    assert_eq!(
        (away.status, error(&away).0.as_str()),
        (503, "scheduledServerMaintenance")
    );
    assert_eq!(away.header("retry-after"), Some("2026-02-16T12:05:00.000Z"));
    faults.push(Fault::new(
        Match::path("oauth/token"),
        Action::Answer {
            status: 503,
            content_type: "text/plain".to_owned(),
            body: "no healthy upstream".to_owned(),
        },
    ));
    let token = sim.respond(noon(), &SimRequest::post("/oauth/token", &json!({})));
    assert_eq!(
        (token.status, token.text().as_str()),
        (503, "no healthy upstream")
    );
    let hidden = sim.read(0, |team| team.contact_ids()[0].clone());
    sim.edit(0, |team| team.hide_contact(&hidden)).unwrap();
    assert!(!ids(&walk(&sim, "prospects")).contains(&hidden));
    let refused = get(&sim, &format!("prospects/{hidden}"));
    assert_eq!(
        (refused.status, error(&refused).0.as_str()),
        (403, "unauthorizedRequest")
    );
    sim.on_request(|asked, team| {
        if asked.action == "prospects/list" && asked.nth == 4 {
            let doomed = team.contact_ids();
            team.delete_contact(&doomed[1]).unwrap();
        }
    });
    let before = walk(&sim, "prospects?page[size]=1000").len();
    assert_eq!(walk(&sim, "prospects?page[size]=1000").len(), before - 1);
}

#[test]
fn ids_are_whole_numbers_that_can_begin_anywhere() {
    let first = (1_u64 << 53) + 7;
    let sim = outreach_with(10, |options| options.outreach.first_id = first);
    let prospects = walk(&sim, "prospects?page[size]=3");
    assert_eq!(prospects.len(), 10);
    assert!(prospects.iter().all(|p| p["id"].as_u64().unwrap() > first));
    let text = outreach_with(10, |options| options.outreach.switches.ids_as_text = true);
    let body = get(&text, "prospects").json();
    assert!(body["data"][0]["id"].is_string());
    let owner = &body["data"][0]["relationships"]["owner"]["data"];
    assert!(owner.is_null() || owner["id"].is_string());
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let answers = || {
        let sim = outreach(80);
        sim.edit(0, |team| team.random_edits(noon(), 7, 100));
        let targets = [
            "prospects",
            "accounts",
            "sequences",
            "sequenceStates",
            "tasks",
            "mailboxes",
        ];
        targets.map(|target| get(&sim, target).text())
    };
    assert_eq!(answers(), answers());
}

#[test]
fn apollos_paths_and_keys_are_not_there() {
    let sim = outreach(10);
    let apollo = SimRequest::get("/api/v1/users/search").key("sim-master-key");
    assert_eq!(sim.respond(noon(), &apollo).status, 401);
    let options = Options::with_contacts(10);
    assert_eq!(options.dialect, Dialect::Apollo);
    let reply = get_at(&sim, noon(), "users");
    assert!(reply.header("date").is_some());
    assert!(!TOKEN.is_empty());
}
