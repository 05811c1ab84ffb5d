//! Phone numbers and waterfall results of enrichment, which come later, to a webhook.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use syncline_sim::{Callback, Options, SimReply, SimRequest, Simulator, Team};

use crate::{KEY, keys, noon, post, sim};

const URL: &str = "https://hooks.heron.example/apollo?lead=7";

pub(crate) fn after(seconds: i64) -> DateTime<Utc> {
    noon() + TimeDelta::seconds(seconds)
}

fn credits(sim: &Simulator) -> u64 {
    sim.read(0, Team::credits)
}

/// Ids of people of the database.
fn people(sim: &Simulator, count: usize) -> Vec<String> {
    let found = post(sim, "mixed_people/api_search", &json!({"per_page": count})).json();
    let found = found["people"].as_array().unwrap().iter();
    found
        .map(|person| person["id"].as_str().unwrap().to_owned())
        .collect()
}

/// What a call asks for, of people given by their ids.
fn body(ids: &[String], flags: &[&str]) -> Value {
    let details: Vec<Value> = ids.iter().map(|id| json!({"id": id})).collect();
    let mut body = json!({"details": details, "webhook_url": URL});
    for flag in flags {
        body[*flag] = json!(true);
    }
    body
}

pub(crate) fn bulk(sim: &Simulator, ids: &[String], flags: &[&str]) -> SimReply {
    let reply = post(sim, "people/bulk_match", &body(ids, flags));
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply
}

/// The only callback that is due after the usual delay.
fn the_callback(sim: &Simulator) -> Callback {
    let mut due = sim.due_callbacks(after(5));
    assert_eq!(due.len(), 1);
    due.remove(0)
}

/// People with and without a phone number, so many of each; they are asked for, and paid for.
pub(crate) fn with_and_without_number(sim: &Simulator, count: usize) -> (Vec<String>, Vec<String>) {
    sim.edit(0, |team| team.set_credits(10_000));
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for ten in people(sim, 100).chunks(10) {
        bulk(sim, ten, &["reveal_phone_number"]);
    }
    for callback in sim.due_callbacks(after(5)) {
        for person in callback.json()["people"].as_array().unwrap() {
            let id = person["id"].as_str().unwrap().to_owned();
            if person["phone_numbers"] == json!([]) {
                without.push(id);
            } else {
                with.push(id);
            }
        }
    }
    assert!(with.len() > 60 && without.len() > 15, "about a quarter");
    with.truncate(count);
    without.truncate(count);
    sim.edit(0, |team| team.set_credits(100));
    (with, without)
}

