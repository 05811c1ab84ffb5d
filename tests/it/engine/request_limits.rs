//! Apollo's own rate limits: learned from its answers, shared by all processes, and never exceeded
//! once they are known.

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use serde_json::json;
use syncline_engine::{EngineConfig, ScanEnd, Step};
use syncline_sim::{
    Action, Fault, KeyOptions, Match, Options, Plan, Quota, SimRequest, TeamOptions, Window,
};
use syncline_store::{PermitDecision, PermitRequest};

use crate::support::{
    App, CONTACTS, CUSTOMER, DAY, Database, HOUR, MASTER_KEY, on_both_databases, per_hour,
    quiet_apollo, waiting_until, working_for,
};

const MINUTE: TimeDelta = TimeDelta::minutes(1);
const OTHER: &str = "customer-2";
const ENDPOINT: &str = "contacts/search";

#[apply(on_both_databases)]
async fn syncs_stop_at_a_fifth_of_a_minute_and_go_on_in_the_next(database: Database) {
    let app = contacts_of(database, 1500, quota(Some(10), None, None)).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    let began = app.now();
    app.work_off().await;
    assert_eq!(app.contact_pages().len(), 8, "two of ten are left");
    let run = app.newest_run(CUSTOMER, "contact").await;
    assert_eq!(run["waiting_reason"], "provider_rate_limit");
    assert_eq!(waiting_until(&run), began + MINUTE);

    app.after(MINUTE - TimeDelta::milliseconds(1)).await;
    assert_eq!(app.contact_pages().len(), 8);
    app.after(TimeDelta::milliseconds(1)).await;
    assert_eq!(app.contact_pages(), (1..=15).collect::<Vec<_>>());
    assert_eq!(
        app.newest_run(CUSTOMER, "contact").await["coverage"]["verdict"],
        "complete"
    );
    assert_eq!(refusals(&app), 0);
}

#[apply(on_both_databases)]
async fn syncs_stop_at_a_fifth_of_an_hour_and_of_a_day(database: Database) {
    let app = contacts_of(database, 2000, quota(None, Some(10), Some(15))).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    let began = app.now();
    app.work_off().await;
    assert_eq!(app.contact_pages().len(), 8);
    let run = app.newest_run(CUSTOMER, "contact").await;
    assert_eq!(run["waiting_reason"], "provider_rate_limit");
    assert_eq!(waiting_until(&run), began + HOUR);
    app.open_next_window().await;
    assert_eq!(
        app.contact_pages().len(),
        12,
        "three of the day's fifteen are left"
    );
    assert_eq!(
        waiting_until(&app.newest_run(CUSTOMER, "contact").await),
        began + DAY
    );
    app.until_nothing_waits().await;
    assert_eq!(app.contact_pages(), (1..=20).collect::<Vec<_>>());
    assert_eq!(app.runs("contact").await.len(), 1);
    assert_eq!(refusals(&app), 0);
}

#[apply(on_both_databases)]
async fn no_answer_is_ever_a_429_while_time_passes(database: Database) {
    let app = contacts_of(database, 3000, quota(Some(6), Some(20), Some(50))).await;
    let clock = app.clock.clone();
    app.apollo.on_request(move |asked, _| {
        clock.advance(TimeDelta::milliseconds(
            i64::try_from(900 + asked.nth % 5 * 4_000).unwrap(),
        ));
    });
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    app.until_nothing_waits().await;
    assert_eq!(refusals(&app), 0);
    assert_eq!(app.contact_pages(), (1..=30).collect::<Vec<_>>());
    assert!(
        app.now() - app.apollo.ledger().requests()[0].at < DAY,
        "a fifth is kept, not more"
    );
}

#[apply(on_both_databases)]
async fn the_last_fifth_is_for_interactive_calls(database: Database) {
    let app = contacts_of(database, 1500, quota(Some(10), None, None)).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    assert_eq!(app.contact_pages().len(), 8);
    assert!(matches!(
        ask_interactively(&app).await,
        PermitDecision::Permit(_)
    ));
    assert!(matches!(
        ask_interactively(&app).await,
        PermitDecision::Permit(_)
    ));
    let PermitDecision::Refused(refusal) = ask_interactively(&app).await else {
        panic!("an eleventh request would be refused by Apollo");
    };
    assert!(refusal.until > app.now() && refusal.until <= app.now() + MINUTE * 2);
}

