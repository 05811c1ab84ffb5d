//! Several keys of a connection: what is asked with which, and what the list says of them.

use macro_rules_attribute::apply;
use serde_json::{Value, json};
use syncline_sim::{KeyOptions, Team, TeamOptions};

use super::{
    add_people, enrich,
    jobs::{done, job_of, people},
    organizations::ORGANIZATIONS,
};
use crate::{
    http::refused,
    support::{App, CUSTOMER, Database, MASTER_KEY, on_both_databases, quiet_apollo},
};

const KEYS: &str = "/mgmt/v2/customers/customer-1/connections/apollo/keys";

/// An Apollo with this many further teams, each of which knows the same people, and a connection with the
/// first team's key.
async fn with_teams(database: Database, further: usize, count: usize) -> App {
    let mut options = quiet_apollo(3);
    options.teams[0].keys.push(KeyOptions::master("second-key"));
    options.teams[0]
        .keys
        .push(KeyOptions::scoped("narrow-key", &["contacts/search"]));
    for n in 1..=further {
        options.teams.push(TeamOptions::numbered(n, 3));
    }
    let app = App::with_apollo(database, options).await;
    for team in 0..=further {
        add_people(&app, team, count);
    }
    app.connect(CUSTOMER, MASTER_KEY).await;
    app
}

async fn add(app: &App, key: &str, label: &str) -> Value {
    let body = json!({"api_key": key, "label": label});
    app.post(KEYS, body).await.ok()
}

async fn keys(app: &App) -> Vec<Value> {
    let list = app.get(KEYS).await.ok();
    list["keys"].as_array().unwrap().clone()
}

fn spent(app: &App, team: usize) -> u64 {
    let simulator = app.apollo.simulator();
    simulator.read(team, |team| {
        team.charges().iter().map(|it| it.credits).sum()
    })
}

#[apply(on_both_databases)]
async fn the_list_shows_the_main_key_and_the_others_with_their_slots(database: Database) {
    let app = with_teams(database, 1, 1).await;
    let added = add(&app, "sim-master-key-1", "Berlin").await;
    let body = json!({"api_key": "second-key", "label": "ours", "kind": "managed"});
    let managed = app.post(KEYS, body).await.ok();
    let list = app.get(KEYS).await.ok();
    assert_eq!(
        list["slots"],
        json!({
            "self": {"used": 2, "available": 8},
            "managed": {"used": 1, "available": 9},
        })
    );
    let keys = list["keys"].as_array().unwrap();
    let main = &keys[0];
    assert_eq!(
        (
            &main["is_main"],
            &main["label"],
            &main["kind"],
            &main["status"]
        ),
        (
            &json!(true),
            &json!("main key"),
            &json!("self"),
            &json!("active")
        )
    );
    // The managed one is another key of the main key's team.
    assert_eq!(main["shares_budget_with"], json!([managed["id"]]));
    assert_eq!(managed["shares_budget_with"], json!([main["id"]]));
    assert_eq!(added["shares_budget_with"], json!([]));
    assert!(
        !list.to_string().contains("sim-master-key"),
        "no key is shown"
    );
    // A key is there once, and a wrong one not at all.
    for (key, status) in [
        ("sim-master-key-1", 409),
        (MASTER_KEY, 409),
        ("no-such-key", 422),
    ] {
        let answer = app.post(KEYS, json!({"api_key": key, "label": "x"})).await;
        assert_eq!(answer.status, status, "{key}: {}", answer.body);
    }
    for (body, field) in [
        (json!({"api_key": "k"}), "label"),
        (json!({"api_key": "k", "label": ""}), "label"),
        (json!({"api_key": "", "label": "x"}), "api_key"),
        (
            json!({"api_key": "k", "label": "x", "kind": "other"}),
            "kind",
        ),
    ] {
        let answer = app.post(KEYS, body).await;
        assert_eq!(
            answer.error(),
            (400, "VALIDATION_ERROR", field),
            "{}",
            answer.body
        );
    }
    let path = format!("{KEYS}/{}", added["id"].as_str().unwrap());
    assert_eq!(app.delete(&path).await.status, 204);
    refused(&app.delete(&path).await, 404, "NOT_FOUND_ERROR");
    let main = format!("{KEYS}/{}", main["id"].as_str().unwrap());
    refused(&app.delete(&main).await, 409, "CONFLICT_ERROR");
}

