//! `/sync-runs`

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use serde_json::{Value, json};
use syncline_sim::{Action, Fault, Match, Simulator};

use crate::{
    http::{pages, refused},
    support::{App, CUSTOMER, MASTER_KEY, on_both_databases, quiet_apollo},
};

const RUNS: &str = "/mgmt/v2/sync-runs";

#[apply(on_both_databases)]
async fn a_run_has_the_published_fields_and_ours(database: Database) {
    let app = App::synced(database, 5).await;
    let run = app.runs("contact").await.remove(0);
    for field in [
        "id",
        "sync_id",
        "application_id",
        "connection_id",
        "start_timestamp",
        "end_timestamp",
    ] {
        assert!(run[field].is_string(), "{field}");
    }
    for (field, value) in [
        ("status", json!("SUCCESS")),
        ("state", json!("succeeded")),
        ("object_type", json!("common")),
        ("object", json!("contact")),
        ("type", json!("object")),
        ("customer_id", json!(CUSTOMER)),
        ("provider_name", json!("apollo")),
        ("category", json!("engagement")),
        ("num_records_synced", json!(5)),
        ("error_message", Value::Null),
        ("records_created", json!(5)),
        ("records_updated", json!(0)),
        ("records_unchanged", json!(0)),
        ("records_deleted", json!(0)),
        ("records_rejected", json!(0)),
        ("records_missing", json!(0)),
        ("deletes_held", json!(0)),
        ("waiting_until", Value::Null),
        ("waiting_reason", Value::Null),
    ] {
        assert_eq!(run[field], value, "{field}");
    }
    assert_eq!(run["coverage"]["verdict"], "complete");
    let id = run["id"].as_str().unwrap();
    for path in [RUNS, "/mgmt/v2/sync_runs"] {
        let one = app.get(&format!("{path}/{id}")).await.ok();
        assert_eq!(one["rejections"], json!([]));
        assert_eq!(one["id"], run["id"]);
        assert_eq!(app.get(path).await.ok()["total_count"], 6);
    }
    refused(
        &app.get(&format!("{RUNS}/nothing")).await,
        404,
        "NOT_FOUND_ERROR",
    );
}

#[apply(on_both_databases)]
async fn a_run_tells_which_records_it_kept_out(database: Database) {
    let app = App::with_contacts(database, 5).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.apollo.faults().push(Fault::new(
        Match::path("contacts/search"),
        Action::record_without_id(),
    ));
    app.work_off().await;
    let run = app.runs("contact").await.remove(0);
    assert_eq!(run["records_rejected"], 1);
    let one = app
        .get(&format!("{RUNS}/{}", run["id"].as_str().unwrap()))
        .await
        .ok();
    assert_eq!(one["rejections"][0]["id"], Value::Null);
    assert!(one["rejections"][0]["reason"].is_string());
}

#[apply(on_both_databases)]
async fn a_provider_whose_clock_is_wrong_is_covered_all_the_same(database: Database) {
    // Apollo uses the machine's clock, the application its own.
    let apollo = Simulator::start(quiet_apollo(230)).await.unwrap();
    let app = App::against(database, apollo).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    let run = app.runs("contact").await.remove(0);
    assert_eq!(run["coverage"]["verdict"], "complete", "{run}");
}

#[apply(on_both_databases)]
async fn held_deletions_are_applied_on_demand_and_once(database: Database) {
    let app = App::synced(database, 30).await;
    app.apollo.edit(0, |team| {
        for id in team.contact_ids().iter().take(20) {
            team.delete_contact(id).unwrap();
        }
    });
    app.after(TimeDelta::hours(1)).await;
    let run = app.runs("contact").await.remove(0);
    assert_eq!(
        (
            &run["deletes_held"],
            &run["records_deleted"],
            &run["records_missing"]
        ),
        (&json!(20), &json!(0), &json!(20)),
        "{run}"
    );
    assert_eq!(app.all_records("contacts").await.len(), 30);

    let apply = format!("{}/_apply_deletes", run["id"].as_str().unwrap());
    let applied = app.post(&format!("{RUNS}/{apply}"), Value::Null).await.ok();
    assert_eq!(
        (
            &applied["deletes_held"],
            &applied["records_deleted"],
            &applied["records_missing"]
        ),
        (&json!(0), &json!(20), &json!(0)),
        "{applied}"
    );
    assert_eq!(
        app.get(&format!("{RUNS}/{}", run["id"].as_str().unwrap()))
            .await
            .ok(),
        applied
    );
    assert_eq!(app.all_records("contacts").await.len(), 10);
    for path in [RUNS, "/mgmt/v2/sync_runs"] {
        assert_eq!(
            app.post(&format!("{path}/{apply}"), Value::Null).await.ok(),
            applied
        );
    }
}

