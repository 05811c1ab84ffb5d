//! Lost answers: what may have been paid for is said so, and is not paid for again.

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use reqwest::Method;
use serde_json::{Value, json};
use syncline_engine::JobEnd;
use syncline_sim::{Action, Fault, Gate, Match, WireFault};
use tokio::task::JoinHandle;

use super::{
    charges,
    jobs::{JOBS, done, job_of, people, results_of},
    with_people,
};
use crate::{
    http::refused,
    support::{App, on_both_databases},
};

fn statuses(results: &[Value]) -> Vec<&str> {
    let statuses = results.iter().map(|it| it["status"].as_str().unwrap());
    statuses.collect()
}

fn batches(app: &App, fault: Action) {
    let asked = Match::path("bulk_match");
    app.apollo.faults().push(Fault::new(asked, fault));
}

/// The job goes on when its wait is over.
async fn go_on(app: &App, job: &Value) -> Value {
    app.clock.advance(TimeDelta::minutes(1));
    app.enrich().await;
    job_of(app, job).await
}

#[apply(on_both_databases)]
async fn an_answer_that_is_lost_makes_its_items_uncertain_and_they_are_not_paid_for_twice(
    database: Database,
) {
    for lost in [
        Action::AppliedThenServerError,
        Action::Wire(WireFault::Reset),
        Action::InvalidResponse,
    ] {
        let app = with_people(database.another().await, 25).await;
        batches(&app, lost.clone());
        let job = done(&app, json!({"people": people(25)})).await;
        assert_eq!(
            (&job["state"], &job["waits_for"], &job["uncertain"]),
            (
                &json!("waiting"),
                &json!("provider_unavailable"),
                &json!(10)
            ),
            "{lost:?}: {job}"
        );
        let job = go_on(&app, &job).await;
        assert_eq!(
            (
                &job["state"],
                &job["matched"],
                &job["uncertain"],
                &job["credits_reserved"]
            ),
            (&json!("succeeded"), &json!(15), &json!(10), &json!(10)),
            "{lost:?}: {job}"
        );
        // Whatever the provider charged for the lost batch, nothing was asked twice.
        assert!([15, 25].contains(&charges(&app)), "{lost:?}");
        let results = results_of(&app, &job).await;
        assert_eq!(statuses(&results)[..10], ["uncertain"; 10]);
        assert!(results[0]["error"].is_string());
        // The same list again doesn't pay for them either, unless that is asked for.
        let before = charges(&app);
        let again = done(&app, json!({"people": people(25)})).await;
        assert_eq!(
            (&again["reused"], &again["uncertain"]),
            (&json!(15), &json!(10))
        );
        assert_eq!(charges(&app), before);
        let anyway = json!({"people": people(25), "retry_uncertain": true});
        let anyway = done(&app, anyway).await;
        assert_eq!(
            (&anyway["matched"], &anyway["uncertain"]),
            (&json!(25), &json!(0))
        );
        assert_eq!(charges(&app), before + 10);
    }
}

#[apply(on_both_databases)]
async fn what_was_surely_not_carried_out_is_asked_again_at_once_or_later(database: Database) {
    for (refused, waits) in [
        (Action::unavailable(), "provider_unavailable"),
        (
            Action::RateLimited {
                window: syncline_sim::Window::Minute,
                retry_after: Some(20),
            },
            "provider_rate_limit",
        ),
    ] {
        let app = with_people(database.another().await, 12).await;
        batches(&app, refused.clone());
        let job = done(&app, json!({"people": people(12)})).await;
        assert_eq!(job["waits_for"], waits, "{job}");
        let job = go_on(&app, &job).await;
        assert_eq!(
            (&job["state"], &job["matched"], &job["uncertain"]),
            (&json!("succeeded"), &json!(12), &json!(0)),
            "{refused:?}: {job}"
        );
        assert_eq!(charges(&app), 12);
    }
}

