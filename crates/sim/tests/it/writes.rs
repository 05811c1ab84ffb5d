//! Writing contacts and accounts through the API.

use serde_json::{Value, json};
use syncline_sim::SimRequest;

use crate::{KEY, delete, get, noon, patch, post, sim};

#[test]
fn a_created_contact_is_200_with_defaults_and_can_be_read_back() {
    let sim = sim(10);
    let body = json!({
        "first_name": "Ines", "last_name": "Duarte", "email": "ines@x.example", "direct_phone": "555-555-0117",
        "label_names": ["VIP"], "no_such_field": 1
    });
    let reply = post(&sim, "contacts", &body);
    assert_eq!(reply.status, 200);
    let created = reply.json();
    assert_eq!(created["labels"][0]["name"], "VIP");
    let contact = &created["contact"];
    assert_eq!(contact["name"], "Ines Duarte");
    assert_eq!(
        contact["phone_numbers"][0]["sanitized_number"],
        "+15555550117"
    );
    assert_eq!(
        contact["contact_stage_id"],
        get(&sim, "contact_stages").json()["contact_stages"][0]["id"]
    );
    assert_ne!(contact["created_at"], contact["updated_at"]);
    let shown = get(
        &sim,
        &format!("contacts/{}", contact["id"].as_str().unwrap()),
    )
    .json();
    assert_eq!(shown["contact"]["email"], "ines@x.example");
    assert!(shown["contact"].get("contact_campaign_statuses").is_some());
}

#[test]
fn duplicates_are_created_unless_deduplication_is_asked_for() {
    let sim = sim(10);
    let body = json!({"first_name": "Ines", "email": "ines@x.example"});
    let first = post(&sim, "contacts", &body).json()["contact"]["id"].clone();
    assert_ne!(first, post(&sim, "contacts", &body).json()["contact"]["id"]);
    let again = json!({"first_name": "Inês", "email": "INES@x.example", "run_dedupe": true});
    let found = post(&sim, "contacts", &again).json();
    assert_eq!(
        found["dedupe_result"],
        json!({"found_existing": true, "match_reason": "email_match", "existing_contact_id": first})
    );
    assert_eq!(found["contact"]["first_name"], "Inês");
    let new = post(
        &sim,
        "contacts",
        &json!({"first_name": "Abe", "run_dedupe": true}),
    )
    .json();
    assert_eq!(new["dedupe_result"]["found_existing"], false);
}

#[test]
fn a_change_moves_updated_at_and_a_change_of_nothing_does_not() {
    let sim = sim(10);
    let id = sim.read(0, |team| team.contact_ids()[0].clone());
    let path = format!("contacts/{id}");
    let before = get(&sim, &path).json()["contact"]["updated_at"].clone();
    let ignored = patch(&sim, &path, &json!({"existence_level": "none"}));
    assert_eq!(
        (ignored.status, &ignored.json()["contact"]["updated_at"]),
        (200, &before)
    );
    let moved =
        patch(&sim, &path, &json!({"title": "Astronaut"})).json()["contact"]["updated_at"].clone();
    assert_eq!(moved, "2026-02-16T12:00:00.000Z");
    let put = SimRequest::new(http::Method::PUT, &format!("/api/v1/{path}"))
        .json(&json!({"title": "Pilot"}))
        .key(KEY);
    assert_eq!(
        sim.respond(noon(), &put).json()["contact"]["title"],
        "Pilot"
    );
}

