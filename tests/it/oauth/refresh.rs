//! Tokens are refreshed before they expire, when they are rejected and when nobody uses them; by one
//! process at a time, and stored before they are used.

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use serde_json::json;
use syncline_engine::Engine;
use syncline_model::{Clock, Credentials};
use syncline_sim::{Action, Fault, Match};

use super::{OUTREACH, SALESLOFT, run_of, token_requests};
use crate::support::{App, on_both_databases};

#[apply(on_both_databases)]
async fn a_token_is_refreshed_before_it_expires(database: Database) {
    let app = SALESLOFT.connected(database, 20).await;
    app.work_off().await;
    assert_eq!(token_requests(&app), 1, "the import");
    app.after(TimeDelta::hours(1)).await;
    assert_eq!(token_requests(&app), 1, "it is valid for another hour");
    app.after(TimeDelta::minutes(56)).await;
    app.after(TimeDelta::minutes(10)).await;
    assert_eq!(token_requests(&app), 2);
    let refused = app.apollo.ledger().requests();
    assert!(
        refused.iter().all(|it| it.status != 401),
        "none was rejected"
    );
    let run = run_of(&app, "contact").await;
    assert_eq!(run["status"], "SUCCESS", "{run}");
}

#[apply(on_both_databases)]
async fn a_rejected_token_is_refreshed_once_and_its_page_read_again(database: Database) {
    let app = SALESLOFT.connected(database, 20).await;
    let now = app.clock.now();
    app.apollo.edit(0, |team| team.expire_access_tokens(now));
    app.work_off().await;
    assert_eq!(token_requests(&app), 2);
    let run = run_of(&app, "contact").await;
    assert_eq!(
        (&run["status"], &run["num_records_synced"]),
        (&json!("SUCCESS"), &json!(20)),
        "{run}"
    );
    assert_eq!(SALESLOFT.connection(&app).await["status"], "healthy");
}

