//! Copies of an embedded database, and the checks of a file that is to replace one.
//!
//! These work on files, not on a [`Store`](crate::Store), which would need the current schema: a
//! backup may be made before an upgrade and must not upgrade what it copies.

use std::{path::Path, time::Duration};

use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use tokio::time::Instant;

use crate::{StoreError, migrate};

const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Copies a consistent snapshot of the database while others write to it. `into` must not exist, or
/// be empty.
pub async fn back_up(database: &Path, into: &Path) -> Result<(), StoreError> {
    let mut c = connect(database).await?;
    let into = into.to_string_lossy().into_owned();
    let copied = sqlx::query("VACUUM INTO $1")
        .bind(into)
        .execute(&mut c)
        .await;
    c.close().await?;
    copied?;
    Ok(())
}

/// Checks that the whole file is intact and a Syncline database.
pub async fn examine(database: &Path) -> Result<(), StoreError> {
    let mut c = connect(database).await?;
    let examined = check_integrity(&mut c).await;
    c.close().await?;
    examined
}

async fn check_integrity(c: &mut SqliteConnection) -> Result<(), StoreError> {
    const FIRST: &str = "SELECT checksum FROM _sqlx_migrations WHERE version = $1 AND success";
    let unusable = |reason: String| Err(StoreError::Unusable(reason));
    let (version, checksum) = migrate::first();
    let first: Result<Option<Vec<u8>>, _> = sqlx::query_scalar(FIRST)
        .bind(version)
        .fetch_optional(&mut *c)
        .await;
    match first {
        Ok(Some(first)) if first == checksum => {}
        Ok(_) => return unusable("it is not a Syncline database".to_owned()),
        Err(sqlx::Error::Database(error)) => {
            return unusable(format!("it is not a Syncline database: {error}"));
        }
        Err(error) => return Err(error.into()),
    }
    let found: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check")
        .fetch_all(&mut *c)
        .await?;
    match &found[..] {
        [ok] if ok == "ok" => {}
        found => return unusable(format!("it is damaged: {}", found.join("; "))),
    }
    let orphans = sqlx::query("PRAGMA foreign_key_check").fetch_all(c).await?;
    if orphans.is_empty() {
        Ok(())
    } else {
        unusable("it is damaged: some rows refer to rows that don't exist".to_owned())
    }
}

/// An embedded database that no other connection has open, with all of its data in the one file.
pub struct ExclusiveDatabase(SqliteConnection);

impl ExclusiveDatabase {
    /// Fails with [`StoreError::InUse`] if another connection has it open for longer than five
    /// seconds.
    pub async fn settle(database: &Path) -> Result<Self, StoreError> {
        let deadline = Instant::now() + BUSY_TIMEOUT;
        let mut c = connect(database).await?;
        let mut told = false;
        loop {
            match keep_alone(&mut c).await {
                Ok(()) => return Ok(Self(c)),
                // SQLite's busy timeout doesn't apply to leaving WAL mode.
                Err(error) if error.is_in_use() && Instant::now() < deadline => {
                    if !std::mem::replace(&mut told, true) {
                        let (file, seconds) = (database.display(), BUSY_TIMEOUT.as_secs());
                        tracing::warn!(
                            "{file} is open elsewhere: waiting for up to {seconds} seconds"
                        );
                    }
                    tokio::time::sleep(LOOK_EVERY).await;
                }
                Err(error) => {
                    c.close().await?;
                    return Err(if error.is_in_use() { in_use() } else { error });
                }
            }
        }
    }

    /// Lets others open the database again.
    pub async fn release(self) -> Result<(), StoreError> {
        Ok(self.0.close().await?)
    }
}

/// Leaving WAL mode succeeds only for the sole connection.
async fn keep_alone(c: &mut SqliteConnection) -> Result<(), StoreError> {
    let mode: String = sqlx::query_scalar("PRAGMA journal_mode = DELETE")
        .fetch_one(&mut *c)
        .await?;
    if mode != "delete" {
        return Err(in_use());
    }
    sqlx::query("BEGIN EXCLUSIVE").execute(c).await?;
    Ok(())
}

fn in_use() -> StoreError {
    StoreError::InUse("another process has the database open".to_owned())
}

pub(crate) async fn connect(database: &Path) -> Result<SqliteConnection, StoreError> {
    let options = SqliteConnectOptions::new()
        .filename(database)
        .busy_timeout(BUSY_TIMEOUT);
    Ok(SqliteConnection::connect_with(&options).await?)
}
