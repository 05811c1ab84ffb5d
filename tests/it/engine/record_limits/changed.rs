//! Limits that are changed while a run is running or waiting, and writers that missed a change.

use macro_rules_attribute::apply;
use serde_json::{Value, json};
use syncline_engine::{LeasedScan, Step};
use syncline_model::{RecordWindow, VolumeLimits};
use syncline_store::{Permit, PermitDecision, Spending};

use super::{contacts_under, pages};
use crate::support::{App, CUSTOMER, MASTER_KEY, limited_to, on_both_databases, per_hour};

const CONNECTION: &str = "/mgmt/v2/customers/customer-1/connections/apollo";

#[apply(on_both_databases)]
async fn a_limit_that_is_lowered_is_kept_by_the_run_that_reads(database: Database) {
    let app = contacts_under(database, 3_000, VolumeLimits::default()).await;
    let mut leased = reading(&app, 7).await;
    set(&app, json!({"records_per_hour": 1_000})).await;
    read_on(&app, &mut leased).await;
    assert!(app.contact_pages().len() <= 11, "{:?}", app.contact_pages());
    let run = app.newest_run(CUSTOMER, "contact").await;
    assert_eq!(run["waiting_reason"], "records_per_hour", "{run}");
    app.until_nothing_waits().await;
    assert_eq!(
        app.newest_run(CUSTOMER, "contact").await["coverage"]["verdict"],
        "complete"
    );
    assert!(app.most_per_hour(0) <= 1_000, "{}", app.most_per_hour(0));
}

#[apply(on_both_databases)]
async fn a_limit_that_is_lowered_below_what_was_read_lets_one_page_pass_at_most(
    database: Database,
) {
    for (limit, reason) in [
        ("records_per_hour", "records_per_hour"),
        ("records_per_day", "records_per_day"),
    ] {
        let app = contacts_under(database.another().await, 2_000, VolumeLimits::default()).await;
        let mut leased = reading(&app, 7).await;
        set(&app, json!({limit: 300})).await;
        read_on(&app, &mut leased).await;
        assert!(
            app.contact_pages().len() <= 8,
            "{limit}: {:?}",
            app.contact_pages()
        );
        assert_eq!(
            app.newest_run(CUSTOMER, "contact").await["waiting_reason"],
            reason
        );
    }
}

#[apply(on_both_databases)]
async fn a_lowered_limit_per_object_caps_the_run_that_reads(database: Database) {
    let app = contacts_under(database, 2_000, VolumeLimits::default()).await;
    let mut leased = reading(&app, 7).await;
    set(&app, json!({"records_per_object": 500})).await;
    read_on(&app, &mut leased).await;
    assert!(app.contact_pages().len() <= 8, "{:?}", app.contact_pages());
    assert_eq!(
        app.newest_run(CUSTOMER, "contact").await["coverage"]["verdict"],
        "capped"
    );
}

#[apply(on_both_databases)]
async fn a_lowered_limit_per_object_ends_the_reads_by_id_too(database: Database) {
    let app = contacts_under(database, 300, VolumeLimits::default()).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    app.apollo.edit(0, |team| {
        for id in &team.contact_ids()[..20] {
            team.delete_contact(id).unwrap();
        }
    });
    app.apollo.ledger().reset();
    app.trigger("contact").await;
    app.engine.tick().await.unwrap();
    let mut leased = app.engine.claim(1).await.unwrap().remove(0);
    let asked = || app.apollo.ledger().requests_to("/contacts/").len() - app.contact_pages().len();
    while asked() < 2 {
        app.engine.step(&mut leased).await.unwrap();
    }
    set(&app, json!({"records_per_object": 200})).await;
    read_on(&app, &mut leased).await;
    assert_eq!(asked(), 2);
}

#[apply(on_both_databases)]
async fn a_limit_that_was_set_by_another_process_is_kept_too(database: Database) {
    let app = contacts_under(database, 2_000, VolumeLimits::default()).await;
    let other = app
        .another_process(limited_to(VolumeLimits::default()))
        .await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    other.tick().await.unwrap();
    let mut leased = other.claim(1).await.unwrap().remove(0);
    for _ in 0..5 {
        other.step(&mut leased).await.unwrap();
    }
    set(&app, json!({"records_per_hour": 800})).await;
    while !matches!(other.step(&mut leased).await.unwrap(), Step::End(_)) {}
    assert!(app.contact_pages().len() <= 8, "{:?}", app.contact_pages());
}

#[apply(on_both_databases)]
async fn a_limit_that_is_raised_lets_the_run_go_on_at_once(database: Database) {
    let app = contacts_under(database, 900, per_hour(10_000)).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    set(&app, json!({"records_per_hour": 300})).await;
    app.work_off().await;
    assert_eq!(app.contact_pages(), pages(1, 3));
    assert_eq!(
        app.newest_run(CUSTOMER, "contact").await["state"],
        "waiting"
    );
    set(&app, json!({"records_per_hour": 600})).await;
    app.work_off().await;
    assert_eq!(app.contact_pages(), pages(1, 6), "not an hour later");
    set(&app, json!({})).await;
    app.work_off().await;
    assert_eq!(app.contact_pages(), pages(1, 9));
    assert_eq!(
        app.newest_run(CUSTOMER, "contact").await["coverage"]["verdict"],
        "complete"
    );
}

#[apply(on_both_databases)]
async fn a_worker_whose_version_came_again_after_a_failover_overwrites_nothing(database: Database) {
    let app = contacts_under(database, 10, VolumeLimits::default()).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    permit(&app, 100).await;
    let (version, budget) = account_row(&app).await;
    let lost = permit(&app, 200).await;
    // The standby that takes over doesn't have that write, and other processes continue there.
    let budget = budget.replace('\'', "''");
    app.database.execute(&format!(
            "UPDATE provider_accounts SET version = {version}, budget = '{budget}' WHERE moved_to IS NULL"
        )).await;
    permit(&app, 400).await;
    let spending = Spending {
        permit: lost,
        records: Some(150),
        at: app.now(),
        endpoint: "contacts/search",
        usage: &[],
        refused: None,
    };
    app.store.settle(&spending).await.unwrap();
    let hour = app
        .budget()
        .await
        .records_used(RecordWindow::Hour, app.now());
    assert_eq!((hour.used, hour.reserved), (150, 500));
}

/// A scan over the contacts that has read this many pages.
async fn reading(app: &App, pages: usize) -> LeasedScan {
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.engine.tick().await.unwrap();
    let mut leased = app.engine.claim(1).await.unwrap().remove(0);
    while app.contact_pages().len() < pages {
        app.engine.step(&mut leased).await.unwrap();
    }
    leased
}

async fn read_on(app: &App, leased: &mut LeasedScan) {
    while !matches!(app.engine.step(leased).await.unwrap(), Step::End(_)) {}
}

async fn set(app: &App, limits: Value) {
    app.put(CONNECTION, json!({"limits": limits})).await.ok();
}

async fn permit(app: &App, records: i64) -> Permit {
    match app.reserve_and_die(records, &VolumeLimits::default()).await {
        PermitDecision::Permit(permit) => permit,
        PermitDecision::Refused(refusal) => panic!("{refusal:?}"),
    }
}

async fn account_row(app: &App) -> (i64, String) {
    let version = "SELECT version FROM provider_accounts WHERE moved_to IS NULL";
    let budget = "SELECT CAST(budget AS text) FROM provider_accounts WHERE moved_to IS NULL";
    let version = app.database.count(version).await;
    (version, app.database.text(budget).await.unwrap())
}
