//! The hour's and the day's records: any hour, any day.

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use serde_json::{Value, json};
use syncline_model::VolumeLimits;
use syncline_sim::{Action, Fault, Match};
use syncline_store::PermitDecision;

use super::{contacts_under, pages};
use crate::support::{
    App, CONTACTS, CUSTOMER, DAY, HOUR, MASTER_KEY, on_both_databases, per_hour, waiting_until,
};

#[apply(on_both_databases)]
async fn a_run_that_meets_the_hour_waits_and_goes_on_at_its_checkpoint(database: Database) {
    let app = contacts_under(database, 1000, per_hour(500)).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    let began = app.now();
    app.work_off().await;

    assert_eq!(app.contact_pages(), pages(1, 5));
    let first = app.newest_run(CUSTOMER, "contact").await;
    for object in CONTACTS {
        let run = app.newest_run(CUSTOMER, object).await;
        assert_eq!(run["state"], "waiting", "{run}");
        assert_eq!(run["status"], "IN_PROGRESS");
        assert_eq!(run["waiting_reason"], "records_per_hour");
        assert_eq!(run["coverage"], json!(null));
    }
    assert_eq!(first["num_records_synced"], 500);
    let until = waiting_until(&first);
    assert!(
        until >= began + HOUR && until <= began + HOUR + TimeDelta::minutes(2),
        "{until}"
    );
    assert_eq!(leased(&app).await, 0, "nobody works on a run that waits");
    assert!(app.engine.claim(10).await.unwrap().is_empty());

    app.pass_until(until - TimeDelta::milliseconds(1));
    app.work_off().await;
    assert_eq!(app.contact_pages(), pages(1, 5), "not a moment earlier");
    app.after(TimeDelta::milliseconds(1)).await;

    assert_eq!(app.contact_pages(), pages(1, 10), "every page once");
    for object in CONTACTS {
        let runs = app.runs(object).await;
        assert_eq!(runs.len(), 1, "it is still the same run");
        assert_eq!(runs[0]["status"], "SUCCESS");
        assert_eq!(runs[0]["coverage"]["verdict"], "complete", "{}", runs[0]);
        assert_eq!(runs[0]["waiting_until"], json!(null));
        assert_eq!(runs[0]["waiting_reason"], json!(null));
    }
    assert_eq!(
        app.runs("contact").await[0]["coverage"]["records_seen"],
        1000
    );
    assert_eq!(app.all_records("contacts").await.len(), 1000);
    assert_eq!(app.most_per_hour(0), 500);
    let events = "SELECT count(*) FROM outbox WHERE event_type = 'sync.complete'";
    assert_eq!(app.database.count(events).await, 2, "one event a run");
}

#[apply(on_both_databases)]
async fn a_run_that_meets_the_day_waits_for_it(database: Database) {
    let limits = VolumeLimits {
        records_per_day: Some(700),
        ..per_hour(500)
    };
    let app = contacts_under(database, 1000, limits).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    let began = app.now();
    app.work_off().await;
    assert_eq!(
        app.newest_run(CUSTOMER, "contact").await["waiting_reason"],
        "records_per_hour"
    );
    app.open_next_window().await;

    assert_eq!(app.contact_pages(), pages(1, 7));
    let run = app.newest_run(CUSTOMER, "contact").await;
    assert_eq!(run["waiting_reason"], "records_per_day");
    let until = waiting_until(&run);
    assert!(
        until >= began + DAY && until <= began + DAY + TimeDelta::minutes(2),
        "{until}"
    );
    app.after(TimeDelta::hours(22)).await;
    assert_eq!(app.contact_pages(), pages(1, 7));
    app.until_nothing_waits().await;

    assert_eq!(app.contact_pages(), pages(1, 10));
    let runs = app.runs("contact").await;
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0]["coverage"]["verdict"], "complete", "{}", runs[0]);
    assert_eq!(app.most_per_day(0), 700);
    assert_eq!(app.most_per_hour(0), 500);
}

#[apply(on_both_databases)]
async fn the_hour_is_any_hour_and_not_the_clocks(database: Database) {
    let app = contacts_under(database, 1000, per_hour(500)).await;
    app.clock.advance(TimeDelta::minutes(50));
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    for _ in 0..60 {
        app.after(TimeDelta::minutes(1)).await;
        assert_eq!(app.contact_pages(), pages(1, 5), "at {}", app.now());
    }
    app.until_nothing_waits().await;
    assert_eq!(app.contact_pages(), pages(1, 10));
    assert_eq!(app.most_per_hour(0), 500);
}

