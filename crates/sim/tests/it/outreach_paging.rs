//! Pages: cursors, links, sizes, counts, and rows that move meanwhile.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use serde_json::{Value, json};
use syncline_sim::{
    Action, BrokenCursor, DeepOffset, Fault, ListOrder, Match, SimRequest, Simulator, Team,
};

use crate::noon;
use crate::outreach_support::{
    TOKEN, error, get, get_at, id, ids, outreach, outreach_with, pages, request, walk,
};

fn updated(records: &[Value]) -> Vec<String> {
    let times = records.iter();
    times
        .map(|record| {
            record["attributes"]["updatedAt"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect()
}

/// What a link's cursor says.
fn cursor(link: &str) -> Value {
    let (_, text) = link.split_once("page%5Bafter%5D=").unwrap();
    let text = text.split('&').next().unwrap();
    let text = text
        .replace("%3D", "=")
        .replace("%2B", "+")
        .replace("%2F", "/");
    serde_json::from_slice(&STANDARD.decode(text).unwrap()).unwrap()
}

#[test]
fn a_quiet_walk_shows_every_record_once_in_any_order() {
    let sim = outreach(350);
    let truth: BTreeSet<String> = sim.read(0, |team| team.contact_ids().into_iter().collect());
    for sort in [
        "",
        "&sort=updatedAt",
        "&sort=-updatedAt",
        "&sort=lastName,-createdAt",
        "&sort=-id",
    ] {
        let pages = pages(&sim, &format!("prospects?page[size]=100{sort}"));
        let lengths: Vec<usize> = pages.iter().map(Vec::len).collect();
        assert_eq!(lengths, [100, 100, 100, 50], "{sort}");
        let seen = ids(&pages.concat());
        assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), truth, "{sort}");
    }
}

#[test]
fn a_page_has_fifty_records_unless_it_says_otherwise_and_at_most_a_thousand() {
    let sim = outreach(1_100);
    let length = |target: &str| get(&sim, target).json()["data"].as_array().unwrap().len();
    assert_eq!(length("prospects"), 50);
    assert_eq!(length("prospects?page[size]=0"), 1);
    assert_eq!(length("prospects?page[size]=5000"), 1_000);
    let strict = outreach_with(10, |options| {
        options.outreach.switches.page_size_refused = true;
    });
    for size in ["0", "1001", "many"] {
        let refused = get(&strict, &format!("prospects?page[size]={size}"));
        assert_eq!(refused.status, 422, "{size}");
    }
}

#[test]
fn links_keep_the_query_name_the_host_that_was_asked_and_leave_out_what_is_not_there() {
    let sim = outreach(130);
    let target = "prospects?sort=updatedAt&filter[updatedAt]=neginf..inf&page[size]=50";
    let asked = request("GET", target, None).header("host", "127.0.0.1:9911");
    let first = sim.respond(noon(), &asked).json()["links"].clone();
    assert!(first.get("prev").is_none());
    let next = first["next"].as_str().unwrap();
    assert!(next.starts_with("http://127.0.0.1:9911/api/v2/prospects?sort=updatedAt&"));
    assert!(next.contains("&filter%5BupdatedAt%5D=neginf..inf&page%5Bsize%5D=50&page%5Bafter%5D="));
    let follow = |link: &str| {
        let target = link.strip_prefix("http://127.0.0.1:9911").unwrap();
        let request = SimRequest::get(target).header("host", "127.0.0.1:9911");
        let bearer = format!("Bearer {TOKEN}");
        sim.respond(noon(), &request.header("authorization", &bearer))
            .json()
    };
    let second = follow(next);
    let third = follow(second["links"]["next"].as_str().unwrap());
    assert!(third["links"].get("next").is_none(), "absent, not null");
    let back = follow(third["links"]["prev"].as_str().unwrap());
    assert_eq!(back["data"], second["data"]);
    let start = follow(third["links"]["first"].as_str().unwrap());
    assert_eq!(start["links"], first);
}

#[test]
fn a_cursor_tells_the_sort_values_and_the_id_of_the_last_record() {
    let sim = outreach(60);
    let body = get(&sim, "prospects?sort=-updatedAt,firstName&page[size]=20").json();
    let last = &body["data"][19];
    let cursor = cursor(body["links"]["next"].as_str().unwrap());
    assert_eq!(cursor["cn"], "ApiV2::ProspectsController");
    assert_eq!(cursor["sp"], "-updatedAt,firstName");
    assert_eq!(cursor["sv"][0], last["attributes"]["updatedAt"]);
    assert_eq!((&cursor["id"], &cursor["v"]), (&last["id"], &json!(1)));
}

#[test]
fn equal_times_do_not_lose_records_between_pages() {
    let sim = outreach(240);
    for id in sim.read(0, Team::contact_ids) {
        let now = noon() + TimeDelta::milliseconds(id.parse::<i64>().unwrap() % 900);
        sim.edit(0, |team| team.log_call(now, &id)).unwrap();
    }
    let later = noon() + TimeDelta::seconds(5);
    let first = get_at(&sim, later, "prospects?sort=updatedAt&page[size]=70").json();
    let times = updated(first["data"].as_array().unwrap());
    assert!(times.iter().all(|time| time == "2026-02-16T12:00:00.000Z"));
    let seen = ids(&walk(&sim, "prospects?sort=updatedAt&page[size]=70"));
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 240);
    assert_eq!(seen.len(), 240);
}

