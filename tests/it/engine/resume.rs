//! A run that was killed continues from its checkpoint, and so does the run after one that failed
//! because of Apollo.

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use serde_json::json;
use syncline_sim::{Action, Fault, Match};

use super::evidence::{
    assert_covered, before_page, contact_ids, creating_a_contact, delete_contacts, lookups,
    next_period, pages_asked, pause, row, run_of,
};
use crate::support::{App, CUSTOMER, Database, MASTER_KEY, on_both_databases};

#[apply(on_both_databases)]
async fn a_scan_that_lost_its_worker_goes_on_from_its_checkpoint(database: Database) {
    let app = App::with_contacts(database, 450).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    // The third page never arrives: the scan is dropped while it waits, as in a crash.
    let gate = app.apollo.gate(Match::path("contacts/search").page(3));
    tokio::select! {
        _ = app.work_off() => panic!("the third page was held back"),
        () = async {
            gate.arrived(1).await;
            app.until_written("contact", 200).await;
        } => {}
    }
    let half = app.runs("contact").await;
    assert_eq!(half[0]["state"], "running");
    assert_eq!(half[0]["num_records_synced"], 200);
    gate.open();
    app.apollo.ledger().reset();

    // Until the lease expires, no other worker may take the scan.
    app.after(TimeDelta::seconds(29)).await;
    assert!(
        app.apollo
            .ledger()
            .requests_to("contacts/search")
            .is_empty()
    );
    app.after(TimeDelta::seconds(2)).await;

    let pages: Vec<_> = app
        .apollo
        .ledger()
        .requests_to("contacts/search")
        .iter()
        .filter_map(|request| request.page)
        .collect();
    assert_eq!(pages, [3, 4, 5]);
    for object in ["contact", "sequence_state"] {
        let runs = app.runs(object).await;
        assert_eq!(runs.len(), 1, "it is still the same run");
        assert_eq!(runs[0]["status"], "SUCCESS");
        assert_eq!(runs[0]["coverage"]["verdict"], "complete");
    }
    assert_eq!(app.runs("contact").await[0]["num_records_synced"], 450);
    assert_eq!(app.all_records("contacts").await.len(), 450);
    assert_eq!(
        app.database
            .count("SELECT count(*) FROM outbox WHERE event_type = 'sync.complete'")
            .await,
        6,
        "one event a run"
    );
}

/// The dropped connection is in the middle of a `COPY`: nobody may get it from the pool.
#[tokio::test]
async fn a_scan_that_lost_its_worker_during_a_copy_goes_on() {
    let app = App::with_contacts(Database::postgres().await, 250).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    let lock = "LOCK TABLE engagement_contacts IN SHARE MODE";
    let held = app.database.holding(lock).await;
    tokio::select! {
        _ = app.work_off() => panic!("its table is locked"),
        () = app.database.until_waiting("COPY engagement_contacts") => {}
    }
    held.rollback().await.unwrap();
    app.after(TimeDelta::minutes(1)).await;
    let run = run_of(&app, "contact").await;
    assert_eq!(
        (&run["state"], &run["records_created"]),
        (&json!("succeeded"), &json!(250)),
        "{run}"
    );
}

#[apply(on_both_databases)]
async fn a_scan_that_was_cut_after_its_last_page_only_finishes(database: Database) {
    let app = App::with_contacts(database, 150).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    app.database
        .execute(
            "UPDATE sync_runs SET state = 'running', finished_at = NULL, coverage = NULL,
                num_records_synced = NULL WHERE object IN ('contact', 'sequence_state')",
        )
        .await;
    app.apollo.ledger().reset();
    app.after(TimeDelta::minutes(1)).await;
    assert_eq!(app.apollo.ledger().len(), 0, "nothing is read again");
    let run = &app.runs("contact").await[0];
    assert_eq!(run["status"], "SUCCESS");
    assert_eq!(run["num_records_synced"], 150);
}

