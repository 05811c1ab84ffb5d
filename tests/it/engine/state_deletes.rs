//! A sequence state is gone when its contact was read without it, or when the contact is gone.

use macro_rules_attribute::apply;
use serde_json::json;

use super::evidence::{
    are_deleted, before_page, contact_ids, delete_contacts, history, lookups, next_period, pause,
    resume, row, run_of, state_ids_of, with_states,
};
use crate::support::{App, CUSTOMER, MASTER_KEY, SCOPED_KEY, on_both_databases};

#[apply(on_both_databases)]
async fn a_state_is_gone_as_soon_as_its_contact_is_read_without_it(database: Database) {
    let app = App::synced(database, 250).await;
    let contact = with_states(&app, &contact_ids(&app))[40].clone();
    let state = unenrol(&app, &contact);
    next_period(&app).await;
    assert!(lookups(&app).is_empty());
    assert_eq!(
        row(&app, "sequence_states", &state).await["is_deleted"],
        true
    );
    assert_eq!(row(&app, "contacts", &contact).await["is_deleted"], false);
    let run = run_of(&app, "sequence_state").await;
    assert_eq!(
        (&run["records_deleted"], &run["records_missing"]),
        (&json!(1), &json!(0))
    );
    let (event, reason) = history(&app, "sequence_state", &state).await.pop().unwrap();
    assert_eq!(event, "deleted");
    assert_eq!(reason, "its contact was read without it");
}

#[apply(on_both_databases)]
async fn a_state_is_gone_even_where_the_scan_was_disturbed(database: Database) {
    let app = App::synced(database, 250).await;
    let ids = contact_ids(&app);
    let state = unenrol(&app, &with_states(&app, &ids)[20]);
    let gone = ids[150].clone();
    before_page(&app, 3, move |team| team.delete_contact(&gone).unwrap());
    next_period(&app).await;
    let run = run_of(&app, "sequence_state").await;
    assert_eq!(run["coverage"]["verdict"], "drifted");
    assert_eq!(run["records_deleted"], 1, "{run}");
    assert_eq!(
        row(&app, "sequence_states", &state).await["is_deleted"],
        true
    );
}

#[apply(on_both_databases)]
async fn a_state_whose_contact_was_not_read_stays(database: Database) {
    let app = App::synced(database, 250).await;
    let contact = with_states(&app, &contact_ids(&app))[40].clone();
    let states = state_ids_of(&app, &contact);
    app.apollo
        .edit(0, |team| team.hide_contact(&contact).unwrap());
    for _ in 0..3 {
        next_period(&app).await;
        let run = run_of(&app, "sequence_state").await;
        assert_eq!(
            (&run["records_deleted"], &run["records_missing"]),
            (&json!(0), &json!(states.len()))
        );
    }
    assert_eq!(
        are_deleted(&app, "sequence_states", &states).await,
        vec![false; states.len()]
    );
}

#[apply(on_both_databases)]
async fn a_state_that_comes_back_is_restored(database: Database) {
    let app = App::synced(database, 250).await;
    let contact = with_states(&app, &contact_ids(&app))[40].clone();
    let (_, sequence) = first_state_of(&app, &contact);
    unenrol(&app, &contact);
    next_period(&app).await;
    let now = app.now();
    app.apollo
        .edit(0, |team| team.enrol(now, &contact, &sequence).unwrap());
    next_period(&app).await;
    let live = app.all_records("sequence_states").await;
    let back = live
        .iter()
        .filter(|state| state["contact_id"] == contact.as_str());
    assert!(
        back.into_iter()
            .any(|state| state["sequence_id"] == sequence.as_str())
    );
}

#[apply(on_both_databases)]
async fn states_go_with_their_contact_whichever_of_the_two_syncs_began_the_scan(
    database: Database,
) {
    let app = App::synced(database, 250).await;
    pause(&app, &["contact"]).await;
    let contact = with_states(&app, &contact_ids(&app))[40].clone();
    let states = state_ids_of(&app, &contact);
    delete_contacts(&app, std::slice::from_ref(&contact));
    // The states' run leads the scan, and the contacts' run joins it.
    app.trigger("sequence_state").await;
    app.engine.tick().await.unwrap();
    app.trigger("contact").await;
    app.work_off().await;
    assert_eq!(run_of(&app, "contact").await["records_deleted"], 1);
    assert_eq!(
        run_of(&app, "sequence_state").await["records_deleted"],
        states.len()
    );
    assert_eq!(
        are_deleted(&app, "sequence_states", &states).await,
        vec![true; states.len()]
    );
}

#[apply(on_both_databases)]
async fn states_that_are_read_alone_go_when_their_contact_is_gone_by_its_id(database: Database) {
    let app = App::with_contacts(database, 250).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    pause(&app, &["contact"]).await;
    app.work_off().await;
    let contact = with_states(&app, &contact_ids(&app))[40].clone();
    let states = state_ids_of(&app, &contact);
    delete_contacts(&app, std::slice::from_ref(&contact));
    next_period(&app).await;
    assert_eq!(
        lookups(&app),
        [contact.as_str()],
        "once for all of its states"
    );
    let run = run_of(&app, "sequence_state").await;
    assert_eq!(run["coverage"]["verdict"], "complete");
    assert_eq!(
        (&run["records_deleted"], &run["records_missing"]),
        (&json!(states.len()), &json!(0))
    );
    assert_eq!(
        are_deleted(&app, "sequence_states", &states).await,
        vec![true; states.len()]
    );
    let (event, _) = history(&app, "sequence_state", &states[0])
        .await
        .pop()
        .unwrap();
    assert_eq!(event, "deleted");
}

