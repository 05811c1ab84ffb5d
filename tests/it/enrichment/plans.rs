//! A job costs the same with a long history of jobs as with a short one.

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use serde_json::json;
use syncline_store::Expired;

use super::{
    jobs::{JOBS, done, job_of, people, results_of},
    know_people,
};
use crate::support::{App, CUSTOMER, MASTER_KEY, explaining, on_both_databases, reads_of_history};

const HISTORY: [&str; 4] = [
    "enrichment_jobs",
    "enrichment_items",
    "enrichment_answers",
    "enrichment_batches",
];

#[apply(on_both_databases)]
async fn a_job_reads_no_history_from_its_list_to_its_late_answers(database: Database) {
    explaining(&database).await;
    let app = App::with_contacts(database, 3).await;
    know_people(&app.apollo, 0, app.now(), 25);
    app.connect(CUSTOMER, MASTER_KEY).await;
    let first = done(
        &app,
        json!({"people": people(5), "reveal_phone_number": true}),
    )
    .await;
    for sql in OLD_JOBS {
        app.database.execute(sql).await;
    }
    let faults = reads_of_history(&app.database, &HISTORY, async {
        let list = json!({"people": people(25), "reveal_phone_number": true, "max_credits": 100});
        let job = done(&app, list).await;
        assert_eq!(job["state"], "failed", "{job}");
        app.clock.advance(TimeDelta::minutes(2));
        for callback in app.apollo.simulator().due_callbacks(app.now()) {
            let secret = callback.url.rsplit('/').next().unwrap().to_owned();
            let request = app.request(
                reqwest::Method::POST,
                &format!("/callbacks/enrichment/{secret}"),
            );
            let taken = request.json(&callback.json()).send().await.unwrap();
            assert!(taken.status().is_success());
        }
        let path = format!("{JOBS}/{}", job["id"].as_str().unwrap());
        app.post(&format!("{path}/_continue"), json!({"max_credits": null}))
            .await
            .ok();
        app.enrich().await;
        results_of(&app, &job).await;
        app.get(&format!("{JOBS}?page_size=20")).await.ok();
        job_of(&app, &first).await;
        assert!(
            app.engine
                .claim_enrichment_jobs(8)
                .await
                .unwrap()
                .is_empty()
        );
        for old in [
            Expired::Callbacks,
            Expired::KeyCredits,
            Expired::EnrichmentAnswers,
        ] {
            let before = app.now() - TimeDelta::days(4000);
            app.store.purge(old, before, "").await.unwrap();
        }
    })
    .await;
    assert!(faults.is_empty(), "{faults:#?}");
}

/// Five hundred jobs that ended, with twenty items each, and what was paid for them.
const OLD_JOBS: [&str; 5] = [
    "INSERT INTO enrichment_jobs
        (id, application_id, customer_id, connection_id, provider_name, kind, options, reuse_days,
         retry_uncertain, foreground, state, due_at, fence, total, matched, not_matched, failed,
         uncertain, reused, credits_spent, credits_reserved, awaited, failures, created_at,
         started_at, finished_at)
     WITH RECURSIVE series (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM series WHERE n < 500)
     SELECT '00' || CAST(n AS text), application_id, customer_id, connection_id, provider_name, kind,
            options, reuse_days, retry_uncertain, foreground, 'succeeded', due_at, 1, 20, 20, 0, 0, 0,
            0, 20, 0, 0, 0, created_at, started_at, finished_at
     FROM enrichment_jobs, series",
    "INSERT INTO enrichment_batches
        (id, application_id, job_id, key_id, state, fence, sent_at, credits_spent, credits_reserved)
     WITH RECURSIVE series (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM series WHERE n < 3)
     SELECT j.id || '-' || CAST(n AS text), j.application_id, j.id, j.connection_id, 'answered', 1,
            j.created_at, 10, 0
     FROM enrichment_jobs j, series WHERE j.id < '01'",
    "INSERT INTO enrichment_answers
        (id, application_id, provider_name, question, state, job_id, batch_id, asked_at, provider_id,
         awaited, late_due, superseded)
     WITH RECURSIVE series (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM series WHERE n < 20)
     SELECT j.id || '-' || CAST(n AS text), j.application_id, j.provider_name,
            j.id || '-' || CAST(n AS text), 'matched', j.id, j.id || '-1', j.created_at,
            j.id || '-' || CAST(n AS text), false, false, false
     FROM enrichment_jobs j, series WHERE j.id < '01'",
    "INSERT INTO enrichment_items
        (job_id, position, lead, question, status, batch_id, answer_id, reused)
     WITH RECURSIVE series (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM series WHERE n < 20)
     SELECT j.id, n, '{}', j.id || '-' || CAST(n AS text), 'matched', j.id || '-1',
            j.id || '-' || CAST(n AS text), false
     FROM enrichment_jobs j, series WHERE j.id < '01'",
    "ANALYZE",
];