#[apply(on_both_databases)]
async fn a_failed_request_is_repeated_and_counted(database: Database) {
    let app = App::with_contacts(database, 250).await;
    for action in [
        Action::bad_gateway(),
        Action::server_error(),
        Action::InvalidResponse,
        Action::Wire(syncline_sim::WireFault::Reset),
        Action::Wire(syncline_sim::WireFault::Truncate),
    ] {
        app.apollo
            .faults()
            .push(Fault::new(Match::path("contacts/search").page(2), action));
    }
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    let run = &app.runs("contact").await[0];
    assert_eq!(run["status"], "SUCCESS", "{run}");
    assert_eq!(run["requests_made"], 3 + 5);
    assert_eq!(run["num_records_synced"], 250);
    assert_eq!(app.all_records("contacts").await.len(), 250);
}

#[apply(on_both_databases)]
async fn the_run_after_a_failed_one_goes_on_from_its_checkpoint(database: Database) {
    let app = failed_on_page_3(database).await;
    next_period(&app).await;
    assert_eq!(pages_asked(&app, "contacts/search"), [3, 4]);
    assert_eq!(app.runs("contact").await.len(), 2, "it is a run of its own");
    assert_covered(&app, "contact", "complete", (350, Some(350)), "was read").await;
    let run = run_of(&app, "contact").await;
    assert_eq!(
        (&run["status"], &run["num_records_synced"]),
        (&json!("SUCCESS"), &json!(350))
    );
    assert_eq!(run["records_created"], 150);
    assert_eq!(run["requests_made"], 2);
    assert_eq!(app.all_records("contacts").await.len(), 350);
    assert_eq!(
        run_of(&app, "sequence_state").await["coverage"]["verdict"],
        "complete"
    );
    next_period(&app).await;
    assert_eq!(
        pages_asked(&app, "contacts/search"),
        [1, 2, 3, 4],
        "the next one starts over"
    );
}

#[apply(on_both_databases)]
async fn a_run_that_goes_on_deletes_what_both_did_not_see(database: Database) {
    let app = App::synced(database, 350).await;
    let gone = contact_ids(&app)[50].clone();
    delete_contacts(&app, std::slice::from_ref(&gone));
    apollo_fails(&app);
    next_period(&app).await;
    app.apollo.faults().clear();
    next_period(&app).await;
    assert_eq!(pages_asked(&app, "contacts/search"), [3, 4]);
    assert_eq!(
        lookups(&app),
        [gone.as_str()],
        "what the failed run read counts as seen"
    );
    assert_eq!(run_of(&app, "contact").await["records_deleted"], 1);
    assert_eq!(row(&app, "contacts", &gone).await["is_deleted"], true);
}

#[apply(on_both_databases)]
async fn a_run_that_goes_on_is_drifted_if_something_moved_meanwhile(database: Database) {
    let app = failed_on_page_3(database).await;
    delete_contacts(&app, &contact_ids(&app)[5..6]);
    next_period(&app).await;
    assert_eq!(pages_asked(&app, "contacts/search"), [3, 4]);
    assert_covered(&app, "contact", "drifted", (349, Some(349)), "went down").await;
}

#[apply(on_both_databases)]
async fn a_run_that_goes_on_is_drifted_if_an_insert_hides_what_moved(database: Database) {
    let app = failed_on_page_3(database).await;
    delete_contacts(&app, &contact_ids(&app)[5..6]);
    app.apollo.edit(0, creating_a_contact(&app));
    next_period(&app).await;
    assert_covered(&app, "contact", "drifted", (350, Some(350)), "changed by 0").await;
}

#[apply(on_both_databases)]
async fn contacts_that_were_created_meanwhile_leave_it_complete(database: Database) {
    let app = failed_on_page_3(database).await;
    app.apollo.edit(0, creating_a_contact(&app));
    before_page(&app, 4, creating_a_contact(&app));
    next_period(&app).await;
    assert_eq!(pages_asked(&app, "contacts/search"), [3, 4]);
    assert_covered(&app, "contact", "complete", (352, Some(352)), "was read").await;
}

#[apply(on_both_databases)]
async fn new_credentials_start_over(database: Database) {
    let app = failed_on_page_3(database).await;
    app.apollo.edit(0, |team| {
        team.add_key(syncline_sim::KeyOptions::master("new-key"));
    });
    let path = format!("/mgmt/v2/customers/{CUSTOMER}/connections/apollo");
    app.put(&path, json!({"api_key": "new-key"})).await.ok();
    next_period(&app).await;
    assert_eq!(pages_asked(&app, "contacts/search"), [1, 2, 3, 4]);
}

