//! The OAuth server: the consent page and the token endpoint.
//!
//! `GET /oauth/authorize` shows a page with two buttons. A test answers it by repeating the request with
//! `sim_decision=approve` or `sim_decision=deny` as a further parameter, and gets the redirect of that button.
//! The parameters `sim_team` (the index of a team, default 0) and `sim_user` (the id of one of its users,
//! default the oldest one) say who is signed in.

use bytes::Bytes;
use chrono::TimeDelta;
use http::Method;

use super::answer::{fault_refusal, reply};
use super::refusal::{JSON, Refusal};
use super::switches::{OutreachSwitches, TokenErrors};
use crate::dialect::RequestContext;
use crate::grants::{ACCESS_SECONDS, GrantError, GrantRules, OldRefreshToken, Scopes, TokenForm};
use crate::json::Object;
use crate::params::Params;
use crate::request::{SimReply, SimRequest};
use crate::tokens::TokenPair;
use crate::world::World;

pub(super) const BASE: &str = "/oauth/";

const HTML: &str = "text/html; charset=utf-8";
const PLAIN: &str = "text/plain; charset=utf-8";

/// The resources that have scopes: `.read`, `.write`, `.delete` and `.all`.
const FAMILIES: [&str; 20] = [
    "accounts",
    "batches",
    "batchItems",
    "calls",
    "emailAddresses",
    "events",
    "mailboxes",
    "mailings",
    "phoneNumbers",
    "prospects",
    "rulesets",
    "sequenceStates",
    "sequenceSteps",
    "sequenceTemplates",
    "sequences",
    "stages",
    "tasks",
    "templates",
    "users",
    "webhooks",
];

/// The rules of Outreach's tokens.
pub(crate) fn grant_rules(switches: &OutreachSwitches) -> GrantRules {
    GrantRules {
        form: TokenForm::Jwt,
        refresh_life: Some(TimeDelta::days(14)),
        most_newer: Some(100),
        throttle: switches.refresh_throttle.then_some(TimeDelta::seconds(60)),
        old_refresh_token: if switches.old_refresh_valid {
            OldRefreshToken::StaysValid
        } else {
            OldRefreshToken::DeadAtOnce
        },
        refresh_ends_old_access: false,
    }
}

pub(super) fn answer(context: &mut RequestContext<'_>) -> SimReply {
    let params = Params::read(context.request);
    let endpoint = context.request.path.trim_end_matches('/');
    let (authorizes, gets_token) = match (&context.request.method, endpoint) {
        (&Method::GET | &Method::POST, "/oauth/authorize") => (true, false),
        (&Method::POST, "/oauth/token") => (false, true),
        _ => (false, false),
    };
    context.exchange.team = team_of(context.world, context.request);
    context.exchange.action = match (authorizes, gets_token) {
        (true, _) => "oauth/authorize",
        (_, true) => "oauth/token",
        _ => "",
    };
    let mut headers = Vec::new();
    if let Err(refusal) = fault_refusal(context, &mut headers) {
        let body = Bytes::from(refusal.body);
        return reply(context, refusal.status, refusal.content_type, body, headers);
    }
    if authorizes {
        return authorize(context, &params);
    }
    if !gets_token {
        let refusal = Refusal::no_such_route();
        let body = Bytes::from(refusal.body);
        return reply(context, refusal.status, refusal.content_type, body, headers);
    }
    match token(context, &params) {
        Ok(pair) => {
            let body = token_body(context, &pair);
            reply(context, 200, JSON, Bytes::from(body), headers)
        }
        Err(refusal) => {
            let body = Bytes::from(refusal.body);
            reply(context, refusal.status, refusal.content_type, body, headers)
        }
    }
}

