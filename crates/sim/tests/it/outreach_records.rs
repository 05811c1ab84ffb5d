//! What records look like, and what changes their time of change.

use chrono::TimeDelta;
use serde_json::{Value, json};
use syncline_sim::{StateKind, Team};

use crate::noon;
use crate::outreach_support::{get, get_at, id, outreach, outreach_with, walk};

fn has(record: &Value, attributes: &[&str], relationships: &[&str]) {
    for name in attributes {
        assert!(
            record["attributes"].get(name).is_some(),
            "{name} in {record}"
        );
    }
    for name in relationships {
        assert!(
            record["relationships"].get(name).is_some(),
            "{name} in {record}"
        );
    }
}

#[test]
fn a_prospect_carries_its_addresses_phones_custom_fields_and_open_states() {
    let sim = outreach(300);
    let prospects = walk(&sim, "prospects?page[size]=1000");
    let prospect = prospects.iter().find(|p| {
        let relationships = &p["relationships"];
        relationships["activeSequenceStates"]["meta"]["count"] == 1
            && relationships["emailAddresses"]["meta"]["count"] == 2
    });
    let prospect = prospect.unwrap();
    let number = id(prospect);
    assert_eq!(prospect["type"], "prospect");
    assert_eq!(
        prospect["links"]["self"],
        format!("https://api.outreach.io/api/v2/prospects/{number}")
    );
    has(
        prospect,
        &[
            "firstName",
            "name",
            "company",
            "custom1",
            "custom150",
            "contactHistogram",
            "tags",
            "addressStreet2",
            "trashedAt",
            "openCount",
            "timeZone",
        ],
        &["owner", "account", "stage", "creator"],
    );
    let contacts = prospect["attributes"]["emailContacts"].as_array().unwrap();
    assert_eq!(contacts[0]["prospect_id"], prospect["id"]);
    assert_eq!(contacts[0]["email"], prospect["attributes"]["emails"][0]);
    assert_eq!(
        (&contacts[0]["order"], &contacts[1]["order"]),
        (&json!(0), &json!(1))
    );
    let addresses = &prospect["relationships"]["emailAddresses"];
    assert_eq!(addresses["data"][0]["id"], contacts[0]["id"]);
    let open = &prospect["relationships"]["activeSequenceStates"];
    assert_eq!(open["data"][0]["type"], "sequenceState");
    assert_eq!(
        open["links"]["related"],
        format!(
            "https://api.outreach.io/api/v2/sequenceStates?filter%5Bprospect%5D%5Bid%5D={number}"
        )
    );
    let tasks = prospect["relationships"]["tasks"].as_object().unwrap();
    assert_eq!(tasks.keys().collect::<Vec<_>>(), ["links"]);
    let one = get(&sim, &format!("prospects/{number}")).json();
    assert_eq!(&one["data"], prospect);
}

#[test]
fn no_two_prospects_have_the_same_address() {
    let sim = outreach(2_000);
    let addresses = walk(&sim, "emailAddresses?page[size]=1000");
    let addresses = addresses
        .iter()
        .map(|a| a["attributes"]["email"].to_string());
    let mut seen = std::collections::BTreeSet::new();
    for address in addresses {
        assert!(seen.insert(address.clone()), "{address}");
    }
}

#[test]
fn the_histogram_goes_on_the_first_of_october_or_before_if_switched() {
    let sim = outreach(5);
    let october = noon() + TimeDelta::days(227);
    let has = |now| {
        get_at(&sim, now, "prospects").json()["data"][0]["attributes"]
            .get("contactHistogram")
            .is_some()
    };
    assert!(has(noon()));
    assert!(has(october - TimeDelta::days(1)));
    assert!(!has(october));
    let first = sim.read(0, |team| team.contact_ids()[0].clone());
    let record = get_at(&sim, october, "prospects?page[size]=1").text();
    let json = &record["{\"data\":[".len()..record.find("],\"meta\"").unwrap()];
    let print = sim.read(0, |team| team.fingerprint("contact", &first));
    assert_eq!(print, Some(syncline_sim::fingerprint_of(json.as_bytes())));
    let without = outreach_with(5, |options| options.outreach.switches.no_histogram = true);
    let record = &get(&without, "prospects").json()["data"][0];
    assert!(record["attributes"].get("contactHistogram").is_none());
}

