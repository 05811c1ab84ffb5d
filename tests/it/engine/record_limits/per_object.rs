//! How many records one run reads of one object, and what happens to those that it doesn't read.

use std::collections::HashSet;

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use serde_json::{Value, json};
use syncline_model::VolumeLimits;
use syncline_sim::Team;

use super::{contacts_under, pages};
use crate::support::{
    App, CUSTOMER, MASTER_KEY, on_both_databases, per_hour, per_object, quiet_apollo,
};

#[apply(on_both_databases)]
async fn a_run_of_more_than_its_limit_is_capped_and_says_so(database: Database) {
    let app = contacts_under(database, 1050, per_object(1000)).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    assert!(app.contact_pages().len() <= 10, "{:?}", app.contact_pages());
    let run = app.newest_run(CUSTOMER, "contact").await;
    assert_eq!(
        (&run["status"], &run["state"]),
        (&json!("SUCCESS"), &json!("succeeded"))
    );
    assert_eq!(run["coverage"]["verdict"], "capped", "{run}");
    assert_eq!(run["coverage"]["records_reported"], 1050);
    let read = run["num_records_synced"].as_i64().unwrap();
    assert!((900..=1000).contains(&read), "{run}");
    assert_eq!(run["coverage"]["records_seen"], read);
    let reason = run["coverage"]["reason"].as_str().unwrap();
    assert!(
        reason.contains("1050") && reason.contains("most recently updated"),
        "{reason}"
    );
    let states = app.newest_run(CUSTOMER, "sequence_state").await;
    assert_eq!(states["status"], "SUCCESS");
    assert_eq!(states["coverage"]["verdict"], "capped", "{states}");

    app.apollo.ledger().reset();
    app.trigger("contact").await;
    app.work_off().await;
    assert_eq!(app.contact_pages(), pages(1, 10));
    let run = app.newest_run(CUSTOMER, "contact").await;
    assert_eq!(run["coverage"]["verdict"], "capped");
    assert_eq!(run["coverage"]["records_seen"], 1000);
    let said = format!("{run}");
    assert!(
        said.contains("the most recently updated 1000 were read"),
        "{said}"
    );
}

#[apply(on_both_databases)]
async fn a_capped_run_reads_the_most_recently_updated(database: Database) {
    let app = contacts_under(database, 1300, per_object(1000)).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    let before = rows(&app).await;
    app.clock.advance(TimeDelta::minutes(10));
    let now = app.now();
    // 150 of those that were changed longest ago change now.
    let stale: Vec<String> = by_recency(&app).into_iter().rev().take(150).collect();
    app.apollo.edit(0, |team| {
        for id in &stale {
            team.update_contact(now, id, &json!({"title": "Chief Tea Officer"}))
                .unwrap();
        }
    });
    app.apollo.ledger().reset();
    app.trigger("contact").await;
    app.work_off().await;

    assert_eq!(app.contact_pages(), pages(1, 10));
    let recent: HashSet<String> = by_recency(&app).into_iter().take(1000).collect();
    let after = rows(&app).await;
    let expected: HashSet<String> = before.union(&recent).cloned().collect();
    assert_eq!(
        after.difference(&expected).count(),
        0,
        "nothing else was read"
    );
    assert_eq!(expected.difference(&after).count(), 0, "all of them were");
    let renamed = "SELECT count(*) FROM engagement_contacts WHERE job_title = 'Chief Tea Officer'";
    assert_eq!(app.database.count(renamed).await, 150);
}

#[apply(on_both_databases)]
async fn the_limit_is_rounded_down_to_whole_pages(database: Database) {
    let app = contacts_under(database, 1020, per_object(1050)).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    app.apollo.ledger().reset();
    app.trigger("contact").await;
    app.work_off().await;
    assert_eq!(
        app.contact_pages(),
        pages(1, 10),
        "an eleventh could bring the 1,051st"
    );
    let run = app.newest_run(CUSTOMER, "contact").await;
    assert_eq!(run["coverage"]["verdict"], "capped", "{run}");
    assert_eq!(run["coverage"]["records_seen"], 1000);
}

#[apply(on_both_databases)]
async fn exactly_as_many_as_allowed_are_complete(database: Database) {
    let app = contacts_under(database, 1000, per_object(1000)).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    assert_eq!(app.contact_pages(), pages(1, 10));
    let run = app.newest_run(CUSTOMER, "contact").await;
    assert_eq!(run["coverage"]["verdict"], "complete", "{run}");
}

