//! Databases of other versions: upgraded where they are older, refused where they are newer.

use std::{borrow::Cow, fs};

use macro_rules_attribute::apply;
use serde_json::{Value, json};
use sqlx::{
    AssertSqlSafe, Connection, Executor, PgConnection, SqliteConnection, migrate::Migrator,
};
use syncline_sim::Simulator;
use tokio::task::JoinSet;

use super::start::assert_refused;
use crate::support::{
    App, CUSTOMER, Database, ENCRYPTION_KEY, MASTER_KEY, Process, on_both_databases, quiet_apollo,
    syncline,
};

/// The last of the first version's migrations that both databases have.
const FIRST_VERSION: i64 = 20_260_101_999_999;
const NOWHERE: &str = "http://127.0.0.1:9";

#[apply(on_both_databases)]
async fn a_database_of_the_first_version_is_upgraded_and_used(database: Database) {
    as_the_first_version_left_it(&database).await;
    let mut process = Process::serve(&database, NOWHERE).await;
    let all = of(
        &process,
        "customer-1",
        "/engagement/v2/contacts?read_from_cache=true",
    )
    .await;
    assert_eq!(all["records"].as_array().unwrap().len(), 8);
    let states = "/engagement/v2/sequence_states?read_from_cache=true";
    let states = of(&process, "customer-1", states).await;
    assert_eq!(states["records"].as_array().unwrap().len(), 8);
    let changed =
        "/engagement/v2/contacts?read_from_cache=true&modified_after=2026-01-01T00:00:00Z";
    let changed = of(&process, "customer-2", changed).await;
    assert_eq!(changed["records"].as_array().unwrap().len(), 2);
    let runs = process.get("/mgmt/v2/sync-runs").await;
    assert!(runs["results"].as_array().unwrap().len() >= 14);
    let syncs = process.get("/mgmt/v2/syncs").await;
    let paused = syncs["results"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|sync| sync["paused"] == true);
    assert_eq!(paused.count(), 3);
    let events = "SELECT count(*) FROM outbox WHERE created_at < '2026-11-22'";
    assert!(database.count(events).await >= 17);
    assert_eq!(process.terminate().await, Some(0));

    // The stored credentials open, and interrupted runs continue.
    let apollo = Simulator::start(quiet_apollo(20)).await.unwrap();
    let process = Process::serve(&database, &apollo.base_url()).await;
    for object in ["user", "mailbox", "sequence", "account", "contact"] {
        let body = json!({"object_type": "common", "object": object});
        process.post("/mgmt/v2/syncs/_trigger", &body).await;
    }
    until_contacts(&process, 20).await;
    let live = of(&process, "customer-1", "/engagement/v2/users").await;
    assert!(!live["records"].as_array().unwrap().is_empty());
    let path = "/mgmt/v2/customers/customer-2/connections/apollo";
    let new = process
        .put(path, &json!({"api_key": "sim-master-key"}))
        .await;
    assert_eq!(new["status"], "healthy");
    let old_format = "SELECT count(*) FROM connections WHERE credentials LIKE 'v1.%'";
    assert_eq!(database.count(old_format).await, 1);
}

#[apply(on_both_databases)]
async fn the_upgrade_gives_times_the_form_that_the_api_has(database: Database) {
    as_the_first_version_left_it(&database).await;
    if !database.is_postgres {
        database
            .execute(
                "UPDATE engagement_contacts SET created_at = '+12026-01-31T09:30:00+00:00',
                    updated_at = '2026-01-31T09:30:00+00:00',
                    deleted_at = '2026-01-31T09:30:00.123456+00:00'",
            )
            .await;
        assert!(!database.times_in_another_form().await.is_empty());
    }
    let before = database
        .count("SELECT count(*) FROM engagement_contacts")
        .await;
    assert!(migrate(&database).output().await.unwrap().status.success());
    assert_eq!(database.times_in_another_form().await, Vec::<String>::new());
    if !database.is_postgres {
        let converted = "SELECT count(*) FROM engagement_contacts
                WHERE created_at IS NULL AND updated_at = '2026-01-31T09:30:00.000Z'
                  AND deleted_at = '2026-01-31T09:30:00.123Z'";
        assert_eq!(database.count(converted).await, before);
        let append_only =
            "SELECT count(*) FROM sqlite_master WHERE name = 'audit_log_refuses_update'";
        assert_eq!(database.count(append_only).await, 1);
    }
}