#[test]
fn a_row_that_moves_during_a_walk_is_seen_again_ahead_and_no_other_is_missed() {
    let sim = outreach(200);
    let first = get(&sim, "prospects?sort=updatedAt&page[size]=50").json();
    let moved = id(&first["data"][10]);
    let now = noon() + TimeDelta::seconds(1);
    sim.edit(0, |team| team.log_call(now, &moved)).unwrap();
    let mut seen = ids(first["data"].as_array().unwrap());
    let next = crate::outreach_support::below_base(first["links"]["next"].as_str().unwrap());
    seen.extend(ids(&walk(&sim, &next)));
    assert_eq!(seen.iter().filter(|id| **id == moved).count(), 2);
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 200);
}

#[test]
fn a_deletion_during_a_walk_shifts_nothing() {
    let sim = outreach(120);
    let first = get(&sim, "prospects?page[size]=50").json();
    let gone = id(&first["data"][5]);
    sim.edit(0, |team| team.delete_contact(&gone)).unwrap();
    let next = crate::outreach_support::below_base(first["links"]["next"].as_str().unwrap());
    assert_eq!(walk(&sim, &next).len(), 70);
}

#[test]
fn the_count_is_null_unless_asked_for_or_zero() {
    let sim = outreach(70);
    let meta = |target: &str| get(&sim, target).json()["meta"].clone();
    assert_eq!(
        meta("prospects"),
        json!({"count": null, "count_truncated": false})
    );
    assert_eq!(
        meta("prospects?count=true"),
        json!({"count": 70, "count_truncated": false})
    );
    let nobody = get(&sim, "prospects?filter[emails]=nobody@x.example");
    assert_eq!(
        nobody.text(),
        r#"{"data":[],"meta":{"count":0,"count_truncated":false}}"#
    );
}

#[test]
fn a_broken_or_foreign_cursor_gets_what_is_switched() {
    let foreign = |sim: &Simulator| {
        let body = get(sim, "prospects?sort=updatedAt&page[size]=5").json();
        let next = body["links"]["next"].as_str().unwrap().to_owned();
        next.split_once("page%5Bafter%5D=").unwrap().1.to_owned()
    };
    for (broken, status) in [
        (BrokenCursor::BadRequest, 400),
        (BrokenCursor::FirstPage, 200),
        (BrokenCursor::ServerError, 500),
    ] {
        let sim = outreach_with(20, |options| {
            options.outreach.switches.broken_cursor = broken;
        });
        let cursor = foreign(&sim);
        let of = |target: &str| get(&sim, &format!("{target}page[after]={cursor}")).status;
        assert_eq!(of("prospects?sort=updatedAt&"), 200);
        assert_eq!(of("prospects?sort=createdAt&"), status);
        assert_eq!(of("accounts?sort=updatedAt&"), status);
        let garbage = get(&sim, "prospects?page[after]=garbage");
        assert_eq!(garbage.status, status);
        if status == 400 {
            assert_eq!(error(&garbage).1, "Invalid cursor.");
        }
    }
}