#[apply(on_both_databases)]
async fn deletions_are_applied_to_runs_that_have_ended(database: Database) {
    let app = App::with_contacts(database, 5).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.engine.tick().await.unwrap();
    let run = app.runs("contact").await.remove(0);
    for path in [RUNS, "/mgmt/v2/sync_runs"] {
        let apply = |id: &str| format!("{path}/{id}/_apply_deletes");
        let answer = app.post(&apply("nothing"), Value::Null).await;
        refused(&answer, 404, "NOT_FOUND_ERROR");
        let answer = app
            .post(&apply(run["id"].as_str().unwrap()), Value::Null)
            .await;
        refused(&answer, 409, "CONFLICT_ERROR");
    }
    app.work_off().await;
    let run = app.runs("contact").await.remove(0);
    let path = format!("{RUNS}/{}/_apply_deletes", run["id"].as_str().unwrap());
    let answer = app.post(&path, Value::Null).await.ok();
    assert_eq!(
        (&answer["id"], &answer["records_deleted"]),
        (&run["id"], &json!(0))
    );

    let other = app
        .store
        .find_or_create_application("another", &crate::support::enabled())
        .await
        .unwrap();
    app.store
        .add_api_key(&other.id, "another", "another-api-key")
        .await
        .unwrap();
    let request = app
        .request(reqwest::Method::POST, &path)
        .header("x-api-key", "another-api-key");
    refused(&App::answer(request).await, 404, "NOT_FOUND_ERROR");
}

#[apply(on_both_databases)]
async fn runs_are_listed_newest_first_and_every_filter_narrows_them(database: Database) {
    let app = App::synced(database, 5).await;
    app.apollo
        .faults()
        .push(Fault::new(Match::path("users/search"), Action::server_error()).always());
    app.after(TimeDelta::hours(1)).await;
    app.apollo.faults().clear();
    app.clock.advance(TimeDelta::minutes(1));
    app.connect("another", MASTER_KEY).await;
    app.engine.tick().await.unwrap();

    let all = app.get(RUNS).await.ok();
    let starts: Vec<_> = all["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|run| run["start_timestamp"].as_str().unwrap())
        .collect();
    assert!(starts.is_sorted_by(|a, b| a >= b), "{starts:?}");

    for (query, count) in [
        ("", 18),
        ("?customer_id=another", 6),
        ("?provider_name=apollo", 18),
        ("?provider_name=salesloft", 0),
        ("?object_type=common", 18),
        ("?object=user", 3),
        ("?object_type=common&object=user&customer_id=another", 1),
        ("?status=success", 11),
        ("?status=FAILURE", 1),
        ("?status=in_progress", 6),
        ("?start_timestamp=%3E2026-03-01T08:30:00Z", 12),
        ("?start_timestamp=%3C2026-03-01T08:30:00Z", 6),
        ("?start_timestamp=%3E2026-03-01T08:00:00Z", 12),
        ("?start_timestamp=%3C2026-03-01T08:00:00Z", 0),
        ("?start_timestamp=%3E2026-03-01T10:30:00%2B02:00", 12),
        ("?start_timestamp=%3E0000-01-01T00:00:00Z", 18),
        ("?start_timestamp=%3C9999-12-31T23:59:59Z", 18),
        ("?end_timestamp=%3E2026-03-01T08:30:00Z", 6),
        (
            "?end_timestamp=%3C2026-03-01T08:30:00Z&start_timestamp=%3E2026-01-01T00:00:00Z",
            6,
        ),
    ] {
        let list = app.get(&format!("{RUNS}{query}")).await.ok();
        assert_eq!(list["total_count"], count, "{query}");
        assert_eq!(list["results"].as_array().unwrap().len(), count, "{query}");
    }
    for (query, field) in [
        ("status=done", "status"),
        ("start_timestamp=2026-03-01T08:30:00Z", "start_timestamp"),
        ("start_timestamp=%3Eyesterday", "start_timestamp"),
        ("start_timestamp=%3D2026-03-01T08:30:00Z", "start_timestamp"),
        ("end_timestamp=%C3%A9", "end_timestamp"),
        ("object_type=odd", "object_type"),
        ("entity_id=e", "entity_id"),
    ] {
        let answer = app.get(&format!("{RUNS}?{query}")).await;
        assert_eq!(answer.error(), (400, "VALIDATION_ERROR", field), "{query}");
    }
}

#[apply(on_both_databases)]
async fn pages_lead_forward_and_back_without_gaps(database: Database) {
    let app = App::synced(database, 5).await;
    app.after(TimeDelta::hours(1)).await;
    for size in [1, 5, 12] {
        pages(&app, RUNS, size, 12).await;
    }
    pages(&app, "/mgmt/v2/sync_runs", 7, 12).await;
}
