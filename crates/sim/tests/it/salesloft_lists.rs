//! Lists: pages, filters, orders, and what they cost.

use std::collections::BTreeSet;

use chrono::{SecondsFormat, TimeDelta};
use serde_json::{Value, json};
use syncline_sim::{SimRequest, Simulator, TaskUpdates};

use crate::noon;
use crate::salesloft_support::{
    get, get_at, id, ids, page, records, salesloft, salesloft_with, text, time, walk,
};

#[test]
fn a_walk_by_page_numbers_shows_everybody_newest_change_first() {
    let sim = salesloft(130);
    let all = walk(&sim, "people");
    let truth: BTreeSet<String> = sim.read(0, |team| team.contact_ids().into_iter().collect());
    assert_eq!(ids(&all).into_iter().collect::<BTreeSet<_>>(), truth);
    assert!(all.is_sorted_by(|a, b| time(a, "updated_at") >= time(b, "updated_at")));
}

#[test]
fn pages_say_where_they_are_and_numbers_out_of_range_are_corrected() {
    let sim = salesloft(130);
    let (first, metadata) = page(&sim, "people");
    assert_eq!(first.len(), 25);
    assert_eq!(
        metadata,
        json!({
            "filtering": {},
            "paging": {"per_page": 25, "current_page": 1, "next_page": 2, "prev_page": null},
            "sorting": {"sort_by": "updated_at", "sort_direction": "DESC NULLS LAST"},
        })
    );
    let paging = |target: &str| page(&sim, target).1["paging"].clone();
    assert_eq!(paging("people?per_page=5000")["per_page"], 100);
    assert_eq!(paging("people?per_page=0&page=0")["per_page"], 1);
    let last = paging("people?per_page=100&page=2&include_paging_counts=true");
    assert_eq!(last["next_page"], json!(null));
    assert_eq!(
        (&last["total_pages"], &last["total_count"]),
        (&json!(2), &json!(130))
    );
    let (beyond, metadata) = page(&sim, "people?page=99");
    assert!(beyond.is_empty() && metadata["paging"]["next_page"].is_null());
}

#[test]
fn users_without_a_page_are_all_there_without_paging_unless_switched() {
    let sim = salesloft(10);
    let (shown, metadata) = page(&sim, "users?visible_only=false");
    assert_eq!(ids(&shown).len(), sim.read(0, |team| team.user_ids().len()));
    assert!(metadata.get("paging").is_none());
    let (visible, _) = page(&sim, "users");
    assert!(visible.len() < shown.len(), "the deactivated are hidden");
    assert!(visible.iter().all(|user| user["active"] == true));
    let (one, metadata) = page(&sim, "users?page=1&per_page=1&visible_only=false");
    assert_eq!(
        (one.len(), &metadata["paging"]["next_page"]),
        (1, &json!(2))
    );
    let switched = salesloft_with(10, |options| {
        options.salesloft.switches.unpaged_lists = false;
    });
    assert!(page(&switched, "users").1["paging"].is_object());
}

#[test]
fn changes_are_read_by_time_to_the_microsecond() {
    let sim = salesloft(120);
    let all = walk(&sim, "people?sort_by=updated_at&sort_direction=ASC");
    let border = time(&all[60], "updated_at");
    let text = border.to_rfc3339_opts(SecondsFormat::Micros, true);
    let after = walk(&sim, &format!("people?updated_at[gt]={text}"));
    assert_eq!(after.len(), 59);
    let from = format!("people?updated_at[gte]={text}&sort_by=updated_at&sort_direction=ASC");
    let (first, metadata) = page(&sim, &from);
    assert_eq!(id(&first[0]), id(&all[60]));
    assert_eq!(metadata["filtering"], json!({"updated_at": {"gte": text}}));
    let upto = walk(&sim, &format!("people?updated_at[lte]={text}"));
    let below = walk(&sim, &format!("people?updated_at[lt]={text}"));
    assert_eq!((upto.len(), below.len()), (61, 60));
    assert!(all.iter().any(|person| {
        !time(person, "updated_at")
            .timestamp_subsec_micros()
            .is_multiple_of(1_000)
    }));
}

