//! Deletions above the limit are held until they are approved.

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use serde_json::json;
use syncline_sim::{Action, Fault, Match, Window};

use super::evidence::{
    OTHERS, PERIOD, apply, are_deleted, before_page, contact_ids, delete_contacts,
    engine_with_lookups, event_of, happened_to, lookups, next_period, next_period_of, pause, row,
    run_of, state_ids_of,
};
use crate::support::{App, CUSTOMER, MASTER_KEY, on_both_databases};

#[apply(on_both_databases)]
async fn more_than_half_and_more_than_ten_deletions_are_held(database: Database) {
    let app = App::synced(database, 30).await;
    let gone = contact_ids(&app)[5..21].to_vec();
    let states = states_of_all(&app, &gone);
    delete_contacts(&app, &gone);
    next_period(&app).await;
    let run = run_of(&app, "contact").await;
    assert_eq!(
        (&run["status"], &run["coverage"]["verdict"]),
        (&json!("SUCCESS"), &json!("complete"))
    );
    assert_eq!(
        (&run["deletes_held"], &run["records_deleted"]),
        (&json!(16), &json!(0))
    );
    assert_eq!(event_of(&app, &run).await["deletes_held"], 16);
    assert_eq!(app.all_records("contacts").await.len(), 30);
    assert_eq!(
        happened_to(&app, "contact", &gone[0]).await,
        ["missing", "held"]
    );

    let of_states = run_of(&app, "sequence_state").await;
    assert_eq!(of_states["deletes_held"], states.len(), "{of_states}");
    assert_eq!(of_states["records_deleted"], 0);
    assert_eq!(
        are_deleted(&app, "sequence_states", &states).await,
        vec![false; states.len()]
    );
}

#[apply(on_both_databases)]
async fn a_run_that_waits_between_its_questions_holds_as_much_as_one_that_does_not(
    database: Database,
) {
    let app = App::synced(database, 30).await;
    pause(&app, &OTHERS).await;
    delete_contacts(&app, &contact_ids(&app)[5..21]);
    let by_id = Match::path("/contacts/").method(reqwest::Method::GET);
    let hour = Action::RateLimited {
        window: Window::Hour,
        retry_after: Some(1800),
    };
    app.apollo.faults().push(Fault::new(by_id.nth(9), hour));
    next_period(&app).await;
    let run = run_of(&app, "contact").await;
    assert_eq!(
        (&run["state"], &run["records_deleted"]),
        (&json!("waiting"), &json!(0))
    );
    app.after(TimeDelta::minutes(30)).await;
    let run = run_of(&app, "contact").await;
    assert_eq!(
        (&run["deletes_held"], &run["records_deleted"]),
        (&json!(16), &json!(0))
    );
    assert_eq!(app.all_records("contacts").await.len(), 30);
}

#[apply(on_both_databases)]
async fn what_was_held_stays_held_until_it_is_applied(database: Database) {
    let app = App::synced(database, 30).await;
    delete_contacts(&app, &contact_ids(&app)[5..21]);
    for _ in 0..4 {
        next_period(&app).await;
        let run = run_of(&app, "contact").await;
        assert_eq!(
            (&run["deletes_held"], &run["records_deleted"]),
            (&json!(16), &json!(0))
        );
    }
    assert_eq!(app.all_records("contacts").await.len(), 30);
}

#[apply(on_both_databases)]
async fn half_of_the_rows_are_not_too_many(database: Database) {
    let app = App::synced(database, 30).await;
    let gone = contact_ids(&app)[5..20].to_vec();
    delete_contacts(&app, &gone);
    next_period(&app).await;
    let run = run_of(&app, "contact").await;
    assert_eq!(
        (&run["deletes_held"], &run["records_deleted"]),
        (&json!(0), &json!(15))
    );
}

#[apply(on_both_databases)]
async fn ten_rows_are_not_too_many_however_few_there_are(database: Database) {
    let app = App::synced(database, 12).await;
    delete_contacts(&app, &contact_ids(&app)[1..11]);
    next_period(&app).await;
    let run = run_of(&app, "contact").await;
    assert_eq!(
        (&run["deletes_held"], &run["records_deleted"]),
        (&json!(0), &json!(10))
    );
    assert_eq!(app.all_records("contacts").await.len(), 2);
}

