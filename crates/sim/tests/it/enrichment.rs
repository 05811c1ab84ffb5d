//! Enrichment and the credits it costs.

use serde_json::{Value, json};
use syncline_sim::{SimReply, Simulator, Team};

use crate::{get, noon, post, sim};

const INSUFFICIENT: &str = "You have insufficient credits! <a href='https://app.apollo.io/#/settings/plans/upgrade' \
     aria-onclick='close_alert'>Upgrade your plan</a> to increase your number of lead credits.";

fn credits(sim: &Simulator) -> u64 {
    sim.read(0, Team::credits)
}

/// An account at `heron.example` with a contact.
fn cast(sim: &Simulator) -> (String, String) {
    sim.edit(0, |team| {
        let account = json!({"name": "Heron Foods", "domain": "heron.example"});
        let account = team.create_account(noon(), &account).expect("an account");
        let contact = json!({
            "first_name": "Ines", "last_name": "Duarte", "title": "Pilot", "email": "ines@heron.example",
            "account_id": account
        });
        let contact = team.create_contact(noon(), &contact).expect("a contact");
        (account, contact)
    })
}

fn matched(sim: &Simulator, email: &str) -> Value {
    let reply = post(sim, "people/match", &json!({"email": email}));
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()["person"].clone()
}

#[test]
fn a_known_person_is_matched_with_their_company_for_a_credit() {
    let sim = sim(10);
    let (_, contact) = cast(&sim);
    assert_eq!(credits(&sim), 100);
    let reply = post(
        &sim,
        "people/match",
        &json!({"email": "Ines@heron.example"}),
    );
    assert!(
        reply
            .text()
            .ends_with(r#""request_id":-5625285838247958000}"#)
    );
    let person = reply.json()["person"].clone();
    assert_eq!(
        (&person["name"], &person["title"], &person["contact_id"]),
        (&json!("Ines Duarte"), &json!("Pilot"), &json!(contact))
    );
    let company = &person["organization"];
    assert_eq!(
        (
            &company["name"],
            &company["primary_domain"],
            &company["website_url"]
        ),
        (
            &json!("Heron Foods"),
            &json!("heron.example"),
            &json!("http://www.heron.example")
        )
    );
    assert_eq!(person["organization_id"], company["id"]);
    assert!(company["industry"].is_string());
    assert!(company["estimated_num_employees"].is_u64() && company["annual_revenue"].is_u64());
    assert_eq!(credits(&sim), 99);
    let profile = get(&sim, "users/api_profile?include_credit_usage=true").json();
    assert_eq!(
        (
            &profile["num_credits_remaining"],
            &profile["num_lead_credits_used"]
        ),
        (&json!(99), &json!(1))
    );
}

#[test]
fn the_address_may_stand_in_the_query_and_be_an_additional_one() {
    let sim = sim(10);
    let (_, contact) = cast(&sim);
    sim.edit(0, |team| {
        team.add_email(noon(), &contact, "ines@post.example")
    })
    .expect("a live contact");
    let reply = post(&sim, "people/match?email=ines%40post.example", &json!({}));
    let person = &reply.json()["person"];
    assert_eq!(person["email"], "ines@post.example");
    assert_eq!(person["organization"]["name"], "Heron Foods");
}

#[test]
fn a_person_is_matched_by_id_by_profile_or_by_name_and_employer() {
    let sim = sim(10);
    let (_, contact) = cast(&sim);
    for clues in [
        json!({"id": contact}),
        json!({"name": "ines duarte", "domain": "heron.example"}),
        json!({"first_name": "Ines", "last_name": "Duarte", "domain": "heron.example"}),
        json!({"id": "66e34b81740c50074e3d1bd4", "email": "ines@heron.example"}),
    ] {
        let person = post(&sim, "people/match", &clues).json()["person"].clone();
        assert_eq!(person["contact_id"], json!(contact), "{clues}");
        assert_eq!(person["email"], "ines@heron.example", "{clues}");
    }
    for clues in [
        json!({}),
        json!({"name": "Ines Duarte"}),
        json!({"domain": "heron.example"}),
        json!({"name": "Ines Duarte", "domain": "other.example"}),
        json!({"id": "66e34b81740c50074e3d1bd4"}),
    ] {
        let person = post(&sim, "people/match", &clues).json()["person"].clone();
        assert_eq!(person["name"], "", "{clues}");
    }
    let contacts = sim.read(0, Team::contacts);
    let known = contacts
        .iter()
        .find(|contact| contact["linkedin_url"].is_string());
    let known = known.expect("a contact with a profile");
    let profile = known["linkedin_url"]
        .as_str()
        .unwrap()
        .replace("http://www.", "https://");
    let clues = json!({"linkedin_url": format!("{profile}/")});
    let person = post(&sim, "people/match", &clues).json()["person"].clone();
    assert_eq!(person["contact_id"], known["id"]);
}

#[test]
fn a_colleague_without_an_account_works_where_the_domain_says() {
    let sim = sim(10);
    cast(&sim);
    let add = |fields: Value| {
        sim.edit(0, |team| team.create_contact(noon(), &fields))
            .expect("a contact");
    };
    add(json!({"first_name": "Abe", "email": "abe@heron.example"}));
    add(json!({"first_name": "Jo", "email": "jo@reef.example", "organization_name": "Reef"}));
    add(json!({"first_name": "Uma", "email": "uma@shoal.example"}));
    assert_eq!(
        matched(&sim, "abe@heron.example")["organization"]["name"],
        "Heron Foods"
    );
    let by_name = matched(&sim, "jo@reef.example")["organization"].clone();
    assert_eq!(
        (
            &by_name["name"],
            &by_name["primary_domain"],
            &by_name["industry"]
        ),
        (&json!("Reef"), &json!("reef.example"), &Value::Null),
        "a company that is nobody's account is known by name only"
    );
    assert!(
        matched(&sim, "uma@shoal.example")
            .get("organization")
            .is_none()
    );
}

#[test]
fn a_stranger_is_200_with_nothing_but_the_address_and_costs_nothing() {
    let sim = sim(10);
    let person = matched(&sim, "nobody@x.example");
    assert_eq!(
        (&person["name"], &person["email"], &person["first_name"]),
        (&json!(""), &json!("nobody@x.example"), &Value::Null)
    );
    assert_eq!(person["revealed_for_current_team"], true);
    assert!(person.get("organization").is_none());
    assert_eq!(credits(&sim), 100);
}

#[test]
fn a_company_is_found_by_its_domain_for_a_credit() {
    let sim = sim(10);
    cast(&sim);
    let find = |domain: &str| get(&sim, &format!("organizations/enrich?domain={domain}")).json();
    let found = find("heron.example");
    assert_eq!(
        found["organization"],
        matched(&sim, "ines@heron.example")["organization"]
    );
    assert_eq!(credits(&sim), 98);
    assert_eq!(find("nowhere.example"), json!({"organization": null}));
    assert_eq!(credits(&sim), 98);
    let missing = get(&sim, "organizations/enrich");
    assert_eq!(
        (missing.status, missing.text().as_str()),
        (422, r#"{"error":"Required parameter 'domain' missing"}"#)
    );
}

#[test]
fn without_credits_nothing_is_told() {
    let sim = sim(10);
    cast(&sim);
    sim.edit(0, |team| team.set_credits(1));
    let ask = || -> [SimReply; 2] {
        [
            post(
                &sim,
                "people/match",
                &json!({"email": "ines@heron.example"}),
            ),
            get(&sim, "organizations/enrich?domain=heron.example"),
        ]
    };
    assert_eq!(matched(&sim, "ines@heron.example")["first_name"], "Ines");
    for reply in ask() {
        assert_eq!(
            (reply.status, &reply.json()["error"]),
            (422, &json!(INSUFFICIENT))
        );
    }
    sim.edit(0, |team| team.set_credits(5));
    assert!(ask().iter().all(|reply| reply.status == 200));
    assert_eq!(credits(&sim), 3);
}

#[test]
fn whoever_changed_or_was_added_or_deleted_is_found_as_they_are_now() {
    let sim = sim(10);
    let (_, contact) = cast(&sim);
    assert_eq!(matched(&sim, "ines@heron.example")["first_name"], "Ines");
    let change = json!({"email": "ines@reef.example", "first_name": "Inês"});
    let changed = sim.edit(0, |team| team.update_contact(noon(), &contact, &change));
    changed.expect("a live contact");
    assert_eq!(matched(&sim, "ines@heron.example")["name"], "");
    assert_eq!(matched(&sim, "ines@reef.example")["name"], "Inês Duarte");
    let namesake = json!({"first_name": "Ada", "email": "ines@reef.example"});
    let namesake = sim.edit(0, |team| team.create_contact(noon(), &namesake));
    namesake.expect("a contact");
    let first = matched(&sim, "ines@reef.example")["first_name"].clone();
    assert_eq!(first, "Inês", "the oldest, if there are several");
    let deleted = sim.edit(0, |team| team.delete_contact(&contact));
    deleted.expect("a live contact");
    assert_eq!(matched(&sim, "ines@reef.example")["first_name"], "Ada");
}
