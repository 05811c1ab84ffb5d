//! Jobs and keys belong to one customer of one application.

use macro_rules_attribute::apply;
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    charges,
    jobs::{JOBS, done, people},
    with_people,
};
use crate::support::{Answer, App, CUSTOMER, MASTER_KEY, on_both_databases};

const KEYS: &str = "/mgmt/v2/customers/customer-1/connections/apollo/keys";

async fn call(
    app: &App,
    (key, customer): (&str, &str),
    (method, path): (Method, &str),
    body: Option<&Value>,
) -> Answer {
    let mut request = app
        .request(method, path)
        .header("x-api-key", key)
        .header("x-customer-id", customer)
        .header("x-provider-name", "apollo");
    if let Some(body) = body {
        request = request.json(body);
    }
    App::answer(request).await
}

#[apply(on_both_databases)]
async fn jobs_and_keys_of_another_application_or_customer_are_not_there(database: Database) {
    let app = with_people(database, 5).await;
    let job = done(&app, json!({"people": people(5), "max_credits": 3})).await;
    let id = job["id"].as_str().unwrap();
    let main = app.get(KEYS).await.ok()["keys"][0]["id"].clone();
    let main = main.as_str().unwrap();
    let other = app
        .store
        .find_or_create_application("another", &crate::support::enabled())
        .await
        .unwrap();
    app.store
        .add_api_key(&other.id, "another", "another-api-key")
        .await
        .unwrap();
    app.connect("customer-2", MASTER_KEY).await;
    let nothing = json!({});
    let key = json!({"label": "x"});
    for whose in [
        ("another-api-key", CUSTOMER),
        (app.api_key.as_str(), "customer-2"),
    ] {
        for (method, path, body) in [
            (Method::GET, format!("{JOBS}/{id}"), None),
            (Method::GET, format!("{JOBS}/{id}/results"), None),
            (Method::GET, format!("{JOBS}/{id}/results?format=csv"), None),
            (Method::POST, format!("{JOBS}/{id}/_cancel"), None),
            (
                Method::POST,
                format!("{JOBS}/{id}/_continue"),
                Some(&nothing),
            ),
        ] {
            let answer = call(&app, whose, (method, &path), body).await;
            assert_eq!(answer.status, 404, "{whose:?} {path}: {}", answer.body);
        }
    }
    let of_customer_2 = KEYS.replace(CUSTOMER, "customer-2");
    for (who, path) in [
        ("another-api-key", format!("{KEYS}/{main}")),
        (app.api_key.as_str(), format!("{of_customer_2}/{main}")),
    ] {
        for (method, body) in [(Method::PUT, Some(&key)), (Method::DELETE, None)] {
            let answer = call(&app, (who, CUSTOMER), (method, &path), body).await;
            assert_eq!(answer.status, 404, "{path}: {}", answer.body);
        }
    }
    let list = call(
        &app,
        (&app.api_key, "customer-2"),
        (Method::GET, JOBS),
        None,
    )
    .await;
    assert_eq!(list.ok()["total_count"], 0);
    // What the one application paid for serves none of the other's.
    let before = charges(&app);
    let customer = json!({"customer_id": CUSTOMER, "name": "A", "email": "a@customer.example"});
    let connection = json!({"provider_name": "apollo", "api_key": MASTER_KEY});
    let connections = format!("/mgmt/v2/customers/{CUSTOMER}/connections");
    let theirs = ("another-api-key", CUSTOMER);
    let customers = (Method::PUT, "/mgmt/v2/customers");
    call(&app, theirs, customers, Some(&customer)).await.ok();
    call(
        &app,
        theirs,
        (Method::POST, &connections),
        Some(&connection),
    )
    .await
    .ok();
    let same = json!({"people": people(3)});
    call(&app, theirs, (Method::POST, JOBS), Some(&same))
        .await
        .ok();
    app.enrich().await;
    assert_eq!(charges(&app), before + 3);
}
