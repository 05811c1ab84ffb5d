//! What was read while the clock was ahead, once the clock is right again; and requests that were
//! never sent.

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use serde_json::json;
use syncline_engine::Step;
use syncline_model::RecordWindow;
use syncline_sim::{Action, Fault, Match, Window};

use super::contacts_under;
use crate::support::{App, CUSTOMER, MASTER_KEY, on_both_databases, per_hour, waiting_until};

const INFO: &str = "/mgmt/v2/customers/customer-1/connections/apollo/_rate_limit_info";

#[apply(on_both_databases)]
async fn what_was_read_while_the_clock_was_ahead_blocks_nothing_for_days(database: Database) {
    for ahead in [TimeDelta::hours(2), TimeDelta::days(30)] {
        let app = contacts_under(database.another().await, 400, per_hour(500)).await;
        app.connect(CUSTOMER, MASTER_KEY).await;
        app.clock.advance(ahead);
        app.work_off().await;
        app.reserve_and_die(50, &per_hour(500)).await;
        app.clock.advance(-ahead + TimeDelta::minutes(5));
        app.trigger("contact").await;
        app.work_off().await;
        let run = app.newest_run(CUSTOMER, "contact").await;
        assert!(
            waiting_until(&run) <= app.now() + TimeDelta::minutes(65),
            "{run}"
        );
        assert_eq!(app.contact_pages().len(), 4, "nor is the limit exceeded");
        let hour = app
            .budget()
            .await
            .records_used(RecordWindow::Hour, app.now());
        assert_eq!((hour.used, hour.reserved), (400, 50));
        app.until_nothing_waits().await;
        assert_eq!(
            app.newest_run(CUSTOMER, "contact").await["status"],
            "SUCCESS"
        );
    }
}

#[apply(on_both_databases)]
async fn what_was_read_before_the_clock_leapt_ahead_still_counts_when_it_is_right_again(
    database: Database,
) {
    let app = contacts_under(database, 400, per_hour(500)).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    let ahead = TimeDelta::days(3);
    app.clock.advance(ahead);
    for _ in 0..2 {
        app.reserve_and_die(50, &per_hour(500)).await;
    }
    app.clock.advance(-ahead);
    let hour = app
        .budget()
        .await
        .records_used(RecordWindow::Hour, app.now());
    assert_eq!((hour.used, hour.reserved), (400, 100));
}

#[apply(on_both_databases)]
async fn a_refusal_that_came_while_the_clock_was_ahead_puts_nothing_off_for_days(
    database: Database,
) {
    let app = contacts_under(database, 250, per_hour(150)).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    let ahead = TimeDelta::days(19);
    app.clock.advance(ahead);
    app.engine.tick().await.unwrap();
    let mut leased = app.engine.claim(1).await.unwrap().remove(0);
    // The rejection of the next page comes together with this one.
    app.engine.step(&mut leased).await.unwrap();
    app.clock.advance(-ahead);
    while !matches!(app.engine.step(&mut leased).await.unwrap(), Step::End(_)) {}
    let run = app.newest_run(CUSTOMER, "contact").await;
    assert!(
        waiting_until(&run) <= app.now() + TimeDelta::minutes(65),
        "{run}"
    );
}

#[apply(on_both_databases)]
async fn a_429_of_a_clock_that_was_ahead_holds_as_long_as_it_said(database: Database) {
    let app = contacts_under(database, 200, per_hour(10_000)).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.apollo.faults().push(Fault::new(
        Match::path("contacts/search"),
        Action::RateLimited {
            window: Window::Hour,
            retry_after: Some(600),
        },
    ));
    let ahead = TimeDelta::days(2);
    app.clock.advance(ahead);
    app.work_off().await;
    app.clock.advance(-ahead);
    let limits = per_hour(10_000);
    match app.reserve_and_die(100, &limits).await {
        syncline_store::PermitDecision::Refused(refusal) => {
            assert!(
                refusal.until <= app.now() + TimeDelta::minutes(10),
                "{refusal:?}"
            );
        }
        syncline_store::PermitDecision::Permit(_) => panic!("it was told to stay away"),
    }
    app.clock.advance(TimeDelta::minutes(11));
    assert!(matches!(
        app.reserve_and_die(100, &limits).await,
        syncline_store::PermitDecision::Permit(_)
    ));
}

#[apply(on_both_databases)]
async fn a_request_that_never_left_costs_nothing(database: Database) {
    // Nothing listens on the first address, and the second doesn't resolve.
    for nowhere in ["http://127.0.0.1:9", "http://no-such-host.invalid"] {
        let app = App::at(database.another().await, nowhere).await;
        app.connect(CUSTOMER, MASTER_KEY).await;
        app.work_off().await;
        let run = app.newest_run(CUSTOMER, "contact").await;
        assert_eq!(run["state"], "failed", "{run}");
        let records = app.get(INFO).await.ok()["records"].clone();
        for window in ["per_hour", "per_day"] {
            assert_eq!(
                (&records[window]["used"], &records[window]["reserved"]),
                (&json!(0), &json!(0))
            );
        }
    }
}

#[apply(on_both_databases)]
async fn what_is_reserved_is_shown_apart_from_what_is_used(database: Database) {
    let app = contacts_under(database, 250, per_hour(10_000)).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    app.reserve_and_die(70, &per_hour(10_000)).await;
    let hour = app.get(INFO).await.ok()["records"]["per_hour"].clone();
    assert_eq!(
        (&hour["used"], &hour["reserved"]),
        (&json!(250), &json!(70)),
        "{hour}"
    );
}
