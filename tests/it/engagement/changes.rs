//! `modified_after`: what changed since the reader's last read.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use serde_json::{Value, json};

use super::{
    gets::{delete, id},
    lists::records,
};
use crate::support::{App, on_both_databases};

const CONTACTS: &str = "/engagement/v2/contacts?read_from_cache=true";

#[apply(on_both_databases)]
async fn a_time_of_an_answer_can_be_asked_for_in_sql(database: Database) {
    let app = App::synced(database, 30).await;
    let row = app.all_records("contacts").await.swap_remove(7);
    let id = row["id"].as_str().unwrap();
    for column in ["last_modified_at", "created_at", "updated_at"] {
        let time = row[column].as_str().unwrap();
        let sql = format!(
            "SELECT count(*) FROM engagement_contacts
                 WHERE id = '{id}' AND {column} = '{time}' AND {column} >= '{time}'"
        );
        assert_eq!(app.database.count(&sql).await, 1, "{column} is {time}");
    }
    assert_eq!(
        app.database.times_in_another_form().await,
        Vec::<String>::new()
    );
}

#[apply(on_both_databases)]
async fn only_later_changes_are_listed_in_their_order(database: Database) {
    let app = App::synced(database, 30).await;
    let newest = newest(&app.all_records("contacts").await);
    assert!(
        app.all_records(&format!("contacts?modified_after={newest}"))
            .await
            .is_empty()
    );
    let everything = app
        .all_records("contacts?modified_after=1970-01-01T00:00:00Z")
        .await;
    assert_eq!(everything.len(), 30);
    assert!(
        everything
            .iter()
            .map(|row| row["last_modified_at"].as_str().unwrap())
            .is_sorted()
    );
    let changed = change(&app, 7, "Astronaut");
    app.after(TimeDelta::hours(1)).await;
    let rows = app
        .all_records(&format!("contacts?modified_after={newest}"))
        .await;
    assert_eq!(rows.iter().map(id).collect::<Vec<_>>(), [changed]);
}

#[apply(on_both_databases)]
async fn deleted_rows_are_among_the_changes(database: Database) {
    let app = App::synced(database, 10).await;
    let gone = id(&app.all_records("contacts").await[2]);
    delete(&app, "contacts", &gone).await;
    let rows = app
        .all_records("contacts?modified_after=1970-01-01T00:00:00Z")
        .await;
    assert_eq!(rows.len(), 10);
    assert_eq!(
        rows.iter().find(|row| id(row) == gone).unwrap()["is_deleted"],
        true
    );
}

#[apply(on_both_databases)]
async fn after_a_restore_every_row_is_a_change(database: Database) {
    let app = App::synced(database, 10).await;
    change(&app, 0, "Astronaut");
    app.after(TimeDelta::hours(1)).await;
    let seen = newest(
        &app.all_records("contacts?modified_after=1970-01-01T00:00:00Z")
            .await,
    );
    // The row as it was in the backup, without a new stamp.
    app.database.execute("UPDATE engagement_contacts SET job_title = 'Of the backup' WHERE job_title = 'Astronaut'").await;
    assert!(
        app.all_records(&format!("contacts?modified_after={seen}"))
            .await
            .is_empty()
    );
    app.store.restamp().await.unwrap();
    let rows = app
        .all_records(&format!("contacts?modified_after={seen}"))
        .await;
    assert_eq!(rows.len(), 10);
    assert!(rows.iter().any(|row| row["job_title"] == "Of the backup"));
    let newer = newest(&rows);
    let changed = change(&app, 3, "Diver");
    app.after(TimeDelta::hours(1)).await;
    let rows = app
        .all_records(&format!("contacts?modified_after={newer}"))
        .await;
    assert_eq!(
        rows.iter().map(id).collect::<Vec<_>>(),
        [changed],
        "stamps go on from there"
    );
}

