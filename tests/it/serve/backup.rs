//! `backup` while `serve` is running, and `restore` after it has stopped.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Output, Stdio},
};

use serde_json::{Value, json};
use syncline_model::SystemClock;
use syncline_sim::{Match, Simulator};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};

use super::{start::assert_refused, upgrade::as_the_first_version_left_it};
use crate::support::{App, CUSTOMER, Database, Process, quiet_apollo, syncline};

const NOWHERE: &str = "http://127.0.0.1:9";

#[tokio::test]
async fn a_backup_made_in_the_middle_of_a_sync_goes_on_from_there_elsewhere() {
    let database = Database::sqlite();
    let apollo = Simulator::start(quiet_apollo(550)).await.unwrap();
    let gate = apollo.gate(Match::path("contacts/search").page(4));
    let mut process = Process::serve(&database, &apollo.base_url()).await;
    process.connect().await;
    gate.arrived(1).await;
    // Page 4 is asked for while page 3 is written.
    let stored = "SELECT count(*) FROM engagement_contacts";
    while database.count(stored).await < 300 {
        tokio::task::yield_now().await;
    }
    let backup = database.data_dir().join("backup.db");
    let made = run("backup", &backup, database.data_dir()).await;
    let said = succeeded(&made);
    assert!(said.contains("encryption.key"), "{said}");
    assert_eq!(
        backup.metadata().unwrap().permissions().mode() & 0o777,
        0o600
    );
    gate.open();
    process.kill().await;

    let elsewhere = Database::sqlite();
    let key = "encryption.key";
    fs::copy(
        database.data_dir().join(key),
        elsewhere.data_dir().join(key),
    )
    .unwrap();
    succeeded(&run("restore", &backup, elsewhere.data_dir()).await);
    let restored = elsewhere.data_dir().join("syncline.db");
    assert_eq!(
        restored.metadata().unwrap().permissions().mode() & 0o777,
        0o600
    );
    let asked = apollo.ledger().requests_to("contacts/search").len();
    let process = Process::serve(&elsewhere, &apollo.base_url()).await;
    let run = process.until_synced().await;
    assert_eq!(run["status"], "SUCCESS");
    assert_eq!(run["num_records_synced"], 550);
    let pages = apollo.ledger().requests_to("contacts/search")[asked..].to_vec();
    assert_eq!(pages[0].page, Some(4), "it goes on from its checkpoint");
}

#[tokio::test]
async fn what_a_restore_replaces_is_kept() {
    let database = Database::sqlite();
    let mut process = Process::serve(&database, NOWHERE).await;
    put_customer(&process, "before").await;
    let backup = database.data_dir().join("backup.db");
    succeeded(&run("backup", &backup, database.data_dir()).await);
    put_customer(&process, "after").await;
    let refused = run("restore", &backup, database.data_dir()).await;
    assert_refused(
        &refused,
        "another `syncline serve` uses the embedded database",
    );
    // A killed process leaves a write-ahead log that is not in the database's file.
    process.kill().await;
    let said = succeeded(&run("restore", &backup, database.data_dir()).await);
    let kept = said
        .split_whitespace()
        .find(|word| word.contains(".replaced-"));
    let kept = kept.expect(&said).to_owned();

    let mut process = Process::serve(&database, NOWHERE).await;
    assert_eq!(customers(&process).await, ["before"]);
    process.kill().await;
    fs::remove_file(database.data_dir().join("syncline.db")).unwrap();
    fs::rename(kept, database.data_dir().join("syncline.db")).unwrap();
    let process = Process::serve(&database, NOWHERE).await;
    assert_eq!(customers(&process).await, ["after", "before"]);
}

#[tokio::test]
async fn a_reader_of_changes_is_right_again_after_a_restore() {
    let database = Database::sqlite();
    let apollo = Simulator::start(quiet_apollo(30)).await.unwrap();
    let mut process = Process::serve(&database, &apollo.base_url()).await;
    process.connect().await;
    process.until_synced().await;
    let mut reader = Reader::default();
    reader.read(&process).await;
    let backup = database.data_dir().join("backup.db");
    succeeded(&run("backup", &backup, database.data_dir()).await);

    // One contact changes, one is created, one is deleted; and the reader sees it.
    let (stale, gone, ghost) = apollo.edit(0, |team| {
        let ids = team.contact_ids();
        let now = SystemClock::default().machine_now();
        let title = json!({"title": "Of today alone"});
        team.update_contact(now, &ids[0], &title).unwrap();
        team.delete_contact(&ids[1]).unwrap();
        let ghost = team.invent_contact(now);
        (ids[0].clone(), ids[1].clone(), ghost)
    });
    sync_again(&process).await;
    reader.read(&process).await;
    assert_eq!(reader.seen[&stale]["job_title"], "Of today alone");
    assert_eq!(reader.seen[&gone]["is_deleted"], true);
    assert_eq!(reader.seen[&ghost]["is_deleted"], false);
    process.kill().await;

    // The first changes back and the new one is deleted, and then the backup is restored.
    apollo.edit(0, |team| {
        let now = SystemClock::default().machine_now();
        team.update_contact(now, &stale, &json!({"title": "Of the backup"}))
            .unwrap();
        team.delete_contact(&ghost).unwrap();
    });
    succeeded(&run("restore", &backup, database.data_dir()).await);
    let process = Process::serve(&database, &apollo.base_url()).await;
    reader.read(&process).await;
    assert_ne!(reader.seen[&stale]["job_title"], "Of today alone");
    sync_again(&process).await;
    reader.read(&process).await;
    assert_eq!(reader.seen[&stale]["job_title"], "Of the backup");
    assert_eq!(reader.seen[&ghost]["is_deleted"], true);
    assert_eq!(reader.seen[&gone]["is_deleted"], true);
    let live = reader.seen.values().filter(|it| it["is_deleted"] == false);
    assert_eq!(live.count(), 29);
}

