//! Lists of records, page by page.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use serde_json::{Value, json};

use super::{
    LISTS,
    gets::{delete, id},
};
use crate::{
    engine::evidence::{contact_ids, delete_contacts},
    support::{App, CUSTOMER, on_both_databases},
};

const CONTACTS: &str = "/engagement/v2/contacts?read_from_cache=true";

#[apply(on_both_databases)]
async fn a_page_of_large_records_ends_early_and_the_next_goes_on(database: Database) {
    let app = App::synced(database, 12).await;
    let raw = if app.database.is_postgres {
        "jsonb_build_object('long', repeat('n', 3000000))"
    } else {
        "json_object('long', hex(zeroblob(1500000)))"
    };
    app.database
        .execute(&format!("UPDATE engagement_contacts SET raw_data = {raw}"))
        .await;
    let list = "contacts?include_raw_data=true";
    let path = format!("/engagement/v2/{list}&read_from_cache=true&page_size=100");
    let first = app.get(&path).await.ok();
    assert_eq!(first["pagination"]["total_count"], 12);
    let shown = first["records"].as_array().unwrap().len();
    assert!((1..12).contains(&shown), "{shown}");
    let all = app.all_records(list).await;
    let ids: std::collections::BTreeSet<_> = all.iter().map(|it| it["id"].to_string()).collect();
    assert_eq!((all.len(), ids.len()), (12, 12));
    let whole = app.all_records("contacts").await;
    assert_eq!(whole.len(), 12);
}

#[apply(on_both_databases)]
async fn a_page_has_10_records_unless_asked_and_1000_at_most(database: Database) {
    let app = App::synced(database, 1010).await;
    for (query, size) in [("", 10), ("&page_size=1", 1), ("&page_size=1000", 1000)] {
        let page = app.get(&format!("{CONTACTS}{query}")).await.ok();
        assert_eq!(records(&page).len(), size, "{query}");
        assert_eq!(page["pagination"]["total_count"], 1010);
        assert_eq!(page["pagination"]["previous"], Value::Null);
        assert!(page["pagination"]["next"].is_string());
    }
}

#[apply(on_both_databases)]
async fn pages_lead_forward_and_back_in_the_order_of_ids(database: Database) {
    let app = App::synced(database, 45).await;
    for (list, _) in LISTS {
        let whole = app.all_records(list).await;
        for size in [1, 7, 10] {
            let path = format!("/engagement/v2/{list}?read_from_cache=true&page_size={size}");
            let (forward, backward) = walk(&app, &path).await;
            assert_eq!(forward, whole, "{list} {size}");
            assert_eq!(backward, whole, "{list} {size}");
        }
        let ids: Vec<_> = whole.iter().map(id).collect();
        assert!(ids.is_sorted(), "{list}");
    }
}

#[apply(on_both_databases)]
async fn writes_between_pages_neither_skip_nor_repeat_a_row(database: Database) {
    let app = App::synced(database, 100).await;
    let before: BTreeSet<_> = app.all_records("contacts").await.iter().map(id).collect();
    let mut seen = Vec::new();
    let mut path = format!("{CONTACTS}&page_size=9");
    for round in 0.. {
        let page = app.get(&path).await.ok();
        seen.extend(records(&page).iter().map(id));
        let Some(next) = page["pagination"]["next"].as_str() else {
            break;
        };
        path = format!("{CONTACTS}&page_size=9&cursor={next}");
        let now = app.now();
        app.apollo.edit(0, |team| {
            for _ in 0..3 {
                team.invent_contact(now);
            }
            let change = team.contact_ids()[round * 5].clone();
            team.update_contact(now, &change, &json!({"title": format!("Title {round}")}))
                .unwrap();
        });
        app.after(TimeDelta::hours(1)).await;
    }
    let distinct: BTreeSet<_> = seen.iter().cloned().collect();
    assert_eq!(distinct.len(), seen.len(), "a row was shown twice");
    assert!(distinct.is_superset(&before), "a row was skipped");
}

