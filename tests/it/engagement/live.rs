//! Lists and gets from the provider.

use macro_rules_attribute::apply;
use serde_json::{Value, json};

use super::{LISTS, ids, path};
use crate::{
    http::refused,
    support::{App, CUSTOMER, MASTER_KEY, on_both_databases},
};

#[apply(on_both_databases)]
async fn a_live_list_shows_what_the_tables_show(database: Database) {
    let app = App::synced(database, 60).await;
    for (list, _) in LISTS {
        let mut live = whole(&app, list, 7).await;
        let mut cached = app
            .all_records(&format!("{list}?include_deleted_data=true"))
            .await;
        for record in live.iter_mut().chain(&mut cached) {
            // The time at which the change was recorded, which only the tables have.
            record["last_modified_at"] = Value::Null;
            record["deleted_at"] = Value::Null;
        }
        let by_id = |record: &Value| record["id"].as_str().unwrap().to_owned();
        live.sort_by_key(by_id);
        assert_eq!(live, cached, "{list}");
    }
}

#[apply(on_both_databases)]
async fn a_live_list_needs_no_sync_and_shows_the_present(database: Database) {
    let app = App::with_contacts(database, 20).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    let now = app.now();
    let id = app.apollo.edit(0, |team| team.invent_contact(now));
    let page = app.get(&path("contacts?page_size=100")).await.ok();
    assert!(ids(&page).contains(&id));
    assert_eq!(page["pagination"]["total_count"], 21);
    let one = app
        .get(&path(&format!("contacts/{id}?include_raw_data=true")))
        .await
        .ok();
    assert_eq!(one["raw_data"]["id"], id);
}

#[apply(on_both_databases)]
async fn every_object_is_got_live_as_it_is_listed(database: Database) {
    let app = App::synced(database, 60).await;
    for (list, _) in LISTS {
        let listed = app.get(&path(&format!("{list}?page_size=100"))).await.ok();
        let listed = listed["records"]
            .as_array()
            .unwrap()
            .last()
            .unwrap()
            .clone();
        let got = app
            .get(&path(&format!("{list}/{}", listed["id"].as_str().unwrap())))
            .await
            .ok();
        for (field, value) in listed.as_object().unwrap() {
            assert_eq!(&got[field], value, "{list}.{field}");
        }
        assert!(got.get("raw_data").is_none(), "{list}");
    }
}

#[apply(on_both_databases)]
async fn pages_of_a_live_list_lead_back_too(database: Database) {
    let app = App::synced(database, 25).await;
    let first = app.get(&path("contacts?page_size=10")).await.ok();
    assert_eq!(first["pagination"]["previous"], Value::Null);
    let next = first["pagination"]["next"].as_str().unwrap();
    // The cursor keeps its page size.
    let second = app
        .get(&path(&format!("contacts?page_size=3&cursor={next}")))
        .await
        .ok();
    assert_eq!(ids(&second).len(), 10);
    let previous = second["pagination"]["previous"].as_str().unwrap();
    let back = app
        .get(&path(&format!("contacts?cursor={previous}")))
        .await
        .ok();
    assert_eq!(back["records"], first["records"]);
}

#[apply(on_both_databases)]
async fn what_a_live_list_can_not_do_is_refused_by_field(database: Database) {
    let app = App::synced(database, 5).await;
    let cached = app
        .get(&path("contacts?read_from_cache=true&page_size=2"))
        .await
        .ok();
    let cached = cached["pagination"]["next"].as_str().unwrap();
    let users = app.get(&path("users?page_size=1")).await.ok();
    let users = users["pagination"]["next"].as_str().unwrap();
    for (query, field) in [
        ("page_size=101", "page_size"),
        ("page_size=0", "page_size"),
        ("modified_after=2026-01-01T00:00:00Z", "modified_after"),
        (&format!("cursor={cached}"), "cursor"),
        (&format!("cursor={users}"), "cursor"),
        ("cursor=https://elsewhere.example/", "cursor"),
    ] {
        let answer = app.get(&path(&format!("contacts?{query}"))).await;
        assert_eq!(answer.error(), (400, "VALIDATION_ERROR", field), "{query}");
    }
    let answer = app
        .get(&path("contacts?modified_after=2026-01-01T00:00:00Z"))
        .await;
    assert!(refused(&answer, 400, "VALIDATION_ERROR").contains("read_from_cache=true"));
}

#[apply(on_both_databases)]
async fn a_live_sequence_has_its_steps_with_relative_intervals(database: Database) {
    let app = App::synced(database, 5).await;
    let id = app.apollo.read(0, |team| team.sequence_ids()[0].clone());
    let sequence = app.get(&path(&format!("sequences/{id}"))).await.ok();
    let steps = sequence["steps"].as_array().unwrap();
    assert_eq!(json!(steps.len()), sequence["num_steps"]);
    for (place, step) in steps.iter().enumerate() {
        assert_eq!(step["order"], place + 1);
        let wait = step["interval_seconds"].as_i64().unwrap();
        assert!((0..=30 * 86_400).contains(&wait), "{wait} is a sum");
        let sends = ["auto_email", "manual_email"].contains(&step["type"].as_str().unwrap());
        assert_eq!(step["template"]["subject"].is_string(), sends, "{step}");
        assert_eq!(step["template"]["body"].is_string(), sends, "{step}");
    }
    let cached = app
        .get(&path(&format!("sequences/{id}?read_from_cache=true")))
        .await
        .ok();
    assert!(cached.get("steps").is_none(), "the tables have none");
}

#[apply(on_both_databases)]
async fn a_live_read_costs_no_records_of_the_syncs(database: Database) {
    let app = App::synced(database, 60).await;
    let info = format!("/mgmt/v2/customers/{CUSTOMER}/connections/apollo/_rate_limit_info");
    let before = app.get(&info).await.ok();
    app.get(&path("contacts?page_size=60")).await.ok();
    let after = app.get(&info).await.ok();
    assert_eq!(before["records"], after["records"]);
}

/// All records of a live list, page by page.
async fn whole(app: &App, list: &str, size: usize) -> Vec<Value> {
    let mut records = Vec::new();
    let mut next = path(&format!("{list}?page_size={size}"));
    loop {
        let page = app.get(&next).await.ok();
        records.extend(page["records"].as_array().unwrap().iter().cloned());
        match page["pagination"]["next"].as_str() {
            Some(cursor) => next = path(&format!("{list}?cursor={cursor}")),
            None => return records,
        }
    }
}
