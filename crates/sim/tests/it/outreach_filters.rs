//! Filters, sorts, sparse fields and what is included.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use syncline_sim::Simulator;

use crate::noon;
use crate::outreach_support::{error, get, id, ids, outreach, outreach_with, walk};

fn attribute(record: &Value, name: &str) -> String {
    record["attributes"][name]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

fn related(record: &Value, name: &str) -> Option<String> {
    let id = &record["relationships"][name]["data"]["id"];
    id.as_u64().map(|id| id.to_string())
}

fn text(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%S.000Z").to_string()
}

/// Three prospects changed one second apart.
fn three_seconds(sim: &Simulator) -> Vec<String> {
    let some = sim.read(0, |team| team.contact_ids()[..3].to_vec());
    for (seconds, id) in (0..).zip(&some) {
        let now = noon() + TimeDelta::seconds(seconds);
        sim.edit(0, |team| team.log_call(now, id)).unwrap();
    }
    some
}

#[test]
fn ranges_of_the_older_notation_include_both_ends() {
    let sim = outreach(100);
    let some = three_seconds(&sim);
    let (from, to) = (text(noon()), text(noon() + TimeDelta::seconds(1)));
    let seen = |range: &str| {
        let target = format!("prospects?filter[updatedAt]={range}&sort=updatedAt");
        ids(&walk(&sim, &target))
    };
    assert_eq!(seen(&format!("{from}..{to}")), some[..2]);
    assert_eq!(seen(&format!("{from}..inf")), some);
    assert_eq!(seen(&format!("neginf..{to}")).len(), 99);
    assert_eq!(seen("neginf..inf").len(), 100);
}

#[test]
fn ranges_of_the_newer_notation_need_its_flag_and_may_leave_out_their_ends() {
    let sim = outreach(100);
    let some = three_seconds(&sim);
    let bounds = |lower: &str, upper: &str| {
        let (from, to) = (text(noon()), text(noon() + TimeDelta::seconds(2)));
        format!("filter[updatedAt][{lower}]={from}&filter[updatedAt][{upper}]={to}")
    };
    let seen = |bounds: String| {
        ids(&walk(
            &sim,
            &format!("prospects?newFilterSyntax=true&sort=updatedAt&{bounds}"),
        ))
    };
    assert_eq!(seen(bounds("gte", "lte")), some);
    assert_eq!(seen(bounds("gt", "lte")), some[1..]);
    assert_eq!(seen(bounds("gte", "lt")), some[..2]);
    assert_eq!(seen(bounds("gt", "lt")), some[1..2]);
    let whole = format!(
        "filter[updatedAt][gte]={}",
        noon().format("%Y-%m-%dT%H:%M:%SZ")
    );
    assert_eq!(seen(whole), some);
    let without = get(&sim, &format!("prospects?{}", bounds("gte", "lte")));
    assert_eq!(without.status, 422);
}

#[test]
fn ids_can_be_listed_in_either_notation() {
    let sim = outreach(50);
    let some = sim.read(0, |team| team.contact_ids()[10..13].to_vec());
    let old = format!("prospects?filter[id]={}", some.join(","));
    assert_eq!(ids(&walk(&sim, &old)), some);
    let new: Vec<String> = some.iter().map(|id| format!("filter[id][]={id}")).collect();
    let new = format!("prospects?newFilterSyntax=true&{}", new.join("&"));
    assert_eq!(ids(&walk(&sim, &new)), some);
}

#[test]
fn addresses_are_found_whatever_their_case_and_any_of_several_will_do() {
    let sim = outreach(50);
    let now = noon();
    let (ada, grace) = sim.edit(0, |team| {
        let mut make = |email: &str| team.create_contact(now, &json!({"email": email})).unwrap();
        (make("Ada+x@Lovelace.example"), make("grace@hopper.example"))
    });
    let seen = |emails: &str| ids(&walk(&sim, &format!("prospects?filter[emails]={emails}")));
    assert_eq!(seen("ada%2Bx@lovelace.example"), std::slice::from_ref(&ada));
    assert_eq!(
        seen("GRACE@hopper.example,ada%2Bx@lovelace.example"),
        [ada.clone(), grace]
    );
    assert!(seen("ada").is_empty(), "the whole address");
    let address = get(
        &sim,
        "emailAddresses?filter[email]=ada%2Bx@lovelace.example",
    )
    .json();
    assert_eq!(related(&address["data"][0], "prospect"), Some(ada));
}

#[test]
fn text_is_compared_without_its_case_unless_switched() {
    for mind in [false, true] {
        let sim = outreach_with(20, |options| {
            options.outreach.switches.filters_mind_case = mind;
        });
        let account = sim
            .edit(0, |team| {
                team.create_account(
                    noon(),
                    &json!({"name": "Heron, Inc", "domain": "h.example"}),
                )
            })
            .unwrap();
        let seen = |filter: &str| ids(&walk(&sim, &format!("accounts?{filter}")));
        assert_eq!(
            seen("filter[name]=Heron, Inc"),
            std::slice::from_ref(&account)
        );
        assert_eq!(seen("filter[name]=HERON, inc").is_empty(), mind);
        assert_eq!(seen("filter[domain]=h.example"), [account]);
        assert!(seen("filter[name]=Heron").is_empty(), "the whole name");
    }
}

#[test]
fn words_are_found_by_their_beginning_in_accounts_and_prospects() {
    let sim = outreach(40);
    let ada = sim
        .edit(0, |team| {
            team.create_contact(
                noon(),
                &json!({"first_name": "Zebulonia", "email": "zeb@q.example"}),
            )
        })
        .unwrap();
    assert_eq!(ids(&walk(&sim, "prospects?filter[q]=zebul")), [ada]);
    assert_eq!(get(&sim, "sequences?filter[q]=a").status, 422);
}

#[test]
fn relationships_are_filtered_by_id_and_by_the_attributes_that_are_allowed() {
    let sim = outreach(200);
    let states = walk(&sim, "sequenceStates?page[size]=1000");
    let sequence = related(&states[0], "sequence").unwrap();
    let prospect = related(&states[0], "prospect").unwrap();
    let of = |target: &str| walk(&sim, &format!("{target}&page[size]=1000"));
    let in_sequence = of(&format!("sequenceStates?filter[sequence][id]={sequence}"));
    let expected = states
        .iter()
        .filter(|s| related(s, "sequence").as_ref() == Some(&sequence));
    assert_eq!(
        ids(&in_sequence),
        ids(&expected.cloned().collect::<Vec<_>>())
    );
    let theirs = of(&format!("sequenceStates?filter[prospect][id]={prospect}"));
    assert!(
        theirs
            .iter()
            .all(|s| related(s, "prospect").as_ref() == Some(&prospect))
    );
    let active = of("prospects?filter[activeSequenceStates][state]=active");
    assert!(!active.is_empty());
    let name = get(&sim, &format!("sequences/{sequence}")).json();
    let name = attribute(&name["data"], "name").replace('&', "%26");
    let by_name = of(&format!("sequenceStates?filter[sequence][name]={name}"));
    assert_eq!(ids(&by_name), ids(&in_sequence));
    let refused = get(&sim, "sequenceStates?filter[prospect][firstName]=Ada");
    assert_eq!(
        (refused.status, error(&refused).0.as_str()),
        (422, "validationError")
    );
    let steps = walk(&sim, "sequenceSteps?page[size]=1000");
    let (one, two) = (id(&steps[0]), id(&steps[2]));
    let templates = of(&format!(
        "sequenceTemplates?filter[sequenceStep][id]={one},{two}"
    ));
    let found = templates
        .iter()
        .map(|t| related(t, "sequenceStep").unwrap());
    assert!(found.clone().all(|step| step == one || step == two));
    assert!(found.count() > 0);
}

#[test]
fn presence_can_be_filtered_by() {
    let sim = outreach(100);
    let count = |filter: &str| walk(&sim, &format!("accounts?filter[domain]={filter}")).len();
    let all = walk(&sim, "accounts").len();
    let (with, without) = (count("__notnull__"), count("__null__"));
    assert_eq!(with + without, all);
    assert!(without > 0);
}

#[test]
fn other_attributes_can_be_neither_filtered_nor_sorted_by() {
    let sim = outreach(20);
    for target in [
        "prospects?filter[middleName]=x",
        "prospects?filter[owner][email]=x",
        "sequenceTemplates?filter[updatedAt]=neginf..inf",
        "prospects?sort=emails",
        "prospects?sort=updatedAt,cats",
        "prospects?filter[updatedAt]=yesterday..inf",
        "prospects?filter[id]=cat",
    ] {
        let refused = get(&sim, target);
        assert_eq!(
            (refused.status, error(&refused).0.as_str()),
            (422, "validationError"),
            "{target}"
        );
    }
    let mild = outreach_with(20, |options| {
        options.outreach.switches.unknown_filters_ignored = true;
    });
    assert_eq!(walk(&mild, "prospects?filter[middleName]=x").len(), 20);
}

#[test]
fn sparse_fields_leave_only_what_is_listed() {
    let sim = outreach(20);
    let body = get(&sim, "prospects?fields[prospect]=firstName,emails,owner").json();
    let record = &body["data"][0];
    let keys = |part: &str| {
        let members = record[part].as_object().unwrap();
        members.keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(keys("attributes"), ["emails", "firstName"]);
    assert_eq!(keys("relationships"), ["owner"]);
    let one = get(
        &sim,
        &format!("prospects/{}?fields[prospect]=title", id(record)),
    )
    .json();
    assert_eq!(one["data"]["attributes"].as_object().unwrap().len(), 1);
}

#[test]
fn related_records_come_along_once_each() {
    let sim = outreach(100);
    let body = get(&sim, "prospects?include=account,owner&page[size]=100").json();
    let included = body["included"].as_array().unwrap();
    let kinds: std::collections::BTreeSet<_> = included
        .iter()
        .map(|r| r["type"].as_str().unwrap())
        .collect();
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), ["account", "user"]);
    let keys: std::collections::BTreeSet<_> = included
        .iter()
        .map(|r| (r["type"].to_string(), id(r)))
        .collect();
    assert_eq!(keys.len(), included.len());
    assert_eq!(get(&sim, "prospects?include=cats").status, 422);
    assert!(get(&sim, "prospects").json().get("included").is_none());
}

#[test]
fn everybody_can_be_read_by_what_changed_except_templates_of_steps() {
    let sim = outreach(60);
    for target in [
        "users",
        "prospects",
        "accounts",
        "sequences",
        "sequenceStates",
        "sequenceSteps",
        "templates",
        "mailboxes",
        "emailAddresses",
        "phoneNumbers",
        "tasks",
        "stages",
    ] {
        let all = walk(&sim, &format!("{target}?sort=updatedAt&page[size]=1000"));
        assert!(!all.is_empty(), "{target}");
        let times: Vec<String> = all.iter().map(|r| attribute(r, "updatedAt")).collect();
        assert!(times.is_sorted(), "{target}");
        let bound = &times[times.len() / 2];
        let newer = walk(
            &sim,
            &format!("{target}?filter[updatedAt]={bound}..inf&page[size]=1000"),
        );
        let expected = times.iter().filter(|time| *time >= bound).count();
        assert_eq!(newer.len(), expected, "{target}");
    }
}
