//! Consent, tokens and what becomes of them.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use syncline_sim::{SimReply, SimRequest, Simulator, TokenErrors};

use crate::noon;
use crate::outreach_support::{TOKEN, outreach, outreach_with};

const BACK: &str = "https://app.example/oauth/callback";

fn authorize(sim: &Simulator, more: &str) -> SimReply {
    let target = format!(
        "/oauth/authorize?client_id=sim-outreach-client&redirect_uri={BACK}&response_type=code\
         &scope=users.read+prospects.all&state=s%261{more}"
    );
    sim.respond(noon(), &SimRequest::get(&target))
}

/// The parameters that a redirect leads back with.
fn told(reply: &SimReply) -> Vec<(String, String)> {
    assert_eq!(reply.status, 302, "{}", reply.text());
    let location = reply.header("location").unwrap();
    let query = location.strip_prefix(&format!("{BACK}?")).unwrap();
    let pairs = query.split('&').map(|pair| {
        let (name, value) = pair.split_once('=').unwrap();
        (name.to_owned(), value.to_owned())
    });
    pairs.collect()
}

fn code(sim: &Simulator) -> String {
    told(&authorize(sim, "&sim_decision=approve"))[0].1.clone()
}

fn token(sim: &Simulator, now: DateTime<Utc>, fields: &Value) -> SimReply {
    let mut body = json!({
        "client_id": "sim-outreach-client",
        "client_secret": "sim-outreach-secret",
        "redirect_uri": BACK,
    });
    for (name, value) in fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    sim.respond(now, &SimRequest::post("/oauth/token", &body))
}

fn refresh(sim: &Simulator, now: DateTime<Utc>, token: &str) -> SimReply {
    self::token(
        sim,
        now,
        &json!({"grant_type": "refresh_token", "refresh_token": token}),
    )
}

