//! Credits that agents spend: reserved before, settled after, and never above the ceiling.

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use serde_json::json;
use syncline_sim::{Action, Fault, Match, WireFault};

use super::{agent, call, requests, title};
use crate::support::{App, CUSTOMER, MASTER_KEY, on_both_databases};

async fn spender(app: &App, per_day: u32) -> String {
    let grants = json!({"actions": {"people.enrich": "allow", "people.bulk_enrich": "allow"}, "credits_per_day": per_day});
    agent(app, grants).await
}

/// The e-mail address of somebody whom Apollo knows.
async fn known_email(app: &App) -> String {
    let contacts = app
        .post(
            "/actions/v2/passthrough",
            json!({"method": "POST", "path": "/api/v1/contacts/search", "body": {}}),
        )
        .await
        .ok();
    let contacts = contacts["body"]["contacts"].as_array().unwrap();
    let mut emails = contacts
        .iter()
        .filter_map(|contact| contact["email"].as_str());
    emails.next_back().unwrap().to_owned()
}

#[apply(on_both_databases)]
async fn an_agent_spends_up_to_its_ceiling_and_again_a_day_later(database: Database) {
    let app = App::with_contacts(database, 20).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    let email = known_email(&app).await;
    let key = spender(&app, 2).await;
    for _ in 0..2 {
        let made = call(&app, &key, "people.enrich", json!({"email": email}))
            .await
            .ok();
        assert_eq!(made["credits_spent"], 1, "{made}");
    }
    app.apollo.ledger().reset();
    let refused = call(&app, &key, "people.enrich", json!({"email": email})).await;
    assert_eq!(refused.status, 429, "{}", refused.body);
    assert!(
        title(&refused).contains("has spent 2 of its 2 in 24 hours"),
        "{}",
        refused.body
    );
    let never = call(
        &app,
        &key,
        "people.bulk_enrich",
        json!({"details": [{"email": email}, {"email": email}, {"email": email}]}),
    )
    .await;
    assert_eq!(never.status, 403, "{}", never.body);
    assert_eq!(requests(&app), 0);
    let log = app.get("/mgmt/v2/audit_log").await.ok();
    let ended = "at apollo for customer \"customer-1\", which failed (429): people.enrich may cost 1 \
                 credit, and this agent has spent 2 of its 2";
    assert!(
        log.to_string().replace("\\\"", "\"").contains(ended),
        "{log}"
    );
    app.clock.advance(TimeDelta::hours(24));
    call(&app, &key, "people.enrich", json!({"email": email}))
        .await
        .ok();
}

#[apply(on_both_databases)]
async fn who_is_not_found_costs_nothing(database: Database) {
    let app = App::with_contacts(database, 1).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    let key = spender(&app, 1).await;
    for _ in 0..3 {
        let made = call(
            &app,
            &key,
            "people.enrich",
            json!({"email": "nobody@nowhere.example"}),
        )
        .await
        .ok();
        assert_eq!(made["credits_spent"], 0, "{made}");
    }
}

#[apply(on_both_databases)]
async fn calls_at_the_same_moment_never_exceed_the_ceiling(database: Database) {
    let app = App::with_contacts(database, 20).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    let email = known_email(&app).await;
    let key = spender(&app, 3).await;
    let once = || call(&app, &key, "people.enrich", json!({"email": email}));
    let answers: [_; 8] = tokio::join!(
        once(),
        once(),
        once(),
        once(),
        once(),
        once(),
        once(),
        once()
    )
    .into();
    let made = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(made, 3);
}

#[apply(on_both_databases)]
async fn a_call_whose_answer_is_lost_counts_in_full(database: Database) {
    let app = App::with_contacts(database, 20).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    let email = known_email(&app).await;
    let key = spender(&app, 1).await;
    let lost = Action::Wire(WireFault::Reset);
    app.apollo
        .faults()
        .push(Fault::new(Match::path("people/match"), lost).always());
    let answer = call(&app, &key, "people.enrich", json!({"email": email})).await;
    assert!(answer.status.is_server_error(), "{}", answer.body);
    app.apollo.faults().clear();
    let refused = call(&app, &key, "people.enrich", json!({"email": email})).await;
    assert_eq!(refused.status, 429, "{}", refused.body);
}
