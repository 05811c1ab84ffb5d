//! Scans are scheduled fairly: one customer's many or large scans don't starve another customer.

use std::{collections::BTreeMap, time::Duration};

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use serde_json::json;
use syncline_engine::{Engine, EngineConfig, LeasedScan, ScanEnd, Step};
use syncline_sim::{Options, TeamOptions};

use crate::support::{App, CONTACTS, Database, on_both_databases, pages_of};

#[apply(on_both_databases)]
async fn a_customer_with_one_scan_is_second_at_the_latest(database: Database) {
    let app = teams(database, 2, 10).await;
    connect(&app, 1).await;
    app.engine.tick().await.unwrap();
    app.clock.advance(TimeDelta::seconds(5));
    connect(&app, 2).await;
    pause_all_but(&app, "c2", "contact").await;
    app.engine.tick().await.unwrap();

    let mut customers = Vec::new();
    let mut scans = Vec::new();
    for _ in 0..3 {
        let mut claimed = app.engine.claim(1).await.unwrap();
        customers.extend(claimed.iter().map(customer));
        scans.append(&mut claimed);
    }
    assert_eq!(customers[..2], ["c1", "c2"], "{customers:?}");
    assert_eq!(customers[2], "c1", "the other one has no more");
}

#[apply(on_both_databases)]
async fn customers_take_turns_within_one_claim(database: Database) {
    let app = teams(database, 3, 10).await;
    for n in 1..=3 {
        connect(&app, n).await;
        app.clock.advance(TimeDelta::seconds(1));
        app.engine.tick().await.unwrap();
    }
    let claimed = app.engine.claim(7).await.unwrap();
    let customers: Vec<_> = claimed.iter().map(customer).collect();
    let mut counts = BTreeMap::new();
    for customer in &customers {
        *counts.entry(customer.as_str()).or_insert(0) += 1;
    }
    assert_eq!(
        counts,
        [("c1", 3), ("c2", 2), ("c3", 2)].into(),
        "{customers:?}"
    );
}

#[apply(on_both_databases)]
async fn the_last_of_fifty_customers_is_not_the_last_for_long(database: Database) {
    let app = teams(database, 50, 3).await;
    for n in 1..=50 {
        connect(&app, n).await;
        app.clock.advance(TimeDelta::milliseconds(10));
        app.engine.tick().await.unwrap();
    }
    let claimed = app.engine.claim(50).await.unwrap();
    let mut customers: Vec<_> = claimed.iter().map(customer).collect();
    customers.sort();
    customers.dedup();
    assert_eq!(customers.len(), 50, "each has one scan at work");
    // Fifty more slots: again one each.
    let claimed = app.engine.claim(50).await.unwrap();
    let mut customers: Vec<_> = claimed.iter().map(customer).collect();
    customers.sort();
    customers.dedup();
    assert_eq!(customers.len(), 50);
}

#[apply(on_both_databases)]
async fn the_same_customer_id_in_two_applications_is_two_customers(database: Database) {
    let app = teams(database, 2, 10).await;
    connect(&app, 1).await;
    app.engine.tick().await.unwrap();
    app.clock.advance(TimeDelta::seconds(1));
    connect(&app, 2).await;
    // The second customer is moved to another application, with the first one's id.
    app.store
        .find_or_create_application("other", &crate::support::enabled())
        .await
        .unwrap();
    let other = "(SELECT id FROM applications WHERE name = 'other')";
    app.engine.tick().await.unwrap();
    app.database.execute(&format!(
            "UPDATE sync_runs SET application_id = {other}, customer_id = 'c1' WHERE customer_id = 'c2'"
        )).await;
    let claimed = app.engine.claim(2).await.unwrap();
    let accounts: Vec<_> = claimed
        .iter()
        .map(|leased| leased.scan.account.id.clone())
        .collect();
    assert_ne!(accounts[0], accounts[1]);
}

#[apply(on_both_databases)]
async fn a_scan_whose_turn_is_over_gives_way_and_goes_on_at_its_checkpoint(database: Database) {
    let app = teams(database, 2, 450).await;
    app.sync_only(CONTACTS).await;
    with_passing_time(&app);
    for n in 1..=2 {
        connect(&app, n).await;
    }
    let engine = engine_with_turn(&app, Duration::ZERO);
    engine.work_off().await.unwrap();

    let search = app.apollo.ledger().requests_to("contacts/search");
    let order: Vec<_> = search.iter().map(|it| it.team.unwrap()).collect();
    assert_eq!(order, [0, 1, 0, 1, 0, 1, 0, 1, 0, 1]);
    for (team, customer) in ["c1", "c2"].iter().enumerate() {
        let own = search.iter().filter(|it| it.team == Some(team)).cloned();
        assert_eq!(pages_of(own), [1, 2, 3, 4, 5], "no page is read twice");
        let run = app.newest_run(customer, "contact").await;
        assert_eq!(run["coverage"]["verdict"], "complete", "{run}");
        assert_eq!(
            (&run["requests_made"], &run["num_records_synced"]),
            (&json!(5), &json!(450))
        );
    }
    let events = "SELECT count(*) FROM outbox WHERE event_type = 'sync.complete'";
    assert_eq!(app.database.count(events).await, 4);
}

