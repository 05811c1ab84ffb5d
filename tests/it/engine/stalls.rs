//! A run that makes no progress ends as stalled, never as a success.

use chrono::{DateTime, TimeDelta};
use macro_rules_attribute::apply;
use serde_json::json;
use syncline_sim::{Action, Fault, Match};

use super::evidence::{
    OTHERS, assert_covered, contact_ids, delete_contacts, event_of, lookups, next_period,
    pages_asked, pause, run_of, times_asked,
};
use crate::support::{App, CUSTOMER, MASTER_KEY, on_both_databases, per_object};

#[apply(on_both_databases)]
async fn a_page_that_stays_the_one_before_is_asked_for_three_times(database: Database) {
    let app = App::with_contacts(database, 350).await;
    app.apollo.faults().push(
        Fault::new(
            Match::path("contacts/search").page(2),
            Action::RepeatPreviousPage,
        )
        .always(),
    );
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    assert_eq!(pages_asked(&app, "contacts/search"), [1, 2, 2, 2]);
    for object in ["contact", "sequence_state"] {
        let run = run_of(&app, object).await;
        assert_eq!(
            (&run["state"], &run["status"]),
            (&json!("stalled"), &json!("FAILURE"))
        );
        assert_eq!(run["coverage"]["verdict"], "interrupted");
        assert!(
            run["error_message"].as_str().unwrap().contains("page 2"),
            "{run}"
        );
        let event = event_of(&app, &run).await;
        assert_eq!(
            (&event["result"], &event["error_message"]),
            (&json!("ERROR"), &run["error_message"])
        );
    }
    assert_eq!(run_of(&app, "contact").await["requests_made"], 4);
    assert_eq!(
        app.all_records("contacts").await.len(),
        100,
        "what was read stays"
    );
    assert_eq!(
        run_of(&app, "user").await["status"],
        "SUCCESS",
        "other objects go on"
    );
}

#[apply(on_both_databases)]
async fn every_repeated_page_counts_in_the_budget(database: Database) {
    let app = App::synced(database, 350).await;
    pause(&app, &OTHERS).await;
    app.apollo.faults().push(
        Fault::new(
            Match::path("contacts/search").page(2),
            Action::RepeatPreviousPage,
        )
        .always(),
    );
    app.clock.advance(TimeDelta::hours(2));
    next_period(&app).await;
    let run = run_of(&app, "contact").await;
    assert_eq!(run["state"], "stalled", "{run}");
    assert_eq!(app.records_this_hour().await, 400);
}

#[apply(on_both_databases)]
async fn a_page_that_comes_right_at_last_is_no_stall(database: Database) {
    let app = App::with_contacts(database, 350).await;
    app.apollo.faults().push(
        Fault::new(
            Match::path("contacts/search").page(2),
            Action::RepeatPreviousPage,
        )
        .times(2),
    );
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    assert_eq!(pages_asked(&app, "contacts/search"), [1, 2, 2, 2, 3, 4]);
    assert_covered(&app, "contact", "complete", (350, Some(350)), "was read").await;
    assert_eq!(run_of(&app, "contact").await["requests_made"], 6);
}

#[apply(on_both_databases)]
async fn a_list_that_always_shows_its_first_page_stalls_the_run(database: Database) {
    let app = App::with_contacts(database, 350).await;
    app.apollo
        .faults()
        .push(Fault::new(Match::path("contacts/search"), Action::RepeatPage(1)).always());
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    assert_eq!(pages_asked(&app, "contacts/search"), [1, 2, 2, 2]);
    assert_eq!(run_of(&app, "contact").await["state"], "stalled");
}

#[apply(on_both_databases)]
async fn a_page_that_repeats_an_earlier_one_never_makes_a_complete_run(database: Database) {
    let app = App::synced(database, 350).await;
    app.apollo.faults().push(
        Fault::new(
            Match::path("contacts/search").page(3),
            Action::RepeatPage(1),
        )
        .always(),
    );
    next_period(&app).await;
    let run = run_of(&app, "contact").await;
    assert_ne!(run["coverage"]["verdict"], "complete", "{run}");
    assert_eq!(run["records_deleted"], 0);
    assert_eq!(app.all_records("contacts").await.len(), 350);
    assert!(pages_asked(&app, "contacts/search").len() <= 6);
}

#[apply(on_both_databases)]
async fn pages_that_never_end_stall_the_run(database: Database) {
    let app = App::with_contacts(database, 250).await;
    app.apollo
        .faults()
        .push(Fault::new(Match::path("contacts/search"), Action::EndlessPages).always());
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    let pages = pages_asked(&app, "contacts/search");
    assert!(pages.len() <= 100, "{} pages", pages.len());
    let run = run_of(&app, "contact").await;
    assert_eq!(
        (&run["state"], &run["status"]),
        (&json!("stalled"), &json!("FAILURE")),
        "{run}"
    );
}

#[apply(on_both_databases)]
async fn pages_without_an_order_that_never_end_stall_the_run(database: Database) {
    let mut app = App::with_contacts(database, 20).await;
    app.limit(per_object(1000));
    app.apollo
        .faults()
        .push(Fault::new(Match::path("users/search"), Action::EndlessPages).always());
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    let pages = pages_asked(&app, "users/search");
    assert!(pages.len() <= 120, "{} pages", pages.len());
    let run = run_of(&app, "user").await;
    assert_eq!(
        (&run["state"], &run["status"]),
        (&json!("stalled"), &json!("FAILURE")),
        "{run}"
    );
}

#[apply(on_both_databases)]
async fn the_period_after_a_stall_starts_over(database: Database) {
    let app = App::synced(database, 350).await;
    delete_contacts(&app, &contact_ids(&app)[300..303]);
    app.apollo.faults().push(
        Fault::new(
            Match::path("contacts/search").page(3),
            Action::RepeatPreviousPage,
        )
        .always(),
    );
    next_period(&app).await;
    let run = run_of(&app, "contact").await;
    assert_eq!(run["state"], "stalled");
    assert_eq!(
        (&run["records_deleted"], &run["records_missing"]),
        (&json!(0), &json!(0))
    );
    assert!(lookups(&app).is_empty());
    app.apollo.faults().clear();
    next_period(&app).await;
    assert_eq!(pages_asked(&app, "contacts/search"), [1, 2, 3, 4]);
    assert_covered(&app, "contact", "complete", (347, Some(347)), "was read").await;
    assert_eq!(run_of(&app, "contact").await["records_deleted"], 3);
}

#[apply(on_both_databases)]
async fn a_slow_failing_page_is_tried_for_at_most_two_minutes(database: Database) {
    let app = App::with_contacts(database, 250).await;
    // Each answer takes almost as long as the timeout.
    let clock = app.clock.clone();
    app.apollo.on_request(move |asked, _| {
        if asked.action == "contacts/search" && asked.page == 2 {
            clock.advance(TimeDelta::seconds(29));
        }
    });
    app.apollo.faults().push(
        Fault::new(
            Match::path("contacts/search").page(2),
            Action::AppliedThenServerError,
        )
        .always(),
    );
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    let run = run_of(&app, "contact").await;
    assert_eq!(run["state"], "failed", "{run}");
    assert!(
        times_asked(&app, "contacts/search") > 3,
        "it is tried again"
    );
    let time = |name: &str| DateTime::parse_from_rfc3339(run[name].as_str().unwrap()).unwrap();
    let took = time("end_timestamp") - time("start_timestamp");
    assert!(took <= TimeDelta::minutes(2), "{took}");
}