#[test]
fn a_malformed_time_is_a_500_unless_switched_and_an_unknown_parameter_is_ignored() {
    let sim = salesloft(30);
    let broken = get(&sim, "people?updated_at[gt]=yesterday");
    assert_eq!(broken.status, 500);
    assert_eq!(
        broken.text(),
        r#"{"status":500,"error":"Internal Server Error"}"#
    );
    let (all, metadata) = page(&sim, "people?updatd_at[gt]=yesterday&cats=1");
    assert_eq!((all.len(), &metadata["filtering"]), (25, &json!({})));
    assert_eq!(get(&sim, "people?sort_by=shoe_size").status, 422);
    assert_eq!(get(&sim, "people?owner_id=ada").status, 422);
    let mild = salesloft_with(10, |options| {
        options.salesloft.switches.bad_time_unprocessable = true;
    });
    assert_eq!(get(&mild, "people?updated_at[gt]=yesterday").status, 422);
}

#[test]
fn records_are_found_by_ids_addresses_and_relations() {
    let sim = salesloft(200);
    let people = walk(&sim, "people");
    let (one, two) = (id(&people[3]), id(&people[8]));
    let (found, metadata) = page(
        &sim,
        &format!("people?ids[]={one}&ids[]={two}&ids[]=999999"),
    );
    assert_eq!(found.len(), 2, "the missing one is left out");
    assert_eq!(metadata["filtering"]["ids"][2], 999_999);
    let person = people
        .iter()
        .find(|person| person["email_address"].is_string())
        .unwrap();
    let address = text(person, "email_address").to_uppercase();
    let found = records(&sim, &format!("people?email_addresses[]={address}"));
    assert_eq!(ids(&found), [id(person)]);
    let secondary = people
        .iter()
        .find(|person| person["secondary_email_address"].is_string())
        .unwrap();
    let target = format!(
        "people?email_addresses[]={}",
        text(secondary, "secondary_email_address")
    );
    assert!(records(&sim, &target).is_empty());
    let wide = salesloft_with(200, |options| {
        options.salesloft.switches.email_filter_matches_all = true;
    });
    assert_eq!(ids(&records(&wide, &target)), [id(secondary)]);
    let nobody = records(&sim, "people?email_addresses[]=_is_null");
    assert!(!nobody.is_empty() && nobody.iter().all(|p| p["email_address"].is_null()));
    let person = people.iter().find(|person| person["account"].is_object());
    let account = person.unwrap()["account"]["id"].clone();
    let colleagues = walk(&sim, &format!("people?account_id={account}"));
    assert!(colleagues.iter().all(|p| p["account"]["id"] == account));
    let label = "people?custom_fields[Lead%20Source]=referral";
    let referred = records(&sim, label);
    assert!(
        referred
            .iter()
            .all(|p| p["custom_fields"]["Lead Source"] == "Referral")
    );
    assert!(!referred.is_empty());
}

#[test]
fn nulls_come_first_in_ascending_order_and_last_in_descending() {
    let sim = salesloft(80);
    for (direction, echo) in [("ASC", "ASC NULLS FIRST"), ("DESC", "DESC NULLS LAST")] {
        let target =
            format!("people?sort_by=last_contacted_at&sort_direction={direction}&per_page=100");
        let (people, metadata) = page(&sim, &target);
        assert_eq!(metadata["sorting"]["sort_direction"], echo);
        let first = people.first().unwrap()["last_contacted_at"].is_null();
        let last = people.last().unwrap()["last_contacted_at"].is_null();
        assert_eq!((first, last), (direction == "ASC", direction == "DESC"));
    }
}