#[apply(on_both_databases)]
async fn a_429_without_a_time_is_obeyed_by_its_window(database: Database) {
    let app = contacts_of(database, 150, Plan::Unlimited).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    for (window, wait) in [
        (Window::Minute, MINUTE),
        (Window::Hour, TimeDelta::minutes(15)),
        (Window::Day, HOUR),
    ] {
        refuse(
            &app,
            Action::RateLimited {
                window,
                retry_after: None,
            },
        );
        app.trigger("contact").await;
        app.work_off().await;
        let run = app.newest_run(CUSTOMER, "contact").await;
        assert_eq!(waiting_until(&run), app.now() + wait, "{window:?}");
        assert_eq!(run["waiting_reason"], "provider_rate_limit");
        // The next attempt is rejected by the same window again.
        refuse(
            &app,
            Action::RateLimited {
                window,
                retry_after: None,
            },
        );
        app.open_next_window().await;
        let run = app.newest_run(CUSTOMER, "contact").await;
        assert_eq!(waiting_until(&run), app.now() + wait, "{window:?}");
        app.until_nothing_waits().await;
        assert!(app.apollo.faults().spent());
        assert_eq!(
            app.newest_run(CUSTOMER, "contact").await["status"],
            "SUCCESS"
        );
    }
    assert_eq!(
        app.records_this_hour().await % 100,
        50,
        "what is refused costs no records"
    );
}

#[apply(on_both_databases)]
async fn a_429_with_a_time_is_obeyed_by_it(database: Database) {
    let app = contacts_of(database, 150, Plan::Unlimited).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    for window in [Window::Minute, Window::Hour, Window::Day] {
        refuse(
            &app,
            Action::RateLimited {
                window,
                retry_after: Some(1234),
            },
        );
        app.trigger("contact").await;
        app.work_off().await;
        let until = app.now() + TimeDelta::seconds(1234);
        assert_eq!(
            waiting_until(&app.newest_run(CUSTOMER, "contact").await),
            until
        );
        let asked = app.contact_pages().len();
        app.pass_until(until - TimeDelta::milliseconds(1));
        app.work_off().await;
        assert_eq!(app.contact_pages().len(), asked);
        app.after(TimeDelta::milliseconds(1)).await;
        assert_eq!(
            app.newest_run(CUSTOMER, "contact").await["status"],
            "SUCCESS"
        );
    }
}

#[apply(on_both_databases)]
async fn a_sequence_in_process_is_asked_for_again_within_seconds(database: Database) {
    let app = contacts_of(database, 150, Plan::Unlimited).await;
    refuse(&app, Action::AlreadyProcessing);
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    let waiting = app.newest_run(CUSTOMER, "contact").await;
    assert!(
        waiting_until(&waiting) <= app.now() + TimeDelta::seconds(10),
        "{waiting}"
    );
    app.open_next_window().await;
    let run = app.newest_run(CUSTOMER, "contact").await;
    assert_eq!(
        (&run["status"], &run["requests_made"]),
        (&"SUCCESS".into(), &3.into())
    );
}

#[apply(on_both_databases)]
async fn what_one_process_learned_another_obeys(database: Database) {
    let app = contacts_of(database, 1500, quota(None, Some(10), None)).await;
    let [first, second] = two_processes(&app).await;
    let began = app.now();
    first.work_off().await.unwrap();
    assert_eq!(app.contact_pages().len(), 8);
    second.work_off().await.unwrap();
    assert_eq!(
        app.contact_pages().len(),
        8,
        "the other one never asked, and yet it knows"
    );
    let run = app.newest_run(OTHER, "contact").await;
    assert_eq!(run["waiting_reason"], "provider_rate_limit");
    assert_eq!(waiting_until(&run), began + HOUR);
    app.until_nothing_waits().await;
    assert_eq!(app.contact_pages().len(), 30);
    assert_eq!(refusals(&app), 0);
}

