//! One record by its id.

use macro_rules_attribute::apply;
use serde_json::{Value, json};

use super::LISTS;
use crate::{
    http::refused,
    support::{App, on_both_databases},
};

#[apply(on_both_databases)]
async fn a_get_shows_the_record_of_the_list(database: Database) {
    let app = App::synced(database, 60).await;
    for (list, _) in LISTS {
        let record = app.all_records(list).await.remove(0);
        let path = format!("/engagement/v2/{list}/{}?read_from_cache=true", id(&record));
        assert_eq!(app.get(&path).await.ok(), record, "{list}");
        let raw = app.get(&format!("{path}&include_raw_data=true")).await.ok();
        assert!(raw["raw_data"].is_object(), "{list}");
        let plain = app
            .get(&format!("{path}&include_raw_data=false"))
            .await
            .ok();
        assert_eq!(plain, record, "{list}");
    }
}

#[apply(on_both_databases)]
async fn a_deleted_row_is_shown_as_deleted(database: Database) {
    let app = App::synced(database, 20).await;
    let record = app.all_records("contacts").await.remove(3);
    delete(&app, "contacts", &id(&record)).await;
    let path = format!(
        "/engagement/v2/contacts/{}?read_from_cache=true",
        id(&record)
    );
    let deleted = app.get(&path).await.ok();
    assert_eq!(
        (&deleted["is_deleted"], &deleted["id"]),
        (&json!(true), &record["id"])
    );
    assert!(deleted["deleted_at"].is_string());
}

#[apply(on_both_databases)]
async fn an_unknown_id_is_a_404(database: Database) {
    let app = App::synced(database, 20).await;
    for (list, _) in LISTS {
        let path = format!("/engagement/v2/{list}/nothing");
        let answer = app.get(&format!("{path}?read_from_cache=true")).await;
        assert!(refused(&answer, 404, "NOT_FOUND_ERROR").contains("nothing"));
        // The second and third are names of endpoints, used as an id.
        for id in [
            "nothing",
            "search",
            "api_profile",
            "66e34b81740c50074e3d1bd4",
        ] {
            let live = app.get(&format!("/engagement/v2/{list}/{id}")).await;
            refused(&live, 404, "NOT_FOUND_ERROR");
            assert_eq!(
                live.body["errors"][0]["meta"]["origin"], "remote-provider",
                "{list}"
            );
        }
    }
}

#[apply(on_both_databases)]
async fn an_object_that_is_not_synced_is_a_400(database: Database) {
    let app = App::synced(database, 20).await;
    let users = app.all_records("users").await;
    let config = app.get("/mgmt/v2/sync_configs").await.ok()[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let body = json!({"config": {"default_config": {"period_ms": 60_000, "strategy": "full only"},
            "common_objects": [{"object": "contact"}]}});
    app.put(
        &format!("/mgmt/v2/sync_configs/{config}?force_delete_syncs=true"),
        body,
    )
    .await
    .ok();
    for path in ["users".to_owned(), format!("users/{}", id(&users[0]))] {
        let answer = app
            .get(&format!("/engagement/v2/{path}?read_from_cache=true"))
            .await;
        assert!(refused(&answer, 400, "BAD_REQUEST").contains("No sync found for user"));
    }
    app.get("/engagement/v2/contacts?read_from_cache=true")
        .await
        .ok();
}

/// Marks a row as deleted, as a run would.
pub(super) async fn delete(app: &App, list: &str, id: &str) {
    let now = app
        .now()
        .to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    app.database
        .execute(&format!(
            "UPDATE engagement_{list} SET is_deleted = true, deleted_at = '{now}' WHERE id = '{id}'"
        ))
        .await;
    app.database
        .execute("UPDATE change_feeds SET last_stamp_ms = last_stamp_ms + 1")
        .await;
}

pub(super) fn id(record: &Value) -> String {
    record["id"].as_str().unwrap().to_owned()
}
