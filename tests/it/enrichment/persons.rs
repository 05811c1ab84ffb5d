//! The company behind an e-mail address, and what it costs.

use macro_rules_attribute::apply;
use reqwest::Method;
use serde_json::json;
use syncline_sim::{Action, Fault, Match};

use super::{credits, enrich, with_ines};
use crate::{
    http::refused,
    support::{App, on_both_databases},
};

const PERSONS: &str = "/enrichment/v2/persons";

#[apply(on_both_databases)]
async fn a_known_persons_company_has_the_published_shape_and_says_what_it_cost(database: Database) {
    let app = with_ines(database).await;
    let before = credits(&app);
    let (status, cost, body) = enrich(&app, PERSONS, "email", "ines@heron.example").await;
    assert_eq!(status, 200, "{body}");
    let company = body["company"].as_object().unwrap();
    let fields: Vec<_> = company.keys().map(String::as_str).collect();
    assert_eq!(
        fields,
        [
            "annual_revenue",
            "domain",
            "employee_count",
            "industry",
            "name"
        ]
    );
    assert_eq!(
        (&company["name"], &company["domain"]),
        (&json!("Heron Foods"), &json!("heron.example"))
    );
    assert!(company["industry"].is_string());
    assert!(company["annual_revenue"].is_number() && company["employee_count"].is_number());
    assert_eq!(
        cost.unwrap().parse::<u64>().unwrap(),
        before - credits(&app)
    );
    assert!(before > credits(&app));
}

#[apply(on_both_databases)]
async fn a_person_that_nobody_knows_is_missing_and_costs_nothing(database: Database) {
    let app = with_ines(database).await;
    let before = credits(&app);
    let (status, cost, body) = enrich(&app, PERSONS, "email", "nobody@nowhere.example").await;
    assert_eq!((status, cost.as_deref()), (404, Some("0")));
    assert_eq!(body["errors"][0]["code"], "NOT_FOUND_ERROR");
    assert_eq!(credits(&app), before);
}

#[apply(on_both_databases)]
async fn without_credits_it_is_402(database: Database) {
    let app = with_ines(database).await;
    app.apollo.edit(0, |team| team.set_credits(0));
    let answer = app
        .get(&format!("{PERSONS}?email=ines@heron.example"))
        .await;
    refused(&answer, 402, "PAYMENT_REQUIRED_ERROR");
    assert_eq!(
        answer.body["errors"][0]["meta"]["origin"],
        "remote-provider"
    );
}

#[apply(on_both_databases)]
async fn an_address_that_is_none_is_refused_before_anybody_is_asked(database: Database) {
    let app = with_ines(database).await;
    app.apollo.ledger().reset();
    for email in [
        "ines",
        "ines@",
        "@heron.example",
        "ines@heron",
        "a%20b@heron.example",
        "a@b@c.example",
        "",
        "%00@heron.example",
        "a%0d%0a@heron.example",
    ] {
        let answer = app.get(&format!("{PERSONS}?email={email}")).await;
        assert_eq!(
            answer.error(),
            (400, "VALIDATION_ERROR", "email"),
            "{email}"
        );
    }
    assert_eq!(
        app.get(PERSONS).await.error(),
        (400, "VALIDATION_ERROR", "email")
    );
    let answer = app
        .get(&format!("{PERSONS}?email=a@b.example&name=x"))
        .await;
    assert_eq!(answer.error(), (400, "VALIDATION_ERROR", "name"));
    assert!(app.apollo.ledger().is_empty());
}

#[apply(on_both_databases)]
async fn what_was_paid_for_is_kept_when_the_rest_fails(database: Database) {
    let app = with_ines(database).await;
    // Where there is no account, the company comes from the person's entry, which may have
    // fewer fields.
    let failing = Fault::new(Match::path("organizations/enrich"), Action::server_error());
    app.apollo.faults().push(failing.always());
    let (status, cost, body) = enrich(&app, PERSONS, "email", "ines@heron.example").await;
    assert_eq!((status, cost.as_deref()), (200, Some("1")), "{body}");
    assert_eq!(body["company"]["domain"], "heron.example");
}

#[apply(on_both_databases)]
async fn it_needs_a_key_and_a_connection(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let path = format!("{PERSONS}?email=a@b.example");
    let answer = App::answer(app.request(Method::GET, &path)).await;
    refused(&answer, 401, "UNAUTHORIZED_ERROR");
    refused(&app.get(&path).await, 404, "NOT_FOUND_ERROR");
}
