//! The simulator itself: takes a request through keys, quotas, ordered faults and its endpoint to an answer.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use chrono::{DateTime, SubsecRound as _, Utc};

use crate::apollo::params::Params;
use crate::apollo::refusal::{Answer, JSON, Refusal};
use crate::apollo::{self, Access, Call, Route};
use crate::control;
use crate::fault::{Action, Faults, Match};
use crate::gate::{Gate, Gates};
use crate::ledger::{Exchange, InFlight, Ledger};
use crate::limits::{Exhausted, Window};
use crate::options::Options;
use crate::request::{SimReply, SimRequest, WireFault};
use crate::world::{Team, World};

/// The simulated API with its world; clones share it.
#[derive(Debug, Clone)]
pub struct Simulator(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    options: Options,
    world: Mutex<World>,
    hooks: Mutex<Hooks>,
    faults: Faults,
    gates: Gates,
    ledger: Ledger,
    answered: AtomicU64,
}

type Hook = Box<dyn FnMut(&Asked<'_>, &mut Team) + Send>;

#[derive(Default)]
struct Hooks {
    hooks: Vec<Hook>,
    counts: HashMap<(usize, &'static str), u64>,
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks")
            .field("hooks", &self.hooks.len())
            .finish_non_exhaustive()
    }
}

/// A call that is about to be carried out, as hooks see it.
#[derive(Debug)]
pub struct Asked<'a> {
    pub now: DateTime<Utc>,
    /// The calling team's place in [`Options::teams`].
    pub team: usize,
    /// `contacts/search`, `emailer_campaigns/add_contact_ids`, …
    pub action: &'static str,
    pub path: &'a str,
    /// 1 where no page is named.
    pub page: u64,
    /// How many times the team has called the action, this time included.
    pub nth: u64,
}

impl Simulator {
    pub fn new(options: Options) -> Self {
        Self(Arc::new(Inner {
            world: Mutex::new(World::new(&options)),
            hooks: Mutex::default(),
            faults: Faults::new(options.seed),
            gates: Gates::default(),
            ledger: Ledger::default(),
            answered: AtomicU64::new(0),
            options,
        }))
    }

