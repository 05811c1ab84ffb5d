//! What a run may say about coverage: it is complete only if the provider's set didn't change
//! during the scan.

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use serde_json::json;
use syncline_model::Clock;
use syncline_sim::{Action, Fault, Match, Window};

use super::evidence::{
    assert_covered, before_page, contact_ids, creating_a_contact, delete_contacts, next_period,
    pause, run_of,
};
use crate::support::{App, CUSTOMER, MASTER_KEY, on_both_databases, per_object, quiet_apollo};

#[apply(on_both_databases)]
async fn a_set_that_holds_still_is_covered_completely(database: Database) {
    let app = App::synced(database, 250).await;
    let truth = app.apollo.read(0, syncline_sim::Team::counts);
    let reported = "every record that the provider reported was read";
    assert_covered(&app, "contact", "complete", (250, Some(250)), reported).await;
    assert_covered(
        &app,
        "account",
        "complete",
        (truth.accounts, Some(truth.accounts)),
        reported,
    )
    .await;
    assert_covered(
        &app,
        "user",
        "complete",
        (truth.users, Some(truth.users)),
        reported,
    )
    .await;
    assert_covered(
        &app,
        "sequence",
        "complete",
        (truth.sequences, Some(truth.sequences)),
        reported,
    )
    .await;
    let untold = "the provider reports no total";
    assert_covered(&app, "mailbox", "complete", (truth.mailboxes, None), untold).await;
    assert_covered(
        &app,
        "sequence_state",
        "complete",
        (truth.states, None),
        untold,
    )
    .await;
}

#[apply(on_both_databases)]
async fn a_contact_that_is_deleted_behind_the_reader_makes_the_scan_drifted(database: Database) {
    let app = App::with_contacts(database, 250).await;
    let gone = contact_ids(&app)[5].clone();
    before_page(&app, 3, move |team| team.delete_contact(&gone).unwrap());
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    // The one that moved from page 3 to page 2 was never shown, although the numbers agree.
    assert_covered(
        &app,
        "contact",
        "drifted",
        (249, Some(249)),
        "total went down",
    )
    .await;
    assert_eq!(app.runs("contact").await[0]["status"], "SUCCESS");
}

#[apply(on_both_databases)]
async fn a_contact_that_comes_back_behind_the_reader_makes_the_scan_drifted(database: Database) {
    let app = App::with_contacts(database, 250).await;
    let back = contact_ids(&app)[5].clone();
    delete_contacts(&app, std::slice::from_ref(&back));
    let now = app.now();
    before_page(&app, 3, move |team| {
        team.undelete_contact(now, &back).unwrap();
    });
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    assert_covered(&app, "contact", "drifted", (249, Some(250)), "seen twice").await;
}

#[apply(on_both_databases)]
async fn a_deletion_that_an_insert_hides_in_the_total_makes_the_scan_drifted(database: Database) {
    let app = App::with_contacts(database, 250).await;
    let gone = contact_ids(&app)[5].clone();
    let create = creating_a_contact(&app);
    before_page(&app, 3, move |team| {
        team.delete_contact(&gone).unwrap();
        create(team);
    });
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    let reason = "total changed by 0, but 1 records were created during the scan";
    assert_covered(&app, "contact", "drifted", (250, Some(250)), reason).await;
}

#[apply(on_both_databases)]
async fn contacts_that_are_created_during_a_scan_leave_it_complete(database: Database) {
    let app = App::with_contacts(database, 250).await;
    for page in [2, 3] {
        before_page(&app, page, creating_a_contact(&app));
    }
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    assert_covered(&app, "contact", "complete", (252, Some(252)), "was read").await;
    assert_eq!(app.all_records("contacts").await.len(), 252);
}

#[apply(on_both_databases)]
async fn contacts_that_are_changed_during_a_scan_leave_it_complete(database: Database) {
    let app = App::synced(database, 250).await;
    let ids = contact_ids(&app);
    let clock = app.clock.clone();
    before_page(&app, 2, move |team| {
        for id in [&ids[5], &ids[150], &ids[220]] {
            team.update_contact(clock.now(), id, &json!({"title": "Head of Scones"}))
                .unwrap();
        }
    });
    next_period(&app).await;
    assert_covered(&app, "contact", "complete", (250, Some(250)), "was read").await;
    assert_eq!(
        run_of(&app, "contact").await["records_updated"],
        2,
        "one was read before"
    );
}

#[apply(on_both_databases)]
async fn an_id_that_is_seen_twice_makes_the_scan_drifted(database: Database) {
    let app = App::with_contacts(database, 250).await;
    let seen = app.apollo.read(0, |team| team.contacts()[7].clone());
    app.apollo.faults().push(Fault::new(
        Match::path("contacts/search").page(3),
        Action::InsertRecord(seen.to_string()),
    ));
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    assert_covered(
        &app,
        "contact",
        "drifted",
        (250, Some(250)),
        "1 records were seen twice",
    )
    .await;
}

