//! How the tests of the simulated Outreach ask.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use syncline_sim::{Options, SimReply, SimRequest, Simulator};

use crate::noon;

pub(crate) const TOKEN: &str = "sim-outreach-access";

pub(crate) const JSON_API: &str = "application/vnd.api+json";

pub(crate) fn outreach(contacts: usize) -> Simulator {
    outreach_with(contacts, |_| {})
}

pub(crate) fn outreach_with(contacts: usize, set: impl FnOnce(&mut Options)) -> Simulator {
    let mut options = Options::outreach(contacts);
    set(&mut options);
    Simulator::new(options)
}

pub(crate) fn request(method: &str, target: &str, body: Option<&Value>) -> SimRequest {
    let request = SimRequest::new(method.parse().unwrap(), &format!("/api/v2/{target}"));
    let request = match body {
        Some(body) => request.json(body).header("content-type", JSON_API),
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

pub(crate) fn patch(sim: &Simulator, target: &str, body: &Value) -> SimReply {
    sim.respond(noon(), &request("PATCH", target, Some(body)))
}

pub(crate) fn delete(sim: &Simulator, target: &str) -> SimReply {
    sim.respond(noon(), &request("DELETE", target, None))
}

/// An action without a body.
pub(crate) fn act(sim: &Simulator, target: &str) -> SimReply {
    sim.respond(noon(), &request("POST", target, None))
}

/// A document to create a record with.
pub(crate) fn new(kind: &str, attributes: &Value, relationships: &Value) -> Value {
    json!({"data": {"type": kind, "attributes": attributes, "relationships": relationships}})
}

/// A document to change a record with.
pub(crate) fn change(kind: &str, id: &str, attributes: &Value) -> Value {
    let id: u64 = id.parse().unwrap();
    json!({"data": {"type": kind, "id": id, "attributes": attributes}})
}

/// `{"data": {"type": kind, "id": id}}`
pub(crate) fn linkage(kind: &str, id: &str) -> Value {
    let id: u64 = id.parse().unwrap();
    json!({"data": {"type": kind, "id": id}})
}

/// The records of a list, page by page along the links.
pub(crate) fn pages(sim: &Simulator, target: &str) -> Vec<Vec<Value>> {
    let mut pages = Vec::new();
    let mut next = Some(target.to_owned());
    while let Some(target) = next {
        let reply = get(sim, &target);
        assert_eq!(reply.status, 200, "{}", reply.text());
        let body = reply.json();
        pages.push(body["data"].as_array().unwrap().clone());
        next = body["links"]["next"].as_str().map(below_base);
    }
    pages
}

pub(crate) fn walk(sim: &Simulator, target: &str) -> Vec<Value> {
    pages(sim, target).concat()
}

/// A link without what stands before the path below the base.
pub(crate) fn below_base(link: &str) -> String {
    link.split_once("/api/v2/").unwrap().1.to_owned()
}

/// The ids of records, as text.
pub(crate) fn ids(records: &[Value]) -> Vec<String> {
    records.iter().map(id).collect()
}

pub(crate) fn id(record: &Value) -> String {
    record["id"].as_u64().expect("an integer").to_string()
}

/// The first error of a refusal: its id, its detail and its pointer.
pub(crate) fn error(reply: &SimReply) -> (String, String, String) {
    let body = reply.json();
    let error = &body["errors"][0];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (
        text(&error["id"]),
        text(&error["detail"]),
        text(&error["source"]["pointer"]),
    )
}
