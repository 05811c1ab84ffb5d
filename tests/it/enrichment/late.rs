//! Phone numbers and the results of a waterfall, which the provider sends later.

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use syncline_sim::Callback;

use super::{
    charges,
    jobs::{JOBS, done, job_of, people, results_of},
    with_people,
};
use crate::support::{App, PUBLIC_URL, on_both_databases};

fn with_numbers(count: usize) -> Value {
    json!({"people": people(count), "reveal_phone_number": true})
}

/// What the provider sends by now.
fn sent(app: &App) -> Vec<Callback> {
    app.apollo.simulator().due_callbacks(app.now())
}

/// Sends it as the provider does, to the address that it was told.
async fn deliver(app: &App, callback: &Callback) -> StatusCode {
    send(app, &callback.url, callback.json()).await
}

async fn send(app: &App, url: &str, body: Value) -> StatusCode {
    let path = url.strip_prefix(PUBLIC_URL).unwrap();
    let request = app.request(Method::POST, path).json(&body);
    request.send().await.unwrap().status()
}

fn numbers(result: &Value) -> usize {
    result["person"]["phone_numbers"].as_array().unwrap().len()
}

#[apply(on_both_databases)]
async fn numbers_are_added_to_the_results_when_they_come_also_twice(database: Database) {
    let app = with_people(database, 12).await;
    let job = done(&app, with_numbers(12)).await;
    assert_eq!(
        (
            &job["state"],
            &job["matched"],
            &job["credits_spent"],
            &job["awaited"]
        ),
        (&json!("succeeded"), &json!(12), &json!(12), &json!(12)),
        "{job}"
    );
    assert_eq!(job["credits_reserved"], 12 * 8);
    let results = results_of(&app, &job).await;
    assert!(
        results
            .iter()
            .all(|it| it["awaited"] == true && numbers(it) == 0)
    );
    app.clock.advance(TimeDelta::minutes(2));
    let mut callbacks = sent(&app);
    assert_eq!(callbacks.len(), 2);
    // In the other order, and each of them twice.
    callbacks.reverse();
    for callback in &callbacks {
        assert_eq!(deliver(&app, callback).await, 200);
        assert_eq!(deliver(&app, callback).await, 200);
    }
    let job = job_of(&app, &job).await;
    assert_eq!(
        (
            &job["awaited"],
            &job["credits_reserved"],
            &job["credits_spent"]
        ),
        (&json!(0), &json!(0), &json!(charges(&app))),
        "{job}"
    );
    assert!(charges(&app) > 12);
    let results = results_of(&app, &job).await;
    assert!(
        results
            .iter()
            .all(|it| it["awaited"] == false && it["late_at"].is_string())
    );
    let found = results.iter().filter(|it| numbers(it) > 0).count();
    assert_eq!(u64::try_from(found).unwrap() * 8 + 12, charges(&app));
    // Who is asked for again has them at no cost.
    let before = charges(&app);
    let again = done(&app, with_numbers(12)).await;
    assert_eq!(again["reused"], 12);
    assert_eq!(
        results_of(&app, &again).await[0]["person"],
        results[0]["person"]
    );
    assert_eq!(charges(&app), before);
}

#[apply(on_both_databases)]
async fn addresses_and_numbers_of_a_waterfall_are_added_when_they_come(database: Database) {
    let app = with_people(database, 3).await;
    let list = json!({
        "people": people(3), "run_waterfall_email": true, "run_waterfall_phone": true,
    });
    let job = done(&app, list).await;
    let results = results_of(&app, &job).await;
    assert_eq!(results[0]["person"]["email"], Value::Null);
    app.clock.advance(TimeDelta::minutes(2));
    for callback in sent(&app) {
        assert_eq!(deliver(&app, &callback).await, 200);
    }
    let results = results_of(&app, &job).await;
    assert!(
        results.iter().all(|it| it["person"]["email"].is_string()),
        "{results:?}"
    );
    let job = job_of(&app, &job).await;
    assert_eq!(
        (
            &job["credits_spent"],
            &job["credits_reserved"],
            &job["awaited"]
        ),
        (&json!(charges(&app)), &json!(0), &json!(0)),
        "{job}"
    );
}

