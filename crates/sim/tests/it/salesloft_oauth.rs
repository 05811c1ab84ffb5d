//! Consent, tokens and what becomes of them.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use syncline_sim::{OldRefreshToken, SimReply, SimRequest, Simulator, TokenOptions};

use crate::noon;
use crate::salesloft_support::{TOKEN, salesloft, salesloft_with, text};

const BACK: &str = "https://app.example/oauth/callback";

fn authorize(sim: &Simulator, more: &str) -> SimReply {
    let target = format!(
        "/oauth/authorize?client_id=sim-salesloft-client&redirect_uri={BACK}&response_type=code\
         &state=s%261{more}"
    );
    sim.respond(noon(), &SimRequest::get(&target))
}

/// A parameter that a redirect leads back with.
fn told(reply: &SimReply, name: &str) -> Option<String> {
    assert_eq!(reply.status, 302, "{}", reply.text());
    let location = reply.header("location").unwrap();
    let query = location.strip_prefix(&format!("{BACK}?")).unwrap();
    let mut pairs = query.split('&').map(|pair| pair.split_once('=').unwrap());
    pairs.find_map(|(key, value)| (key == name).then(|| value.to_owned()))
}

fn code(sim: &Simulator) -> String {
    told(&authorize(sim, "&sim_decision=approve"), "code").unwrap()
}

fn token(sim: &Simulator, now: DateTime<Utc>, fields: &Value) -> SimReply {
    let mut body = json!({
        "client_id": "sim-salesloft-client",
        "client_secret": "sim-salesloft-secret",
        "redirect_uri": BACK,
    });
    for (name, value) in fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    sim.respond(now, &SimRequest::post("/oauth/token", &body))
}

fn refresh(sim: &Simulator, now: DateTime<Utc>, token: &str) -> SimReply {
    let fields = json!({"grant_type": "refresh_token", "refresh_token": token});
    self::token(sim, now, &fields)
}