#[tokio::test]
async fn a_database_that_is_damaged_is_replaced_too() {
    let (database, backup) = killed_after_a_backup().await;
    let file = database.data_dir().join("syncline.db");
    fs::write(&file, "no database any more").unwrap();
    succeeded(&run("restore", &backup, database.data_dir()).await);
    let process = Process::serve(&database, NOWHERE).await;
    assert_eq!(customers(&process).await, ["before"]);
}

#[tokio::test]
async fn a_database_that_somebody_has_open_for_another_moment_is_replaced() {
    use sqlx::{Connection, SqliteConnection};
    let (database, backup) = killed_after_a_backup().await;
    let file = database.data_dir().join("syncline.db");
    let mut other = SqliteConnection::connect(&format!("sqlite://{}", file.display()))
        .await
        .unwrap();
    let customers_there = sqlx::query("SELECT COUNT(*) FROM customers");
    customers_there.fetch_all(&mut other).await.unwrap();
    let mut restore = command("restore", &backup, database.data_dir());
    let mut restore = restore.stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(restore.stderr.take().unwrap()).lines();
    loop {
        let line = lines.next_line().await.unwrap();
        if line.expect("it waits").contains("is open elsewhere") {
            break;
        }
    }
    other.close().await.unwrap();
    assert!(restore.wait().await.unwrap().success());
    let process = Process::serve(&database, NOWHERE).await;
    assert_eq!(customers(&process).await, ["before"]);
}

#[tokio::test]
async fn a_backup_of_the_first_version_is_restored_and_upgraded() {
    let old = Database::sqlite();
    as_the_first_version_left_it(&old).await;
    let database = Database::sqlite();
    let key = "encryption.key";
    fs::copy(old.data_dir().join(key), database.data_dir().join(key)).unwrap();
    succeeded(
        &run(
            "restore",
            &old.data_dir().join("syncline.db"),
            database.data_dir(),
        )
        .await,
    );
    let mut process = Process::serve(&database, NOWHERE).await;
    assert_eq!(customers(&process).await.len(), 2);
    process.kill().await;
    assert_eq!(
        old.count("SELECT count(*) FROM _sqlx_migrations").await,
        3,
        "it is only read"
    );
}

#[tokio::test]
async fn what_can_not_be_restored_is_refused_and_changes_nothing() {
    let database = Database::sqlite();
    let mut process = Process::serve(&database, NOWHERE).await;
    process.terminate().await;
    let dir = database.data_dir();
    let backup = dir.join("backup.db");
    succeeded(&run("backup", &backup, dir).await);
    assert_refused(&run("backup", &backup, dir).await, "exists already");
    let before = fs::read(dir.join("syncline.db")).unwrap();

    let text = dir.join("text.db");
    fs::write(&text, "some text").unwrap();
    assert_refused(&run("restore", &text, dir).await, "not a Syncline database");
    let other = dir.join("other.db");
    syncline_made(&other, "CREATE TABLE t (x)").await;
    assert_refused(
        &run("restore", &other, dir).await,
        "not a Syncline database",
    );
    assert_refused(
        &run("restore", &dir.join("nothing"), dir).await,
        "there is no backup at",
    );

    let newer = dir.join("newer.db");
    fs::copy(&backup, &newer).unwrap();
    syncline_made(
        &newer,
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         SELECT 20990101000000, 'from the future', true, checksum, 0
         FROM _sqlx_migrations WHERE version = 20260101000000",
    )
    .await;
    assert_refused(
        &run("restore", &newer, dir).await,
        "a newer Syncline was here",
    );

    let mut damaged = fs::read(&backup).unwrap();
    let end = damaged.len();
    damaged[end - 3 * 4096..].fill(0xa5);
    let file = dir.join("damaged.db");
    fs::write(&file, damaged).unwrap();
    assert_refused(&run("restore", &file, dir).await, "damaged");

    let key = dir.join("encryption.key");
    let right = fs::read(&key).unwrap();
    fs::write(&key, "//////////////////////////////////////////8=").unwrap();
    let words = "which is not configured";
    assert_refused(&run("restore", &backup, dir).await, words);
    fs::remove_file(&key).unwrap();
    let words = "the encryption key that belongs to the backup is needed";
    assert_refused(&run("restore", &backup, dir).await, words);
    fs::write(&key, right).unwrap();

    assert_eq!(fs::read(dir.join("syncline.db")).unwrap(), before);
    let left: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|file| file.unwrap().file_name())
        .collect();
    assert!(
        left.iter()
            .all(|name| !name.to_string_lossy().starts_with(".syncline")),
        "{left:?}"
    );
}