#[test]
fn times_are_told_to_the_second() {
    let sim = outreach(30);
    let id = sim.read(0, |team| team.contact_ids()[0].clone());
    let now = noon() + TimeDelta::milliseconds(789);
    sim.edit(0, |team| team.log_call(now, &id)).unwrap();
    let record = get(&sim, &format!("prospects/{id}")).json();
    assert_eq!(
        record["data"]["attributes"]["updatedAt"],
        "2026-02-16T12:00:00.000Z"
    );
}

#[test]
fn a_state_names_everybody_and_everything_around_it() {
    let sim = outreach(200);
    let states = walk(&sim, "sequenceStates?page[size]=1000");
    let truth = sim.read(0, |team| team.counts().states);
    assert_eq!(states.len(), truth);
    let words = [
        "active", "paused", "pending", "finished", "failed", "bounced",
    ];
    for state in &states {
        has(
            state,
            &[
                "createdAt",
                "updatedAt",
                "stateChangedAt",
                "activeAt",
                "deliverCount",
                "pauseReason",
            ],
            &[
                "prospect",
                "sequence",
                "mailbox",
                "user",
                "creator",
                "account",
                "sequenceStep",
            ],
        );
        let word = state["attributes"]["state"].as_str().unwrap();
        assert!(words.contains(&word), "{word}");
    }
    let kept = sim.read(0, Team::states);
    let (prospect, shown) = &kept[0];
    assert_eq!(
        shown["relationships"]["prospect"]["data"]["id"].to_string(),
        *prospect
    );
}

#[test]
fn a_sequence_its_steps_and_their_templates_belong_together() {
    let sim = outreach(20);
    let sequence = &walk(&sim, "sequences")[0];
    has(
        sequence,
        &[
            "enabled",
            "locked",
            "shareType",
            "sequenceStepCount",
            "throttleMaxAddsPerDay",
            "openCount",
        ],
        &["owner", "creator", "sequenceSteps", "sequenceStates"],
    );
    let number = id(sequence);
    let steps = walk(
        &sim,
        &format!("sequenceSteps?filter[sequence][id]={number}&sort=order"),
    );
    assert_eq!(sequence["attributes"]["sequenceStepCount"], steps.len());
    let first = &steps[0]["attributes"];
    assert_eq!(
        (&first["order"], &first["stepType"]),
        (&json!(1), &json!("auto_email"))
    );
    assert_eq!(first["displayName"], "Step #1 (Auto Email)");
    assert_eq!(first["interval"], 1_800);
    let step = id(&steps[0]);
    let variant = &walk(
        &sim,
        &format!("sequenceTemplates?filter[sequenceStep][id]={step}"),
    )[0];
    assert_eq!(variant["attributes"]["isReply"], false);
    let template = id(&variant["relationships"]["template"]["data"]);
    let template = get(&sim, &format!("templates/{template}")).json();
    assert!(
        template["data"]["attributes"]["bodyText"]
            .as_str()
            .unwrap()
            .starts_with("Hi")
    );
    let minutes = outreach_with(20, |options| {
        options.outreach.switches.intervals_in_minutes = true;
    });
    let target = format!("sequenceSteps?filter[sequence][id]={number}&sort=order");
    assert_eq!(walk(&minutes, &target)[0]["attributes"]["interval"], 30);
}