/// A fresh pair by the whole dance.
fn dance(sim: &Simulator, now: DateTime<Utc>) -> Value {
    let exchange = json!({"grant_type": "authorization_code", "code": code(sim)});
    let reply = token(sim, now, &exchange);
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

fn users(sim: &Simulator, now: DateTime<Utc>, token: &str) -> SimReply {
    let request = SimRequest::get("/api/v2/users");
    let bearer = format!("Bearer {token}");
    sim.respond(now, &request.header("authorization", &bearer))
}

fn text(body: &Value, name: &str) -> String {
    body[name].as_str().unwrap().to_owned()
}

#[test]
fn consent_shows_a_page_and_leads_back_with_a_code_that_buys_tokens() {
    let sim = outreach(20);
    let page = authorize(&sim, "");
    assert_eq!(page.status, 200);
    assert!(
        page.header("content-type")
            .unwrap()
            .starts_with("text/html")
    );
    assert!(page.text().contains(r#"value="approve""#));
    assert!(page.text().contains(r#"name="state" value="s&amp;1""#));
    let told = told(&authorize(&sim, "&sim_decision=approve"));
    assert_eq!(told[0].0, "code");
    assert_eq!(told[1], ("state".to_owned(), "s%261".to_owned()));
    let exchange = json!({"grant_type": "authorization_code", "code": told[0].1});
    let pair = token(&sim, noon(), &exchange).json();
    assert_eq!(pair["token_type"], "Bearer");
    assert_eq!(pair["expires_in"], 7_200);
    assert_eq!(pair["scope"], "users.read prospects.all");
    assert_eq!(pair["created_at"], noon().timestamp());
    let access = text(&pair, "access_token");
    assert_eq!(access.split('.').count(), 3, "a JWT");
    assert_eq!(users(&sim, noon(), &access).status, 200);
}

#[test]
fn a_denial_leads_back_without_a_code() {
    let told = told(&authorize(&outreach(10), "&sim_decision=deny"));
    assert_eq!(told[0], ("error".to_owned(), "access_denied".to_owned()));
    assert_eq!(told[1].0, "error_description");
    assert_eq!(told[2].0, "state");
}

#[test]
fn consent_refuses_an_unknown_client_an_unregistered_address_and_a_scope_that_does_not_exist() {
    let sim = outreach_with(10, |options| {
        options.outreach.redirect_uris = vec![BACK.to_owned()];
    });
    let ask = |target: &str| sim.respond(noon(), &SimRequest::get(target));
    let stranger = ask("/oauth/authorize?client_id=nobody&response_type=code");
    assert_eq!(stranger.status, 401);
    let elsewhere = ask(
        "/oauth/authorize?client_id=sim-outreach-client&redirect_uri=https://evil.example&response_type=code",
    );
    assert_eq!(
        (elsewhere.status, elsewhere.header("location")),
        (400, None)
    );
    let scope = ask(&format!(
        "/oauth/authorize?client_id=sim-outreach-client&redirect_uri={BACK}&response_type=code&scope=cats.read"
    ));
    assert_eq!(told(&scope)[0].1, "invalid_scope");
}

#[test]
fn pkce_is_ignored_unless_switched() {
    let asked = "&code_challenge=abc&code_challenge_method=S256&sim_decision=approve";
    assert_eq!(told(&authorize(&outreach(10), asked))[0].0, "code");
    let strict = outreach_with(10, |options| options.outreach.switches.pkce_refused = true);
    assert_eq!(told(&authorize(&strict, asked))[0].1, "invalid_request");
}

#[test]
fn a_code_works_once_for_ten_minutes_and_for_its_address_only() {
    let sim = outreach(10);
    let exchange = |sim: &Simulator, now, code: &str, back: &str| {
        let fields =
            json!({"grant_type": "authorization_code", "code": code, "redirect_uri": back});
        let reply = token(sim, now, &fields);
        (reply.status, reply.json()["error"].clone())
    };
    let code_1 = code(&sim);
    assert_eq!(exchange(&sim, noon(), &code_1, BACK).0, 200);
    let refused = (400, json!("invalid_grant"));
    assert_eq!(exchange(&sim, noon(), &code_1, BACK), refused);
    let late = noon() + TimeDelta::minutes(10);
    assert_eq!(exchange(&sim, late, &code(&sim), BACK), refused);
    let elsewhere = "https://app.example/other";
    assert_eq!(exchange(&sim, noon(), &code(&sim), elsewhere), refused);
    assert_eq!(exchange(&sim, noon(), "made-up", BACK), refused);
}

#[test]
fn the_token_endpoint_takes_forms_and_json() {
    let sim = outreach(10);
    let form = "grant_type=refresh_token&client_id=sim-outreach-client&client_secret=sim-outreach-secret\
                &refresh_token=sim-outreach-refresh";
    let mut request = SimRequest::new("POST".parse().unwrap(), "/oauth/token")
        .header("content-type", "application/x-www-form-urlencoded");
    request.body = form.into();
    let reply = sim.respond(noon(), &request);
    assert_eq!(reply.status, 200, "{}", reply.text());
    let later = noon() + TimeDelta::minutes(2);
    assert_eq!(refresh(&sim, later, "sim-outreach-refresh").status, 200);
}

#[test]
fn the_token_endpoint_refuses_in_doorkeepers_words() {
    let sim = outreach(10);
    let ask = |fields: Value| {
        let reply = token(&sim, noon(), &fields);
        let body = reply.json();
        (
            reply.status,
            text(&body, "error"),
            text(&body, "error_description"),
        )
    };
    let (status, error, _) = ask(json!({"client_secret": "wrong", "grant_type": "refresh_token"}));
    assert_eq!((status, error.as_str()), (401, "invalid_client"));
    let (status, error, words) = ask(json!({"grant_type": "authorization_code"}));
    assert_eq!((status, error.as_str()), (400, "invalid_request"));
    assert_eq!(words, "Missing required parameter: code.");
    let (status, error, _) = ask(json!({"grant_type": "password"}));
    assert_eq!((status, error.as_str()), (400, "unsupported_grant_type"));
    let (status, error, words) =
        ask(json!({"grant_type": "refresh_token", "refresh_token": "unknown"}));
    assert_eq!((status, error.as_str()), (400, "invalid_grant"));
    assert!(words.starts_with("The provided authorization grant is invalid, expired, revoked,"));
    let mild = outreach_with(10, |options| {
        options.outreach.switches.token_errors = TokenErrors::BadRequest;
    });
    let fields = json!({"client_secret": "wrong", "grant_type": "refresh_token"});
    assert_eq!(token(&mild, noon(), &fields).status, 400);
}

#[test]
fn a_refresh_gives_a_new_pair_and_the_old_token_goes_on_working_unless_switched() {
    for old_stays in [true, false] {
        let sim = outreach_with(10, |options| {
            options.outreach.switches.old_refresh_valid = old_stays;
        });
        let first = text(&dance(&sim, noon()), "refresh_token");
        let later = noon() + TimeDelta::hours(1);
        let pair = refresh(&sim, later, &first).json();
        assert_ne!(text(&pair, "refresh_token"), first);
        assert_eq!(pair["scope"], "users.read prospects.all");
        assert_eq!(users(&sim, later, &text(&pair, "access_token")).status, 200);
        let again = refresh(&sim, later + TimeDelta::minutes(2), &first);
        assert_eq!(again.status, if old_stays { 200 } else { 400 });
    }
}

#[test]
fn tokens_are_refreshed_a_minute_after_they_were_made_unless_switched() {
    let sim = outreach(10);
    let token = text(&dance(&sim, noon()), "refresh_token");
    let at = |seconds: i64| refresh(&sim, noon() + TimeDelta::seconds(seconds), &token);
    let soon = at(59);
    assert_eq!((soon.status, soon.text().as_str()), (429, "Retry later\n"));
    let kind = soon.header("content-type").unwrap();
    assert!(kind.starts_with("text/plain"));
    assert_eq!(
        (at(60).status, at(61).status, at(120).status),
        (200, 429, 200)
    );
    let mild = outreach_with(10, |options| {
        options.outreach.switches.refresh_throttle = false;
    });
    for _ in 0..3 {
        assert_eq!(refresh(&mild, noon(), "sim-outreach-refresh").status, 200);
    }
}

#[test]
fn an_access_token_lives_two_hours_and_a_refresh_token_fourteen_days() {
    let sim = outreach(10);
    let pair = dance(&sim, noon());
    let access = text(&pair, "access_token");
    let end = noon() + TimeDelta::seconds(7_200);
    assert_eq!(
        users(&sim, end - TimeDelta::seconds(1), &access).status,
        200
    );
    let expired = users(&sim, end, &access);
    assert_eq!(expired.status, 401);
    assert_eq!(
        expired.text(),
        r#"{"error":"Expired JWT token.","description":"The JWT token has expired."}"#
    );
    let token = text(&pair, "refresh_token");
    let end = noon() + TimeDelta::days(14);
    assert_eq!(
        refresh(&sim, end - TimeDelta::seconds(1), &token).status,
        200
    );
    assert_eq!(refresh(&sim, end, &token).status, 400);
}

#[test]
fn a_refresh_token_dies_of_a_hundred_newer_ones() {
    let sim = outreach(10);
    let token = text(&dance(&sim, noon()), "refresh_token");
    for n in 1..=101 {
        let now = noon() + TimeDelta::minutes(n);
        let status = refresh(&sim, now, &token).status;
        assert_eq!(status, if n <= 100 { 200 } else { 400 }, "{n}");
    }
}

#[test]
fn removing_the_application_kills_both_tokens_of_one_user_or_of_all() {
    let sim = outreach(10);
    let pair = dance(&sim, noon());
    let (access, token) = (text(&pair, "access_token"), text(&pair, "refresh_token"));
    let other = sim.read(0, |team| team.user_ids()[3].clone());
    sim.edit(0, |team| team.revoke_tokens(Some(&other)));
    assert_eq!(users(&sim, noon(), &access).status, 200);
    sim.edit(0, |team| team.revoke_tokens(None));
    assert_eq!(users(&sim, noon(), &access).status, 401);
    assert_eq!(users(&sim, noon(), TOKEN).status, 401);
    assert_eq!(
        refresh(&sim, noon(), &token).json()["error"],
        "invalid_grant"
    );
}

#[test]
fn tokens_are_ended_through_the_back_door() {
    let sim = outreach(10);
    let back = |what: &str| {
        let request = SimRequest::new("POST".parse().unwrap(), &format!("/_sim/{what}"));
        sim.respond(noon(), &request).status
    };
    assert_eq!(back("expire_tokens?team=0"), 200);
    assert_eq!(users(&sim, noon(), TOKEN).status, 401);
    assert_eq!(refresh(&sim, noon(), "sim-outreach-refresh").status, 200);
    assert_eq!(back("expire_refresh_tokens"), 200);
    assert_eq!(back("revoke_tokens?user=1"), 200);
    let later = noon() + TimeDelta::minutes(2);
    assert_eq!(refresh(&sim, later, "sim-outreach-refresh").status, 400);
    assert_eq!((back("revoke_tokens?team=9"), back("cats")), (404, 404));
}

#[test]
fn consent_is_given_by_the_user_who_is_named() {
    let sim = outreach(10);
    let user = sim.read(0, |team| team.user_ids()[4].clone());
    let asked = format!("&sim_decision=approve&sim_team=0&sim_user={user}");
    let code = told(&authorize(&sim, &asked))[0].1.clone();
    let exchange = json!({"grant_type": "authorization_code", "code": code});
    let access = text(&token(&sim, noon(), &exchange).json(), "access_token");
    let request = SimRequest::get("/api/v2");
    let bearer = format!("Bearer {access}");
    let root = sim.respond(noon(), &request.header("authorization", &bearer));
    assert_eq!(root.json()["meta"]["user"]["id"].to_string(), user);
    let shown = sim.read(0, |team| team.users()[4]["attributes"].clone());
    assert_eq!(shown["currentSignInAt"], "2026-02-16T12:00:00.000Z");
    assert_eq!(shown["updatedAt"], shown["currentSignInAt"]);
    let exchanges = sim.ledger().requests();
    let asked: Vec<_> = exchanges.iter().map(|e| (e.action, e.team)).collect();
    assert_eq!(
        asked,
        [
            ("oauth/authorize", None),
            ("oauth/token", Some(0)),
            ("root", Some(0))
        ]
    );
    assert_eq!(exchanges[2].user.as_deref(), Some(user.as_str()));
}
