//! A scan is leased by one worker at a time, and a worker that lost its lease changes nothing
//! (fencing).

use std::time::Duration;

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use syncline_engine::{Engine, EngineConfig};
use syncline_model::{
    Checkpoint, Coverage, LookupOutcome, Records, RunState, ScanFacts, SeenCount, VolumeLimits,
    WaitReason,
};
use syncline_store::{
    Absence, Ending, PageCommit, Permit, PermitDecision, PermitRequest, Scan, Spending, StoreError,
};

use crate::support::{App, CUSTOMER, MASTER_KEY, on_both_databases};

const LEASE: TimeDelta = TimeDelta::seconds(30);

#[apply(on_both_databases)]
async fn a_leased_scan_is_not_leased_again(database: Database) {
    let app = App::with_contacts(database, 10).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.engine.tick().await.unwrap();
    let first = app.store.claim_scans("a", LEASE, 100, None).await.unwrap();
    assert_eq!(first.len(), 3, "the small objects go first");
    assert!(
        app.store
            .claim_scans("b", LEASE, 100, None)
            .await
            .unwrap()
            .is_empty()
    );
}

#[apply(on_both_databases)]
async fn a_scan_of_a_provider_that_only_newer_processes_know_is_left_to_them(database: Database) {
    let app = App::with_contacts(database, 10).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.engine.tick().await.unwrap();
    let provider_is = async |name: &str| {
        for table in ["connections", "sync_runs"] {
            let sql = format!("UPDATE {table} SET provider_name = '{name}'");
            app.database.execute(&sql).await;
        }
    };
    provider_is("newer").await;
    app.work_off().await;
    let ended = "SELECT count(*) FROM sync_runs WHERE finished_at IS NOT NULL";
    assert_eq!(app.database.count(ended).await, 0);

    provider_is("apollo").await;
    app.clock.advance(TimeDelta::minutes(10));
    app.work_off().await;
    assert_eq!(app.runs("contact").await[0]["status"], "SUCCESS");
}

#[apply(on_both_databases)]
async fn a_worker_that_lost_its_lease_commits_nothing(database: Database) {
    let app = App::with_contacts(database, 10).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.engine.tick().await.unwrap();
    let zombies = app
        .store
        .claim_scans("zombie", LEASE, 100, None)
        .await
        .unwrap();
    app.clock.advance(TimeDelta::seconds(31));
    let heirs = app
        .store
        .claim_scans("heir", LEASE, 100, None)
        .await
        .unwrap();
    assert_eq!(heirs.len(), zombies.len());
    for zombie in &zombies {
        let checkpoint = Checkpoint {
            next_page: 99,
            ..Checkpoint::default()
        };
        let spending = Spending {
            permit: permit(&app, zombie).await,
            records: Some(0),
            at: app.now(),
            endpoint: "users/search",
            usage: &[],
            refused: None,
        };
        let commit = PageCommit {
            pass: 1,
            page: 1,
            asked_at: app.now(),
            records: &Records::Users(Vec::new()),
            rejected: &[],
            checkpoint: &checkpoint,
            requests: 1,
            lease: LEASE,
            spending: &spending,
            next: &|_| None,
        };
        let run = &zombie.runs[0];
        let ending = Ending {
            absence: Absence::ProvesGone,
            run: run.clone(),
            state: succeeded(&app, zombie),
            num_records_synced: 0,
            empty_answer: true,
            resumable: false,
            reads_again: false,
        };
        let found = LookupOutcome::Found;
        let lost = |result: Result<(), StoreError>| {
            assert!(
                matches!(result, Err(StoreError::LeaseLost { .. })),
                "{result:?}"
            );
        };
        lost(app.store.commit_page(zombie, &commit).await.map(drop));
        lost(app.store.save_checkpoint(zombie, &checkpoint).await);
        lost(app.store.note_unseen(zombie, &checkpoint, &[]).await);
        lost(
            app.store
                .note_lookup(
                    zombie,
                    &checkpoint,
                    run,
                    &["u1".to_owned()],
                    &found,
                    &spending,
                )
                .await,
        );
        lost(app.store.finish_scan(zombie, &[ending], None, 0).await);
        let waiting = RunState::Waiting {
            until: app.now(),
            reason: WaitReason::ProviderRateLimit,
        };
        lost(app.store.save_waiting(zombie, &waiting, 0).await);
        lost(app.store.runs_of(zombie).await.map(drop));
        assert!(!app.store.extend_lease(zombie, LEASE).await.unwrap());
        assert!(!app.store.release_scan(zombie).await.unwrap());
    }
    assert_eq!(
        app.database
            .count("SELECT count(*) FROM sync_runs WHERE checkpoint->>'next_page' = '99'")
            .await,
        0
    );
}

#[apply(on_both_databases)]
async fn a_heartbeat_and_a_commit_do_not_wait_for_each_other(database: Database) {
    let app = App::with_contacts(database, 1500).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    // A lease so short that its heartbeats fall into every page's transaction.
    let engine = Engine::new(
        app.store.clone(),
        app.providers.clone(),
        app.clock.clone(),
        EngineConfig {
            lease_duration: Duration::from_millis(3),
            ..App::engine_config()
        },
    );
    tokio::time::timeout(Duration::from_mins(1), engine.work_off())
        .await
        .expect("no heartbeat stops its own scan")
        .unwrap();
    assert_eq!(app.runs("contact").await[0]["status"], "SUCCESS");
    assert_eq!(app.runs("contact").await[0]["num_records_synced"], 1500);
}

#[apply(on_both_databases)]
async fn deleting_the_connection_keeps_a_page_in_flight_from_committing(database: Database) {
    let app = App::with_contacts(database, 250).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    let gate = app
        .apollo
        .gate(syncline_sim::Match::path("contacts/search").page(2));
    let deleting = async {
        gate.arrived(1).await;
        let path = format!("/mgmt/v2/customers/{CUSTOMER}/connections/apollo");
        assert_eq!(app.delete(&path).await.status, 204);
        gate.open();
    };
    tokio::join!(app.work_off(), deleting);
    for table in [
        "engagement_contacts",
        "engagement_users",
        "sync_runs",
        "syncs",
        "connections",
    ] {
        let sql = format!("SELECT count(*) FROM {table}");
        assert_eq!(app.database.count(&sql).await, 0, "{table}");
    }
    assert_eq!(
        app.database
            .count("SELECT count(*) FROM outbox WHERE event_type = 'connection.deleted'")
            .await,
        1
    );
}

/// A permit to request a page of the scan.
async fn permit(app: &App, scan: &Scan) -> Permit {
    let ask = PermitRequest {
        endpoint: "users/search",
        records: 100,
        cost: 1,
        limits: VolumeLimits::default(),
        interactive: false,
        answer_within: LEASE,
    };
    match app.store.reserve(&scan.account.id, &ask).await.unwrap() {
        PermitDecision::Permit(permit) => permit,
        PermitDecision::Refused(refusal) => panic!("{refusal:?}"),
    }
}

fn succeeded(app: &App, scan: &Scan) -> RunState {
    let running = RunState::Running {
        lease: scan.lease.clone(),
    };
    let coverage = Coverage::judge(&ScanFacts::default(), SeenCount::default());
    running.succeed(app.now(), coverage).unwrap()
}
