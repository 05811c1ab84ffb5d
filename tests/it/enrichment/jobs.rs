//! Lists of people and companies: what comes out, and what it costs.

use macro_rules_attribute::apply;
use serde_json::{Value, json};
use syncline_sim::Team;

use super::{charges, credits, with_people};
use crate::{
    http::refused,
    support::{App, on_both_databases},
};

pub(super) const JOBS: &str = "/enrichment/v2/jobs";

/// Makes a job, works on it, and returns it as it is then.
pub(super) async fn done(app: &App, list: Value) -> Value {
    let job = app.post(JOBS, list).await.ok();
    app.enrich().await;
    job_of(app, &job).await
}

pub(super) async fn job_of(app: &App, job: &Value) -> Value {
    let id = job["id"].as_str().unwrap();
    app.get(&format!("{JOBS}/{id}")).await.ok()
}

pub(super) async fn results_of(app: &App, job: &Value) -> Vec<Value> {
    let id = job["id"].as_str().unwrap();
    let mut results = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("{JOBS}/{id}/results?page_size=500{cursor}");
        let page = app.get(&path).await.ok();
        results.extend(page["results"].as_array().unwrap().iter().cloned());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return results,
        }
    }
}

pub(super) fn people(count: usize) -> Vec<Value> {
    let person = |n| json!({"email": format!("person{n}@heron.example"), "ref": format!("r{n}")});
    (0..count).map(person).collect()
}

#[apply(on_both_databases)]
async fn a_list_of_people_comes_back_with_what_is_known_for_a_credit_each(database: Database) {
    let app = with_people(database, 23).await;
    let mut list = people(23);
    list.push(json!({"email": "nobody@nowhere.example", "ref": "none"}));
    let job = done(&app, json!({"people": list})).await;
    assert_eq!(
        [
            &job["state"],
            &job["total"],
            &job["done"],
            &job["matched"],
            &job["not_matched"],
            &job["credits_spent"],
            &job["credits_reserved"]
        ],
        [
            &json!("succeeded"),
            &json!(24),
            &json!(24),
            &json!(23),
            &json!(1),
            &json!(23),
            &json!(0)
        ],
        "{job}"
    );
    assert_eq!(charges(&app), 23);
    let results = results_of(&app, &job).await;
    assert_eq!(results.len(), 24);
    for (n, result) in results.iter().take(23).enumerate() {
        assert_eq!(result["ref"], format!("r{n}"));
        assert_eq!(result["status"], "matched");
        assert_eq!(
            result["person"]["email"],
            format!("person{n}@heron.example")
        );
        assert_eq!(result["person"]["company"]["name"], "Heron Foods");
    }
    assert_eq!(results[23]["status"], "not_matched");
    assert_eq!(results[23]["person"], Value::Null);
}

#[apply(on_both_databases)]
async fn the_same_person_twice_in_a_list_is_paid_for_once(database: Database) {
    let app = with_people(database, 2).await;
    let list = json!([
        {"email": "person0@heron.example"},
        {"email": " Person0@HERON.example", "ref": "again"},
        {"email": "person1@heron.example"},
        {"email": "person0@heron.example"},
    ]);
    let job = done(&app, json!({"people": list})).await;
    assert_eq!(
        (&job["matched"], &job["credits_spent"], &job["done"]),
        (&json!(4), &json!(2), &json!(4)),
        "{job}"
    );
    assert_eq!(charges(&app), 2);
    let results = results_of(&app, &job).await;
    assert_eq!(results[1]["same_as"], 1);
    assert_eq!(results[1]["person"], results[0]["person"]);
    assert_eq!(results[3]["same_as"], 1);
}

