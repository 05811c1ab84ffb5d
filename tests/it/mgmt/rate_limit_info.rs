//! `/customers/{customer_id}/connections/{provider_name}/_rate_limit_info`

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use serde_json::{Value, json};
use syncline_sim::{Plan, Quota};

use crate::{
    http::refused,
    support::{App, CUSTOMER, MASTER_KEY, on_both_databases, quiet_apollo},
};

const INFO: &str = "/mgmt/v2/customers/customer-1/connections/apollo/_rate_limit_info";
const PER_HOUR: u32 = 400;
const PER_DAY: u32 = 2_000;

#[apply(on_both_databases)]
async fn nothing_is_used_before_the_first_sync(database: Database) {
    let app = App::with_contacts(database, 5).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    let body = json!({"limits": {"records_per_object": 300, "records_per_hour": 400}});
    app.put("/mgmt/v2/customers/customer-1/connections/apollo", body)
        .await
        .ok();
    assert_eq!(
        app.get(INFO).await.ok(),
        json!({"records": {
            "per_object": 300,
            "per_hour": {"limit": 400, "used": 0, "reserved": 0, "resets_at": null},
            "per_day": {"limit": 50_000, "used": 0, "reserved": 0, "resets_at": null},
            "by_hour": [],
        }})
    );
}

#[apply(on_both_databases)]
async fn after_a_sync_the_numbers_are_those_of_apollos_own_books(database: Database) {
    let app = limited(database).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    let info = app.get(INFO).await.ok();
    let (ledger, hour) = (app.apollo.ledger(), TimeDelta::hours(1));
    for (window, records) in [("per_hour", 10_000), ("per_day", 50_000)] {
        let window = &info["records"][window];
        assert_eq!(window["used"], ledger.max_records_in(0, hour), "{info}");
        assert_eq!(window["limit"], records);
        assert!(window["resets_at"].is_string());
    }
    let mut endpoints = 0;
    for (action, totals) in ledger.totals() {
        if ["", "auth/health", "users/api_profile"].contains(&action) {
            continue;
        }
        endpoints += 1;
        for (window, limit) in [("minute", 200), ("hour", PER_HOUR), ("day", PER_DAY)] {
            let own = &info["other"][format!("{action} per {window}")];
            assert_eq!(own["limit"], limit, "{action}: {info}");
            assert_eq!(
                own["remaining"],
                i64::from(limit) - i64::try_from(totals.requests).unwrap()
            );
            assert!(own["reset_time"].as_i64().unwrap() > app.now().timestamp());
        }
    }
    assert_eq!(
        endpoints, 5,
        "users, mailboxes, sequences, accounts, contacts"
    );
    assert_eq!(info["other"].as_object().unwrap().len(), 15);
    // 130 contacts are two pages; nothing else was asked more often.
    assert_eq!(info["hourly"], info["other"]["contacts/search per hour"]);
    assert_eq!(info["daily"], info["other"]["contacts/search per day"]);
}

#[apply(on_both_databases)]
async fn what_left_its_window_is_there_again(database: Database) {
    let app = limited(database).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    let before = app.get(INFO).await.ok();
    // A minute counts until all of it is out of the window.
    app.clock.advance(TimeDelta::minutes(62));
    let after = app.get(INFO).await.ok();
    assert_eq!(
        after["records"]["per_hour"],
        json!({"limit": 10_000, "used": 0, "reserved": 0, "resets_at": null})
    );
    assert_eq!(after["records"]["per_day"], before["records"]["per_day"]);
    assert_eq!(
        after["hourly"],
        json!({"limit": PER_HOUR, "remaining": PER_HOUR})
    );
    assert_eq!(after["daily"], before["daily"]);
}

#[apply(on_both_databases)]
async fn connections_of_one_team_see_the_same(database: Database) {
    let app = limited(database).await;
    app.apollo.edit(0, |team| {
        team.add_key(syncline_sim::KeyOptions::master("another-key"));
    });
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.connect("another", "another-key").await;
    app.work_off().await;
    let theirs = app.get(&INFO.replace(CUSTOMER, "another")).await.ok();
    assert_eq!(app.get(INFO).await.ok(), theirs);
    let hour = TimeDelta::hours(1);
    assert_eq!(
        theirs["records"]["per_hour"]["used"],
        app.apollo.ledger().max_records_in(0, hour)
    );
}

#[apply(on_both_databases)]
async fn a_plan_without_limits_leaves_only_the_records(database: Database) {
    let app = App::synced(database, 5).await;
    let info = app.get(INFO).await.ok();
    assert_eq!(
        info.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["records"]
    );
    assert_ne!(info["records"]["per_hour"]["used"], Value::from(0));
}

#[apply(on_both_databases)]
async fn a_connection_that_is_not_there_has_none(database: Database) {
    let app = App::with_contacts(database, 5).await;
    refused(&app.get(INFO).await, 404, "NOT_FOUND_ERROR");
    app.connect(CUSTOMER, MASTER_KEY).await;
    for path in [
        INFO.replace(CUSTOMER, "nobody"),
        INFO.replace("apollo", "hubspot"),
    ] {
        refused(&app.get(&path).await, 404, "NOT_FOUND_ERROR");
    }
    let other = app
        .store
        .find_or_create_application("another", &crate::support::enabled())
        .await
        .unwrap();
    app.store
        .add_api_key(&other.id, "another", "another-api-key")
        .await
        .unwrap();
    let request = app
        .request(reqwest::Method::GET, INFO)
        .header("x-api-key", "another-api-key");
    refused(&App::answer(request).await, 404, "NOT_FOUND_ERROR");
}

/// An Apollo whose plan has limits.
async fn limited(database: crate::support::Database) -> App {
    let mut options = quiet_apollo(130);
    options.teams[0].plan = Plan::Custom(Quota::new(200, PER_HOUR, PER_DAY));
    App::with_apollo(database, options).await
}
