//! The first start, and starts that must be refused.

use std::{os::unix::fs::PermissionsExt, process::Output};

use macro_rules_attribute::apply;

use crate::support::{
    API_KEY, Database, ENCRYPTION_KEY, Process, http_client, on_both_databases, syncline,
};

#[apply(on_both_databases)]
async fn the_first_start_makes_a_key_and_prints_it_once(database: Database) {
    let mut command = syncline();
    let mut process = Process::start(&mut command, &database, "http://127.0.0.1:9").await;
    let line = process.line().await;
    let key = line.strip_prefix("API key: ").expect(&line).to_owned();
    assert!(key.len() > 40);
    let list = |base: String, key: String| async move {
        http_client()
            .get(format!("{base}/mgmt/v2/customers"))
            .header("x-api-key", key)
            .send()
            .await
            .unwrap()
            .status()
    };
    assert_eq!(list(process.base.clone(), key.clone()).await, 200);
    assert_eq!(process.terminate().await, Some(0));

    let mut process = Process::start(&mut command, &database, "http://127.0.0.1:9").await;
    assert_eq!(list(process.base.clone(), key).await, 200, "the key stays");
    assert_eq!(process.terminate().await, Some(0));
    let (out, err) = process.output().await;
    assert_eq!(out, "", "it is not shown again");
    assert!(!err.contains("API key"), "{err}");
}

#[tokio::test]
async fn the_data_directory_is_its_owners_alone() {
    let database = Database::sqlite();
    let dir = database.data_dir().join("inner");
    let mut command = syncline();
    command.args(["--data-dir", dir.to_str().unwrap()]);
    let process = Process::start(&mut command, &database, "http://127.0.0.1:9").await;
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    for file in std::fs::read_dir(&dir).unwrap() {
        let path = file.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    drop(process);
}

#[tokio::test]
async fn a_second_serve_on_an_embedded_database_is_refused() {
    let database = Database::sqlite();
    let _process = Process::serve(&database, "http://127.0.0.1:9").await;
    let data_dir = database.data_dir();
    let args = ["serve", "--listen", "127.0.0.1:0", "--data-dir"];
    let refused = output(&[&args[..], &[data_dir.to_str().unwrap()]].concat(), &[]).await;
    assert_refused(
        &refused,
        "another `syncline serve` uses the embedded database",
    );
    let migrated = output(&["migrate", "--data-dir", data_dir.to_str().unwrap()], &[]).await;
    assert!(migrated.status.success(), "other commands work beside it");
}

#[tokio::test]
async fn one_database_file_serves_one_process_whatever_the_data_directories() {
    let database = Database::sqlite();
    let _process = Process::serve(&database, "http://127.0.0.1:9").await;
    let dir = tempfile::tempdir().unwrap();
    let args = [
        "serve",
        "--database-url",
        &database.url,
        "--data-dir",
        dir.path().to_str().unwrap(),
    ];
    assert_refused(&output(&args, &[]).await, "another `syncline serve` uses");
    let args = ["serve", "--database-url", "sqlite::memory:"];
    assert_refused(&output(&args, &[]).await, "names no file");
}

#[tokio::test]
async fn a_split_role_on_an_embedded_database_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let args = [
        "serve",
        "--role",
        "worker",
        "--data-dir",
        dir.path().to_str().unwrap(),
    ];
    assert_refused(&output(&args, &[]).await, "a split --role needs PostgreSQL");
}

#[tokio::test]
async fn postgres_without_an_encryption_key_is_refused_with_how_to_make_one() {
    let database = Database::postgres().await;
    let refused = output(&["serve", "--database-url", &database.url], &[]).await;
    assert_refused(&refused, "openssl rand -base64 32");
}

#[tokio::test]
async fn a_wrong_encryption_key_is_refused_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let args = ["serve", "--data-dir", dir.path().to_str().unwrap()];
    let short = [("SYNCLINE_ENCRYPTION_KEY", "c2hvcnQ=")];
    assert_refused(&output(&args, &short).await, "32 bytes in base64");

    let apollo = syncline_sim::Simulator::start(syncline_sim::Options::with_contacts(1))
        .await
        .unwrap();
    let sync = [
        ("SYNCLINE_ENCRYPTION_KEY", ENCRYPTION_KEY),
        ("SYNCLINE_PROVIDERS__APOLLO__BASE_URL", &apollo.base_url()),
        ("KEY", "sim-master-key"),
    ];
    let args = [
        "sync",
        "--api-key-env",
        "KEY",
        "--data-dir",
        dir.path().to_str().unwrap(),
    ];
    assert!(output(&args, &sync).await.status.success());
    let other = [(
        "SYNCLINE_ENCRYPTION_KEY",
        "//////////////////////////////////////////8=",
    )];
    let args = ["serve", "--data-dir", dir.path().to_str().unwrap()];
    assert_refused(
        &output(&args, &other).await,
        "can't be opened with SYNCLINE_ENCRYPTION_KEY",
    );
}

