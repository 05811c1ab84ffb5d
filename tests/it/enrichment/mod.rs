//! `/enrichment/v2`.

mod csv;
mod https;
mod jobs;
mod keys;
mod late;
mod lost;
mod organizations;
mod persons;
mod plans;
mod processes;
mod tenancy;

use chrono::{DateTime, Utc};
use reqwest::Method;
use serde_json::{Value, json};
use syncline_sim::{RunningSimulator, Team};

use crate::support::{App, CUSTOMER, Database, MASTER_KEY};

/// An Apollo that knows Ines of Heron Foods.
async fn with_ines(database: Database) -> App {
    let app = App::with_contacts(database, 3).await;
    let now = app.now();
    app.apollo.edit(0, |team| {
        let account = json!({"name": "Heron Foods", "domain": "heron.example"});
        let account = team.create_account(now, &account).unwrap();
        let contact = json!({
            "first_name": "Ines", "last_name": "Duarte", "email": "ines@heron.example", "account_id": account,
        });
        team.create_contact(now, &contact).unwrap();
    });
    app.connect(CUSTOMER, MASTER_KEY).await;
    app
}

fn credits(app: &App) -> u64 {
    app.apollo.simulator().read(0, Team::credits)
}

/// Status, `x-credits-used` and body.
async fn enrich(
    app: &App,
    path: &str,
    parameter: &str,
    value: &str,
) -> (u16, Option<String>, Value) {
    let response = app
        .request(Method::GET, path)
        .query(&[(parameter, value)])
        .header("x-api-key", &app.api_key)
        .header("x-customer-id", CUSTOMER)
        .header("x-provider-name", "apollo")
        .send()
        .await
        .unwrap();
    let cost = response.headers().get("x-credits-used");
    let cost = cost.map(|it| it.to_str().unwrap().to_owned());
    let status = response.status().as_u16();
    (status, cost, response.json().await.unwrap())
}

/// An Apollo that knows this many people of Heron Foods, `person0@heron.example` and so on, and a team
/// that can pay for all of them.
async fn with_people(database: Database, count: usize) -> App {
    let app = with_ines(database).await;
    add_people(&app, 0, count);
    app
}

fn add_people(app: &App, team: usize, count: usize) {
    know_people(&app.apollo, team, app.now(), count);
}

fn know_people(apollo: &RunningSimulator, team: usize, now: DateTime<Utc>, count: usize) {
    apollo.edit(team, |team| {
        team.set_credits(1_000_000);
        let account = json!({"name": "Heron Foods", "domain": "heron.example"});
        let account = team.create_account(now, &account).unwrap();
        for n in 0..count {
            let contact = json!({
                "first_name": format!("Ines{n}"), "last_name": "Heron",
                "email": format!("person{n}@heron.example"), "account_id": account,
            });
            team.create_contact(now, &contact).unwrap();
        }
    });
}

/// What the provider has charged, in credits.
fn charges(app: &App) -> u64 {
    let simulator = app.apollo.simulator();
    simulator.read(0, |team| team.charges().iter().map(|it| it.credits).sum())
}