#[apply(on_both_databases)]
async fn accounts_are_capped_as_well(database: Database) {
    let mut options = quiet_apollo(0);
    options.teams[0].accounts = 450;
    let mut app = App::with_apollo(database, options).await;
    app.limit(per_object(300));
    app.sync_only(&["account"]).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    let run = app.newest_run(CUSTOMER, "account").await;
    assert_eq!(run["coverage"]["verdict"], "capped", "{run}");
    assert_eq!(run["coverage"]["records_reported"], 450);
    assert!(app.pages_of_team(0, "accounts/search").len() <= 3);
}

#[apply(on_both_databases)]
async fn what_can_not_be_listed_by_recency_is_read_from_its_beginning(database: Database) {
    let mut options = quiet_apollo(0);
    options.teams[0].sequences = 450;
    let mut app = App::with_apollo(database, options).await;
    app.limit(per_object(300));
    app.sync_only(&["sequence"]).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    for runs in 1..=2 {
        app.work_off().await;
        assert_eq!(
            app.pages_of_team(0, "emailer_campaigns/search").len(),
            3 * runs
        );
        let run = app.newest_run(CUSTOMER, "sequence").await;
        assert_eq!(run["coverage"]["verdict"], "capped", "{run}");
        assert_eq!(run["coverage"]["records_seen"], 300);
        assert!(
            !run["coverage"]["reason"]
                .as_str()
                .unwrap()
                .contains("recently"),
            "{run}"
        );
        app.trigger("sequence").await;
    }
}

#[apply(on_both_databases)]
async fn a_capped_run_waits_for_the_hour_without_reading_more(database: Database) {
    let limits = VolumeLimits {
        records_per_object: Some(1000),
        ..per_hour(300)
    };
    let app = contacts_under(database, 1300, limits).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    app.until_nothing_waits().await;
    assert!(app.contact_pages().len() <= 10);
    app.apollo.ledger().reset();
    app.trigger("contact").await;
    app.work_off().await;
    app.until_nothing_waits().await;
    assert_eq!(app.contact_pages(), pages(1, 10));
    let runs = app.runs("contact").await;
    assert_eq!(runs.len(), 2);
    assert_eq!(runs[0]["coverage"]["verdict"], "capped");
    assert_eq!(app.most_per_hour(0), 300);
}

#[apply(on_both_databases)]
async fn a_connections_own_limit_per_object_counts_instead(database: Database) {
    let app = contacts_under(database, 650, VolumeLimits::default()).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    let path = format!("/mgmt/v2/customers/{CUSTOMER}/connections/apollo");
    app.put(&path, json!({"limits": {"records_per_object": 500}}))
        .await
        .ok();
    app.work_off().await;
    assert!(app.contact_pages().len() <= 5);
    assert_eq!(
        app.newest_run(CUSTOMER, "contact").await["coverage"]["verdict"],
        "capped"
    );
    app.put(&path, json!({"limits": {}})).await.ok();
    until_complete(&app).await;
    assert_eq!(app.all_records("contacts").await.len(), 650);
}

#[apply(on_both_databases)]
async fn capped_runs_delete_nothing_and_complete_ones_find_what_is_gone(database: Database) {
    // Ten pages, and room for 50 by-id reads, which a capped run must not make.
    let app = contacts_under(database, 1100, per_object(1050)).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    run_again(&app).await;
    let gone = delete_contacts(&app, 20);
    for _ in 0..4 {
        run_again(&app).await;
        let run = app.newest_run(CUSTOMER, "contact").await;
        assert_eq!(run["coverage"]["verdict"], "capped", "{run}");
        assert_eq!(
            (&run["records_deleted"], &run["deletes_held"]),
            (&json!(0), &json!(0))
        );
        assert_eq!(deleted(&app).await, 0, "{run}");
    }
    assert!(
        app.apollo
            .ledger()
            .requests()
            .iter()
            .all(|it| it.action != "contacts/show")
    );

    // Now the account fits.
    let gone: HashSet<String> = gone.into_iter().chain(delete_contacts(&app, 150)).collect();
    until_complete(&app).await;
    for _ in 0..2 {
        run_again(&app).await;
        let run = app.newest_run(CUSTOMER, "contact").await;
        assert_eq!(run["coverage"]["verdict"], "complete", "{run}");
    }
    let truth = app.apollo.read(0, Team::contact_ids);
    let live: HashSet<String> = live(&app).await;
    assert_eq!(live, truth.into_iter().collect());
    assert!(gone.is_disjoint(&live));
}

