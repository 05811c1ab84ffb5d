//! The limits of Outreach and Salesloft, and record limits that somebody has set, by what the simulated
//! provider has written down.

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use serde_json::{Value, json};
use syncline_sim::{Action, Fault, Match, Options, Team, Window};

use super::{Provider, at_both_providers, connections, run_of};
use crate::support::{App, HOUR, time, waiting_until};

/// With a window that allows so little: requests an hour, or points a minute.
fn allowing(provider: Provider, people: usize, limit: u32) -> Options {
    let mut options = (provider.options)(people);
    options.outreach.requests_per_hour = limit;
    options.salesloft.points_per_minute = limit;
    options
}

fn window_of(provider: Provider) -> (Window, TimeDelta) {
    match provider.name {
        "outreach" => (Window::Hour, HOUR),
        _ => (Window::Minute, TimeDelta::minutes(1)),
    }
}

/// Nothing is due again before the test ends.
async fn only_once(app: &App, provider: Provider) {
    let configs = app.get("/mgmt/v2/sync_configs").await.ok();
    let mut configs = configs.as_array().unwrap().iter();
    let config = configs.find(|it| it["provider_name"] == provider.name);
    let mut config = config.unwrap().clone();
    config["config"]["default_config"]["period_ms"] =
        json!(TimeDelta::days(100).num_milliseconds());
    let path = format!("/mgmt/v2/sync_configs/{}", config["id"].as_str().unwrap());
    app.put(&path, config).await.ok();
}

fn refusals(app: &App) -> usize {
    let requests = app.apollo.ledger().requests();
    requests.iter().filter(|it| it.status == 429).count()
}

fn pages(app: &App, provider: Provider) -> usize {
    app.apollo.ledger().requests_to(provider.contacts).len()
}

async fn import_with_limits(app: &App, provider: Provider, limits: Value) {
    let mut body = provider.importing();
    body["limits"] = limits;
    app.post(&connections(), body).await.ok();
}

#[apply(at_both_providers)]
async fn syncs_leave_a_fifth_of_the_window_and_are_never_refused(
    provider: Provider,
    database: Database,
) {
    let people = provider.page * 5;
    let app = provider
        .enabled_with(database, allowing(provider, people, 10))
        .await;
    only_once(&app, provider).await;
    provider.import(&app).await.ok();
    app.work_off().await;
    assert!(app.next_window().await.is_some(), "a run waits");
    // What is left is for callers.
    let live = "/engagement/v2/accounts?page_size=1";
    app.get(live).await.ok();
    app.until_nothing_waits().await;
    for object in provider.objects {
        let run = run_of(&app, object).await;
        assert_eq!(run["coverage"]["verdict"], "complete", "{run}");
    }
    assert_eq!(app.all_records("contacts").await.len(), people);
    assert_eq!(refusals(&app), 0);
    let user = app.apollo.read(0, |team| team.user_ids().swap_remove(0));
    let (_, window) = window_of(provider);
    let most = app.apollo.ledger().max_requests_in(0, &user, window);
    assert!(most <= 10, "{most}");
}

#[apply(at_both_providers)]
async fn a_refusal_is_obeyed_for_as_long_as_it_says_and_the_run_goes_on_where_it_was(
    provider: Provider,
    database: Database,
) {
    let app = provider.enabled(database, provider.page * 3 / 2).await;
    let (window, _) = window_of(provider);
    let refused = Action::RateLimited {
        window,
        retry_after: Some(600),
    };
    // Salesloft doesn't say for how long: its window is a minute.
    let wait = match window {
        Window::Hour => TimeDelta::seconds(600),
        _ => TimeDelta::seconds(60),
    };
    let second = Match::path(provider.contacts).nth(2);
    app.apollo.faults().push(Fault::new(second, refused));
    provider.import(&app).await.ok();
    app.work_off().await;
    let run = run_of(&app, "contact").await;
    assert_eq!(waiting_until(&run), app.now() + wait);
    let sent = app.apollo.ledger().len();
    app.after(wait - TimeDelta::seconds(1)).await;
    assert_eq!(app.apollo.ledger().len(), sent, "nothing is sent");
    app.after(TimeDelta::seconds(1)).await;
    let run = run_of(&app, "contact").await;
    assert_eq!(run["coverage"]["verdict"], "complete", "{run}");
    assert_eq!(pages(&app, provider), 3, "the first page is read once");
}

#[apply(at_both_providers)]
async fn record_limits_that_are_set_are_never_exceeded(provider: Provider, database: Database) {
    let people = provider.page * 5 / 2;
    let app = provider.enabled(database, people).await;
    let per_hour = provider.page * 3 / 2;
    import_with_limits(&app, provider, json!({"records_per_hour": per_hour})).await;
    app.work_off().await;
    let run = run_of(&app, "contact").await;
    assert_eq!(run["waiting_reason"], "records_per_hour", "{run}");
    while run_of(&app, "contact").await["status"] == "IN_PROGRESS" {
        assert!(app.open_next_window().await);
    }
    let run = run_of(&app, "contact").await;
    assert_eq!(run["num_records_synced"], people, "{run}");
    let most = app.most_per_hour(0);
    assert!(most <= per_hour, "{most}");
}

#[apply(at_both_providers)]
async fn a_run_of_more_than_its_limit_is_capped_and_reads_the_oldest(
    provider: Provider,
    database: Database,
) {
    let people = provider.page + 30;
    let app = provider.enabled(database, people).await;
    let limits = json!({"records_per_object": provider.page});
    import_with_limits(&app, provider, limits).await;
    app.work_off().await;
    let run = run_of(&app, "contact").await;
    assert_eq!(run["status"], "SUCCESS", "{run}");
    assert_eq!(run["coverage"]["verdict"], "capped", "{run}");
    assert_eq!(run["coverage"]["records_reported"], people, "{run}");
    assert_eq!(pages(&app, provider), 1);
    let rows = app.all_records("contacts").await;
    assert_eq!(rows.len(), provider.page);
    let created = |contact: &Value| match provider.name {
        "outreach" => time(&contact["attributes"]["createdAt"]),
        _ => time(&contact["created_at"]),
    };
    let contacts = app.apollo.read(0, Team::contacts);
    let times = contacts.iter().map(created);
    let mut times: Vec<String> = times.map(|it| it.as_str().unwrap().to_owned()).collect();
    times.sort();
    let last = &times[provider.page - 1];
    for row in &rows {
        let created = row["created_at"].as_str().unwrap();
        assert!(created <= last.as_str(), "{row}");
    }
}
