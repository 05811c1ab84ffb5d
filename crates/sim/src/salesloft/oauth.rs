//! The OAuth server: the consent page and the token endpoint.
//!
//! `GET /oauth/authorize` shows a page with two buttons. A test answers it by repeating the request with
//! `sim_decision=approve` or `sim_decision=deny` as a further parameter, and gets the redirect of that button.
//! The parameters `sim_team` (the index of a team, default 0) and `sim_user` (the id of one of its users,
//! default the oldest one) say who is signed in. There is no scope parameter: scopes are the application's.

use bytes::Bytes;
use http::Method;

use super::answer::fault_refusal;
use super::refusal::{JSON, Refusal};
use super::switches::SalesloftSwitches;
use crate::dialect::RequestContext;
use crate::grants::{ACCESS_SECONDS, GrantError, GrantRules, TokenForm};
use crate::json::Object;
use crate::params::Params;
use crate::request::{SimReply, SimRequest};
use crate::tokens::TokenPair;
use crate::world::World;

pub(super) const BASE: &str = "/oauth/";

const HTML: &str = "text/html; charset=utf-8";

/// The rules of Salesloft's tokens. Refresh tokens have no documented end.
pub(crate) fn grant_rules(switches: &SalesloftSwitches) -> GrantRules {
    GrantRules {
        form: TokenForm::Hex,
        refresh_life: None,
        most_newer: None,
        throttle: None,
        old_refresh_token: switches.old_refresh_token,
        refresh_ends_old_access: switches.refresh_ends_old_access,
    }
}

pub(super) fn answer(context: &mut RequestContext<'_>) -> SimReply {
    let params = Params::read(context.request);
    let endpoint = context.request.path.trim_end_matches('/');
    let action = match (&context.request.method, endpoint) {
        (&Method::GET | &Method::POST, "/oauth/authorize") => "oauth/authorize",
        (&Method::POST, "/oauth/token") => "oauth/token",
        _ => "",
    };
    context.exchange.team = team_of(context.world, context.request);
    context.exchange.action = action;
    let mut headers = Vec::new();
    if let Err(refusal) = fault_refusal(context, &mut headers) {
        return refused(context, refusal, headers);
    }
    match action {
        "oauth/authorize" => authorize(context, &params),
        "oauth/token" => match token(context, &params) {
            Ok(pair) => {
                let body = Bytes::from(token_body(context, &pair));
                SimReply::new(context.now, 200, JSON, body, headers)
            }
            Err(refusal) => refused(context, refusal, headers),
        },
        _ => refused(context, Refusal::not_found(false), headers),
    }
}

fn refused(
    context: &RequestContext<'_>,
    refusal: Refusal,
    headers: Vec<(String, String)>,
) -> SimReply {
    let body = Bytes::from(refusal.body);
    SimReply::new(
        context.now,
        refusal.status,
        refusal.content_type,
        body,
        headers,
    )
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
    let settings = &context.options.salesloft;
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
    match given("sim_decision").as_str() {
        "approve" => match approve(context, params, &redirect_uri) {
            Some(code) => {
                let scope = context.options.salesloft.scopes.join(" ");
                back(context, &[("code", &code), ("scope", &scope)])
            }
            None => page(context, 404, "<p>There is no such team or user.</p>"),
        },
        "deny" => {
            let description = "The resource owner or authorization server denied the request.";
            let pairs = [
                ("error", "access_denied"),
                ("error_description", description),
            ];
            back(context, &pairs)
        }
        _ => {
            let form = consent(&settings.scopes, params);
            page(context, 200, &form)
        }
    }
}

fn approve(
    context: &mut RequestContext<'_>,
    params: &Params,
    redirect_uri: &str,
) -> Option<String> {
    let team = params.number("sim_team").map_or(0, |team| team.value);
    let team = usize::try_from(team).ok()?;
    let team = context.world.teams.get_mut(team)?;
    let user_id = match params.text("sim_user") {
        Some(id) => team.users.get(&id)?.id.clone(),
        None => team.caller_id()?,
    };
    let scopes = Some(context.options.salesloft.scopes.clone());
    let ids = (team.id.as_str(), user_id.as_str());
    let grants = &mut team.grants;
    Some(grants.add_code(context.now, ids, redirect_uri, scopes))
}

fn token(context: &mut RequestContext<'_>, params: &Params) -> Result<TokenPair, Refusal> {
    let settings = &context.options.salesloft;
    let refusal = |status: u16, error: &str, description: &str| {
        let all_alike = settings.switches.token_errors_are_unauthorized;
        oauth_error(if all_alike { 401 } else { status }, error, description)
    };
    let given = |name: &str| params.text(name).unwrap_or_default();
    if given("client_id") != settings.client_id || given("client_secret") != settings.client_secret
    {
        return Err(refusal(401, "invalid_client", INVALID_CLIENT));
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
            team.map(|team| {
                let grants = &mut team.grants;
                grants.refresh(now, &team.id, &token)
            })
        }
        _ => {
            let description =
                "The authorization grant type is not supported by the authorization server.";
            return Err(refusal(400, "unsupported_grant_type", description));
        }
    };
    let pair = pair.unwrap_or(Err(GrantError::Invalid));
    pair.map_err(|_| refusal(400, "invalid_grant", INVALID_GRANT))
}

const INVALID_CLIENT: &str = concat!(
    "Client authentication failed due to unknown client, no client authentication included, ",
    "or unsupported authentication method."
);

const INVALID_GRANT: &str = concat!(
    "The provided authorization grant is invalid, expired, revoked, does not match the redirection URI ",
    "used in the authorization request, or was issued to another client."
);

fn oauth_error(status: u16, error: &str, description: &str) -> Refusal {
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
    let scopes = if pair.scopes.is_empty() {
        &context.options.salesloft.scopes
    } else {
        &pair.scopes
    };
    let mut o = Object::new();
    o.text("access_token", &pair.access)
        .text("token_type", "bearer")
        .number("expires_in", ACCESS_SECONDS)
        .text("refresh_token", &pair.refresh)
        .text("scope", &scopes.join(" "))
        .number("created_at", context.now.timestamp());
    o.finish()
}

fn redirect(context: &RequestContext<'_>, uri: &str, pairs: &[(&str, &str)]) -> SimReply {
    let query = serde_urlencoded::to_string(pairs).unwrap_or_default();
    let separator = if uri.contains('?') { '&' } else { '?' };
    let location = ("location".to_owned(), format!("{uri}{separator}{query}"));
    SimReply::new(context.now, 302, HTML, Bytes::new(), vec![location])
}

fn page(context: &RequestContext<'_>, status: u16, body: &str) -> SimReply {
    let html = format!(
        "<!DOCTYPE html>\n<html><head><title>Salesloft simulator</title></head><body>{body}</body></html>\n"
    );
    SimReply::new(context.now, status, HTML, Bytes::from(html), Vec::new())
}

/// A form that repeats the request with the decision.
fn consent(scopes: &[String], params: &Params) -> String {
    let names = [
        "client_id",
        "redirect_uri",
        "response_type",
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
    format!(
        concat!(
            r#"<h1>Connect to Salesloft?</h1><p>It wants: {}</p><form action="/oauth/authorize">{}"#,
            r#"<button name="sim_decision" value="approve">Authorize</button>"#,
            r#"<button name="sim_decision" value="deny">Cancel</button></form>"#
        ),
        escaped(&scopes.join(" ")),
        hidden.join("")
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}
