//! A row that was just written through Syncline is newer than Apollo's search index, so a scan
//! doesn't overwrite it for two minutes.

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use serde_json::json;
use syncline_sim::{Action, Fault, Match, Window};

use super::evidence::{
    PERIOD, are_deleted, contact_ids, lookups, next_period, pages_asked, row, run_of, state_ids_of,
    with_states,
};
use crate::support::{App, on_both_databases};

#[apply(on_both_databases)]
async fn a_page_within_two_minutes_does_not_overwrite_it(database: Database) {
    let app = App::synced(database, 30).await;
    let id = contact_ids(&app)[3].clone();
    written(
        &app,
        "engagement_contacts",
        &id,
        "08:59:00",
        "job_title = 'Ours'",
    )
    .await;
    let before = row(&app, "contacts", &id).await;
    next_period(&app).await;
    assert_eq!(row(&app, "contacts", &id).await, before);
    let run = run_of(&app, "contact").await;
    assert_eq!(
        (&run["records_updated"], &run["records_unchanged"]),
        (&json!(0), &json!(30))
    );
    next_period(&app).await;
    let settled = row(&app, "contacts", &id).await;
    assert_ne!(settled["job_title"], "Ours", "the next scan settles it");
    assert_eq!(settled["last_modified_at"], "2026-03-01T10:00:00.000Z");
}

#[apply(on_both_databases)]
async fn a_page_after_two_minutes_overwrites_it(database: Database) {
    let app = App::synced(database, 30).await;
    let id = contact_ids(&app)[3].clone();
    written(
        &app,
        "engagement_contacts",
        &id,
        "08:58:00",
        "job_title = 'Ours'",
    )
    .await;
    next_period(&app).await;
    assert_ne!(row(&app, "contacts", &id).await["job_title"], "Ours");
}

#[apply(on_both_databases)]
async fn a_page_that_was_asked_for_before_the_write_does_not_overwrite_it(database: Database) {
    let app = App::synced(database, 30).await;
    let id = contact_ids(&app)[3].clone();
    let gate = app.apollo.gate(Match::path("contacts/search"));
    let writing = async {
        gate.arrived(1).await;
        app.clock.advance(TimeDelta::seconds(5));
        written(
            &app,
            "engagement_contacts",
            &id,
            "09:00:05",
            "job_title = 'Ours'",
        )
        .await;
        gate.open();
    };
    tokio::join!(app.after(PERIOD), writing);
    assert_eq!(row(&app, "contacts", &id).await["job_title"], "Ours");
}

#[apply(on_both_databases)]
async fn a_page_with_a_greater_updated_at_overwrites_it(database: Database) {
    let app = App::synced(database, 30).await;
    let id = contact_ids(&app)[3].clone();
    written(
        &app,
        "engagement_contacts",
        &id,
        "08:59:30",
        "job_title = 'Ours'",
    )
    .await;
    app.clock
        .advance(TimeDelta::minutes(59) + TimeDelta::seconds(40));
    let now = app.now();
    app.apollo.edit(0, |team| {
        team.update_contact(now, &id, &json!({"title": "Theirs"}))
            .unwrap()
    });
    app.after(TimeDelta::seconds(20)).await;
    assert_eq!(row(&app, "contacts", &id).await["job_title"], "Theirs");
}

#[apply(on_both_databases)]
async fn a_record_without_an_updated_at_is_not_overwritten_either(database: Database) {
    let app = App::synced(database, 80).await;
    let id = app.apollo.read(0, |team| team.account_ids()[3].clone());
    written(
        &app,
        "engagement_accounts",
        &id,
        "08:59:00",
        "name = 'Ours'",
    )
    .await;
    next_period(&app).await;
    assert_eq!(row(&app, "accounts", &id).await["name"], "Ours");
    next_period(&app).await;
    assert_ne!(row(&app, "accounts", &id).await["name"], "Ours");
}

#[apply(on_both_databases)]
async fn a_row_that_was_deleted_is_not_restored_by_a_page_that_lags(database: Database) {
    let app = App::synced(database, 30).await;
    let id = contact_ids(&app)[3].clone();
    let deletion = "is_deleted = true, deleted_at = last_modified_at";
    written(&app, "engagement_contacts", &id, "08:59:00", deletion).await;
    next_period(&app).await;
    assert_eq!(row(&app, "contacts", &id).await["is_deleted"], true);
    next_period(&app).await;
    assert_eq!(
        row(&app, "contacts", &id).await["is_deleted"],
        false,
        "it is there after all"
    );
}