#[test]
fn phone_numbers_come_to_the_webhook_later_and_cost_eight_credits_each() {
    let sim = sim(10);
    let (with, without) = with_and_without_number(&sim, 2);
    let ids = [with.clone(), without.clone(), vec!["nobody".to_owned()]].concat();
    let before = sim.read(0, |team| team.charges().len());
    let reply = bulk(&sim, &ids, &["reveal_phone_number"]);
    assert_eq!(
        keys(&reply.text()),
        [
            "status",
            "error_code",
            "error_message",
            "total_requested_enrichments",
            "matches",
            "unique_enriched_records",
            "missing_records",
            "credits_consumed",
            "phone_enrichment",
            "request_id"
        ]
    );
    let answer = reply.json();
    let job = &answer["phone_enrichment"];
    assert_eq!(job["status"], "pending");
    assert!(job["request_id"].is_string() && job["message"].is_string());
    assert_eq!(answer["credits_consumed"], 4);
    assert!(!reply.text().contains("phone_numbers"));
    assert_eq!((credits(&sim), sim.pending_callbacks()), (96, 1));
    assert_eq!(sim.due_callbacks(after(4)), []);

    let callback = the_callback(&sim);
    assert_eq!(callback.url, URL);
    assert_eq!(Some(callback.request_id), answer["request_id"].as_i64());
    assert_eq!(
        (sim.pending_callbacks(), sim.due_callbacks(after(9))),
        (0, vec![])
    );
    let told = callback.json();
    assert_eq!(told["status"], "success");
    assert_eq!(
        [
            &told["total_requested_enrichments"],
            &told["unique_enriched_records"],
            &told["missing_records"],
            &told["credits_consumed"]
        ],
        [4, 2, 2, 16]
    );
    let told = told["people"].as_array().unwrap().clone();
    for (id, person) in ids.iter().zip(&told) {
        assert_eq!(
            (&person["id"], &person["status"]),
            (&json!(id), &json!("success"))
        );
    }
    let number = told[0]["phone_numbers"][0].clone();
    let raw = number["raw_number"].as_str().unwrap();
    let digits: String = raw.chars().filter(|c| "+0123456789".contains(*c)).collect();
    assert_eq!(number["sanitized_number"], json!(digits));
    assert!(raw.starts_with("+1 ") && raw.contains("-555-01"), "{raw}");
    assert_eq!(
        (&number["type_cd"], &number["position"]),
        (&json!("mobile"), &json!(0))
    );
    for field in ["confidence_cd", "status_cd", "dnc_status_cd", "id"] {
        assert!(number[field].is_string(), "{field}");
    }
    assert_eq!(told[2]["phone_numbers"], json!([]));

    assert_eq!(credits(&sim), 80);
    let charges = sim.read(0, |team| team.charges()[before + 4..].to_vec());
    let late: Vec<_> = charges
        .iter()
        .map(|charge| (charge.at, charge.subject.as_str(), charge.credits))
        .collect();
    assert_eq!(
        late,
        [
            (after(5), with[0].as_str(), 8),
            (after(5), with[1].as_str(), 8)
        ]
    );
    assert!(
        charges
            .iter()
            .all(|charge| charge.key.as_deref() == Some(KEY))
    );
    assert!(
        charges
            .iter()
            .all(|charge| charge.action == "people/bulk_match")
    );
}

#[test]
fn one_person_is_asked_for_with_parameters_in_the_query_too() {
    let sim = sim(10);
    let (with, _) = with_and_without_number(&sim, 1);
    let target = format!(
        "people/match?id={}&reveal_phone_number=true&webhook_url=https%3A%2F%2Fheron.example%2Fa",
        with[0]
    );
    let reply = post(&sim, &target, &json!({}));
    assert_eq!(
        keys(&reply.text()),
        ["person", "phone_enrichment", "request_id"]
    );
    assert!(reply.json()["person"]["email"].is_string());
    let callback = the_callback(&sim);
    assert_eq!(callback.url, "https://heron.example/a");
    assert_eq!(callback.json()["people"][0]["id"], json!(with[0]));
    assert_eq!(credits(&sim), 91);
}

#[test]
fn a_webhook_has_to_be_named_and_have_tls_outside_this_machine() {
    let sim = sim(10);
    let id = people(&sim, 1);
    let ask = |flag: &str, url: &Value| {
        let bulk = json!({"details": [{"id": id[0]}], flag: true, "webhook_url": url});
        let alone = json!({"id": id[0], flag: true, "webhook_url": url});
        let bulk = post(&sim, "people/bulk_match", &bulk);
        [bulk, post(&sim, "people/match", &alone)]
    };
    let flags = [
        "reveal_phone_number",
        "run_waterfall_email",
        "run_waterfall_phone",
    ];
    for url in [
        Value::Null,
        json!(""),
        json!("heron.example/hook"),
        json!("https://"),
        json!("http://heron.example/hook"),
        json!("http://localhost.heron.example/hook"),
        json!("http://127.0.0.1@heron.example/hook"),
        json!("ftp://127.0.0.1/hook"),
    ] {
        for reply in flags.iter().flat_map(|flag| ask(flag, &url)) {
            assert_eq!(reply.status, 422, "{url}");
            let error = reply.json()["error"].as_str().unwrap().to_owned();
            assert!(
                error.contains("webhook_url") && error.contains("https://"),
                "{error}"
            );
        }
    }
    assert_eq!((credits(&sim), sim.pending_callbacks()), (100, 0));
    for url in [
        "https://heron.example",
        "http://127.0.0.1:9/a",
        "http://localhost:9/a?b=c",
    ] {
        let replies = ask("run_waterfall_phone", &json!(url));
        assert!(replies.iter().all(|reply| reply.status == 200), "{url}");
    }
    let unasked = json!({"id": id[0], "reveal_phone_number": false, "webhook_url": "nonsense"});
    let unasked = post(&sim, "people/match", &unasked);
    assert_eq!(keys(&unasked.text()), ["person", "request_id"]);
}

