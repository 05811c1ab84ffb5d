//! When runs start.

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use serde_json::json;
use syncline_sim::Match;

use crate::support::{App, CUSTOMER, MASTER_KEY, on_both_databases};

#[apply(on_both_databases)]
async fn syncs_run_once_a_period_and_missed_periods_are_left_out(database: Database) {
    let app = App::synced(database, 10).await;
    app.after(TimeDelta::minutes(59)).await;
    assert_eq!(app.runs("user").await.len(), 1);
    app.after(TimeDelta::minutes(1)).await;
    assert_eq!(app.runs("user").await.len(), 2);
    app.after(TimeDelta::hours(30)).await;
    assert_eq!(app.runs("user").await.len(), 3);
}

#[apply(on_both_databases)]
async fn a_shorter_period_takes_effect_at_once(database: Database) {
    let app = App::synced(database, 10).await;
    let config = app.get("/mgmt/v2/sync_configs").await.ok()[0].clone();
    let mut body = config["config"].clone();
    body["default_config"]["period_ms"] = json!(60_000);
    let path = format!("/mgmt/v2/sync_configs/{}", config["id"].as_str().unwrap());
    app.put(&path, json!({"config": body})).await.ok();
    app.after(TimeDelta::minutes(1)).await;
    assert_eq!(app.runs("user").await.len(), 2);
}

#[apply(on_both_databases)]
async fn contacts_and_states_out_of_step_are_read_once_a_period_again(database: Database) {
    let app = App::synced(database, 10).await;
    app.clock.advance(TimeDelta::minutes(30));
    app.database.execute(
            "UPDATE syncs SET next_run_at = '2026-03-01T08:30:00.000Z' WHERE object = 'sequence_state'"
        ).await;
    app.work_off().await;
    app.after(TimeDelta::minutes(30)).await;
    assert_eq!(
        app.runs("contact").await.len(),
        2,
        "read with the states at half past"
    );
    app.after(TimeDelta::minutes(30)).await;
    assert_eq!(app.runs("contact").await.len(), 3);
    assert_eq!(app.runs("sequence_state").await.len(), 3);
}

#[apply(on_both_databases)]
async fn a_trigger_during_a_run_queues_exactly_one_more(database: Database) {
    let app = App::with_contacts(database, 250).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    let gate = app.apollo.gate(Match::path("contacts/search").page(2));
    let triggering = async {
        gate.arrived(1).await;
        app.trigger("contact").await;
        app.trigger("contact").await;
        app.trigger("contact").await;
        assert_eq!(app.runs("contact").await.len(), 1);
        gate.open();
    };
    tokio::join!(app.work_off(), triggering);
    assert_eq!(app.runs("contact").await.len(), 2);
    app.work_off().await;
    assert_eq!(app.runs("contact").await.len(), 2);
}

#[apply(on_both_databases)]
async fn a_trigger_of_the_states_joins_a_contact_scan_before_its_first_page(database: Database) {
    let app = App::synced(database, 120).await;
    pause(&app, "sequence_state").await;
    app.trigger("contact").await;
    let gate = app.apollo.gate(Match::path("contacts/search").page(1));
    let joining = async {
        gate.arrived(1).await;
        app.trigger("sequence_state").await;
        app.engine.tick().await.unwrap();
        gate.open();
    };
    tokio::join!(app.work_off(), joining);
    assert_eq!(app.runs("sequence_state").await.len(), 2);
    assert_eq!(app.runs("sequence_state").await[0]["status"], "SUCCESS");
    assert_eq!(
        app.apollo.ledger().requests_to("contacts/search").len(),
        2 + 2
    );
}

#[apply(on_both_databases)]
async fn a_trigger_of_the_states_after_the_first_page_gets_a_scan_of_its_own(database: Database) {
    let app = App::synced(database, 120).await;
    pause(&app, "sequence_state").await;
    app.trigger("contact").await;
    let gate = app.apollo.gate(Match::path("contacts/search").page(2));
    let joining = async {
        gate.arrived(1).await;
        app.until_written("contact", 100).await;
        app.trigger("sequence_state").await;
        app.engine.tick().await.unwrap();
        assert_eq!(app.runs("sequence_state").await.len(), 1);
        gate.open();
    };
    tokio::join!(app.work_off(), joining);
    assert_eq!(app.runs("sequence_state").await.len(), 2);
    assert_eq!(
        app.apollo.ledger().requests_to("contacts/search").len(),
        2 + 2 + 2
    );
}

#[apply(on_both_databases)]
async fn a_paused_sync_has_no_runs_but_its_sibling_does(database: Database) {
    let app = App::synced(database, 10).await;
    pause(&app, "contact").await;
    app.after(TimeDelta::hours(1)).await;
    assert_eq!(app.runs("contact").await.len(), 1);
    assert_eq!(app.runs("sequence_state").await.len(), 2);
    let resume = json!({"object_type": "common", "object": "contact"});
    app.post("/mgmt/v2/syncs/_resume", resume).await.ok();
    app.after(TimeDelta::hours(1)).await;
    assert_eq!(app.runs("contact").await.len(), 2);
}

async fn pause(app: &App, object: &str) {
    let body = json!({"object_type": "common", "object": object});
    app.post("/mgmt/v2/syncs/_pause", body).await.ok();
}