#[apply(on_both_databases)]
async fn a_full_refresh_starts_over(database: Database) {
    let app = failed_on_page_3(database).await;
    app.apollo.ledger().reset();
    let body = json!({"object_type": "common", "object": "contact", "perform_full_refresh": true});
    app.post("/mgmt/v2/syncs/_trigger", body).await.ok();
    app.work_off().await;
    assert_eq!(pages_asked(&app, "contacts/search"), [1, 2, 3, 4]);
}

#[apply(on_both_databases)]
async fn a_trigger_goes_on(database: Database) {
    let app = failed_on_page_3(database).await;
    app.apollo.ledger().reset();
    app.trigger("contact").await;
    app.work_off().await;
    assert_eq!(pages_asked(&app, "contacts/search"), [3, 4]);
}

#[apply(on_both_databases)]
async fn after_more_than_a_day_a_run_starts_over(database: Database) {
    let app = failed_on_page_3(database).await;
    app.clock.advance(TimeDelta::hours(24));
    next_period(&app).await;
    assert_eq!(pages_asked(&app, "contacts/search"), [1, 2, 3, 4]);
}

#[apply(on_both_databases)]
async fn no_page_of_a_successful_run_is_older_than_a_day(database: Database) {
    let app = failed_on_page_3(database).await;
    apollo_fails(&app);
    let mut first_page_read = app.now();
    for _ in 0..30 {
        next_period(&app).await;
        if pages_asked(&app, "contacts/search").contains(&1) {
            first_page_read = app.now();
        }
    }
    app.apollo.faults().clear();
    next_period(&app).await;
    if pages_asked(&app, "contacts/search").contains(&1) {
        first_page_read = app.now();
    }
    let run = run_of(&app, "contact").await;
    assert_eq!(
        (&run["status"], &run["coverage"]["verdict"]),
        (&json!("SUCCESS"), &json!("complete"))
    );
    let age = app.now() - first_page_read;
    assert!(
        age <= TimeDelta::hours(24),
        "page 1 was read {} hours ago",
        age.num_hours()
    );
}

#[apply(on_both_databases)]
async fn a_run_goes_on_for_both_objects_or_for_neither(database: Database) {
    let app = failed_on_page_3(database).await;
    pause(&app, &["sequence_state"]).await;
    next_period(&app).await;
    assert_eq!(
        pages_asked(&app, "contacts/search"),
        [3, 4],
        "the contacts alone go on"
    );
    assert_covered(&app, "contact", "complete", (350, Some(350)), "was read").await;
    let resume = json!({"object_type": "common", "object": "sequence_state"});
    app.post("/mgmt/v2/syncs/_resume", resume).await.ok();
    next_period(&app).await;
    assert_eq!(
        pages_asked(&app, "contacts/search"),
        [1, 2, 3, 4],
        "what the two saw differs"
    );
    assert_eq!(run_of(&app, "sequence_state").await["status"], "SUCCESS");
    let states = app.apollo.read(0, |team| team.counts().states);
    assert_eq!(app.all_records("sequence_states").await.len(), states);
}

#[apply(on_both_databases)]
async fn a_rejected_request_is_nothing_to_go_on_from(database: Database) {
    let app = App::with_contacts(database, 350).await;
    app.apollo.faults().push(Fault::new(
        Match::path("contacts/search").page(3),
        Action::Answer {
            status: 422,
            content_type: "application/json".into(),
            body: json!({"error": "Page * per page number is over threshold."}).to_string(),
        },
    ));
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    assert_eq!(run_of(&app, "contact").await["state"], "failed");
    next_period(&app).await;
    assert_eq!(pages_asked(&app, "contacts/search"), [1, 2, 3, 4]);
}

/// A connection whose first scan of contacts failed on page 3 of 4; Apollo works again.
async fn failed_on_page_3(database: Database) -> App {
    let app = App::with_contacts(database, 350).await;
    apollo_fails(&app);
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    let run = run_of(&app, "contact").await;
    assert_eq!(
        (&run["state"], &run["requests_made"]),
        (&json!("failed"), &json!(2 + 6))
    );
    app.apollo.faults().clear();
    app
}

fn apollo_fails(app: &App) {
    app.apollo.faults().push(
        Fault::new(
            Match::path("contacts/search").page(3),
            Action::unavailable(),
        )
        .always(),
    );
}
