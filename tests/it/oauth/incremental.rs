//! After a full run, the next ones read what changed since.

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use serde_json::{Value, json};
use syncline_model::Clock;
use syncline_sim::Team;

use super::{OUTREACH, Provider, SALESLOFT, at_both_providers, connections, run_of};
use crate::support::{App, CUSTOMER, Database, on_both_databases};

/// Like the usual config, with so many incremental runs after each full one.
async fn connected(provider: Provider, database: Database, people: usize, most: i64) -> App {
    let app = provider.enabled(database, people).await;
    let configs = app.get("/mgmt/v2/sync_configs").await.ok();
    let mut config = configs
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["provider_name"] == provider.name)
        .unwrap()
        .clone();
    config["config"]["default_config"] = json!({
        "period_ms": 3_600_000, "strategy": "full then incremental",
        "full_sync_every_n_incrementals": most,
    });
    let path = format!("/mgmt/v2/sync_configs/{}", config["id"].as_str().unwrap());
    app.put(&path, config).await.ok();
    provider.import(&app).await.ok();
    app.work_off().await;
    app
}

/// The newest run of contacts: its strategy, verdict, and how many records it read and updated.
async fn newest(app: &App) -> (Value, Value, i64, i64) {
    let run = run_of(app, "contact").await;
    assert_eq!(run["status"], "SUCCESS", "{run}");
    let count = |name: &str| run[name].as_i64().unwrap();
    let read = count("records_updated") + count("records_unchanged") + count("records_created");
    (
        run["strategy"].clone(),
        run["coverage"]["verdict"].clone(),
        read,
        count("records_updated"),
    )
}

fn contact_ids(app: &App) -> Vec<String> {
    app.apollo.simulator().read(0, Team::contact_ids)
}

fn change(app: &App, ids: &[String]) {
    let now = app.clock.now();
    app.apollo.edit(0, |team| {
        for id in ids {
            team.log_call(now, id).unwrap();
        }
    });
}

fn delete(app: &App, id: &str) {
    app.apollo.edit(0, |team| team.delete_contact(id)).unwrap();
}

async fn is_deleted(app: &App, id: &str) -> bool {
    let path = format!("/engagement/v2/contacts/{id}?read_from_cache=true");
    app.get(&path).await.ok()["is_deleted"] == true
}

fn incremental(read: i64, updated: i64) -> (Value, Value, i64, i64) {
    (json!("incremental"), json!("incremental"), read, updated)
}

#[apply(at_both_providers)]
async fn the_next_run_reads_what_changed(provider: Provider, database: Database) {
    let app = connected(provider, database, 230, 24).await;
    assert_eq!(
        newest(&app).await,
        (json!("full"), json!("complete"), 230, 0)
    );
    app.clock.advance(TimeDelta::minutes(30));
    change(&app, &contact_ids(&app)[100..103]);
    app.after(TimeDelta::minutes(30)).await;
    assert_eq!(newest(&app).await, incremental(3, 3));
    app.after(TimeDelta::hours(1)).await;
    assert_eq!(newest(&app).await, incremental(0, 0));
}

/// A bulk change gives many records one time, over the borders of pages.
#[apply(on_both_databases)]
async fn changes_of_one_moment_are_all_read(database: Database) {
    let app = connected(SALESLOFT, database, 450, 24).await;
    app.clock.advance(TimeDelta::minutes(20));
    change(&app, &contact_ids(&app)[..310]);
    app.clock.advance(TimeDelta::minutes(10));
    change(&app, &contact_ids(&app)[310..320]);
    app.after(TimeDelta::minutes(30)).await;
    assert_eq!(newest(&app).await, incremental(320, 320));
}

/// Of a whole page with one time somebody changes one before the next page is read, so that another one
/// takes its place on the page that was read.
#[apply(on_both_databases)]
async fn a_change_that_slipped_by_is_read_by_the_next_run(database: Database) {
    let app = connected(SALESLOFT, database, 250, 24).await;
    app.clock.advance(TimeDelta::minutes(20));
    let ids = contact_ids(&app);
    change(&app, &ids);
    let (clock, first) = (app.clock.clone(), ids[0].clone());
    let mut edit = Some(move |team: &mut Team| {
        clock.advance(TimeDelta::seconds(5));
        team.log_call(clock.now(), &first).unwrap();
    });
    app.apollo.on_request(move |asked, team| {
        if asked.action == "people/list"
            && asked.page == 2
            && let Some(edit) = edit.take()
        {
            edit(team);
        }
    });
    app.after(TimeDelta::minutes(40)).await;
    assert_eq!(newest(&app).await.0, "incremental");
    app.after(TimeDelta::hours(1)).await;
    assert_eq!(newest(&app).await.0, "incremental");
    let rows = app.all_records("contacts?include_raw_data=true").await;
    for truth in app.apollo.simulator().read(0, Team::contacts) {
        let id = json!(truth["id"].to_string());
        let row = rows.iter().find(|row| row["id"] == id);
        assert_eq!(row.unwrap()["raw_data"], truth);
    }
    // Everything is read, so the run after that one begins where that one did.
    app.after(TimeDelta::hours(1)).await;
    assert_eq!(newest(&app).await, incremental(0, 0));
}

