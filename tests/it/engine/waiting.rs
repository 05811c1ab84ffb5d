//! What happens while a run waits for its record limits.

use chrono::{DateTime, TimeDelta, Utc};
use macro_rules_attribute::apply;
use serde_json::{Value, json};
use syncline_engine::{LeasedScan, Step};
use syncline_model::Object;
use syncline_sim::{Options, TeamOptions};

use crate::support::{
    App, CONTACTS, CUSTOMER, Database, HOUR, MASTER_KEY, limited_to, on_both_databases, per_hour,
    quiet_apollo, waiting_until,
};

#[apply(on_both_databases)]
async fn triggers_during_a_wait_queue_exactly_one_more(database: Database) {
    let app = contacts_under_500(database, 1000).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    let waiting = app.newest_run(CUSTOMER, "contact").await;
    for _ in 0..3 {
        app.trigger("contact").await;
        app.after(TimeDelta::minutes(5)).await;
        assert_eq!(app.runs("contact").await.len(), 1);
        let still = app.newest_run(CUSTOMER, "contact").await;
        assert_eq!(still["waiting_until"], waiting["waiting_until"]);
    }
    app.open_next_window().await;
    let runs = app.runs("contact").await;
    assert_eq!((runs.len(), &runs[1]["status"]), (2, &"SUCCESS".into()));
    assert_eq!(runs[1]["id"], waiting["id"]);
    app.until_nothing_waits().await;
    assert_eq!(app.runs("contact").await.len(), 2);
    assert_eq!(app.most_per_hour(0), 500);
    let pages: Vec<u64> = (1..=10).chain(1..=10).collect();
    assert_eq!(app.contact_pages(), pages);
}

#[apply(on_both_databases)]
async fn a_restart_during_a_wait_goes_on_at_the_checkpoint(database: Database) {
    let mut app = contacts_under_500(database, 1000).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    let waiting = app.newest_run(CUSTOMER, "contact").await;
    app.engine = app.another_process(limited_to(per_hour(500))).await;
    app.after(TimeDelta::minutes(30)).await;
    assert_eq!(app.contact_pages().len(), 5);
    app.open_next_window().await;
    assert_eq!(app.contact_pages(), (1..=10).collect::<Vec<_>>());
    let runs = app.runs("contact").await;
    assert_eq!((runs.len(), &runs[0]["id"]), (1, &waiting["id"]));
    assert_eq!(runs[0]["coverage"]["verdict"], "complete", "{}", runs[0]);
}

#[apply(on_both_databases)]
async fn a_process_that_was_down_when_the_window_opened_goes_on_when_it_is_back(
    database: Database,
) {
    let app = contacts_under_500(database, 1000).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    app.after(TimeDelta::hours(9)).await;
    assert_eq!(app.contact_pages(), (1..=10).collect::<Vec<_>>());
    assert_eq!(
        app.newest_run(CUSTOMER, "contact").await["status"],
        "SUCCESS"
    );
}

#[apply(on_both_databases)]
async fn nothing_of_an_account_starts_while_one_of_its_runs_waits_for_records(database: Database) {
    let mut app = App::with_contacts(database, 1000).await;
    app.limit(per_hour(500));
    app.sync_every(HOUR, &["user", "contact", "sequence_state"])
        .await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    assert_eq!(app.contact_pages().len(), 4, "8 users and 400 contacts");
    let waiting = waiting_until(&app.newest_run(CUSTOMER, "contact").await);

    app.pass_until(waiting - TimeDelta::seconds(1));
    app.work_off().await;
    assert_eq!(
        app.runs("user").await.len(),
        1,
        "it is due, but could only wait"
    );
    app.open_next_window().await;
    assert_eq!(app.contact_pages().len(), 9);
    assert_eq!(
        app.runs("user").await.len(),
        1,
        "one page of the contacts is left"
    );
    app.open_next_window().await;
    assert_eq!(app.contact_pages()[..10], (1..=10).collect::<Vec<_>>());
    assert_eq!(
        app.runs("contact").await.last().unwrap()["status"],
        "SUCCESS"
    );
    let runs = app.runs("user").await;
    assert_eq!((runs.len(), &runs[0]["status"]), (2, &"SUCCESS".into()));
}

