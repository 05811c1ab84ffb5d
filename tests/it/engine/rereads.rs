//! What Apollo can't be asked for by id is read again in the same run when rows are missing, if
//! that takes only a few pages; two complete reads in a row confirm it.

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use serde_json::json;
use syncline_sim::{Action, Fault, Match, Team};

use super::evidence::{
    PERIOD, are_deleted, assert_covered, happened_to, next_period, row, run_of, times_asked,
};
use crate::support::{App, CUSTOMER, MASTER_KEY, on_both_databases, quiet_apollo};

#[apply(on_both_databases)]
async fn a_removed_mailbox_is_read_for_twice_and_deleted(database: Database) {
    let app = App::synced(database, 20).await;
    let id = app.apollo.read(0, |team| team.mailbox_ids()[4].clone());
    app.apollo.edit(0, |team| team.remove_mailbox(&id).unwrap());
    next_period(&app).await;
    deleted_after_two_reads(&app, ["mailbox", "mailboxes", "email_accounts"], &id).await;
    assert_covered(&app, "mailbox", "complete", (9, None), "no total").await;
}

#[apply(on_both_databases)]
async fn a_removed_user_is_read_for_twice_and_deleted(database: Database) {
    let app = App::synced(database, 20).await;
    let id = app.apollo.read(0, |team| team.user_ids()[4].clone());
    app.apollo.edit(0, |team| team.remove_user(&id).unwrap());
    next_period(&app).await;
    deleted_after_two_reads(&app, ["user", "users", "users/search"], &id).await;
    assert_covered(&app, "user", "complete", (7, Some(7)), "was read").await;
}

#[apply(on_both_databases)]
async fn a_removed_sequence_is_read_for_twice_and_deleted(database: Database) {
    let app = App::synced(database, 20).await;
    let id = app.apollo.read(0, |team| team.sequence_ids()[4].clone());
    app.apollo
        .edit(0, |team| team.delete_sequence(&id).unwrap());
    next_period(&app).await;
    deleted_after_two_reads(
        &app,
        ["sequence", "sequences", "emailer_campaigns/search"],
        &id,
    )
    .await;
}

#[apply(on_both_databases)]
async fn a_mailbox_that_the_second_reading_shows_again_stays(database: Database) {
    let app = App::synced(database, 20).await;
    let id = app.apollo.read(0, |team| team.mailbox_ids()[4].clone());
    app.apollo.edit(0, |team| team.remove_mailbox(&id).unwrap());
    let (mut reads, back) = (0, id.clone());
    app.apollo.on_request(move |asked, team| {
        if asked.action == "email_accounts/index" {
            reads += 1;
            if reads == 2 {
                team.restore_mailbox(&back).unwrap();
            }
        }
    });
    next_period(&app).await;
    assert_eq!(times_asked(&app, "email_accounts"), 2);
    let run = run_of(&app, "mailbox").await;
    assert_eq!(
        (&run["records_deleted"], &run["records_missing"]),
        (&json!(0), &json!(0))
    );
    assert_eq!(run["num_records_synced"], 10);
    assert_eq!(row(&app, "mailboxes", &id).await["is_deleted"], false);
    assert_eq!(
        happened_to(&app, "mailbox", &id).await,
        ["missing", "seen_again"]
    );
    next_period(&app).await;
    assert_eq!(times_asked(&app, "email_accounts"), 1, "it is quiet again");
}

#[apply(on_both_databases)]
async fn a_mailbox_that_was_missed_once_in_each_of_two_runs_stays(database: Database) {
    let app = App::synced(database, 20).await;
    let id = app.apollo.read(0, |team| team.mailbox_ids()[4].clone());
    let flickering = id.clone();
    let mut reads = 0;
    // Every run misses it in its first read and sees it in the second.
    app.apollo.on_request(move |asked, team| {
        if asked.action == "email_accounts/index" {
            reads += 1;
            if reads % 2 == 1 {
                team.remove_mailbox(&flickering).unwrap();
            } else {
                team.restore_mailbox(&flickering).unwrap();
            }
        }
    });
    for _ in 0..3 {
        next_period(&app).await;
        assert_eq!(times_asked(&app, "email_accounts"), 2);
    }
    assert_eq!(row(&app, "mailboxes", &id).await["is_deleted"], false);
}

