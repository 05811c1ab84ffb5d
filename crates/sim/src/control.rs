//! The control API, `/_sim/*`, for a simulator in another process. No keys, no quotas, no ledger.

use chrono::{DateTime, Utc};
use http::Method;

use crate::apollo;
use crate::json::Object;
use crate::outreach;
use crate::params::Params;
use crate::request::{SimReply, SimRequest};
use crate::salesloft;
use crate::simulator::Simulator;
use crate::world::{Counts, Edits};

pub(crate) const BASE: &str = "/_sim/";

/// The most edits of one call.
const MOST_EDITS: usize = 1_000_000;

pub(crate) fn respond(sim: &Simulator, now: DateTime<Utc>, request: &SimRequest) -> SimReply {
    let what = request.path.strip_prefix(BASE).unwrap_or_default();
    let params = Params::read(request);
    let body = match (&request.method, what) {
        (&Method::GET, "ledger") => ledger(sim),
        (&Method::GET, "world") => world(sim),
        (&Method::GET, "charges") => apollo::charges(sim),
        (&Method::POST, "edit") => edit(sim, now, &params),
        (&Method::POST, "delete") => delete(sim, &params),
        (&Method::POST, "reset_ledger") => {
            sim.ledger().reset();
            "{}".to_owned()
        }
        (&Method::POST, what) if apollo::control(sim, what, &params) => "{}".to_owned(),
        (&Method::POST, what) if outreach::control(sim, now, what, &params) => "{}".to_owned(),
        (&Method::POST, what) if salesloft::control(sim, now, what, &params) => "{}".to_owned(),
        _ => return reply(now, 404, r#"{"error":"Not Found"}"#.to_owned()),
    };
    reply(now, 200, body)
}

/// Totals per action.
fn ledger(sim: &Simulator) -> String {
    let mut actions = Object::new();
    let (mut requests, mut records) = (0, 0);
    for (action, totals) in sim.ledger().totals() {
        requests += totals.requests;
        records += totals.records;
        let mut o = Object::new();
        o.number("requests", totals.requests)
            .number("records", totals.records)
            .number("refused", totals.refused);
        actions.raw(action, &o.finish());
    }
    let mut o = Object::new();
    o.number("requests", requests)
        .number("records", records)
        .raw("actions", &actions.finish());
    o.finish()
}

fn world(sim: &Simulator) -> String {
    let teams: Vec<String> = (0..sim.team_count())
        .map(|team| {
            let counts: Counts = sim.read(team, crate::world::Team::counts);
            let mut o = Object::new();
            o.number("users", counts.users)
                .number("accounts", counts.accounts)
                .number("contacts", counts.contacts)
                .number("states", counts.states)
                .number("sequences", counts.sequences)
                .number("mailboxes", counts.mailboxes)
                .number("tasks", counts.tasks);
            o.finish()
        })
        .collect();
    let mut o = Object::new();
    o.list("teams", &teams);
    o.finish()
}

/// `{"contacts": n, "team": 0, "seed": 1}`: makes that many random edits.
fn edit(sim: &Simulator, now: DateTime<Utc>, params: &Params) -> String {
    let number = |name: &str| params.number(name).map(|number| number.value);
    let team = number("team")
        .and_then(|team| usize::try_from(team).ok())
        .unwrap_or(0);
    let count = number("contacts")
        .and_then(|count| usize::try_from(count).ok())
        .unwrap_or(0);
    let seed = number("seed").unwrap_or_else(|| now.timestamp_millis().unsigned_abs());
    let edits = if team < sim.team_count() {
        sim.edit(team, |team| {
            team.random_edits(now, seed, count.min(MOST_EDITS))
        })
    } else {
        Edits::default()
    };
    let mut o = Object::new();
    o.number("created", edits.created)
        .number("updated", edits.updated)
        .number("deleted", edits.deleted)
        .number("enrolled", edits.enrolled)
        .number("states_changed", edits.states_changed)
        .number("unenrolled", edits.unenrolled)
        .number("accounts_updated", edits.accounts_updated);
    o.finish()
}

/// `{"contacts": n, "team": 0}`: deletes the oldest n contacts, so that many go at once.
fn delete(sim: &Simulator, params: &Params) -> String {
    let number = |name: &str| {
        let number = params.number(name).map(|number| number.value);
        number.and_then(|number| usize::try_from(number).ok())
    };
    let (team, count) = (number("team").unwrap_or(0), number("contacts").unwrap_or(0));
    let mut deleted = 0_usize;
    if team < sim.team_count() {
        sim.edit(team, |team| {
            let oldest = team.contact_ids().into_iter().take(count.min(MOST_EDITS));
            deleted = oldest.filter(|id| team.delete_contact(id).is_ok()).count();
        });
    }
    let mut o = Object::new();
    o.number("deleted", deleted);
    o.finish()
}

fn reply(now: DateTime<Utc>, status: u16, body: String) -> SimReply {
    SimReply::new(now, status, "application/json", body.into(), Vec::new())
}
