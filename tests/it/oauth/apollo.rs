//! Apollo's OAuth, which it has for partners: the same as with other providers, beside API keys.

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use serde_json::{Value, json};
use syncline_model::Clock;
use syncline_sim::{Options, TokenOptions};

use super::{APOLLO, connections, run_of, token_requests};
use crate::support::{App, CUSTOMER, Database, on_both_databases};

/// An application that has the usual Apollo, now with an OAuth application, and a customer.
async fn enabled(database: Database, options: Options) -> App {
    let app = App::with_apollo(database, options).await;
    let providers = app.get("/mgmt/v2/providers").await.ok();
    let id = providers[0]["id"].as_str().unwrap().to_owned();
    let path = format!("/mgmt/v2/providers/{id}");
    app.put(&path, APOLLO.enabling()).await.ok();
    app.put_customer(CUSTOMER).await.ok();
    app
}

async fn account_of(app: &App, customer: &str) -> Value {
    let path = format!("/mgmt/v2/customers/{customer}/connections/apollo/_rate_limit_info");
    app.get(&path).await.ok()["records"].clone()
}

#[apply(on_both_databases)]
async fn a_partners_customer_is_synced_and_shares_the_limits_of_the_team(database: Database) {
    let app = enabled(database, Options::with_contacts(230)).await;
    APOLLO.import(&app).await.ok();
    let connection = APOLLO.connection(&app).await;
    assert_eq!(connection["status"], "healthy", "{connection}");
    assert_eq!(connection["limits"]["records_per_hour"], 10_000);
    app.work_off().await;
    for object in APOLLO.objects {
        let run = run_of(&app, object).await;
        assert_eq!(run["status"], "SUCCESS", "{object}: {run}");
    }
    let requests = app.apollo.ledger().requests();
    assert!(requests.iter().all(|it| it.status == 200), "{requests:?}");
    // A key of the same team counts against the same hour.
    app.put_customer("by-key").await.ok();
    app.post_connection("by-key", "sim-master-key").await.ok();
    assert_eq!(
        account_of(&app, CUSTOMER).await["per_hour"]["used"],
        account_of(&app, "by-key").await["per_hour"]["used"],
    );
}

#[apply(on_both_databases)]
async fn a_token_of_thirty_days_is_refreshed_when_apollo_rejects_it(database: Database) {
    let app = enabled(database, Options::with_contacts(20)).await;
    APOLLO.import(&app).await.ok();
    app.work_off().await;
    app.after(TimeDelta::hours(3)).await;
    assert_eq!(
        token_requests(&app),
        1,
        "the import: it is valid for a month"
    );
    let now = app.clock.now();
    app.apollo.edit(0, |team| team.expire_access_tokens(now));
    app.after(TimeDelta::hours(1)).await;
    assert_eq!(token_requests(&app), 2);
    let run = run_of(&app, "contact").await;
    assert_eq!(run["status"], "SUCCESS", "{run}");
    let body = json!({"method": "GET", "path": "/api/v1/users/api_profile"});
    let answer = app.post("/actions/v2/passthrough", body).await.ok();
    assert_eq!(answer["status"], 200, "{answer}");
}

#[apply(on_both_databases)]
async fn a_scope_that_is_missing_keeps_its_object_away_and_no_other(database: Database) {
    let mut options = Options::with_contacts(20);
    let scopes = [
        "users_list",
        "emailer_campaigns_search",
        "accounts_search",
        "account_read",
        "contacts_search",
        "contact_read",
        "read_user_profile",
    ];
    options.apollo.tokens = vec![TokenOptions::of_apollo_team(0).with_scopes(&scopes)];
    let app = enabled(database, options).await;
    APOLLO.import(&app).await.ok();
    app.work_off().await;
    for object in APOLLO.objects {
        let run = run_of(&app, object).await;
        let expected = if *object == "mailbox" {
            "FAILURE"
        } else {
            "SUCCESS"
        };
        assert_eq!(run["status"], expected, "{object}: {run}");
    }
    let run = run_of(&app, "mailbox").await;
    let said = run["error_message"].as_str().unwrap();
    assert!(
        said.contains("api/v1/email_accounts/index is not accessible with this access token"),
        "{said}"
    );
}

#[apply(on_both_databases)]
async fn what_does_not_fit_the_way_of_connecting_is_refused_by_field(database: Database) {
    let app = App::with_contacts(database, 5).await;
    app.put_customer(CUSTOMER).await.ok();
    let answer = APOLLO.import(&app).await;
    let (status, _, title) = answer.error();
    assert_eq!(status, 409);
    assert!(
        title.contains("no OAuth application is set for apollo"),
        "{title}"
    );
    let mut both = APOLLO.importing();
    both["api_key"] = json!("sim-master-key");
    let answer = app.post(&connections(), both).await;
    let (status, _, field) = answer.error();
    assert_eq!((status, field), (400, "api_key"), "{}", answer.body);
    let providers = app.get("/mgmt/v2/providers").await.ok();
    let path = format!(
        "/mgmt/v2/providers/{}",
        providers[0]["id"].as_str().unwrap()
    );
    let mut with_key = APOLLO.enabling();
    with_key["auth_type"] = json!("api_key");
    let answer = app.put(&path, with_key).await;
    let (status, _, field) = answer.error();
    assert_eq!((status, field), (400, "config"), "{}", answer.body);
}