#[apply(on_both_databases)]
async fn a_job_stops_when_the_provider_keeps_silent_and_goes_on_later(database: Database) {
    let app = with_people(database, 80).await;
    let asked = Match::path("bulk_match");
    let silent = Fault::new(asked, Action::server_error()).always();
    app.apollo.faults().push(silent);
    let mut job = done(&app, json!({"people": people(80)})).await;
    for _ in 0..10 {
        app.clock.advance(TimeDelta::minutes(5));
        app.enrich().await;
    }
    job = job_of(&app, &job).await;
    assert_eq!(
        (&job["state"], &job["uncertain"]),
        (&json!("failed"), &json!(50)),
        "{job}"
    );
    app.apollo.faults().clear();
    let path = format!("{JOBS}/{}/_continue", job["id"].as_str().unwrap());
    app.post(&path, json!({"retry_uncertain": true})).await.ok();
    app.enrich().await;
    let job = job_of(&app, &job).await;
    assert_eq!(
        (&job["state"], &job["matched"], &job["uncertain"]),
        (&json!("succeeded"), &json!(80), &json!(0)),
        "{job}"
    );
    assert_eq!(charges(&app), 80);
}

#[apply(on_both_databases)]
async fn an_item_that_the_provider_refuses_does_not_keep_the_others_from_being_asked(
    database: Database,
) {
    let app = with_people(database, 14).await;
    // Refused twice: as a batch of ten, and then the first of them alone.
    let asked = Match::path("bulk_match");
    let refusal = Action::Answer {
        status: 400,
        content_type: "application/json".to_owned(),
        body: r#"{"error_message":"details[0] is odd"}"#.to_owned(),
    };
    app.apollo
        .faults()
        .push(Fault::new(asked, refusal).times(2));
    let job = done(&app, json!({"people": people(14)})).await;
    assert_eq!(
        (&job["state"], &job["matched"], &job["failed"]),
        (&json!("succeeded"), &json!(13), &json!(1)),
        "{job}"
    );
    let results = results_of(&app, &job).await;
    assert_eq!(results[0]["error"], "details[0] is odd");
    assert_eq!(charges(&app), 13);
}

#[apply(on_both_databases)]
async fn a_worker_that_dies_costs_at_most_the_batch_in_flight(database: Database) {
    let app = with_people(database, 35).await;
    let job = app.post(JOBS, json!({"people": people(35)})).await.ok();
    // Its third request is never answered, and it dies meanwhile.
    let third = Match::path("bulk_match").nth(3);
    app.apollo
        .faults()
        .push(Fault::new(third, Action::Wire(WireFault::Silence)));
    let leased = app.engine.claim_enrichment_jobs(1).await.unwrap().remove(0);
    let working = tokio::spawn({
        let engine = app.engine.clone();
        async move { engine.work_on_enrichment(leased).await }
    });
    while charges(&app) < 30 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    working.abort();
    assert!(working.await.is_err());
    assert_eq!(app.enrich().await, 0, "its lease has not expired");
    app.clock.advance(TimeDelta::minutes(1));
    app.enrich().await;
    let job = job_of(&app, &job).await;
    assert_eq!(
        (
            &job["state"],
            &job["matched"],
            &job["uncertain"],
            &job["credits_spent"]
        ),
        (&json!("succeeded"), &json!(25), &json!(10), &json!(25)),
        "{job}"
    );
    assert_eq!(charges(&app), 35);
}