#[apply(on_both_databases)]
async fn the_upgrade_makes_bare_hosts_of_domains(database: Database) {
    as_the_first_version_left_it(&database).await;
    let spellings = [
        " EXAMPLE.com. ",
        "https://www.Example.com:443/about?x#y",
        "example.com/about",
        "//example.com",
        "http://me@example.com?x",
        "www.example.com",
        "example.com#x",
    ];
    for (place, domain) in spellings.iter().enumerate() {
        database
            .execute(&format!(
                "INSERT INTO engagement_accounts (application_id, customer_id, provider_name, id,
                    connection_id, domain, is_deleted, last_modified_at, content_hash, raw_data)
                 SELECT application_id, customer_id, provider_name, 'spelt-{place}', connection_id,
                    '{domain}', false, last_modified_at, 0, raw_data
                 FROM engagement_accounts WHERE id NOT LIKE 'spelt-%' LIMIT 1"
            ))
            .await;
    }
    database
        .execute("UPDATE engagement_accounts SET domain = 'www.com' WHERE id NOT LIKE 'spelt-%'")
        .await;
    assert!(migrate(&database).output().await.unwrap().status.success());
    let bare = "SELECT count(*) FROM engagement_accounts WHERE id LIKE 'spelt-%' AND domain = 'example.com'";
    assert_eq!(
        database.count(bare).await,
        i64::try_from(spellings.len()).unwrap()
    );
    let others = "SELECT count(*) FROM engagement_accounts WHERE id NOT LIKE 'spelt-%' AND domain <> 'www.com'";
    assert_eq!(database.count(others).await, 0);
}

