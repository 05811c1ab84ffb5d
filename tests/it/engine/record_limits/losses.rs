//! Requests whose answer was lost, and what survives a restart.

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use syncline_providers::ANSWER_WITHIN;
use syncline_sim::{Action, Fault, Match, Options, TeamOptions, WireFault};
use syncline_store::PermitDecision;

use super::{contacts_under, pages};
use crate::support::{
    App, CONTACTS, CUSTOMER, HOUR, MASTER_KEY, limited_to, on_both_databases, per_hour,
    waiting_until,
};

#[apply(on_both_databases)]
async fn a_restart_remembers_what_was_spent(database: Database) {
    let mut app = contacts_under(database, 400, per_hour(500)).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    assert_eq!(app.contact_pages(), pages(1, 4));
    app.engine = app.another_process(limited_to(per_hour(500))).await;
    app.clock.advance(TimeDelta::minutes(10));
    app.trigger("contact").await;
    app.work_off().await;
    assert_eq!(app.contact_pages(), [1, 2, 3, 4, 1]);
    let run = app.newest_run(CUSTOMER, "contact").await;
    assert_eq!(run["waiting_reason"], "records_per_hour");
    app.until_nothing_waits().await;
    assert_eq!(app.most_per_hour(0), 500);
}

#[apply(on_both_databases)]
async fn a_page_that_was_sent_but_never_committed_counts_in_full(database: Database) {
    let mut app = contacts_under(database, 1000, per_hour(500)).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    let third = Match::path("contacts/search").page(3);
    app.apollo
        .faults()
        .push(Fault::new(third, Action::Wire(WireFault::Hang)));
    // Apollo has sent the third page; the process dies before the last byte of it arrives.
    tokio::select! {
        _ = app.work_off() => panic!("the third page never arrives"),
        () = async {
            asked_for(&app, 3).await;
            app.until_written("contact", 200).await;
        } => {}
    }
    app.engine = app.another_process(limited_to(per_hour(500))).await;
    app.after(TimeDelta::seconds(31)).await;
    assert_eq!(
        app.contact_pages(),
        [1, 2, 3, 3],
        "the third page was sent, and the fourth reserved"
    );
    assert_eq!(app.most_per_hour(0), 400);
    app.until_nothing_waits().await;
    assert_eq!(app.contact_pages(), [1, 2, 3, 3, 4, 5, 6, 7, 8, 9, 10]);
    assert_eq!(app.most_per_hour(0), 500);
    let run = app.newest_run(CUSTOMER, "contact").await;
    assert_eq!(run["coverage"]["verdict"], "complete", "{run}");
}

#[apply(on_both_databases)]
async fn what_was_reserved_and_never_settled_counts_from_its_latest_answer(database: Database) {
    let limits = per_hour(500);
    let app = contacts_under(database, 200, limits).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.clock.advance(TimeDelta::seconds(45));
    let reserved_at = app.now();
    for _ in 0..5 {
        assert!(matches!(
            app.reserve_and_die(100, &limits).await,
            PermitDecision::Permit(_)
        ));
    }
    app.after(TimeDelta::minutes(1)).await;
    assert_eq!(app.contact_pages().len(), 0, "nothing is left");
    let until = waiting_until(&app.newest_run(CUSTOMER, "contact").await);
    let latest = reserved_at + TimeDelta::from_std(ANSWER_WITHIN).unwrap();
    assert!(until >= latest + HOUR, "{until}");
    assert!(until <= latest + HOUR + TimeDelta::minutes(2), "{until}");
    app.open_next_window().await;
    assert_eq!(app.contact_pages(), pages(1, 2));
}

#[apply(on_both_databases)]
async fn a_lost_answer_counts_in_full_and_a_refused_request_counts_nothing(database: Database) {
    let cases = [
        (Action::Wire(WireFault::Truncate), vec![1, 2, 2, 3, 4]),
        (Action::Wire(WireFault::Reset), vec![1, 2, 2, 3, 4]),
        (Action::InvalidResponse, vec![1, 2, 2, 3, 4]),
        (Action::unavailable(), vec![1, 2, 2, 3, 4, 5]),
        (Action::server_error(), vec![1, 2, 2, 3, 4, 5]),
    ];
    let teams = (0..cases.len())
        .map(|n| TeamOptions::numbered(n, 1000))
        .collect();
    let options = Options {
        teams,
        ..Options::default()
    };
    let mut app = App::with_apollo(database, options).await;
    app.limit(per_hour(500));
    app.sync_only(CONTACTS).await;
    for (team, (action, expected)) in cases.into_iter().enumerate() {
        let second = Match::path("contacts/search").page(2);
        app.apollo.faults().push(Fault::new(second, action.clone()));
        let customer = format!("c{team}");
        app.connect(&customer, &format!("sim-master-key-{team}"))
            .await;
        app.work_off().await;
        assert!(app.apollo.faults().spent());
        assert_eq!(
            app.pages_of_team(team, "contacts/search"),
            expected,
            "{action:?}"
        );
        let run = app.newest_run(&customer, "contact").await;
        assert_eq!(run["waiting_reason"], "records_per_hour", "{action:?}");
        assert_eq!(run["requests_made"], expected.len(), "{action:?}");
    }
    app.until_nothing_waits().await;
    for team in 0..5 {
        assert!(app.most_per_hour(team) <= 500);
        let run = app.newest_run(&format!("c{team}"), "contact").await;
        assert_eq!(run["coverage"]["verdict"], "complete", "{run}");
    }
}

#[apply(on_both_databases)]
async fn a_provider_that_loses_every_answer_is_not_read_out(database: Database) {
    let app = contacts_under(database, 1000, per_hour(500)).await;
    let search = Match::path("contacts/search");
    let lost = Action::Wire(WireFault::Truncate);
    app.apollo.faults().push(Fault::new(search, lost).always());
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    assert_eq!(
        app.contact_pages(),
        [1; 5],
        "a sixth try would be one too many"
    );
    assert_eq!(
        app.newest_run(CUSTOMER, "contact").await["waiting_reason"],
        "records_per_hour"
    );
    app.apollo.faults().clear();
    app.until_nothing_waits().await;
    let runs = app.runs("contact").await;
    assert_eq!((runs.len(), &runs[0]["status"]), (1, &"SUCCESS".into()));
    assert_eq!(app.most_per_hour(0), 500);
}

#[apply(on_both_databases)]
async fn a_permit_that_no_request_used_is_given_back(database: Database) {
    let app = contacts_under(database, 300, per_hour(500)).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.engine.tick().await.unwrap();
    let mut scans = app.engine.claim(1).await.unwrap();
    app.engine.step(&mut scans[0]).await.unwrap();
    assert_eq!(app.records_this_hour().await, 100, "one page is asked for");
    app.engine.step(&mut scans[0]).await.unwrap();
    assert_eq!(
        app.records_this_hour().await,
        300,
        "one is read, one asked for and one reserved"
    );
    // The next request is sent later than the permit allows: it needs a new one.
    app.clock.advance(TimeDelta::seconds(20));
    app.engine.step(&mut scans[0]).await.unwrap();
    assert_eq!(
        app.records_this_hour().await,
        300,
        "two are read and one is asked for"
    );
    while !matches!(
        app.engine.step(&mut scans[0]).await.unwrap(),
        syncline_engine::Step::End(_)
    ) {}
    assert_eq!(app.records_this_hour().await, 300);
    assert_eq!(app.contact_pages(), pages(1, 3));
}

async fn asked_for(app: &App, page: u64) {
    while !app.contact_pages().contains(&page) {
        tokio::task::yield_now().await;
    }
}
