//! Writing sequences with the private calls: the sequence, its steps, the contents of their
//! e-mails.

use http::Method;
use serde_json::{Value, json};
use syncline_sim::{SimReply, SimRequest, Simulator};

use crate::{KEY, delete, get, noon, post, sim};

const NOBODY: &str = "66e34b81740c50074e3d1bd4";
const NOT_FOUND: &str = r#"{"error":"Record not found."}"#;

fn id(record: &Value) -> String {
    record["id"].as_str().expect("an id").to_owned()
}

fn put(sim: &Simulator, target: &str, body: &Value) -> SimReply {
    let request = SimRequest::new(Method::PUT, &format!("/api/v1/{target}")).json(body);
    sim.respond(noon(), &request.key(KEY))
}

fn sequence(sim: &Simulator) -> String {
    let body = json!({"name": "Spring", "permissions": "team_can_use", "active": true});
    id(&post(sim, "emailer_campaigns", &body).json()["emailer_campaign"])
}

fn step(sim: &Simulator, sequence: &str, position: u32, kind: &str) -> Value {
    let body = json!({
        "emailer_campaign_id": sequence, "position": position, "type": kind, "wait_mode": "day", "wait_time": 2
    });
    let reply = post(sim, "emailer_steps", &body);
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

fn show(sim: &Simulator, sequence: &str) -> Value {
    get(sim, &format!("emailer_campaigns/{sequence}")).json()
}

fn types(shown: &Value) -> Vec<(u64, &str)> {
    let steps = shown["emailer_steps"].as_array().expect("steps");
    let seen = |step: &'_ Value| step["position"].as_u64().expect("a position");
    let steps = steps.iter();
    steps
        .map(|step| (seen(step), step["type"].as_str().expect("a type")))
        .collect()
}

#[test]
fn a_sequence_is_created_without_steps_and_found() {
    let sim = sim(10);
    let user = sim.read(0, |team| team.user_ids()[1].clone());
    let body = json!({
        "name": "Spring", "permissions": "private", "active": true, "label_ids": [NOBODY], "user_id": user
    });
    let reply = post(&sim, "emailer_campaigns", &body);
    assert_eq!(reply.status, 200);
    let created = reply.json()["emailer_campaign"].clone();
    assert_eq!(created["sharing_permission"]["visibility"], "private");
    assert_eq!(created["permissions"], Value::Null, "no longer shown");
    let found = post(
        &sim,
        "emailer_campaigns/search",
        &json!({"q_name": "spring"}),
    )
    .json();
    let found = &found["emailer_campaigns"][0];
    assert_eq!(found["id"], created["id"]);
    assert_eq!(
        (&found["active"], &found["num_steps"], &found["user_id"]),
        (&json!(true), &json!(0), &json!(user))
    );
    assert_eq!(found["label_ids"], json!([NOBODY]));
}

#[test]
fn a_sequence_is_shared_and_off_unless_asked_otherwise_and_needs_a_name() {
    let sim = sim(10);
    let reply = post(&sim, "emailer_campaigns", &json!({"name": "Spring"})).json();
    let created = &reply["emailer_campaign"];
    assert_eq!(created["sharing_permission"]["visibility"], "everyone");
    assert_eq!(created["active"], false);
    assert_eq!(post(&sim, "emailer_campaigns", &json!({})).status, 422);
    let reply = post(
        &sim,
        "emailer_campaigns",
        &json!({"name": "Spring", "user_id": NOBODY}),
    );
    let expected = format!(r#"{{"error":"Parameters misconfigured. {NOBODY} is not a valid ID"}}"#);
    assert_eq!((reply.status, reply.text()), (422, expected));
}

#[test]
fn a_step_that_sends_no_email_has_no_touch() {
    let sim = sim(10);
    let sequence = sequence(&sim);
    let body = json!({
        "emailer_campaign_id": sequence, "position": 1, "type": "call", "wait_mode": "hour", "wait_time": 4,
        "exact_datetime": "2026-03-01T09:00:00Z", "note": "Ask about \"plant 2\""
    });
    let created = post(&sim, "emailer_steps", &body).json();
    assert!(created.get("emailer_touch").is_none() && created.get("emailer_template").is_none());
    let shown = show(&sim, &sequence);
    assert_eq!(shown["emailer_steps"][0], created["emailer_step"]);
    let step = &shown["emailer_steps"][0];
    assert_eq!(
        (&step["type"], &step["wait_mode"], &step["wait_time"]),
        (&json!("call"), &json!("hour"), &json!(4))
    );
    assert_eq!(step["exact_datetime"], "2026-03-01T09:00:00.000+00:00");
    assert_eq!(step["note"], "Ask about \"plant 2\"");
    assert_eq!(shown["emailer_campaign"]["num_steps"], 1);
    assert_eq!(shown["emailer_touches"], json!([]));
}

#[test]
fn an_email_step_comes_with_an_empty_template_that_is_written_through_its_touch() {
    let sim = sim(10);
    let sequence = sequence(&sim);
    let created = step(&sim, &sequence, 1, "auto_email");
    let (touch, template) = (&created["emailer_touch"], &created["emailer_template"]);
    assert_eq!(touch["emailer_step_id"], created["emailer_step"]["id"]);
    assert_eq!(touch["emailer_template_id"], template["id"]);
    assert_eq!(
        (&template["subject"], &template["body_html"]),
        (&Value::Null, &Value::Null)
    );
    let body = json!({
        "id": touch["id"], "emailer_step_id": created["emailer_step"]["id"], "type": "reply_to_thread",
        "emailer_template": {"id": template["id"], "subject": "Hello", "body_html": "<p>Hi <b>you</b></p>"}
    });
    let path = format!("emailer_touches/{}", id(touch));
    let written = put(&sim, &path, &body).json();
    assert_eq!(written["emailer_touch"]["type"], "reply_to_thread");
    let shown = show(&sim, &sequence);
    assert_eq!(shown["emailer_touches"][0], written["emailer_touch"]);
    assert_eq!(shown["emailer_templates"][0], written["emailer_template"]);
    let template = &shown["emailer_templates"][0];
    assert_eq!(
        (
            &template["subject"],
            &template["body_html"],
            &template["body_text"]
        ),
        (
            &json!("Hello"),
            &json!("<p>Hi <b>you</b></p>"),
            &json!("Hi you")
        )
    );
}

#[test]
fn a_touch_can_send_a_template_that_is_there_already() {
    let sim = sim(10);
    let sequence = sequence(&sim);
    let first = step(&sim, &sequence, 1, "auto_email");
    let second = step(&sim, &sequence, 2, "manual_email");
    let (shared, touch) = (id(&first["emailer_template"]), id(&second["emailer_touch"]));
    let path = format!("emailer_touches/{touch}");
    let written = put(&sim, &path, &json!({"emailer_template": {"id": shared}})).json();
    assert_eq!(written["emailer_touch"]["emailer_template_id"], shared);
    assert_eq!(
        written["emailer_touch"]["type"],
        second["emailer_touch"]["type"]
    );
    let subject = json!({"emailer_template": {"subject": "For both"}});
    put(&sim, &path, &subject);
    let shown = show(&sim, &sequence);
    let templates = shown["emailer_templates"].as_array().expect("templates");
    assert_eq!(templates.len(), 1);
    assert_eq!(
        (&templates[0]["id"], &templates[0]["subject"]),
        (&json!(shared), &json!("For both"))
    );
}

#[test]
fn a_position_that_is_taken_is_not_honoured() {
    let sim = sim(10);
    let sequence = sequence(&sim);
    step(&sim, &sequence, 2, "call");
    step(&sim, &sequence, 1, "auto_email");
    let third = step(&sim, &sequence, 1, "action_item");
    assert_eq!(third["emailer_step"]["position"], 3);
    assert_eq!(
        types(&show(&sim, &sequence)),
        [(1, "auto_email"), (2, "call"), (3, "action_item")]
    );
}

#[test]
fn a_removed_step_is_gone_with_its_touch_and_those_behind_it_move_up() {
    let sim = sim(10);
    let sequence = sequence(&sim);
    let first = id(&step(&sim, &sequence, 1, "auto_email")["emailer_step"]);
    step(&sim, &sequence, 2, "call");
    let path = format!("emailer_steps/{first}");
    assert_eq!(delete(&sim, &path).json()["emailer_step"]["id"], first);
    let shown = show(&sim, &sequence);
    assert_eq!(types(&shown), [(1, "call")]);
    assert_eq!(shown["emailer_templates"], json!([]));
    let again = delete(&sim, &path);
    assert_eq!((again.status, again.text().as_str()), (404, NOT_FOUND));
}

#[test]
fn unknown_ids_are_404() {
    let sim = sim(10);
    let sequence = sequence(&sim);
    let touch = id(&step(&sim, &sequence, 1, "auto_email")["emailer_touch"]);
    let body = json!({"emailer_campaign_id": NOBODY, "type": "call", "wait_time": 1});
    for reply in [
        post(&sim, "emailer_steps", &body),
        delete(&sim, &format!("emailer_steps/{NOBODY}")),
        put(&sim, &format!("emailer_touches/{NOBODY}"), &json!({})),
        put(
            &sim,
            &format!("emailer_touches/{touch}"),
            &json!({"emailer_template": {"id": NOBODY}}),
        ),
    ] {
        assert_eq!((reply.status, reply.text().as_str()), (404, NOT_FOUND));
    }
}

#[test]
fn a_step_needs_a_known_type_and_a_time_to_wait() {
    let sim = sim(10);
    let sequence = sequence(&sim);
    for (fields, error) in [
        (json!({"wait_time": 1}), "Type is not included in the list"),
        (
            json!({"wait_time": 1, "type": "task"}),
            "Type is not included in the list",
        ),
        (
            json!({"wait_time": 1, "type": "call", "wait_mode": "week"}),
            "Wait mode is not included in the list",
        ),
        (json!({"type": "call"}), "Wait time must not be empty"),
    ] {
        let mut body = fields;
        body["emailer_campaign_id"] = json!(sequence);
        let reply = post(&sim, "emailer_steps", &body);
        assert_eq!((reply.status, &reply.json()["error"]), (422, &json!(error)));
    }
}

#[test]
fn each_write_has_a_scope_of_its_own() {
    let sim = sim(10);
    let asks = [
        (
            Method::POST,
            "emailer_campaigns",
            "emailer_campaigns/create",
        ),
        (Method::POST, "emailer_steps", "emailer_steps/create"),
        (Method::DELETE, "emailer_steps/1", "emailer_steps/destroy"),
        (Method::PUT, "emailer_touches/1", "emailer_touches/update"),
    ];
    for (method, path, action) in asks {
        let request = SimRequest::new(method, &format!("/api/v1/{path}"));
        let reply = sim.respond(noon(), &request.key("sim-scoped-key"));
        assert_eq!(reply.status, 403);
        assert!(reply.text().contains(action), "{}", reply.text());
    }
}