#[apply(on_both_databases)]
async fn states_that_are_read_alone_stay_while_their_contact_is_hidden(database: Database) {
    let app = App::with_contacts(database, 250).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    pause(&app, &["contact"]).await;
    app.work_off().await;
    let contact = with_states(&app, &contact_ids(&app))[40].clone();
    let states = state_ids_of(&app, &contact);
    app.apollo
        .edit(0, |team| team.hide_contact(&contact).unwrap());
    for _ in 0..3 {
        next_period(&app).await;
        assert_eq!(
            run_of(&app, "sequence_state").await["records_missing"],
            states.len()
        );
    }
    assert_eq!(
        are_deleted(&app, "sequence_states", &states).await,
        vec![false; states.len()]
    );
}

#[apply(on_both_databases)]
async fn states_stay_while_their_contact_is_hidden_from_the_first_scan_of_contacts(
    database: Database,
) {
    let app = App::with_contacts(database, 250).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    pause(&app, &["contact"]).await;
    app.work_off().await;
    let contact = with_states(&app, &contact_ids(&app))[40].clone();
    let states = state_ids_of(&app, &contact);
    app.apollo
        .edit(0, |team| team.hide_contact(&contact).unwrap());
    resume(&app, &["contact"]).await;
    for _ in 0..3 {
        next_period(&app).await;
        assert_eq!(lookups(&app), [contact.as_str()]);
        assert_eq!(
            run_of(&app, "sequence_state").await["records_missing"],
            states.len()
        );
    }
    assert_eq!(
        are_deleted(&app, "sequence_states", &states).await,
        vec![false; states.len()]
    );
    delete_contacts(&app, std::slice::from_ref(&contact));
    next_period(&app).await;
    assert_eq!(
        are_deleted(&app, "sequence_states", &states).await,
        vec![true; states.len()]
    );
}

#[apply(on_both_databases)]
async fn states_that_are_read_alone_stay_where_the_key_may_not_read_contacts_by_id(
    database: Database,
) {
    let app = App::with_contacts(database, 250).await;
    app.connect(CUSTOMER, SCOPED_KEY).await;
    pause(&app, &["contact"]).await;
    app.work_off().await;
    let contact = with_states(&app, &contact_ids(&app))[40].clone();
    let states = state_ids_of(&app, &contact);
    delete_contacts(&app, std::slice::from_ref(&contact));
    for _ in 0..3 {
        next_period(&app).await;
        assert_eq!(
            run_of(&app, "sequence_state").await["records_missing"],
            states.len()
        );
    }
    resume(&app, &["contact"]).await;
    for _ in 0..3 {
        next_period(&app).await;
    }
    assert_eq!(
        are_deleted(&app, "sequence_states", &states).await,
        vec![false; states.len()]
    );
}

#[apply(on_both_databases)]
async fn states_that_are_read_alone_are_not_deleted_for_disturbed_scans(database: Database) {
    let app = App::with_contacts(database, 250).await;
    let ids = contact_ids(&app);
    let sequence = app.apollo.read(0, |team| team.sequence_ids()[0].clone());
    let now = app.now();
    app.apollo
        .edit(0, |team| team.enrol(now, &ids[100], &sequence).unwrap());
    app.connect(CUSTOMER, MASTER_KEY).await;
    pause(&app, &["contact"]).await;
    app.work_off().await;
    let missed = state_ids_of(&app, &ids[100]);
    for _ in 0..3 {
        // A deletion on page 1 moves the first contact of page 2 to page 1, so the scan misses
        // it.
        let gone = ids[0].clone();
        before_page(&app, 2, move |team| team.delete_contact(&gone).unwrap());
        next_period(&app).await;
        let now = app.now();
        app.apollo
            .edit(0, |team| team.undelete_contact(now, &ids[0]).unwrap());
    }
    assert_eq!(
        are_deleted(&app, "sequence_states", &missed).await,
        vec![false; missed.len()]
    );
}

/// Removes a contact from the first of its sequences and returns the id of its state there.
fn unenrol(app: &App, contact: &str) -> String {
    let (state, sequence) = first_state_of(app, contact);
    let now = app.now();
    app.apollo
        .edit(0, |team| team.unenrol(now, contact, &sequence).unwrap());
    format!("{contact}.{state}")
}

/// The id of a contact's first state, and of the sequence.
fn first_state_of(app: &App, contact: &str) -> (String, String) {
    let states = app.apollo.read(0, syncline_sim::Team::states);
    let (_, state) = states.into_iter().find(|(id, _)| id == contact).unwrap();
    let text = |key: &str| state[key].as_str().unwrap().to_owned();
    (text("id"), text("emailer_campaign_id"))
}