#[apply(on_both_databases)]
async fn the_day_is_any_day_and_not_the_calendars(database: Database) {
    let limits = VolumeLimits {
        records_per_day: Some(300),
        ..VolumeLimits::default()
    };
    let app = contacts_under(database, 500, limits).await;
    app.clock
        .advance(TimeDelta::hours(15) + TimeDelta::minutes(50));
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    for _ in 0..24 {
        app.after(HOUR).await;
        assert_eq!(app.contact_pages(), pages(1, 3), "at {}", app.now());
    }
    app.until_nothing_waits().await;
    assert_eq!(app.contact_pages(), pages(1, 5));
    assert_eq!(app.most_per_day(0), 300);
}

#[apply(on_both_databases)]
async fn what_was_spent_comes_back_bit_by_bit(database: Database) {
    let app = contacts_under(database, 300, per_hour(500)).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    assert_eq!(app.contact_pages(), pages(1, 3));
    app.clock.advance(TimeDelta::minutes(30));
    app.trigger("contact").await;
    app.work_off().await;
    let waiting = app.newest_run(CUSTOMER, "contact").await;
    assert_eq!(app.contact_pages(), [1, 2, 3, 1, 2]);
    // The first three pages leave the hour, the two of half past don't.
    app.open_next_window().await;
    assert!(app.now() < waiting_until(&waiting) + TimeDelta::seconds(1));
    assert_eq!(app.contact_pages(), [1, 2, 3, 1, 2, 3]);
    app.trigger("contact").await;
    app.work_off().await;
    assert_eq!(
        app.contact_pages(),
        [1, 2, 3, 1, 2, 3, 1, 2],
        "200 and 100 still count"
    );
    app.until_nothing_waits().await;
    assert_eq!(app.most_per_hour(0), 500);
}

#[apply(on_both_databases)]
async fn however_long_answers_take_no_hour_has_more(database: Database) {
    let limits = VolumeLimits {
        records_per_day: Some(2_000),
        ..per_hour(700)
    };
    let mut app = App::with_contacts(database, 1500).await;
    app.limit(limits);
    app.sync_every(
        TimeDelta::minutes(20),
        &["user", "mailbox", "account", "contact"],
    )
    .await;
    // Time passes with every request: a page may be requested in one minute and arrive in
    // another.
    let clock = app.clock.clone();
    app.apollo.on_request(move |asked, _| {
        clock.advance(TimeDelta::milliseconds(
            i64::try_from(700 + asked.nth % 7 * 3_100).unwrap(),
        ));
    });
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    let until = app.now() + TimeDelta::days(4);
    while app.now() < until {
        app.after(TimeDelta::minutes(20)).await;
    }
    assert!(app.most_per_hour(0) <= 700, "{}", app.most_per_hour(0));
    assert!(app.most_per_day(0) <= 2_000, "{}", app.most_per_day(0));
    // The budget is used nevertheless: a page and the mailboxes' reservation may stay unused.
    assert!(app.most_per_day(0) > 1_700, "{}", app.most_per_day(0));
    assert!(app.runs("contact").await.len() > 2);
    assert_eq!(
        app.runs("contact").await.last().unwrap()["coverage"]["verdict"],
        "complete"
    );
}

#[apply(on_both_databases)]
async fn records_count_from_their_answer_and_not_from_their_request(database: Database) {
    let app = contacts_under(database, 200, per_hour(100)).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.clock.advance(TimeDelta::seconds(55));
    let clock = app.clock.clone();
    app.apollo
        .on_request(move |_, _| clock.advance(TimeDelta::seconds(29)));
    app.work_off().await;
    let answered = app.now();
    assert_eq!(app.contact_pages(), [1]);
    let until = waiting_until(&app.newest_run(CUSTOMER, "contact").await);
    assert!(until >= answered + HOUR, "{until}");
    assert!(until <= answered + HOUR + TimeDelta::minutes(2), "{until}");
}