#[test]
fn nobody_matched_means_no_phone_numbers_and_no_callback() {
    let sim = sim(10);
    let reply = bulk(&sim, &["nobody".to_owned()], &["reveal_phone_number"]);
    assert!(reply.json()["request_id"].is_i64());
    assert!(reply.json().get("phone_enrichment").is_none());
    let stranger =
        json!({"email": "nobody@heron.example", "reveal_phone_number": true, "webhook_url": URL});
    let stranger = post(&sim, "people/match", &stranger);
    assert_eq!(keys(&stranger.text()), ["person", "request_id"]);
    assert_eq!((credits(&sim), sim.pending_callbacks()), (100, 0));
}

#[test]
fn numbers_that_are_on_their_way_are_not_looked_for_again() {
    let sim = sim(10);
    let (with, _) = with_and_without_number(&sim, 2);
    bulk(&sim, &with[..1], &["reveal_phone_number"]);
    let again = bulk(&sim, &with[..1], &["reveal_phone_number"]).json();
    assert_eq!(again["phone_enrichment"]["status"], "skipped");
    assert!(again["phone_enrichment"].get("request_id").is_none());
    assert!(again["request_id"].is_i64());
    assert_eq!(sim.pending_callbacks(), 1);
    let one_more = bulk(&sim, &with, &["reveal_phone_number"]).json();
    assert_eq!(one_more["phone_enrichment"]["status"], "pending");
    let due = sim.due_callbacks(after(5));
    let told: Vec<Value> = due.iter().map(Callback::json).collect();
    let whom: Vec<_> = told
        .iter()
        .map(|told| {
            (
                &told["people"][0]["id"],
                told["people"].as_array().unwrap().len(),
            )
        })
        .collect();
    assert_eq!(whom, [(&json!(with[0]), 1), (&json!(with[1]), 1)]);
    assert_eq!(credits(&sim), 100 - 4 - 16);
    let later = bulk(&sim, &with, &["reveal_phone_number"]).json();
    assert_eq!(later["phone_enrichment"]["status"], "pending");
}

#[test]
fn with_too_few_credits_nothing_comes_and_nothing_is_charged() {
    let sim = sim(10);
    let (with, _) = with_and_without_number(&sim, 2);
    bulk(&sim, &with, &["reveal_phone_number"]);
    sim.edit(0, |team| team.set_credits(15));
    let told = the_callback(&sim).json();
    assert_eq!(
        [
            &told["unique_enriched_records"],
            &told["missing_records"],
            &told["credits_consumed"]
        ],
        [0, 2, 0]
    );
    let told = told["people"].as_array().unwrap();
    assert!(
        told.iter()
            .all(|person| person["phone_numbers"] == json!([]))
    );
    assert_eq!(credits(&sim), 15);
    bulk(&sim, &with, &["run_waterfall_email", "run_waterfall_phone"]);
    assert_eq!(the_callback(&sim).json()["credits_consumed"], 0);
    assert_eq!(credits(&sim), 15);
}