#[apply(on_both_databases)]
async fn a_sync_that_is_held_back_says_when_it_runs_and_why(database: Database) {
    let mut app = App::with_contacts(database, 1000).await;
    app.limit(per_hour(500));
    app.sync_every(HOUR, &["user", "contact", "sequence_state"])
        .await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    let waiting = waiting_until(&app.newest_run(CUSTOMER, "contact").await);
    app.pass_until(waiting - TimeDelta::seconds(1));
    app.work_off().await;
    let path = "/mgmt/v2/syncs?object_type=common&object=user";
    let held_back = &app.get(path).await.ok()["results"][0];
    assert!(time(&held_back["next_run_at"]) >= waiting, "{held_back}");
    let reason = held_back["next_run_reason"].as_str().unwrap();
    assert!(reason.contains("records"), "{reason}");
}

#[apply(on_both_databases)]
async fn a_sync_of_another_account_starts_though_one_waits(database: Database) {
    let teams = (1..=2).map(|n| TeamOptions {
        loading_reads: 0,
        ..TeamOptions::numbered(n, 600)
    });
    let options = Options {
        teams: teams.collect(),
        ..Options::default()
    };
    let mut app = App::with_apollo(database, options).await;
    app.limit(per_hour(500));
    app.sync_only(CONTACTS).await;
    app.connect(CUSTOMER, "sim-master-key-1").await;
    app.work_off().await;
    app.clock.advance(TimeDelta::minutes(20));
    app.connect("customer-2", "sim-master-key-2").await;
    app.work_off().await;
    assert_eq!(app.pages_of_team(1, "contacts/search").len(), 5);
}

#[apply(on_both_databases)]
async fn a_connection_made_during_a_wait_gets_its_turn_after_it(database: Database) {
    let app = contacts_under_500(database, 700).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    app.clock.advance(TimeDelta::minutes(10));
    app.connect("customer-2", MASTER_KEY).await;
    app.work_off().await;
    assert_eq!(app.contact_pages().len(), 5);
    app.open_next_window().await;
    assert_eq!(
        app.newest_run(CUSTOMER, "contact").await["status"],
        "SUCCESS"
    );
    let second = app.newest_run("customer-2", "contact").await;
    assert_eq!(
        second["num_records_synced"], 300,
        "what was left of the hour"
    );
    app.until_nothing_waits().await;
    let second = app.newest_run("customer-2", "contact").await;
    assert_eq!(second["coverage"]["verdict"], "complete", "{second}");
    assert_eq!(app.most_per_hour(0), 500);
}

#[apply(on_both_databases)]
async fn a_connection_with_little_of_its_own_does_not_hold_up_the_others(database: Database) {
    let app = App::with_contacts(database, 700).await;
    app.sync_every(HOUR, CONTACTS).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    let path = format!("/mgmt/v2/customers/{CUSTOMER}/connections/apollo");
    app.put(&path, json!({"limits": {"records_per_hour": 100}}))
        .await
        .ok();
    app.work_off().await;
    assert_eq!(
        app.newest_run(CUSTOMER, "contact").await["state"],
        "waiting"
    );

    // The account may read 10,000 an hour; only this connection may not.
    app.clock.advance(TimeDelta::minutes(10));
    app.connect("customer-2", MASTER_KEY).await;
    app.work_off().await;
    let first = app.newest_run("customer-2", "contact").await;
    assert_eq!(first["coverage"]["verdict"], "complete", "{first}");
    app.after(HOUR).await;
    let second = app.newest_run("customer-2", "contact").await;
    assert_ne!(second["id"], first["id"], "an hour later it was due again");
}