/// What was changed while the run before read, or a little earlier, is read by the next one.
#[apply(on_both_databases)]
async fn a_change_just_before_the_last_run_is_read_again(database: Database) {
    let app = connected(OUTREACH, database, 30, 24).await;
    app.clock.advance(TimeDelta::minutes(56));
    change(&app, &contact_ids(&app)[..2]);
    app.after(TimeDelta::minutes(4)).await;
    assert_eq!(newest(&app).await, incremental(2, 2));
    app.after(TimeDelta::hours(1)).await;
    assert_eq!(newest(&app).await, incremental(2, 0), "the overlap");
    app.after(TimeDelta::hours(1)).await;
    assert_eq!(newest(&app).await, incremental(0, 0));
}

#[apply(on_both_databases)]
async fn an_incremental_run_deletes_nothing_and_the_full_one_after_it_does(database: Database) {
    let app = connected(OUTREACH, database, 30, 2).await;
    let gone = contact_ids(&app).swap_remove(7);
    delete(&app, &gone);
    for _ in 0..2 {
        app.after(TimeDelta::hours(1)).await;
        assert_eq!(newest(&app).await, incremental(0, 0));
        let run = run_of(&app, "contact").await;
        assert_eq!(
            (&run["records_deleted"], &run["records_missing"]),
            (&json!(0), &json!(0))
        );
        assert!(!is_deleted(&app, &gone).await);
    }
    app.after(TimeDelta::hours(1)).await;
    let run = run_of(&app, "contact").await;
    assert_eq!(run["strategy"], "full", "{run}");
    assert_eq!(run["records_deleted"], 1, "{run}");
    assert!(is_deleted(&app, &gone).await);
    app.after(TimeDelta::hours(1)).await;
    assert_eq!(newest(&app).await, incremental(0, 0));
}

#[apply(on_both_databases)]
async fn a_full_refresh_and_new_credentials_read_everything(database: Database) {
    let app = connected(OUTREACH, database, 30, 24).await;
    let refresh = json!({
        "object_type": "common", "object": "contact", "customer_id": CUSTOMER,
        "provider_name": OUTREACH.name, "perform_full_refresh": true,
    });
    app.post("/mgmt/v2/syncs/_trigger", refresh).await.ok();
    app.work_off().await;
    assert_eq!(
        newest(&app).await,
        (json!("full"), json!("complete"), 30, 0)
    );
    app.after(TimeDelta::hours(1)).await;
    assert_eq!(newest(&app).await.0, "incremental");
    let path = format!("{}/{}", connections(), OUTREACH.name);
    let body = json!({"refresh_token": OUTREACH.refresh_token()});
    app.put(&path, body).await.ok();
    app.after(TimeDelta::hours(1)).await;
    assert_eq!(newest(&app).await.0, "full");
}

/// The tables are the same as with full reads.
#[apply(on_both_databases)]
async fn tables_that_are_read_incrementally_are_the_truth(database: Database) {
    let app = connected(OUTREACH, database, 60, 24).await;
    for round in 0..4 {
        app.clock.advance(TimeDelta::minutes(30));
        let now = app.clock.now();
        let (ids, added) = app.apollo.edit(0, |team| {
            let ids = team.contact_ids();
            (ids, team.invent_contact(now))
        });
        change(&app, &ids[round * 5..round * 5 + 5]);
        app.after(TimeDelta::minutes(30)).await;
        assert_eq!(newest(&app).await.0, "incremental");
        assert!(!is_deleted(&app, &added).await, "it is there");
    }
    let page = app
        .get("/engagement/v2/contacts?read_from_cache=true&page_size=100")
        .await
        .ok();
    let mut rows: Vec<&str> = page["records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["id"].as_str().unwrap())
        .collect();
    let mut truth = contact_ids(&app);
    rows.sort_unstable();
    truth.sort_unstable();
    assert_eq!(rows, truth);
}

#[apply(at_both_providers)]
async fn a_forecast_knows_what_an_incremental_run_did_not_read(
    provider: Provider,
    database: Database,
) {
    let app = connected(provider, database, 120, 24).await;
    app.after(TimeDelta::hours(1)).await;
    assert_eq!(newest(&app).await, incremental(0, 0));
    let config = json!({
        "default_config": {"period_ms": 3_600_000, "strategy": "full only"},
        "common_objects": [{"object": "contact"}],
    });
    let body = json!({"provider_name": provider.name, "config": config});
    let forecast = app.post("/mgmt/v2/sync_configs/_forecast", body).await;
    let contacts = &forecast.ok()["accounts"][0]["objects"][0];
    assert_eq!(contacts["records_known"], 120, "{contacts}");
    assert_eq!(contacts["records_per_run"], 120, "{contacts}");
}
