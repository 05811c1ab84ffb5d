//! By-id reads of contacts that scans no longer see: how many, when, and what their answers prove.

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use serde_json::json;
use syncline_sim::{Action, Fault, Gate, Match, Window};

use super::evidence::{
    OTHERS, PERIOD, are_deleted, before_page, contact_ids, delete_contacts, engine_with_lookups,
    event_of, history, lookups, next_period, next_period_of, pages_asked, pause, row, run_of,
};
use crate::support::{
    App, CONTACTS, CUSTOMER, Database, MASTER_KEY, SCOPED_KEY, on_both_databases, per_hour,
};

#[apply(on_both_databases)]
async fn an_answer_about_another_record_settles_nothing_and_two_complete_scans_do(
    database: Database,
) {
    let app = App::synced(database, 250).await;
    let [merged, redirected, other] = [3, 7, 11].map(|n| contact_ids(&app)[n].clone());
    let gone = [merged.clone(), redirected.clone()];
    delete_contacts(&app, &gone);
    let another = json!({"contact": {"id": other, "first_name": "Another"}}).to_string();
    for (id, status, body) in [(&merged, 200, another), (&redirected, 301, String::new())] {
        let answer = Action::Answer {
            status,
            content_type: "application/json".into(),
            body,
        };
        app.apollo
            .faults()
            .push(Fault::new(Match::path(&format!("contacts/{id}")), answer).always());
    }
    for (scan, is_deleted) in [(1, false), (2, true)] {
        next_period(&app).await;
        let run = run_of(&app, "contact").await;
        assert_eq!(run["coverage"]["verdict"], "complete", "{run}");
        assert_eq!(
            are_deleted(&app, "contacts", &gone).await,
            [is_deleted; 2],
            "scan {scan}"
        );
        assert_eq!(run["records_missing"], if is_deleted { 0 } else { 2 });
    }
    let live = app.get(&format!("/engagement/v2/contacts/{merged}")).await;
    assert_eq!(live.status, 404, "{}", live.body);
}

#[apply(on_both_databases)]
async fn a_by_id_read_counts_what_it_brought(database: Database) {
    let app = App::synced(database, 250).await;
    pause(&app, &OTHERS).await;
    let ids = contact_ids(&app);
    // One is gone already, so the one that moves from page 3 to page 2 is the one after it.
    let (gone, missed) = (ids[5].clone(), ids[201].clone());
    delete_contacts(&app, &[ids[7].clone()]);
    before_page(&app, 3, move |team| team.delete_contact(&gone).unwrap());
    app.clock.advance(TimeDelta::hours(2));
    next_period(&app).await;
    assert_eq!(lookups(&app), [ids[7].as_str(), missed.as_str()]);
    // One of them is gone and returns no record.
    assert_eq!(app.records_this_hour().await, 248 + 1);
    assert_eq!(app.apollo.ledger().max_records_in(0, PERIOD), 248 + 1);
}

#[apply(on_both_databases)]
async fn by_id_reads_wait_for_the_budget_and_go_on(database: Database) {
    let mut app = App::with_contacts(database, 230).await;
    app.sync_only(CONTACTS).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    delete_contacts(&app, &contact_ids(&app)[60..90]);
    app.limit(per_hour(200));
    app.trigger("contact").await;
    app.trigger("sequence_state").await;
    app.clock.advance(TimeDelta::hours(2));
    next_period(&app).await;
    let run = run_of(&app, "contact").await;
    assert_eq!(
        (&run["state"], &run["waiting_reason"]),
        (&json!("waiting"), &json!("records_per_hour"))
    );
    assert_eq!(pages_asked(&app, "contacts/search"), [1, 2]);
    app.after(TimeDelta::minutes(59)).await;
    assert!(lookups(&app).is_empty());
    app.after(TimeDelta::minutes(3)).await;
    assert_eq!(
        pages_asked(&app, "contacts/search"),
        [1, 2],
        "no page is read again"
    );
    assert_eq!(lookups(&app).len(), 30);
    let ended = run_of(&app, "contact").await;
    assert_eq!(
        (&ended["id"], &ended["state"]),
        (&run["id"], &json!("succeeded"))
    );
    assert_eq!(
        (&ended["records_deleted"], &ended["requests_made"]),
        (&json!(30), &json!(32))
    );
    assert_eq!(ended["coverage"]["verdict"], "complete");
}

