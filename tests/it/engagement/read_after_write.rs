//! What a caller wrote is in the tables when the call returns, and no scan undoes it.

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use serde_json::{Value, json};
use syncline_model::{Time, time};
use syncline_sim::{Action, Fault, Match};

use super::{created, ids, path, row};
use crate::support::{App, CUSTOMER, Database, MASTER_KEY, on_both_databases, quiet_apollo};

const PERIOD: TimeDelta = TimeDelta::hours(1);

#[apply(on_both_databases)]
async fn of_two_writes_the_later_is_shown_whatever_time_the_provider_tells(database: Database) {
    let app = App::synced(database, 20).await;
    app.clock.advance(TimeDelta::minutes(10));
    let id = app.apollo.read(0, |team| team.contact_ids()[3].clone());
    let url = path(&format!("contacts/{id}"));
    let write = async |name: &str| {
        let body = json!({"record": {"first_name": name}});
        let answer = app
            .send(reqwest::Method::PATCH, &url, Some(body))
            .await
            .ok();
        assert_eq!(answer["warnings"], json!(null), "{name}");
        assert_eq!(row(&app, "contacts", &id).await["first_name"], name);
    };
    write("First").await;
    app.clock.advance(TimeDelta::seconds(1));
    // The answer of a server whose clock is two seconds behind.
    app.apollo.faults().push(Fault::new(
        Match::path(&format!("contacts/{id}")),
        Action::Respell("T08:10:01".into(), "T08:09:59".into()),
    ));
    write("Second").await;
    assert_eq!(
        row(&app, "contacts", &id).await["updated_at"],
        "2026-03-01T08:09:59.000Z"
    );
    // And at the same time of the clock.
    write("Third").await;
}

#[apply(on_both_databases)]
async fn a_write_is_among_the_changes_since_before_it(database: Database) {
    let app = App::synced(database, 20).await;
    let before = app.now() - TimeDelta::milliseconds(1);
    let since = before.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    app.clock.advance(TimeDelta::minutes(5));
    let start = app.now() - TimeDelta::seconds(1);
    let start = start.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    let id = created(
        &app.post(&path("contacts"), json!({"record": {"first_name": "New"}}))
            .await,
    );
    let changes = path(&format!(
        "contacts?read_from_cache=true&modified_after={start}"
    ));
    assert_eq!(ids(&app.get(&changes).await.ok()), [id.as_str()]);
    let all = path(&format!(
        "contacts?read_from_cache=true&page_size=1000&modified_after={since}"
    ));
    assert_eq!(ids(&app.get(&all).await.ok()).len(), 21);
}

#[apply(on_both_databases)]
async fn a_scan_whose_pages_lag_behind_undoes_no_write(database: Database) {
    let mut options = quiet_apollo(250);
    options.switches.search_lag = std::time::Duration::from_secs(90);
    options.switches.delete_lag = std::time::Duration::from_secs(90);
    let app = App::with_apollo(database, options).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    app.clock.advance(PERIOD - TimeDelta::seconds(30));
    let id = app.apollo.read(0, |team| team.contact_ids()[3].clone());
    let url = path(&format!("contacts/{id}"));
    let body = json!({"record": {"first_name": "Ahead"}});
    app.send(reqwest::Method::PATCH, &url, Some(body))
        .await
        .ok();
    let new = created(
        &app.post(&path("contacts"), json!({"record": {"first_name": "New"}}))
            .await,
    );
    app.after(TimeDelta::seconds(30)).await;
    assert_eq!(app.runs("contact").await[0]["state"], "succeeded");
    assert_eq!(row(&app, "contacts", &id).await["first_name"], "Ahead");
    let kept = row(&app, "contacts", &new).await;
    assert_eq!(
        (&kept["first_name"], &kept["is_deleted"]),
        (&json!("New"), &json!(false))
    );
    app.after(PERIOD).await;
    assert_eq!(
        row(&app, "contacts", &id).await["first_name"],
        "Ahead",
        "the next scan agrees"
    );
    assert_eq!(row(&app, "contacts", &new).await["is_deleted"], false);
}

