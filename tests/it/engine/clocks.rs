//! A clock that was ahead for a while, and is right again, blocks nothing.

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use serde_json::{Value, json};
use syncline_model::{RunState, WaitReason};
use syncline_sim::{Action, Fault, Match};

use crate::support::{App, CUSTOMER, MASTER_KEY, on_both_databases};

const LEASE: TimeDelta = TimeDelta::seconds(30);

/// How far ahead the clock was.
const AHEAD: [TimeDelta; 2] = [TimeDelta::hours(2), TimeDelta::days(30)];

#[apply(on_both_databases)]
async fn syncs_go_on_within_a_period_after_the_clock_was_ahead(database: Database) {
    let app = App::synced(database, 10).await;
    for (runs, ahead) in [(2, AHEAD[0]), (4, AHEAD[1])] {
        app.after(ahead).await;
        assert_eq!(app.runs("user").await.len(), runs);
        app.clock.advance(-ahead);
        app.work_off().await;
        app.after(TimeDelta::minutes(61)).await;
        let newest = app.runs("user").await;
        assert_eq!(newest.len(), runs + 1, "after {ahead}");
        assert_eq!(newest[0]["status"], "SUCCESS");
    }
}

#[apply(on_both_databases)]
async fn a_process_that_starts_after_the_clock_was_ahead_goes_on_within_a_period(
    database: Database,
) {
    let app = App::synced(database, 10).await;
    app.after(TimeDelta::days(30)).await;
    app.clock.advance(-TimeDelta::days(30));
    let engine = app.another_process(App::engine_config()).await;
    engine.work_off().await.unwrap();
    app.clock.advance(TimeDelta::minutes(61));
    engine.work_off().await.unwrap();
    assert_eq!(
        app.database
            .count("SELECT count(*) FROM sync_runs WHERE object = 'user'")
            .await,
        3
    );
    // Ids from before sort after those of now: the list of syncs shows the run that ended last.
    let syncs = app
        .get("/mgmt/v2/syncs?object_type=common&object=user")
        .await
        .ok();
    let shown = syncs["results"][0]["last_run"]["start_timestamp"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(shown.starts_with("2026-03-01T09:01"), "{shown}");
}

#[apply(on_both_databases)]
async fn a_lease_of_a_clock_that_was_ahead_expires_a_lease_from_now(database: Database) {
    let app = App::with_contacts(database, 10).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.clock.advance(AHEAD[0]);
    app.engine.tick().await.unwrap();
    let silent = app
        .store
        .claim_scans("silent", LEASE, 100, None)
        .await
        .unwrap();
    app.clock.advance(-AHEAD[0]);
    app.engine.tick().await.unwrap();
    assert!(
        app.store
            .claim_scans("b", LEASE, 100, None)
            .await
            .unwrap()
            .is_empty()
    );
    app.clock.advance(LEASE);
    let taken_over = app.store.claim_scans("b", LEASE, 100, None).await.unwrap();
    assert_eq!(taken_over.len(), silent.len());
}

#[apply(on_both_databases)]
async fn what_was_queued_or_put_off_in_the_future_goes_on_at_once(database: Database) {
    let app = App::with_contacts(database, 10).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.clock.advance(AHEAD[0]);
    app.engine.tick().await.unwrap();
    let leased = app.store.claim_scans("a", LEASE, 1, None).await.unwrap();
    let waiting = RunState::Waiting {
        until: app.now() + TimeDelta::hours(20),
        reason: WaitReason::RecordsPerDay,
    };
    app.store
        .save_waiting(&leased[0], &waiting, 0)
        .await
        .unwrap();
    app.clock.advance(-AHEAD[0]);
    app.work_off().await;
    let unfinished = "SELECT count(*) FROM sync_runs WHERE state <> 'succeeded'";
    assert_eq!(app.database.count(unfinished).await, 0);
}

#[apply(on_both_databases)]
async fn a_trigger_of_a_clock_that_was_ahead_counts_as_now(database: Database) {
    let app = App::synced(database, 10).await;
    app.clock.advance(TimeDelta::minutes(30));
    app.trigger("user").await;
    app.clock.advance(-TimeDelta::minutes(30));
    app.work_off().await;
    assert_eq!(app.runs("user").await.len(), 2);
}

#[apply(on_both_databases)]
async fn a_checkpoint_of_the_future_is_not_gone_on_from(database: Database) {
    let app = App::with_contacts(database, 250).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.clock.advance(AHEAD[1]);
    app.apollo.faults().push(
        Fault::new(
            Match::path("contacts/search").page(2),
            Action::unavailable(),
        )
        .always(),
    );
    app.work_off().await;
    assert_eq!(app.runs("contact").await[0]["status"], "FAILURE");
    app.apollo.faults().clear();
    app.clock.advance(-AHEAD[1]);
    app.work_off().await;
    app.after(TimeDelta::hours(1)).await;
    let run = &app.runs("contact").await[0];
    assert_eq!(
        (&run["status"], &run["num_records_synced"]),
        (&json!("SUCCESS"), &json!(250)),
        "{run}"
    );
    assert_eq!(run["requests_made"], 3, "all of its pages");
}

#[apply(on_both_databases)]
async fn stamps_grow_after_the_clock_was_ahead(database: Database) {
    let app = App::synced(database, 10).await;
    app.clock.advance(AHEAD[1]);
    retitle(&app, 0);
    app.work_off().await;
    let first = newest_stamp(&app).await;
    app.clock.advance(-AHEAD[1]);
    app.work_off().await;
    retitle(&app, 1);
    app.after(TimeDelta::minutes(61)).await;
    let second = newest_stamp(&app).await;
    assert!(first < second, "{first} {second}");
    let later = app
        .all_records(&format!("contacts?modified_after={first}"))
        .await;
    assert_eq!(
        later.len(),
        1,
        "a reader that saw the first sees the second"
    );
}

#[apply(on_both_databases)]
async fn a_write_of_a_clock_that_was_ahead_keeps_no_scan_from_its_row(database: Database) {
    let app = App::synced(database, 10).await;
    let [changed, deleted] = app.apollo.read(0, |team| {
        let ids = team.contact_ids();
        [ids[1].clone(), ids[2].clone()]
    });
    app.clock.advance(AHEAD[1]);
    write_title(&app, &changed, "Pilot").await;
    write_title(&app, &deleted, "Pilot").await;
    app.clock.advance(-AHEAD[1]);
    retitle(&app, 1);
    app.apollo
        .edit(0, |team| team.delete_contact(&deleted).unwrap());
    for _ in 0..2 {
        app.after(TimeDelta::minutes(61)).await;
    }
    assert_eq!(contact(&app, &changed).await["job_title"], "Astronaut");
    assert_eq!(contact(&app, &deleted).await["is_deleted"], true);
}

#[apply(on_both_databases)]
async fn a_write_of_a_clock_that_was_ahead_hides_no_later_one(database: Database) {
    let app = App::synced(database, 10).await;
    let id = app.apollo.read(0, |team| team.contact_ids()[1].clone());
    app.clock.advance(AHEAD[1]);
    write_title(&app, &id, "Pilot").await;
    app.clock.advance(-AHEAD[1]);
    write_title(&app, &id, "Astronaut").await;
    assert_eq!(contact(&app, &id).await["job_title"], "Astronaut");
}

async fn contact(app: &App, id: &str) -> Value {
    let url = format!("/engagement/v2/contacts/{id}?read_from_cache=true");
    app.get(&url).await.ok()
}

async fn write_title(app: &App, id: &str, title: &str) {
    let body = json!({"record": {"job_title": title}});
    let url = format!("/engagement/v2/contacts/{id}");
    app.send(reqwest::Method::PATCH, &url, Some(body))
        .await
        .ok();
}

fn retitle(app: &App, nth: usize) {
    let now = app.now();
    app.apollo.edit(0, |team| {
        let id = team.contact_ids()[nth].clone();
        team.update_contact(now, &id, &json!({"title": "Astronaut"}))
            .unwrap();
    });
}

async fn newest_stamp(app: &App) -> String {
    let rows = app.all_records("contacts").await;
    let stamps = rows
        .iter()
        .map(|row| row["last_modified_at"].as_str().unwrap());
    stamps.max().unwrap().to_owned()
}