#[test]
fn ids_in_writes_are_checked() {
    let sim = sim(10);
    let id = sim.read(0, |team| team.contact_ids()[0].clone());
    for (field, value) in [
        ("contact_stage_id", "2342432"),
        ("account_id", "5234234"),
        ("owner_id", "x"),
    ] {
        let reply = patch(&sim, &format!("contacts/{id}"), &json!({field: value}));
        let expected =
            format!(r#"{{"error":"Parameters misconfigured. {value} is not a valid ID"}}"#);
        assert_eq!((reply.status, reply.text()), (422, expected));
    }
    let reply = get(&sim, "accounts/unknown");
    assert_eq!(
        reply.text(),
        r#"{"error":"Parameters misconfigured. id is not a valid ID"}"#
    );
    let reply = patch(&sim, "accounts/unknown", &json!({"name": "x"}));
    assert_eq!(
        reply.text(),
        r#"{"error":"Parameters misconfigured. account_id is not a valid ID"}"#
    );
}

#[test]
fn missing_and_deleted_contacts_are_422_in_the_known_words() {
    let sim = sim(10);
    let missing = get(&sim, "contacts/66e34b81740c50074e3d1bd4");
    assert_eq!(
        (missing.status, missing.text().as_str()),
        (
            422,
            r#"{"error":"Oops! This contact does not exist in Apollo."}"#
        )
    );
    let id = sim.read(0, |team| team.contact_ids()[0].clone());
    assert_eq!(
        delete(&sim, &format!("contacts/{id}")).json()["contact"]["id"],
        id.as_str()
    );
    let reply = get(&sim, &format!("contacts/{id}"));
    assert_eq!(
        (reply.status, reply.text().as_str()),
        (422, r#"{"error":"This contact has been deleted."}"#)
    );
    let reply = patch(&sim, &format!("contacts/{id}"), &json!({"title": "x"}));
    let expected = format!(
        r#"{{"error":"Cannot update contact as it is deleted.","deleted_contact_ids":["{id}"]}}"#
    );
    assert_eq!((reply.status, reply.text()), (422, expected));
}

#[test]
fn accounts_are_created_without_deduplication_and_shown_with_more_keys() {
    let sim = sim(10);
    assert_eq!(
        post(&sim, "accounts", &json!({})).text(),
        r#"{"error":"Please specify at least a name or domain."}"#
    );
    let body = json!({"name": "Heron Foods", "phone": "415-555-0172"});
    let first = post(&sim, "accounts", &body).json()["account"].clone();
    let second = post(&sim, "accounts", &body).json()["account"].clone();
    assert_ne!(first["id"], second["id"]);
    assert_eq!(
        (&first["domain"], &first["sanitized_phone"]),
        (&Value::Null, &json!("+14155550172"))
    );
    assert!(first.get("num_contacts").is_none() && first.get("raw_address").is_none());
    let shown =
        get(&sim, &format!("accounts/{}", first["id"].as_str().unwrap())).json()["account"].clone();
    assert_eq!(
        (&shown["num_contacts"], &shown["disable_flag"]),
        (&json!(0), &json!(true))
    );
    let path = format!("accounts/{}", first["id"].as_str().unwrap());
    let changed = patch(&sim, &path, &json!({"domain": "heron.example"})).json();
    assert_eq!(
        (&changed["account"]["domain"], &changed["labels"]),
        (&json!("heron.example"), &json!([]))
    );
}

#[test]
fn stages_and_owners_are_changed_in_bulk() {
    let sim = sim(10);
    let (ids, user) = sim.read(0, |team| (team.contact_ids(), team.user_ids()[0].clone()));
    let reply = post(
        &sim,
        "contacts/update_owners",
        &json!({"contact_ids": ids[..3], "owner_id": user}),
    );
    assert_eq!(reply.json()["contacts"].as_array().unwrap().len(), 3);
    assert_eq!(
        reply.json()["contacts"][0],
        json!({"id": ids[0], "owner_id": user, "crm_owner_id": null}),
        "little more than what was changed"
    );
    let stage = get(&sim, "contact_stages").json()["contact_stages"][2]["id"].clone();
    let reply = post(
        &sim,
        "contacts/update_stages",
        &json!({"contact_ids": ids[..1], "contact_stage_id": stage}),
    )
    .json();
    let contact = &reply["contacts"][0];
    assert_eq!(contact["contact_stage_id"], stage);
    assert!(contact["contact_campaign_statuses"].is_array());
    assert!(contact.get("next_contact_id").is_none());
    let reply = post(&sim, "contacts/update_owners", &json!({"owner_id": user}));
    assert_eq!(
        reply.text(),
        r#"{"error":"Required parameter 'contact_ids' missing"}"#
    );
}
