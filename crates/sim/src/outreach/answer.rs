//! The steps from a request to its answer: token, rate limit, route, scope, content type and the endpoint.
//!
//! The order is that of the live service as far as it is known: without a token an unknown path is 401.

use bytes::Bytes;
use http::Method;

use super::org::RateLimit;
use super::query::Query;
use super::record::timestamp;
use super::refusal::{Answer, JSON_API, Refusal};
use super::{Call, find, oauth};
use crate::dialect::RequestContext;
use crate::fault::Action;
use crate::oauth::{BASE, holder};
use crate::request::SimReply;

type Headers = Vec<(String, String)>;

pub(crate) fn answer(context: &mut RequestContext<'_>) -> SimReply {
    if context.request.path.starts_with(BASE) {
        return oauth::answer(context);
    }
    let mut limits = Headers::new();
    let outcome = carry_out(context, &mut limits);
    let (status, content_type, body) = match outcome {
        Ok(answer) => (answer.status, JSON_API, answer.body),
        Err(refusal) => (refusal.status, refusal.content_type, refusal.body.into()),
    };
    reply(context, status, content_type, body, limits)
}

/// An answer with the headers that all answers have.
pub(super) fn reply(
    context: &RequestContext<'_>,
    status: u16,
    content_type: &str,
    body: Bytes,
    more: Headers,
) -> SimReply {
    let mut headers = vec![("cache-control".to_owned(), "no-cache".to_owned())];
    headers.extend(more);
    SimReply::new(context.now, status, content_type, body, headers)
}

fn carry_out(context: &mut RequestContext<'_>, headers: &mut Headers) -> Result<Answer, Refusal> {
    let now = context.now;
    let found = find(&context.request.method, &context.request.path);
    context.exchange.action = found.map_or("", |(route, _)| route.action);
    let holder = context
        .request
        .bearer()
        .and_then(|token| holder(context.world, token));
    if let Some((at, access)) = &holder {
        context.exchange.team = Some(*at);
        context.exchange.user = Some(access.user_id.clone());
    }
    fault_refusal(context, headers)?;
    let (at, access) = match holder {
        Some((at, access)) if access.is_valid(now) => (at, access),
        Some(_) => {
            let words = context.options.outreach.switches.expired_words;
            return Err(Refusal::dead_token(words));
        }
        None if context.request.headers.contains_key("authorization") => {
            return Err(Refusal::bad_token());
        }
        None => return Err(Refusal::no_token()),
    };
    let team = context.world.teams.get_mut(at);
    let team = team.ok_or_else(Refusal::bad_token)?;
    let rate = team.org.take(&access.user_id, now);
    headers.extend(limits(rate));
    if !rate.admitted {
        headers.push(("retry-after".to_owned(), resets(rate)));
        return Err(Refusal::too_many(rate.limit, rate.resets_at));
    }
    let (route, id) = found.ok_or_else(Refusal::no_such_route)?;
    let query = Query::read(context.request);
    team.tick(now);
    team.drop_histogram_if_due(now);
    let mut call = Call {
        now,
        team,
        request: context.request,
        query: &query,
        id,
        access: &access,
        distortion: context.fault,
    };
    call.require_scope(route.scope)?;
    check_content_type(&call)?;
    let at = (at, &mut *call.team);
    context
        .hooks
        .run(now, at, route.action, &context.request.path, 1);
    let answer = (route.handler)(&mut call)?;
    context.exchange.records = answer.records;
    Ok(answer)
}

/// The error of a fault that answers instead of the endpoint.
pub(super) fn fault_refusal(
    context: &RequestContext<'_>,
    headers: &mut Headers,
) -> Result<(), Refusal> {
    match context.fault {
        Some(Action::Answer { status, body, .. }) => Err(Refusal {
            status: *status,
            content_type: JSON_API,
            body: body.clone(),
        }),
        Some(Action::KeyRevoked) => {
            let words = context.options.outreach.switches.expired_words;
            Err(Refusal::dead_token(words))
        }
        Some(Action::RateLimited { retry_after, .. }) => {
            let wait = retry_after.and_then(|seconds| i64::try_from(seconds).ok());
            let resets_at = context.now + chrono::TimeDelta::seconds(wait.unwrap_or(3_600));
            let rate = RateLimit {
                limit: context.options.outreach.requests_per_hour,
                remaining: 0,
                resets_at,
                admitted: false,
            };
            headers.extend(limits(rate));
            if wait.is_some() {
                headers.push(("retry-after".to_owned(), resets(rate)));
            }
            Err(Refusal::too_many(rate.limit, resets_at))
        }
        Some(Action::Maintenance(time)) => {
            let back_at = context.now + *time;
            headers.push(("retry-after".to_owned(), timestamp(back_at)));
            Err(Refusal::maintenance(back_at))
        }
        _ => Ok(()),
    }
}

fn limits(rate: RateLimit) -> Headers {
    vec![
        ("x-ratelimit-limit".to_owned(), rate.limit.to_string()),
        (
            "x-ratelimit-remaining".to_owned(),
            rate.remaining.to_string(),
        ),
        ("x-ratelimit-reset".to_owned(), resets(rate)),
    ]
}

/// The end of the window in seconds since 1970, rounded up.
fn resets(rate: RateLimit) -> String {
    let millis = rate.resets_at.timestamp_millis();
    (millis.div_euclid(1_000) + i64::from(millis.rem_euclid(1_000) > 0)).to_string()
}

/// Checks the content type: of requests with a body always, of reads if switched.
fn check_content_type(call: &Call<'_>) -> Result<(), Refusal> {
    let reads = call.request.method == Method::GET;
    let looked_at = if reads {
        call.team.org.switches.strict_content_type
    } else {
        !call.request.body.is_empty()
    };
    let given = call.request.header_text("content-type").unwrap_or_default();
    let kind = given.split(';').next().unwrap_or_default().trim();
    if looked_at && !kind.eq_ignore_ascii_case("application/vnd.api+json") {
        return Err(Refusal::media_type());
    }
    Ok(())
}