/// Whatever can be sent again is.
#[apply(on_both_databases)]
async fn a_callers_request_whose_token_is_rejected_is_sent_again_with_a_new_one(
    database: Database,
) {
    let app = SALESLOFT.connected(database, 5).await;
    let expire = || {
        let now = app.clock.now();
        app.apollo.edit(0, |team| team.expire_access_tokens(now));
    };
    expire();
    let body = json!({"method": "GET", "path": "/v2/me"});
    let answer = app.post("/actions/v2/passthrough", body).await.ok();
    assert_eq!(answer["status"], 200, "{answer}");
    expire();
    let answer = app.get("/actions/v2/proxy/v2/me").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(token_requests(&app), 3, "the import, and once for each");
    // A body that was streamed can't be sent again: its caller decides.
    expire();
    let answer = app.post("/actions/v2/proxy/v2/people", json!({})).await;
    assert_eq!(answer.status, 401, "{}", answer.body);
    let answer = app.get("/actions/v2/proxy/v2/me").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[apply(on_both_databases)]
async fn only_an_invalid_grant_ends_a_connection(database: Database) {
    let app = SALESLOFT.connected(database, 20).await;
    app.work_off().await;
    let to_token = || Match::path("/oauth/token");
    for answer in [Action::unavailable(), Action::server_error()] {
        app.apollo
            .faults()
            .push(Fault::new(to_token(), answer).always());
        app.after(TimeDelta::hours(3)).await;
        let run = run_of(&app, "contact").await;
        assert_eq!(run["status"], "FAILURE", "{run}");
        assert_eq!(SALESLOFT.connection(&app).await["status"], "healthy");
        app.apollo.faults().clear();
        app.after(TimeDelta::hours(1)).await;
        let run = run_of(&app, "contact").await;
        assert_eq!(run["status"], "SUCCESS", "{run}");
    }
    app.apollo.edit(0, |team| team.revoke_tokens(None));
    app.after(TimeDelta::hours(3)).await;
    let connection = SALESLOFT.connection(&app).await;
    assert_eq!(connection["status"], "unauthorized");
    let syncs = app.get("/mgmt/v2/syncs").await.ok();
    for sync in syncs["results"].as_array().unwrap() {
        assert_eq!(sync["paused"], true, "{sync}");
    }
}

/// Outreach keeps the old refresh token, so the next refresh succeeds.
#[apply(on_both_databases)]
async fn a_refresh_whose_answer_got_lost_is_made_again(database: Database) {
    let app = OUTREACH.connected(database, 20).await;
    app.work_off().await;
    let lost = Fault::new(Match::path("/oauth/token"), Action::InvalidResponse);
    app.apollo.faults().push(lost);
    app.after(TimeDelta::hours(3)).await;
    assert_eq!(OUTREACH.connection(&app).await["status"], "healthy");
    app.after(TimeDelta::hours(1)).await;
    let run = run_of(&app, "contact").await;
    assert_eq!(run["status"], "SUCCESS", "{run}");
}

#[apply(on_both_databases)]
async fn thirty_callers_and_three_processes_refresh_once(database: Database) {
    let app = SALESLOFT.connected(database, 5).await;
    let before = token_requests(&app);
    let connection = stored(&app).await;
    let Credentials::OAuth(tokens) = &connection.credentials else {
        panic!("it has tokens");
    };
    let engines: Vec<Engine> = (0..3).map(|_| another_process(&app)).collect();
    let callers = (0..30).map(|at| {
        let all = engines[at % 3].tokens();
        let (id, tokens) = (connection.connection_id.clone(), tokens.clone());
        async move { all.replacement(&id, &tokens).await.unwrap() }
    });
    let replaced = futures::future::join_all(callers).await;
    assert_eq!(token_requests(&app) - before, 1);
    for other in &replaced {
        assert!(other.is_version_of(&replaced[0]), "all got the same pair");
    }
}

#[apply(on_both_databases)]
async fn tokens_that_nobody_uses_are_refreshed_within_a_week(database: Database) {
    let app = SALESLOFT.connected(database, 5).await;
    let before = token_requests(&app);
    app.clock.advance(TimeDelta::days(6));
    app.engine.refresh_idle_tokens().await;
    assert_eq!(token_requests(&app), before);
    app.clock.advance(TimeDelta::days(1));
    app.engine.refresh_idle_tokens().await;
    assert_eq!(token_requests(&app), before + 1);
    app.engine.refresh_idle_tokens().await;
    assert_eq!(token_requests(&app), before + 1);
}

/// Each of them has read that the tokens are due before one of them refreshes.
#[apply(on_both_databases)]
async fn three_processes_that_find_idle_tokens_refresh_them_once(database: Database) {
    let app = SALESLOFT.connected(database, 5).await;
    let before = token_requests(&app);
    app.clock.advance(TimeDelta::days(7));
    let engines: Vec<Engine> = (0..3).map(|_| another_process(&app)).collect();
    let rounds = engines.iter().map(Engine::refresh_idle_tokens);
    futures::future::join_all(rounds).await;
    assert_eq!(token_requests(&app), before + 1);
}

/// Outreach gives a user one pair of tokens a minute.
#[apply(on_both_databases)]
async fn a_run_waits_where_the_provider_gives_no_tokens_yet(database: Database) {
    let app = OUTREACH.connected(database, 20).await;
    app.work_off().await;
    let throttled = Action::Answer {
        status: 429,
        content_type: "text/plain".to_owned(),
        body: "Retry later\n".to_owned(),
    };
    let to_token = Match::path("/oauth/token");
    app.apollo
        .faults()
        .push(Fault::new(to_token, throttled).always());
    app.after(TimeDelta::hours(3)).await;
    let run = run_of(&app, "contact").await;
    assert_eq!(
        (&run["state"], &run["waiting_reason"]),
        (&json!("waiting"), &json!("provider_rate_limit")),
        "{run}"
    );
    app.apollo.faults().clear();
    app.after(TimeDelta::minutes(2)).await;
    let run = run_of(&app, "contact").await;
    assert_eq!(run["status"], "SUCCESS", "{run}");
}

/// A process that died between the provider's answer and its own commit leaves a lease, and the next
/// one refreshes when it has expired.
#[apply(on_both_databases)]
async fn a_refresh_that_a_crash_ended_is_made_by_another_process(database: Database) {
    let app = SALESLOFT.connected(database, 5).await;
    let connection = stored(&app).await;
    let lease = app
        .store
        .lease_refresh(&connection, TimeDelta::seconds(60))
        .await
        .unwrap();
    assert!(lease.is_some());
    let second = app
        .store
        .lease_refresh(&connection, TimeDelta::seconds(60))
        .await
        .unwrap();
    assert!(second.is_none(), "one at a time");
    app.clock.advance(TimeDelta::seconds(61));
    let Credentials::OAuth(tokens) = &connection.credentials else {
        panic!("it has tokens");
    };
    let replaced = another_process(&app)
        .tokens()
        .replacement(&connection.connection_id, tokens)
        .await
        .unwrap();
    // The first process comes back too late.
    let late = app
        .store
        .save_tokens(&lease.unwrap(), tokens, TimeDelta::days(1))
        .await
        .unwrap();
    assert!(!late, "it overwrites nothing");
    assert!(stored(&app).await.is_version_of(&replaced));
}

async fn stored(app: &App) -> syncline_store::StoredCredentials {
    let id = SALESLOFT.connection(app).await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let stored = app.store.stored_credentials(&id).await.unwrap();
    stored.unwrap()
}

fn another_process(app: &App) -> Engine {
    Engine::new(
        app.store.clone(),
        app.providers.clone(),
        app.clock.clone(),
        App::engine_config(),
    )
}
