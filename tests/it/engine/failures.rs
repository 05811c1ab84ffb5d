//! How a run ends that can't continue, and what else it affects.

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use serde_json::json;
use syncline_sim::{Action, Fault, Match, Window};

use crate::support::{App, CUSTOMER, MASTER_KEY, SCOPED_KEY, on_both_databases};

#[apply(on_both_databases)]
async fn a_provider_that_stays_down_fails_the_run_and_not_the_others(database: Database) {
    let app = App::with_contacts(database, 120).await;
    app.apollo.faults().push(
        Fault::new(
            Match::path("contacts/search").page(2),
            Action::unavailable(),
        )
        .always(),
    );
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    let run = &app.runs("contact").await[0];
    assert_eq!(run["status"], "FAILURE");
    assert_eq!(run["state"], "failed");
    assert_eq!(run["coverage"]["verdict"], "interrupted");
    assert_eq!(run["requests_made"], 1 + 6);
    assert_eq!(
        app.all_records("contacts").await.len(),
        100,
        "what was read stays"
    );
    assert_eq!(app.runs("user").await[0]["status"], "SUCCESS");
    assert_eq!(events(&app, "sync.complete", "ERROR").await, 2);
    assert_eq!(events(&app, "sync.complete", "SUCCESS").await, 4);

    app.apollo.faults().clear();
    app.after(TimeDelta::hours(1)).await;
    assert_eq!(app.runs("contact").await[0]["status"], "SUCCESS");
    assert_eq!(app.all_records("contacts").await.len(), 120);
}

#[apply(on_both_databases)]
async fn a_rate_limit_makes_the_run_wait_and_go_on_where_it_was(database: Database) {
    let app = App::with_contacts(database, 250).await;
    app.apollo.faults().push(Fault::new(
        Match::path("contacts/search").page(2),
        Action::RateLimited {
            window: Window::Hour,
            retry_after: Some(600),
        },
    ));
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    let run = &app.runs("contact").await[0];
    assert_eq!(run["state"], "waiting");
    assert_eq!(run["status"], "IN_PROGRESS");
    assert_eq!(run["waiting_reason"], "provider_rate_limit");
    assert_eq!(run["waiting_until"], "2026-03-01T08:10:00.000Z");
    app.after(TimeDelta::seconds(599)).await;
    assert_eq!(app.runs("contact").await[0]["state"], "waiting");
    app.after(TimeDelta::seconds(1)).await;
    let runs = app.runs("contact").await;
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0]["status"], "SUCCESS");
    let pages: Vec<_> = app
        .apollo
        .ledger()
        .requests_to("contacts/search")
        .iter()
        .filter_map(|request| request.page)
        .collect();
    assert_eq!(pages, [1, 2, 2, 3]);
}

#[apply(on_both_databases)]
async fn a_wait_of_no_time_or_of_ages_is_bounded(database: Database) {
    let app = App::with_contacts(database, 10).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    for (asked, until) in [
        (0, "2026-03-01T08:00:01.000Z"),
        (9_000_000_000_000_000, "2026-03-02T08:00:01.000Z"),
    ] {
        app.apollo.faults().push(Fault::new(
            Match::path("contacts/search"),
            Action::RateLimited {
                window: Window::Minute,
                retry_after: Some(asked),
            },
        ));
        app.work_off().await;
        assert_eq!(app.runs("contact").await[0]["waiting_until"], until);
        app.clock.advance(TimeDelta::seconds(1));
    }
}

#[apply(on_both_databases)]
async fn a_key_replaced_during_a_scan_is_not_judged_by_the_old_one(database: Database) {
    let app = App::with_contacts(database, 250).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    let gate = app.apollo.gate(Match::path("contacts/search").page(2));
    let path = format!("/mgmt/v2/customers/{CUSTOMER}/connections/apollo");
    let replacing = async {
        gate.arrived(1).await;
        app.apollo.edit(0, |team| {
            team.add_key(syncline_sim::KeyOptions::master("new-key"));
        });
        app.put(&path, json!({"api_key": "new-key"})).await.ok();
        app.apollo.edit(0, |team| team.revoke_key(MASTER_KEY));
        gate.open();
    };
    tokio::join!(app.work_off(), replacing);
    app.work_off().await;
    assert_eq!(app.get(&path).await.ok()["status"], "healthy");
    let runs = app.runs("contact").await;
    assert_eq!(runs[0]["status"], "SUCCESS", "{runs:?}");
    let syncs = app.get("/mgmt/v2/syncs").await.ok();
    assert!(
        syncs["results"]
            .as_array()
            .unwrap()
            .iter()
            .all(|sync| sync["paused"] == false)
    );
}

#[apply(on_both_databases)]
async fn a_revoked_key_pauses_the_connection_and_a_new_one_resumes_it(database: Database) {
    let app = App::synced(database, 20).await;
    app.apollo.edit(0, |team| team.revoke_key(MASTER_KEY));
    app.after(TimeDelta::hours(1)).await;
    let syncs = app.get("/mgmt/v2/syncs").await.ok();
    for sync in syncs["results"].as_array().unwrap() {
        assert_eq!(sync["paused"], true, "{sync}");
        assert!(
            sync["paused_reason"]
                .as_str()
                .unwrap()
                .contains("no longer authenticated")
        );
        assert_eq!(sync["next_run_at"], json!(null));
    }
    let path = format!("/mgmt/v2/customers/{CUSTOMER}/connections/apollo");
    assert_eq!(app.get(&path).await.ok()["status"], "unauthorized");
    assert_eq!(
        app.database
            .count("SELECT count(*) FROM outbox WHERE event_type = 'sync.paused'")
            .await,
        6
    );
    app.apollo.edit(0, |team| {
        team.add_key(syncline_sim::KeyOptions::master("new-key"));
    });
    app.put(&path, json!({"api_key": "new-key"})).await.ok();
    app.work_off().await;
    assert_eq!(app.get(&path).await.ok()["status"], "healthy");
    assert_eq!(app.runs("contact").await[0]["status"], "SUCCESS");
}

#[apply(on_both_databases)]
async fn a_key_that_may_not_read_an_object_pauses_just_that_object(database: Database) {
    let app = App::with_contacts(database, 120).await;
    app.connect(CUSTOMER, SCOPED_KEY).await;
    app.work_off().await;
    for (object, status, paused) in [
        ("contact", "SUCCESS", false),
        ("sequence_state", "SUCCESS", false),
        ("account", "SUCCESS", false),
        ("user", "FAILURE", true),
        ("sequence", "FAILURE", true),
        ("mailbox", "FAILURE", true),
    ] {
        assert_eq!(app.runs(object).await[0]["status"], status, "{object}");
        let path = format!("/mgmt/v2/syncs?object_type=common&object={object}");
        let sync = &app.get(&path).await.ok()["results"][0];
        assert_eq!(sync["paused"], paused, "{object}");
    }
    let path = format!("/mgmt/v2/customers/{CUSTOMER}/connections/apollo");
    let connection = app.get(&path).await.ok();
    assert_eq!(connection["status"], "limited");
    assert_eq!(connection["capabilities"]["user"]["readable"], false);
    assert_eq!(connection["capabilities"]["contact"]["readable"], true);
    assert!(
        connection["capabilities"]["user"]["reason"]
            .as_str()
            .unwrap()
            .contains("users/search")
    );
}

async fn events(app: &App, event_type: &str, result: &str) -> i64 {
    app.database
        .count(&format!(
            "SELECT count(*) FROM outbox
             WHERE event_type = '{event_type}' AND payload->>'result' = '{result}'"
        ))
        .await
}