#[apply(on_both_databases)]
async fn held_deletions_are_applied_on_request_with_their_states(database: Database) {
    let app = App::synced(database, 30).await;
    let gone = contact_ids(&app)[5..21].to_vec();
    let states = states_of_all(&app, &gone);
    delete_contacts(&app, &gone);
    next_period(&app).await;
    app.clock.advance(TimeDelta::minutes(5));
    let applied = apply(&app, &run_of(&app, "contact").await).await.ok();
    assert_eq!(
        (&applied["records_deleted"], &applied["deletes_held"]),
        (&json!(16), &json!(0))
    );
    assert_eq!(are_deleted(&app, "contacts", &gone).await, [true; 16]);
    assert_eq!(
        row(&app, "contacts", &gone[0]).await["deleted_at"],
        "2026-03-01T09:05:00.000Z"
    );
    assert_eq!(app.all_records("contacts").await.len(), 14);
    assert_eq!(
        are_deleted(&app, "sequence_states", &states).await,
        vec![true; states.len()]
    );
    let of_states = run_of(&app, "sequence_state").await;
    assert_eq!(of_states["records_deleted"], states.len(), "{of_states}");
    assert_eq!(of_states["deletes_held"], 0);
    assert_eq!(
        happened_to(&app, "contact", &gone[0]).await,
        ["missing", "held", "deleted"]
    );
    next_period(&app).await;
    let quiet = run_of(&app, "contact").await;
    assert_eq!(
        (&quiet["records_deleted"], &quiet["deletes_held"]),
        (&json!(0), &json!(0))
    );
}

#[apply(on_both_databases)]
async fn applying_twice_changes_nothing_more(database: Database) {
    let app = App::synced(database, 30).await;
    delete_contacts(&app, &contact_ids(&app)[5..21]);
    next_period(&app).await;
    let run = run_of(&app, "contact").await;
    apply(&app, &run).await.ok();
    let rows = app.all_records("contacts?include_deleted_data=true").await;
    app.clock.advance(TimeDelta::minutes(5));
    let again = apply(&app, &run).await.ok();
    assert_eq!(
        (&again["records_deleted"], &again["deletes_held"]),
        (&json!(16), &json!(0))
    );
    assert_eq!(
        app.all_records("contacts?include_deleted_data=true").await,
        rows
    );
}

#[apply(on_both_databases)]
async fn a_run_that_held_nothing_applies_nothing(database: Database) {
    let app = App::synced(database, 30).await;
    let first = run_of(&app, "contact").await;
    delete_contacts(&app, &contact_ids(&app)[5..21]);
    next_period(&app).await;
    apply(&app, &first).await.ok();
    assert_eq!(
        app.all_records("contacts").await.len(),
        30,
        "a later run held them"
    );
}

#[apply(on_both_databases)]
async fn rows_that_a_later_run_has_seen_are_left_alone(database: Database) {
    let app = App::synced(database, 40).await;
    let gone = contact_ids(&app)[5..35].to_vec();
    delete_contacts(&app, &gone);
    next_period(&app).await;
    let holding = run_of(&app, "contact").await;
    let now = app.now();
    app.apollo.edit(0, |team| {
        for id in &gone[..5] {
            team.undelete_contact(now, id).unwrap();
        }
    });
    next_period(&app).await;
    assert_eq!(run_of(&app, "contact").await["deletes_held"], 25);
    let applied = apply(&app, &holding).await.ok();
    assert_eq!(applied["records_deleted"], 25);
    assert_eq!(are_deleted(&app, "contacts", &gone[..5]).await, [false; 5]);
    assert_eq!(are_deleted(&app, "contacts", &gone[5..]).await, [true; 25]);
    let states = states_of_all(&app, &gone[..5]);
    assert_eq!(
        are_deleted(&app, "sequence_states", &states).await,
        vec![false; states.len()]
    );
}

