//! Processes that are killed at any time, alone and among others: nothing is lost, no more is read
//! again than necessary, and no limit is exceeded.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use syncline_sim::{RunningSimulator, Simulator};

use crate::support::{Database, Process, on_both_databases, quiet_apollo, syncline};

const CONTACTS: usize = 2_000;
const KILLS: u64 = 5;

#[apply(on_both_databases)]
async fn a_process_that_is_killed_again_and_again_finishes_its_work(database: Database) {
    let apollo = slow_apollo().await;
    let mut process = Process::serve(&database, &apollo.base_url()).await;
    process.connect().await;
    let moments = RandomState::new();
    for kill in 0..KILLS {
        let pause = Duration::from_millis(100 + moments.hash_one(kill) % 400);
        eprintln!("kill {kill} after {pause:?}");
        tokio::time::sleep(pause).await;
        process.kill().await;
        expire_leases(&database).await;
        process = Process::serve(&database, &apollo.base_url()).await;
    }
    let run = process.until_synced().await;
    assert_eq!(
        (&run["status"], &run["coverage"]["verdict"]),
        (&"SUCCESS".into(), &"complete".into())
    );
    everything_is_there_once(&apollo, &database, KILLS).await;
}

#[tokio::test]
async fn three_processes_share_the_work_and_one_is_killed() {
    let database = Database::postgres().await;
    let apollo = slow_apollo().await;
    let mut processes = Vec::new();
    for _ in 0..3 {
        processes.push(Process::serve(&database, &apollo.base_url()).await);
    }
    processes[0].connect().await;
    // The process that has the scan of contacts is the one to be killed.
    let victim = loop {
        let worker =
            "SELECT lease_owner FROM sync_runs WHERE object = 'contact' AND state = 'running'";
        let owner = database.text(worker).await;
        let victim = owner.and_then(|owner| {
            let named = |process: &Process| owner.contains(&format!("-{}-", process.id()));
            processes.iter().position(named)
        });
        if let Some(victim) = victim
            && pages_asked(&apollo) > 2
        {
            break victim;
        }
        tokio::task::yield_now().await;
    };
    processes.remove(victim).kill().await;
    expire_leases(&database).await;
    let run = processes[0].until_synced().await;
    assert_eq!(
        (&run["status"], &run["coverage"]["verdict"]),
        (&"SUCCESS".into(), &"complete".into())
    );
    everything_is_there_once(&apollo, &database, 1).await;
}

/// A slow Apollo, so that a sync lasts longer than the time to the next kill.
async fn slow_apollo() -> RunningSimulator {
    let mut options = quiet_apollo(CONTACTS);
    options.latency = Duration::from_millis(25);
    Simulator::start(options).await.unwrap()
}

/// A process on PostgreSQL waits until the lease of a killed one expires; this makes it expire now.
async fn expire_leases(database: &Database) {
    if database.is_postgres {
        let sql =
            "UPDATE sync_runs SET due_at = '2026-01-01T00:00:00.000Z' WHERE state = 'running'";
        database.execute(sql).await;
    }
}

async fn everything_is_there_once(apollo: &RunningSimulator, database: &Database, crashes: u64) {
    let world = apollo.read(0, syncline_sim::Team::counts);
    for (table, expected) in [
        ("engagement_contacts", world.contacts),
        ("engagement_sequence_states", world.states),
        ("engagement_accounts", world.accounts),
        ("engagement_mailboxes", world.mailboxes),
    ] {
        let rows = format!("SELECT count(*) FROM {table} WHERE NOT is_deleted");
        assert_eq!(
            database.count(&rows).await,
            i64::try_from(expected).unwrap(),
            "{table}"
        );
    }
    let asked = pages_asked(apollo);
    let needed = CONTACTS / 100;
    let most = needed + 2 * usize::try_from(crashes).unwrap();
    assert!(
        (needed..=most).contains(&asked),
        "{asked} contact pages for {needed}, {crashes} crashes"
    );
    let most = apollo.ledger().max_records_in(0, TimeDelta::hours(1));
    assert!(most <= 10_000, "{most} records within an hour");
    let events = "SELECT count(*) FROM outbox WHERE event_type = 'sync.complete'";
    let ended = "SELECT count(*) FROM sync_runs WHERE finished_at IS NOT NULL";
    assert_eq!(
        database.count(events).await,
        database.count(ended).await,
        "one event a run"
    );
    let active = "SELECT count(*) FROM sync_runs WHERE state IN ('running', 'queued', 'waiting')";
    assert_eq!(database.count(active).await, 0);
}

fn pages_asked(apollo: &RunningSimulator) -> usize {
    apollo.ledger().requests_to("contacts/search").len()
}

/// The simulation is part of the binary: the same seed has the same result.
#[tokio::test]
async fn the_same_seed_has_the_same_digest() {
    let run = || async {
        let output = syncline()
            .args(["simulate", "--seed", "7"])
            .output()
            .await
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{text}");
        text.lines()
            .find(|line| line.contains("digest"))
            .unwrap()
            .to_owned()
    };
    assert_eq!(run().await, run().await);
}
