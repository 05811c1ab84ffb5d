//! What commands say about mistakes: one sentence, with what to do.

use std::path::Path;

use crate::{
    serve::start::{assert_refused, output},
    support::{Database, ENCRYPTION_KEY, Process, syncline},
};

/// The commands that need an existing database.
const OF_WHAT_IS_THERE: [&[&str]; 5] = [
    &["keys", "list"],
    &["keys", "revoke", "some-id"],
    &["encryption", "rotate"],
    &["backup", "backup.db"],
    &["restore", "backup.db"],
];

#[tokio::test]
async fn a_mistyped_directory_is_not_made_into_a_database() {
    let dir = tempfile::tempdir().unwrap();
    let wrong = dir.path().join("wrong");
    for command in OF_WHAT_IS_THERE {
        let args = [command, &["--data-dir", wrong.to_str().unwrap()]].concat();
        let refused = in_directory(dir.path(), &args).await;
        assert_refused(&refused, "there is no ");
        assert!(!wrong.exists(), "{command:?} made it");
    }
    std::fs::create_dir(&wrong).unwrap();
    for command in OF_WHAT_IS_THERE {
        let args = [command, &["--data-dir", wrong.to_str().unwrap()]].concat();
        assert_refused(&in_directory(dir.path(), &args).await, "there is no ");
        let made: Vec<_> = std::fs::read_dir(&wrong).unwrap().collect();
        assert!(made.is_empty(), "{command:?} made {made:?}");
    }
    let args = ["doctor", "--data-dir", wrong.to_str().unwrap()];
    in_directory(dir.path(), &args).await;
    assert!(std::fs::read_dir(&wrong).unwrap().next().is_none());
}

#[tokio::test]
async fn a_file_or_a_database_without_our_tables_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("empty.db");
    std::fs::write(&file, "").unwrap();
    std::fs::write(dir.path().join("encryption.key"), ENCRYPTION_KEY).unwrap();
    let url = format!("sqlite://{}", file.display());
    let data_dir = dir.path().to_str().unwrap();
    let args = [
        "keys",
        "list",
        "--database-url",
        &url,
        "--data-dir",
        data_dir,
    ];
    assert_refused(&output(&args, &[]).await, "has no tables of Syncline");

    let database = Database::postgres().await;
    database.without_schema().await;
    let key = [("SYNCLINE_ENCRYPTION_KEY", ENCRYPTION_KEY)];
    let args = ["keys", "list", "--database-url", &database.url];
    assert_refused(&output(&args, &key).await, "has no tables of Syncline");
    let tables = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'";
    assert_eq!(database.count(tables).await, 0);
}

#[tokio::test]
async fn what_postgres_says_is_told_without_its_source_lines() {
    let database = Database::postgres().await;
    let key = [("SYNCLINE_ENCRYPTION_KEY", ENCRYPTION_KEY)];
    let (server, parameters) = database.url.split_once('?').unwrap();
    let (server, _) = server.rsplit_once('/').unwrap();
    let url = format!("{server}/no_such_database?{parameters}");
    for command in ["migrate", "serve", "doctor"] {
        let refused = output(&[command, "--database-url", &url], &key).await;
        let said = [refused.stdout, refused.stderr].concat();
        let said = String::from_utf8(said).unwrap();
        assert_eq!(refused.status.code(), Some(1), "{said}");
        assert!(
            said.contains("database \"no_such_database\" does not exist"),
            "{said}"
        );
        assert!(!said.contains(" at line "), "{said}");
    }
}

#[tokio::test]
async fn addresses_are_taken_by_name_and_wrong_ones_say_what_would_be_right() {
    let database = Database::sqlite();
    let mut command = syncline();
    command.args(["--listen", "localhost:0"]);
    let process = Process::start(&mut command, &database, "http://127.0.0.1:9").await;
    assert!(
        process.base.starts_with("http://127.0.0.1:"),
        "{}",
        process.base
    );

    for (args, words) in [
        (
            ["serve", "--listen", ":8081"],
            "0.0.0.0:8081 for every network",
        ),
        (["demo", "--listen", "8081"], "write HOST:PORT"),
        (
            ["serve", "--listen", "127.0.0.1:99999"],
            "'99999' is not a port",
        ),
    ] {
        let refused = output(&args, &[]).await;
        let said = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(2), "{said}");
        assert!(said.contains(words), "{said}");
    }
    let refused = output(&["sim", "apollo", "--listen", ":8090"], &[]).await;
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("write HOST:PORT"), "{said}");
}

#[tokio::test]
async fn the_simulator_says_which_address_is_taken() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let refused = output(&["sim", "apollo", "--listen", &address], &[]).await;
    let words = format!("can't listen on {address}: choose another address with --listen");
    assert_refused(&refused, &words);
}

#[tokio::test]
async fn settings_that_are_empty_or_no_settings_are_named() {
    for (name, value, words) in [
        ("SYNCLINE_LISTEN", "", "SYNCLINE_LISTEN is set to nothing"),
        (
            "SYNCLINE_DATA_DIR",
            "",
            "SYNCLINE_DATA_DIR is set to nothing",
        ),
        (
            "SYNCLINE_DATABASE_URL",
            "",
            "SYNCLINE_DATABASE_URL is set to nothing",
        ),
        ("SYNCLINE_", "x", "SYNCLINE_ is not a setting"),
        (
            "SYNCLINE_LOG",
            "json",
            "SYNCLINE_LOG is a group of settings",
        ),
        (
            "SYNCLINE_PROVIDERS__APOLLO__BASE_URL",
            "api.apollo.io",
            "it must begin with http:// or https://",
        ),
    ] {
        let refused = output(&["migrate"], &[(name, value)]).await;
        assert_refused(&refused, words);
    }
}

async fn in_directory(dir: &Path, args: &[&str]) -> std::process::Output {
    syncline()
        .current_dir(dir)
        .args(args)
        .output()
        .await
        .unwrap()
}