#[apply(on_both_databases)]
async fn what_was_forged_or_is_about_somebody_else_is_refused_and_changes_nothing(
    database: Database,
) {
    let app = with_people(database, 3).await;
    let job = done(&app, with_numbers(2)).await;
    app.clock.advance(TimeDelta::minutes(2));
    let callback = sent(&app).remove(0);
    let (base, secret) = callback.url.rsplit_once('/').unwrap();
    let changed = secret.replace(|it: char| it.is_ascii_digit(), "a");
    for forged in [format!("{base}/{changed}"), format!("{base}/none")] {
        assert_eq!(send(&app, &forged, callback.json()).await, 404);
    }
    let mut foreign = callback.json();
    foreign["people"][1]["id"] = json!("64a7ff0cc4dfae00013df1a5");
    assert_eq!(send(&app, &callback.url, foreign).await, 422);
    for malformed in [json!([]), json!({"people": [5]}), json!({"people": [{}]})] {
        assert_eq!(send(&app, &callback.url, malformed).await, 400);
    }
    let large = json!({"people": [], "x": "x".repeat(1024 * 1024)});
    assert_eq!(send(&app, &callback.url, large).await, 413);
    let results = results_of(&app, &job).await;
    assert!(
        results
            .iter()
            .all(|it| numbers(it) == 0 && it["awaited"] == true)
    );
    assert_eq!(deliver(&app, &callback).await, 200);
}

#[apply(on_both_databases)]
async fn what_comes_after_a_month_is_refused_and_what_never_came_is_not_counted(
    database: Database,
) {
    let app = with_people(database, 2).await;
    let job = done(&app, with_numbers(2)).await;
    assert_eq!(job["credits_reserved"], 16);
    app.clock.advance(TimeDelta::days(30));
    let callback = sent(&app).remove(0);
    app.clock.advance(TimeDelta::days(2));
    assert_eq!(deliver(&app, &callback).await, 404);
    app.engine
        .purge(syncline_store::Expired::Callbacks)
        .await
        .unwrap();
    let job = job_of(&app, &job).await;
    assert_eq!(
        (
            &job["credits_reserved"],
            &job["awaited"],
            &job["credits_spent"]
        ),
        (&json!(0), &json!(0), &json!(2)),
        "{job}"
    );
}

#[apply(on_both_databases)]
async fn the_ceiling_counts_what_numbers_may_still_cost(database: Database) {
    let app = with_people(database, 10).await;
    let mut list = with_numbers(10);
    list["max_credits"] = json!(40);
    let job = done(&app, list).await;
    // Each may cost nine.
    assert_eq!(
        (&job["state"], &job["matched"]),
        (&json!("failed"), &json!(4)),
        "{job}"
    );
    app.clock.advance(TimeDelta::minutes(2));
    for callback in sent(&app) {
        deliver(&app, &callback).await;
    }
    let job = job_of(&app, &job).await;
    assert!(job["credits_spent"].as_u64().unwrap() <= 40);
    assert_eq!(job["credits_spent"], charges(&app));
}

#[apply(on_both_databases)]
async fn numbers_that_come_before_the_answer_is_stored_are_kept(database: Database) {
    let app = with_people(database, 3).await;
    let job = app.post(JOBS, with_numbers(3)).await.ok();
    let slow = syncline_sim::Match::path("bulk_match");
    let late = syncline_sim::Action::Wire(syncline_sim::WireFault::Delay(
        std::time::Duration::from_millis(500),
    ));
    app.apollo
        .faults()
        .push(syncline_sim::Fault::new(slow, late));
    let leased = app.engine.claim_enrichment_jobs(1).await.unwrap().remove(0);
    let working = tokio::spawn({
        let engine = app.engine.clone();
        async move { engine.work_on_enrichment(leased).await }
    });
    while app.apollo.simulator().pending_callbacks() == 0 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let callback = app
        .apollo
        .simulator()
        .due_callbacks(app.now() + TimeDelta::minutes(2))
        .remove(0);
    assert_eq!(deliver(&app, &callback).await, 200);
    working.await.unwrap();
    let job = job_of(&app, &job).await;
    assert_eq!(
        (
            &job["awaited"],
            &job["credits_reserved"],
            &job["credits_spent"]
        ),
        (&json!(0), &json!(0), &json!(charges(&app))),
        "{job}"
    );
    let results = results_of(&app, &job).await;
    assert!(results.iter().any(|it| numbers(it) > 0), "{results:?}");
}

#[apply(on_both_databases)]
async fn numbers_and_costs_beyond_reason_are_bounded(database: Database) {
    let app = with_people(database, 1).await;
    let job = done(&app, with_numbers(1)).await;
    app.clock.advance(TimeDelta::minutes(2));
    let callback = sent(&app).remove(0);
    let number = |n: usize| json!({"sanitized_number": format!("+49{n}"), "raw_number": "x"});
    for round in 0..3 {
        let mut body = callback.json();
        let many: Vec<Value> = (0..5_000).map(|n| number(round * 5_000 + n)).collect();
        body["people"][0]["phone_numbers"] = json!(many);
        body["credits_consumed"] = json!(1e300);
        assert_eq!(send(&app, &callback.url, body).await, 200);
    }
    let results = results_of(&app, &job).await;
    assert_eq!(numbers(&results[0]), 50);
    let job = job_of(&app, &job).await;
    assert!(job["credits_spent"].as_u64().unwrap() <= 10_001, "{job}");
}