#[apply(on_both_databases)]
async fn by_id_reads_wait_for_apollo_and_go_on(database: Database) {
    let app = App::synced(database, 250).await;
    pause(&app, &OTHERS).await;
    let gone = contact_ids(&app)[60..64].to_vec();
    delete_contacts(&app, &gone);
    let by_id = Match::path("/contacts/").method(reqwest::Method::GET);
    app.apollo.faults().push(Fault::new(
        by_id.nth(3),
        Action::RateLimited {
            window: Window::Minute,
            retry_after: Some(40),
        },
    ));
    next_period(&app).await;
    let run = run_of(&app, "contact").await;
    assert_eq!(
        (&run["state"], &run["waiting_reason"]),
        (&json!("waiting"), &json!("provider_rate_limit"))
    );
    assert_eq!(run["waiting_until"], "2026-03-01T09:00:40.000Z");
    assert_eq!(lookups(&app).len(), 3);
    app.after(TimeDelta::seconds(40)).await;
    assert_eq!(pages_asked(&app, "contacts/search"), [1, 2, 3]);
    assert_eq!(lookups(&app).len(), 5, "one of them twice");
    assert_eq!(run_of(&app, "contact").await["records_deleted"], 4);
}

#[apply(on_both_databases)]
async fn what_is_proven_is_deleted_before_its_run_waits_so_that_the_proof_is_fresh(
    database: Database,
) {
    let app = App::synced(database, 250).await;
    pause(&app, &OTHERS).await;
    let gone = contact_ids(&app)[60..64].to_vec();
    delete_contacts(&app, &gone);
    app.apollo.faults().push(rate_limited_for_half_an_hour(3));
    next_period(&app).await;
    let asked = lookups(&app)[..2].to_vec();
    let run = run_of(&app, "contact").await;
    assert_eq!(
        (&run["state"], &run["records_deleted"]),
        (&json!("waiting"), &json!(2))
    );
    for id in &gone {
        assert_eq!(
            row(&app, "contacts", id).await["is_deleted"],
            asked.contains(id),
            "{id}"
        );
    }
    app.after(TimeDelta::minutes(30)).await;
    let run = run_of(&app, "contact").await;
    assert_eq!(
        (&run["state"], &run["records_deleted"]),
        (&json!("succeeded"), &json!(4))
    );
    assert_eq!(
        (&run["records_missing"], lookups(&app).len()),
        (&json!(0), 5)
    );
    assert_eq!(event_of(&app, &run).await["records_deleted"], 4);
    assert_eq!(are_deleted(&app, "contacts", &gone).await, [true; 4]);
}