#[apply(on_both_databases)]
async fn a_scan_whose_turn_is_over_goes_on_where_nobody_else_waits(database: Database) {
    let app = teams(database, 1, 450).await;
    with_passing_time(&app);
    connect(&app, 1).await;
    engine_with_turn(&app, Duration::ZERO)
        .work_off()
        .await
        .unwrap();
    let fences = "SELECT max(fence) FROM sync_runs";
    assert_eq!(
        app.database.count(fences).await,
        1,
        "it never lost its lease"
    );
    assert_eq!(app.contact_pages(), [1, 2, 3, 4, 5]);
}

#[apply(on_both_databases)]
async fn a_large_scan_does_not_keep_a_small_customer_waiting(database: Database) {
    let options = Options {
        teams: vec![team(1, 3000), team(2, 50)],
        ..Options::default()
    };
    let app = App::with_apollo(database, options).await;
    app.sync_only(CONTACTS).await;
    with_passing_time(&app);
    connect(&app, 1).await;
    let engine = engine_with_turn(&app, Duration::ZERO);
    engine.tick().await.unwrap();
    // The large scan is running when the small one becomes due.
    let mut large = engine.claim(1).await.unwrap();
    for _ in 0..4 {
        assert_eq!(engine.step(&mut large[0]).await.unwrap(), Step::Continue);
    }
    drop(large);
    connect(&app, 2).await;
    app.clock.advance(TimeDelta::seconds(31));
    engine.work_off().await.unwrap();
    let search = app.apollo.ledger().requests_to("contacts/search");
    let small = search.iter().position(|it| it.team == Some(1)).unwrap();
    assert!(small <= 4 + 1, "after {small} requests");
    let own = search.into_iter().filter(|it| it.team == Some(0));
    assert_eq!(
        pages_of(own),
        (1..=4).chain(4..=30).collect::<Vec<_>>(),
        "only the page that was in memory is read twice"
    );
}

#[apply(on_both_databases)]
async fn a_turn_that_ends_spends_nothing_twice(database: Database) {
    let mut app = teams(database, 2, 450).await;
    app.sync_only(CONTACTS).await;
    with_passing_time(&app);
    for n in 1..=2 {
        connect(&app, n).await;
    }
    app.engine = engine_with_turn(&app, Duration::ZERO);
    app.work_off().await;
    for n in 1..=2 {
        let connection = app.connection_of(&format!("c{n}")).await;
        let budget = app.store.budget(&connection.account_id).await.unwrap();
        let used = budget.records_used(syncline_model::RecordWindow::Hour, app.now());
        assert_eq!(
            used.used, 450,
            "permits that were given back are free again"
        );
    }
}

#[apply(on_both_databases)]
async fn stepping_by_hand_ends_as_a_worker_does(database: Database) {
    let app = teams(database, 1, 150).await;
    app.sync_only(CONTACTS).await;
    connect(&app, 1).await;
    app.engine.tick().await.unwrap();
    let mut scans = app.engine.claim(10).await.unwrap();
    assert_eq!(scans.len(), 1);
    let mut steps = Vec::new();
    loop {
        let step = app.engine.step(&mut scans[0]).await.unwrap();
        steps.push(step);
        if matches!(step, Step::End(_)) {
            break;
        }
    }
    assert_eq!(
        steps,
        [
            Step::Continue,
            Step::Continue,
            Step::Continue,
            Step::End(ScanEnd::Finished)
        ]
    );
}

/// This many teams, each with this many contacts.
async fn teams(database: Database, number: usize, contacts: usize) -> App {
    let options = Options {
        teams: (1..=number).map(|n| team(n, contacts)).collect(),
        ..Options::default()
    };
    App::with_apollo(database, options).await
}

fn team(n: usize, contacts: usize) -> TeamOptions {
    TeamOptions {
        loading_reads: 0,
        ..TeamOptions::numbered(n, contacts)
    }
}

/// The customer of the `n`th team, from 1.
async fn connect(app: &App, n: usize) {
    app.connect(&format!("c{n}"), &format!("sim-master-key-{n}"))
        .await;
}

fn customer(leased: &LeasedScan) -> String {
    leased.scan.connection.customer_id.clone()
}

/// Each request takes as long as Apollo's do, so that no two scans are due at the same time.
fn with_passing_time(app: &App) {
    let clock = app.clock.clone();
    app.apollo
        .on_request(move |_, _| clock.advance(TimeDelta::milliseconds(80)));
}

fn engine_with_turn(app: &App, turn: Duration) -> Engine {
    app.engine_with(EngineConfig {
        turn,
        ..App::engine_config()
    })
}

/// Leaves a customer one sync that isn't paused.
async fn pause_all_but(app: &App, customer: &str, left: &str) {
    let objects = "('user', 'mailbox', 'sequence', 'account', 'contact', 'sequence_state')";
    app.database
        .execute(&format!(
            "UPDATE syncs SET paused = true WHERE object IN {objects} AND object <> '{left}'
         AND connection_id = (SELECT id FROM connections WHERE customer_id = '{customer}')"
        ))
        .await;
}
