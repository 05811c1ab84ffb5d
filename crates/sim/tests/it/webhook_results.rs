//! Polling for what a callback brings.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use syncline_sim::{KeyOptions, Options, SimReply, SimRequest, Simulator, TeamOptions};

use crate::late_callbacks::{after, bulk, with_and_without_number};
use crate::{KEY, noon, sim};

fn poll(sim: &Simulator, now: DateTime<Utc>, id: &str) -> SimReply {
    let ask = SimRequest::get(&format!("/api/v1/webhook_result/{id}"));
    sim.respond(now, &ask.key(KEY))
}

fn told(reply: &SimReply) -> (u16, String) {
    (reply.status, reply.text())
}

/// Asks for somebody's phone numbers at noon; returns the request's id.
fn ask(sim: &Simulator) -> String {
    let (with, _) = with_and_without_number(sim, 1);
    let answer = bulk(sim, &with, &["reveal_phone_number"]).json();
    answer["request_id"].to_string()
}

#[test]
fn a_result_is_pending_until_it_is_due_and_the_callbacks_body_from_then_on() {
    let sim = sim(10);
    let id = ask(&sim);
    let pending = r#"{"error_code":"result_pending","retry_after_seconds":10}"#;
    assert_eq!(told(&poll(&sim, after(4), &id)), (404, pending.to_owned()));
    let ready = poll(&sim, after(5), &id).json();
    assert_eq!(ready["webhook_status"], "in_progress");
    assert_eq!(ready["last_dispatched_at"], json!(null));
    let callback = sim.due_callbacks(after(6)).remove(0);
    let result = poll(&sim, after(7), &id).json();
    assert_eq!(
        result,
        json!({
            "request_id": id,
            "webhook_status": "success",
            "request_type": "phone",
            "last_dispatched_at": "2026-02-16T12:00:06Z",
            "failure_reason": null,
            "webhook_result": callback.json(),
        })
    );
    assert_eq!(ready["webhook_result"], callback.json());
    assert_eq!(sim.ledger().totals()["webhook_result/show"].requests, 3);
}

#[test]
fn results_can_be_had_though_no_callback_arrived() {
    let mut options = Options::with_contacts(10);
    options.apollo.callbacks_lost = true;
    let sim = Simulator::new(options);
    let id = sim.read(0, |team| team.contact_ids()[0].clone());
    let flags = ["run_waterfall_email", "run_waterfall_phone"];
    let answer = bulk(&sim, &[id], &flags).json();
    let id = answer["request_id"].to_string();
    assert_eq!(sim.due_callbacks(after(60)), []);
    let result = poll(&sim, after(60), &id).json();
    assert_eq!(result["request_type"], "waterfall");
    assert_eq!(result["webhook_result"]["request_id"], json!(id));
}

#[test]
fn a_result_expires_after_thirty_days() {
    let sim = sim(10);
    let id = ask(&sim);
    let month = after(5) + TimeDelta::days(30);
    assert_eq!(poll(&sim, month, &id).status, 200);
    let expired = poll(&sim, month + TimeDelta::seconds(1), &id);
    assert_eq!(
        told(&expired),
        (410, r#"{"error_code":"request_id_expired"}"#.to_owned())
    );
}

#[test]
fn ids_that_are_none_or_of_others_bring_nothing() {
    let mut options = Options::with_contacts(10);
    options.teams.push(TeamOptions::numbered(2, 10));
    let scoped = KeyOptions::scoped("matches", &["people/bulk_match"]);
    options.teams[0].keys.push(scoped);
    let sim = Simulator::new(options);
    let id = ask(&sim);
    sim.due_callbacks(after(5));
    let unknown = (404, r#"{"error_code":"request_id_unknown"}"#.to_owned());
    assert_eq!(told(&poll(&sim, after(9), "1039995589705121900")), unknown);
    let ask = SimRequest::get(&format!("/api/v1/webhook_result/{id}"));
    let others = sim.respond(after(9), &ask.clone().key("sim-master-key-2"));
    assert_eq!(told(&others), unknown);
    assert_eq!(sim.respond(after(9), &ask.key("matches")).status, 403);
    for nonsense in ["heron", "9223372036854775808", "1.5"] {
        let refused = poll(&sim, noon(), nonsense);
        let invalid = r#"{"error_code":"invalid_request_id"}"#.to_owned();
        assert_eq!(told(&refused), (400, invalid), "{nonsense}");
    }
}