#[apply(on_both_databases)]
async fn a_list_is_spread_over_the_keys_of_all_teams(database: Database) {
    let app = with_teams(database, 2, 120).await;
    add(&app, "sim-master-key-1", "Berlin").await;
    add(&app, "sim-master-key-2", "Lyon").await;
    add(&app, "second-key", "the same team").await;
    let job = done(&app, json!({"people": people(120)})).await;
    assert_eq!(
        (&job["state"], &job["matched"], &job["credits_spent"]),
        (&json!("succeeded"), &json!(120), &json!(120)),
        "{job}"
    );
    let spent = [spent(&app, 0), spent(&app, 1), spent(&app, 2)];
    assert_eq!(spent.iter().sum::<u64>(), 120);
    assert!(spent.iter().all(|it| *it > 0), "{spent:?}");
    let keys = keys(&app).await;
    let used = keys
        .iter()
        .filter(|it| it["last_used_at"].is_string())
        .count();
    assert_eq!(used, 3, "two keys of one team are not both used: {keys:?}");
}

#[apply(on_both_databases)]
async fn a_key_that_cannot_be_used_is_passed_over_and_says_why(database: Database) {
    let app = with_teams(database, 3, 60).await;
    add(&app, "sim-master-key-1", "rejected").await;
    add(&app, "sim-master-key-2", "used up").await;
    app.apollo.edit(2, |team: &mut Team| team.set_credits(5));
    app.apollo
        .edit(1, |team: &mut Team| team.revoke_key("sim-master-key-1"));
    add(&app, "sim-scoped-key-3", "narrow").await;
    let job = done(&app, json!({"people": people(60)})).await;
    assert_eq!(
        (&job["state"], &job["matched"], &job["uncertain"]),
        (&json!("succeeded"), &json!(60), &json!(0)),
        "{job}"
    );
    let keys = keys(&app).await;
    let of = |label: &str| keys.iter().find(|it| it["label"] == label).unwrap();
    assert_eq!(of("rejected")["status"], "rejected");
    assert_eq!(of("used up")["status"], "used_up");
    assert!(of("used up")["retry_at"].is_string());
    assert!(
        of("used up")["status_reason"]
            .as_str()
            .unwrap()
            .contains("credits")
    );
    assert_eq!(of("narrow")["status"], "forbidden", "{keys:?}");
    assert_eq!((spent(&app, 1), spent(&app, 2)), (0, 0));
}

#[apply(on_both_databases)]
async fn a_key_spends_no_more_a_day_than_it_may(database: Database) {
    let app = with_teams(database, 1, 40).await;
    let main = keys(&app).await.remove(0);
    let path = format!("{KEYS}/{}", main["id"].as_str().unwrap());
    let body = json!({"label": "ours", "max_credits_per_day": 17});
    assert_eq!(app.put(&path, body).await.ok()["label"], "ours");
    let job = done(&app, json!({"people": people(40)})).await;
    assert_eq!(
        (&job["state"], &job["waits_for"], &job["credits_spent"]),
        (&json!("waiting"), &json!("credits_per_day"), &json!(17)),
        "{job}"
    );
    assert_eq!(spent(&app, 0), 17);
    // Nor does a single call.
    let (status, _, body) = enrich(&app, ORGANIZATIONS, "domain", "heron.example").await;
    assert_eq!(status, 429, "{body}");
    // Another key goes on at once, and the first one the next day.
    let body = json!({"api_key": "sim-master-key-1", "label": "more", "max_credits_per_day": 10});
    app.post(KEYS, body).await.ok();
    app.clock.advance(chrono::TimeDelta::hours(25));
    app.enrich().await;
    let job = job_of(&app, &job).await;
    assert_eq!(
        (&job["state"], &job["matched"]),
        (&json!("succeeded"), &json!(40)),
        "{job}"
    );
    assert!(spent(&app, 0) <= 34 && spent(&app, 1) <= 10);
}

#[apply(on_both_databases)]
async fn a_single_call_goes_on_with_another_key(database: Database) {
    let app = with_teams(database, 1, 1).await;
    add(&app, "sim-master-key-1", "Berlin").await;
    for _ in 0..4 {
        let (status, ..) = enrich(&app, ORGANIZATIONS, "domain", "heron.example").await;
        assert_eq!(status, 200);
    }
    assert_eq!((spent(&app, 0), spent(&app, 1)), (2, 2));
    app.apollo.edit(0, |team: &mut Team| team.set_credits(0));
    for _ in 0..4 {
        let (status, ..) = enrich(&app, ORGANIZATIONS, "domain", "heron.example").await;
        assert_eq!(status, 200);
    }
    assert_eq!((spent(&app, 0), spent(&app, 1)), (2, 6));
    assert_eq!(keys(&app).await[0]["status"], "used_up");
}

