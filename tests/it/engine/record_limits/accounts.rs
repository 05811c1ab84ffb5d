//! Which records count together: those of one provider account, whatever number of connections,
//! keys and processes it has.

use std::sync::Arc;

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use serde_json::json;
use syncline_engine::{Engine, EngineConfig};
use syncline_model::{Clock, Ids, ManualClock, Time};
use syncline_sim::{Action, Fault, KeyOptions, Match, Options, TeamOptions};
use syncline_store::{PermitDecision, Store};

use super::{contacts_under, pages};
use crate::support::{
    App, CONTACTS, CUSTOMER, Database, HOUR, MASTER_KEY, SCOPED_KEY, limited_to, on_both_databases,
    pages_of, per_hour, quiet_apollo, working_for,
};

const OTHER: &str = "customer-2";

#[apply(on_both_databases)]
async fn two_connections_with_one_key_share_a_budget(database: Database) {
    let app = contacts_under(database, 600, per_hour(500)).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.connect(OTHER, MASTER_KEY).await;
    both_read_all_within_one_budget(&app).await;
}

#[apply(on_both_databases)]
async fn two_keys_of_one_team_share_a_budget(database: Database) {
    let app = contacts_under(database, 600, per_hour(500)).await;
    app.apollo
        .edit(0, |team| team.add_key(KeyOptions::master("second-key")));
    app.connect(CUSTOMER, "second-key").await;
    app.connect(OTHER, SCOPED_KEY).await;
    both_read_all_within_one_budget(&app).await;
}

#[apply(on_both_databases)]
async fn two_applications_with_one_key_share_a_budget(database: Database) {
    let mut app = contacts_under(database, 600, per_hour(500)).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    let other = app
        .store
        .find_or_create_application("another", &crate::support::enabled())
        .await
        .unwrap();
    app.store
        .add_api_key(&other.id, "another", "another-api-key")
        .await
        .unwrap();
    "another-api-key".clone_into(&mut app.api_key);
    app.sync_only(CONTACTS).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    assert_eq!(app.most_per_hour(0), 500, "of both together");
    for _ in 0..5 {
        app.after(HOUR * 2).await;
    }
    assert_eq!(app.most_per_hour(0), 500);
    let complete = "SELECT count(*) FROM sync_runs WHERE coverage->>'verdict' = 'complete'";
    assert_eq!(
        app.database.count(complete).await,
        4,
        "both read everything"
    );
}

#[apply(on_both_databases)]
async fn two_teams_have_a_budget_each(database: Database) {
    let app = two_teams(database, 600).await;
    app.connect(CUSTOMER, "sim-master-key-1").await;
    app.connect(OTHER, "sim-master-key-2").await;
    app.work_off().await;
    for team in 0..2 {
        assert_eq!(app.pages_of_team(team, "contacts/search"), pages(1, 5));
    }
    app.until_nothing_waits().await;
    for team in 0..2 {
        assert_eq!(app.pages_of_team(team, "contacts/search"), pages(1, 6));
        assert_eq!(app.most_per_hour(team), 500);
    }
}

#[apply(on_both_databases)]
async fn a_key_that_can_not_tell_its_team_is_an_account_of_its_own(database: Database) {
    let mut options = quiet_apollo(600);
    options.switches.scoped_keys_read_profile = false;
    options.teams[0]
        .keys
        .push(KeyOptions::scoped("other-scoped-key", &["contacts/search"]));
    let mut app = App::with_apollo(database, options).await;
    app.limit(per_hour(500));
    app.sync_only(CONTACTS).await;
    for (customer, key) in [
        ("a", SCOPED_KEY),
        ("b", SCOPED_KEY),
        ("c", "other-scoped-key"),
    ] {
        app.connect(customer, key).await;
    }
    app.work_off().await;
    // The connections of one key share its budget; the other key has a budget of its own.
    assert_eq!(app.most_per_hour(0), 500 + 500);
    assert_eq!(
        app.newest_run("c", "contact").await["num_records_synced"],
        500
    );
}