#[apply(on_both_databases)]
async fn raw_data_is_shown_only_on_request(database: Database) {
    let app = App::synced(database, 20).await;
    for (list, _) in LISTS {
        for (query, shown) in [
            ("", false),
            ("?include_raw_data=false", false),
            ("?include_raw_data=true", true),
        ] {
            for record in app.all_records(&format!("{list}{query}")).await {
                assert_eq!(record.get("raw_data").is_some(), shown, "{list}{query}");
            }
        }
    }
}

#[apply(on_both_databases)]
async fn a_list_shows_each_record_as_it_is_shown_alone(database: Database) {
    let app = App::synced(database, 20).await;
    let odd = "\"\\ \n\t\u{1} \u{2028} 😀 ''";
    let odd = format!("UPDATE engagement_contacts SET first_name = '{odd}', account_id = NULL");
    app.database.execute(&odd).await;
    let gone = id(&app.all_records("contacts").await[4]);
    delete(&app, "contacts", &gone).await;
    for (list, _) in LISTS {
        let listed = app
            .all_records(&format!(
                "{list}?include_raw_data=true&include_deleted_data=true"
            ))
            .await;
        assert!(!listed.is_empty(), "{list}");
        for record in listed {
            let path = format!(
                "/engagement/v2/{list}/{}?read_from_cache=true&include_raw_data=true",
                id(&record)
            );
            assert_eq!(record, app.get(&path).await.ok(), "{list}");
        }
    }
}

#[apply(on_both_databases)]
async fn the_number_of_rows_is_right_after_each_change(database: Database) {
    let app = App::synced(database, 20).await;
    let total = async || app.get(CONTACTS).await.ok()["pagination"]["total_count"].clone();
    assert_eq!(total().await, 20);
    let record = json!({"record": {
        "first_name": "Ines", "last_name": "Heron",
        "email_addresses": [{"email_address": "ines@heron.example", "email_address_type": "primary"}],
    }});
    app.post("/engagement/v2/contacts", record).await.ok();
    assert_eq!(total().await, 21, "one was created");
    let path = format!("/mgmt/v2/customers/{CUSTOMER}/records?email=ines@heron.example");
    app.delete(&path).await.ok();
    assert_eq!(total().await, 20, "it was erased");
    let gone = contact_ids(&app)[3..6].to_vec();
    delete_contacts(&app, &gone);
    app.after(TimeDelta::hours(1)).await;
    assert_eq!(
        total().await,
        18,
        "a sync found three deleted, and the one that is still at the provider"
    );
}

#[apply(on_both_databases)]
async fn deleted_rows_are_shown_only_on_request(database: Database) {
    let app = App::synced(database, 20).await;
    let gone = id(&app.all_records("contacts").await[4]);
    delete(&app, "contacts", &gone).await;
    let live = app.all_records("contacts").await;
    assert_eq!(live.len(), 19);
    assert!(live.iter().all(|record| id(record) != gone));
    let all = app.all_records("contacts?include_deleted_data=true").await;
    assert_eq!(all.len(), 20);
    assert_eq!(
        all.iter().find(|record| id(record) == gone).unwrap()["is_deleted"],
        true
    );
    let page = app
        .get(&format!("{CONTACTS}&include_deleted_data=false"))
        .await
        .ok();
    assert_eq!(page["pagination"]["total_count"], 19);
}

pub(super) fn records(page: &Value) -> &Vec<Value> {
    page["records"].as_array().unwrap()
}

/// Reads the list to its end, and from there back to its start.
async fn walk(app: &App, path: &str) -> (Vec<Value>, Vec<Value>) {
    let mut page = app.get(path).await.ok();
    let mut forward = records(&page).clone();
    while let Some(next) = page["pagination"]["next"].as_str() {
        page = app.get(&format!("{path}&cursor={next}")).await.ok();
        forward.extend(records(&page).clone());
    }
    let mut backward = records(&page).clone();
    while let Some(previous) = page["pagination"]["previous"].as_str() {
        page = app.get(&format!("{path}&cursor={previous}")).await.ok();
        backward.splice(0..0, records(&page).clone());
    }
    (forward, backward)
}
