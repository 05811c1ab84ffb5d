//! `kill -9` in the middle of a scan, and a graceful shutdown in the middle of one.

use macro_rules_attribute::apply;
use syncline_sim::{Match, RunningSimulator, Simulator};

use crate::support::{Process, on_both_databases, quiet_apollo};

#[apply(on_both_databases)]
async fn a_run_survives_kill_9_and_reads_at_most_two_pages_again(database: Database) {
    let apollo = Simulator::start(quiet_apollo(550)).await.unwrap();
    let gate = apollo.gate(Match::path("contacts/search").page(4));
    let mut process = Process::serve(&database, &apollo.base_url()).await;
    process.connect().await;
    gate.arrived(1).await;
    process.kill().await;
    gate.open();
    // A process on PostgreSQL can't know that the other one is gone, and waits until its lease
    // expires; the test makes it expire now.
    if database.is_postgres {
        database
            .execute(
                "UPDATE sync_runs SET due_at = '2026-01-01T00:00:00.000Z' WHERE state = 'running'",
            )
            .await;
    }

    let process = Process::serve(&database, &apollo.base_url()).await;
    let run = process.until_synced().await;
    assert_eq!(run["status"], "SUCCESS");
    assert_eq!(run["num_records_synced"], 550);
    assert_eq!(run["coverage"]["verdict"], "complete");
    // The fourth was not answered, and the third may not have been written yet.
    let answered = pages(&apollo);
    let again = answered.iter().filter(|page| **page == 3).count();
    assert!((1..=2).contains(&again), "{answered:?}");
    let mut distinct = answered;
    distinct.dedup();
    assert_eq!(distinct, [1, 2, 3, 4, 5, 6]);
    assert_eq!(
        database
            .count("SELECT count(*) FROM engagement_contacts")
            .await,
        550
    );
    assert_eq!(
        database
            .count("SELECT count(*) FROM outbox WHERE event_type = 'sync.complete'")
            .await,
        6
    );
}

#[apply(on_both_databases)]
async fn sigterm_lets_the_page_commit_and_ends_with_status_0(database: Database) {
    let apollo = Simulator::start(quiet_apollo(550)).await.unwrap();
    let gate = apollo.gate(Match::path("contacts/search").page(3));
    let mut process = Process::serve(&database, &apollo.base_url()).await;
    process.connect().await;
    gate.arrived(1).await;
    let (status, ()) = tokio::join!(process.terminate(), async {
        // The signal is on its way when the page arrives; the page is committed whichever is
        // first.
        gate.open();
    });
    assert_eq!(status, Some(0));
    let read = pages(&apollo);
    let process = Process::serve(&database, &apollo.base_url()).await;
    let run = process.until_synced().await;
    assert_eq!(run["status"], "SUCCESS");
    assert_eq!(run["num_records_synced"], 550);
    assert_eq!(
        pages(&apollo),
        [1, 2, 3, 4, 5, 6],
        "stopped after {read:?}: no page is read twice"
    );
}

/// The contact pages that were asked for, in order.
fn pages(apollo: &RunningSimulator) -> Vec<u64> {
    apollo
        .ledger()
        .requests_to("contacts/search")
        .iter()
        .filter_map(|request| request.page)
        .collect()
}
