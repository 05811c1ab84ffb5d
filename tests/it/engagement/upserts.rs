//! Upserts of accounts.

use futures::future::join_all;
use macro_rules_attribute::apply;
use serde_json::{Value, json};

use super::{created, path, row};
use crate::{
    http::refused,
    support::{App, CUSTOMER, MASTER_KEY, on_both_databases, quiet_apollo},
};

#[apply(on_both_databases)]
async fn an_account_that_is_there_is_updated_and_one_that_is_not_is_created(database: Database) {
    let app = App::synced(database, 20).await;
    let first = upsert(&app, json!({"domain": "up.example"}), json!({"name": "Up"})).await;
    assert_eq!(row(&app, "accounts", &first).await["domain"], "up.example");
    let again = upsert(
        &app,
        json!({"domain": "UP.example"}),
        json!({"name": "Upper"}),
    )
    .await;
    assert_eq!(again, first);
    assert_eq!(row(&app, "accounts", &first).await["name"], "Upper");
    let by_name = upsert(
        &app,
        json!({"name": "upper"}),
        json!({"domain": "up.example"}),
    )
    .await;
    assert_eq!(by_name, first);
}

#[apply(on_both_databases)]
async fn every_spelling_of_a_domain_means_one_account(database: Database) {
    let app = App::synced(database, 20).await;
    let spellings = [
        "example.com",
        "www.example.com",
        "https://example.com/",
        "EXAMPLE.com.",
        "example.com/about",
        " http://www.Example.com:80/a?b=c ",
    ];
    let before = app.apollo.read(0, |team| team.account_ids().len());
    let first = upsert(
        &app,
        json!({"domain": spellings[1]}),
        json!({"name": "One"}),
    )
    .await;
    for domain in spellings {
        let id = upsert(&app, json!({"domain": domain}), json!({"domain": domain})).await;
        assert_eq!(id, first, "{domain}");
        assert_eq!(row(&app, "accounts", &first).await["domain"], "example.com");
        let body = json!({"filter": {"domain": domain}});
        for from in ["true", "false"] {
            let search = format!("accounts/_search?read_from_cache={from}");
            let found = app.post(&path(&search), body.clone()).await.ok();
            assert_eq!(
                found["records"].as_array().unwrap().len(),
                1,
                "{domain} {from}"
            );
        }
    }
    app.after(chrono::TimeDelta::hours(1)).await;
    assert_eq!(row(&app, "accounts", &first).await["domain"], "example.com");
    assert_eq!(
        app.apollo.read(0, |team| team.account_ids().len()),
        before + 1
    );
}

#[apply(on_both_databases)]
async fn an_account_whose_domain_the_provider_spells_otherwise_is_found(database: Database) {
    let app = App::synced(database, 20).await;
    let id = upsert(
        &app,
        json!({"name": "Spelt"}),
        json!({"domain": "spelt.example"}),
    )
    .await;
    let now = app.now();
    let theirs = json!({"domain": "https://www.Spelt.example/"});
    app.apollo
        .edit(0, |team| team.update_account(now, &id, &theirs).unwrap());
    app.after(chrono::TimeDelta::hours(1)).await;
    assert_eq!(row(&app, "accounts", &id).await["domain"], "spelt.example");
    let again = upsert(
        &app,
        json!({"domain": "SPELT.example"}),
        json!({"name": "Again"}),
    )
    .await;
    assert_eq!(again, id);
}

#[apply(on_both_databases)]
async fn concurrent_upserts_create_one_account(database: Database) {
    // With a search index that lags behind, no call finds an account that another one created.
    let mut options = quiet_apollo(20);
    options.switches.search_lag = std::time::Duration::from_mins(1);
    let app = App::with_apollo(database, options).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    let before = app.apollo.read(0, |team| team.account_ids().len());
    let calls = (0..8).map(|number| {
        let record = json!({"name": "Race", "custom_fields": {"n": number}});
        upsert(&app, json!({"name": "Race"}), record)
    });
    let ids = join_all(calls).await;
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(
        app.apollo.read(0, |team| team.account_ids().len()),
        before + 1
    );
}

