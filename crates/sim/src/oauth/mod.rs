//! The OAuth server of the dialects that have one: its endpoints, and whose tokens a request has.
//!
//! `GET /oauth/authorize` shows a page with two buttons. A test answers it by repeating the request with
//! `sim_decision=approve` or `sim_decision=deny` as a further parameter, and gets the redirect of that button.
//! The parameters `sim_team` (the index of a team, default 0) and `sim_user` (the id of one of its users,
//! default the oldest one) say who is signed in.

mod consent;
mod token;

use http::Method;

pub(crate) use self::consent::{Consent, HTML};
pub(crate) use self::token::{TokenError, pair_body, pair_for};
use crate::dialect::RequestContext;
use crate::grants::Access;
use crate::params::Params;
use crate::request::SimRequest;
use crate::world::World;

pub(crate) const BASE: &str = "/oauth/";

/// What Apollo puts before it.
const APOLLO_BASE: &str = "/api/v1";

/// The application that a server knows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Client<'a> {
    pub(crate) id: &'a str,
    pub(crate) secret: &'a str,
    /// The registered redirect URIs. If empty, any is accepted.
    pub(crate) redirect_uris: &'a [String],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Authorize,
    Token,
}

/// Whether a path is the OAuth server's.
pub(crate) fn is_oauth(path: &str) -> bool {
    below_apollo(path).starts_with(BASE)
}

fn below_apollo(path: &str) -> &str {
    path.strip_prefix(APOLLO_BASE).unwrap_or(path)
}

/// The endpoint of the request, which is noted for the ledger.
pub(crate) fn endpoint(context: &mut RequestContext<'_>) -> Option<Endpoint> {
    let path = below_apollo(&context.request.path).trim_end_matches('/');
    let (endpoint, action) = match (&context.request.method, path) {
        (&Method::GET | &Method::POST, "/oauth/authorize") => {
            (Some(Endpoint::Authorize), "oauth/authorize")
        }
        (&Method::POST, "/oauth/token") => (Some(Endpoint::Token), "oauth/token"),
        _ => (None, ""),
    };
    context.exchange.team = team_of(context.world, context.request);
    context.exchange.action = action;
    endpoint
}

/// The index of the team of the request's access token, or at the OAuth server of its code or refresh token.
pub(crate) fn team_of(world: &World, request: &SimRequest) -> Option<usize> {
    if is_oauth(&request.path) {
        return issuer(world, &Params::read(request));
    }
    let (at, _) = holder(world, request.bearer()?)?;
    Some(at)
}

/// The index of the team that issued an access token, and the token.
pub(crate) fn holder(world: &World, token: &str) -> Option<(usize, Access)> {
    let mut teams = world.teams.iter().enumerate();
    teams.find_map(|(at, team)| Some((at, team.grants.access(token)?.clone())))
}

/// The index of the team that issued a code or a refresh token.
fn issuer(world: &World, params: &Params) -> Option<usize> {
    let (code, refresh) = (params.text("code"), params.text("refresh_token"));
    let (code, refresh) = (code.as_deref(), refresh.as_deref());
    world.teams.iter().position(|team| {
        code.is_some_and(|code| team.grants.knows_code(code))
            || refresh.is_some_and(|token| team.grants.knows_refresh(token))
    })
}