#[apply(on_both_databases)]
async fn what_apollo_said_during_a_failed_run_deletes_nothing_in_the_next(database: Database) {
    let app = App::synced(database, 250).await;
    let ids = contact_ids(&app);
    delete_contacts(&app, &[ids[100].clone(), ids[180].clone()]);
    let by_id = Match::path("/contacts/").method(reqwest::Method::GET);
    app.apollo
        .faults()
        .push(Fault::new(by_id.nth(2), Action::KeyRevoked));
    next_period(&app).await;
    assert_eq!(run_of(&app, "contact").await["status"], "FAILURE");
    assert_eq!(lookups(&app).len(), 2);
    // Both come back, and a deletion on page 1 makes the scan miss one of them.
    let now = app.now();
    app.apollo.edit(0, |team| {
        team.undelete_contact(now, &ids[100]).unwrap();
        team.undelete_contact(now, &ids[180]).unwrap();
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
async fn a_contact_that_comes_back_while_its_run_waits_is_live_after_the_next(database: Database) {
    let app = App::synced(database, 250).await;
    pause(&app, &OTHERS).await;
    let gone = contact_ids(&app)[60..62].to_vec();
    delete_contacts(&app, &gone);
    app.apollo.faults().push(rate_limited_for_half_an_hour(2));
    next_period(&app).await;
    let asked = lookups(&app)[0].clone();
    let now = app.now();
    app.apollo
        .edit(0, |team| team.undelete_contact(now, &asked).unwrap());
    app.after(TimeDelta::minutes(30)).await;
    assert_eq!(run_of(&app, "contact").await["state"], "succeeded");
    next_period(&app).await;
    for id in &gone {
        assert_eq!(
            row(&app, "contacts", id).await["is_deleted"],
            *id != asked,
            "{id}"
        );
    }
}

#[apply(on_both_databases)]
async fn what_apollo_said_before_a_long_standstill_deletes_nothing_after_it(database: Database) {
    let standstill = HeldUp::after(database, PERIOD).await;
    standstill.gate.open();
    standstill.asked_contact_alone_is_live().await;
}

#[apply(on_both_databases)]
async fn what_apollo_said_while_the_clock_was_ahead_deletes_nothing_once_it_is_right(
    database: Database,
) {
    let ahead = TimeDelta::days(2);
    let held_up = HeldUp::after(database, PERIOD + ahead).await;
    held_up.app.clock.advance(-ahead);
    held_up.gate.open();
    held_up.app.work_off().await;
    held_up.asked_contact_alone_is_live().await;
}

#[apply(on_both_databases)]
async fn a_run_makes_at_most_two_hundred_by_id_reads(database: Database) {
    let app = App::synced(database, 600).await;
    let gone = contact_ids(&app)[60..280].to_vec();
    delete_contacts(&app, &gone);
    next_period(&app).await;
    assert_eq!(lookups(&app).len(), 200);
    let run = run_of(&app, "contact").await;
    assert_eq!(
        (&run["records_deleted"], &run["records_missing"]),
        (&json!(200), &json!(20))
    );
    next_period(&app).await;
    assert_eq!(run_of(&app, "contact").await["records_deleted"], 20);
}

#[apply(on_both_databases)]
async fn hidden_contacts_do_not_keep_others_from_being_asked_about(database: Database) {
    let app = App::synced(database, 250).await;
    let engine = engine_with_lookups(&app, 5);
    let ids = contact_ids(&app);
    app.apollo.edit(0, |team| {
        for id in &ids[60..65] {
            team.hide_contact(id).unwrap();
        }
    });
    next_period_of(&app, &engine).await;
    delete_contacts(&app, &ids[200..201]);
    next_period_of(&app, &engine).await;
    assert_eq!(lookups(&app).len(), 5);
    assert_eq!(row(&app, "contacts", &ids[200]).await["is_deleted"], true);
    assert_eq!(
        are_deleted(&app, "contacts", &ids[60..65]).await,
        [false; 5]
    );
}

#[apply(on_both_databases)]
async fn a_key_that_may_not_read_by_id_deletes_after_two_complete_scans(database: Database) {
    let app = App::with_contacts(database, 250).await;
    app.connect(CUSTOMER, SCOPED_KEY).await;
    app.work_off().await;
    let gone = contact_ids(&app)[60..63].to_vec();
    delete_contacts(&app, &gone);
    for (deleted, missing) in [(0, 3), (3, 0)] {
        next_period(&app).await;
        let run = run_of(&app, "contact").await;
        assert_eq!(run["status"], "SUCCESS", "{run}");
        assert_eq!(
            (&run["records_deleted"], &run["records_missing"]),
            (&json!(deleted), &json!(missing))
        );
        assert_eq!(lookups(&app).len(), 1, "one 403 is enough");
    }
    let sync = app
        .get("/mgmt/v2/syncs?object_type=common&object=contact")
        .await
        .ok();
    assert_eq!(sync["results"][0]["paused"], false);
    let (_, reason) = history(&app, "contact", &gone[0]).await.pop().unwrap();
    assert_eq!(reason, "two complete scans in a row did not see it");
}

#[apply(on_both_databases)]
async fn by_id_reads_that_keep_failing_end_the_run_with_the_rows_missing(database: Database) {
    let app = App::synced(database, 250).await;
    let gone = contact_ids(&app)[60..63].to_vec();
    delete_contacts(&app, &gone);
    app.apollo.faults().push(
        Fault::new(
            Match::path("/contacts/").method(reqwest::Method::GET),
            Action::server_error(),
        )
        .always(),
    );
    next_period(&app).await;
    let run = run_of(&app, "contact").await;
    assert_eq!(
        (&run["status"], &run["records_missing"]),
        (&json!("SUCCESS"), &json!(3)),
        "{run}"
    );
    assert_eq!(lookups(&app).len(), 6, "one of them, tried six times");
    assert_eq!(run["requests_made"], 3 + 6);
    assert_eq!(are_deleted(&app, "contacts", &gone).await, [false; 3]);
    app.apollo.faults().clear();
    next_period(&app).await;
    assert_eq!(run_of(&app, "contact").await["records_deleted"], 3);
    assert_eq!(are_deleted(&app, "contacts", &gone).await, [true; 3]);
}

#[apply(on_both_databases)]
async fn a_by_id_read_that_says_nothing_of_its_contact_leaves_that_one_missing_and_no_other(
    database: Database,
) {
    let app = App::synced(database, 250).await;
    pause(&app, &OTHERS).await;
    let gone = contact_ids(&app)[60..63].to_vec();
    delete_contacts(&app, &gone);
    let by_id = Match::path("/contacts/").method(reqwest::Method::GET);
    app.apollo
        .faults()
        .push(Fault::new(by_id.nth(2), Action::InvalidResponse));
    next_period(&app).await;
    assert_eq!(lookups(&app).len(), 3);
    let unclear = lookups(&app)[1].clone();
    let run = run_of(&app, "contact").await;
    assert_eq!(
        (&run["records_deleted"], &run["records_missing"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(row(&app, "contacts", &unclear).await["is_deleted"], false);
    next_period(&app).await;
    assert_eq!(lookups(&app), [unclear.as_str()]);
    assert_eq!(are_deleted(&app, "contacts", &gone).await, [true; 3]);
}

#[apply(on_both_databases)]
async fn hidden_contacts_stay_where_apollo_fails_when_asked_about_them(database: Database) {
    hidden_contacts_stay(database, Action::server_error()).await;
}

#[apply(on_both_databases)]
async fn hidden_contacts_stay_where_apollos_answers_say_nothing_of_them(database: Database) {
    hidden_contacts_stay(database, Action::InvalidResponse).await;
}

#[apply(on_both_databases)]
async fn hidden_contacts_stay_where_apollo_forbids_asking_about_them_only_now_and_then(
    database: Database,
) {
    let app = App::synced(database, 250).await;
    let hidden = contact_ids(&app)[60..63].to_vec();
    app.apollo.edit(0, |team| {
        for id in &hidden {
            team.hide_contact(id).unwrap();
        }
    });
    let by_id = || Match::path("/contacts/").method(reqwest::Method::GET);
    for answer in [
        Action::server_error(),
        Action::forbidden(),
        Action::InvalidResponse,
        Action::forbidden(),
    ] {
        app.apollo.faults().clear();
        app.apollo
            .faults()
            .push(Fault::new(by_id(), answer).always());
        next_period(&app).await;
        let run = run_of(&app, "contact").await;
        assert_eq!(run["coverage"]["verdict"], "complete");
        assert_eq!(are_deleted(&app, "contacts", &hidden).await, [false; 3]);
    }
}

#[apply(on_both_databases)]
async fn answers_that_say_nothing_do_not_speak_for_contacts_that_were_not_asked_about(
    database: Database,
) {
    let app = App::synced(database, 600).await;
    pause(&app, &OTHERS).await;
    let engine = engine_with_lookups(&app, 100);
    let hidden = contact_ids(&app)[60..290].to_vec();
    app.apollo.edit(0, |team| {
        for id in &hidden {
            team.hide_contact(id).unwrap();
        }
    });
    let by_id = Match::path("/contacts/").method(reqwest::Method::GET);
    app.apollo
        .faults()
        .push(Fault::new(by_id, Action::InvalidResponse).always());
    for _ in 0..3 {
        next_period_of(&app, &engine).await;
        let run = run_of(&app, "contact").await;
        assert_eq!(run["coverage"]["verdict"], "complete");
        assert_eq!(
            (&run["records_deleted"], &run["records_missing"]),
            (&json!(0), &json!(230))
        );
    }
    assert_eq!(
        are_deleted(&app, "contacts", &hidden).await,
        vec![false; 230]
    );
}

#[apply(on_both_databases)]
async fn a_crash_between_by_id_reads_repeats_at_most_one(database: Database) {
    let app = App::synced(database, 250).await;
    let gone = contact_ids(&app)[60..64].to_vec();
    delete_contacts(&app, &gone);
    let by_id = Match::path("/contacts/").method(reqwest::Method::GET);
    let gate = app.apollo.gate(by_id.nth(3));
    app.apollo.ledger().reset();
    tokio::select! {
        () = app.after(PERIOD) => panic!("the third read was held back"),
        () = gate.arrived(1) => {}
    }
    assert_eq!(run_of(&app, "contact").await["state"], "running");
    gate.open();
    app.after(TimeDelta::seconds(31)).await;
    let run = run_of(&app, "contact").await;
    assert_eq!(
        (&run["state"], &run["records_deleted"]),
        (&json!("succeeded"), &json!(4))
    );
    assert_eq!(pages_asked(&app, "contacts/search"), [1, 2, 3]);
    let mut asked = lookups(&app);
    assert!((4..=5).contains(&asked.len()), "{asked:?}");
    asked.sort_unstable();
    asked.dedup();
    assert_eq!(asked.len(), 4);
}

/// Two contacts are missing. Apollo has said that the first one is gone, and has not answered about
/// the second one yet. The first one then comes back.
struct HeldUp {
    app: App,
    gate: Gate,
    gone: Vec<String>,
    asked: String,
}

impl HeldUp {
    async fn after(database: Database, time: TimeDelta) -> Self {
        let app = App::synced(database, 250).await;
        pause(&app, &OTHERS).await;
        let gone = contact_ids(&app)[60..62].to_vec();
        delete_contacts(&app, &gone);
        let by_id = Match::path("/contacts/").method(reqwest::Method::GET);
        let gate = app.apollo.gate(by_id.nth(2));
        app.apollo.ledger().reset();
        tokio::select! {
            () = app.after(time) => panic!("the second read was held back"),
            () = gate.arrived(1) => {}
        }
        let asked = lookups(&app)[0].clone();
        let now = app.now();
        app.apollo
            .edit(0, |team| team.undelete_contact(now, &asked).unwrap());
        Self {
            app,
            gate,
            gone,
            asked,
        }
    }

    async fn asked_contact_alone_is_live(&self) {
        self.app.after(TimeDelta::minutes(30)).await;
        let run = run_of(&self.app, "contact").await;
        let found = (&run["state"], &run["records_missing"]);
        assert_eq!(found, (&json!("succeeded"), &json!(1)));
        for id in &self.gone {
            let is_deleted = row(&self.app, "contacts", id).await["is_deleted"] == true;
            assert_eq!(is_deleted, *id != self.asked, "{id}");
        }
    }
}

/// Hidden contacts stay live if Apollo answers each by-id read like this.
async fn hidden_contacts_stay(database: Database, answer: Action) {
    let app = App::synced(database, 250).await;
    let hidden = contact_ids(&app)[60..63].to_vec();
    app.apollo.edit(0, |team| {
        for id in &hidden {
            team.hide_contact(id).unwrap();
        }
    });
    let by_id = Match::path("/contacts/").method(reqwest::Method::GET);
    app.apollo.faults().push(Fault::new(by_id, answer).always());
    for _ in 0..3 {
        next_period(&app).await;
        let run = run_of(&app, "contact").await;
        assert_eq!(run["coverage"]["verdict"], "complete");
        let counted = (&run["records_deleted"], &run["records_missing"]);
        assert_eq!(counted, (&json!(0), &json!(3)));
    }
    assert_eq!(are_deleted(&app, "contacts", &hidden).await, [false; 3]);
}

/// The by-id read with this number, counted from one, gets the hourly rate limit.
fn rate_limited_for_half_an_hour(nth: u64) -> Fault {
    let by_id = Match::path("/contacts/").method(reqwest::Method::GET);
    let action = Action::RateLimited {
        window: Window::Hour,
        retry_after: Some(1800),
    };
    Fault::new(by_id.nth(nth), action)
}