#[apply(on_both_databases)]
async fn a_connection_that_could_not_be_checked_shares_from_its_first_run(database: Database) {
    let app = contacts_under(database, 600, per_hour(500)).await;
    for path in ["auth/health", "users/api_profile"] {
        app.apollo
            .faults()
            .push(Fault::new(Match::path(path), Action::unavailable()).always());
    }
    let unverified = app.connect(CUSTOMER, MASTER_KEY).await;
    assert_eq!(unverified["status"], "unverified");
    app.apollo.faults().clear();
    app.connect(OTHER, MASTER_KEY).await;
    both_read_all_within_one_budget(&app).await;
}

#[apply(on_both_databases)]
async fn what_a_key_spent_before_its_team_was_known_counts_for_the_team(database: Database) {
    let app = contacts_under(database, 600, per_hour(500)).await;
    let profile = Match::path("users/api_profile");
    app.apollo
        .faults()
        .push(Fault::new(profile, Action::unavailable()).always());
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    assert_eq!(app.contact_pages(), pages(1, 5));
    app.apollo.faults().clear();
    app.connect(OTHER, MASTER_KEY).await;
    both_read_all_within_one_budget(&app).await;
}

#[apply(on_both_databases)]
async fn new_credentials_keep_what_was_spent(database: Database) {
    let app = two_teams(database, 300).await;
    app.connect(CUSTOMER, "sim-master-key-1").await;
    app.work_off().await;
    assert_eq!(app.pages_of_team(0, "contacts/search"), pages(1, 3));

    replace_key(&app, "sim-master-key-2").await;
    app.trigger("contact").await;
    app.work_off().await;
    assert_eq!(
        app.pages_of_team(1, "contacts/search"),
        pages(1, 2),
        "300 of 500 were spent"
    );
    let run = app.newest_run(CUSTOMER, "contact").await;
    assert_eq!(run["waiting_reason"], "records_per_hour");
    app.until_nothing_waits().await;
    assert_eq!(app.pages_of_team(1, "contacts/search"), pages(1, 3));
}

#[apply(on_both_databases)]
async fn going_back_and_forth_between_credentials_doubles_nothing(database: Database) {
    let app = two_teams(database, 300).await;
    app.connect(CUSTOMER, "sim-master-key-1").await;
    app.work_off().await;
    for _ in 0..2 {
        for key in ["sim-master-key-2", "sim-master-key-1"] {
            app.clock.advance(TimeDelta::minutes(2));
            replace_key(&app, key).await;
            assert_eq!(app.records_this_hour().await, 300, "with {key}");
        }
    }
    app.trigger("contact").await;
    app.work_off().await;
    assert_eq!(app.pages_of_team(0, "contacts/search"), [1, 2, 3, 1, 2]);
}

#[apply(on_both_databases)]
async fn a_key_rotated_within_its_team_changes_nothing(database: Database) {
    let app = contacts_under(database, 1000, per_hour(500)).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    app.apollo
        .edit(0, |team| team.add_key(KeyOptions::master("second-key")));
    replace_key(&app, "second-key").await;
    app.apollo.edit(0, |team| team.revoke_key(MASTER_KEY));
    app.work_off().await;
    assert_eq!(app.contact_pages(), pages(1, 5));
    app.until_nothing_waits().await;
    assert_eq!(
        app.contact_pages(),
        pages(1, 10),
        "the run goes on with the new key"
    );
    assert_eq!(app.runs("contact").await.len(), 1);
    assert_eq!(
        app.newest_run(CUSTOMER, "contact").await["coverage"]["verdict"],
        "complete"
    );
    assert_eq!(app.most_per_hour(0), 500);
}

#[apply(on_both_databases)]
async fn a_connection_that_is_deleted_and_made_again_starts_with_what_was_spent(
    database: Database,
) {
    let app = contacts_under(database, 400, per_hour(500)).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    let path = format!("/mgmt/v2/customers/{CUSTOMER}/connections/apollo");
    assert_eq!(app.delete(&path).await.status, 204);
    app.clock.advance(TimeDelta::minutes(5));
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    assert_eq!(app.contact_pages(), [1, 2, 3, 4, 1]);
    app.until_nothing_waits().await;
    assert_eq!(app.most_per_hour(0), 500);
}