#[test]
fn accounts_cadences_and_templates_have_filters_of_their_own() {
    let sim = salesloft(200);
    let account = walk(&sim, "accounts")[0].clone();
    let named = format!("accounts?name[]={}", text(&account, "name"));
    assert!(ids(&records(&sim, &named)).contains(&id(&account)));
    let lower = named.to_lowercase();
    assert!(records(&sim, &lower).is_empty(), "names mind case");
    let cadences = walk(&sim, "cadences");
    let archived = records(&sim, "cadences?archived=true");
    let addable = records(&sim, "cadences?people_addable=true");
    assert!(!archived.is_empty() && archived.len() + addable.len() < cadences.len());
    assert!(
        archived
            .iter()
            .all(|cadence| cadence["current_state"] == "archived")
    );
    let owner = cadences[0]["owner"]["id"].clone();
    let guid = get(&sim, &format!("users/{owner}")).json()["data"]["guid"].clone();
    let theirs = records(
        &sim,
        &format!("cadences?owned_by_guid[]={}", guid.as_str().unwrap()),
    );
    assert!(theirs.iter().all(|cadence| cadence["owner"]["id"] == owner));
    let cadence = id(&cadences[0]);
    let steps = records(&sim, &format!("steps?cadence_id={cadence}"));
    let emails = steps.iter().filter(|step| step["type"] == "email").count();
    let templates = records(&sim, &format!("email_templates?cadence_id={cadence}"));
    assert_eq!(templates.len(), emails);
}

#[test]
fn steps_and_users_ignore_a_filter_by_change() {
    let sim = salesloft(30);
    for list in ["steps", "users"] {
        let (all, metadata) = page(&sim, &format!("{list}?updated_at[gt]=2040-01-01T00:00:00Z"));
        assert!(!all.is_empty());
        assert_eq!(metadata["filtering"], json!({}));
    }
}

#[test]
fn tasks_take_an_undocumented_order_as_switched() {
    let target = "tasks?sort_by=updated_at&sort_direction=DESC&updated_at[gt]=2040-01-01T00:00:00Z";
    for (switch, expected) in [
        (TaskUpdates::Work, Some(0)),
        (TaskUpdates::Ignored, Some(10)),
        (TaskUpdates::Refused, None),
    ] {
        let sim = salesloft_with(200, |options| {
            options.salesloft.switches.task_updates = switch;
        });
        let reply = get(&sim, target);
        let length = reply.json()["data"].as_array().map(Vec::len);
        assert_eq!(length, expected, "{switch:?}");
    }
}

fn header(sim: &Simulator, target: &str, name: &str) -> String {
    let reply = get(sim, target);
    reply.header(name).unwrap_or_default().to_owned()
}

#[test]
fn deep_pages_cost_more_points() {
    let sim = salesloft(10);
    for (page, cost) in [(1, "1"), (101, "3"), (151, "8"), (251, "10"), (501, "30")] {
        let target = format!("people?page={page}");
        assert_eq!(header(&sim, &target, "x-ratelimit-endpoint-cost"), cost);
    }
    assert_eq!(header(&sim, "me", "x-ratelimit-limit-minute"), "600");
    assert_eq!(header(&sim, "me", "x-ratelimit-remaining-minute"), "546");
}

