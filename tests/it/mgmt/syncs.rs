//! `/syncs`

use macro_rules_attribute::apply;
use serde_json::{Value, json};
use syncline_sim::Match;

use crate::{
    http::{pages, refused},
    support::{App, CUSTOMER, MASTER_KEY, SCOPED_KEY, on_both_databases},
};

#[apply(on_both_databases)]
async fn a_list_shows_each_sync_with_its_state(database: Database) {
    let app = App::synced(database, 5).await;
    let list = app.get("/mgmt/v2/syncs").await.ok();
    assert_eq!(
        (&list["total_count"], &list["next"], &list["previous"]),
        (&json!(6), &Value::Null, &Value::Null)
    );
    for sync in list["results"].as_array().unwrap() {
        for field in [
            "id",
            "connection_id",
            "sync_config_id",
            "object",
            "next_run_at",
        ] {
            assert!(sync[field].is_string(), "{field} of {sync}");
        }
        for (field, value) in [
            ("type", json!("object")),
            ("object_type", json!("common")),
            ("paused", json!(false)),
            ("state", json!("idle")),
            ("progress", Value::Null),
            ("customer_id", json!(CUSTOMER)),
            ("provider_name", json!("apollo")),
            ("paused_reason", Value::Null),
            ("next_run_reason", Value::Null),
        ] {
            assert_eq!(sync[field], value, "{field}");
        }
        assert_eq!(sync["last_run"]["state"], "succeeded");
    }
}

#[apply(on_both_databases)]
async fn filters_narrow_the_list_and_its_count(database: Database) {
    let app = App::synced(database, 5).await;
    app.connect("another", MASTER_KEY).await;
    for (query, count) in [
        ("", 12),
        ("?customer_id=another", 6),
        ("?customer_id=nobody", 0),
        ("?provider_name=apollo", 12),
        ("?provider_name=salesloft", 0),
        ("?object_type=common&object=contact", 2),
        ("?object_type=common&object=contact&customer_id=another", 1),
    ] {
        let list = app.get(&format!("/mgmt/v2/syncs{query}")).await.ok();
        assert_eq!(list["total_count"], count, "{query}");
        assert_eq!(list["results"].as_array().unwrap().len(), count, "{query}");
    }
    for (query, field) in [
        ("object=contact", "object"),
        ("object_type=common", "object"),
        ("object_type=standard&object=x", "object_type"),
        ("object_type=odd&object=x", "object_type"),
        ("entity_id=e", "entity_id"),
    ] {
        let answer = app.get(&format!("/mgmt/v2/syncs?{query}")).await;
        assert_eq!(answer.error(), (400, "VALIDATION_ERROR", field), "{query}");
    }
}

#[apply(on_both_databases)]
async fn a_filter_that_nothing_can_match_is_refused(database: Database) {
    let app = App::synced(database, 5).await;
    for list in ["/mgmt/v2/syncs", "/mgmt/v2/sync-runs"] {
        for (query, field) in [
            ("object_type=common&object=", "object"),
            ("object_type=common&object=deal", "object"),
            ("provider_name=", "provider_name"),
            ("customer_id=", "customer_id"),
        ] {
            let answer = app.get(&format!("{list}?{query}")).await;
            assert_eq!(
                answer.error(),
                (400, "VALIDATION_ERROR", field),
                "{list}?{query}"
            );
        }
        // A customer that only doesn't exist yet.
        let answer = app.get(&format!("{list}?customer_id=nobody")).await.ok();
        assert_eq!(answer["total_count"], 0);
    }
}

#[apply(on_both_databases)]
async fn the_last_run_says_what_it_covered(database: Database) {
    let app = App::synced(database, 5).await;
    let list = app
        .get("/mgmt/v2/syncs?object_type=common&object=contact")
        .await
        .ok();
    let coverage = &list["results"][0]["last_run"]["coverage"];
    assert_eq!(
        (&coverage["verdict"], &coverage["records_seen"]),
        (&json!("complete"), &json!(5))
    );
    app.trigger("contact").await;
    app.engine.tick().await.unwrap();
    let list = app
        .get("/mgmt/v2/syncs?object_type=common&object=contact")
        .await
        .ok();
    assert_eq!(list["results"][0]["last_run"]["coverage"], Value::Null);
}