#[apply(on_both_databases)]
async fn a_429_of_one_process_is_another_ones_too(database: Database) {
    let app = contacts_of(database, 150, Plan::Unlimited).await;
    let [first, second] = two_processes(&app).await;
    let hour = Action::RateLimited {
        window: Window::Hour,
        retry_after: None,
    };
    app.apollo
        .faults()
        .push(Fault::new(Match::path(ENDPOINT), hour).always());
    for quarter in 1..=5 {
        first.work_off().await.unwrap();
        second.work_off().await.unwrap();
        assert_eq!(
            app.contact_pages().len(),
            quarter,
            "one probe every 15 minutes, of them all"
        );
        for customer in [CUSTOMER, OTHER] {
            let run = app.newest_run(customer, "contact").await;
            assert_eq!(
                waiting_until(&run),
                app.now() + TimeDelta::minutes(15),
                "{customer}"
            );
        }
        app.clock.advance(TimeDelta::minutes(15));
    }
    app.apollo.faults().clear();
    first.work_off().await.unwrap();
    second.work_off().await.unwrap();
    for customer in [CUSTOMER, OTHER] {
        assert_eq!(
            app.newest_run(customer, "contact").await["status"],
            "SUCCESS"
        );
    }
}

#[apply(on_both_databases)]
async fn a_429_that_names_no_window_is_another_processs_too(database: Database) {
    let app = contacts_of(database, 150, Plan::Unlimited).await;
    let [first, second] = two_processes(&app).await;
    refuse(
        &app,
        Action::Answer {
            status: 429,
            content_type: "application/json".to_owned(),
            body: r#"{"message":"Too many requests."}"#.to_owned(),
        },
    );
    first.work_off().await.unwrap();
    second.work_off().await.unwrap();
    assert_eq!(app.contact_pages(), [1]);
    for customer in [CUSTOMER, OTHER] {
        let run = app.newest_run(customer, "contact").await;
        assert_eq!(waiting_until(&run), app.now() + MINUTE, "{customer}");
    }
}

#[apply(on_both_databases)]
async fn each_endpoint_has_windows_of_its_own(database: Database) {
    let mut options = quiet_apollo(1500);
    options.teams[0].plan = quota(None, Some(10), None);
    let app = App::with_apollo(database, options).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    assert_eq!(
        app.newest_run(CUSTOMER, "contact").await["state"],
        "waiting"
    );
    for object in ["user", "mailbox", "sequence", "account"] {
        assert_eq!(
            app.newest_run(CUSTOMER, object).await["status"],
            "SUCCESS",
            "{object}"
        );
        app.trigger(object).await;
    }
    app.work_off().await;
    for object in ["user", "mailbox", "sequence", "account"] {
        let runs = app.runs(object).await;
        assert_eq!(
            (runs.len(), &runs[0]["status"]),
            (2, &"SUCCESS".into()),
            "{object}"
        );
    }
    assert_eq!(refusals(&app), 0);
}

#[apply(on_both_databases)]
async fn a_429_of_one_endpoint_stops_no_other(database: Database) {
    let mut options = quiet_apollo(150);
    options.teams[0].keys.push(KeyOptions::master("second-key"));
    let app = App::with_apollo(database, options).await;
    refuse(
        &app,
        Action::RateLimited {
            window: Window::Day,
            retry_after: None,
        },
    );
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.connect(OTHER, "second-key").await;
    app.work_off().await;
    assert_eq!(
        app.contact_pages(),
        [1],
        "the team's other key is not tried"
    );
    for customer in [CUSTOMER, OTHER] {
        assert_eq!(
            app.newest_run(customer, "contact").await["state"],
            "waiting"
        );
        for object in ["user", "mailbox", "sequence", "account"] {
            let run = app.newest_run(customer, object).await;
            assert_eq!(run["status"], "SUCCESS", "{customer} {object}");
        }
    }
}

