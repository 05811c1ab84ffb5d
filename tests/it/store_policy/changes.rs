//! A policy that changes while something else goes on.

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use serde_json::{Value, json};
use syncline_sim::Match;

use super::{carry_out, set_policy};
use crate::support::{App, CUSTOMER, MASTER_KEY, on_both_databases};

const WITH_RAW_DATA: &str =
    "SELECT count(*) FROM engagement_contacts WHERE CAST(raw_data AS text) <> 'null'";

#[apply(on_both_databases)]
async fn a_running_sync_goes_on_under_the_new_policy(database: Database) {
    let app = App::with_contacts(database, 450).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    let gate = app.apollo.gate(Match::path("contacts/search").page(3));
    let synced = app.work_off();
    tokio::pin!(synced);
    tokio::select! {
        _ = &mut synced => panic!("the third page was held back"),
        () = async {
            gate.arrived(1).await;
            app.until_written("contact", 200).await;
        } => {}
    }
    assert_eq!(app.database.count(WITH_RAW_DATA).await, 200);
    set_policy(&app, "contact", json!({"store": "common"}))
        .await
        .ok();
    carry_out(&app).await;
    assert_eq!(app.database.count(WITH_RAW_DATA).await, 0);
    gate.open();
    synced.await;
    assert_eq!(
        app.database.count(WITH_RAW_DATA).await,
        0,
        "later pages have the policy"
    );
    let run = &app.runs("contact").await[0];
    assert_eq!(
        (&run["num_records_synced"], &run["status"]),
        (&json!(450), &json!("SUCCESS"))
    );
    assert_eq!(app.all_records("contacts").await.len(), 450);
}

#[apply(on_both_databases)]
async fn what_is_no_longer_stored_needs_no_force_and_what_is_left_out_does(database: Database) {
    let app = App::synced(database, 5).await;
    set_policy(&app, "contact", json!({"store": "none"}))
        .await
        .ok();
    let objects: Vec<Value> = app.get("/mgmt/v2/syncs").await.ok()["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|sync| sync["object"].clone())
        .collect();
    assert!(
        !objects.contains(&json!("contact")) && objects.len() == 5,
        "{objects:?}"
    );
    let config = app.get("/mgmt/v2/sync_configs").await.ok()[0].clone();
    let mut body = config["config"].clone();
    body["common_objects"].as_array_mut().unwrap().remove(0);
    let path = format!("/mgmt/v2/sync_configs/{}", config["id"].as_str().unwrap());
    let refused = app.put(&path, json!({"config": body})).await;
    assert!(refused.status.is_client_error(), "{refused:?}");
    assert_eq!(app.get("/mgmt/v2/sync_configs").await.ok()[0], config);
}

#[apply(on_both_databases)]
async fn an_object_that_is_stored_again_is_synced_again(database: Database) {
    let app = App::synced(database, 25).await;
    set_policy(&app, "contact", json!({"store": "none"}))
        .await
        .ok();
    carry_out(&app).await;
    let count = "SELECT count(*) FROM engagement_contacts";
    assert_eq!(app.database.count(count).await, 0);
    set_policy(&app, "contact", json!({})).await.ok();
    app.after(TimeDelta::hours(1)).await;
    assert_eq!(app.all_records("contacts").await.len(), 25);
}
