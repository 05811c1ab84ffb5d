//! Reads show what was written to contacts and accounts.

use serde_json::{Value, json};
use syncline_sim::{SimReply, Simulator};

use crate::{get, noon, patch, post, sim};

fn contact(sim: &Simulator, fields: &Value) -> String {
    let reply = post(sim, "contacts", fields);
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()["contact"]["id"]
        .as_str()
        .expect("an id")
        .to_owned()
}

fn shown(sim: &Simulator, id: &str) -> Value {
    get(sim, &format!("contacts/{id}")).json()["contact"].clone()
}

fn change(sim: &Simulator, id: &str, fields: &Value) -> SimReply {
    let reply = patch(sim, &format!("contacts/{id}"), fields);
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply
}

/// Kind and number of each, by kind.
fn phones(contact: &Value) -> Vec<(&str, &str)> {
    let phones = contact["phone_numbers"].as_array().expect("a list").iter();
    let mut phones: Vec<(&str, &str)> = phones
        .map(|phone| {
            let kind = phone["type"].as_str().expect("a kind");
            (kind, phone["raw_number"].as_str().expect("a number"))
        })
        .collect();
    phones.sort_unstable();
    phones
}

#[test]
fn a_contact_is_shown_as_it_was_written() {
    let sim = sim(40);
    let account = sim.read(0, |team| team.account_ids()[0].clone());
    let fields = json!({
        "first_name": "Ines", "last_name": "Duarte", "title": "Pilot", "email": "ines@x.example",
        "organization_name": "Heron Foods", "account_id": account, "typed_custom_fields": {"f1": "a", "f2": ["b"]},
        "present_raw_address": "1 Mill Lane, Flat 2, Porto, Norte, 4000-001, Portugal", "label_names": ["VIP"]
    });
    let contact = shown(&sim, &contact(&sim, &fields));
    for name in [
        "first_name",
        "last_name",
        "title",
        "email",
        "organization_name",
        "account_id",
        "typed_custom_fields",
        "present_raw_address",
    ] {
        assert_eq!(contact[name], fields[name], "{name}");
    }
    assert_eq!(contact["account"]["id"], account.as_str());
    assert_eq!(contact["contact_emails"][0]["email"], "ines@x.example");
    assert_eq!(contact["label_ids"].as_array().map(Vec::len), Some(1));
}

#[test]
fn an_address_is_taken_apart() {
    let sim = sim(10);
    let id = contact(&sim, &json!({"first_name": "Ines"}));
    let parts = |line: &str| {
        change(&sim, &id, &json!({"present_raw_address": line}));
        let contact = shown(&sim, &id);
        let names = ["street_address", "city", "state", "postal_code", "country"];
        names.map(|name| contact[name].as_str().unwrap_or("-").to_owned())
    };
    for (line, expected) in [
        (
            "123 Main St, Austin, Texas, 78701, United States",
            ["123 Main St", "Austin", "Texas", "78701", "United States"],
        ),
        ("Austin, Texas", ["-", "Austin", "Texas", "-", "-"]),
        (
            "123 Main St, Austin, Texas, United States",
            ["123 Main St", "Austin", "Texas", "-", "United States"],
        ),
        (
            "Austin, Texas, 78701",
            ["-", "Austin", "Texas", "78701", "-"],
        ),
        ("", ["-", "-", "-", "-", "-"]),
    ] {
        assert_eq!(parts(line), expected, "{line}");
    }
    assert_eq!(shown(&sim, &id)["present_raw_address"], Value::Null);
}

#[test]
fn a_phone_number_replaces_the_one_of_its_kind_where_it_stood() {
    let sim = sim(10);
    let fields = json!({
        "direct_phone": "555-0101", "corporate_phone": "555-0102", "mobile_phone": "555-0103",
        "home_phone": "555-0104", "other_phone": "555-0105"
    });
    let id = contact(&sim, &fields);
    let written = shown(&sim, &id);
    assert_eq!(
        phones(&written),
        [
            ("home", "555-0104"),
            ("mobile", "555-0103"),
            ("other", "555-0105"),
            ("work_direct", "555-0101"),
            ("work_hq", "555-0102"),
        ]
    );
    change(&sim, &id, &fields);
    assert_eq!(shown(&sim, &id), written, "nothing has changed");
    change(
        &sim,
        &id,
        &json!({"mobile_phone": "555-0199", "home_phone": ""}),
    );
    let written = shown(&sim, &id);
    assert_eq!(
        phones(&written),
        [
            ("mobile", "555-0199"),
            ("other", "555-0105"),
            ("work_direct", "555-0101"),
            ("work_hq", "555-0102"),
        ]
    );
}

