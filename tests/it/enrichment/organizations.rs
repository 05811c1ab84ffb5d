//! A company by its domain, and what it costs.

use macro_rules_attribute::apply;
use reqwest::Method;
use serde_json::json;
use syncline_sim::{Action, Fault, Match};

use super::{credits, enrich, with_ines};
use crate::{
    http::refused,
    support::{App, on_both_databases},
};

pub(super) const ORGANIZATIONS: &str = "/enrichment/v2/organizations";

#[apply(on_both_databases)]
async fn a_company_is_found_by_its_domain_however_it_is_spelled(database: Database) {
    let app = with_ines(database).await;
    for spelling in [
        "heron.example",
        "https://www.Heron.example/about",
        "HERON.example.",
    ] {
        let before = credits(&app);
        let (status, cost, body) = enrich(&app, ORGANIZATIONS, "domain", spelling).await;
        assert_eq!(
            (status, cost.as_deref()),
            (200, Some("1")),
            "{spelling}: {body}"
        );
        let company = &body["company"];
        assert_eq!(
            (&company["name"], &company["domain"]),
            (&json!("Heron Foods"), &json!("heron.example"))
        );
        assert!(company["industry"].is_string());
        assert!(company["annual_revenue"].is_number() && company["employee_count"].is_number());
        assert_eq!(before - credits(&app), 1);
    }
}

#[apply(on_both_databases)]
async fn a_company_that_nobody_knows_is_missing_and_costs_nothing(database: Database) {
    let app = with_ines(database).await;
    let before = credits(&app);
    let (status, cost, body) = enrich(&app, ORGANIZATIONS, "domain", "nowhere.example").await;
    assert_eq!((status, cost.as_deref()), (404, Some("0")));
    assert_eq!(body["errors"][0]["code"], "NOT_FOUND_ERROR");
    assert_eq!(
        body["errors"][0]["title"],
        "apollo doesn't know nowhere.example"
    );
    assert_eq!(credits(&app), before);
}

#[apply(on_both_databases)]
async fn what_the_provider_refuses_is_told_in_its_words(database: Database) {
    let app = with_ines(database).await;
    let path = format!("{ORGANIZATIONS}?domain=heron.example");
    app.apollo.edit(0, |team| team.set_credits(0));
    refused(&app.get(&path).await, 402, "PAYMENT_REQUIRED_ERROR");
    let failing = Fault::new(Match::path("organizations/enrich"), Action::server_error());
    app.apollo.faults().push(failing.always());
    let answer = app.get(&path).await;
    assert_eq!(answer.status, 502, "{}", answer.body);
    assert_eq!(
        answer.body["errors"][0]["meta"]["origin"],
        "remote-provider"
    );
}

#[apply(on_both_databases)]
async fn a_text_that_is_no_domain_is_refused_before_anybody_is_asked(database: Database) {
    let app = with_ines(database).await;
    app.apollo.ledger().reset();
    let long = format!("{}.example", "a".repeat(300));
    for domain in [
        "",
        "heron",
        "heron..example",
        ".example",
        "a%20b.example",
        "heron.example%00",
        "https://",
        &long,
    ] {
        let answer = app.get(&format!("{ORGANIZATIONS}?domain={domain}")).await;
        assert_eq!(
            answer.error(),
            (400, "VALIDATION_ERROR", "domain"),
            "{domain}"
        );
    }
    assert_eq!(
        app.get(ORGANIZATIONS).await.error(),
        (400, "VALIDATION_ERROR", "domain")
    );
    let answer = app
        .get(&format!("{ORGANIZATIONS}?domain=b.example&name=x"))
        .await;
    assert_eq!(answer.error(), (400, "VALIDATION_ERROR", "name"));
    let keyless = app.request(Method::GET, &format!("{ORGANIZATIONS}?domain=b.example"));
    refused(&App::answer(keyless).await, 401, "UNAUTHORIZED_ERROR");
    assert!(app.apollo.ledger().is_empty());
}
