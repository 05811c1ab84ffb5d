//! How runs of Outreach and Salesloft end that can't go on, and what else that concerns.

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use serde_json::Value;
use syncline_sim::{Action, Fault, Match, TokenOptions};

use super::{Provider, at_both_providers, run_of};
use crate::support::App;

async fn statuses(app: &App, provider: Provider) -> Vec<(&'static str, Value)> {
    let mut statuses = Vec::new();
    for object in provider.objects {
        statuses.push((*object, run_of(app, object).await["status"].clone()));
    }
    statuses
}

/// All runs have succeeded but that of one object.
async fn only_fails(app: &App, provider: Provider, failing: &str) {
    for (object, status) in statuses(app, provider).await {
        let expected = if object == failing {
            "FAILURE"
        } else {
            "SUCCESS"
        };
        assert_eq!(status, expected, "{object}");
    }
}

#[apply(at_both_providers)]
async fn a_page_that_stays_away_fails_its_run_which_the_next_one_goes_on_from(
    provider: Provider,
    database: Database,
) {
    let people = provider.page * 5 / 2;
    let app = provider.enabled(database, people).await;
    let list = Match::path(provider.contacts);
    for nth in 2..=7 {
        let fault = Fault::new(list.clone().nth(nth), Action::unavailable());
        app.apollo.faults().push(fault);
    }
    provider.import(&app).await.ok();
    app.work_off().await;
    only_fails(&app, provider, "contact").await;
    assert_eq!(app.all_records("contacts").await.len(), provider.page);

    app.apollo.faults().clear();
    app.apollo.ledger().reset();
    app.after(TimeDelta::hours(1)).await;
    let run = run_of(&app, "contact").await;
    assert_eq!(run["coverage"]["verdict"], "complete", "{run}");
    assert_eq!(run["num_records_synced"], people, "{run}");
    let asked = app.apollo.ledger().requests_to(provider.contacts);
    assert_eq!(asked.len(), 2, "the first page is not read again");
}

#[apply(at_both_providers)]
async fn a_page_larger_than_was_asked_for_is_refused(provider: Provider, database: Database) {
    let app = provider.enabled(database, provider.page + 30).await;
    let size = u64::try_from(provider.page).unwrap() + 20;
    let large = Fault::new(Match::path(provider.contacts), Action::PageOf(size));
    app.apollo.faults().push(large.always());
    provider.import(&app).await.ok();
    app.work_off().await;
    only_fails(&app, provider, "contact").await;
    let run = run_of(&app, "contact").await;
    let said = run["error_message"].as_str().unwrap();
    assert!(said.contains(&format!("{size} records")), "{said}");
    assert!(app.all_records("contacts").await.is_empty());
}

#[apply(at_both_providers)]
async fn a_scope_that_is_missing_pauses_its_object_and_no_other(
    provider: Provider,
    database: Database,
) {
    let mut options = (provider.options)(20);
    options.outreach.tokens = vec![TokenOptions::of_team(0).with_scopes(&[
        "users.read",
        "mailboxes.read",
        "sequences.read",
        "prospects.read",
        "sequenceStates.read",
    ])];
    options.salesloft.tokens = vec![TokenOptions::of_salesloft_team(0).with_scopes(&[
        "team:read",
        "cadences:read",
        "people:read",
    ])];
    let app = provider.enabled_with(database, options).await;
    provider.import(&app).await.ok();
    app.work_off().await;
    only_fails(&app, provider, "account").await;
    let syncs = app.get("/mgmt/v2/syncs").await.ok();
    for sync in syncs["results"].as_array().unwrap() {
        let expected = if sync["object"] == "account" {
            "paused"
        } else {
            "idle"
        };
        assert_eq!(sync["state"], expected, "{sync}");
        if sync["object"] == "account" {
            let reason = sync["paused_reason"].as_str().unwrap();
            assert!(reason.contains("lacks the scope"), "{reason}");
        }
    }
}