#[tokio::test]
async fn a_lost_encryption_key_is_asked_for_and_not_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().to_str().unwrap();
    let made = output(
        &["keys", "create", "--name", "a", "--data-dir", data_dir],
        &[],
    )
    .await;
    assert!(made.status.success(), "{made:?}");
    let key = dir.path().join("encryption.key");
    let kept = dir.path().join("kept");
    std::fs::rename(&key, &kept).unwrap();
    for _ in 0..2 {
        let refused = output(&["serve", "--data-dir", data_dir], &[]).await;
        assert_refused(&refused, "encryption.key, and the database is sealed");
        assert!(!key.exists());
    }
    std::fs::rename(&kept, &key).unwrap();
    let made = output(
        &["keys", "create", "--name", "b", "--data-dir", data_dir],
        &[],
    )
    .await;
    assert!(made.status.success(), "{made:?}");
}

/// Credentials that were sealed with that key could not be opened without it.
#[tokio::test]
async fn a_first_key_stays_when_the_database_fails_while_it_is_checked() {
    let database = Database::sqlite();
    database.with_schema().await;
    database
        .execute(
            "CREATE TRIGGER fails BEFORE INSERT ON encryption_check
             BEGIN SELECT RAISE(ABORT, 'no'); END",
        )
        .await;
    let data_dir = database.data_dir();
    let args = [
        "serve",
        "--database-url",
        &database.url,
        "--data-dir",
        data_dir.to_str().unwrap(),
    ];
    assert!(!output(&args, &[]).await.status.success());
    assert!(data_dir.join("encryption.key").exists());
}

#[tokio::test]
async fn a_database_that_is_not_there_is_refused() {
    let key = [("SYNCLINE_ENCRYPTION_KEY", ENCRYPTION_KEY)];
    for (url, words) in [
        (
            "postgres://nobody@127.0.0.1:9/none",
            "check SYNCLINE_DATABASE_URL",
        ),
        ("mysql://localhost/x", "sqlite:// or postgres://"),
        ("sqlite:///nowhere/at/all.db", "can't be opened"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let args = [
            "serve",
            "--database-url",
            url,
            "--data-dir",
            dir.path().to_str().unwrap(),
        ];
        assert_refused(&output(&args, &key).await, words);
    }
}

#[tokio::test]
async fn a_data_directory_that_can_not_be_written_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    for path in [file.clone(), file.join("inner"), "/proc/syncline".into()] {
        let args = ["serve", "--data-dir", path.to_str().unwrap()];
        assert_refused(&output(&args, &[]).await, "the data directory");
    }
}

#[tokio::test]
async fn an_unknown_setting_is_named() {
    let refused = output(&["serve"], &[("SYNCLINE_LISTN", "127.0.0.1:0")]).await;
    assert_refused(&refused, "SYNCLINE_LISTN");
}

#[tokio::test]
async fn an_address_in_use_is_refused() {
    let database = Database::sqlite();
    let process = Process::serve(&database, "http://127.0.0.1:9").await;
    let address = process.base.trim_start_matches("http://");
    let dir = tempfile::tempdir().unwrap();
    let args = [
        "serve",
        "--listen",
        address,
        "--data-dir",
        dir.path().to_str().unwrap(),
    ];
    assert_refused(
        &output(&args, &[]).await,
        "choose another address with --listen",
    );
}

#[tokio::test]
async fn bad_usage_ends_with_status_2() {
    assert_eq!(
        output(&["serve", "--no-such-flag"], &[])
            .await
            .status
            .code(),
        Some(2)
    );
    assert_eq!(
        output(&["no-such-command"], &[]).await.status.code(),
        Some(2)
    );
    assert_eq!(output(&["--help"], &[]).await.status.code(), Some(0));
}

#[tokio::test]
async fn a_set_key_is_added_and_the_others_stay() {
    let database = Database::sqlite();
    let mut first = syncline();
    first.env("SYNCLINE_API_KEY", "another-key");
    let mut process = Process::start(&mut first, &database, "http://127.0.0.1:9").await;
    assert_eq!(process.terminate().await, Some(0));
    let mut second = syncline();
    second.env("SYNCLINE_API_KEY", API_KEY);
    let process = Process::start(&mut second, &database, "http://127.0.0.1:9").await;
    process.get("/mgmt/v2/customers").await;
    assert_eq!(database.count("SELECT count(*) FROM api_keys").await, 2);
}

pub(super) async fn output(args: &[&str], env: &[(&str, &str)]) -> Output {
    syncline()
        .args(args)
        .envs(env.iter().copied())
        .output()
        .await
        .unwrap()
}

/// Status 1 and one sentence on stderr.
#[track_caller]
pub(super) fn assert_refused(output: &Output, words: &str) {
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{err}");
    let said = err
        .lines()
        .filter(|line| line.starts_with("syncline: "))
        .count();
    assert_eq!(said, 1, "{err}");
    assert!(err.contains(words), "{err}");
}