/// The index of the team that issued a code or a refresh token.
pub(super) fn team_of(world: &World, request: &SimRequest) -> Option<usize> {
    let params = Params::read(request);
    let (code, refresh) = (params.text("code"), params.text("refresh_token"));
    world.teams.iter().position(|team| {
        let grants = &team.grants;
        code.as_deref().is_some_and(|code| grants.knows_code(code))
            || refresh
                .as_deref()
                .is_some_and(|token| grants.knows_refresh(token))
    })
}

/// Shows the consent page, or redirects to the application with the decision.
fn authorize(context: &mut RequestContext<'_>, params: &Params) -> SimReply {
    let settings = &context.options.outreach;
    let given = |name: &str| params.text(name).unwrap_or_default();
    if given("client_id") != settings.client_id {
        return page(context, 401, "<p>The client is unknown.</p>");
    }
    let redirect_uri = given("redirect_uri");
    let registered = &settings.redirect_uris;
    if redirect_uri.is_empty() || (!registered.is_empty() && !registered.contains(&redirect_uri)) {
        return page(context, 400, "<p>The redirect URI is not registered.</p>");
    }
    let state = params.text("state");
    let back = |context: &RequestContext<'_>, pairs: &[(&str, &str)]| {
        let mut pairs = pairs.to_vec();
        pairs.extend(state.as_deref().map(|state| ("state", state)));
        redirect(context, &redirect_uri, &pairs)
    };
    if given("response_type") != "code" {
        return back(context, &[("error", "unsupported_response_type")]);
    }
    if settings.switches.pkce_refused && params.has("code_challenge") {
        return back(context, &[("error", "invalid_request")]);
    }
    let Some(scopes) = scopes(&given("scope")) else {
        return back(context, &[("error", "invalid_scope")]);
    };
    match given("sim_decision").as_str() {
        "approve" => match approve(context, params, &redirect_uri, scopes) {
            Some(code) => back(context, &[("code", &code)]),
            None => page(context, 404, "<p>There is no such team or user.</p>"),
        },
        "deny" => {
            let description = "The resource owner or authorization server denied the request.";
            back(
                context,
                &[
                    ("error", "access_denied"),
                    ("error_description", description),
                ],
            )
        }
        _ => {
            let form = consent(params);
            page(context, 200, &form)
        }
    }
}

fn approve(
    context: &mut RequestContext<'_>,
    params: &Params,
    redirect_uri: &str,
    scopes: Scopes,
) -> Option<String> {
    let team = params.number("sim_team").map_or(0, |team| team.value);
    let team = usize::try_from(team).ok()?;
    let team = context.world.teams.get_mut(team)?;
    let user_id = match params.text("sim_user") {
        Some(id) => team.users.get(&id)?.id.clone(),
        None => team.caller_id()?,
    };
    team.sign_in(context.now, &user_id).ok()?;
    let ids = (team.id.as_str(), user_id.as_str());
    let grants = &mut team.grants;
    Some(grants.add_code(context.now, ids, redirect_uri, scopes))
}

/// Parses scopes separated by spaces; `None` if one does not exist, or there are none.
fn scopes(text: &str) -> Option<Scopes> {
    let scopes: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    let known = |scope: &String| {
        let parts = scope.split_once('.');
        parts.is_some_and(|(family, action)| {
            FAMILIES.contains(&family) && ["all", "read", "write", "delete"].contains(&action)
        })
    };
    (!scopes.is_empty() && scopes.iter().all(known)).then_some(Some(scopes))
}

