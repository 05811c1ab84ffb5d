//! Finished runs are purged after a time.

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use serde_json::Value;
use syncline_store::Expired;

use super::evidence::{contact_ids, next_period, row};
use crate::support::{App, CUSTOMER, on_both_databases};

const KEPT: TimeDelta = TimeDelta::days(90);

#[apply(on_both_databases)]
async fn runs_go_after_90_days_but_for_the_newest_of_each_sync(database: Database) {
    let app = App::synced(database, 20).await;
    next_period(&app).await;
    assert_eq!(app.runs("contact").await.len(), 2);
    let pages = app
        .database
        .count("SELECT count(*) FROM sync_run_pages")
        .await;
    app.clock.advance(KEPT - TimeDelta::hours(1));
    assert_eq!(app.engine.purge(Expired::Runs).await.unwrap(), 0);
    app.clock
        .advance(TimeDelta::hours(1) + TimeDelta::seconds(1));
    // Those of all six objects.
    assert_eq!(app.engine.purge(Expired::Runs).await.unwrap(), 6);
    assert_eq!(app.runs("contact").await.len(), 1);
    assert!(
        app.database
            .count("SELECT count(*) FROM sync_run_pages")
            .await
            <= pages
    );
    app.clock.advance(TimeDelta::days(365));
    assert_eq!(
        app.engine.purge(Expired::Runs).await.unwrap(),
        0,
        "the newest stays"
    );
    let syncs = app.get("/mgmt/v2/syncs").await.ok();
    let syncs = syncs["results"].as_array().unwrap().clone();
    assert!(
        syncs
            .iter()
            .all(|sync| sync["last_run"]["state"] == "succeeded")
    );
    let id = &contact_ids(&app)[0];
    let provenance = app
        .get(&format!(
            "/mgmt/v2/customers/{CUSTOMER}/connections/apollo/records/contact/{id}/provenance"
        ))
        .await
        .ok();
    assert!(provenance["first_seen_by"]["run_id"].is_string());
    assert_eq!(
        provenance["first_seen_by"]["started_at"],
        Value::Null,
        "that run is not kept"
    );
    assert_eq!(row(&app, "contacts", id).await["is_deleted"], false);
}

#[apply(on_both_databases)]
async fn a_run_that_holds_deletions_stays_until_somebody_decides(database: Database) {
    let app = App::synced(database, 40).await;
    let ids = contact_ids(&app);
    app.apollo.edit(0, |team| {
        ids[..30]
            .iter()
            .for_each(|id| team.delete_contact(id).unwrap());
    });
    next_period(&app).await;
    let held = app.runs("contact").await[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        app.runs("contact").await[0]["deletes_held"]
            .as_i64()
            .unwrap()
            > 0
    );
    next_period(&app).await;
    app.clock.advance(KEPT + TimeDelta::hours(3));
    app.engine.purge(Expired::Runs).await.unwrap();
    let apply = format!("/mgmt/v2/sync-runs/{held}/_apply_deletes");
    app.post(&apply, serde_json::json!({})).await.ok();
    assert_eq!(row(&app, "contacts", &ids[0]).await["is_deleted"], true);
}