#[apply(on_both_databases)]
async fn what_was_paid_for_is_used_again_for_thirty_days(database: Database) {
    let app = with_people(database, 12).await;
    done(&app, json!({"people": people(12)})).await;
    assert_eq!(charges(&app), 12);
    let again = done(&app, json!({"people": people(12)})).await;
    assert_eq!(
        (&again["matched"], &again["reused"], &again["credits_spent"]),
        (&json!(12), &json!(12), &json!(0)),
        "{again}"
    );
    let results = results_of(&app, &again).await;
    assert_eq!(results[0]["reused"], true);
    assert_eq!(results[0]["person"]["email"], "person0@heron.example");
    // Not when it is asked for something else, and not when it has become too old.
    let revealed = json!({"people": people(1), "reveal_personal_emails": true});
    assert_eq!(done(&app, revealed).await["reused"], 0);
    assert_eq!(charges(&app), 13);
    let anew = json!({"people": people(1), "reuse_days": 0});
    assert_eq!(done(&app, anew).await["reused"], 0);
    app.clock.advance(chrono::TimeDelta::days(31));
    let late = done(&app, json!({"people": people(2)})).await;
    assert_eq!(
        (&late["reused"], &late["credits_spent"]),
        (&json!(0), &json!(2))
    );
    assert_eq!(charges(&app), 16);
}

#[apply(on_both_databases)]
async fn a_list_of_companies_comes_back_with_what_is_known(database: Database) {
    let app = with_people(database, 1).await;
    let list = json!([{"domain": "https://www.Heron.example/"}, {"domain": "nowhere.example"}]);
    let job = done(&app, json!({"companies": list})).await;
    assert_eq!(
        (
            &job["kind"],
            &job["matched"],
            &job["not_matched"],
            &job["credits_spent"]
        ),
        (&json!("companies"), &json!(1), &json!(1), &json!(1)),
        "{job}"
    );
    let results = results_of(&app, &job).await;
    assert_eq!(results[0]["company"]["name"], "Heron Foods");
    assert_eq!(results[1]["company"], Value::Null);
}

#[apply(on_both_databases)]
async fn what_cannot_match_is_not_asked_about_and_says_why(database: Database) {
    let app = with_people(database, 1).await;
    let list = json!([
        {"name": "Ines Heron"},
        {"email": "person0@heron.example"},
        {"email": "no address"},
    ]);
    let created = app.post(JOBS, json!({"people": list})).await.ok();
    assert_eq!(
        created["wrong"],
        json!([
            {"position": 1, "error": "domain: a name needs the employer's domain or organization_name beside it"},
            {"position": 3, "error": "email: must be an e-mail address"},
        ])
    );
    app.enrich().await;
    let job = job_of(&app, &created).await;
    assert_eq!(
        (&job["state"], &job["failed"], &job["matched"], &job["done"]),
        (&json!("succeeded"), &json!(2), &json!(1), &json!(3))
    );
    let results = results_of(&app, &job).await;
    assert_eq!(results[2]["error"], "email: must be an e-mail address");
    assert_eq!(charges(&app), 1);
}

#[apply(on_both_databases)]
async fn a_job_stops_at_max_credits_and_goes_on_with_more(database: Database) {
    let app = with_people(database, 25).await;
    let job = done(&app, json!({"people": people(25), "max_credits": 13})).await;
    assert_eq!(
        (&job["state"], &job["credits_spent"], &job["done"]),
        (&json!("failed"), &json!(13), &json!(13)),
        "{job}"
    );
    assert!(
        job["error"]
            .as_str()
            .unwrap()
            .starts_with("max_credits of 13 is reached")
    );
    assert_eq!(charges(&app), 13);
    let path = format!("{JOBS}/{}/_continue", job["id"].as_str().unwrap());
    let continued = app.post(&path, json!({"max_credits": null})).await.ok();
    assert_eq!(
        (&continued["state"], &continued["max_credits"]),
        (&json!("queued"), &Value::Null)
    );
    app.enrich().await;
    let job = job_of(&app, &job).await;
    assert_eq!(
        (
            &job["state"],
            &job["credits_spent"],
            &job["done"],
            &job["error"]
        ),
        (&json!("succeeded"), &json!(25), &json!(25), &Value::Null),
        "{job}"
    );
    assert_eq!(charges(&app), 25);
    refused(&app.post(&path, json!({})).await, 409, "CONFLICT_ERROR");
}