#[apply(on_both_databases)]
async fn an_account_that_outgrows_its_limit_loses_nothing(database: Database) {
    let app = contacts_under(database, 950, per_object(1000)).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    let run = app.newest_run(CUSTOMER, "contact").await;
    assert_eq!(run["coverage"]["verdict"], "complete", "{run}");
    let now = app.now();
    let states = app.all_records("sequence_states").await.len();
    app.apollo.edit(0, |team| {
        for _ in 0..200 {
            team.invent_contact(now);
        }
    });
    let gone = delete_contacts(&app, 5);
    app.apollo.ledger().reset();
    for runs in 1..=3 {
        run_again(&app).await;
        let run = app.newest_run(CUSTOMER, "contact").await;
        assert_eq!(run["coverage"]["verdict"], "capped", "{run}");
        assert_eq!(deleted(&app).await, 0);
        assert!(app.contact_pages().len() <= 10 * runs);
    }
    assert!(live(&app).await.is_superset(&gone.into_iter().collect()));
    assert!(app.all_records("sequence_states").await.len() >= states);
}

#[apply(on_both_databases)]
async fn what_was_missing_once_is_not_deleted_by_capped_runs(database: Database) {
    let app = contacts_under(database, 950, per_object(1000)).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    // One scan misses them, and Apollo doesn't answer about them.
    let ids = app.apollo.read(0, |team| team.contact_ids()[..5].to_vec());
    app.apollo.edit(0, |team| {
        for id in &ids {
            team.hide_contact(id).unwrap();
        }
    });
    run_again(&app).await;
    assert_eq!(
        app.newest_run(CUSTOMER, "contact").await["records_missing"],
        5
    );
    let now = app.now();
    app.apollo.edit(0, |team| {
        for _ in 0..200 {
            team.invent_contact(now);
        }
    });
    for _ in 0..3 {
        run_again(&app).await;
        assert_eq!(deleted(&app).await, 0);
    }
}

/// The ids of Apollo's live contacts, the most recently updated first.
fn by_recency(app: &App) -> Vec<String> {
    let mut contacts: Vec<Value> = app.apollo.read(0, Team::contacts);
    contacts.sort_by(|a, b| b["updated_at"].as_str().cmp(&a["updated_at"].as_str()));
    let ids = contacts
        .iter()
        .map(|contact| contact["id"].as_str().unwrap());
    ids.map(str::to_owned).collect()
}

async fn rows(app: &App) -> HashSet<String> {
    let rows = app.all_records("contacts?include_deleted_data=true").await;
    rows.iter()
        .map(|row| row["id"].as_str().unwrap().to_owned())
        .collect()
}

async fn live(app: &App) -> HashSet<String> {
    let rows = app.all_records("contacts").await;
    rows.iter()
        .map(|row| row["id"].as_str().unwrap().to_owned())
        .collect()
}

/// Deletes this many contacts, spread over the account.
fn delete_contacts(app: &App, number: usize) -> Vec<String> {
    app.apollo.edit(0, |team| {
        let ids = team.contact_ids();
        let step = ids.len() / number;
        let deletable: Vec<String> = ids.into_iter().step_by(step).take(number).collect();
        for id in &deletable {
            team.delete_contact(id).unwrap();
        }
        deletable
    })
}

/// Triggers a run half an hour later.
async fn run_again(app: &App) {
    app.clock.advance(TimeDelta::minutes(30));
    app.trigger("contact").await;
    app.work_off().await;
}

/// A capped run learns that all may be read; the next run reads it.
async fn until_complete(app: &App) {
    for _ in 0..2 {
        run_again(app).await;
        let run = app.newest_run(CUSTOMER, "contact").await;
        assert_eq!(run["status"], "SUCCESS");
        if run["coverage"]["verdict"] == "complete" {
            return;
        }
    }
    panic!("the account fits, and yet its runs are capped");
}

async fn deleted(app: &App) -> i64 {
    let sql = "SELECT
        (SELECT count(*) FROM engagement_contacts WHERE is_deleted)
        + (SELECT count(*) FROM engagement_sequence_states WHERE is_deleted)";
    app.database.count(sql).await
}