#[apply(on_both_databases)]
async fn a_fifth_is_rounded_up_but_is_never_all_of_it(database: Database) {
    let limits = [(1, 1), (2, 1), (3, 2), (5, 4), (6, 4), (11, 8)];
    let teams = limits
        .iter()
        .enumerate()
        .map(|(n, (limit, _))| TeamOptions {
            plan: quota(None, Some(*limit), None),
            ..TeamOptions::numbered(n, 1000)
        });
    let options = Options {
        teams: teams.collect(),
        ..Options::default()
    };
    let app = App::with_apollo(database, options).await;
    app.sync_only(CONTACTS).await;
    for n in 0..limits.len() {
        app.connect(&format!("c{n}"), &format!("sim-master-key-{n}"))
            .await;
    }
    app.work_off().await;
    for (team, (limit, asked)) in limits.into_iter().enumerate() {
        assert_eq!(app.pages_of_team(team, ENDPOINT).len(), asked, "of {limit}");
    }
    app.until_nothing_waits().await;
    assert_eq!(refusals(&app), 0);
    for team in 0..limits.len() {
        assert_eq!(
            app.pages_of_team(team, ENDPOINT),
            (1..=10).collect::<Vec<_>>()
        );
    }
}

#[apply(on_both_databases)]
async fn what_others_use_of_a_window_is_learned_from_the_next_answer(database: Database) {
    let app = contacts_of(database, 1500, quota(None, Some(20), None)).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.engine.tick().await.unwrap();
    let mut scans = app.engine.claim(1).await.unwrap();
    for _ in 0..3 {
        assert_eq!(
            app.engine.step(&mut scans[0]).await.unwrap(),
            Step::Continue
        );
    }
    use_up(&app, 12);
    for _ in 0..2 {
        assert_eq!(
            app.engine.step(&mut scans[0]).await.unwrap(),
            Step::Continue
        );
    }
    assert_eq!(
        app.engine.step(&mut scans[0]).await.unwrap(),
        Step::End(ScanEnd::Waiting)
    );
    let run = app.newest_run(CUSTOMER, "contact").await;
    assert_eq!(waiting_until(&run), app.now() + HOUR);
    app.until_nothing_waits().await;
    assert_eq!(
        app.newest_run(CUSTOMER, "contact").await["coverage"]["verdict"],
        "complete"
    );
    assert_eq!(refusals(&app), 0);
}

#[apply(on_both_databases)]
async fn a_window_that_others_used_up_is_probed_until_it_opens(database: Database) {
    let mut options = quiet_apollo(450);
    options.teams[0].plan = quota(None, Some(10), None);
    options.switches.retry_after = false;
    let app = App::with_apollo(database, options).await;
    app.sync_only(CONTACTS).await;
    use_up(&app, 10);
    let opened = app.now();
    app.clock.advance(MINUTE);
    app.apollo.ledger().reset();
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    app.until_nothing_waits().await;
    assert_eq!(
        app.newest_run(CUSTOMER, "contact").await["coverage"]["verdict"],
        "complete"
    );
    assert!(
        refusals(&app) <= 4,
        "a probe every 15 minutes: {}",
        refusals(&app)
    );
    let went_on = app.now() - opened;
    assert!(
        went_on >= HOUR && went_on <= HOUR + TimeDelta::minutes(15),
        "{went_on}"
    );
    assert_eq!(app.runs("contact").await.len(), 1);
}

#[apply(on_both_databases)]
async fn by_id_reads_keep_to_their_own_windows(database: Database) {
    let app = contacts_of(database, 450, quota(None, Some(10), None)).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    app.apollo.edit(0, |team| {
        for id in &team.contact_ids()[..30] {
            team.delete_contact(id).unwrap();
        }
    });
    app.clock.advance(HOUR * 2);
    app.trigger("contact").await;
    app.work_off().await;
    let looked_up = || {
        let requests = app.apollo.ledger().requests();
        requests
            .iter()
            .filter(|it| it.action == "contacts/show")
            .count()
    };
    assert_eq!(looked_up(), 8);
    let run = app.newest_run(CUSTOMER, "contact").await;
    assert_eq!(run["waiting_reason"], "provider_rate_limit");
    assert_eq!(waiting_until(&run), app.now() + HOUR);
    app.until_nothing_waits().await;
    assert_eq!(looked_up(), 30, "each once, however long it took");
    assert_eq!(app.contact_pages().len(), 5 + 5);
    app.trigger("contact").await;
    app.work_off().await;
    app.until_nothing_waits().await;
    let deleted = "SELECT count(*) FROM engagement_contacts WHERE is_deleted";
    assert_eq!(app.database.count(deleted).await, 30);
    assert_eq!(refusals(&app), 0);
}