#[apply(on_both_databases)]
async fn concurrent_upserts_create_one_account_where_accounts_are_not_synced(database: Database) {
    let mut options = quiet_apollo(20);
    options.switches.search_lag = std::time::Duration::from_mins(1);
    let app = App::with_apollo(database, options).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.database
        .execute("DELETE FROM syncs WHERE object = 'account'")
        .await;
    let calls = (0..4).map(|_| upsert(&app, json!({"domain": "race.example"}), json!({})));
    let ids = join_all(calls).await;
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}

#[apply(on_both_databases)]
async fn callers_who_look_by_different_fields_create_one_account(database: Database) {
    let mut options = quiet_apollo(20);
    options.switches.search_lag = std::time::Duration::from_mins(1);
    let app = App::with_apollo(database, options).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    let record = json!({"name": "Both", "domain": "both.example"});
    let looks = [
        json!({"name": "Both"}),
        json!({"domain": "both.example"}),
        json!({"name": "both", "domain": "BOTH.example"}),
    ];
    let ids = join_all(
        looks
            .into_iter()
            .map(|look| upsert(&app, look, record.clone())),
    )
    .await;
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}

#[apply(on_both_databases)]
async fn a_caller_who_leaves_in_the_middle_blocks_nobody(database: Database) {
    let app = App::synced(database, 5).await;
    let gate = app
        .apollo
        .gate(syncline_sim::Match::path("accounts/search"));
    let leaving = app
        .request(reqwest::Method::POST, &path("accounts/_upsert"))
        .header("x-api-key", &app.api_key)
        .header("x-customer-id", CUSTOMER)
        .header("x-provider-name", "apollo")
        .json(&json!({"record": {}, "upsert_on": {"name": "Left"}}));
    let leaving = tokio::spawn(leaving.send());
    gate.arrived(1).await;
    leaving.abort();
    assert!(leaving.await.is_err());
    gate.open();
    let id = upsert(
        &app,
        json!({"name": "Left"}),
        json!({"domain": "left.example"}),
    )
    .await;
    assert_eq!(row(&app, "accounts", &id).await["domain"], "left.example");
    let named = app.apollo.read(0, |team| {
        team.accounts()
            .iter()
            .filter(|account| account["name"] == "Left")
            .count()
    });
    assert_eq!(named, 1, "the first one was carried out");
}

#[apply(on_both_databases)]
async fn more_than_one_match_and_no_field_are_refused(database: Database) {
    let app = App::synced(database, 20).await;
    for _ in 0..2 {
        created(
            &app.post(&path("accounts"), json!({"record": {"name": "Twin"}}))
                .await,
        );
    }
    let body = json!({"record": {}, "upsert_on": {"name": "twin"}});
    let answer = app.post(&path("accounts/_upsert"), body).await;
    assert!(refused(&answer, 400, "BAD_REQUEST").contains("More than one account"));
    for upsert_on in [json!({}), json!({"name": " "})] {
        let body = json!({"record": {"name": "x"}, "upsert_on": upsert_on});
        let answer = app.post(&path("accounts/_upsert"), body).await;
        let (status, code, field) = answer.error();
        assert_eq!((status, code), (400, "VALIDATION_ERROR"));
        assert!(field.starts_with("upsert_on"), "{field}");
    }
}

#[apply(on_both_databases)]
async fn custom_fields_keep_their_keys(database: Database) {
    let app = App::synced(database, 5).await;
    let record = json!({"custom_fields": {"snake_key": 1, "camelKey": 2}});
    let id = upsert(&app, json!({"name": "Keys"}), record).await;
    let theirs = app.apollo.read(0, |team| team.account(&id).unwrap());
    assert_eq!(
        theirs["typed_custom_fields"],
        json!({"snake_key": 1, "camelKey": 2})
    );
}

async fn upsert(app: &App, upsert_on: Value, record: Value) -> String {
    let body = json!({"record": record, "upsert_on": upsert_on});
    created(&app.post(&path("accounts/_upsert"), body).await)
}