#[apply(on_both_databases)]
async fn a_run_whose_key_becomes_another_teams_does_not_claim_to_be_complete(database: Database) {
    let app = two_teams(database, 1000).await;
    app.connect(CUSTOMER, "sim-master-key-1").await;
    app.work_off().await;
    assert_eq!(app.pages_of_team(0, "contacts/search"), pages(1, 5));
    replace_key(&app, "sim-master-key-2").await;
    app.until_nothing_waits().await;
    // Whether it continues or starts again: it is complete only if it read all that is there
    // now.
    let run = app.newest_run(CUSTOMER, "contact").await;
    let read = app.pages_of_team(1, "contacts/search");
    assert!(
        read == pages(1, 10) || run["coverage"]["verdict"] != "complete",
        "{read:?} {run}"
    );
}

#[apply(on_both_databases)]
async fn a_run_of_unordered_pages_whose_key_becomes_another_teams_is_not_complete_either(
    database: Database,
) {
    let teams = (1..=2).map(|n| TeamOptions {
        sequences: 250,
        loading_reads: 0,
        ..TeamOptions::numbered(n, 0)
    });
    let options = Options {
        teams: teams.collect(),
        ..Options::default()
    };
    let mut app = App::with_apollo(database, options).await;
    app.limit(per_hour(100));
    app.sync_only(&["sequence"]).await;
    app.connect(CUSTOMER, "sim-master-key-1").await;
    app.work_off().await;
    replace_key(&app, "sim-master-key-2").await;
    app.until_nothing_waits().await;
    let run = app.newest_run(CUSTOMER, "sequence").await;
    let read = app.pages_of_team(1, "emailer_campaigns/search");
    assert!(
        read.starts_with(&pages(1, 3)),
        "all of the new team's: {read:?} {run}"
    );
    assert_eq!(run["coverage"]["records_seen"], 250, "{run}");
}

#[apply(on_both_databases)]
async fn reservations_at_the_same_moment_never_exceed_the_limit(database: Database) {
    let limits = per_hour(500);
    let app = contacts_under(database, 1, limits).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    let reserve = || app.reserve_and_die(100, &limits);
    let decisions = tokio::join!(
        reserve(),
        reserve(),
        reserve(),
        reserve(),
        reserve(),
        reserve(),
        reserve(),
        reserve(),
    );
    let decisions: [PermitDecision; 8] = decisions.into();
    let permits = decisions
        .iter()
        .filter(|it| matches!(it, PermitDecision::Permit(_)))
        .count();
    assert_eq!(permits, 5);
    assert_eq!(app.records_this_hour().await, 500);
}

#[apply(on_both_databases)]
async fn processes_whose_clocks_differ_never_exceed_the_hour(database: Database) {
    let app = contacts_under(database, 900, per_hour(500)).await;
    let customers = [
        app.connect(CUSTOMER, MASTER_KEY).await,
        app.connect(OTHER, MASTER_KEY).await,
    ];
    let config = |n: usize| working_for(&customers[n], limited_to(per_hour(500)));
    let engines = [
        app.process_ahead_by(TimeDelta::seconds(5), config(0)).await,
        app.process_ahead_by(TimeDelta::seconds(-5), config(1))
            .await,
    ];
    // The last second of a minute for the slow one: what it reads leaves the window first.
    app.clock.advance(TimeDelta::seconds(64));
    let [fast, slow] = &engines;
    slow.work_off().await.unwrap();
    fast.work_off().await.unwrap();
    while let Some(opens) = app.next_window().await {
        app.pass_until(opens - TimeDelta::seconds(10));
        for _ in 0..20 {
            fast.work_off().await.unwrap();
            slow.work_off().await.unwrap();
            app.clock.advance(TimeDelta::seconds(1));
        }
    }
    assert_eq!(app.most_per_hour(0), 500);
    for customer in [CUSTOMER, OTHER] {
        let run = app.newest_run(customer, "contact").await;
        assert_eq!(run["coverage"]["verdict"], "complete", "{run}");
    }
}