#[apply(on_both_databases)]
async fn a_page_in_flight_during_writes_undoes_none_of_them(database: Database) {
    let app = App::synced(database, 150).await;
    let now = app.now();
    let (sequence, mailbox, contact) = app.apollo.edit(0, |team| {
        let sequence = team.create_sequence(now, "Race");
        let fields =
            json!({"first_name": "In", "last_name": "Flight", "email": "in@flight.example"});
        let contact = team.create_contact(now, &fields).unwrap();
        (sequence, team.mailbox_ids()[0].clone(), contact)
    });
    app.clock.advance(TimeDelta::minutes(10));
    let gate = app.apollo.gate(Match::path("contacts/search").page(2));
    let writing = async {
        gate.arrived(1).await;
        let enrol = json!({"record": {"contact_id": contact, "sequence_id": sequence,
                "mailbox_id": mailbox}});
        let state = created(&app.post(&path("sequence_states"), enrol).await);
        let url = path(&format!("contacts/{contact}"));
        let body = json!({"record": {"first_name": "Landed"}});
        app.send(reqwest::Method::PATCH, &url, Some(body))
            .await
            .ok();
        gate.open();
        state
    };
    let ((), state) = tokio::join!(app.after(PERIOD), writing);
    assert_eq!(
        row(&app, "contacts", &contact).await["first_name"],
        "Landed"
    );
    let shown = row(&app, "sequence_states", &state).await;
    assert_eq!(
        (&shown["is_deleted"], &shown["state"]),
        (&json!(false), &json!("active"))
    );
    app.after(PERIOD).await;
    assert_eq!(
        row(&app, "sequence_states", &state).await["is_deleted"],
        false
    );
}

#[apply(on_both_databases)]
async fn a_contact_that_was_removed_from_a_sequence_is_not_put_back_by_a_scan(database: Database) {
    let app = App::synced(database, 120).await;
    let states = app.all_records("sequence_states").await;
    let (state, contact) = (&states[0]["id"], &states[0]["contact_id"]);
    app.clock.advance(PERIOD - TimeDelta::seconds(60));
    let gate = app.apollo.gate(Match::path("contacts/search").page(1));
    let leaving = async {
        gate.arrived(1).await;
        let body = json!({"sequence_id": states[0]["sequence_id"], "contact_ids": [contact],
                "mode": "remove"});
        app.post(&path("sequence_states/_leave"), body).await.ok();
        gate.open();
    };
    tokio::join!(app.after(TimeDelta::seconds(60)), leaving);
    assert_eq!(
        row(&app, "sequence_states", state.as_str().unwrap()).await["is_deleted"],
        true
    );
}

#[apply(on_both_databases)]
async fn a_row_that_was_missing_is_back_with_the_write(database: Database) {
    let app = App::synced(database, 20).await;
    let id = app.apollo.edit(0, |team| {
        let id = team.contact_ids()[3].clone();
        team.delete_contact(&id).unwrap();
        id
    });
    app.after(PERIOD).await;
    assert_eq!(row(&app, "contacts", &id).await["is_deleted"], true);
    let now = app.now();
    app.apollo
        .edit(0, |team| team.undelete_contact(now, &id).unwrap());
    let url = path(&format!("contacts/{id}"));
    app.send(
        reqwest::Method::PATCH,
        &url,
        Some(json!({"record": {"job_title": "Back"}})),
    )
    .await
    .ok();
    let back = row(&app, "contacts", &id).await;
    assert_eq!(
        (&back["is_deleted"], &back["deleted_at"]),
        (&json!(false), &Value::Null)
    );
    let provenance = app
        .get(&format!(
            "/mgmt/v2/customers/{CUSTOMER}/connections/apollo/records/contact/{id}/provenance"
        ))
        .await
        .ok();
    let last = provenance["events"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&last["event"], &last["run_id"]),
        (&json!("restored"), &Value::Null)
    );
}

#[apply(on_both_databases)]
async fn of_two_writes_the_later_one_stays_whichever_answer_comes_last(database: Database) {
    let app = App::synced(database, 20).await;
    let id = app.apollo.read(0, |team| team.contact_ids()[3].clone());
    let url = path(&format!("contacts/{id}"));
    let patch = async |title: &str| {
        let body = json!({"record": {"job_title": title}});
        app.send(reqwest::Method::PATCH, &url, Some(body))
            .await
            .ok()
    };
    patch("First").await;
    app.clock.advance(TimeDelta::seconds(1));
    patch("Second").await;
    assert_eq!(row(&app, "contacts", &id).await["job_title"], "Second");
}

#[apply(on_both_databases)]
async fn a_write_that_the_tables_can_not_show_is_a_success_with_a_warning(database: Database) {
    let app = App::synced(database, 5).await;
    app.database
        .execute("ALTER TABLE engagement_contacts RENAME TO away")
        .await;
    let answer = app
        .post(&path("contacts"), json!({"record": {"first_name": "Kept"}}))
        .await;
    assert_eq!(
        answer.body["warnings"][0]["problem_type"],
        "CACHE_INVALIDATION_ERROR"
    );
    let id = created(&answer);
    app.database
        .execute("ALTER TABLE away RENAME TO engagement_contacts")
        .await;
    assert_eq!(
        app.get(&path(&format!("contacts/{id}"))).await.ok()["first_name"],
        "Kept"
    );
    app.after(PERIOD).await;
    assert_eq!(row(&app, "contacts", &id).await["first_name"], "Kept");
}

