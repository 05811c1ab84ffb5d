//! The steps from a request to its answer: token, cost, route, scope and the endpoint.
//!
//! Without a valid token an unknown path is 401.

use http::Method;

use super::org::Points;
use super::page::cost;
use super::query::Query;
use super::refusal::{Answer, JSON, Refusal};
use super::{Call, Route, find, oauth};
use crate::dialect::RequestContext;
use crate::fault::Action;
use crate::oauth::{BASE, holder};
use crate::params::Params;
use crate::request::{SimReply, SimRequest};

type Headers = Vec<(String, String)>;

pub(crate) fn answer(context: &mut RequestContext<'_>) -> SimReply {
    if context.request.path.starts_with(BASE) {
        return oauth::answer(context);
    }
    let mut headers = Headers::new();
    let (status, content_type, body) = match carry_out(context, &mut headers) {
        Ok(answer) => (answer.status, JSON, answer.body),
        Err(refusal) => (refusal.status, refusal.content_type, refusal.body.into()),
    };
    SimReply::new(context.now, status, content_type, body, headers)
}

/// The number of the requested page.
pub(crate) fn page_of(request: &SimRequest) -> Option<u64> {
    Query::read(request).text("page")?.parse().ok()
}

fn carry_out(context: &mut RequestContext<'_>, headers: &mut Headers) -> Result<Answer, Refusal> {
    let now = context.now;
    let found = find(&context.request.method, &context.request.path);
    context.exchange.action = found.map_or("", |(route, _)| route.action);
    let token = context.request.bearer();
    let holder = token.and_then(|token| holder(context.world, token));
    if let Some((at, access)) = &holder {
        context.exchange.team = Some(*at);
        context.exchange.user = Some(access.user_id.clone());
    }
    fault_refusal(context, headers)?;
    let (at, access) = match holder {
        Some((at, access)) if access.is_valid(now) => (at, access),
        Some(_) => return Err(ended_token(context)),
        None if token.is_some() => return Err(Refusal::bad_token()),
        None => return Err(Refusal::no_token()),
    };
    let team = context.world.teams.get_mut(at);
    let team = team.ok_or_else(Refusal::bad_token)?;
    team.grants.note_use(token.unwrap_or_default());
    let query = Query::read(context.request);
    let cost = found.map_or(1, |(route, _)| cost_of(route, &query));
    let points = team.salesloft.take(cost, now);
    headers.extend(told(points, team.salesloft.switches.limit_header));
    if !points.admitted {
        return Err(Refusal::too_many());
    }
    let without_status = team.salesloft.switches.not_found_without_status;
    let (route, id) = found.ok_or_else(|| Refusal::not_found(without_status))?;
    let params = Params::read(context.request);
    team.tick(now);
    let mut call = Call {
        now,
        team,
        query: &query,
        params: &params,
        id,
        access: &access,
        distortion: context.fault,
    };
    call.require_scope(scope_of(route, &call))?;
    if params.unreadable {
        return Err(Refusal::unreadable());
    }
    let page = query.page();
    let team = (at, &mut *call.team);
    let path = &context.request.path;
    context.hooks.run(now, team, route.action, path, page);
    let answer = (route.handler)(&mut call)?;
    context.exchange.records = answer.records;
    Ok(answer)
}

/// A list costs by the depth of the page, everything else one point.
fn cost_of(route: &Route, query: &Query) -> u32 {
    if route.method == Method::GET && route.action.ends_with("/list") {
        cost(query.page())
    } else {
        1
    }
}

fn scope_of(route: &Route, call: &Call<'_>) -> &'static str {
    if route.action.starts_with("actions/") && call.team.salesloft.switches.actions_need_tasks_scope
    {
        return "tasks:read";
    }
    route.scope
}

fn ended_token(context: &RequestContext<'_>) -> Refusal {
    match &context.options.salesloft.switches.expired_text {
        Some(text) => Refusal::told(401, text),
        None => Refusal::bad_token(),
    }
}

/// The error of a fault that answers instead of the endpoint.
pub(super) fn fault_refusal(
    context: &RequestContext<'_>,
    headers: &mut Headers,
) -> Result<(), Refusal> {
    match context.fault {
        Some(Action::Answer { status, body, .. }) => Err(Refusal {
            status: *status,
            content_type: JSON,
            body: body.clone(),
        }),
        Some(Action::KeyRevoked) => Err(ended_token(context)),
        Some(Action::RateLimited { .. }) => {
            let settings = &context.options.salesloft;
            let points = Points {
                cost: 1,
                limit: settings.points_per_minute,
                remaining: 0,
                admitted: false,
            };
            headers.extend(told(points, settings.switches.limit_header));
            Err(Refusal::too_many())
        }
        _ => Ok(()),
    }
}

fn told(points: Points, with_limit: bool) -> Headers {
    let header = |name: &str, value: u32| (format!("x-ratelimit-{name}"), value.to_string());
    let mut headers = vec![
        header("endpoint-cost", points.cost),
        header("remaining-minute", points.remaining),
    ];
    if with_limit {
        headers.push(header("limit-minute", points.limit));
    }
    headers
}