#[apply(on_both_databases)]
async fn the_small_objects_come_first(database: Database) {
    let mut options = quiet_apollo(400);
    options.teams[0].accounts = 200;
    let mut app = App::with_apollo(database, options).await;
    app.limit(per_hour(300));
    let objects = [
        "contact",
        "sequence_state",
        "account",
        "sequence",
        "mailbox",
        "user",
    ];
    app.sync_every(TimeDelta::days(1), &objects).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    for object in ["user", "mailbox", "sequence", "account"] {
        let run = app.newest_run(CUSTOMER, object).await;
        assert_eq!(run["coverage"]["verdict"], "complete", "{object} {run}");
    }
    assert_eq!(
        app.newest_run(CUSTOMER, "contact").await["state"],
        "waiting"
    );
    app.until_nothing_waits().await;
    assert_eq!(
        app.newest_run(CUSTOMER, "contact").await["coverage"]["verdict"],
        "complete"
    );
    let actions: Vec<_> = app
        .apollo
        .ledger()
        .requests()
        .into_iter()
        .filter(syncline_sim::Exchange::reads_records)
        .map(|it| it.action)
        .collect();
    let first_of = |action| actions.iter().position(|it| *it == action).unwrap();
    let last_of = |action| actions.iter().rposition(|it| *it == action).unwrap();
    for small in [
        "users/search",
        "email_accounts/index",
        "emailer_campaigns/search",
    ] {
        assert!(last_of(small) < first_of("accounts/search"), "{actions:?}");
    }
    assert!(
        last_of("accounts/search") < first_of("contacts/search"),
        "{actions:?}"
    );
    assert_eq!(app.contact_pages(), [1, 2, 3, 4]);
    assert!(app.most_per_hour(0) <= 300);
}

#[apply(on_both_databases)]
async fn a_small_object_goes_first_though_a_large_one_was_due_before(database: Database) {
    let app = App::synced(database, 150).await;
    app.apollo.ledger().reset();
    for object in ["contact", "account", "user"] {
        app.trigger(object).await;
        app.engine.tick().await.unwrap();
        app.clock.advance(TimeDelta::seconds(1));
    }
    // However many slots are free: what comes after the small one waits until that has ended.
    let objects = |scans: &[LeasedScan]| -> Vec<Object> {
        scans.iter().map(|leased| leased.scan.object).collect()
    };
    let mut claimed = Vec::new();
    loop {
        let mut scans = app.engine.claim(10).await.unwrap();
        if scans.is_empty() {
            break;
        }
        assert!(app.engine.claim(10).await.unwrap().is_empty());
        claimed.extend(objects(&scans));
        for leased in &mut scans {
            while !matches!(app.engine.step(leased).await.unwrap(), Step::End(_)) {}
        }
    }
    assert_eq!(claimed, [Object::User, Object::Account, Object::Contact]);
}

#[apply(on_both_databases)]
async fn the_small_objects_of_the_next_period_come_before_the_large_ones(database: Database) {
    let mut app = App::with_contacts(database, 1000).await;
    app.limit(per_hour(500));
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    for _ in 0..(24 * 6) {
        app.after(TimeDelta::minutes(10)).await;
    }
    // 155 records of the small ones and 1,000 contacts: a round takes a little more than two
    // hours.
    for object in ["user", "mailbox", "sequence", "account", "contact"] {
        let runs = app.runs(object).await;
        let ended = runs.iter().filter(|run| run["status"] == "SUCCESS").count();
        assert!((7..=12).contains(&ended), "{object}: {ended}");
        assert!(
            runs.iter().all(|run| run["status"] != "FAILURE"),
            "{object}"
        );
    }
    assert!(app.most_per_hour(0) <= 500);
}

async fn contacts_under_500(database: Database, contacts: usize) -> App {
    let mut app = App::with_contacts(database, contacts).await;
    app.limit(per_hour(500));
    app.sync_only(CONTACTS).await;
    app
}

fn time(time: &Value) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(time.as_str().unwrap())
        .unwrap()
        .to_utc()
}
