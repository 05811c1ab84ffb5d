//! The steps from a request to its answer: keys, quotas, hooks and the endpoint.

use chrono::{DateTime, SubsecRound as _, Utc};

use super::{Simulator, mishap};
use crate::apollo::params::Params;
use crate::apollo::refusal::{Answer, Refusal};
use crate::apollo::{self, Access, Call};
use crate::control;
use crate::fault::Action;
use crate::ledger::Exchange;
use crate::request::{SimReply, SimRequest};

impl Simulator {
    /// Answers a request at a given time.
    pub fn respond(&self, now: DateTime<Utc>, request: &SimRequest) -> SimReply {
        let now = now.trunc_subsecs(3);
        if request.path.starts_with(control::BASE) {
            return control::respond(self, now, request);
        }
        let params = Params::read(request);
        let fault = self.0.faults.draw(request, params.page());
        let mut exchange = Exchange {
            at: now,
            team: None,
            method: request.method.to_string(),
            path: request.path.clone(),
            action: "",
            page: params.page(),
            status: 0,
            records: 0,
        };
        let mut headers = Vec::new();
        let outcome = self.carry_out(
            now,
            request,
            &params,
            fault.as_ref(),
            &mut exchange,
            &mut headers,
        );
        let mut reply = self.reply(outcome, headers, now);
        mishap::spoil(&mut reply, fault.as_ref());
        exchange.status = reply.status;
        exchange.records = mishap::reply_records(&reply, exchange.records);
        self.0.ledger.write(exchange);
        reply
    }

    fn carry_out(
        &self,
        now: DateTime<Utc>,
        request: &SimRequest,
        params: &Params,
        fault: Option<&Action>,
        exchange: &mut Exchange,
        headers: &mut Vec<(String, String)>,
    ) -> Result<Answer, Refusal> {
        let found = apollo::find(&request.method, &request.path);
        exchange.action = found.map_or("", |(route, _)| route.action);
        let mut world = self.world();
        exchange.team = apollo::team_of(&world, request);
        if let Some(instead) = fault.and_then(|fault| mishap::instead(fault, exchange.action)) {
            headers.extend(instead.1);
            return Err(instead.0);
        }
        let (route, id) = found.ok_or_else(Refusal::no_such_route)?;
        if params.unreadable {
            return Err(Refusal::json(
                400,
                r#"{"status":400,"error":"Bad Request"}"#.to_owned(),
            ));
        }
        let at = match apollo::authenticate(&world, request, params) {
            Err(_) if route.access == Access::Open => {
                return apollo::health_of_unknown_key(
                    self.0.options.switches.health_refuses_bad_keys,
                );
            }
            caller => caller?,
        };
        let team = world.teams.get_mut(at).ok_or_else(Refusal::bad_key)?;
        apollo::authorize(team, request, route)?;
        let quota = team.quota();
        let taken =
            team.counters
                .take(route.action, quota, now, team.switches.rejected_calls_count);
        if let Err(exhausted) = taken {
            headers.extend(team.counters.headers(route.action, quota, now));
            if team.switches.retry_after {
                headers.push(("retry-after".to_owned(), exhausted.resets_in.to_string()));
            }
            return Err(Refusal::too_many(route.action, exhausted));
        }
        team.tick(now);
        let mut call = Call {
            now,
            team,
            params,
            id,
            action: route.action,
            distortion: fault,
        };
        self.hooks().run(at, &request.path, &mut call);
        let outcome = (route.handler)(&mut call);
        if let Ok(answer) = &outcome {
            exchange.records = answer.records;
        } else if !call.team.switches.invalid_calls_count {
            call.team.counters.give_back(route.action);
        }
        headers.extend(call.team.counters.headers(route.action, quota, now));
        outcome
    }
}
