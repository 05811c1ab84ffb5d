//! `none`: nothing is stored, live reads still answer.

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use serde_json::json;

use super::{carry_out, set_policy};
use crate::support::{App, CUSTOMER, MASTER_KEY, on_both_databases};

/// The first row anywhere in the database that has one of these texts.
async fn stored(app: &App, texts: &[String]) -> Option<String> {
    let dump = app.database.dump(None).await;
    let has_one = |row: &String| texts.iter().any(|text| row.contains(text));
    dump.into_iter().find(has_one)
}

#[apply(on_both_databases)]
async fn nothing_is_left_of_contacts_that_are_no_longer_stored(database: Database) {
    let app = App::synced(database, 600).await;
    let ids = app.apollo.read(0, syncline_sim::Team::contact_ids);
    app.apollo
        .edit(0, |team| team.delete_contact(&ids[3]))
        .unwrap();
    app.after(TimeDelta::hours(1)).await;
    for object in ["contact", "sequence_state"] {
        set_policy(&app, object, json!({"store": "none"}))
            .await
            .ok();
    }
    carry_out(&app).await;
    assert_eq!(stored(&app, &ids).await, None);
    // Neither by a later sync.
    app.after(TimeDelta::hours(1)).await;
    assert_eq!(stored(&app, &ids).await, None);
    let live = app
        .get(&format!("/engagement/v2/contacts/{}", ids[0]))
        .await
        .ok();
    assert_eq!(live["id"], ids[0].as_str());
    assert!(
        !app.all_records("users").await.is_empty(),
        "the others are synced"
    );
}

#[apply(on_both_databases)]
async fn states_are_stored_without_the_ids_of_contacts_that_are_not(database: Database) {
    let app = App::with_contacts(database, 250).await;
    set_policy(&app, "contact", json!({"store": "none"}))
        .await
        .ok();
    let fields = json!({"fields": ["state", "sequence_id"]});
    set_policy(&app, "sequence_state", json!({"store": fields}))
        .await
        .ok();
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    let states = app.all_records("sequence_states").await;
    assert!(!states.is_empty());
    let stateless = app.apollo.read(0, |team| {
        let mut ids = team.contact_ids();
        ids.retain(|id| team.state_ids_of(id).is_empty());
        ids
    });
    assert!(!stateless.is_empty());
    assert_eq!(stored(&app, &stateless).await, None, "no state names them");

    // What was read still tells which states are gone: those of a contact that was read without.
    let (contact, state) = app.apollo.read(0, |team| {
        let ids = team.contact_ids();
        let with = ids
            .iter()
            .find(|id| !team.state_ids_of(id).is_empty())
            .unwrap();
        (with.clone(), team.sequence_ids_of(with).remove(0))
    });
    app.apollo
        .edit(0, |team| team.unenrol(app.now(), &contact, &state))
        .unwrap();
    for _ in 0..2 {
        app.after(TimeDelta::hours(1)).await;
    }
    let run = &app.runs("sequence_state").await;
    assert_eq!(run[0]["coverage"]["verdict"], "complete");
    assert_eq!(
        app.all_records("sequence_states").await.len(),
        states.len() - 1
    );
    assert_eq!(
        app.database
            .count("SELECT count(*) FROM engagement_contacts")
            .await,
        0
    );
}

/// Pages of sequence states.
const WRITTEN: &str = "
    SELECT count(*) FROM sync_run_pages p JOIN sync_runs r ON r.id = p.run_id
    WHERE r.object = 'sequence_state'";

#[apply(on_both_databases)]
async fn a_scan_goes_on_with_another_worker_where_carriers_are_not_stored(database: Database) {
    let app = App::with_contacts(database, 450).await;
    set_policy(&app, "contact", json!({"store": "none"}))
        .await
        .ok();
    app.connect(CUSTOMER, MASTER_KEY).await;
    let gate = app
        .apollo
        .gate(syncline_sim::Match::path("contacts/search").page(3));
    tokio::select! {
        _ = app.work_off() => panic!("the third page was held back"),
        () = async {
            gate.arrived(1).await;
            while app.database.count(WRITTEN).await < 2 {
                tokio::task::yield_now().await;
            }
        } => {}
    }
    gate.open();
    app.after(TimeDelta::seconds(31)).await;
    let runs = app.runs("sequence_state").await;
    assert_eq!(runs.len(), 1, "it is still the same run");
    assert_eq!(
        (&runs[0]["status"], &runs[0]["coverage"]["verdict"]),
        (&json!("SUCCESS"), &json!("complete"))
    );
}