#[apply(on_both_databases)]
async fn rows_on_a_page_that_a_later_run_has_committed_are_left_alone_too(database: Database) {
    let app = App::synced(database, 250).await;
    let gone = contact_ids(&app)[20..170].to_vec();
    delete_contacts(&app, &gone);
    next_period(&app).await;
    let holding = run_of(&app, "contact").await;
    assert_eq!(holding["deletes_held"], 150);
    let now = app.now();
    app.apollo.edit(0, |team| {
        for id in &gone[..20] {
            team.undelete_contact(now, id).unwrap();
        }
    });
    let gate = app.apollo.gate(Match::path("contacts/search").page(2));
    let applying = async {
        gate.arrived(1).await;
        // The second page is asked for while the first is being written.
        app.until_written("contact", 100).await;
        let active = apply(&app, &run_of(&app, "contact").await).await;
        assert_eq!(active.status, 409, "it has not ended");
        let applied = apply(&app, &holding).await.ok();
        assert_eq!(applied["records_deleted"], 130);
        gate.open();
    };
    tokio::join!(app.after(PERIOD), applying);
    assert_eq!(
        are_deleted(&app, "contacts", &gone[..20]).await,
        [false; 20]
    );
    assert_eq!(app.all_records("contacts").await.len(), 120);
    assert_eq!(
        happened_to(&app, "contact", &gone[0]).await,
        ["missing", "held", "seen_again"]
    );
}

#[apply(on_both_databases)]
async fn an_empty_answer_deletes_no_contact_and_real_ones_clear_it(database: Database) {
    let app = App::synced(database, 8).await;
    let states = app.all_records("sequence_states").await.len();
    app.apollo
        .faults()
        .push(Fault::new(Match::path("contacts/search"), Action::EmptyList).times(2));
    for _ in 0..2 {
        next_period(&app).await;
        let run = run_of(&app, "contact").await;
        assert_eq!(run["status"], "SUCCESS");
        assert_eq!(
            (&run["deletes_held"], &run["records_deleted"]),
            (&json!(8), &json!(0)),
            "{run}"
        );
        let run = run_of(&app, "sequence_state").await;
        assert_eq!(run["deletes_held"], states, "{run}");
        assert!(lookups(&app).is_empty());
    }
    assert_eq!(app.all_records("contacts").await.len(), 8);
    let holding = run_of(&app, "contact").await;
    next_period(&app).await;
    let run = run_of(&app, "contact").await;
    assert_eq!(
        (&run["deletes_held"], &run["records_missing"]),
        (&json!(0), &json!(0))
    );
    assert_eq!(run["records_unchanged"], 8);
    assert_eq!(run_of(&app, "sequence_state").await["records_missing"], 0);
    apply(&app, &holding).await.ok();
    assert_eq!(
        app.all_records("contacts").await.len(),
        8,
        "they were seen since"
    );
    assert_eq!(app.all_records("sequence_states").await.len(), states);
}

#[apply(on_both_databases)]
async fn an_empty_answer_deletes_no_mailbox_and_no_user(database: Database) {
    let app = App::synced(database, 8).await;
    let objects = [
        ("mailbox", "mailboxes", "email_accounts"),
        ("user", "users", "users/search"),
    ];
    let mut live = Vec::new();
    for (_, list, path) in objects {
        live.push(app.all_records(list).await.len());
        app.apollo
            .faults()
            .push(Fault::new(Match::path(path), Action::EmptyList).always());
    }
    for _ in 0..3 {
        next_period(&app).await;
        for ((object, list, _), live) in objects.iter().zip(&live) {
            let run = run_of(&app, object).await;
            assert_eq!(
                (&run["deletes_held"], &run["records_deleted"]),
                (&json!(live), &json!(0)),
                "{run}"
            );
            assert_eq!(app.all_records(list).await.len(), *live);
        }
    }
    app.apollo.faults().clear();
    next_period(&app).await;
    for (object, _, _) in objects {
        let run = run_of(&app, object).await;
        assert_eq!(
            (&run["deletes_held"], &run["records_missing"]),
            (&json!(0), &json!(0))
        );
    }
}

#[apply(on_both_databases)]
async fn an_empty_answer_may_be_meant_and_is_applied_on_request(database: Database) {
    let app = App::synced(database, 8).await;
    let live = app.all_records("mailboxes").await.len();
    app.apollo.edit(0, |team| {
        for id in team.mailbox_ids() {
            team.remove_mailbox(&id).unwrap();
        }
    });
    next_period(&app).await;
    let applied = apply(&app, &run_of(&app, "mailbox").await).await.ok();
    assert_eq!(applied["records_deleted"], live);
    assert!(app.all_records("mailboxes").await.is_empty());
    next_period(&app).await;
    let run = run_of(&app, "mailbox").await;
    assert_eq!(
        (&run["deletes_held"], &run["records_missing"]),
        (&json!(0), &json!(0))
    );
}