#[apply(on_both_databases)]
async fn two_processes_on_one_team_never_exceed_its_hour(database: Database) {
    let mut app = App::with_contacts(database, 900).await;
    app.limit(per_hour(500));
    app.apollo
        .edit(0, |team| team.add_key(KeyOptions::master("second-key")));
    let clock = app.clock.clone();
    app.apollo
        .on_request(move |_, _| clock.advance(TimeDelta::milliseconds(1_300)));
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.connect(OTHER, "second-key").await;
    let engines = [app.process("first").await, app.process("second").await];
    for _ in 0..(12 * 30) {
        let [first, second] = &engines;
        let (first, second) = tokio::join!(first.work_off(), second.work_off());
        first.unwrap();
        second.unwrap();
        app.clock.advance(TimeDelta::minutes(2));
    }
    let most = app.most_per_hour(0);
    assert!(most <= 500, "{most}");
    assert!(most > 350, "and it is used: {most}");
    for customer in [CUSTOMER, OTHER] {
        for object in [
            "user",
            "mailbox",
            "sequence",
            "account",
            "contact",
            "sequence_state",
        ] {
            let path = format!(
                "/mgmt/v2/sync-runs?customer_id={customer}&object_type=common&object={object}"
            );
            let runs = app.get(&path).await.ok()["results"]
                .as_array()
                .unwrap()
                .clone();
            let first = runs.last().unwrap();
            assert_eq!(
                first["coverage"]["verdict"], "complete",
                "{customer} {first}"
            );
            assert!(
                runs.iter().all(|run| run["status"] != "FAILURE"),
                "{customer} {runs:?}"
            );
        }
    }
    let failures = "SELECT count(*) FROM outbox WHERE payload->>'result' = 'ERROR'";
    assert_eq!(app.database.count(failures).await, 0);
}

impl App {
    async fn process(&self, name: &str) -> Engine {
        let config = EngineConfig {
            worker_name: name.to_owned(),
            ..limited_to(per_hour(500))
        };
        self.another_process(config).await
    }

    /// Another process whose clock is fast by this much.
    async fn process_ahead_by(&self, ahead: TimeDelta, config: EngineConfig) -> Engine {
        let clock = Arc::new(AheadBy(self.clock.clone(), ahead));
        let ids = Arc::new(Ids::random());
        let keys = self.keys.clone();
        let store = Store::open(&self.database.url, clock.clone(), ids, keys).await;
        Engine::new(store.unwrap(), self.providers.clone(), clock, config)
    }
}

/// A clock that differs from the application's.
struct AheadBy(Arc<ManualClock>, TimeDelta);

impl Clock for AheadBy {
    fn now(&self) -> Time {
        self.0.now() + self.1
    }
}

/// Two connections of one team of 600 contacts, under 500 an hour.
async fn both_read_all_within_one_budget(app: &App) {
    app.work_off().await;
    assert_eq!(app.most_per_hour(0), 500, "of both together");
    app.until_nothing_waits().await;
    assert_eq!(app.most_per_hour(0), 500, "of both together");
    for customer in [CUSTOMER, OTHER] {
        let run = app.newest_run(customer, "contact").await;
        assert_eq!(run["coverage"]["verdict"], "complete", "{run}");
        assert_eq!(run["num_records_synced"], 600);
    }
    let mut pages = pages_of(app.apollo.ledger().requests_to("contacts/search"));
    pages.sort_unstable();
    assert_eq!(pages, [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6]);
    let connections = [
        app.connection_of(CUSTOMER).await,
        app.connection_of(OTHER).await,
    ];
    assert_eq!(connections[0].account_id, connections[1].account_id);
    assert!(
        app.now() - first_request(app) <= HOUR * 3,
        "nobody waits longer than need be"
    );
}

fn first_request(app: &App) -> chrono::DateTime<chrono::Utc> {
    app.apollo.ledger().requests_to("contacts/search")[0].at
}

async fn two_teams(database: Database, contacts: usize) -> App {
    let options = Options {
        teams: (1..=2)
            .map(|n| TeamOptions {
                loading_reads: 0,
                ..TeamOptions::numbered(n, contacts)
            })
            .collect(),
        ..Options::default()
    };
    let mut app = App::with_apollo(database, options).await;
    app.limit(per_hour(500));
    app.sync_only(CONTACTS).await;
    let ids: Vec<_> = (0..2)
        .map(|n| app.apollo.read(n, |team| team.id().to_owned()))
        .collect();
    assert_ne!(ids[0], ids[1]);
    app
}

async fn replace_key(app: &App, key: &str) {
    let path = format!("/mgmt/v2/customers/{CUSTOMER}/connections/apollo");
    app.put(&path, json!({"api_key": key})).await.ok();
}
