//! What the engine's tests check: runs with their events, rows with their history, and the requests
//! to the provider. Also how they change the provider's data between two pages.

use chrono::TimeDelta;
use serde_json::Value;
use sqlx::{Connection as _, PgConnection, SqliteConnection};
use syncline_engine::{Engine, EngineConfig};
use syncline_model::Clock;
use syncline_sim::Team;

use crate::support::{Answer, App, CUSTOMER, Database};

/// The period of a new application's syncs.
pub(crate) const PERIOD: TimeDelta = TimeDelta::hours(1);

/// A period passes, and what is due then is run. The ledger is reset first.
pub(crate) async fn next_period(app: &App) {
    app.apollo.ledger().reset();
    app.after(PERIOD).await;
}

/// The same with another engine.
pub(crate) async fn next_period_of(app: &App, engine: &Engine) {
    app.apollo.ledger().reset();
    app.clock.advance(PERIOD);
    engine.work_off().await.unwrap();
}

/// The app's engine, with another limit on the by-id reads of a run.
pub(crate) fn engine_with_lookups(app: &App, lookups_per_run: u32) -> Engine {
    app.engine_with(EngineConfig {
        lookups_per_run,
        ..App::engine_config()
    })
}

/// The newest run of an object.
pub(crate) async fn run_of(app: &App, object: &str) -> Value {
    app.runs(object).await.swap_remove(0)
}

/// A run and its event have the same verdict, record counts and reason.
pub(crate) async fn assert_covered(
    app: &App,
    object: &str,
    verdict: &str,
    (seen, reported): (usize, Option<usize>),
    reason: &str,
) {
    let run = run_of(app, object).await;
    let coverage = &run["coverage"];
    assert_eq!(coverage["verdict"], verdict, "{run}");
    assert_eq!(coverage["records_seen"], seen, "{run}");
    assert_eq!(
        coverage["records_reported"],
        reported.map_or(Value::Null, Value::from),
        "{run}"
    );
    let told = coverage["reason"].as_str().unwrap();
    assert!(told.contains(reason), "{told}");
    assert_eq!(event_of(app, &run).await["coverage"], *coverage);
}

/// The one `sync.complete` event of a run that ended.
pub(crate) async fn event_of(app: &App, run: &Value) -> Value {
    let id = run["id"].as_str().unwrap();
    let sql = format!(
        "SELECT CAST(payload AS text) FROM outbox
         WHERE event_type = 'sync.complete' AND payload->>'run_id' = '{id}'"
    );
    let events = texts(&app.database, &sql).await;
    assert_eq!(events.len(), 1, "of {run}");
    serde_json::from_str(&events[0]).unwrap()
}

/// The text values that a query returns.
pub(crate) async fn texts(database: &Database, sql: &str) -> Vec<String> {
    let query = sqlx::AssertSqlSafe(sql.to_owned());
    if database.is_postgres {
        let mut c = PgConnection::connect(&database.url).await.unwrap();
        sqlx::query_scalar(query).fetch_all(&mut c).await.unwrap()
    } else {
        let mut c = SqliteConnection::connect(&database.url).await.unwrap();
        sqlx::query_scalar(query).fetch_all(&mut c).await.unwrap()
    }
}

/// One row, deleted or not.
pub(crate) async fn row(app: &App, list: &str, id: &str) -> Value {
    let path = format!("/engagement/v2/{list}/{id}?read_from_cache=true");
    app.get(&path).await.ok()
}

/// Whether each of these rows is marked as deleted.
pub(crate) async fn are_deleted(app: &App, list: &str, ids: &[String]) -> Vec<bool> {
    let mut deleted = Vec::new();
    for id in ids {
        deleted.push(row(app, list, id).await["is_deleted"].as_bool().unwrap());
    }
    deleted
}

/// Where a row comes from and what happened to its presence.
pub(crate) async fn provenance(app: &App, object: &str, id: &str) -> Value {
    let provider = app.provider;
    let path = format!(
        "/mgmt/v2/customers/{CUSTOMER}/connections/{provider}/records/{object}/{id}/provenance"
    );
    app.get(&path).await.ok()
}

