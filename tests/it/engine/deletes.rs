//! A contact that scans no longer see is marked deleted when Apollo says so in a by-id read, and
//! not because it was absent.

use macro_rules_attribute::apply;
use serde_json::{Value, json};
use syncline_sim::{Action, Fault, Match, SimRequest};

use super::evidence::{
    OTHERS, are_deleted, assert_covered, before_page, contact_ids, delete_contacts,
    engine_with_lookups, event_of, happened_to, history, lookups, next_period, next_period_of,
    pages_asked, pause, provenance, row, run_of, state_ids_of, texts, with_states,
};
use crate::support::{App, CUSTOMER, MASTER_KEY, SCOPED_KEY, on_both_databases, per_object};

#[apply(on_both_databases)]
async fn a_deleted_contact_is_asked_for_by_id_and_marked_in_the_same_run(database: Database) {
    let app = App::synced(database, 250).await;
    let id = with_states(&app, &contact_ids(&app))[40].clone();
    let states = state_ids_of(&app, &id);
    delete_contacts(&app, std::slice::from_ref(&id));
    next_period(&app).await;

    assert_eq!(lookups(&app), [id.as_str()]);
    assert_covered(&app, "contact", "complete", (249, Some(249)), "was read").await;
    let run = run_of(&app, "contact").await;
    assert_eq!(run["records_deleted"], 1);
    assert_eq!(run["records_missing"], 0);
    assert_eq!(event_of(&app, &run).await["records_deleted"], 1);
    let deleted = row(&app, "contacts", &id).await;
    assert_eq!(deleted["is_deleted"], true);
    // Other changes of the connection at that time have stamps before it.
    let deleted_at = deleted["deleted_at"].as_str().unwrap();
    assert!(
        deleted_at.starts_with("2026-03-01T09:00:00.0"),
        "{deleted_at}"
    );
    assert_eq!(deleted["last_modified_at"], deleted_at);
    assert_eq!(app.all_records("contacts").await.len(), 249);
    let changed = app
        .all_records("contacts?modified_after=2026-03-01T08:30:00Z")
        .await;
    assert_eq!(changed, [deleted]);

    assert_eq!(
        run_of(&app, "sequence_state").await["records_deleted"],
        states.len()
    );
    assert_eq!(
        are_deleted(&app, "sequence_states", &states).await,
        vec![true; states.len()]
    );
    let changed = app
        .all_records("sequence_states?modified_after=2026-03-01T08:30:00Z")
        .await;
    assert_eq!(changed.len(), states.len());
}