#[apply(on_both_databases)]
async fn a_scan_that_began_within_two_minutes_does_not_miss_it(database: Database) {
    let app = App::synced(database, 30).await;
    let id = contact_ids(&app)[3].clone();
    written(
        &app,
        "engagement_contacts",
        &id,
        "08:59:00",
        "job_title = 'Ours'",
    )
    .await;
    app.apollo.edit(0, |team| team.delete_contact(&id).unwrap());
    next_period(&app).await;
    assert!(lookups(&app).is_empty());
    assert_eq!(run_of(&app, "contact").await["records_missing"], 0);
    assert_eq!(row(&app, "contacts", &id).await["is_deleted"], false);
    next_period(&app).await;
    assert_eq!(lookups(&app), [id.as_str()]);
    assert_eq!(row(&app, "contacts", &id).await["is_deleted"], true);
}

#[apply(on_both_databases)]
async fn a_scan_that_began_later_misses_it(database: Database) {
    let app = App::synced(database, 30).await;
    let id = contact_ids(&app)[3].clone();
    written(
        &app,
        "engagement_contacts",
        &id,
        "08:57:59",
        "job_title = 'Ours'",
    )
    .await;
    app.apollo.edit(0, |team| team.delete_contact(&id).unwrap());
    next_period(&app).await;
    assert_eq!(row(&app, "contacts", &id).await["is_deleted"], true);
}

#[apply(on_both_databases)]
async fn a_state_that_was_just_written_is_not_unenrolled(database: Database) {
    let app = App::synced(database, 250).await;
    let contact = with_states(&app, &contact_ids(&app))[4].clone();
    let state = state_ids_of(&app, &contact).swap_remove(0);
    written(
        &app,
        "engagement_sequence_states",
        &state,
        "08:59:00",
        "state = 'active'",
    )
    .await;
    unenrol_everywhere(&app, &contact);
    next_period(&app).await;
    assert_eq!(
        row(&app, "sequence_states", &state).await["is_deleted"],
        false
    );
    assert_eq!(run_of(&app, "sequence_state").await["records_missing"], 0);
    next_period(&app).await;
    assert_eq!(
        row(&app, "sequence_states", &state).await["is_deleted"],
        true
    );
}

#[apply(on_both_databases)]
async fn what_a_failed_run_read_before_the_write_does_not_unenrol_it_in_the_next(
    database: Database,
) {
    let app = App::synced(database, 350).await;
    let contact = with_states(&app, &contact_ids(&app))[4].clone();
    let states = state_ids_of(&app, &contact);
    unenrol_everywhere(&app, &contact);
    // Page 1 is read without them; then the run fails.
    app.apollo.faults().push(
        Fault::new(
            Match::path("contacts/search").page(3),
            Action::unavailable(),
        )
        .always(),
    );
    next_period(&app).await;
    app.apollo.faults().clear();
    for state in &states {
        written(
            &app,
            "engagement_sequence_states",
            state,
            "09:30:00",
            "state = 'active'",
        )
        .await;
    }
    next_period(&app).await;
    assert_eq!(
        pages_asked(&app, "contacts/search"),
        [3, 4],
        "the run goes on where it was"
    );
    assert_eq!(
        are_deleted(&app, "sequence_states", &states).await,
        vec![false; states.len()]
    );
    next_period(&app).await;
    assert_eq!(
        are_deleted(&app, "sequence_states", &states).await,
        vec![true; states.len()]
    );
}

#[apply(on_both_databases)]
async fn what_a_waiting_run_read_before_the_write_does_not_unenrol_it(database: Database) {
    let app = App::synced(database, 350).await;
    let contact = with_states(&app, &contact_ids(&app))[4].clone();
    let states = state_ids_of(&app, &contact);
    unenrol_everywhere(&app, &contact);
    app.apollo.faults().push(Fault::new(
        Match::path("contacts/search").page(3),
        Action::RateLimited {
            window: Window::Hour,
            retry_after: Some(1800),
        },
    ));
    next_period(&app).await;
    for state in &states {
        written(
            &app,
            "engagement_sequence_states",
            state,
            "09:20:00",
            "state = 'active'",
        )
        .await;
    }
    app.after(TimeDelta::minutes(30)).await;
    assert_eq!(run_of(&app, "sequence_state").await["state"], "succeeded");
    assert_eq!(
        are_deleted(&app, "sequence_states", &states).await,
        vec![false; states.len()]
    );
}

fn unenrol_everywhere(app: &App, contact: &str) {
    let now = app.now();
    app.apollo.edit(0, |team| {
        for sequence in team.sequence_ids() {
            // The contact is not in all of them.
            let _ = team.unenrol(now, contact, &sequence);
        }
    });
}

/// Writes a row as the unified API does, at this time on the first of March.
async fn written(app: &App, table: &str, id: &str, time: &str, change: &str) {
    app.database
        .execute(&format!(
            "UPDATE {table} SET {change}, content_hash = 1,
                written_at = '2026-03-01T{time}.000Z' WHERE id = '{id}'"
        ))
        .await;
}