#[apply(on_both_databases)]
async fn a_disturbed_reading_is_followed_by_two_more(database: Database) {
    let app = App::synced(database, 20).await;
    let id = app.apollo.read(0, |team| team.user_ids()[4].clone());
    app.apollo.edit(0, |team| team.remove_user(&id).unwrap());
    app.apollo.faults().push(Fault::new(
        Match::path("users/search"),
        Action::record_without_id(),
    ));
    next_period(&app).await;
    assert_eq!(times_asked(&app, "users/search"), 3);
    assert_eq!(row(&app, "users", &id).await["is_deleted"], true);
}

#[apply(on_both_databases)]
async fn an_object_of_many_pages_is_not_read_again_but_in_the_next_run(database: Database) {
    let mut options = quiet_apollo(20);
    options.teams[0].users = 620;
    let app = App::with_apollo(database, options).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    let id = app.apollo.read(0, |team| team.user_ids()[200].clone());
    app.apollo.edit(0, |team| team.remove_user(&id).unwrap());
    for (deleted, missing) in [(0, 1), (1, 0)] {
        next_period(&app).await;
        assert_eq!(times_asked(&app, "users/search"), 7);
        let run = run_of(&app, "user").await;
        assert_eq!(
            (&run["records_deleted"], &run["records_missing"]),
            (&json!(deleted), &json!(missing))
        );
    }
    assert_eq!(row(&app, "users", &id).await["is_deleted"], true);
}

#[apply(on_both_databases)]
async fn a_user_that_apollo_marks_as_deleted_says_so_in_its_history(database: Database) {
    let app = App::synced(database, 20).await;
    let id = app.apollo.read(0, |team| {
        let users = team.users();
        let live = users.iter().find(|user| user["deleted"] == false).unwrap();
        live["id"].as_str().unwrap().to_owned()
    });
    app.apollo.edit(0, |team| team.delete_user(&id).unwrap());
    next_period(&app).await;
    assert_eq!(times_asked(&app, "users/search"), 1);
    assert_eq!(row(&app, "users", &id).await["is_deleted"], true);
    app.apollo.edit(0, |team| team.undelete_user(&id).unwrap());
    next_period(&app).await;
    assert_eq!(row(&app, "users", &id).await["is_deleted"], false);
    assert_eq!(
        happened_to(&app, "user", &id).await,
        ["deleted", "restored"]
    );
}

#[apply(on_both_databases)]
async fn a_crash_between_two_readings_repeats_at_most_one(database: Database) {
    let app = App::synced(database, 20).await;
    let id = app.apollo.read(0, |team| team.mailbox_ids()[4].clone());
    app.apollo.edit(0, |team| team.remove_mailbox(&id).unwrap());
    let gate = app.apollo.gate(Match::path("email_accounts").nth(2));
    app.apollo.ledger().reset();
    tokio::select! {
        () = app.after(PERIOD) => panic!("the second reading was held back"),
        () = gate.arrived(1) => {}
    }
    assert_eq!(run_of(&app, "mailbox").await["state"], "running");
    assert_eq!(row(&app, "mailboxes", &id).await["is_deleted"], false);
    gate.open();
    app.after(TimeDelta::seconds(31)).await;
    let run = run_of(&app, "mailbox").await;
    assert_eq!(
        (&run["state"], &run["records_deleted"]),
        (&json!("succeeded"), &json!(1))
    );
    let asked = times_asked(&app, "email_accounts");
    assert!((2..=3).contains(&asked), "{asked}");
}

#[apply(on_both_databases)]
async fn every_reading_counts_in_the_budget(database: Database) {
    let app = App::synced(database, 20).await;
    let id = app.apollo.read(0, |team| team.mailbox_ids()[4].clone());
    app.apollo.edit(0, |team| team.remove_mailbox(&id).unwrap());
    app.clock.advance(TimeDelta::hours(2));
    next_period(&app).await;
    let truth = app.apollo.read(0, Team::counts);
    let once = truth.users + truth.sequences + truth.accounts + truth.contacts;
    let expected = once + 2 * truth.mailboxes;
    assert_eq!(
        app.records_this_hour().await,
        i64::try_from(expected).unwrap()
    );
}

/// There were two requests and one deletion, and the row says why.
async fn deleted_after_two_reads(app: &App, [object, list, path]: [&str; 3], id: &str) {
    assert_eq!(times_asked(app, path), 2);
    let run = run_of(app, object).await;
    assert_eq!(run["records_deleted"], 1, "{run}");
    assert_eq!(run["records_missing"], 0, "{run}");
    assert_eq!(are_deleted(app, list, &[id.to_owned()]).await, [true]);
    assert_eq!(happened_to(app, object, id).await, ["missing", "deleted"]);
}