#[apply(on_both_databases)]
async fn mailboxes_reserve_what_is_known_and_a_hundred_more(database: Database) {
    let limits = per_hour(500);
    let mut app = App::with_contacts(database, 0).await;
    app.limit(limits);
    app.sync_only(&["mailbox"]).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    let asked = || app.apollo.ledger().requests_to("email_accounts").len();
    assert_eq!(
        (asked(), app.records_this_hour().await),
        (1, 10),
        "there are 10"
    );

    app.clock.advance(HOUR * 2);
    assert!(matches!(
        app.reserve_and_die(390, &limits).await,
        PermitDecision::Permit(_)
    ));
    app.trigger("mailbox").await;
    app.work_off().await;
    assert_eq!(asked(), 2, "110 more fit exactly");
    assert_eq!(app.records_this_hour().await, 400, "10 of them came");

    app.trigger("mailbox").await;
    app.work_off().await;
    assert_eq!(asked(), 2, "110 more do not fit");
    let run = app.newest_run(CUSTOMER, "mailbox").await;
    assert_eq!(run["waiting_reason"], "records_per_hour");
    app.until_nothing_waits().await;
    assert_eq!(asked(), 3);
    assert_eq!(
        app.newest_run(CUSTOMER, "mailbox").await["status"],
        "SUCCESS"
    );
}

#[apply(on_both_databases)]
async fn sequence_states_cost_nothing(database: Database) {
    let app = contacts_under(database, 500, per_hour(500)).await;
    let states = app.apollo.read(0, |team| team.counts().states);
    assert!(states > 100, "{states}");
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    let run = app.newest_run(CUSTOMER, "sequence_state").await;
    assert_eq!(run["status"], "SUCCESS");
    assert_eq!(run["num_records_synced"], states);
    assert_eq!(app.records_this_hour().await, 500);
}

#[apply(on_both_databases)]
async fn a_connections_own_limits_count_instead(database: Database) {
    let app = contacts_under(database, 600, per_hour(500)).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    set_limits(
        &app,
        json!({"records_per_hour": 200, "records_per_day": 300}),
    )
    .await;
    app.work_off().await;
    assert_eq!(app.contact_pages(), pages(1, 2));
    assert_eq!(
        app.newest_run(CUSTOMER, "contact").await["waiting_reason"],
        "records_per_hour"
    );
    app.open_next_window().await;
    assert_eq!(app.contact_pages(), pages(1, 3));
    assert_eq!(
        app.newest_run(CUSTOMER, "contact").await["waiting_reason"],
        "records_per_day"
    );

    set_limits(
        &app,
        json!({"records_per_hour": 200, "records_per_day": 1000}),
    )
    .await;
    app.until_nothing_waits().await;
    assert_eq!(app.contact_pages(), pages(1, 6));
    assert_eq!(app.most_per_hour(0), 200);
}

#[apply(on_both_databases)]
async fn by_id_reads_draw_from_the_hour_too(database: Database) {
    let limits = per_hour(500);
    let app = contacts_under(database, 490, limits).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    app.clock.advance(HOUR * 2);
    assert!(matches!(
        app.reserve_and_die(40, &limits).await,
        PermitDecision::Permit(_)
    ));
    let hidden = app.apollo.read(0, |team| team.contact_ids()[..60].to_vec());
    let search = Match::path("contacts/search");
    app.apollo
        .faults()
        .push(Fault::new(search, Action::HideRecords(hidden)).times(5));
    app.apollo.ledger().reset();
    app.trigger("contact").await;
    app.work_off().await;

    // 40 that are still reserved, 430 on the pages, and 30 by-id reads.
    let asked = || app.apollo.ledger().requests_to("/contacts/").len() - app.contact_pages().len();
    assert_eq!((app.contact_pages(), asked()), (pages(1, 5), 30));
    let run = app.newest_run(CUSTOMER, "contact").await;
    assert_eq!(run["waiting_reason"], "records_per_hour");
    app.until_nothing_waits().await;
    assert_eq!(
        (app.contact_pages(), asked()),
        (pages(1, 5), 60),
        "each once"
    );
    let run = app.newest_run(CUSTOMER, "contact").await;
    assert_eq!(run["status"], "SUCCESS");
    assert_eq!(run["coverage"]["verdict"], "drifted", "{run}");
    assert!(app.most_per_hour(0) <= 460);
    assert_eq!(app.all_records("contacts").await.len(), 490);
}

async fn set_limits(app: &App, limits: Value) {
    let path = format!("/mgmt/v2/customers/{CUSTOMER}/connections/apollo");
    app.put(&path, json!({"limits": limits})).await.ok();
}

async fn leased(app: &App) -> i64 {
    let sql = "SELECT count(*) FROM sync_runs WHERE lease_owner IS NOT NULL";
    app.database.count(sql).await
}