#[test]
fn an_empty_text_clears_a_field_and_what_is_not_sent_stays() {
    let sim = sim(40);
    let account = sim.read(0, |team| team.account_ids()[0].clone());
    let id = contact(
        &sim,
        &json!({
            "first_name": "Ines", "title": "Pilot", "email": "ines@x.example", "account_id": account,
            "typed_custom_fields": {"f1": "a", "f2": "b"}
        }),
    );
    let fields = json!({
        "title": "", "email": "", "account_id": "", "typed_custom_fields": {"f1": "", "f3": 3}
    });
    change(&sim, &id, &fields);
    let contact = shown(&sim, &id);
    assert_eq!(contact["first_name"], "Ines");
    for name in ["title", "email", "account_id", "account"] {
        assert_eq!(contact[name], Value::Null, "{name}");
    }
    assert_eq!(contact["contact_emails"], json!([]));
    assert_eq!(contact["typed_custom_fields"], json!({"f2": "b", "f3": 3}));
}

#[test]
fn an_account_is_shown_as_it_was_written() {
    let sim = sim(10);
    let owner = sim.read(0, |team| team.user_ids()[1].clone());
    let fields = json!({
        "name": "Heron Foods", "domain": "heron.example", "owner_id": owner, "phone": "415-555-0172",
        "typed_custom_fields": {"tier": "A"}
    });
    let created = post(&sim, "accounts", &fields).json()["account"].clone();
    let path = format!("accounts/{}", created["id"].as_str().expect("an id"));
    let account = get(&sim, &path).json()["account"].clone();
    for name in ["name", "domain", "owner_id", "phone", "typed_custom_fields"] {
        assert_eq!(account[name], fields[name], "{name}");
    }
    let fields = json!({"phone": "", "owner_id": "", "typed_custom_fields": {"size": 7}});
    assert_eq!(patch(&sim, &path, &fields).status, 200);
    let account = get(&sim, &path).json()["account"].clone();
    assert_eq!(
        (&account["phone"], &account["owner_id"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(
        account["typed_custom_fields"],
        json!({"tier": "A", "size": 7})
    );
    assert_eq!(account["domain"], "heron.example");
    let nobody = patch(&sim, &path, &json!({"owner_id": "nobody"}));
    assert_eq!(
        nobody.text(),
        r#"{"error":"Parameters misconfigured. nobody is not a valid ID"}"#
    );
}

#[test]
fn a_search_for_an_address_finds_everybody_at_the_domain_and_additional_addresses() {
    let sim = sim(60);
    let person =
        |first: &str, email: &str| contact(&sim, &json!({"first_name": first, "email": email}));
    let wanted = person("Ines", "ines.duarte@lagoon.example");
    let colleague = person("Abe", "abe@lagoon.example");
    let elsewhere = person("Jo", "jo@reef.example");
    let moved = person("Uma", "uma@reef.example");
    sim.edit(0, |team| {
        team.add_email(noon(), &moved, "ines.duarte@old.example")
    })
    .expect("a live contact");
    let body = json!({"q_keywords": "Ines.Duarte@lagoon.example", "per_page": 100});
    let answered = post(&sim, "contacts/search", &body).json();
    let found = crate::ids(&answered["contacts"]);
    for id in [&wanted, &colleague, &moved] {
        assert!(found.contains(id), "{id}");
    }
    assert!(!found.contains(&elsewhere));
    assert_eq!(found.len(), 3);
    assert_eq!(
        answered["breadcrumbs"][0]["signal_field_name"],
        "q_keywords"
    );
    let moved = shown(&sim, &moved);
    let addresses = moved["contact_emails"].as_array().expect("a list").iter();
    let addresses: Vec<&Value> = addresses.map(|address| &address["email"]).collect();
    assert_eq!(addresses, ["uma@reef.example", "ines.duarte@old.example"]);
}

#[test]
fn a_search_by_sequence_finds_its_members() {
    let sim = sim(200);
    let sequence = sim.edit(0, |team| team.create_sequence(noon(), "Spring"));
    let mut members = sim.read(0, |team| team.contact_ids()[..3].to_vec());
    for id in &members {
        sim.edit(0, |team| team.enrol(noon(), id, &sequence))
            .expect("a live contact");
    }
    let body = json!({"emailer_campaign_ids": [sequence]});
    let answered = post(&sim, "contacts/search", &body).json();
    let mut found = crate::ids(&answered["contacts"]);
    found.sort();
    members.sort();
    assert_eq!(found, members);
    let crumb = &answered["breadcrumbs"][0];
    assert_eq!(
        (
            &crumb["signal_field_name"],
            &crumb["value"],
            &crumb["display_name"]
        ),
        (
            &json!("emailer_campaign_ids"),
            &json!(sequence),
            &json!("Spring")
        )
    );
}