#[apply(on_both_databases)]
async fn an_empty_page_that_counts_records_is_drifted_and_deletes_nothing(database: Database) {
    let app = App::synced(database, 30).await;
    for list in ["contacts/search", "users/search"] {
        app.apollo
            .faults()
            .push(Fault::new(Match::path(list), Action::EmptyPage).always());
    }
    for _ in 0..3 {
        next_period(&app).await;
        for object in ["contact", "user"] {
            let run = run_of(&app, object).await;
            assert_eq!(run["coverage"]["verdict"], "drifted", "{run}");
            assert_eq!(run["coverage"]["records_seen"], 0);
            assert_eq!(
                (&run["deletes_held"], &run["records_deleted"]),
                (&json!(0), &json!(0))
            );
        }
    }
    assert_eq!(app.all_records("contacts").await.len(), 30);
}

#[apply(on_both_databases)]
async fn an_empty_answer_deletes_no_state_that_is_read_alone(database: Database) {
    let app = App::with_contacts(database, 16).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    pause(&app, &["contact"]).await;
    app.work_off().await;
    // So few that the limit doesn't apply to them.
    let states = app.all_records("sequence_states").await.len();
    assert!((1..=10).contains(&states), "{states}");
    app.apollo
        .faults()
        .push(Fault::new(Match::path("contacts/search"), Action::EmptyList).always());
    for _ in 0..3 {
        next_period(&app).await;
        let run = run_of(&app, "sequence_state").await;
        assert_eq!(run["records_deleted"], 0, "{run}");
        let settled = run["coverage"]["verdict"] == "complete" && run["deletes_held"] == 0;
        assert!(!settled, "{run}");
    }
    assert_eq!(app.all_records("sequence_states").await.len(), states);
}

#[apply(on_both_databases)]
async fn a_disturbed_scan_holds_too(database: Database) {
    let app = App::synced(database, 30).await;
    delete_contacts(&app, &contact_ids(&app)[5..21]);
    app.apollo.faults().push(Fault::new(
        Match::path("contacts/search"),
        Action::record_without_id(),
    ));
    next_period(&app).await;
    let run = run_of(&app, "contact").await;
    assert_eq!(run["coverage"]["verdict"], "drifted");
    assert_eq!(
        (&run["deletes_held"], &run["records_deleted"]),
        (&json!(16), &json!(0))
    );
}

#[apply(on_both_databases)]
async fn too_many_deletions_are_not_made_in_parts(database: Database) {
    let app = App::synced(database, 30).await;
    let engine = engine_with_lookups(&app, 5);
    delete_contacts(&app, &contact_ids(&app)[5..21]);
    for _ in 0..5 {
        next_period_of(&app, &engine).await;
        let run = run_of(&app, "contact").await;
        assert_eq!(
            (&run["deletes_held"], &run["records_deleted"]),
            (&json!(16), &json!(0))
        );
    }
    assert_eq!(app.all_records("contacts").await.len(), 30);
}

#[apply(on_both_databases)]
async fn a_held_row_that_turns_out_to_be_hidden_is_not_applied(database: Database) {
    let app = App::synced(database, 30).await;
    let engine = engine_with_lookups(&app, 5);
    let mut missing = contact_ids(&app)[5..21].to_vec();
    // They are looked up in the order of their ids.
    missing.sort_unstable();
    let hidden = missing.pop().unwrap();
    delete_contacts(&app, &missing);
    app.apollo
        .edit(0, |team| team.hide_contact(&hidden).unwrap());
    next_period_of(&app, &engine).await;
    let first = run_of(&app, "contact").await;
    assert_eq!(first["deletes_held"], 16, "nobody has asked about it yet");
    for _ in 0..4 {
        next_period_of(&app, &engine).await;
    }
    for run in [first, run_of(&app, "contact").await] {
        apply(&app, &run).await.ok();
        assert_eq!(
            row(&app, "contacts", &hidden).await["is_deleted"],
            false,
            "it is there"
        );
    }
    assert_eq!(are_deleted(&app, "contacts", &missing).await, [true; 15]);
}