#[apply(on_both_databases)]
async fn syncs_are_found_by_the_state_and_the_status_of_their_runs(database: Database) {
    let app = App::with_contacts(database, 5).await;
    app.connect(CUSTOMER, SCOPED_KEY).await;
    let found = async |query: &str| {
        let list = app.get(&format!("/mgmt/v2/syncs?{query}")).await.ok();
        let mut objects: Vec<String> = list["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|sync| sync["object"].as_str().unwrap().to_owned())
            .collect();
        objects.sort();
        assert_eq!(list["total_count"], objects.len(), "{query}");
        objects.join(" ")
    };
    assert_eq!(
        found("state=idle&page_size=1000").await.split(' ').count(),
        6
    );
    app.engine.tick().await.unwrap();
    assert_eq!(found("state=queued").await.split(' ').count(), 6);
    assert_eq!(
        found("status=IN_PROGRESS&object_type=common&object=user").await,
        "user"
    );
    assert_eq!(found("state=running").await, "");
    app.work_off().await;
    let (read, kept_from) = ("account contact sequence_state", "mailbox sequence user");
    for (query, objects) in [
        ("state=queued", ""),
        ("state=idle", read),
        ("state=paused", kept_from),
        ("status=SUCCESS", read),
        ("status=FAILURE", kept_from),
        ("status=FAILURE&customer_id=nobody", ""),
    ] {
        assert_eq!(found(query).await, objects, "{query}");
    }
    for (query, field) in [
        ("state=asleep", "state"),
        ("status=success", "status"),
        ("state=idle&status=SUCCESS", "status"),
    ] {
        let answer = app.get(&format!("/mgmt/v2/syncs?{query}")).await;
        assert_eq!(answer.error(), (400, "VALIDATION_ERROR", field), "{query}");
    }
}

#[apply(on_both_databases)]
async fn pages_lead_forward_and_back_without_gaps(database: Database) {
    let app = App::synced(database, 5).await;
    for size in [1, 2, 5, 6] {
        pages(&app, "/mgmt/v2/syncs", size, 6).await;
    }
}

#[apply(on_both_databases)]
async fn a_pause_stops_runs_and_is_told_once(database: Database) {
    let app = App::synced(database, 5).await;
    for _ in 0..2 {
        let sync = act(&app, "_pause", "user").await;
        assert_eq!(
            (&sync["paused"], &sync["state"]),
            (&json!(true), &json!("paused"))
        );
        assert_eq!(sync["paused_reason"], "Manually paused by user");
        assert_eq!(
            (&sync["next_run_at"], &sync["next_run_reason"]),
            (&Value::Null, &json!("it is paused"))
        );
    }
    assert_eq!(
        app.database
            .count("SELECT count(*) FROM outbox WHERE event_type = 'sync.paused'")
            .await,
        1
    );
    app.after(chrono::TimeDelta::hours(1)).await;
    assert_eq!(app.runs("user").await.len(), 1);
    assert_eq!(app.runs("account").await.len(), 2);

    let sync = act(&app, "_resume", "user").await;
    assert_eq!(
        (&sync["paused"], &sync["paused_reason"]),
        (&json!(false), &Value::Null)
    );
    app.after(chrono::TimeDelta::hours(1)).await;
    assert_eq!(app.runs("user").await.len(), 2);
}

#[apply(on_both_databases)]
async fn a_trigger_runs_a_paused_sync_and_leaves_it_paused(database: Database) {
    let app = App::synced(database, 5).await;
    act(&app, "_pause", "user").await;
    let sync = act(&app, "_trigger", "user").await;
    assert_eq!(
        (&sync["next_run_at"], &sync["next_run_reason"]),
        (
            &json!("2026-03-01T08:00:00.000Z"),
            &json!("it was triggered")
        )
    );
    app.work_off().await;
    assert_eq!(app.runs("user").await.len(), 2);
    let sync = act(&app, "_pause", "user").await;
    assert_eq!(
        (&sync["paused"], &sync["state"]),
        (&json!(true), &json!("paused"))
    );
}

#[apply(on_both_databases)]
async fn triggers_during_a_run_queue_exactly_one_more(database: Database) {
    let app = App::with_contacts(database, 230).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    let gate = app.apollo.gate(Match::path("contacts/search").page(2));
    let engine = app.engine.clone();
    let work = tokio::spawn(async move { engine.work_off().await.unwrap() });
    gate.arrived(1).await;
    app.until_written("contact", 100).await;
    for _ in 0..3 {
        let sync = act(&app, "_trigger", "contact").await;
        assert_eq!(sync["state"], "running");
        assert_eq!(sync["progress"]["records_read"], 100);
        assert_eq!(sync["progress"]["records_reported"], 230);
    }
    gate.open();
    work.await.unwrap();
    assert_eq!(app.runs("contact").await.len(), 2);
    app.work_off().await;
    assert_eq!(app.runs("contact").await.len(), 2);
}

#[apply(on_both_databases)]
async fn a_sync_says_when_its_waiting_run_goes_on_and_who_goes_first(database: Database) {
    let app = App::with_contacts(database, 450).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    let limits = json!({"limits": {"records_per_hour": 300}});
    app.put(
        "/mgmt/v2/customers/customer-1/connections/apollo",
        limits.clone(),
    )
    .await
    .ok();
    app.work_off().await;
    let run = app.runs("contact").await.remove(0);
    assert_eq!(run["state"], "waiting");
    let waiting = one(&app, CUSTOMER, "contact").await;
    assert_eq!(
        (
            &waiting["state"],
            &waiting["next_run_at"],
            &waiting["next_run_reason"]
        ),
        (
            &json!("waiting"),
            &run["waiting_until"],
            &json!("its run waits for the hour's records")
        )
    );

    // The same team and the same limits: it would spend what the first one waits for.
    app.connect("another", MASTER_KEY).await;
    app.put("/mgmt/v2/customers/another/connections/apollo", limits)
        .await
        .ok();
    app.work_off().await;
    let behind = one(&app, "another", "user").await;
    assert_eq!(
        (
            &behind["state"],
            &behind["last_run"],
            &behind["next_run_at"]
        ),
        (&json!("idle"), &Value::Null, &run["waiting_until"]),
        "{behind}"
    );
    let reason = behind["next_run_reason"].as_str().unwrap();
    assert!(reason.contains("goes first"), "{reason}");
}

#[apply(on_both_databases)]
async fn a_sync_whose_object_may_not_be_read_tries_once_a_day(database: Database) {
    let app = App::with_contacts(database, 5).await;
    app.connect(CUSTOMER, SCOPED_KEY).await;
    app.work_off().await;
    let sync = one(&app, CUSTOMER, "user").await;
    assert_eq!(
        (&sync["paused"], &sync["next_run_at"]),
        (&json!(true), &json!("2026-03-02T08:00:00.000Z")),
        "{sync}"
    );
    let reason = sync["next_run_reason"].as_str().unwrap();
    assert!(reason.contains("once a day"), "{reason}");
    let connection = app
        .get("/mgmt/v2/customers/customer-1/connections/apollo")
        .await
        .ok();
    assert_eq!(
        connection["capabilities"]["user"]["denial"], "key_scope",
        "{connection}"
    );
    assert_eq!(connection["capabilities"]["contact"]["denial"], Value::Null);
}

#[apply(on_both_databases)]
async fn a_trigger_of_the_states_before_the_first_page_joins_the_scan(database: Database) {
    let app = App::synced(database, 120).await;
    act(&app, "_pause", "sequence_state").await;
    app.apollo.ledger().reset();
    act(&app, "_trigger", "contact").await;
    app.engine.tick().await.unwrap();
    act(&app, "_trigger", "sequence_state").await;
    app.work_off().await;
    assert_eq!(app.runs("contact").await.len(), 2);
    assert_eq!(app.runs("sequence_state").await.len(), 2);
    assert_eq!(app.apollo.ledger().requests_to("contacts/search").len(), 2);
}

#[apply(on_both_databases)]
async fn a_wrong_selection_is_refused_by_field(database: Database) {
    let app = App::synced(database, 5).await;
    for action in ["_pause", "_resume", "_trigger"] {
        let path = format!("/mgmt/v2/syncs/{action}");
        for (body, field) in [
            (json!({"object_type": "common"}), "object"),
            (json!({"object": "user"}), "object_type"),
            (
                json!({"object_type": "standard", "object": "user"}),
                "object_type",
            ),
            (
                json!({"object_type": "common", "object": "user\0"}),
                "object",
            ),
        ] {
            let answer = app.post(&path, body.clone()).await;
            assert_eq!(
                answer.error(),
                (400, "VALIDATION_ERROR", field),
                "{action} {body}"
            );
        }
        for nothing in ["nothing", "deal", ""] {
            let body = json!({"object_type": "common", "object": nothing});
            refused(&app.post(&path, body).await, 404, "NOT_FOUND_ERROR");
        }
        let body = json!({"object_type": "common", "object": "user"});
        for missing in ["x-customer-id", "x-provider-name"] {
            let mut request = app
                .request(reqwest::Method::POST, &path)
                .header("x-api-key", &app.api_key);
            for (name, value) in [("x-customer-id", CUSTOMER), ("x-provider-name", "apollo")] {
                if name != missing {
                    request = request.header(name, value);
                }
            }
            let answer = App::answer(request.json(&body)).await;
            assert_eq!(answer.error(), (400, "VALIDATION_ERROR", missing));
        }
    }
    let body = json!({"object_type": "common", "object": "user", "perform_full_refresh": "yes"});
    let answer = app.post("/mgmt/v2/syncs/_trigger", body).await;
    assert_eq!(
        answer.error(),
        (400, "VALIDATION_ERROR", "perform_full_refresh")
    );
    let config = app.get("/mgmt/v2/sync_configs").await.ok()[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    app.delete(&format!(
        "/mgmt/v2/sync_configs/{config}?force_delete_syncs=true"
    ))
    .await
    .ok();
    let body = json!({"object_type": "common", "object": "user"});
    refused(
        &app.post("/mgmt/v2/syncs/_pause", body).await,
        404,
        "NOT_FOUND_ERROR",
    );
}

async fn one(app: &App, customer: &str, object: &str) -> Value {
    let path = format!("/mgmt/v2/syncs?customer_id={customer}&object_type=common&object={object}");
    app.get(&path).await.ok()["results"][0].clone()
}

async fn act(app: &App, action: &str, object: &str) -> Value {
    let body = json!({"object_type": "common", "object": object});
    app.post(&format!("/mgmt/v2/syncs/{action}"), body)
        .await
        .ok()
}