#[apply(on_both_databases)]
async fn a_deleted_row_says_why_and_by_which_run(database: Database) {
    let app = App::synced(database, 250).await;
    let id = with_states(&app, &contact_ids(&app))[40].clone();
    let state = state_ids_of(&app, &id).swap_remove(0);
    let first = run_of(&app, "contact").await["id"].clone();
    delete_contacts(&app, std::slice::from_ref(&id));
    next_period(&app).await;
    let second = run_of(&app, "contact").await["id"].clone();

    let of_contact = provenance(&app, "contact", &id).await;
    assert_eq!(of_contact["is_deleted"], true);
    assert_eq!(of_contact["missing_since"], json!(null));
    assert_eq!(of_contact["first_seen_by"]["run_id"], first);
    assert_eq!(of_contact["last_seen_by"]["run_id"], first);
    let events = of_contact["events"].as_array().unwrap();
    let kinds: Vec<_> = events
        .iter()
        .map(|event| event["event"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["missing", "deleted"]);
    assert_eq!(events[1]["run_id"], second);
    assert_eq!(events[1]["reason"], "This contact has been deleted.");
    let (event, reason) = history(&app, "sequence_state", &state).await.pop().unwrap();
    assert_eq!(
        (event.as_str(), reason.as_str()),
        ("deleted", "its contact was deleted")
    );
}

#[apply(on_both_databases)]
async fn a_quiet_scan_asks_for_nothing_but_each_page_once(database: Database) {
    let app = App::synced(database, 250).await;
    next_period(&app).await;
    assert_eq!(pages_asked(&app, "contacts/search"), [1, 2, 3]);
    assert_eq!(
        app.apollo.ledger().len(),
        3 + 4,
        "users, mailboxes, sequences and accounts have one page"
    );
    assert_eq!(
        texts(&app.database, "SELECT record_id FROM missing_records")
            .await
            .len(),
        0
    );
}

#[apply(on_both_databases)]
async fn a_live_contact_that_a_disturbed_scan_missed_stays(database: Database) {
    let app = App::synced(database, 250).await;
    let ids = contact_ids(&app);
    let (gone, missed) = (ids[5].clone(), ids[200].clone());
    let deleted = gone.clone();
    before_page(&app, 3, move |team| team.delete_contact(&deleted).unwrap());
    next_period(&app).await;
    assert_eq!(
        lookups(&app),
        [missed.as_str()],
        "the deleted one was seen on page 1"
    );
    assert_covered(&app, "contact", "drifted", (249, Some(249)), "went down").await;
    let run = run_of(&app, "contact").await;
    assert_eq!(
        (&run["records_deleted"], &run["records_missing"]),
        (&json!(0), &json!(0))
    );
    assert_eq!(row(&app, "contacts", &missed).await["is_deleted"], false);
    assert_eq!(
        happened_to(&app, "contact", &missed).await,
        ["missing", "seen_again"]
    );
    for state in state_ids_of(&app, &missed) {
        assert_eq!(
            row(&app, "sequence_states", &state).await["is_deleted"],
            false
        );
    }
    next_period(&app).await;
    assert_eq!(lookups(&app), [gone.as_str()]);
    assert_eq!(row(&app, "contacts", &gone).await["is_deleted"], true);
    assert_eq!(row(&app, "contacts", &missed).await["is_deleted"], false);
}

#[apply(on_both_databases)]
async fn a_scan_that_seemed_complete_is_drifted_when_what_it_missed_is_there(database: Database) {
    let app = App::synced(database, 250).await;
    let id = contact_ids(&app)[70].clone();
    let (hidden, shown) = (id.clone(), id.clone());
    before_page(&app, 1, move |team| team.hide_contact(&hidden).unwrap());
    app.apollo.on_request(move |asked, team| {
        if asked.action == "contacts/show" {
            team.show_contact(&shown).unwrap();
        }
    });
    next_period(&app).await;
    assert_covered(
        &app,
        "contact",
        "drifted",
        (249, Some(249)),
        "scan did not see",
    )
    .await;
    assert_eq!(run_of(&app, "contact").await["records_missing"], 0);
    assert_eq!(row(&app, "contacts", &id).await["is_deleted"], false);
}

#[apply(on_both_databases)]
async fn a_contact_that_the_key_may_not_see_is_never_deleted(database: Database) {
    let app = App::synced(database, 250).await;
    let id = with_states(&app, &contact_ids(&app))[40].clone();
    app.apollo.edit(0, |team| team.hide_contact(&id).unwrap());
    for _ in 0..4 {
        next_period(&app).await;
        assert_eq!(lookups(&app), [id.as_str()], "each run asks once");
        assert_covered(&app, "contact", "complete", (249, Some(249)), "was read").await;
        let run = run_of(&app, "contact").await;
        assert_eq!(
            (&run["records_deleted"], &run["records_missing"]),
            (&json!(0), &json!(1))
        );
    }
    assert_eq!(row(&app, "contacts", &id).await["is_deleted"], false);
    let states = state_ids_of(&app, &id);
    assert_eq!(
        are_deleted(&app, "sequence_states", &states).await,
        vec![false; states.len()]
    );
    assert_eq!(
        provenance(&app, "contact", &id).await["missing_since"],
        "2026-03-01T09:00:00.000Z"
    );
    app.apollo.edit(0, |team| team.show_contact(&id).unwrap());
    next_period(&app).await;
    assert!(lookups(&app).is_empty());
    assert_eq!(run_of(&app, "contact").await["records_missing"], 0);
    assert_eq!(
        happened_to(&app, "contact", &id).await,
        ["missing", "seen_again"]
    );
}

#[apply(on_both_databases)]
async fn what_could_not_be_asked_about_is_deleted_after_the_second_complete_scan(
    database: Database,
) {
    let app = App::synced(database, 600).await;
    pause(&app, &OTHERS).await;
    let engine = engine_with_lookups(&app, 100);
    let gone = contact_ids(&app)[60..300].to_vec();
    delete_contacts(&app, &gone);
    next_period_of(&app, &engine).await;
    assert_eq!(lookups(&app).len(), 100);
    let run = run_of(&app, "contact").await;
    assert_eq!(
        (&run["records_deleted"], &run["records_missing"]),
        (&json!(100), &json!(140))
    );
    assert_eq!(event_of(&app, &run).await["records_missing"], 140);
    let asked = lookups(&app);
    next_period_of(&app, &engine).await;
    assert_eq!(lookups(&app).len(), 100);
    assert!(
        lookups(&app).iter().all(|id| !asked.contains(id)),
        "nobody is asked about twice"
    );
    let run = run_of(&app, "contact").await;
    assert_eq!(
        (&run["records_deleted"], &run["records_missing"]),
        (&json!(140), &json!(0))
    );
    assert_eq!(are_deleted(&app, "contacts", &gone).await, [true; 240]);
}

#[apply(on_both_databases)]
async fn a_few_answers_do_not_speak_for_those_that_were_not_asked_about(database: Database) {
    let app = App::synced(database, 250).await;
    let engine = engine_with_lookups(&app, 5);
    let ids = contact_ids(&app);
    delete_contacts(&app, &ids[60..65]);
    next_period_of(&app, &engine).await;
    app.apollo.edit(0, |team| {
        for id in &ids[70..73] {
            team.hide_contact(id).unwrap();
        }
    });
    delete_contacts(&app, &ids[50..60]);
    for _ in 0..4 {
        next_period_of(&app, &engine).await;
        assert_eq!(
            run_of(&app, "contact").await["coverage"]["verdict"],
            "complete"
        );
    }
    assert_eq!(
        are_deleted(&app, "contacts", &ids[50..65]).await,
        [true; 15]
    );
    assert_eq!(
        are_deleted(&app, "contacts", &ids[70..73]).await,
        [false; 3]
    );
}

#[apply(on_both_databases)]
async fn on_an_account_that_is_never_quiet_a_contact_stays_until_it_was_asked_about(
    database: Database,
) {
    let app = App::synced(database, 250).await;
    let engine = engine_with_lookups(&app, 5);
    let gone = contact_ids(&app)[60..72].to_vec();
    delete_contacts(&app, &gone);
    app.apollo.faults().push(
        Fault::new(
            Match::path("contacts/search").page(3),
            Action::record_without_id(),
        )
        .always(),
    );
    for (deleted, missing) in [(5, 7), (5, 2), (2, 0)] {
        next_period_of(&app, &engine).await;
        let run = run_of(&app, "contact").await;
        assert_eq!(run["coverage"]["verdict"], "drifted");
        assert_eq!(
            (&run["records_deleted"], &run["records_missing"]),
            (&json!(deleted), &json!(missing))
        );
    }
    assert_eq!(are_deleted(&app, "contacts", &gone).await, [true; 12]);
}

#[apply(on_both_databases)]
async fn a_contact_that_comes_back_is_restored_with_its_states(database: Database) {
    let app = App::synced(database, 250).await;
    let id = with_states(&app, &contact_ids(&app))[40].clone();
    let states = state_ids_of(&app, &id);
    delete_contacts(&app, std::slice::from_ref(&id));
    next_period(&app).await;
    let now = app.now();
    app.apollo
        .edit(0, |team| team.undelete_contact(now, &id).unwrap());
    next_period(&app).await;
    let restored = row(&app, "contacts", &id).await;
    assert_eq!(
        (&restored["is_deleted"], &restored["deleted_at"]),
        (&json!(false), &json!(null))
    );
    let stamp = restored["last_modified_at"].as_str().unwrap();
    assert!(stamp.starts_with("2026-03-01T10:00:00.0"), "{stamp}");
    assert_eq!(
        are_deleted(&app, "sequence_states", &states).await,
        vec![false; states.len()]
    );
    assert_eq!(
        happened_to(&app, "contact", &id).await,
        ["missing", "deleted", "restored"]
    );
    for state in &states {
        assert_eq!(
            happened_to(&app, "sequence_state", state).await,
            ["missing", "deleted", "restored"]
        );
    }
    let changed = app
        .all_records("contacts?modified_after=2026-03-01T09:30:00Z")
        .await;
    assert_eq!(changed, [restored]);
}

#[apply(on_both_databases)]
async fn a_deleted_account_goes_the_same_way(database: Database) {
    let app = App::synced(database, 250).await;
    let id = app.apollo.read(0, |team| team.account_ids()[7].clone());
    app.apollo.edit(0, |team| team.delete_account(&id).unwrap());
    next_period(&app).await;
    assert_eq!(row(&app, "accounts", &id).await["is_deleted"], true);
    assert_eq!(run_of(&app, "account").await["records_deleted"], 1);
    assert_eq!(
        happened_to(&app, "account", &id).await,
        ["missing", "deleted"]
    );
}

#[apply(on_both_databases)]
async fn a_capped_run_deletes_nothing_and_misses_nothing(database: Database) {
    let mut app = App::synced(database, 350).await;
    let gone = contact_ids(&app)[60..63].to_vec();
    delete_contacts(&app, &gone);
    app.limit(per_object(200));
    next_period(&app).await;
    nothing_is_concluded(&app, "capped", &gone).await;
}

#[apply(on_both_databases)]
async fn an_interrupted_run_deletes_nothing_and_misses_nothing(database: Database) {
    let app = App::synced(database, 350).await;
    let gone = contact_ids(&app)[60..63].to_vec();
    delete_contacts(&app, &gone);
    app.apollo.faults().push(
        Fault::new(
            Match::path("contacts/search").page(4),
            Action::unavailable(),
        )
        .always(),
    );
    next_period(&app).await;
    nothing_is_concluded(&app, "interrupted", &gone).await;
}

#[apply(on_both_databases)]
async fn a_malformed_contact_counts_as_seen_and_keeps_its_states(database: Database) {
    let app = App::synced(database, 80).await;
    let id = with_states(&app, &contact_ids(&app))[10].clone();
    answer_with_a_malformed(&app, &id);
    next_period(&app).await;
    let run = run_of(&app, "contact").await;
    assert_eq!(
        (&run["records_rejected"], &run["records_missing"]),
        (&json!(1), &json!(0))
    );
    assert_covered(&app, "contact", "complete", (80, Some(80)), "was read").await;
    assert!(lookups(&app).is_empty());
    assert_eq!(row(&app, "contacts", &id).await["is_deleted"], false);
    let states = state_ids_of(&app, &id);
    assert_eq!(
        are_deleted(&app, "sequence_states", &states).await,
        vec![false; states.len()]
    );
}

#[apply(on_both_databases)]
async fn two_complete_scans_in_a_row_have_no_disturbed_one_between_them(database: Database) {
    let app = App::with_contacts(database, 250).await;
    app.connect(CUSTOMER, SCOPED_KEY).await;
    app.work_off().await;
    let gone = contact_ids(&app)[60].clone();
    delete_contacts(&app, std::slice::from_ref(&gone));
    for (disturbed, deleted) in [(false, 0), (true, 0), (false, 0), (false, 1)] {
        if disturbed {
            app.apollo.faults().push(Fault::new(
                Match::path("contacts/search").page(3),
                Action::record_without_id(),
            ));
        }
        next_period(&app).await;
        let run = run_of(&app, "contact").await;
        assert_eq!(run["coverage"]["verdict"] == "drifted", disturbed, "{run}");
        assert_eq!(run["records_deleted"], deleted, "{run}");
    }
}

/// The newest run of the contacts has this verdict, and deleted nothing because of it.
async fn nothing_is_concluded(app: &App, verdict: &str, gone: &[String]) {
    for object in ["contact", "sequence_state"] {
        let run = run_of(app, object).await;
        assert_eq!(run["coverage"]["verdict"], verdict, "{run}");
        for counter in ["records_deleted", "records_missing", "deletes_held"] {
            assert_eq!(run[counter], 0, "{counter} of {run}");
        }
    }
    assert!(lookups(app).is_empty());
    assert_eq!(
        are_deleted(app, "contacts", gone).await,
        vec![false; gone.len()]
    );
    assert!(happened_to(app, "contact", &gone[0]).await.is_empty());
}

/// Apollo's next page of contacts is its real first page, except that one contact is malformed.
fn answer_with_a_malformed(app: &App, id: &str) {
    let ask = json!({"page": 1, "per_page": 100, "sort_by_field": "contact_created_at",
        "sort_ascending": true});
    let request = SimRequest::post("/api/v1/contacts/search", &ask).key(MASTER_KEY);
    let mut page: Value = app.apollo.respond(app.now(), &request).json();
    let contacts = page["contacts"].as_array_mut().unwrap();
    let malformed = contacts
        .iter_mut()
        .find(|contact| contact["id"] == id)
        .unwrap();
    // Nested deeper than anything that can be stored.
    malformed["deep"] = (0..1100).fold(json!(null), |deep, _| json!([deep]));
    app.apollo.faults().push(Fault::new(
        Match::path("contacts/search"),
        Action::Answer {
            status: 200,
            content_type: "application/json".into(),
            body: page.to_string(),
        },
    ));
}
