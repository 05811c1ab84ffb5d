//! A pooler between Syncline and PostgreSQL. These need `PgBouncer`: tests/pgbouncer/run.

use std::process::Output;

use syncline_sim::Simulator;

use crate::support::{API_KEY, Database, ENCRYPTION_KEY, Process, quiet_apollo, syncline};

/// The test's database, through the pooler that the variable names.
fn through(variable: &str, database: &Database) -> String {
    let pooler = std::env::var(variable).expect("run this with tests/pgbouncer/run");
    let (_, name) = database.url.split_once("localhost/").unwrap();
    let name = name.split('?').next().unwrap();
    pooler.replace("/postgres?", &format!("/{name}?"))
}

async fn doctor(url: &str, apollo: &str) -> String {
    let mut command = syncline();
    command
        .args(["doctor", "--database-url", url])
        .env("SYNCLINE_ENCRYPTION_KEY", ENCRYPTION_KEY)
        .env("SYNCLINE_PROVIDERS__APOLLO__BASE_URL", apollo);
    let Output { stdout, .. } = command.output().await.unwrap();
    String::from_utf8(stdout).unwrap()
}

#[tokio::test]
#[ignore = "needs PgBouncer: tests/pgbouncer/run"]
async fn a_service_works_through_a_pooler_in_session_mode_without_any_setting() {
    let database = Database::postgres().await;
    let apollo = Simulator::start(quiet_apollo(250)).await.unwrap();
    let mut serve = syncline();
    serve.env("SYNCLINE_API_KEY", API_KEY).args([
        "--database-url",
        &through("TEST_PGBOUNCER_SESSION", &database),
    ]);
    let mut process = Process::start(&mut serve, &database, &apollo.base_url()).await;
    process.connect().await;
    let run = process.until_synced().await;
    assert_eq!(run["status"], "SUCCESS", "{run}");
    assert_eq!(
        database
            .count("SELECT count(*) FROM engagement_contacts")
            .await,
        250
    );
    assert_eq!(process.terminate().await, Some(0));
}

#[tokio::test]
#[ignore = "needs PgBouncer: tests/pgbouncer/run"]
async fn doctor_sees_a_pooler_and_says_whether_it_can_be_used() {
    let database = Database::postgres().await;
    let apollo = Simulator::start(quiet_apollo(0)).await.unwrap();
    let process = Process::serve(&database, &apollo.base_url()).await;
    let apollo = apollo.base_url();
    let direct = doctor(&database.url, &apollo).await;
    assert!(
        direct.contains("ok    connections       a process opens up to 17;"),
        "{direct}"
    );
    assert!(!direct.contains("pooler"), "{direct}");

    let session = doctor(&through("TEST_PGBOUNCER_SESSION", &database), &apollo).await;
    assert!(
        session.contains("ok    pooler            connected through a pooler in session mode"),
        "{session}"
    );

    let transaction = doctor(&through("TEST_PGBOUNCER_TRANSACTION", &database), &apollo).await;
    let line = transaction
        .lines()
        .find(|line| line.contains("pooler in transaction mode"));
    let line = line.unwrap_or_else(|| panic!("{transaction}"));
    if line.starts_with("bad") {
        // PgBouncer before 1.21, or without max_prepared_statements.
        assert!(line.contains("pool_mode = session"), "{line}");
    } else {
        assert!(line.contains("lock_timeout"), "{line}");
    }
    drop(process);
}