#[apply(on_both_databases)]
async fn two_processes_at_once_never_meet_a_429(database: Database) {
    let app = contacts_of(database, 1500, quota(Some(7), Some(20), None)).await;
    let clock = app.clock.clone();
    app.apollo.on_request(move |asked, _| {
        clock.advance(TimeDelta::milliseconds(
            i64::try_from(500 + asked.nth % 3 * 2_000).unwrap(),
        ));
    });
    let [first, second] = two_processes(&app).await;
    for _ in 0..(4 * 60) {
        let (one, other) = tokio::join!(first.work_off(), second.work_off());
        one.unwrap();
        other.unwrap();
        app.clock.advance(MINUTE);
    }
    assert_eq!(refusals(&app), 0);
    for customer in [CUSTOMER, OTHER] {
        let run = app.newest_run(customer, "contact").await;
        assert_eq!(run["coverage"]["verdict"], "complete", "{run}");
        assert_eq!(run["requests_made"], 15);
    }
}

#[apply(on_both_databases)]
async fn a_run_that_needs_records_and_requests_waits_for_both(database: Database) {
    let mut app = contacts_of(database, 1000, quota(Some(5), None, None)).await;
    app.limit(per_hour(500));
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    assert_eq!(app.contact_pages().len(), 4);
    let run = app.newest_run(CUSTOMER, "contact").await;
    assert_eq!(run["waiting_reason"], "provider_rate_limit");
    app.open_next_window().await;
    assert_eq!(app.contact_pages().len(), 5);
    let run = app.newest_run(CUSTOMER, "contact").await;
    assert_eq!(run["waiting_reason"], "records_per_hour");
    app.until_nothing_waits().await;
    assert_eq!(app.contact_pages(), (1..=10).collect::<Vec<_>>());
    assert_eq!(app.most_per_hour(0), 500);
    assert_eq!(refusals(&app), 0);
}

fn quota(per_minute: Option<u32>, per_hour: Option<u32>, per_day: Option<u32>) -> Plan {
    Plan::Custom(Quota {
        per_minute,
        per_hour,
        per_day,
    })
}

/// An application that syncs only contacts, of a team with this plan.
async fn contacts_of(database: Database, contacts: usize, plan: Plan) -> App {
    let mut options = quiet_apollo(contacts);
    options.teams[0].plan = plan;
    let app = App::with_apollo(database, options).await;
    app.sync_only(CONTACTS).await;
    app
}

/// The next search for contacts gets this answer.
fn refuse(app: &App, action: Action) {
    let search = Match::path(ENDPOINT);
    app.apollo.faults().push(Fault::new(search, action));
}

/// Requests of another client with the same key.
fn use_up(app: &App, requests: usize) {
    let search = SimRequest::post(
        "/api/v1/contacts/search",
        &json!({"page": 1, "per_page": 1}),
    );
    for _ in 0..requests {
        assert_eq!(
            app.apollo
                .respond(app.now(), &search.clone().key(MASTER_KEY))
                .status,
            200
        );
    }
}

fn refusals(app: &App) -> usize {
    let requests = app.apollo.ledger().requests();
    requests.iter().filter(|it| it.status == 429).count()
}

async fn ask_interactively(app: &App) -> PermitDecision {
    let connection = app.connection_of(CUSTOMER).await;
    let limits = per_hour(10_000);
    let ask = PermitRequest {
        endpoint: ENDPOINT,
        records: 0,
        cost: 1,
        limits,
        interactive: true,
        answer_within: TimeDelta::seconds(30),
    };
    let decision = app.store.reserve(&connection.account_id, &ask).await;
    decision.unwrap()
}

/// Two processes, each of which works for one of two customers of the same team.
async fn two_processes(app: &App) -> [syncline_engine::Engine; 2] {
    let customers = [
        app.connect(CUSTOMER, MASTER_KEY).await,
        app.connect(OTHER, MASTER_KEY).await,
    ];
    let config = |n: usize| -> EngineConfig { working_for(&customers[n], App::engine_config()) };
    [
        app.another_process(config(0)).await,
        app.another_process(config(1)).await,
    ]
}
