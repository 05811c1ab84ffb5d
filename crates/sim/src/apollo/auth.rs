//! Authentication and authorization: keys are accepted only in the `X-Api-Key` header, OAuth tokens only
//! in `Authorization`.

use chrono::{DateTime, Utc};

use super::refusal::{Answer, Refusal};
use super::{Access, Call, Route};
use crate::grants;
use crate::oauth::{self, holder};
use crate::params::Params;
use crate::plans::Plan;
use crate::request::SimRequest;
use crate::switches::{DeleteAnswer, FreePlan};
use crate::world::{Team, World};

const BEARER: &str = "authorization";

/// `GET auth/health`, for a valid key.
pub(crate) fn health(_: &mut Call<'_>) -> Result<Answer, Refusal> {
    Ok(Answer::of(
        r#"{"healthy":true,"is_logged_in":true}"#.to_owned(),
        0,
    ))
}

/// The same for an invalid key.
pub(crate) fn health_of_unknown_key(refuse: bool) -> Result<Answer, Refusal> {
    if refuse {
        return Err(Refusal::bad_key());
    }
    Ok(Answer::of(
        r#"{"healthy":true,"is_logged_in":false}"#.to_owned(),
        0,
    ))
}

/// The team whose key or token the request carries, without checking the rest of the request.
pub(crate) fn team_of(world: &World, request: &SimRequest) -> Option<usize> {
    let Some(key) = request.header_text("x-api-key") else {
        return oauth::team_of(world, request);
    };
    world
        .teams
        .iter()
        .position(|team| team.keys.iter().any(|known| known.key == key))
}

/// The team that calls.
pub(crate) fn authenticate(
    world: &World,
    request: &SimRequest,
    params: &Params,
    now: DateTime<Utc>,
) -> Result<usize, Refusal> {
    if params.has("api_key") {
        return Err(Refusal::invalid(
            "API key must be passed in the X-Api-Key header for security reasons",
        ));
    }
    if !request.headers.contains_key("x-api-key") && request.headers.contains_key(BEARER) {
        let token = request.bearer().and_then(|token| holder(world, token));
        return match token {
            Some((at, access)) if access.is_valid(now) => Ok(at),
            Some(_) => Err(Refusal::dead_token()),
            None => Err(Refusal::plain(401, "Invalid access credentials.")),
        };
    }
    team_of(world, request).ok_or_else(Refusal::bad_key)
}

/// Checks the key's scope and the plan.
pub(crate) fn authorize(team: &Team, request: &SimRequest, route: &Route) -> Result<(), Refusal> {
    if let Some(access) = token_of(team, request) {
        let scope = super::oauth::scope_of(route.action);
        if scope.is_some_and(|scope| !access.has_scope(scope)) {
            return Err(Refusal::coded(
                403,
                &format!(
                    "{} is not accessible with this access token",
                    named(route.action)
                ),
                "API_INACCESSIBLE",
            ));
        }
    }
    let key = request.header_text("x-api-key").unwrap_or_default();
    let scopes = team.keys.iter().find(|known| known.key == key);
    let scopes = scopes.and_then(|known| known.scopes.as_ref());
    let scope_counts = match route.access {
        Access::Open => false,
        Access::AnyKey => !team.switches.scoped_keys_read_profile,
        Access::Scope => true,
    };
    if scope_counts && scopes.is_some_and(|scopes| !scopes.iter().any(|s| s == route.action)) {
        let path = named(route.action);
        return Err(Refusal::coded(
            403,
            &format!(
                "This API key is not authorized to access {path}. Request an API key from your administrator \
                 that includes this endpoint in its configured scope."
            ),
            "API_INACCESSIBLE",
        ));
    }
    if route.action == "contacts/destroy" && team.switches.delete_answer == DeleteAnswer::Refused {
        return Err(Refusal::coded(
            403,
            &format!(
                "{} is not accessible with this api_key",
                named(route.action)
            ),
            "API_INACCESSIBLE",
        ));
    }
    if team.plan == Plan::Free && route.action.ends_with("/search") {
        return match team.switches.free_plan {
            FreePlan::Served => Ok(()),
            FreePlan::PaidPlansOnly => Err(Refusal::json(
                403,
                r#"{"message":"This endpoint is only available to Apollo users on paid plans."}"#
                    .to_owned(),
            )),
            FreePlan::NamesTheEndpoint => Err(Refusal::coded(
                403,
                &format!(
                    "{} is not accessible with this api_key on a free plan. Please upgrade your plan from \
                     https://app.apollo.io/.",
                    named(route.action)
                ),
                "API_INACCESSIBLE",
            )),
        };
    }
    Ok(())
}

/// The OAuth token of a request without a key.
fn token_of<'t>(team: &'t Team, request: &SimRequest) -> Option<&'t grants::Access> {
    if request.headers.contains_key("x-api-key") {
        return None;
    }
    team.grants.access(request.bearer()?)
}

/// An action as refusals name it: `api/v1/contacts/search`, but `api/v1/tasks` for creating a task, and
/// `deals/api/v1/opportunities/search`.
fn named(action: &str) -> String {
    let action = action
        .strip_suffix("/create")
        .filter(|rest| *rest == "tasks")
        .unwrap_or(action);
    if action.starts_with("opportunities/") || action.starts_with("opportunity_stages/") {
        return format!("deals/api/v1/{action}");
    }
    format!("api/v1/{action}")
}