fn dance(sim: &Simulator) -> Value {
    let exchange = json!({"grant_type": "authorization_code", "code": code(sim)});
    let reply = token(sim, noon(), &exchange);
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

fn me(sim: &Simulator, now: DateTime<Utc>, token: &str) -> SimReply {
    let request = SimRequest::get("/v2/me");
    sim.respond(
        now,
        &request.header("authorization", &format!("Bearer {token}")),
    )
}

#[test]
fn consent_shows_a_page_and_leads_back_with_a_code_that_buys_tokens() {
    let sim = salesloft(10);
    let page = authorize(&sim, "");
    assert_eq!(page.status, 200);
    assert!(page.text().contains(r#"value="approve""#));
    assert!(page.text().contains(r#"name="state" value="s&amp;1""#));
    let pair = dance(&sim);
    assert_eq!(pair["token_type"], "bearer");
    assert_eq!(pair["expires_in"], 7_200);
    assert_eq!(pair["created_at"], noon().timestamp());
    assert!(text(&pair, "scope").starts_with("people:read people:write "));
    let me = me(&sim, noon(), text(&pair, "access_token"));
    assert_eq!(me.status, 200);
    let first = sim.read(0, |team| team.user_ids()[0].clone());
    assert_eq!(me.json()["data"]["id"].to_string(), first);
}

#[test]
fn consent_is_denied_or_given_by_the_user_who_is_named() {
    let sim = salesloft(10);
    let denied = authorize(&sim, "&sim_decision=deny");
    assert_eq!(told(&denied, "error").unwrap(), "access_denied");
    assert_eq!(told(&denied, "state").unwrap(), "s%261");
    let user = sim.read(0, |team| team.user_ids()[4].clone());
    let given = authorize(&sim, &format!("&sim_decision=approve&sim_user={user}"));
    let code = told(&given, "code").unwrap();
    let exchange = json!({"grant_type": "authorization_code", "code": code});
    let pair = token(&sim, noon(), &exchange).json();
    let me = me(&sim, noon(), text(&pair, "access_token"));
    assert_eq!(me.json()["data"]["id"].to_string(), user);
    let stranger = SimRequest::get("/oauth/authorize?client_id=nobody&response_type=code");
    assert_eq!(sim.respond(noon(), &stranger).status, 401);
}

#[test]
fn a_code_works_once_for_ten_minutes_and_for_its_address_only() {
    let sim = salesloft(10);
    let exchange = |now, code: &str, back: &str| {
        let fields =
            json!({"grant_type": "authorization_code", "code": code, "redirect_uri": back});
        token(&sim, now, &fields).status
    };
    let used = code(&sim);
    assert_eq!(exchange(noon(), &used, BACK), 200);
    assert_eq!(exchange(noon(), &used, BACK), 400);
    assert_eq!(
        exchange(noon() + TimeDelta::minutes(10), &code(&sim), BACK),
        400
    );
    assert_eq!(
        exchange(noon(), &code(&sim), "https://app.example/other"),
        400
    );
}

#[test]
fn a_refresh_ends_the_old_refresh_token_at_once_unless_switched() {
    for (kept, after, after_use) in [
        (OldRefreshToken::DeadAtOnce, 400, 400),
        (OldRefreshToken::UntilAccessIsUsed, 200, 400),
        (OldRefreshToken::StaysValid, 200, 200),
    ] {
        let sim = salesloft_with(10, |options| {
            options.salesloft.switches.old_refresh_token = kept;
        });
        let old = "sim-salesloft-refresh";
        let pair = refresh(&sim, noon(), old).json();
        assert_ne!(text(&pair, "refresh_token"), old);
        let again = refresh(&sim, noon(), old);
        assert_eq!(again.status, after, "{kept:?}");
        let fresh = text(&pair, "access_token");
        assert_eq!(me(&sim, noon(), fresh).status, 200);
        let again = refresh(&sim, noon(), old);
        assert_eq!(again.status, after_use, "{kept:?}");
        if after_use == 400 {
            assert_eq!(again.json()["error"], "invalid_grant");
        }
    }
}

#[test]
fn the_old_access_token_lives_on_after_a_refresh_unless_switched() {
    for (ended, status) in [(false, 200), (true, 401)] {
        let sim = salesloft_with(10, |options| {
            options.salesloft.switches.refresh_ends_old_access = ended;
        });
        let pair = dance(&sim);
        assert_eq!(
            refresh(&sim, noon(), text(&pair, "refresh_token")).status,
            200
        );
        assert_eq!(me(&sim, noon(), text(&pair, "access_token")).status, status);
    }
}

#[test]
fn the_token_endpoint_takes_forms_and_refuses_in_doorkeepers_words() {
    let sim = salesloft(10);
    let form = "grant_type=refresh_token&client_id=sim-salesloft-client\
                &client_secret=sim-salesloft-secret&refresh_token=sim-salesloft-refresh";
    let mut request = SimRequest::new("POST".parse().unwrap(), "/oauth/token")
        .header("content-type", "application/x-www-form-urlencoded");
    request.body = form.into();
    assert_eq!(sim.respond(noon(), &request).status, 200);
    let ask = |sim: &Simulator, fields: Value| {
        let reply = token(sim, noon(), &fields);
        (reply.status, reply.json()["error"].clone())
    };
    let wrong = json!({"client_secret": "wrong", "grant_type": "refresh_token"});
    assert_eq!(ask(&sim, wrong), (401, json!("invalid_client")));
    let missing = json!({"grant_type": "authorization_code"});
    assert_eq!(ask(&sim, missing), (400, json!("invalid_request")));
    let other = json!({"grant_type": "password"});
    assert_eq!(ask(&sim, other), (400, json!("unsupported_grant_type")));
    let unknown = json!({"grant_type": "refresh_token", "refresh_token": "unknown"});
    assert_eq!(ask(&sim, unknown.clone()), (400, json!("invalid_grant")));
    let strict = salesloft_with(10, |options| {
        options.salesloft.switches.token_errors_are_unauthorized = true;
    });
    assert_eq!(ask(&strict, unknown), (401, json!("invalid_grant")));
}

#[test]
fn an_access_token_lives_two_hours_and_a_refresh_token_has_no_end() {
    let sim = salesloft(10);
    let pair = dance(&sim);
    let end = noon() + TimeDelta::seconds(7_200);
    let access = text(&pair, "access_token");
    assert_eq!(me(&sim, end - TimeDelta::seconds(1), access).status, 200);
    let ended = me(&sim, end, access);
    assert_eq!(
        (ended.status, ended.text().as_str()),
        (401, r#"{"error":"Invalid Bearer token"}"#)
    );
    let later = noon() + TimeDelta::days(900);
    assert_eq!(
        refresh(&sim, later, text(&pair, "refresh_token")).status,
        200
    );
}

#[test]
fn tokens_are_ended_by_edits_and_through_the_back_door() {
    let sim = salesloft(10);
    let pair = sim.edit(0, |team| {
        let user = team.user_ids()[3].clone();
        let pair = team.grant_tokens(noon(), &user, Some(&["team:read"]));
        team.revoke_tokens(Some(&user));
        pair
    });
    assert_eq!(me(&sim, noon(), &pair.access).status, 401);
    assert_eq!(me(&sim, noon(), TOKEN).status, 200);
    let back = |what: &str| {
        let request = SimRequest::new("POST".parse().unwrap(), &format!("/_sim/{what}"));
        sim.respond(noon(), &request).status
    };
    assert_eq!(back("expire_tokens?team=0"), 200);
    assert_eq!(me(&sim, noon(), TOKEN).status, 401);
    assert_eq!(refresh(&sim, noon(), "sim-salesloft-refresh").status, 200);
    assert_eq!(back("revoke_tokens"), 200);
    assert_eq!((back("revoke_tokens?team=9"), back("cats")), (404, 404));
}

#[test]
fn without_a_token_everything_is_401_and_with_one_the_unknown_is_404() {
    let sim = salesloft(10);
    let bare = sim.respond(noon(), &SimRequest::get("/v2/cats"));
    assert_eq!(bare.status, 401);
    assert_eq!(
        bare.text(),
        "{\"error\":\"No Bearer Token attached to request, please see documentation at \
         developers.salesloft.com\"}"
    );
    let path = |path: &str| {
        let request = SimRequest::get(path).header("authorization", &format!("Bearer {TOKEN}"));
        sim.respond(noon(), &request)
    };
    let unknown = path("/v2/cats");
    assert_eq!(unknown.text(), r#"{"status":404,"error":"Not Found"}"#);
    assert_eq!(path("/v2/people/999999.json").status, 404);
    assert_eq!(path("/v2/people.json").status, 200);
}

#[test]
fn a_token_reaches_what_its_scopes_allow() {
    let sim = salesloft_with(10, |options| {
        let whole = TokenOptions::of_salesloft_team(0);
        let part = TokenOptions::of_salesloft(0, 1, "-part").with_scopes(&["team:read"]);
        options.salesloft.tokens = vec![whole, part];
    });
    let ask = |path: &str| {
        let request = SimRequest::get(path);
        let bearer = "Bearer sim-salesloft-access-part";
        sim.respond(noon(), &request.header("authorization", bearer))
    };
    assert_eq!(ask("/v2/users").status, 200);
    let refused = ask("/v2/people");
    assert_eq!(refused.status, 403);
    assert_eq!(refused.json()["status"], 403);
    assert!(text(&refused.json(), "error").contains("people:read"));
}

#[test]
fn other_words_and_other_scopes_are_switched() {
    let sim = salesloft_with(10, |options| {
        let switches = &mut options.salesloft.switches;
        switches.expired_text = Some("Token expired".to_owned());
        switches.not_found_without_status = true;
        switches.actions_need_tasks_scope = true;
        let scopes = ["cadences:read"];
        options.salesloft.tokens = vec![TokenOptions::of_salesloft_team(0).with_scopes(&scopes)];
    });
    let ask = |path: &str| {
        let request = SimRequest::get(path);
        sim.respond(
            noon(),
            &request.header("authorization", &format!("Bearer {TOKEN}")),
        )
    };
    assert_eq!(ask("/v2/cats").text(), r#"{"error":"Not Found"}"#);
    assert_eq!(
        (ask("/v2/actions").status, ask("/v2/steps").status),
        (403, 200)
    );
    sim.edit(0, |team| team.expire_access_tokens(noon()));
    assert_eq!(ask("/v2/steps").text(), r#"{"error":"Token expired"}"#);
}