#[apply(on_both_databases)]
async fn a_job_stops_in_order_when_the_provider_has_no_credits_left(database: Database) {
    let app = with_people(database, 30).await;
    app.apollo.edit(0, |team: &mut Team| team.set_credits(17));
    let job = done(&app, json!({"people": people(30)})).await;
    assert_eq!(
        (&job["state"], &job["credits_spent"], &job["uncertain"]),
        (&json!("failed"), &json!(10), &json!(0)),
        "{job}"
    );
    assert!(
        job["error"]
            .as_str()
            .unwrap()
            .starts_with("no key has credits left"),
        "{job}"
    );
    assert_eq!(credits(&app), 7);
    app.apollo.edit(0, |team: &mut Team| team.set_credits(100));
    app.clock.advance(chrono::TimeDelta::hours(2));
    let path = format!("{JOBS}/{}/_continue", job["id"].as_str().unwrap());
    app.post(&path, json!({})).await.ok();
    app.enrich().await;
    let job = job_of(&app, &job).await;
    assert_eq!(
        (&job["state"], &job["matched"]),
        (&json!("succeeded"), &json!(30))
    );
    assert_eq!(charges(&app), 30);
}

#[apply(on_both_databases)]
async fn a_job_that_was_cancelled_asks_nothing_more(database: Database) {
    let app = with_people(database, 5).await;
    let job = app.post(JOBS, json!({"people": people(5)})).await.ok();
    let path = format!("{JOBS}/{}/_cancel", job["id"].as_str().unwrap());
    let cancelled = app.post(&path, json!({})).await.ok();
    assert_eq!(cancelled["state"], "cancelled");
    app.enrich().await;
    assert_eq!(charges(&app), 0);
    refused(&app.post(&path, json!({})).await, 409, "CONFLICT_ERROR");
    let list = app.get(JOBS).await.ok();
    assert_eq!(list["results"][0]["id"], job["id"]);
    assert_eq!(list["total_count"], 1);
}

#[apply(on_both_databases)]
async fn a_wrong_list_is_refused_with_the_field_that_is_wrong(database: Database) {
    let app = with_people(database, 1).await;
    let too_many: Vec<Value> = people(10_001);
    for (list, field) in [
        (json!({}), "people"),
        (json!({"people": []}), "people"),
        (json!({"people": too_many}), "people"),
        (json!({"people": people(1), "companies": []}), "companies"),
        (
            json!({"people": [{"emial": "a@b.example"}]}),
            "people[0].emial",
        ),
        (json!({"people": [{"email": 5}]}), "people[0].email"),
        (
            json!({"people": people(1), "max_credits": -1}),
            "max_credits",
        ),
        (json!({"people": people(1), "reuse_days": 91}), "reuse_days"),
        (json!({"people": [{"name": "Ines"}]}), "people"),
        (
            json!({"people": [{"email": "a@b.example", "ref": "x".repeat(256)}]}),
            "people[0].ref",
        ),
    ] {
        let answer = app.post(JOBS, list).await;
        assert_eq!(
            answer.error(),
            (400, "VALIDATION_ERROR", field),
            "{}",
            answer.body
        );
    }
    let query = format!("{JOBS}?max_credits=5");
    let answer = app.post(&query, json!({"people": people(1)})).await;
    assert_eq!(answer.error(), (400, "VALIDATION_ERROR", "query"));
    assert_eq!(app.get(JOBS).await.ok()["total_count"], 0);
    refused(
        &app.get(&format!("{JOBS}/none")).await,
        404,
        "NOT_FOUND_ERROR",
    );
}
