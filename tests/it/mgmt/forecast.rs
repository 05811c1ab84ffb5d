//! The forecast of a sync config, compared with what syncs then really read.

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use serde_json::{Value, json};

use crate::support::{App, CUSTOMER, Database, MASTER_KEY, on_both_databases};

fn config(minutes: i64, objects: &[&str]) -> Value {
    let objects: Vec<Value> = objects
        .iter()
        .map(|object| json!({"object": object}))
        .collect();
    json!({
        "default_config": {"period_ms": minutes * 60_000, "strategy": "full only"},
        "common_objects": objects,
    })
}

async fn forecast(app: &App, config: Value) -> Value {
    let body = json!({"provider_name": "apollo", "config": config, "customer_id": CUSTOMER});
    app.post("/mgmt/v2/sync_configs/_forecast", body).await.ok()
}

fn limit<'f>(forecast: &'f Value, window: &str) -> &'f Value {
    let limits = forecast["accounts"][0]["limits"].as_array().unwrap();
    let mut limits = limits.iter();
    limits
        .find(|it| it["counts"] == "records" && it["window"] == window)
        .unwrap()
}

/// Lets three days pass, and returns how many records of contacts and users were read in the last of
/// them.
async fn records_of_a_day(app: &App) -> i64 {
    let begin = app.now() + TimeDelta::days(2);
    while app.now() < begin + TimeDelta::days(1) {
        app.after(TimeDelta::minutes(5)).await;
    }
    let read = app.apollo.ledger().records_between(begin, app.now());
    i64::try_from(read).unwrap()
}

fn is_within_a_tenth(forecast: i64, real: i64) -> bool {
    (forecast - real).abs() * 10 <= real
}

/// Limits that are a hundredth of Apollo's, for a world that is a hundredth as large.
async fn connected(database: Database, contacts: usize) -> App {
    let app = App::with_contacts(database, contacts).await;
    app.sync_only(&["user", "contact"]).await;
    app.put_customer(CUSTOMER).await.ok();
    let body = json!({
        "provider_name": "apollo", "api_key": MASTER_KEY,
        "limits": {"records_per_object": 1000, "records_per_hour": 1000, "records_per_day": 5000},
    });
    let path = format!("/mgmt/v2/customers/{CUSTOMER}/connections");
    app.post(&path, body).await.ok();
    app.work_off().await;
    app
}

#[apply(on_both_databases)]
async fn what_fits_is_read_as_forecast(database: Database) {
    let app = connected(database, 150).await;
    let forecast = forecast(&app, config(60, &["user", "contact"])).await;
    assert_eq!(forecast["fits"], true, "{forecast}");
    let day = limit(&forecast, "day");
    assert_eq!(day["asked"], day["used"]);
    app.sync_every(TimeDelta::hours(1), &["user", "contact"])
        .await;
    let real = records_of_a_day(&app).await;
    let used = day["used"].as_i64().unwrap();
    assert!(
        is_within_a_tenth(used, real),
        "forecast {used}, read {real}"
    );
}

#[apply(on_both_databases)]
async fn what_does_not_fit_is_told_and_read_as_often_as_forecast(database: Database) {
    let app = connected(database, 900).await;
    let forecast = forecast(&app, config(60, &["user", "contact"])).await;
    assert_eq!(forecast["fits"], false);
    let account = &forecast["accounts"][0];
    let contacts = &account["objects"][1];
    assert_eq!(
        (&contacts["object"], &contacts["records_per_run"]),
        (&json!("contact"), &json!(900))
    );
    assert_eq!(contacts["requests_per_run"], 9);
    let problems = account["problems"].to_string();
    assert!(
        problems.contains("records per day, and syncs may use 5000"),
        "{problems}"
    );
    assert!(problems.contains("instead of every 60"), "{problems}");

    app.sync_every(TimeDelta::hours(1), &["user", "contact"])
        .await;
    let runs_before = app.runs("contact").await.len();
    let real = records_of_a_day(&app).await;
    let used = limit(&forecast, "day")["used"].as_i64().unwrap();
    assert!(
        is_within_a_tenth(used, real),
        "forecast {used}, read {real}"
    );
    let runs = app.runs("contact").await.len() - runs_before;
    let period = contacts["forecast_period_ms"].as_i64().unwrap();
    let expected = TimeDelta::days(3).num_milliseconds() / period;
    let runs = i64::try_from(runs).unwrap();
    assert!(
        (expected - runs).abs() <= 1,
        "forecast {expected} runs, there were {runs}"
    );
}

#[apply(on_both_databases)]
async fn what_comes_inside_another_objects_records_costs_nothing_and_is_as_old(database: Database) {
    let app = connected(database, 900).await;
    let forecast = forecast(&app, config(60, &["contact", "sequence_state"])).await;
    let objects = &forecast["accounts"][0]["objects"];
    assert_eq!(objects[1]["records_per_run"], 0);
    assert_eq!(objects[1]["requests_per_run"], 0);
    assert_eq!(
        objects[0]["forecast_period_ms"],
        objects[1]["forecast_period_ms"]
    );
    assert!(objects[1]["forecast_period_ms"].as_i64() > objects[1]["period_ms"].as_i64());
}

#[apply(on_both_databases)]
async fn more_than_a_run_may_read_is_told(database: Database) {
    let app = connected(database, 1_200).await;
    let forecast = forecast(&app, config(24 * 60, &["contact"])).await;
    let contacts = &forecast["accounts"][0]["objects"][0];
    assert_eq!(
        (&contacts["records_known"], &contacts["capped"]),
        (&json!(1200), &json!(true))
    );
    let problems = forecast["accounts"][0]["problems"].to_string();
    assert!(
        problems.contains("records_per_object is 1000"),
        "{problems}"
    );
}

#[apply(on_both_databases)]
async fn a_forecast_saves_nothing_and_refuses_what_a_config_would(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let configs = async || app.get("/mgmt/v2/sync_configs").await.ok();
    let before = configs().await;
    let path = "/mgmt/v2/sync_configs/_forecast";
    let nobody = json!({"provider_name": "apollo", "config": config(60, &["user"])});
    let empty = app.post(path, nobody).await.ok();
    assert_eq!(empty["accounts"], json!([]));
    for (body, error) in [
        (
            json!({"provider_name": "apollo", "config": config(0, &["user"])}),
            (400, "VALIDATION_ERROR", "config.default_config.period_ms"),
        ),
        (
            json!({"provider_name": "salesloft", "config": config(60, &["mailbox"])}),
            (400, "VALIDATION_ERROR", "config.common_objects[0].object"),
        ),
        (
            json!({"provider_name": "hubspot", "config": config(60, &["user"])}),
            (400, "VALIDATION_ERROR", "provider_name"),
        ),
    ] {
        assert_eq!(app.post(path, body).await.error(), error);
    }
    let gone = json!({"provider_name": "apollo", "config": config(60, &["user"]), "customer_id": "nobody"});
    assert_eq!(app.post(path, gone).await.error().0, 404);
    assert_eq!(configs().await, before);
    let audited = app.get("/mgmt/v2/audit_log").await.ok();
    assert_eq!(audited["results"], json!([]), "it is a read");
}