#[tokio::test]
async fn a_write_while_a_page_waits_for_its_run_stays_on_postgres() {
    let app = App::synced(Database::postgres().await, 150).await;
    let id = newest_contact(&app).await;
    let now = app.now();
    app.apollo.edit(0, |team| {
        let change = json!({"title": "Changed before the page was asked for"});
        team.update_contact(now, &id, &change).unwrap();
    });
    let gate = app.apollo.gate(Match::path("contacts/search").page(2));
    let writing = async {
        gate.arrived(1).await;
        let lock = "UPDATE sync_runs SET due_at = due_at WHERE state = 'running'";
        let held = app.database.holding(lock).await;
        gate.open();
        app.database.until_waiting("").await;
        let url = path(&format!("contacts/{id}"));
        let body = json!({"record": {"first_name": "Ours"}});
        app.send(reqwest::Method::PATCH, &url, Some(body))
            .await
            .ok();
        held.rollback().await.unwrap();
    };
    tokio::join!(app.after(PERIOD), writing);
    assert_eq!(app.runs("contact").await[0]["state"], "succeeded");
    let shown = row(&app, "contacts", &id).await;
    assert_eq!(shown["first_name"], "Ours");
    assert_eq!(shown["job_title"], "Changed before the page was asked for");
}

#[tokio::test]
async fn a_write_between_a_pages_comparison_and_its_upsert_stays_on_postgres() {
    let app = App::synced(Database::postgres().await, 150).await;
    let id = newest_contact(&app).await;
    let now = app.now();
    app.apollo.edit(0, |team| {
        let change = json!({"title": "Theirs"});
        team.update_contact(now, &id, &change).unwrap();
    });
    let write = format!(
        "UPDATE engagement_contacts SET {} WHERE id = '{id}'",
        ours(now + PERIOD)
    );
    write_before_the_second_page_writes(&app, write).await;
    let run = &app.runs("contact").await[0];
    assert_eq!(run["num_records_synced"], 150, "{run}");
    assert_eq!(row(&app, "contacts", &id).await["job_title"], "Ours");
}

#[tokio::test]
async fn a_write_between_a_pages_comparison_and_the_copy_of_its_new_records_stays_on_postgres() {
    let app = App::synced(Database::postgres().await, 150).await;
    let now = app.now();
    let id = app.apollo.edit(0, |team| {
        let new = json!({"first_name": "New", "title": "Theirs"});
        team.create_contact(now, &new).unwrap()
    });
    let write = format!(
        "INSERT INTO engagement_contacts
         SELECT (jsonb_populate_record(c, jsonb_build_object('id', '{id}'))).*
         FROM engagement_contacts AS c LIMIT 1;
         UPDATE engagement_contacts SET {} WHERE id = '{id}'",
        ours(now + PERIOD)
    );
    write_before_the_second_page_writes(&app, write).await;
    let run = &app.runs("contact").await[0];
    assert_eq!(
        (&run["num_records_synced"], &run["records_created"]),
        (&json!(151), &json!(0)),
        "{run}"
    );
    assert_eq!(row(&app, "contacts", &id).await["job_title"], "Ours");
}

/// The id of the last contact of the last page: pages are ordered by creation.
async fn newest_contact(app: &App) -> String {
    let contacts = app.all_records("contacts").await;
    let newest = contacts.iter().max_by_key(|it| it["created_at"].as_str());
    newest.unwrap()["id"].as_str().unwrap().to_owned()
}

/// The columns of a row that show that a caller has just written it.
fn ours(now: Time) -> String {
    let then = time::format(now);
    format!("job_title = 'Ours', content_hash = 1, updated_at = '{then}', written_at = '{then}'")
}

/// Syncs, and meanwhile writes a row as a caller's write does, under the lock of the change feed: after
/// the second page's transaction has compared its records with the rows, and before it writes them.
/// SQLite has one writer, so there a write waits until the whole page is stored.
async fn write_before_the_second_page_writes(app: &App, write: String) {
    let gate = app.apollo.gate(Match::path("contacts/search").page(2));
    let writing = async {
        gate.arrived(1).await;
        let lock = "UPDATE change_feeds SET epoch = epoch";
        let mut held = app.database.holding(lock).await;
        gate.open();
        app.database.until_waiting("").await;
        sqlx::raw_sql(sqlx::AssertSqlSafe(write))
            .execute(&mut *held)
            .await
            .unwrap();
        held.commit().await.unwrap();
    };
    tokio::join!(app.after(PERIOD), writing);
    assert_eq!(app.runs("contact").await[0]["state"], "succeeded");
}