#[apply(on_both_databases)]
async fn a_record_without_an_id_makes_the_scan_drifted(database: Database) {
    let app = App::with_contacts(database, 250).await;
    app.apollo.faults().push(Fault::new(
        Match::path("contacts/search").page(3),
        Action::record_without_id(),
    ));
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    assert_covered(
        &app,
        "contact",
        "drifted",
        (250, Some(250)),
        "1 records had no id",
    )
    .await;
    assert_eq!(run_of(&app, "contact").await["records_rejected"], 1);
}

#[apply(on_both_databases)]
async fn a_total_that_changes_without_an_order_makes_the_scan_drifted(database: Database) {
    let mut options = quiet_apollo(20);
    options.teams[0].users = 220;
    let app = App::with_apollo(database, options).await;
    let mut added = false;
    app.apollo.on_request(move |asked, team| {
        if asked.action == "users/search" && asked.page == 3 && !added {
            added = true;
            team.add_user(asked.now, "Newest", "Colleague");
        }
    });
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    let run = run_of(&app, "user").await;
    assert_eq!(run["coverage"]["verdict"], "drifted", "{run}");
    assert_eq!(run["coverage"]["records_reported"], 221);
}

#[apply(on_both_databases)]
async fn a_last_page_that_is_gone_when_it_is_asked_for_makes_the_scan_drifted(database: Database) {
    let app = App::with_contacts(database, 201).await;
    let gone = contact_ids(&app)[5].clone();
    before_page(&app, 3, move |team| team.delete_contact(&gone).unwrap());
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    assert_covered(&app, "contact", "drifted", (200, Some(200)), "went down").await;
}

#[apply(on_both_databases)]
async fn a_set_without_records_is_covered_completely(database: Database) {
    let app = App::with_contacts(database, 0).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    assert_covered(&app, "contact", "complete", (0, Some(0)), "was read").await;
    assert_covered(&app, "sequence_state", "complete", (0, None), "no total").await;
}

#[apply(on_both_databases)]
async fn a_scan_that_met_its_limit_is_capped(database: Database) {
    let mut app = App::with_contacts(database, 350).await;
    app.limit(per_object(200));
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    let reason = "of 350 records the most recently updated";
    assert_eq!(run_of(&app, "contact").await["state"], "succeeded");
    assert_eq!(app.apollo.ledger().requests_to("contacts/search").len(), 2);
    next_period(&app).await;
    assert_covered(&app, "contact", "capped", (200, Some(350)), reason).await;
    assert_eq!(
        run_of(&app, "sequence_state").await["coverage"]["verdict"],
        "capped"
    );
}

#[apply(on_both_databases)]
async fn a_scan_that_failed_on_its_way_is_interrupted(database: Database) {
    let app = App::with_contacts(database, 250).await;
    app.apollo.faults().push(
        Fault::new(
            Match::path("contacts/search").page(3),
            Action::unavailable(),
        )
        .always(),
    );
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    let reason = "ended before its last page";
    assert_covered(&app, "contact", "interrupted", (200, Some(250)), reason).await;
    assert_eq!(
        run_of(&app, "sequence_state").await["coverage"]["verdict"],
        "interrupted"
    );
}

#[apply(on_both_databases)]
async fn waiting_and_a_killed_worker_leave_a_scan_complete(database: Database) {
    let app = App::with_contacts(database, 350).await;
    app.apollo.faults().push(Fault::new(
        Match::path("contacts/search").page(2),
        Action::RateLimited {
            window: Window::Hour,
            retry_after: Some(600),
        },
    ));
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    assert_eq!(run_of(&app, "contact").await["state"], "waiting");
    let gate = app.apollo.gate(Match::path("contacts/search").page(3));
    tokio::select! {
        () = app.after(TimeDelta::minutes(10)) => panic!("the third page was held back"),
        () = async {
            gate.arrived(1).await;
            app.until_written("contact", 200).await;
        } => {}
    }
    gate.open();
    app.after(TimeDelta::minutes(1)).await;
    assert_eq!(
        app.runs("contact").await.len(),
        1,
        "it is still the same run"
    );
    assert_covered(&app, "contact", "complete", (350, Some(350)), "was read").await;
}

#[apply(on_both_databases)]
async fn sequence_states_are_covered_no_better_than_their_contacts(database: Database) {
    let app = App::with_contacts(database, 250).await;
    let gone = contact_ids(&app)[5].clone();
    before_page(&app, 3, move |team| team.delete_contact(&gone).unwrap());
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    let run = run_of(&app, "sequence_state").await;
    assert_eq!(run["coverage"]["verdict"], "drifted");
    let reason = run["coverage"]["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("contacts: the provider's total went down"),
        "{reason}"
    );
}

#[apply(on_both_databases)]
async fn states_that_are_read_without_their_contacts_sync_are_covered_no_better_either(
    database: Database,
) {
    let app = App::with_contacts(database, 250).await;
    let gone = contact_ids(&app)[5].clone();
    before_page(&app, 3, move |team| team.delete_contact(&gone).unwrap());
    app.connect(CUSTOMER, MASTER_KEY).await;
    pause(&app, &["contact"]).await;
    app.work_off().await;
    assert!(app.runs("contact").await.is_empty());
    assert_eq!(
        run_of(&app, "sequence_state").await["coverage"]["verdict"],
        "drifted"
    );
}