#[apply(on_both_databases)]
async fn the_first_page_fixes_how_far_the_list_goes(database: Database) {
    let app = App::synced(database, 30).await;
    let path = format!("{CONTACTS}&modified_after=1970-01-01T00:00:00Z&page_size=10");
    let mut page = app.get(&path).await.ok();
    let bound = newest(records(&page));
    let mut seen: Vec<_> = records(&page).iter().map(id).collect();
    let mut changed = Vec::new();
    while let Some(next) = page["pagination"]["next"].as_str() {
        changed.push(change(&app, changed.len(), "Moved on"));
        app.after(TimeDelta::hours(1)).await;
        page = app.get(&format!("{path}&cursor={next}")).await.ok();
        assert!(
            newest(records(&page)) <= bound,
            "a later change came into the list"
        );
        seen.extend(records(&page).iter().map(id));
    }
    let later: Vec<_> = app
        .all_records(&format!("contacts?modified_after={bound}"))
        .await
        .iter()
        .map(id)
        .collect();
    for contact in changed {
        assert!(later.contains(&contact));
    }
    seen.extend(later);
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 30);
}

#[apply(on_both_databases)]
async fn an_object_that_left_the_config_and_came_back_is_listed_whole(database: Database) {
    let app = App::synced(database, 10).await;
    let config = app.get("/mgmt/v2/sync_configs").await.ok()[0].clone();
    let path = format!(
        "/mgmt/v2/sync_configs/{}?force_delete_syncs=true",
        config["id"].as_str().unwrap()
    );
    let without = json!({"config": {"default_config": config["config"]["default_config"]}});
    app.put(&path, without).await.ok();
    app.put(&path, json!({"config": config["config"]}))
        .await
        .ok();
    app.after(TimeDelta::hours(1)).await;
    let rows = app
        .all_records("contacts?modified_after=1970-01-01T00:00:00Z")
        .await;
    assert_eq!(rows.len(), 10);
}

#[apply(on_both_databases)]
async fn a_reader_that_keeps_the_greatest_stamp_misses_nothing(database: Database) {
    let app = App::synced(database, 60).await;
    let mut copy: BTreeMap<String, Value> = BTreeMap::new();
    let mut stamp = "1970-01-01T00:00:00.000Z".to_owned();
    for round in 0..5 {
        let path = format!("{CONTACTS}&modified_after={stamp}&page_size=8");
        let mut next = String::new();
        loop {
            let page = app.get(&format!("{path}{next}")).await.ok();
            for row in records(&page) {
                stamp = stamp.max(row["last_modified_at"].as_str().unwrap().to_owned());
                copy.insert(id(row), row.clone());
            }
            // Apollo changes between two pages of the reader.
            let now = app.now();
            app.apollo.edit(0, |team| team.random_edits(now, round, 3));
            app.after(TimeDelta::hours(1)).await;
            let Some(cursor) = page["pagination"]["next"].as_str() else {
                break;
            };
            next = format!("&cursor={cursor}");
        }
    }
    for row in app
        .all_records(&format!("contacts?modified_after={stamp}"))
        .await
    {
        copy.insert(id(&row), row);
    }
    let truth: BTreeMap<_, _> = app
        .all_records("contacts?include_deleted_data=true")
        .await
        .into_iter()
        .map(|row| (id(&row), row))
        .collect();
    assert_eq!(copy, truth);
}

/// Gives the contact at this position another title and returns its id.
fn change(app: &App, nth: usize, title: &str) -> String {
    let now = app.now();
    app.apollo.edit(0, |team| {
        let id = team.contact_ids()[nth].clone();
        team.update_contact(now, &id, &json!({"title": title}))
            .unwrap();
        id
    })
}

fn newest(rows: &[Value]) -> String {
    rows.iter()
        .map(|row| row["last_modified_at"].as_str().unwrap())
        .max()
        .unwrap_or_default()
        .to_owned()
}
