//! `doctor`: what it says about a healthy service, and about one with problems.

use std::{fs, os::unix::fs::PermissionsExt, process::Output};

use macro_rules_attribute::apply;
use syncline_sim::{RunningSimulator, Simulator};

use crate::support::{
    API_KEY, Database, ENCRYPTION_KEY, MASTER_KEY, Process, on_both_databases, quiet_apollo,
    syncline,
};

#[apply(on_both_databases)]
async fn a_service_that_is_well_has_no_bad_line(database: Database) {
    let apollo = Simulator::start(quiet_apollo(0)).await.unwrap();
    private(&database);
    let process = Process::serve(&database, &apollo.base_url()).await;
    process.connect().await;
    let output = doctor(&database, &apollo, &[]).await;
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    for line in [
        "ok    configuration",
        "ok    database",
        "ok    schema            up to date",
        "ok    encryption keys   all 2 secrets can be decrypted",
        "ok    API keys          1 valid, 1 of them with the role admin",
        "ok    webhooks          0 of 0 endpoints are enabled",
        "ok    apollo            http://127.0.0.1",
        "ok    apollo's clock    agrees with this machine's",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    for secret in [API_KEY, ENCRYPTION_KEY, MASTER_KEY] {
        assert!(!said.contains(secret), "{said}");
    }
    assert_eq!(
        apollo.ledger().requests_to("health").len(),
        1,
        "the connection's check"
    );
}

#[apply(on_both_databases)]
async fn what_is_wrong_is_said_line_by_line(database: Database) {
    let apollo = Simulator::start(quiet_apollo(0)).await.unwrap();
    private(&database);
    let process = Process::serve(&database, &apollo.base_url()).await;
    process.connect().await;
    database
        .execute(
            "UPDATE connections SET credentials =
                 (SELECT sealed FROM encryption_check WHERE name = 'first start')",
        )
        .await;
    database
        .execute("UPDATE api_keys SET revoked_at = created_at")
        .await;
    database
        .execute(
            "INSERT INTO webhook_endpoints (id, application_id, url, description, event_types,
                 enabled, disabled_reason, leased_until, fence, created_at)
             SELECT 'endpoint-1', id, 'https://hooks.example/token', '', '[]', false,
                 'it is gone', created_at, 0, created_at
             FROM applications",
        )
        .await;
    let output = doctor(
        &database,
        &apollo,
        &[
            ("SYNCLINE_LISTEN", "nowhere"),
            ("SYNCLINE_PROVIDERS__APOLLO__BASE_URL", "http://127.0.0.1:9"),
        ],
    )
    .await;
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stdout).unwrap();
    for (line, words) in [
        ("bad   configuration", "SYNCLINE_LISTEN"),
        ("bad   encryption keys", "connections.credentials of row"),
        ("bad   API keys", "all are revoked or expired"),
        ("note  webhooks", "endpoint-1 is disabled: it is gone"),
        ("bad   apollo", "http://127.0.0.1:9 does not answer"),
    ] {
        let found = said.lines().find(|said| said.starts_with(line));
        assert!(
            found.is_some_and(|found| found.contains(words)),
            "{line}: {said}"
        );
    }
    assert!(
        !said.contains("token"),
        "an endpoint's URL may be a secret: {said}"
    );
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(err.contains("4 checks are bad"), "{err}");
}

#[apply(on_both_databases)]
async fn nobody_is_told_to_rotate_while_a_key_is_missing(database: Database) {
    let apollo = Simulator::start(quiet_apollo(0)).await.unwrap();
    private(&database);
    let process = Process::serve(&database, &apollo.base_url()).await;
    process.connect().await;
    let another = [(
        "SYNCLINE_ENCRYPTION_KEY",
        "//////////////////////////////////////////8=",
    )];
    let output = doctor(&database, &apollo, &another).await;
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let line = said
        .lines()
        .find(|line| line.starts_with("bad   encryption keys"));
    assert!(
        line.is_some_and(|line| line.contains("add its key after the newest one")),
        "{said}"
    );
    assert!(!said.contains("encryption rotate"), "{said}");
}

#[apply(on_both_databases)]
async fn a_database_of_another_version_and_an_older_key_are_told(database: Database) {
    let apollo = Simulator::start(quiet_apollo(0)).await.unwrap();
    private(&database);
    let process = Process::serve(&database, &apollo.base_url()).await;
    process.connect().await;
    let newer = "//////////////////////////////////////////8=";
    let keys = format!("{newer},{ENCRYPTION_KEY}");
    if !database.is_postgres {
        let file = database.data_dir().join("encryption.key");
        let old = fs::read_to_string(&file).unwrap();
        fs::write(&file, format!("{newer}\n{old}")).unwrap();
    }
    let set: &[_] = if database.is_postgres {
        &[("SYNCLINE_ENCRYPTION_KEY", &*keys)]
    } else {
        &[]
    };
    let output = doctor(&database, &apollo, set).await;
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    let note =
        "note  encryption keys   2 of 2 secrets use an older key: run syncline encryption rotate";
    assert!(said.contains(note), "{said}");

    database
        .execute("DELETE FROM _sqlx_migrations WHERE version > 20260201000000")
        .await;
    let output = doctor(&database, &apollo, set).await;
    let said = String::from_utf8(output.stdout).unwrap();
    let line = said
        .lines()
        .find(|line| line.starts_with("bad   schema"))
        .expect(&said);
    assert!(line.contains("syncline migrate"), "{said}");
    let left = database
        .count("SELECT max(version) FROM _sqlx_migrations")
        .await;
    assert_eq!(left, 20_260_201_000_000, "it upgrades nothing");
}

#[tokio::test]
async fn before_the_first_start_it_makes_nothing() {
    let database = Database::sqlite();
    let apollo = Simulator::start(quiet_apollo(0)).await.unwrap();
    private(&database);
    let output = doctor(&database, &apollo, &[]).await;
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("there is none yet"), "{said}");
    assert_eq!(fs::read_dir(database.data_dir()).unwrap().count(), 0);
}

#[tokio::test]
async fn files_that_others_may_read_are_bad() {
    let database = Database::sqlite();
    let apollo = Simulator::start(quiet_apollo(0)).await.unwrap();
    private(&database);
    let _process = Process::serve(&database, &apollo.base_url()).await;
    let key = database.data_dir().join("encryption.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let output = doctor(&database, &apollo, &[]).await;
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("encryption.key has mode 644"), "{said}");
}

/// Makes the data directory private: by the machine's umask a test's files are readable by others.
fn private(database: &Database) {
    let mode = fs::Permissions::from_mode(0o700);
    fs::set_permissions(database.data_dir(), mode).unwrap();
}

async fn doctor(database: &Database, apollo: &RunningSimulator, set: &[(&str, &str)]) -> Output {
    let mut command = syncline();
    command
        .arg("doctor")
        .env("SYNCLINE_DATA_DIR", database.data_dir())
        .env("SYNCLINE_PROVIDERS__APOLLO__BASE_URL", apollo.base_url());
    if database.is_postgres {
        command
            .env("SYNCLINE_DATABASE_URL", &database.url)
            .env("SYNCLINE_ENCRYPTION_KEY", ENCRYPTION_KEY);
    }
    command.envs(set.iter().copied());
    command.output().await.unwrap()
}