#[tokio::test]
async fn postgres_is_left_to_its_own_tools() {
    let database = Database::postgres().await;
    for (command, tool) in [("backup", "pg_dump"), ("restore", "pg_restore")] {
        let mut syncline = syncline();
        syncline.args([command, "file", "--database-url", &database.url]);
        assert_refused(&syncline.output().await.unwrap(), tool);
    }
}

/// A database with one customer, whose `serve` was killed after a backup, and that backup.
async fn killed_after_a_backup() -> (Database, PathBuf) {
    let database = Database::sqlite();
    let mut process = Process::serve(&database, NOWHERE).await;
    put_customer(&process, "before").await;
    let backup = database.data_dir().join("backup.db");
    succeeded(&run("backup", &backup, database.data_dir()).await);
    process.kill().await;
    (database, backup)
}

async fn run(command: &str, file: &Path, data_dir: &Path) -> Output {
    self::command(command, file, data_dir)
        .output()
        .await
        .unwrap()
}

fn command(command: &str, file: &Path, data_dir: &Path) -> Command {
    let mut syncline = syncline();
    syncline
        .arg(command)
        .arg(file)
        .arg("--data-dir")
        .arg(data_dir);
    syncline
}

#[track_caller]
fn succeeded(output: &Output) -> String {
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{err}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Changes a database file, which is created if it is missing.
async fn syncline_made(file: &Path, sql: &'static str) {
    use sqlx::{Connection, SqliteConnection};
    let url = format!("sqlite://{}?mode=rwc", file.display());
    let mut c = SqliteConnection::connect(&url).await.unwrap();
    sqlx::query(sql).execute(&mut c).await.unwrap();
    c.close().await.unwrap();
}

/// A client that keeps the rows it has read, and the greatest `last_modified_at` of them.
#[derive(Default)]
struct Reader {
    seen: BTreeMap<String, Value>,
    newest: String,
}

impl Reader {
    async fn read(&mut self, process: &Process) {
        let mut cursor = String::new();
        loop {
            let after = if self.newest.is_empty() {
                "1970-01-01T00:00:00.000Z"
            } else {
                &self.newest
            };
            let page = process
                .get(&format!(
                    "/engagement/v2/contacts?read_from_cache=true&page_size=10&modified_after={after}{cursor}"
                ))
                .await;
            let records = page["records"].as_array().unwrap().clone();
            for record in records {
                let id = record["id"].as_str().unwrap().to_owned();
                self.seen.insert(id, record);
            }
            let Some(next) = page["pagination"]["next"].as_str() else {
                break;
            };
            cursor = format!("&cursor={next}");
        }
        let stamps = self
            .seen
            .values()
            .filter_map(|it| it["last_modified_at"].as_str());
        stamps
            .max()
            .unwrap_or_default()
            .clone_into(&mut self.newest);
    }
}

/// Triggers the contacts and waits until that run has ended.
async fn sync_again(process: &Process) {
    let newest = "/mgmt/v2/sync-runs?object_type=common&object=contact";
    let before = process.get(newest).await["results"][0]["id"].clone();
    let contacts = json!({"object_type": "common", "object": "contact"});
    process.post("/mgmt/v2/syncs/_trigger", &contacts).await;
    loop {
        let run = process.get(newest).await["results"][0].clone();
        if run["id"] != before && !run["end_timestamp"].is_null() {
            assert_eq!(run["status"], "SUCCESS", "{run}");
            return;
        }
        tokio::task::yield_now().await;
    }
}

async fn put_customer(process: &Process, id: &str) {
    let body = json!({"customer_id": id, "name": "A", "email": "a@customer.example"});
    process.put("/mgmt/v2/customers", &body).await;
}

async fn customers(process: &Process) -> Vec<String> {
    let request = process.of_customer(reqwest::Method::GET, "/mgmt/v2/customers", CUSTOMER);
    let all = App::answer(request).await.ok();
    let mut ids: Vec<_> = all
        .as_array()
        .unwrap()
        .iter()
        .map(|customer| customer["customer_id"].as_str().unwrap().to_owned())
        .collect();
    ids.sort();
    ids
}
