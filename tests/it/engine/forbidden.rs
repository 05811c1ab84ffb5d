//! A 403 stops the sync of one object, says whether the key or the plan is the reason, and is
//! retried once a day.

use macro_rules_attribute::apply;
use serde_json::{Value, json};
use syncline_sim::{FreePlan, KeyOptions, Plan};

use super::evidence::{event_of, next_period, pause, run_of, texts, times_asked};
use crate::support::{
    App, CUSTOMER, Database, MASTER_KEY, SCOPED_KEY, on_both_databases, quiet_apollo,
};

/// What the scoped key may not read.
const OUT_OF_SCOPE: [&str; 3] = ["user", "sequence", "mailbox"];

#[apply(on_both_databases)]
async fn a_key_without_the_scope_is_said_to_be_in_the_way(database: Database) {
    let app = App::with_contacts(database, 20).await;
    app.connect(CUSTOMER, SCOPED_KEY).await;
    app.work_off().await;
    for object in OUT_OF_SCOPE {
        refused(&app, object, "key_scope", "The API key may not read it").await;
    }
    for object in ["contact", "sequence_state", "account"] {
        served(&app, object).await;
    }
    assert_eq!(connection(&app).await["status"], "limited");
}

#[apply(on_both_databases)]
async fn a_plan_without_the_endpoint_is_said_to_be_in_the_way(database: Database) {
    refused_by_the_plan(database, FreePlan::PaidPlansOnly).await;
}

#[apply(on_both_databases)]
async fn a_plan_is_said_to_be_in_the_way_even_where_apollo_blames_the_key(database: Database) {
    refused_by_the_plan(database, FreePlan::NamesTheEndpoint).await;
}

#[apply(on_both_databases)]
async fn a_refused_object_is_tried_once_a_day(database: Database) {
    let app = App::with_contacts(database, 20).await;
    app.connect(CUSTOMER, SCOPED_KEY).await;
    app.work_off().await;
    assert_eq!(times_asked(&app, "users/search"), 1);
    let mut tries = 0;
    for hour in 1..=49 {
        next_period(&app).await;
        let asked = times_asked(&app, "users/search");
        tries += asked;
        assert_eq!(asked == 1, hour % 24 == 0, "in hour {hour}");
        assert_eq!(
            times_asked(&app, "contacts/search"),
            1,
            "what may be read is read"
        );
    }
    assert_eq!(tries, 2);
    assert_eq!(app.runs("user").await.len(), 3);
    assert_eq!(
        paused_events(&app).await,
        3,
        "one for each object that was refused"
    );
    refused(&app, "user", "key_scope", "The API key may not read it").await;
}

#[apply(on_both_databases)]
async fn a_try_that_succeeds_resumes_the_sync(database: Database) {
    let app = App::with_contacts(database, 20).await;
    app.connect(CUSTOMER, SCOPED_KEY).await;
    app.work_off().await;
    app.apollo.edit(0, |team| {
        team.revoke_key(SCOPED_KEY);
        team.add_key(KeyOptions::master(SCOPED_KEY));
    });
    for _ in 1..24 {
        next_period(&app).await;
        assert_eq!(times_asked(&app, "users/search"), 0);
    }
    next_period(&app).await;
    for object in OUT_OF_SCOPE {
        served(&app, object).await;
    }
    assert_eq!(connection(&app).await["status"], "healthy");
    next_period(&app).await;
    assert_eq!(
        times_asked(&app, "users/search"),
        1,
        "it runs every period again"
    );
}

#[apply(on_both_databases)]
async fn a_plan_that_is_upgraded_resumes_within_a_day(database: Database) {
    let app = refused_by_the_plan(database, FreePlan::PaidPlansOnly).await;
    app.apollo.edit(0, |team| team.set_plan(Plan::Unlimited));
    for _ in 0..24 {
        next_period(&app).await;
    }
    assert_eq!(times_asked(&app, "contacts/search"), 1, "one scan for both");
    for object in [
        "user",
        "sequence",
        "account",
        "contact",
        "sequence_state",
        "mailbox",
    ] {
        served(&app, object).await;
    }
    assert_eq!(connection(&app).await["status"], "healthy");
}

#[apply(on_both_databases)]
async fn a_trigger_tries_at_once(database: Database) {
    let app = App::with_contacts(database, 20).await;
    app.connect(CUSTOMER, SCOPED_KEY).await;
    app.work_off().await;
    app.apollo.edit(0, |team| {
        team.revoke_key(SCOPED_KEY);
        team.add_key(KeyOptions::master(SCOPED_KEY));
    });
    next_period(&app).await;
    app.trigger("user").await;
    app.work_off().await;
    served(&app, "user").await;
    next_period(&app).await;
    assert_eq!(times_asked(&app, "users/search"), 1);
    assert_eq!(
        times_asked(&app, "emailer_campaigns"),
        0,
        "the others wait for their own try"
    );
}

