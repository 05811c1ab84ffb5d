//! One migrated database of either kind, created by the test that needs it first; the others copy
//! it.
//!
//! Each test is a process, so the template is in a place that all of them know, under a name that
//! changes with the migrations.

use std::{
    collections::hash_map::DefaultHasher,
    fs,
    hash::{Hash, Hasher},
    path::{Path, PathBuf},
    sync::Arc,
};

use sqlx::{AssertSqlSafe, PgConnection};
use syncline_model::Ids;
use syncline_store::{EncryptionKeys, Store};

use super::app::first_of_march;

/// Any number: the key of the advisory lock that is held while the template is created.
const LOCK: i64 = 0x7465_6d70;

/// The file of an embedded database.
pub(super) async fn sqlite_template() -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let template = dir.join(format!("{}.db", name()));
    if !template.exists() {
        let made = tempfile::tempdir_in(dir).unwrap();
        let file = made.path().join("syncline.db");
        migrate(&format!("sqlite://{}", file.display())).await;
        // Two tests that create it at the same time create the same.
        fs::rename(file, &template).unwrap();
    }
    template
}

/// The name of a database on this server.
pub(super) async fn postgres_template(server: &str, admin: &mut PgConnection) -> String {
    let name = name();
    if is_there(admin, &name).await {
        return name;
    }
    let locked = "SELECT pg_advisory_lock($1)";
    sqlx::query(locked)
        .bind(LOCK)
        .execute(&mut *admin)
        .await
        .unwrap();
    if !is_there(admin, &name).await {
        let unfinished = format!("{name}_unfinished");
        execute(admin, format!("DROP DATABASE IF EXISTS {unfinished}")).await;
        execute(admin, format!("CREATE DATABASE {unfinished}")).await;
        migrate(&server.replace("/postgres?", &format!("/{unfinished}?"))).await;
        execute(
            admin,
            format!("ALTER DATABASE {unfinished} RENAME TO {name}"),
        )
        .await;
    }
    let unlocked = "SELECT pg_advisory_unlock($1)";
    sqlx::query(unlocked)
        .bind(LOCK)
        .execute(&mut *admin)
        .await
        .unwrap();
    name
}

async fn is_there(admin: &mut PgConnection, name: &str) -> bool {
    sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = $1)")
        .bind(name)
        .fetch_one(admin)
        .await
        .unwrap()
}

async fn execute(admin: &mut PgConnection, sql: String) {
    sqlx::query(AssertSqlSafe(sql))
        .execute(admin)
        .await
        .unwrap();
}

async fn migrate(url: &str) {
    let ids = Arc::new(Ids::random());
    let keys: EncryptionKeys = EncryptionKeys::generate(&ids).parse().unwrap();
    let store = Store::open(url, first_of_march(), ids, keys).await.unwrap();
    store.migrate().await.unwrap();
    store.close().await;
}

/// A name that depends on the migrations.
fn name() -> String {
    let migrations = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations");
    let mut hasher = DefaultHasher::new();
    for dir in ["", "postgres", "sqlite"] {
        let mut files: Vec<PathBuf> = fs::read_dir(migrations.join(dir))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_file())
            .collect();
        files.sort();
        for file in files {
            fs::read(file).unwrap().hash(&mut hasher);
        }
    }
    format!("schema_{:x}", hasher.finish())
}