#[test]
fn request_ids_are_different_and_of_both_signs_and_the_same_for_the_same_seed() {
    let ask = || {
        let sim = sim(10);
        let known = people(&sim, 20);
        let ids = known.iter().map(|id| {
            let reply = bulk(&sim, std::slice::from_ref(id), &["reveal_phone_number"]);
            reply.json()["request_id"].as_i64().unwrap()
        });
        let ids: Vec<i64> = ids.collect();
        (ids, sim.due_callbacks(after(5)))
    };
    let (mut ids, callbacks) = ask();
    assert_eq!((ids.clone(), callbacks), ask());
    assert!(ids.iter().any(|id| *id < 0) && ids.iter().any(|id| *id > 0));
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 20);
}

#[test]
fn a_waterfall_brings_addresses_and_numbers_later_and_is_charged_then() {
    let sim = sim(10);
    let (with, without) = with_and_without_number(&sim, 1);
    let contact =
        json!({"first_name": "Ines", "last_name": "Heron", "direct_phone": "+1 555 0100"});
    let contact = sim.edit(0, |team| team.create_contact(noon(), &contact));
    let addressed = json!({"first_name": "Ada", "email": "ada@heron.example"});
    let addressed = sim.edit(0, |team| team.create_contact(noon(), &addressed));
    let (contact, addressed) = (contact.unwrap(), addressed.unwrap());
    let ids = [
        vec![contact.clone(), addressed.clone()],
        with.clone(),
        without,
        vec!["nobody".to_owned()],
    ]
    .concat();
    let reply = bulk(&sim, &ids, &["run_waterfall_email", "run_waterfall_phone"]);
    assert_eq!(
        keys(&reply.text()),
        [
            "status",
            "error_code",
            "error_message",
            "total_requested_enrichments",
            "matches",
            "waterfall",
            "request_id"
        ]
    );
    let answer = reply.json();
    assert_eq!(answer["waterfall"]["status"], "accepted");
    assert!(answer["waterfall"]["message"].is_string());
    let matches = answer["matches"].as_array().unwrap();
    assert_eq!(
        (matches[1]["first_name"].as_str(), &matches[4]),
        (Some("Ada"), &Value::Null)
    );
    assert!(!reply.text().contains(r#""email""#) && !reply.text().contains("email_status"));
    assert_eq!(credits(&sim), 100, "nothing is charged before it is there");

    let callback = the_callback(&sim);
    let told = callback.json();
    assert_eq!(told["request_id"], json!(callback.request_id.to_string()));
    assert_eq!(told["target_fields"], json!(["emails", "phone_numbers"]));
    assert_eq!(told["request_initiated"], "2026-02-16T12:00:00Z");
    assert_eq!(told["request_completed"], "2026-02-16T12:00:05Z");
    assert_eq!(told["total_requested_enrichments"], 5);
    let count = |name: &str| told[name].as_u64().unwrap();
    assert_eq!(
        count("email_records_enriched") + count("email_records_not_found"),
        5
    );
    assert_eq!(
        count("mobile_records_enriched") + count("mobile_records_not_found"),
        5
    );
    assert_eq!(count("records_enriched") + count("enrichment_not_found"), 5);
    let price = count("email_records_enriched") + 8 * count("mobile_records_enriched");
    assert_eq!(count("credits_consumed"), price);
    assert_eq!(credits(&sim), 100 - price);
    let person = |id: &str| {
        let mut people = told["people"].as_array().unwrap().iter();
        people
            .find(|person| person["id"] == json!(id))
            .unwrap()
            .clone()
    };
    let ada = person(&addressed);
    assert_eq!(ada["emails"][0]["email"], "ada@heron.example");
    let vendor = &ada["waterfall"]["emails"][0]["vendors"][0];
    assert_eq!(vendor["emails"], json!(["ada@heron.example"]));
    assert_eq!(person(&contact)["emails"], json!([]));
    assert_eq!(person(&contact)["waterfall"]["emails"], json!([]));
    let number = &person(&with[0])["phone_numbers"][0];
    assert!(
        number["sanitized_number"]
            .as_str()
            .unwrap()
            .starts_with("+1")
    );
    let vendor = &person(&with[0])["waterfall"]["phone_numbers"][0]["vendors"][0];
    assert_eq!(vendor["phone_numbers"], json!([number["raw_number"]]));
}

#[test]
fn a_waterfall_of_numbers_alone_shows_addresses_at_once_for_the_usual_credit() {
    let sim = sim(10);
    let (with, _) = with_and_without_number(&sim, 1);
    let body = json!({
        "id": with[0], "run_waterfall_phone": true, "reveal_phone_number": true, "webhook_url": URL
    });
    let reply = post(&sim, "people/match", &body);
    assert_eq!(keys(&reply.text()), ["person", "waterfall", "request_id"]);
    assert!(reply.json()["person"].get("email").is_some());
    assert_eq!(credits(&sim), 99);
    let told = the_callback(&sim).json();
    assert_eq!(told["target_fields"], json!(["phone_numbers"]));
    assert_eq!(told["people"][0]["emails"], json!([]));
    assert_eq!(credits(&sim), 91);
}

#[test]
fn phone_numbers_and_a_waterfall_of_addresses_come_in_two_callbacks() {
    let sim = sim(10);
    let (with, _) = with_and_without_number(&sim, 1);
    let flags = ["run_waterfall_email", "reveal_phone_number"];
    let answer = bulk(&sim, &with, &flags).json();
    assert_eq!(answer["phone_enrichment"]["status"], "pending");
    assert_eq!(answer["waterfall"]["status"], "accepted");
    let due = sim.due_callbacks(after(5));
    let numbers = due.iter().map(|callback| callback.request_id);
    assert!(numbers.eq([answer["request_id"].as_i64().unwrap(); 2]));
    assert_eq!(
        due[0].json()["people"][0]["phone_numbers"]
            .as_array()
            .map(Vec::is_empty),
        Some(false)
    );
    assert_eq!(due[1].json()["target_fields"], json!(["emails"]));
}

#[test]
fn a_call_with_a_token_is_charged_to_no_key_later_either() {
    let sim = sim(10);
    let (with, _) = with_and_without_number(&sim, 1);
    let ask = SimRequest::post(
        "/api/v1/people/bulk_match",
        &body(&with, &["reveal_phone_number"]),
    );
    let ask = ask.header("authorization", "Bearer sim-apollo-access");
    assert_eq!(sim.respond(noon(), &ask).status, 200);
    the_callback(&sim);
    let last = sim.read(0, |team| team.charges().last().cloned()).unwrap();
    assert_eq!((last.key, last.credits), (None, 8));
}

fn mischievous(change: impl FnOnce(&mut Options)) -> Simulator {
    let mut options = Options::with_contacts(10);
    change(&mut options);
    Simulator::new(options)
}

#[test]
fn callbacks_can_be_slower_or_doubled_and_are_charged_once() {
    let sim = mischievous(|options| {
        options.apollo.callback_delay = Duration::from_secs(90);
        options.apollo.callbacks_twice = true;
    });
    let known = people(&sim, 10);
    bulk(&sim, &known, &["reveal_phone_number"]);
    assert_eq!(sim.due_callbacks(after(89)), []);
    let due = sim.due_callbacks(after(90));
    assert_eq!(due.len(), 2);
    assert_eq!(due[0], due[1]);
    let price = due[0].json()["credits_consumed"].as_u64().unwrap();
    assert_eq!(credits(&sim), 90 - price);
}

#[test]
fn lost_callbacks_never_come_and_are_charged_all_the_same() {
    let sim = mischievous(|options| options.apollo.callbacks_lost = true);
    bulk(&sim, &people(&sim, 10), &["reveal_phone_number"]);
    assert_eq!(sim.pending_callbacks(), 1);
    assert_eq!(sim.due_callbacks(after(5)), []);
    assert_eq!(sim.pending_callbacks(), 0);
    assert!(credits(&sim) < 90);
}
