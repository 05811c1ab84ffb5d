//! How the tests of the simulated Salesloft ask.

use chrono::{DateTime, Utc};
use serde_json::Value;
use syncline_sim::{Options, SimReply, SimRequest, Simulator};

use crate::noon;

pub(crate) const TOKEN: &str = "sim-salesloft-access";

pub(crate) fn salesloft(people: usize) -> Simulator {
    salesloft_with(people, |_| {})
}

pub(crate) fn salesloft_with(people: usize, set: impl FnOnce(&mut Options)) -> Simulator {
    let mut options = Options::salesloft(people);
    set(&mut options);
    Simulator::new(options)
}

pub(crate) fn request(method: &str, target: &str, body: Option<&Value>) -> SimRequest {
    let request = SimRequest::new(method.parse().unwrap(), &format!("/v2/{target}"));
    let request = match body {
        Some(body) => request.json(body),
        None => request,
    };
    request.header("authorization", &format!("Bearer {TOKEN}"))
}

pub(crate) fn get(sim: &Simulator, target: &str) -> SimReply {
    get_at(sim, noon(), target)
}

pub(crate) fn get_at(sim: &Simulator, now: DateTime<Utc>, target: &str) -> SimReply {
    sim.respond(now, &request("GET", target, None))
}

pub(crate) fn post(sim: &Simulator, target: &str, body: &Value) -> SimReply {
    sim.respond(noon(), &request("POST", target, Some(body)))
}

pub(crate) fn put(sim: &Simulator, target: &str, body: &Value) -> SimReply {
    sim.respond(noon(), &request("PUT", target, Some(body)))
}

pub(crate) fn delete(sim: &Simulator, target: &str) -> SimReply {
    sim.respond(noon(), &request("DELETE", target, None))
}

/// The record of a successful write.
pub(crate) fn done(reply: &SimReply) -> Value {
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()["data"].clone()
}

/// The status and the words of a refusal about a field.
pub(crate) fn refusal(reply: &SimReply, field: &str) -> (u16, String) {
    let body = reply.json();
    let words = body["errors"][field][0].as_str();
    (reply.status, words.unwrap_or_default().to_owned())
}

/// The records of one page, and its metadata.
pub(crate) fn page(sim: &Simulator, target: &str) -> (Vec<Value>, Value) {
    let reply = get(sim, target);
    assert_eq!(reply.status, 200, "{target}: {}", reply.text());
    let body = reply.json();
    let records = body["data"].as_array().unwrap().clone();
    (records, body["metadata"].clone())
}

pub(crate) fn records(sim: &Simulator, target: &str) -> Vec<Value> {
    page(sim, target).0
}

/// All records of a list, by page numbers.
pub(crate) fn walk(sim: &Simulator, target: &str) -> Vec<Value> {
    let separator = if target.contains('?') { '&' } else { '?' };
    let (mut all, mut number) = (Vec::new(), 1);
    loop {
        let target = format!("{target}{separator}per_page=100&page={number}");
        let (records, metadata) = page(sim, &target);
        all.extend(records);
        match metadata["paging"]["next_page"].as_u64() {
            Some(next) => number = next,
            None => return all,
        }
    }
}

pub(crate) fn id(record: &Value) -> String {
    record["id"].as_u64().expect("an integer").to_string()
}

pub(crate) fn ids(records: &[Value]) -> Vec<String> {
    records.iter().map(id).collect()
}

pub(crate) fn text<'t>(record: &'t Value, name: &str) -> &'t str {
    record[name].as_str().unwrap_or_default()
}

/// A time of a record.
pub(crate) fn time(record: &Value, name: &str) -> DateTime<Utc> {
    let text = text(record, name);
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}