    pub fn options(&self) -> &Options {
        &self.0.options
    }

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
        let mut reply = self.reply(outcome, headers);
        spoil(&mut reply, fault.as_ref());
        exchange.status = reply.status;
        exchange.records = reply_records(&reply, exchange.records);
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
        if let Some(instead) = fault.and_then(|fault| instead(fault, exchange.action)) {
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
                return apollo::health_of_stranger(self.0.options.switches.health_refuses_bad_keys);
            }
            caller => caller?,
        };
        let team = world.teams.get_mut(at).ok_or_else(Refusal::bad_key)?;
        apollo::authorize(team, request, route)?;
        let quota = team.plan.quota();
        let taken =
            team.counters
                .take(route.action, quota, now, team.switches.rejected_calls_count);
        headers.extend(team.counters.headers(route.action, quota, now));
        if let Err(exhausted) = taken {
            if team.switches.retry_after {
                headers.push(("retry-after".to_owned(), exhausted.resets_in.to_string()));
            }
            return Err(too_many(route.action, exhausted));
        }
        self.run_hooks(team, at, now, request, route, params);
        let mut call = Call {
            now,
            team,
            params,
            id,
            action: route.action,
            distortion: fault,
        };
        let outcome = (route.handler)(&mut call);
        match &outcome {
            Ok(answer) => exchange.records = answer.records,
            Err(_) if !call.team.switches.invalid_calls_count => {
                call.team.counters.give_back(route.action);
            }
            Err(_) => {}
        }
        outcome
    }

    fn run_hooks(
        &self,
        team: &mut Team,
        at: usize,
        now: DateTime<Utc>,
        request: &SimRequest,
        route: &Route,
        params: &Params,
    ) {
        let mut hooks = self.0.hooks.lock().unwrap_or_else(PoisonError::into_inner);
        let nth = hooks.counts.entry((at, route.action)).or_default();
        *nth += 1;
        let asked = Asked {
            now,
            team: at,
            action: route.action,
            path: &request.path,
            page: params.page().unwrap_or(1),
            nth: *nth,
        };
        for hook in &mut hooks.hooks {
            hook(&asked, team);
        }
    }

    fn reply(&self, outcome: Result<Answer, Refusal>, limits: Vec<(String, String)>) -> SimReply {
        let nth = self.0.answered.fetch_add(1, Ordering::Relaxed);
        let (status, content_type, body) = match outcome {
            Ok(answer) => (200, JSON.to_owned(), answer.body),
            Err(refusal) => (
                refusal.status,
                refusal.content_type.to_owned(),
                Bytes::from(refusal.body),
            ),
        };
        let mixed = mix(self.0.options.seed ^ nth);
        let header = |name: &str, value: String| (name.to_owned(), value);
        let mut headers = vec![header("content-type", content_type)];
        if status == 200 {
            headers.push(header(
                "cache-control",
                "max-age=0, private, must-revalidate".to_owned(),
            ));
            headers.push(header(
                "etag",
                format!("W/\"{mixed:016x}{:016x}\"", mix(mixed)),
            ));
            headers.push(header(
                "x-transaction-id",
                uuid(mix(mixed ^ 1), mix(mixed ^ 2)),
            ));
        } else {
            headers.push(header("cache-control", "no-cache".to_owned()));
        }
        headers.extend(limits);
        headers.push(header("x-request-id", uuid(mixed, mix(mixed ^ 3))));
        headers.push(header(
            "x-runtime",
            format!("0.{:06}", 20_000 + mixed % 90_000),
        ));
        headers.push(header("vary", "Origin".to_owned()));
        headers.push(header("server", "cloudflare".to_owned()));
        headers.push(header("cf-cache-status", "DYNAMIC".to_owned()));
        SimReply {
            status,
            headers,
            body,
            wire: None,
        }
    }

    /// Rules for what goes wrong.
    pub fn faults(&self) -> Faults {
        self.0.faults.clone()
    }

    /// What was asked and answered.
    pub fn ledger(&self) -> Ledger {
        self.0.ledger.clone()
    }

    /// Makes the HTTP server hold matching requests until the gate lets them go.
    pub fn gate(&self, on: Match) -> Gate {
        self.0.gates.add(on)
    }

    /// Calls `hook` before every call that is allowed, with the team it is about: the place to change the
    /// world between two pages. It must not use the simulator itself, which is locked meanwhile.
    pub fn on_request(&self, hook: impl FnMut(&Asked<'_>, &mut Team) + Send + 'static) {
        let mut hooks = self.0.hooks.lock().unwrap_or_else(PoisonError::into_inner);
        hooks.hooks.push(Box::new(hook));
    }

    /// Removes all hooks.
    pub fn clear_hooks(&self) {
        self.0
            .hooks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .hooks
            .clear();
    }

    /// Changes a team's world; `team` is its place in [`Options::teams`].
    ///
    /// # Panics
    ///
    /// If there is no such team.
    pub fn edit<R>(&self, team: usize, change: impl FnOnce(&mut Team) -> R) -> R {
        let mut world = self.world();
        let teams = world.teams.len();
        let Some(team) = world.teams.get_mut(team) else {
            panic!("there are {teams} teams, counted from 0; there is no {team}");
        };
        change(team)
    }

    /// Reads a team's world; `team` is its place in [`Options::teams`].
    ///
    /// # Panics
    ///
    /// If there is no such team.
    pub fn read<R>(&self, team: usize, read: impl FnOnce(&Team) -> R) -> R {
        self.edit(team, |team| read(team))
    }

    /// The place of the team that a key belongs to.
    pub fn team_with_key(&self, key: &str) -> Option<usize> {
        let world = self.world();
        world
            .teams
            .iter()
            .position(|team| team.keys.iter().any(|known| known.key == key))
    }

    pub fn team_count(&self) -> usize {
        self.world().teams.len()
    }

    /// Notes that a request has come in, for the in-flight maxima of the ledger; drop the result when it is
    /// answered. The server does this by itself.
    pub fn arrive(&self, request: &SimRequest) -> InFlight {
        let team = apollo::team_of(&self.world(), request);
        let path = apollo::below_base(&request.path).unwrap_or_default();
        let object = path.split('/').next().unwrap_or_default();
        self.0.ledger.arrive(team, object)
    }

    /// Returns once no gate holds the request.
    pub(crate) async fn pass_gates(&self, request: &SimRequest) {
        let page = Params::read(request).page();
        self.0.gates.pass(request, page).await;
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.0.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The refusal of a call over its quota.
fn too_many(action: &str, exhausted: Exhausted) -> Refusal {
    let path = action.strip_suffix("/index").unwrap_or(action);
    let body = format!(
        concat!(
            r#"{{"message":"The maximum number of api calls allowed for api/v1/{} is {} times per {}. Please upgrade "#,
            r#"your plan from https://app.apollo.io/#/settings/plans/upgrade?source=api_rate_limit.","#,
            r#""error_details":{{"code":"USAGE.RATE_LIMIT.API_RATE_LIMIT_EXCEEDED"}}}}"#
        ),
        path,
        exhausted.limit,
        exhausted.window.noun()
    );
    Refusal::json(429, body)
}

type Instead = (Refusal, Vec<(String, String)>);

/// The answer of a fault that keeps the request from being carried out.
fn instead(fault: &Action, action: &str) -> Option<Instead> {
    let refusal = match fault {
        Action::Answer { status, body, .. } => Refusal::json(*status, body.clone()),
        Action::KeyRevoked => Refusal::bad_key(),
        Action::AlreadyProcessing => Refusal::error(
            429,
            "We are already processing the request for your sequence",
        ),
        Action::RateLimited {
            window,
            retry_after,
        } => {
            let limit = match window {
                Window::Minute => 200,
                Window::Hour => 400,
                Window::Day => 2_000,
            };
            let exhausted = Exhausted {
                window: *window,
                limit,
                resets_in: 0,
            };
            let retry_after =
                retry_after.map(|seconds| ("retry-after".to_owned(), seconds.to_string()));
            return Some((
                too_many(action, exhausted),
                retry_after.into_iter().collect(),
            ));
        }
        _ => return None,
    };
    Some((refusal, Vec::new()))
}

/// Does to a finished answer what the fault says.
fn spoil(reply: &mut SimReply, fault: Option<&Action>) {
    match fault {
        Some(Action::Answer { content_type, .. }) => {
            if let Some((_, value)) = reply
                .headers
                .iter_mut()
                .find(|(name, _)| name == "content-type")
            {
                value.clone_from(content_type);
            }
        }
        Some(Action::AppliedThenServerError) => {
            reply.status = 500;
            reply.body = Bytes::from_static(br#"{"status":500,"error":"Internal Server Error"}"#);
        }
        Some(Action::Garbage) => {
            reply.body = Bytes::from_static(b"{\"contacts\":[{\"id\":\"6a0a\x00\xff<html>");
        }
        Some(Action::Wire(wire)) => reply.wire = Some(*wire),
        _ => {}
    }
}

/// Records that can have reached the client.
fn reply_records(reply: &SimReply, records: usize) -> usize {
    let lost = matches!(reply.wire, Some(WireFault::Reset));
    if reply.status == 200 && !lost {
        records
    } else {
        0
    }
}

/// Splitmix64: spreads a counter over all bits.
fn mix(n: u64) -> u64 {
    let n = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

fn uuid(high: u64, low: u64) -> String {
    format!(
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xfff,
        low >> 52,
        low & 0xffff_ffff_ffff
    )
}
