//! The steps from a request to its answer: keys, quotas, hooks and the endpoint.

use super::refusal::{Answer, Refusal};
use super::{Access, Call, auth, find, mishap, oauth, reply};
use crate::dialect::RequestContext;
use crate::oauth::is_oauth;
use crate::params::Params;
use crate::request::{SimReply, SimRequest};

type Headers = Vec<(String, String)>;

pub(crate) fn answer(context: &mut RequestContext<'_>) -> SimReply {
    if is_oauth(&context.request.path) {
        return oauth::answer(context);
    }
    let mut limits = Headers::new();
    let outcome = carry_out(context, &mut limits);
    reply::reply(outcome, limits, context.now, context.salt)
}

/// The page parameter, if there is one.
pub(crate) fn page_of(request: &SimRequest) -> Option<u64> {
    Params::read(request).page()
}

fn carry_out(context: &mut RequestContext<'_>, headers: &mut Headers) -> Result<Answer, Refusal> {
    let RequestContext { now, request, .. } = *context;
    let params = Params::read(request);
    let found = find(&request.method, &request.path);
    context.exchange.action = found.map_or("", |(route, _)| route.action);
    context.exchange.team = auth::team_of(context.world, request);
    let instead = context.fault;
    let instead = instead.and_then(|fault| mishap::instead(fault, context.exchange.action));
    if let Some((refusal, more)) = instead {
        headers.extend(more);
        return Err(refusal);
    }
    let (route, id) = found.ok_or_else(Refusal::not_found)?;
    if params.unreadable {
        return Err(Refusal::json(
            400,
            r#"{"status":400,"error":"Bad Request"}"#.to_owned(),
        ));
    }
    let at = match auth::authenticate(context.world, request, &params, now) {
        Err(_) if route.access == Access::Open => {
            let refuse = context.options.switches.health_refuses_bad_keys;
            return auth::health_of_unknown_key(refuse);
        }
        caller => caller?,
    };
    let team = context.world.teams.get_mut(at);
    let team = team.ok_or_else(Refusal::bad_key)?;
    auth::authorize(team, request, route)?;
    let quota = team.quota(route.class);
    let rejected_count = team.switches.rejected_calls_count;
    let taken = team.counters.take(route.action, quota, now, rejected_count);
    if let Err(exhausted) = taken {
        headers.extend(team.counters.headers(route.action, quota, now));
        if team.switches.retry_after {
            headers.push(("retry-after".to_owned(), exhausted.resets_in.to_string()));
        }
        return Err(Refusal::too_many(route.action, exhausted));
    }
    team.tick(now);
    let page = params.page().unwrap_or(1);
    context
        .hooks
        .run(now, (at, team), route.action, &request.path, page);
    let mut call = Call {
        now,
        team,
        key: request.header_text("x-api-key"),
        params: &params,
        id,
        action: route.action,
        distortion: context.fault,
    };
    let outcome = (route.handler)(&mut call);
    if let Ok(answer) = &outcome {
        context.exchange.records = answer.records;
    } else if !call.team.switches.invalid_calls_count {
        call.team.counters.give_back(route.action);
    }
    headers.extend(call.team.counters.headers(route.action, quota, now));
    outcome
}