#[apply(on_both_databases)]
async fn first_starts_at_once_agree(database: Database) {
    database.without_schema().await;
    let mut starts = JoinSet::new();
    for _ in 0..6 {
        let mut migrate = migrate(&database);
        starts.spawn(async move { migrate.output().await.unwrap() });
    }
    for output in starts.join_all().await {
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    assert_eq!(
        database
            .count("SELECT count(*) FROM encryption_check")
            .await,
        1
    );
}

#[apply(on_both_databases)]
async fn a_newer_schema_is_refused_with_what_to_do(database: Database) {
    assert!(migrate(&database).output().await.unwrap().status.success());
    let process = Process::serve(&database, NOWHERE).await;
    database
        .execute(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
             SELECT 20990101000000, 'from the future', true, checksum, 0
             FROM _sqlx_migrations WHERE version = 20260101000000",
        )
        .await;
    let ready = crate::support::http_client().get(format!("{}/readyz", process.base));
    let ready = App::answer(ready).await;
    assert_eq!(ready.status, 503);
    drop(process);
    let refused = migrate(&database).output().await.unwrap();
    assert_refused(
        &refused,
        "version 20990101000000, but this program supports none after",
    );
    assert_refused(&refused, "a newer Syncline was here");
}

#[apply(on_both_databases)]
async fn a_migration_that_fails_leaves_the_schema_as_it_was(database: Database) {
    as_the_first_version_left_it(&database).await;
    let applied = "SELECT count(*) FROM _sqlx_migrations";
    let before = database.count(applied).await;
    // Several migrations come before the one that makes this table.
    database
        .execute("CREATE TABLE magic_links (in_the_way text)")
        .await;
    let failed = migrate(&database).output().await.unwrap();
    assert_refused(&failed, "could not be brought up to date, and is as it was");
    assert_eq!(database.count(applied).await, before);
    let tables = if database.is_postgres {
        "pg_tables"
    } else {
        "sqlite_master"
    };
    let name = if database.is_postgres {
        "tablename"
    } else {
        "name"
    };
    let budgets = format!("SELECT count(*) FROM {tables} WHERE {name} = 'provider_accounts'");
    assert_eq!(database.count(&budgets).await, 0);

    database.execute("DROP TABLE magic_links").await;
    assert!(migrate(&database).output().await.unwrap().status.success());
    assert_eq!(database.count(&budgets).await, 1);
}

/// SQLite has no process of another version beside it.
#[tokio::test]
async fn sequence_states_that_an_older_process_schedules_are_read_with_contacts() {
    let app = App::with_contacts(Database::postgres().await, 10).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    for as_the_older_process_does in [
        "INSERT INTO customers (application_id, customer_id, name, email, created_at)
         SELECT application_id, 'older', name, email, created_at FROM customers",
        "INSERT INTO connections
            (id, application_id, customer_id, provider_id, provider_name, credentials, status,
             capabilities, created_at, account_id, account_known)
         SELECT 'older', application_id, 'older', provider_id, provider_name, credentials, status,
                capabilities, created_at, account_id, account_known
         FROM connections",
        "INSERT INTO syncs
            (id, application_id, connection_id, sync_config_id, object, period_ms, paused,
             next_run_at, full_refresh, last_stamp_ms, created_at)
         SELECT 'older-' || object, application_id, 'older', sync_config_id, object, period_ms,
                paused, next_run_at, full_refresh, last_stamp_ms, created_at
         FROM syncs",
        "INSERT INTO sync_runs
            (id, scan_id, application_id, customer_id, provider_name, connection_id, sync_id,
             object, state, due_at, fence, full_refresh, checkpoint, records_read,
             records_created, records_updated, records_unchanged, records_deleted,
             records_rejected, requests_made, created_at)
         SELECT 'older-' || id, 'older-' || scan_id, application_id, 'older', provider_name,
                'older', 'older-' || object, object, 'queued', due_at, fence, full_refresh,
                checkpoint, 0, 0, 0, 0, 0, 0, 0, created_at
         FROM sync_runs",
    ] {
        app.database.execute(as_the_older_process_does).await;
    }
    for table in ["syncs", "sync_runs"] {
        let carried = |what: &str| {
            format!("SELECT count(*) FROM {table} WHERE id LIKE 'older-%' AND carried_in {what}")
        };
        assert_eq!(app.database.count(&carried("= 'contact'")).await, 1);
        assert!(app.database.count(&carried("IS NULL")).await > 1);
    }
}

/// The first version's schema, and rows that it wrote.
pub(super) async fn as_the_first_version_left_it(database: &Database) {
    let rows = include_str!("first_schema.sql");
    database.without_schema().await;
    if database.is_postgres {
        let mut c = PgConnection::connect(&database.url).await.unwrap();
        let migrator = migrations(&["../migrations", "../migrations/postgres"]).await;
        migrator.run(&mut c).await.unwrap();
        c.execute(AssertSqlSafe(rows)).await.unwrap();
    } else {
        let url = format!("{}?mode=rwc", database.url);
        let mut c = SqliteConnection::connect(&url).await.unwrap();
        let migrator = migrations(&["../migrations"]).await;
        migrator.run(&mut c).await.unwrap();
        c.execute(AssertSqlSafe(rows)).await.unwrap();
        c.close().await.unwrap();
        fs::write(database.data_dir().join("encryption.key"), ENCRYPTION_KEY).unwrap();
    }
}

async fn migrations(dirs: &[&str]) -> Migrator {
    let mut migrations = Vec::new();
    for dir in dirs {
        let all = Migrator::new(std::path::Path::new(dir)).await.unwrap();
        migrations.extend(Cow::into_owned(all.migrations));
    }
    migrations.retain(|migration| migration.version <= FIRST_VERSION);
    migrations.sort_by_key(|migration| migration.version);
    Migrator::with_migrations(migrations)
}

fn migrate(database: &Database) -> tokio::process::Command {
    let mut command = syncline();
    command
        .args(["migrate", "--database-url", &database.url])
        .env("SYNCLINE_DATA_DIR", database.data_dir());
    if database.is_postgres {
        command.env("SYNCLINE_ENCRYPTION_KEY", ENCRYPTION_KEY);
    }
    command
}

async fn of(process: &Process, customer: &str, path: &str) -> Value {
    let request = process.of_customer(reqwest::Method::GET, path, customer);
    App::answer(request).await.ok()
}

async fn until_contacts(process: &Process, wanted: usize) {
    loop {
        let path = "/engagement/v2/contacts?read_from_cache=true&page_size=100";
        let page = of(process, "customer-1", path).await;
        if page["records"].as_array().unwrap().len() >= wanted {
            return;
        }
        tokio::task::yield_now().await;
    }
}
