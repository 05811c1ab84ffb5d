//! The shape of records.

use chrono::{TimeDelta, TimeZone as _, Utc};
use serde_json::{Value, json};
use syncline_sim::{DeletedCadence, SimRequest};

use crate::noon;
use crate::salesloft_support::{
    get, id, records, request, salesloft, salesloft_with, text, time, walk,
};

fn reference(plural: &str, id: &str) -> Value {
    let id: u64 = id.parse().unwrap();
    json!({"id": id, "_href": format!("https://api.salesloft.com/v2/{plural}/{id}")})
}

#[test]
fn times_are_eastern_with_microseconds_and_daylight_saving() {
    let sim = salesloft(10);
    let person = sim.read(0, |team| team.contact_ids()[0].clone());
    let shown = |year, month, day, hour, minute| {
        let at = Utc.with_ymd_and_hms(year, month, day, hour, minute, 0);
        let at = at.unwrap() + TimeDelta::microseconds(715);
        sim.edit(0, |team| team.log_call(at, &person)).unwrap();
        let people = sim.read(0, |team| team.contact(&person)).unwrap();
        text(&people, "updated_at").to_owned()
    };
    for (at, local) in [
        ((2026, 3, 8, 6, 59), "2026-03-08T01:59:00.000715-05:00"),
        ((2026, 3, 8, 7, 0), "2026-03-08T03:00:00.000715-04:00"),
        ((2026, 11, 1, 5, 30), "2026-11-01T01:30:00.000715-04:00"),
        ((2026, 11, 1, 6, 10), "2026-11-01T01:10:00.000715-05:00"),
    ] {
        let (year, month, day, hour, minute) = at;
        assert_eq!(shown(year, month, day, hour, minute), local);
    }
}

#[test]
fn a_person_has_references_counts_and_custom_fields_by_label() {
    let sim = salesloft(300);
    let people = walk(&sim, "people");
    let person = people
        .iter()
        .find(|p| {
            p["account"].is_object()
                && p["cadences"][0].is_object()
                && p["email_address"].is_string()
        })
        .unwrap();
    let owner = person["owner"]["id"].to_string();
    assert_eq!(person["owner"], reference("users", &owner));
    let cadence = person["cadences"][0]["id"].to_string();
    assert_eq!(person["cadences"][0], reference("cadences", &cadence));
    let full = format!(
        "\"{}\" <{}>",
        text(person, "display_name"),
        text(person, "email_address")
    );
    assert_eq!(person["full_email_address"], full);
    for name in [
        "emails_sent",
        "emails_viewed",
        "emails_clicked",
        "emails_replied_to",
        "emails_bounced",
        "calls",
    ] {
        assert!(person["counts"][name].is_u64(), "{name}");
    }
    assert!(
        people
            .iter()
            .any(|person| person["custom_fields"] == json!({}))
    );
    let single = get(&sim, &format!("people/{}", id(person))).json();
    assert_eq!(&single["data"], person);
    assert_eq!(
        get(&sim, &format!("people/{}.json", id(person))).status,
        200
    );
}

#[test]
fn an_account_has_counts_or_none_and_an_empty_list_of_relationships() {
    let sim = salesloft(40);
    let accounts = walk(&sim, "accounts");
    assert!(
        accounts
            .iter()
            .all(|account| account["user_relationships"] == json!([]))
    );
    assert!(
        accounts
            .iter()
            .any(|account| account["counts"]["people"].is_u64())
    );
    let lonely = sim.edit(0, |team| team.invent_account(noon()));
    let lonely = get(&sim, &format!("accounts/{lonely}")).json();
    assert!(lonely["data"]["counts"].is_null());
    let target = id(&accounts[0]);
    sim.edit(0, |team| team.archive_account(noon(), &target, true))
        .unwrap();
    let archived = records(&sim, "accounts?archived=true");
    assert_eq!((archived.len(), id(&archived[0])), (1, target));
    let domains = accounts
        .iter()
        .filter_map(|account| account["domain"].as_str());
    let mut domains: Vec<&str> = domains.collect();
    let all = domains.len();
    domains.sort_unstable();
    domains.dedup();
    assert_eq!(domains.len(), all, "no two accounts share a domain");
}