#[test]
fn offsets_reach_ten_thousand_and_their_links_have_a_last_page() {
    let sim = outreach(45);
    let body = get(&sim, "prospects?page[limit]=20&page[offset]=20").json();
    assert_eq!(body["data"].as_array().unwrap().len(), 20);
    let link = |name: &str| body["links"][name].as_str().unwrap().to_owned();
    assert!(link("next").ends_with("page%5Blimit%5D=20&page%5Boffset%5D=40"));
    assert!(link("prev").ends_with("page%5Boffset%5D=0"));
    assert!(link("last").ends_with("page%5Boffset%5D=40"));
    assert_eq!(get(&sim, "prospects?page[offset]=10001").status, 400);
    for (deep, status) in [
        (DeepOffset::Unprocessable, 422),
        (DeepOffset::EmptyPage, 200),
    ] {
        let sim = outreach_with(5, |options| options.outreach.switches.deep_offset = deep);
        let reply = get(&sim, "prospects?page[offset]=10001");
        assert_eq!(reply.status, status);
    }
}

#[test]
fn without_a_sort_the_order_is_by_id_or_as_switched() {
    let sim = outreach(80);
    let seen: Vec<u64> = ids(&walk(&sim, "prospects"))
        .iter()
        .map(|id| id.parse().unwrap())
        .collect();
    assert!(seen.is_sorted());
    let newest = outreach_with(80, |options| {
        options.outreach.switches.default_order = ListOrder::UpdatedDescending;
    });
    let times = updated(&walk(&newest, "prospects"));
    assert!(times.iter().rev().is_sorted());
    assert_eq!(times.len(), 80);
}

#[test]
fn lists_misbehave_as_seen_if_so_switched() {
    let sim = outreach_with(120, |options| options.outreach.switches.jitter = true);
    let times = updated(&walk(&sim, "prospects?sort=updatedAt&page[size]=40"));
    assert!(!times.is_sorted(), "rows out of order");
    let fresh = sim.edit(0, |team| team.invent_contact(noon()));
    let sees = |seconds: i64| {
        let now = noon() + TimeDelta::seconds(seconds);
        let body = get_at(&sim, now, "prospects?page[size]=1000").json();
        ids(body["data"].as_array().unwrap()).contains(&fresh)
    };
    assert_eq!((sees(1), sees(29), sees(30)), (false, false, true));
    assert_eq!(get(&sim, &format!("prospects/{fresh}")).status, 200);
    let bound = noon() - TimeDelta::seconds(20);
    let target = format!(
        "prospects?filter[updatedAt]=neginf..{}",
        bound.format("%Y-%m-%dT%H:%M:%SZ")
    );
    let above = walk(&sim, &format!("{target}&page[size]=1000"));
    assert!(ids(&above).contains(&fresh), "a row above the bound");
}

#[test]
fn large_pages_of_a_long_list_are_502_if_so_switched() {
    let sim = outreach_with(300, |options| {
        options.outreach.switches.bad_gateway_above = Some(250);
    });
    assert_eq!(get(&sim, "prospects?page[size]=1000").status, 502);
    assert_eq!(get(&sim, "prospects?page[size]=250").status, 200);
    assert_eq!(
        get(&sim, "users?page[size]=1000").status,
        200,
        "a short list"
    );
}

#[test]
fn ordered_faults_distort_pages() {
    let sim = outreach(100);
    let order = |action: Action| {
        sim.faults()
            .push(Fault::new(Match::path("prospects"), action));
    };
    let list = || get(&sim, "prospects?page[size]=40").json();
    let usual = ids(list()["data"].as_array().unwrap());
    order(Action::EmptyPage);
    let empty = list();
    assert_eq!(empty["data"], json!([]));
    assert!(empty["links"]["next"].is_string());
    order(Action::EmptyList);
    assert!(list().get("links").is_none());
    order(Action::HideRecords(vec![usual[3].clone()]));
    assert_eq!(list()["data"].as_array().unwrap().len(), 39);
    order(Action::InsertRecord("{\"type\":\"prospect\"}".to_owned()));
    assert_eq!(list()["data"].as_array().unwrap().len(), 41);
    order(Action::PageOf(7));
    assert_eq!(list()["data"].as_array().unwrap().len(), 7);
    order(Action::TurnedRound);
    let turned = ids(list()["data"].as_array().unwrap());
    let highest = sim.read(0, |team| team.contact_ids().pop().unwrap());
    assert_eq!(turned[0], highest);
    order(Action::Unordered);
    let mut unordered = ids(list()["data"].as_array().unwrap());
    assert_ne!(unordered, usual);
    unordered.sort_by_key(|id| id.parse::<u64>().unwrap());
    assert_eq!(unordered, usual);
    order(Action::EndlessPages);
    let whole = get(&sim, "prospects?page[size]=1000").json();
    assert!(whole["links"]["next"].is_string());
    order(Action::InvalidResponse);
    assert_eq!(get(&sim, "prospects").json(), Value::Null);
}