#[apply(on_both_databases)]
async fn a_resume_by_hand_reads_it_within_a_period(database: Database) {
    let app = App::with_contacts(database, 20).await;
    app.connect(CUSTOMER, SCOPED_KEY).await;
    app.work_off().await;
    app.apollo.edit(0, |team| {
        team.revoke_key(SCOPED_KEY);
        team.add_key(KeyOptions::master(SCOPED_KEY));
    });
    app.post(
        "/mgmt/v2/syncs/_resume",
        json!({"object_type": "common", "object": "user"}),
    )
    .await
    .ok();
    next_period(&app).await;
    assert_eq!(times_asked(&app, "users/search"), 1);
    served(&app, "user").await;
}

#[apply(on_both_databases)]
async fn a_refused_sync_that_somebody_pauses_is_tried_no_more(database: Database) {
    let app = App::with_contacts(database, 20).await;
    app.connect(CUSTOMER, SCOPED_KEY).await;
    app.work_off().await;
    pause(&app, &["user"]).await;
    for _ in 0..25 {
        next_period(&app).await;
        assert_eq!(
            times_asked(&app, "users/search"),
            0,
            "a paused sync starts no run"
        );
    }
}

#[apply(on_both_databases)]
async fn new_credentials_resume_at_once(database: Database) {
    let app = App::with_contacts(database, 20).await;
    app.connect(CUSTOMER, SCOPED_KEY).await;
    app.work_off().await;
    let path = format!("/mgmt/v2/customers/{CUSTOMER}/connections/apollo");
    app.put(&path, json!({"api_key": MASTER_KEY})).await.ok();
    app.work_off().await;
    for object in OUT_OF_SCOPE {
        served(&app, object).await;
    }
    assert_eq!(connection(&app).await["status"], "healthy");
}

#[apply(on_both_databases)]
async fn a_sync_that_somebody_paused_is_not_tried(database: Database) {
    let app = App::with_contacts(database, 20).await;
    app.connect(CUSTOMER, SCOPED_KEY).await;
    pause(&app, &["user"]).await;
    app.work_off().await;
    for _ in 0..49 {
        next_period(&app).await;
        assert_eq!(times_asked(&app, "users/search"), 0);
    }
}

#[apply(on_both_databases)]
async fn a_paused_sync_that_is_refused_when_triggered_stays_as_it_was_paused(database: Database) {
    let app = App::with_contacts(database, 20).await;
    app.connect(CUSTOMER, SCOPED_KEY).await;
    pause(&app, &["user"]).await;
    app.trigger("user").await;
    app.work_off().await;
    assert_eq!(run_of(&app, "user").await["status"], "FAILURE");
    for _ in 0..25 {
        next_period(&app).await;
        assert_eq!(
            times_asked(&app, "users/search"),
            0,
            "nobody asked for another try"
        );
    }
}

/// A free plan has no search at all.
async fn refused_by_the_plan(database: Database, text: FreePlan) -> App {
    let mut options = quiet_apollo(20);
    options.switches.free_plan = text;
    options.teams[0].plan = Plan::Free;
    let app = App::with_apollo(database, options).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    for object in ["user", "sequence", "account", "contact", "sequence_state"] {
        refused(
            &app,
            object,
            "plan",
            "The account's plan does not include it",
        )
        .await;
    }
    served(&app, "mailbox").await;
    app
}

/// The object's sync was stopped for this reason, and the connection says so.
async fn refused(app: &App, object: &str, denial: &str, words: &str) {
    let run = run_of(app, object).await;
    assert_eq!(run["status"], "FAILURE", "{run}");
    assert_eq!(event_of(app, &run).await["result"], "ERROR");
    let sync = sync(app, object).await;
    assert_eq!(sync["paused"], true, "{sync}");
    let reason = sync["paused_reason"].as_str().unwrap();
    assert!(reason.starts_with(words), "{object}: {reason}");
    let capability = &connection(app).await["capabilities"][object];
    assert_eq!(capability["readable"], false, "{object}: {capability}");
    assert_eq!(capability["denial"], denial, "{object}: {capability}");
}

/// The object is synced, and no error is shown.
async fn served(app: &App, object: &str) {
    let run = run_of(app, object).await;
    assert_eq!(run["status"], "SUCCESS", "{run}");
    let sync = sync(app, object).await;
    assert_eq!(
        (&sync["paused"], &sync["paused_reason"]),
        (&json!(false), &json!(null))
    );
    let capability = &connection(app).await["capabilities"][object];
    assert_eq!(capability["readable"], true, "{object}: {capability}");
}

async fn sync(app: &App, object: &str) -> Value {
    let path = format!("/mgmt/v2/syncs?object_type=common&object={object}");
    app.get(&path).await.ok()["results"][0].clone()
}

async fn connection(app: &App) -> Value {
    let path = format!("/mgmt/v2/customers/{CUSTOMER}/connections/apollo");
    app.get(&path).await.ok()
}

async fn paused_events(app: &App) -> usize {
    let sql = "SELECT id FROM outbox WHERE event_type = 'sync.paused'";
    texts(&app.database, sql).await.len()
}