#[apply(on_both_databases)]
async fn single_calls_go_to_the_key_that_may_spend_most(database: Database) {
    let app = with_teams(database, 1, 1).await;
    let main = keys(&app).await.remove(0);
    let path = format!("{KEYS}/{}", main["id"].as_str().unwrap());
    let body = json!({"label": "ours", "max_credits_per_day": 4});
    app.put(&path, body).await.ok();
    let body = json!({"api_key": "sim-master-key-1", "label": "more", "max_credits_per_day": 10});
    app.post(KEYS, body).await.ok();
    let mut left = Vec::new();
    for _ in 0..14 {
        let (status, _, body) = enrich(&app, ORGANIZATIONS, "domain", "heron.example").await;
        assert_eq!(status, 200, "{body}");
        left.push((4 - spent(&app, 0), 10 - spent(&app, 1)));
    }
    assert_eq!((left[5], left[13]), ((4, 4), (0, 0)), "{left:?}");
    assert!(
        left[6..].iter().all(|it| it.0.abs_diff(it.1) <= 1),
        "{left:?}"
    );
}

#[apply(on_both_databases)]
async fn a_job_that_waits_for_credits_goes_on_when_more_may_be_spent(database: Database) {
    let app = with_teams(database, 1, 60).await;
    let main = keys(&app).await.remove(0);
    let path = format!("{KEYS}/{}", main["id"].as_str().unwrap());
    let ceiling = |most: u64| json!({"label": "ours", "max_credits_per_day": most});
    app.put(&path, ceiling(10)).await.ok();
    let job = done(&app, json!({"people": people(60)})).await;
    assert_eq!(job["waits_for"], "credits_per_day", "{job}");
    // A higher ceiling of the same key.
    app.put(&path, ceiling(20)).await.ok();
    app.enrich().await;
    let job = job_of(&app, &job).await;
    assert_eq!(
        (&job["state"], &job["credits_spent"]),
        (&json!("waiting"), &json!(20)),
        "{job}"
    );
    // Another key.
    add(&app, "sim-master-key-1", "Berlin").await;
    app.enrich().await;
    let job = job_of(&app, &job).await;
    assert_eq!(
        (&job["state"], &job["matched"]),
        (&json!("succeeded"), &json!(60)),
        "{job}"
    );
}

#[apply(on_both_databases)]
async fn another_key_of_the_account_takes_over_when_one_has_spent_its_ceiling(database: Database) {
    let app = with_teams(database, 0, 45).await;
    let main = keys(&app).await.remove(0);
    let path = format!("{KEYS}/{}", main["id"].as_str().unwrap());
    let body = json!({"label": "ours", "max_credits_per_day": 25});
    app.put(&path, body).await.ok();
    let body = json!({"api_key": "second-key", "label": "second", "max_credits_per_day": 20});
    app.post(KEYS, body).await.ok();
    let job = done(&app, json!({"people": people(45)})).await;
    assert_eq!(
        (&job["state"], &job["matched"]),
        (&json!("succeeded"), &json!(45)),
        "{job}"
    );
}

#[apply(on_both_databases)]
async fn a_ceiling_below_the_price_of_an_entry_stops_the_job_and_says_so(database: Database) {
    let app = with_teams(database, 0, 2).await;
    let main = keys(&app).await.remove(0);
    let path = format!("{KEYS}/{}", main["id"].as_str().unwrap());
    done(&app, json!({"people": people(1)})).await;
    let body = json!({"label": "ours", "max_credits_per_day": 0});
    app.put(&path, body).await.ok();
    let job = done(&app, json!({"people": people(2)})).await;
    assert_eq!(
        (&job["state"], &job["reused"]),
        (&json!("failed"), &json!(1)),
        "what was paid for before is there: {job}"
    );
    let error = job["error"].as_str().unwrap();
    assert!(error.contains("an entry may cost 1"), "{error}");
    assert_eq!(spent(&app, 0), 1);
}

#[apply(on_both_databases)]
async fn one_key_is_not_twice_in_the_pool(database: Database) {
    let app = with_teams(database, 1, 1).await;
    add(&app, "sim-master-key-1", "Berlin").await;
    let twin = json!({"api_key": MASTER_KEY, "label": "twin"});
    refused(&app.post(KEYS, twin).await, 409, "CONFLICT_ERROR");
    let replaced = app
        .put(
            "/mgmt/v2/customers/customer-1/connections/apollo",
            json!({"api_key": "sim-master-key-1"}),
        )
        .await;
    let title = refused(&replaced, 409, "CONFLICT_ERROR");
    assert!(
        title.contains("in use as \"Berlin\" beside the main key"),
        "{title}"
    );
    assert_eq!(keys(&app).await.len(), 2);
}

#[apply(on_both_databases)]
async fn a_job_without_a_usable_key_stops_and_says_what_is_wrong_with_each(database: Database) {
    let app = with_teams(database, 1, 5).await;
    add(&app, "sim-master-key-1", "Berlin").await;
    for team in 0..2 {
        app.apollo.edit(team, |team: &mut Team| team.set_credits(0));
    }
    let job = done(&app, json!({"people": people(5)})).await;
    assert_eq!(job["state"], "failed", "{job}");
    let error = job["error"].as_str().unwrap();
    assert!(
        error.contains("main key: ") && error.contains("Berlin: "),
        "{error}"
    );
}