#[test]
fn users_mailboxes_tasks_and_stages_have_their_attributes() {
    let sim = outreach(60);
    let users = walk(&sim, "users");
    assert_eq!(users.len(), 8);
    let locked: Vec<_> = users
        .iter()
        .filter(|u| u["attributes"]["locked"] == true)
        .collect();
    assert_eq!(locked.len(), 1, "nobody is deleted");
    let email = users[0]["attributes"]["email"].as_str().unwrap();
    let found = walk(&sim, &format!("users?filter[email]={email}"));
    assert_eq!(found, [users[0].clone()]);
    let mailboxes = walk(&sim, "mailboxes");
    has(
        &mailboxes[0],
        &["email", "userId", "sendDisabled"],
        &["user"],
    );
    let off = mailboxes
        .iter()
        .filter(|m| m["attributes"]["sendDisabled"] == true);
    assert_eq!(off.count(), 2);
    let tasks = walk(&sim, "tasks");
    has(
        &tasks[0],
        &["action", "dueAt", "state", "taskType"],
        &["owner", "subject", "prospect"],
    );
    let stages = walk(&sim, "stages?sort=order");
    assert!(stages[0]["attributes"]["name"].is_string());
}

#[test]
fn changes_move_the_time_of_change_of_what_they_change() {
    let sim = outreach(100);
    let now = noon() + TimeDelta::hours(1);
    let told = "2026-02-16T13:00:00.000Z";
    let updated = |target: &str| {
        let record = get(&sim, target).json();
        record["data"]["attributes"]["updatedAt"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let state = walk(&sim, "sequenceStates?filter[state]=active")[0].clone();
    let (prospect, sequence) = (
        id(&state["relationships"]["prospect"]["data"]),
        id(&state["relationships"]["sequence"]["data"]),
    );
    let before = updated(&format!("prospects/{prospect}"));
    sim.edit(0, |team| {
        team.set_state(
            now,
            &prospect,
            &sequence,
            StateKind::Finished,
            Some("replied"),
        )
    })
    .unwrap();
    let number = id(&state);
    assert_eq!(updated(&format!("sequenceStates/{number}")), told);
    assert_eq!(updated(&format!("prospects/{prospect}")), before);
    let shown = get(&sim, &format!("sequenceStates/{number}")).json()["data"]["attributes"].clone();
    assert_eq!(
        (&shown["state"], &shown["repliedAt"]),
        (&json!("finished"), &json!(told))
    );
    sim.edit(0, |team| team.log_email_activity(now, &prospect))
        .unwrap();
    assert_eq!(
        updated(&format!("prospects/{prospect}")),
        told,
        "an e-mail was opened"
    );
    sim.edit(0, |team| team.rename_sequence(&sequence, "Autumn"))
        .unwrap();
    assert_eq!(updated(&format!("sequences/{sequence}")), told);
    let user = sim.read(0, |team| team.user_ids()[4].clone());
    sim.edit(0, |team| team.lock_user(&user, true)).unwrap();
    assert_eq!(updated(&format!("users/{user}")), told);
}

#[test]
fn a_renamed_account_changes_its_prospects_company_and_not_their_time_of_change() {
    let sim = outreach(100);
    let prospects = walk(&sim, "prospects?page[size]=1000");
    let prospect = prospects
        .iter()
        .find(|p| p["relationships"]["account"]["data"].is_object());
    let prospect = prospect.unwrap();
    let account = id(&prospect["relationships"]["account"]["data"]);
    sim.edit(0, |team| {
        team.update_account(noon(), &account, &json!({"name": "Heron Foods"}))
    })
    .unwrap();
    let after =
        get(&sim, &format!("prospects/{}", id(prospect))).json()["data"]["attributes"].clone();
    assert_eq!(after["company"], "Heron Foods");
    assert_eq!(after["updatedAt"], prospect["attributes"]["updatedAt"]);
}

#[test]
fn fingerprints_and_odd_shapes_are_those_of_the_lists() {
    let sim = outreach(30);
    let record = get(&sim, "prospects?page[size]=1").text();
    let end = record.find("],\"meta\"").unwrap();
    let json = &record["{\"data\":[".len()..end];
    let first = sim.read(0, |team| team.contact_ids()[0].clone());
    let print = sim.read(0, |team| team.fingerprint("contact", &first));
    assert_eq!(print, Some(syncline_sim::fingerprint_of(json.as_bytes())));
    let odd = sim.edit(0, |team| {
        team.misshape("contact", &first, "/attributes/title", json!([1]))
    });
    assert!(odd);
    let body = get(&sim, "prospects?page[size]=1").json();
    assert_eq!(body["data"][0]["attributes"]["title"], json!([1]));
}