#[apply(on_both_databases)]
async fn an_answer_that_comes_after_another_worker_took_over_is_kept(database: Database) {
    let app = with_people(database, 15).await;
    let job = app.post(JOBS, json!({"people": people(15)})).await.ok();
    let leased = app.engine.claim_enrichment_jobs(1).await.unwrap().remove(0);
    // Its lease is over before it sends its first batch, and another worker does everything.
    let slow = Match::path("bulk_match").nth(1);
    let late = Action::Wire(WireFault::Delay(std::time::Duration::from_millis(400)));
    app.apollo.faults().push(Fault::new(slow, late));
    let working = tokio::spawn({
        let engine = app.engine.clone();
        async move { engine.work_on_enrichment(leased).await }
    });
    while charges(&app) < 10 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    app.clock.advance(TimeDelta::minutes(1));
    app.enrich().await;
    assert_eq!(job_of(&app, &job).await["uncertain"], 10);
    assert_eq!(working.await.unwrap(), JobEnd::Abandoned);
    let job = job_of(&app, &job).await;
    assert_eq!(
        (
            &job["state"],
            &job["matched"],
            &job["uncertain"],
            &job["credits_reserved"]
        ),
        (&json!("succeeded"), &json!(15), &json!(0), &json!(0)),
        "{job}"
    );
    assert_eq!(charges(&app), 15);
}

#[apply(on_both_databases)]
async fn two_lists_with_the_same_people_at_the_same_time_pay_once(database: Database) {
    let app = with_people(database, 60).await;
    // Two connections of the application, so that both jobs are worked on at once.
    app.connect("customer-2", crate::support::MASTER_KEY).await;
    let one = app.post(JOBS, json!({"people": people(60)})).await.ok();
    let other = app
        .request(reqwest::Method::POST, JOBS)
        .header("x-api-key", &app.api_key)
        .header("x-customer-id", "customer-2")
        .header("x-provider-name", "apollo")
        .json(&json!({"people": people(60)}));
    let other = App::answer(other).await.ok();
    let (first, second) = (app.engine.clone(), app.engine.clone());
    tokio::join!(
        async { first.work_off_enrichment().await.unwrap() },
        async { second.work_off_enrichment().await.unwrap() },
    );
    // One may have waited for the other's answers.
    app.clock.advance(TimeDelta::seconds(5));
    app.enrich().await;
    let one = job_of(&app, &one).await;
    assert_eq!(
        (&one["state"], &one["matched"]),
        (&json!("succeeded"), &json!(60)),
        "{one}"
    );
    assert_eq!(charges(&app), 60);
    assert_eq!(other["total"], 60);
}

/// Cancels a job while its first request is under way, which is answered when the gate opens.
async fn cancel_in_flight(app: &App, job: &Value) -> (Gate, JoinHandle<JobEnd>) {
    let leased = app.engine.claim_enrichment_jobs(1).await.unwrap().remove(0);
    let gate = app.apollo.gate(Match::path("bulk_match").nth(1));
    let working = tokio::spawn({
        let engine = app.engine.clone();
        async move { engine.work_on_enrichment(leased).await }
    });
    gate.arrived(1).await;
    let path = format!("{JOBS}/{}/_cancel", job["id"].as_str().unwrap());
    app.post(&path, json!({})).await.ok();
    (gate, working)
}

#[apply(on_both_databases)]
async fn a_cancelled_job_is_not_continued_before_its_request_is_answered(database: Database) {
    let app = with_people(database, 10).await;
    let job = app.post(JOBS, json!({"people": people(10)})).await.ok();
    let (gate, working) = cancel_in_flight(&app, &job).await;
    let path = format!("{JOBS}/{}/_continue", job["id"].as_str().unwrap());
    let anyway = json!({"retry_uncertain": true});
    let title = refused(
        &app.post(&path, anyway.clone()).await,
        409,
        "CONFLICT_ERROR",
    );
    assert!(title.contains("is still under way"), "{title}");
    gate.open();
    assert_eq!(working.await.unwrap(), JobEnd::Abandoned);
    let job = job_of(&app, &job).await;
    assert_eq!(
        (&job["state"], &job["matched"], &job["credits_spent"]),
        (&json!("cancelled"), &json!(10), &json!(10)),
        "what was paid for is kept: {job}"
    );
    let title = refused(&app.post(&path, anyway).await, 409, "CONFLICT_ERROR");
    assert!(title.contains("nothing left"), "{title}");
    assert_eq!(charges(&app), 10);
}

