//! A connection that a command syncs once, in the foreground.

use std::time::Duration;

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use syncline_engine::ForegroundEnd;
use syncline_model::Object;
use syncline_store::Connection;

use crate::support::{App, CUSTOMER, on_both_databases};

const ACTIVE: &str = "SELECT count(*) FROM sync_runs WHERE finished_at IS NULL";
const CONTACTS: [Object; 2] = [Object::Contact, Object::SequenceState];

#[apply(on_both_databases)]
async fn workers_leave_its_runs_alone_until_nobody_has_come_for_five_minutes(database: Database) {
    let app = App::synced(database, 150).await;
    let connection = connection(&app).await.id;
    let runs = app
        .store
        .start_foreground_scan(&connection, &CONTACTS)
        .await
        .unwrap();
    assert_eq!(runs.len(), 2);
    let again = app
        .store
        .start_foreground_scan(&connection, &CONTACTS)
        .await
        .unwrap();
    assert!(again.is_empty(), "one run of an object at a time");
    assert_eq!(app.work_off().await, 0);
    app.clock.advance(TimeDelta::seconds(299));
    assert_eq!(app.work_off().await, 0);
    assert_eq!(app.database.count(ACTIVE).await, 2);
    app.clock.advance(TimeDelta::seconds(1));
    assert_eq!(app.work_off().await, 1, "whoever started it is gone");
    assert_eq!(app.database.count(ACTIVE).await, 0);
}

#[apply(on_both_databases)]
async fn it_neither_moves_a_schedule_nor_uses_up_a_trigger(database: Database) {
    let app = App::synced(database, 150).await;
    app.trigger("user").await;
    let before = app.get("/mgmt/v2/syncs").await.ok();
    assert_eq!(read_all(&app).await, ForegroundEnd::Done);
    let after = app.get("/mgmt/v2/syncs").await.ok();
    let [before, after] = [&before, &after].map(|list| list["results"].as_array().unwrap());
    for (before, after) in before.iter().zip(after) {
        assert_eq!(before["next_run_at"], after["next_run_at"]);
        assert_eq!(before["next_run_reason"], after["next_run_reason"]);
        assert_ne!(
            before["last_run"]["id"], after["last_run"]["id"],
            "each was read"
        );
    }
    assert_eq!(app.work_off().await, 1, "the triggered one");
}

#[apply(on_both_databases)]
async fn it_waits_for_a_run_of_the_service(database: Database) {
    let app = App::synced(database, 150).await;
    app.trigger("contact").await;
    app.engine.tick().await.unwrap();
    let (end, walked) = tokio::join!(read_all(&app), async {
        let others = "SELECT count(*) FROM sync_runs WHERE foreground AND finished_at IS NOT NULL";
        while app.database.count(others).await < 4 {
            tokio::task::yield_now().await;
        }
        app.work_off().await
    });
    assert_eq!((end, walked), (ForegroundEnd::Done, 1));
    assert_eq!(app.runs("contact").await.len(), 3);
}

async fn connection(app: &App) -> Connection {
    let applications = app.store.list_applications().await.unwrap();
    let tenant = app.store.tenant(&applications[0].id);
    let found = tenant
        .get_connection(CUSTOMER, syncline_providers::apollo::NAME)
        .await;
    found.unwrap().unwrap()
}

async fn read_all(app: &App) -> ForegroundEnd {
    let connection = connection(app).await;
    let reading = app
        .engine
        .read_in_foreground(&connection, Object::ALL, |_| {});
    tokio::time::timeout(Duration::from_mins(1), Box::pin(reading))
        .await
        .expect("it ends")
        .unwrap()
}