#[test]
fn the_caller_and_the_team_are_told() {
    let sim = salesloft(10);
    let me = get(&sim, "me").json()["data"].clone();
    let team = get(&sim, "team").json()["data"].clone();
    assert_eq!(me["team"], json!({"id": team["id"], "_href": "/v2/team"}));
    let role = if me["team_admin"] == true {
        "Admin"
    } else {
        "User"
    };
    assert_eq!(me["role"], json!({"id": role}));
    assert_eq!(text(&me, "guid").split('-').count(), 5);
    assert_eq!(id(&team), sim.read(0, |team| team.id().to_owned()));
}

#[test]
fn a_membership_stays_when_its_person_leaves_or_is_deleted() {
    let sim = salesloft(100);
    let on = records(
        &sim,
        "cadence_memberships?currently_on_cadence=true&per_page=100",
    );
    let (leaver, deleted) = (
        on[0].clone(),
        on.iter().find(|m| m["person"] != on[0]["person"]).unwrap(),
    );
    let person = |membership: &Value| membership["person"]["id"].to_string();
    let cadence = leaver["cadence"]["id"].to_string();
    sim.edit(0, |team| {
        team.unenrol(noon(), &person(&leaver), &cadence).unwrap();
        team.delete_contact(&person(deleted)).unwrap();
    });
    let read = |membership: &Value| {
        let target = format!("cadence_memberships/{}", id(membership));
        get(&sim, &target).json()["data"].clone()
    };
    let left = read(&leaver);
    assert_eq!(left["currently_on_cadence"], false);
    assert!(text(&left, "current_state").starts_with("removed"));
    assert_eq!(left["person_deleted"], false);
    let orphan = read(deleted);
    assert_eq!(
        (&orphan["person_deleted"], &orphan["currently_on_cadence"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(
        time(&orphan, "updated_at"),
        noon(),
        "which an incremental read sees"
    );
    assert_eq!(
        get(&sim, &format!("people/{}", person(deleted))).status,
        404
    );
    let again = sim.edit(0, |team| {
        let now = noon() + TimeDelta::hours(1);
        team.enrol(now, &person(&leaver), &cadence).unwrap()
    });
    assert_eq!(
        again,
        id(&leaver),
        "whoever comes back has the same membership"
    );
    let back = read(&leaver);
    assert_eq!(back["created_at"], leaver["created_at"]);
    assert!(time(&back, "added_at") > noon());
    assert_eq!(back["currently_on_cadence"], true);
}

#[test]
fn a_membership_is_made_after_the_person_was_added() {
    let sim = salesloft(60);
    let memberships = walk(&sim, "cadence_memberships");
    assert!(!memberships.is_empty());
    for membership in &memberships {
        assert!(time(membership, "created_at") > time(membership, "added_at"));
        let states = [
            "staged",
            "active",
            "scheduled",
            "completed",
            "removed",
            "removed_no_action",
        ];
        assert!(states.contains(&text(membership, "current_state")));
    }
}

#[test]
fn a_deleted_cadence_is_gone_and_its_memberships_stay_unless_switched() {
    for (shown, taken) in [(false, false), (true, true)] {
        let sim = salesloft_with(100, |options| {
            let switches = &mut options.salesloft.switches;
            switches.cadence_delete_takes_memberships = taken;
            if shown {
                switches.deleted_cadence = DeletedCadence::Shown;
            }
        });
        let membership = records(&sim, "cadence_memberships")[0].clone();
        let cadence = membership["cadence"]["id"].to_string();
        sim.edit(0, |team| team.delete_sequence(&cadence)).unwrap();
        assert!(records(&sim, &format!("cadences?ids[]={cadence}")).is_empty());
        let read = get(&sim, &format!("cadences/{cadence}"));
        assert_eq!(read.status, if shown { 200 } else { 404 });
        if shown {
            assert_eq!(read.json()["data"]["current_state"], "deleted");
        }
        let left = records(&sim, &format!("cadence_memberships?cadence_id={cadence}"));
        assert_eq!(left.is_empty(), taken);
    }
}

#[test]
fn a_step_has_a_day_from_the_start_and_leads_to_its_template() {
    let sim = salesloft(10);
    let cadence = id(&walk(&sim, "cadences")[0]);
    let target = format!("steps?cadence_id={cadence}&sort_by=created_at&sort_direction=ASC");
    let steps = records(&sim, &target);
    let days: Vec<u64> = steps
        .iter()
        .map(|step| step["day"].as_u64().unwrap())
        .collect();
    assert!(days[0] == 1 && days.is_sorted(), "{days:?}");
    assert_eq!(steps[0]["display_name"], "Day 1: Step 1 - Email");
    let details = text(&steps[0]["details"], "_href");
    let details = details
        .strip_prefix("https://api.salesloft.com/v2/")
        .unwrap();
    let details = get(&sim, details).json()["data"].clone();
    let template = details["email_template"]["id"].to_string();
    let template = get(&sim, &format!("email_templates/{template}")).json();
    assert!(text(&template["data"], "body").contains("{{first_name}}"));
}

#[test]
fn tasks_are_due_on_days_and_fields_and_stages_are_listed() {
    let sim = salesloft(200);
    let tasks = records(&sim, "tasks?per_page=100");
    assert!(tasks.iter().all(|task| task["due_at"].is_null()));
    assert!(tasks.is_sorted_by(|a, b| text(a, "due_date") <= text(b, "due_date")));
    assert!(tasks.iter().all(|task| text(task, "due_date").len() == 10));
    let fields = records(&sim, "custom_fields");
    let source = fields
        .iter()
        .find(|field| field["name"] == "Lead Source")
        .unwrap();
    assert_eq!(source["field_type"], "person");
    let stages = records(&sim, "person_stages");
    assert_eq!(stages.len(), 9);
    let actions = records(&sim, "actions");
    assert!(actions.iter().all(|action| action["step"].is_object()));
}

#[test]
fn hidden_people_are_not_found_and_the_ledger_counts_by_team() {
    let sim = salesloft(20);
    let hidden = sim.read(0, |team| team.contact_ids()[0].clone());
    sim.edit(0, |team| team.hide_contact(&hidden)).unwrap();
    assert_eq!(walk(&sim, "people").len(), 19);
    assert_eq!(get(&sim, &format!("people/{hidden}")).status, 404);
    let exchange = sim.ledger().requests().pop().unwrap();
    assert_eq!((exchange.action, exchange.team), ("people/get", Some(0)));
    let seed = sim.respond(noon(), &SimRequest::get("/_sim/world"));
    assert_eq!(seed.status, 200);
    assert_eq!(
        sim.respond(noon(), &request("GET", "people?page=3", None))
            .status,
        200
    );
    assert_eq!(sim.ledger().requests().pop().unwrap().page, Some(3));
}

#[test]
fn counters_move_the_time_of_change_unless_switched() {
    for (moves, expected) in [(true, 1), (false, 0)] {
        let sim = salesloft_with(20, |options| {
            options.salesloft.switches.counters_touch_people = moves;
        });
        let person = sim.read(0, |team| team.contact_ids()[0].clone());
        sim.edit(0, |team| team.log_email_activity(noon(), &person))
            .unwrap();
        let after = noon().to_rfc3339().replace('+', "%2B");
        let changed = records(&sim, &format!("people?updated_at[gte]={after}"));
        assert_eq!(changed.len(), expected);
    }
}