#[test]
fn points_are_the_teams_and_come_back_with_the_next_minute_of_the_clock() {
    let sim = salesloft(10);
    let late = noon() + TimeDelta::seconds(59);
    sim.edit(0, |team| team.spend_points(late, 598));
    let ask = |seconds: i64| get_at(&sim, noon() + TimeDelta::seconds(seconds), "me");
    assert_eq!((ask(59).status, ask(59).status), (200, 200));
    let refused = ask(59);
    assert_eq!(refused.status, 429);
    assert_eq!(refused.text(), r#"{"error":"API rate limit exceeded"}"#);
    assert_eq!(refused.header("retry-after"), None);
    assert_eq!(refused.header("x-ratelimit-remaining-minute"), Some("0"));
    assert_eq!(ask(60).status, 200);
}

#[test]
fn the_minute_rolls_and_the_limit_is_not_told_if_switched() {
    let sim = salesloft_with(10, |options| {
        options.salesloft.points_per_minute = 2;
        options.salesloft.switches.rolling_minute = true;
        options.salesloft.switches.limit_header = false;
    });
    let ask = |seconds: i64| get_at(&sim, noon() + TimeDelta::seconds(seconds), "me");
    assert_eq!(
        (ask(30).status, ask(40).status, ask(61).status),
        (200, 200, 429)
    );
    let reply = ask(90);
    assert_eq!((reply.status, ask(99).status), (200, 429));
    assert_eq!(reply.header("x-ratelimit-limit-minute"), None);
}

#[test]
fn another_applications_points_are_spent_through_the_back_door() {
    let sim = salesloft(10);
    let request = SimRequest::new(
        "POST".parse().unwrap(),
        "/_sim/spend_points?team=0&points=300",
    );
    assert_eq!(sim.respond(noon(), &request).status, 200);
    assert_eq!(header(&sim, "me", "x-ratelimit-remaining-minute"), "299");
}

#[test]
fn pages_from_the_five_hundredth_fail_if_switched() {
    let sim = salesloft_with(10, |options| {
        options.salesloft.switches.bad_gateway_from_page = Some(500);
    });
    assert_eq!(get(&sim, "people?page=499").status, 200);
    assert_eq!(get(&sim, "people?page=500").status, 502);
}

#[test]
fn a_bulk_edit_gives_many_people_one_time() {
    for (shared, times) in [(true, 1), (false, 40)] {
        let sim = salesloft_with(60, |options| {
            options.salesloft.switches.bulk_edits_share_time = shared;
        });
        let ids = sim.read(0, |team| team.contact_ids()[..40].to_vec());
        let fields = json!({"title": "Chief of bulk"});
        sim.edit(0, |team| team.bulk_update_contacts(noon(), &ids, &fields))
            .unwrap();
        let bulk = walk(&sim, "people?title=Chief%20of%20bulk");
        let seen: BTreeSet<_> = bulk.iter().map(|p| time(p, "updated_at")).collect();
        assert_eq!((bulk.len(), seen.len()), (40, times));
    }
}

#[test]
fn equal_times_do_not_lose_records_between_pages() {
    let sim = salesloft(300);
    let ids = sim.read(0, |team| team.contact_ids()[..250].to_vec());
    let fields = json!({"title": "Chief of bulk"});
    sim.edit(0, |team| team.bulk_update_contacts(noon(), &ids, &fields))
        .unwrap();
    let from = noon().to_rfc3339_opts(SecondsFormat::Micros, true);
    let target = format!("people?sort_by=updated_at&sort_direction=ASC&updated_at[gte]={from}");
    let seen = crate::salesloft_support::ids(&walk(&sim, &target));
    let truth: BTreeSet<String> = ids.into_iter().collect();
    assert_eq!(seen.len(), 250);
    assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), truth);
}

#[test]
fn whatever_a_team_does_to_people_and_memberships_moves_their_time_of_change() {
    let sim = salesloft(120);
    let before = sim.read(0, |team| (team.contacts(), team.states()));
    let edits = sim.edit(0, |team| team.random_edits(noon(), 7, 600));
    assert!(edits.states_changed > 0 && edits.enrolled > 0, "{edits:?}");
    let after = sim.read(0, |team| (team.contacts(), team.states()));
    let changed = after.0.iter().filter(|person| !before.0.contains(person));
    let mut changed: Vec<&Value> = changed.collect();
    let states = after.1.iter().filter(|state| !before.1.contains(state));
    changed.extend(states.map(|(_, state)| state));
    assert!(changed.len() > 100);
    for record in changed {
        assert!(time(record, "updated_at") >= noon(), "{record}");
    }
}