#[apply(on_both_databases)]
async fn what_apollo_said_of_a_held_row_does_not_delete_it_in_a_later_run(database: Database) {
    let app = App::synced(database, 250).await;
    let ids = contact_ids(&app);
    let gone = &ids[100..230];
    delete_contacts(&app, gone);
    next_period(&app).await;
    assert_eq!(run_of(&app, "contact").await["deletes_held"], 130);
    // All of them come back, and a deletion on page 1 makes the scan miss one of them.
    let now = app.now();
    app.apollo.edit(0, |team| {
        for id in gone {
            team.undelete_contact(now, id).unwrap();
        }
    });
    let first = ids[0].clone();
    before_page(&app, 2, move |team| team.delete_contact(&first).unwrap());
    next_period(&app).await;
    assert_eq!(
        run_of(&app, "contact").await["coverage"]["verdict"],
        "drifted"
    );
    assert_eq!(
        row(&app, "contacts", &ids[100]).await["is_deleted"],
        false,
        "it is there"
    );
}

#[apply(on_both_databases)]
async fn what_was_applied_and_comes_back_is_restored(database: Database) {
    let app = App::synced(database, 30).await;
    let gone = contact_ids(&app)[5..21].to_vec();
    delete_contacts(&app, &gone);
    next_period(&app).await;
    apply(&app, &run_of(&app, "contact").await).await.ok();
    let now = app.now();
    app.apollo.edit(0, |team| {
        for id in &gone {
            team.undelete_contact(now, id).unwrap();
        }
    });
    next_period(&app).await;
    assert_eq!(app.all_records("contacts").await.len(), 30);
    let states = states_of_all(&app, &gone);
    assert_eq!(
        are_deleted(&app, "sequence_states", &states).await,
        vec![false; states.len()]
    );
    assert_eq!(
        happened_to(&app, "contact", &gone[0]).await,
        ["missing", "held", "deleted", "restored"]
    );
}

#[apply(on_both_databases)]
async fn states_that_are_held_along_stay_held_until_their_contacts_are_applied(database: Database) {
    let app = App::synced(database, 30).await;
    let gone = contact_ids(&app)[5..21].to_vec();
    let states = states_of_all(&app, &gone);
    delete_contacts(&app, &gone);
    next_period(&app).await;
    let of_states = apply(&app, &run_of(&app, "sequence_state").await)
        .await
        .ok();
    let deleted = are_deleted(&app, "sequence_states", &states).await;
    let deleted = deleted.into_iter().filter(|deleted| *deleted).count();
    assert_eq!(of_states["records_deleted"], deleted, "{of_states}");
    assert_eq!(
        of_states["deletes_held"],
        states.len() - deleted,
        "{of_states}"
    );
    apply(&app, &run_of(&app, "contact").await).await.ok();
    assert_eq!(
        are_deleted(&app, "sequence_states", &states).await,
        vec![true; states.len()]
    );
}

#[apply(on_both_databases)]
async fn unenrolling_more_than_half_of_the_states_is_held_too(database: Database) {
    let app = App::synced(database, 60).await;
    let states = app.apollo.read(0, syncline_sim::Team::states);
    let now = app.now();
    app.apollo.edit(0, |team| {
        for (contact, state) in &states {
            team.unenrol(now, contact, state["emailer_campaign_id"].as_str().unwrap())
                .unwrap();
        }
    });
    next_period(&app).await;
    assert!(states.len() > 10);
    let run = run_of(&app, "sequence_state").await;
    assert_eq!(
        (&run["deletes_held"], &run["records_deleted"]),
        (&json!(states.len()), &json!(0))
    );
    let applied = apply(&app, &run).await.ok();
    assert_eq!(applied["records_deleted"], states.len());
    assert!(app.all_records("sequence_states").await.is_empty());
    assert_eq!(app.all_records("contacts").await.len(), 60);
}

/// The ids of the states of all these contacts, as the tables have them.
fn states_of_all(app: &App, contacts: &[String]) -> Vec<String> {
    let states = contacts.iter().flat_map(|id| state_ids_of(app, id));
    states.collect()
}
