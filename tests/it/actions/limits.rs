//! Callers' requests count in the same rate limits as those of syncs.

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use reqwest::{Method, header};
use serde_json::json;
use syncline_sim::{Action, Fault, Match, Plan, Quota, Window};

use super::{pass, pass_body, proxied};
use crate::{
    http::refused,
    support::{App, CONTACTS, CUSTOMER, Database, MASTER_KEY, on_both_databases, quiet_apollo},
};

const SEARCH: &str = "api/v1/contacts/search";

#[apply(on_both_databases)]
async fn a_window_that_syncs_used_up_is_used_up_for_callers_too(database: Database) {
    let app = of_ten_a_minute(database, 1500).await;
    app.work_off().await;
    assert_eq!(searches(&app), 8, "syncs leave a fifth");
    assert_eq!(search(&app).await.ok()["status"], 200);
    assert_eq!(
        proxied(&app, Method::POST, SEARCH)
            .json(&json!({}))
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
    for _ in 0..2 {
        refused(&search(&app).await, 429, "TOO_MANY_REQUESTS_ERROR");
        let answer = proxied(&app, Method::POST, SEARCH)
            .body("{}")
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 429);
        let wait: u64 = answer.headers()[header::RETRY_AFTER]
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        assert!((1..=120).contains(&wait), "{wait}");
    }
    assert_eq!(searches(&app), 10, "and nothing was sent");
    let users = pass(&app, "GET", "/api/v1/users/search").await.ok();
    assert_eq!(
        users["status"], 200,
        "other endpoints have windows of their own"
    );

    app.clock.advance(TimeDelta::minutes(2));
    assert_eq!(search(&app).await.ok()["status"], 200);
}

#[apply(on_both_databases)]
async fn what_callers_use_is_known_to_syncs(database: Database) {
    let app = of_ten_a_minute(database, 1500).await;
    for _ in 0..9 {
        proxied(&app, Method::POST, SEARCH)
            .json(&json!({}))
            .send()
            .await
            .unwrap();
    }
    let path = format!("/mgmt/v2/customers/{CUSTOMER}/connections/apollo/_rate_limit_info");
    let info = app.get(&path).await.ok();
    assert_eq!(
        info["other"]["contacts/search per minute"]["remaining"], 1,
        "{info}"
    );
    app.work_off().await;
    assert_eq!(searches(&app), 9);
    assert_eq!(
        app.newest_run(CUSTOMER, "contact").await["waiting_reason"],
        "provider_rate_limit"
    );
}

#[apply(on_both_databases)]
async fn after_an_answer_that_leaves_nothing_the_next_request_stays_here(database: Database) {
    let app = of_ten_a_minute(database, 0).await;
    for _ in 0..10 {
        let answer = search(&app).await.ok();
        assert_eq!(answer["status"], 200, "{answer}");
    }
    refused(&search(&app).await, 429, "TOO_MANY_REQUESTS_ERROR");
    let answer = app
        .post(&format!("/actions/v2/proxy/{SEARCH}"), json!({}))
        .await;
    refused(&answer, 429, "TOO_MANY_REQUESTS_ERROR");
    assert_eq!(searches(&app), 10);
}

#[apply(on_both_databases)]
async fn a_429_of_the_providers_is_passed_on_and_remembered(database: Database) {
    let app = App::with_contacts(database, 0).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    let hour = || Action::RateLimited {
        window: Window::Hour,
        retry_after: Some(1234),
    };
    for through_proxy in [true, false] {
        app.apollo
            .faults()
            .push(Fault::new(Match::path(SEARCH), hour()));
        let before = searches(&app);
        if through_proxy {
            let answer = proxied(&app, Method::POST, SEARCH)
                .body("{}")
                .send()
                .await
                .unwrap();
            assert_eq!(answer.status(), 429);
            assert_eq!(answer.headers()[header::RETRY_AFTER], "1234");
            let text = answer.text().await.unwrap();
            assert!(
                !text.contains("TOO_MANY_REQUESTS_ERROR"),
                "the provider's own: {text}"
            );
        } else {
            assert_eq!(search(&app).await.ok()["status"], 429);
        }
        let answer = search(&app).await;
        refused(&answer, 429, "TOO_MANY_REQUESTS_ERROR");
        assert_eq!(searches(&app), before + 1);
        app.clock.advance(TimeDelta::seconds(1234));
        assert_eq!(search(&app).await.ok()["status"], 200);
    }
}

#[apply(on_both_databases)]
async fn a_request_that_the_provider_is_busy_with_stops_no_other(database: Database) {
    let app = of_ten_a_minute(database, 0).await;
    app.apollo
        .faults()
        .push(Fault::new(Match::path(SEARCH), Action::AlreadyProcessing));
    assert_eq!(search(&app).await.ok()["status"], 429);
    assert_eq!(search(&app).await.ok()["status"], 200);
}

async fn of_ten_a_minute(database: Database, contacts: usize) -> App {
    let mut options = quiet_apollo(contacts);
    options.teams[0].plan = Plan::Custom(Quota {
        per_minute: Some(10),
        per_hour: None,
        per_day: None,
    });
    let app = App::with_apollo(database, options).await;
    app.sync_only(CONTACTS).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app
}

async fn search(app: &App) -> crate::support::Answer {
    pass_body(app, "POST", SEARCH, json!({})).await
}

fn searches(app: &App) -> usize {
    app.apollo.ledger().requests_to("contacts/search").len()
}
