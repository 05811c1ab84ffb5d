//! Tests of the simulator against what is known about Apollo, in process and over HTTP.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod auth;
mod bulk_enrichment;
mod callback_delivery;
mod charges;
mod command;
mod contact_writes;
mod database;
mod deals;
mod enrichment;
mod faults;
mod hidden;
mod http;
mod lag;
mod late_callbacks;
mod ledger;
mod limits;
mod outreach_access;
mod outreach_filters;
mod outreach_http;
mod outreach_oauth;
mod outreach_paging;
mod outreach_records;
mod outreach_sequences;
mod outreach_support;
mod outreach_writes;
mod paging;
mod records;
mod salesloft_cadences;
mod salesloft_http;
mod salesloft_lists;
mod salesloft_oauth;
mod salesloft_records;
mod salesloft_support;
mod salesloft_writes;
mod sequence_writes;
mod sequences;
mod standing;
mod switches;
mod tasks;
mod webhook_results;
mod world;
mod writes;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use syncline_sim::{Options, SimReply, SimRequest, Simulator};

const KEY: &str = "sim-master-key";

/// A time after everything in the generated data.
fn noon() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_500) + TimeDelta::hours(12)
}

fn sim(contacts: usize) -> Simulator {
    Simulator::new(Options::with_contacts(contacts))
}

fn get(sim: &Simulator, target: &str) -> SimReply {
    sim.respond(
        noon(),
        &SimRequest::get(&format!("/api/v1/{target}")).key(KEY),
    )
}

fn post(sim: &Simulator, target: &str, body: &Value) -> SimReply {
    sim.respond(
        noon(),
        &SimRequest::post(&format!("/api/v1/{target}"), body).key(KEY),
    )
}

fn patch(sim: &Simulator, target: &str, body: &Value) -> SimReply {
    sim.respond(
        noon(),
        &SimRequest::patch(&format!("/api/v1/{target}"), body).key(KEY),
    )
}

fn delete(sim: &Simulator, target: &str) -> SimReply {
    sim.respond(
        noon(),
        &SimRequest::delete(&format!("/api/v1/{target}")).key(KEY),
    )
}

/// One page of contacts, most recently updated first.
fn contacts_page(sim: &Simulator, page: u64) -> Value {
    let body = json!({"page": page, "per_page": 100, "sort_by_field": "contact_updated_at"});
    let reply = post(sim, "contacts/search", &body);
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

fn ids(records: &Value) -> Vec<String> {
    let records = records.as_array().expect("a list");
    records
        .iter()
        .map(|record| record["id"].as_str().expect("an id").to_owned())
        .collect()
}

/// The top-level keys of a JSON object, in the order written.
fn keys(body: &str) -> Vec<String> {
    let (mut keys, mut depth, mut chars) = (Vec::new(), 0, body.char_indices());
    let mut last = String::new();
    while let Some((at, c)) = chars.next() {
        match c {
            '{' | '[' => depth += 1,
            '}' | ']' => depth -= 1,
            '"' => {
                let mut end = at;
                while let Some((next, c)) = chars.next() {
                    if c == '\\' {
                        chars.next();
                    } else if c == '"' {
                        end = next;
                        break;
                    }
                }
                body[at + 1..end].clone_into(&mut last);
            }
            ':' if depth == 1 => keys.push(last.clone()),
            _ => {}
        }
    }
    keys
}