fn token(context: &mut RequestContext<'_>, params: &Params) -> Result<TokenPair, Refusal> {
    let settings = &context.options.outreach;
    let errors = settings.switches.token_errors;
    let given = |name: &str| params.text(name).unwrap_or_default();
    if given("client_id") != settings.client_id || given("client_secret") != settings.client_secret
    {
        let status = match errors {
            TokenErrors::Doorkeeper => 401,
            TokenErrors::BadRequest => 400,
        };
        return Err(refusal(status, "invalid_client", INVALID_CLIENT));
    }
    let required = |name: &str| {
        let description = format!("Missing required parameter: {name}.");
        let missing = || refusal(400, "invalid_request", &description);
        params.text(name).ok_or_else(missing)
    };
    let grant = required("grant_type")?;
    let now = context.now;
    let team = team_of(context.world, context.request);
    let team = team.and_then(|at| context.world.teams.get_mut(at));
    let pair = match grant.as_str() {
        "authorization_code" => {
            let (code, redirect_uri) = (required("code")?, required("redirect_uri")?);
            team.map(|team| {
                let grants = &mut team.grants;
                grants.exchange(now, &team.id, &code, &redirect_uri)
            })
        }
        "refresh_token" => {
            let token = required("refresh_token")?;
            team.map(|team| team.grants.refresh(now, &team.id, &token))
        }
        _ => {
            let description =
                "The authorization grant type is not supported by the authorization server.";
            return Err(refusal(400, "unsupported_grant_type", description));
        }
    };
    match pair.unwrap_or(Err(GrantError::Invalid)) {
        Ok(pair) => Ok(pair),
        Err(GrantError::Invalid) => Err(refusal(400, "invalid_grant", INVALID_GRANT)),
        Err(GrantError::TooSoon) => Err(Refusal {
            status: 429,
            content_type: PLAIN,
            body: "Retry later\n".to_owned(),
        }),
    }
}

const INVALID_CLIENT: &str = concat!(
    "Client authentication failed due to unknown client, no client authentication included, ",
    "or unsupported authentication method."
);

const INVALID_GRANT: &str = concat!(
    "The provided authorization grant is invalid, expired, revoked, does not match the redirection URI ",
    "used in the authorization request, or was issued to another client."
);

fn refusal(status: u16, error: &str, description: &str) -> Refusal {
    let mut o = Object::new();
    o.text("error", error)
        .text("error_description", description);
    Refusal {
        status,
        content_type: JSON,
        body: o.finish(),
    }
}

fn token_body(context: &RequestContext<'_>, pair: &TokenPair) -> String {
    let mut o = Object::new();
    o.text("access_token", &pair.access)
        .text("token_type", "Bearer")
        .number("expires_in", ACCESS_SECONDS)
        .text("refresh_token", &pair.refresh)
        .text("scope", &pair.scopes.join(" "))
        .number("created_at", context.now.timestamp());
    o.finish()
}

fn redirect(context: &RequestContext<'_>, uri: &str, pairs: &[(&str, &str)]) -> SimReply {
    let query = serde_urlencoded::to_string(pairs).unwrap_or_default();
    let separator = if uri.contains('?') { '&' } else { '?' };
    let location = ("location".to_owned(), format!("{uri}{separator}{query}"));
    reply(context, 302, HTML, Bytes::new(), vec![location])
}

fn page(context: &RequestContext<'_>, status: u16, body: &str) -> SimReply {
    let html = format!(
        "<!DOCTYPE html>\n<html><head><title>Outreach simulator</title></head><body>{body}</body></html>\n"
    );
    reply(context, status, HTML, Bytes::from(html), Vec::new())
}

/// A form that repeats the request with the decision.
fn consent(params: &Params) -> String {
    let names = [
        "client_id",
        "redirect_uri",
        "response_type",
        "scope",
        "state",
        "sim_team",
        "sim_user",
    ];
    let hidden = names.iter().filter_map(|name| {
        let value = escaped(&params.text(name)?);
        Some(format!(
            r#"<input type="hidden" name="{name}" value="{value}">"#
        ))
    });
    let hidden: Vec<String> = hidden.collect();
    let asked = escaped(&params.text("scope").unwrap_or_default());
    format!(
        concat!(
            r#"<h1>Connect to Outreach?</h1><p>It wants: {}</p><form action="/oauth/authorize">{}"#,
            r#"<button name="sim_decision" value="approve">Allow</button>"#,
            r#"<button name="sim_decision" value="deny">Deny</button></form>"#
        ),
        asked,
        hidden.join("")
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}