#[apply(on_both_databases)]
async fn an_answer_that_comes_after_its_items_were_asked_about_again_leaves_the_counts_right(
    database: Database,
) {
    let app = with_people(database, 10).await;
    let job = app.post(JOBS, json!({"people": people(10)})).await.ok();
    let (gate, working) = cancel_in_flight(&app, &job).await;
    // So long that its worker is taken for dead.
    app.clock.advance(TimeDelta::minutes(6));
    let path = format!("{JOBS}/{}/_continue", job["id"].as_str().unwrap());
    app.post(&path, json!({"retry_uncertain": true})).await.ok();
    app.enrich().await;
    gate.open();
    working.await.unwrap();
    let job = job_of(&app, &job).await;
    assert_eq!(
        (&job["matched"], &job["uncertain"], &job["credits_spent"]),
        (&json!(10), &json!(0), &json!(charges(&app))),
        "{job}"
    );
}

#[apply(on_both_databases)]
async fn what_may_have_been_paid_for_is_not_asked_again_however_little_is_reused(
    database: Database,
) {
    let app = with_people(database, 10).await;
    batches(&app, Action::AppliedThenServerError);
    let job = done(&app, json!({"people": people(10)})).await;
    go_on(&app, &job).await;
    assert_eq!(charges(&app), 10);
    let fresh = json!({"people": people(10), "reuse_days": 0});
    let fresh = done(&app, fresh).await;
    assert_eq!(
        (&fresh["state"], &fresh["uncertain"]),
        (&json!("succeeded"), &json!(10)),
        "{fresh}"
    );
    assert_eq!(charges(&app), 10);
}

#[apply(on_both_databases)]
async fn a_connection_that_is_deleted_in_a_request_leaves_nobody_waiting_for_its_answer(
    database: Database,
) {
    let app = with_people(database, 10).await;
    app.connect("customer-2", crate::support::MASTER_KEY).await;
    let job = app.post(JOBS, json!({"people": people(10)})).await.ok();
    let (gate, working) = cancel_in_flight(&app, &job).await;
    let connection = "/mgmt/v2/customers/customer-1/connections/apollo";
    assert_eq!(app.delete(connection).await.status, 204);
    gate.open();
    assert_eq!(working.await.unwrap(), JobEnd::Abandoned);
    let of_other = |path: &str, list: Option<Value>| {
        let method = list.as_ref().map_or(Method::GET, |_| Method::POST);
        let request = app
            .request(method, path)
            .header("x-api-key", &app.api_key)
            .header("x-customer-id", "customer-2")
            .header("x-provider-name", "apollo");
        App::answer(match list {
            Some(list) => request.json(&list),
            None => request,
        })
    };
    let other = of_other(JOBS, Some(json!({"people": people(10)})))
        .await
        .ok();
    app.enrich().await;
    let path = format!("{JOBS}/{}", other["id"].as_str().unwrap());
    let other = of_other(&path, None).await.ok();
    assert_eq!(
        (&other["state"], &other["uncertain"]),
        (&json!("succeeded"), &json!(10)),
        "{other}"
    );
}

#[apply(on_both_databases)]
async fn a_provider_that_says_it_is_busy_with_the_request_stops_a_job_after_five_times(
    database: Database,
) {
    let app = with_people(database, 80).await;
    let asked = Match::path("bulk_match");
    let busy = Fault::new(asked, Action::AlreadyProcessing).always();
    app.apollo.faults().push(busy);
    let job = done(&app, json!({"people": people(80)})).await;
    for _ in 0..10 {
        app.clock.advance(TimeDelta::minutes(5));
        app.enrich().await;
    }
    let job = job_of(&app, &job).await;
    assert_eq!(
        (&job["state"], &job["uncertain"]),
        (&json!("failed"), &json!(50)),
        "{job}"
    );
}