/// What happened to a row's presence, oldest first, each with its reason.
pub(crate) async fn history(app: &App, object: &str, id: &str) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let provenance = provenance(app, object, id).await;
    let events = provenance["events"].as_array().unwrap();
    events
        .iter()
        .map(|event| (text(&event["event"]), text(&event["reason"])))
        .collect()
}

/// The same without the reasons.
pub(crate) async fn happened_to(app: &App, object: &str, id: &str) -> Vec<String> {
    let history = history(app, object, id).await;
    history.into_iter().map(|(event, _)| event).collect()
}

/// The pages of a list that Apollo was asked for, in that order.
pub(crate) fn pages_asked(app: &App, list: &str) -> Vec<u64> {
    let requests = app.apollo.ledger().requests_to(list);
    requests.iter().filter_map(|request| request.page).collect()
}

/// The ids of the contacts that Apollo was asked for by id, in that order.
pub(crate) fn lookups(app: &App) -> Vec<String> {
    let requests = app.apollo.ledger().requests();
    let by_id = requests
        .iter()
        .filter(|request| request.action == "contacts/show");
    by_id
        .filter_map(|request| request.path.rsplit('/').next())
        .map(str::to_owned)
        .collect()
}

/// How many requests an endpoint got.
pub(crate) fn times_asked(app: &App, path: &str) -> usize {
    app.apollo.ledger().requests_to(path).len()
}

/// The ids of Apollo's live contacts, the oldest first, which is the order of the pages.
pub(crate) fn contact_ids(app: &App) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut contacts: Vec<_> = app
        .apollo
        .read(0, Team::contacts)
        .iter()
        .map(|contact| (text(&contact["created_at"]), text(&contact["id"])))
        .collect();
    contacts.sort();
    contacts.into_iter().map(|(_, id)| id).collect()
}

/// The ids of a contact's sequence states, as the tables have them.
pub(crate) fn state_ids_of(app: &App, contact_id: &str) -> Vec<String> {
    let states = app.apollo.read(0, |team| team.state_ids_of(contact_id));
    states
        .into_iter()
        .map(|state| format!("{contact_id}.{state}"))
        .collect()
}

/// The contacts that are in a sequence.
pub(crate) fn with_states(app: &App, contact_ids: &[String]) -> Vec<String> {
    let enrolled = contact_ids
        .iter()
        .filter(|id| !state_ids_of(app, id).is_empty());
    enrolled.cloned().collect()
}

/// Deletes these contacts at Apollo.
pub(crate) fn delete_contacts(app: &App, ids: &[String]) {
    app.apollo.edit(0, |team| {
        for id in ids {
            team.delete_contact(id).unwrap();
        }
    });
}

/// Changes Apollo's data when a page of contacts is requested, before the page is built; once.
pub(crate) fn before_page(app: &App, page: u64, edit: impl FnOnce(&mut Team) + Send + 'static) {
    let mut edit = Some(edit);
    app.apollo.on_request(move |asked, team| {
        if asked.action == "contacts/search"
            && asked.page == page
            && let Some(edit) = edit.take()
        {
            edit(team);
        }
    });
}

/// Advances the clock by some seconds and creates a contact: what a teammate may do during a scan.
pub(crate) fn creating_a_contact(app: &App) -> impl FnOnce(&mut Team) + Send + 'static {
    let clock = app.clock.clone();
    move |team| {
        clock.advance(TimeDelta::seconds(10));
        team.invent_contact(clock.now());
    }
}

/// Applies the deletions that a run held.
pub(crate) async fn apply(app: &App, run: &Value) -> Answer {
    let id = run["id"].as_str().unwrap();
    let path = format!("/mgmt/v2/sync-runs/{id}/_apply_deletes");
    app.send(reqwest::Method::POST, &path, None).await
}

/// Pauses the syncs of these objects.
pub(crate) async fn pause(app: &App, objects: &[&str]) {
    for object in objects {
        let body = serde_json::json!({"object_type": "common", "object": object});
        app.post("/mgmt/v2/syncs/_pause", body).await.ok();
    }
}

pub(crate) async fn resume(app: &App, objects: &[&str]) {
    for object in objects {
        let body = serde_json::json!({"object_type": "common", "object": object});
        app.post("/mgmt/v2/syncs/_resume", body).await.ok();
    }
}

/// Everything but contacts and their states.
pub(crate) const OTHERS: [&str; 4] = ["user", "mailbox", "sequence", "account"];
