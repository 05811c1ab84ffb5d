//! Makes readers of `modified_after` and of change feeds consistent again after a restore.
//!
//! A reader keeps the greatest `last_modified_at` that it saw. A backup is older, so readers would
//! never see its rows again: those that were changed and changed back in between, and those that
//! were added and deleted. So after a restore every row counts as changed, and cursors of before are refused. Rows of the replaced
//! database that the backup lacks are taken over, and the next scan confirms or deletes them.

use std::path::Path;

use sqlx::{AssertSqlSafe, SqliteConnection};
use syncline_model::{Object, Time};

use crate::{Store, StoreError, backup::connect, db::run, timestamp::Timestamp};

impl Store {
    /// Gives every row a stamp that is greater than all known earlier stamps. Rewrites every row
    /// once. Feeds get a new epoch, and destinations get everything anew.
    pub async fn restamp(&self) -> Result<(), StoreError> {
        // Takes the locks that new stamps need.
        const LOCK: &str = "UPDATE change_feeds SET epoch = epoch";
        const NEWEST: &str = "SELECT COALESCE(MAX(last_stamp_ms), 0) FROM change_feeds";
        const GIVE: &str = "
            UPDATE change_feeds
            SET last_stamp_ms = $1, previous_stamp_ms = $1, epoch = $2, tell_again_at = NULL";
        const WRITE_ANEW: &str = "UPDATE destination_feeds SET due_at = $1, lease_owner = NULL";
        let now = self.now().timestamp_millis();
        let epoch = self.new_id();
        let mut tx = self.db.begin().await?;
        run!(tx, |c| sqlx::query(LOCK).execute(c).await.map(drop))?;
        let newest: i64 = run!(tx, |c| sqlx::query_scalar(NEWEST).fetch_one(c).await)?;
        let stamp = now.max(newest + 1);
        run!(tx, |c| sqlx::query(GIVE)
            .bind(stamp)
            .bind(&epoch)
            .execute(c)
            .await
            .map(drop))?;
        let at = Time::from_timestamp_millis(stamp).ok_or_else(|| StoreError::Inconsistent {
            table: "change_feeds",
            column: "last_stamp_ms",
            row: "the newest".to_owned(),
            reason: format!("{stamp} is no time"),
        })?;
        for object in Object::ALL {
            let sql = format!("UPDATE {} SET last_modified_at = $1", object.table());
            run!(tx, |c| sqlx::query(AssertSqlSafe(sql))
                .bind(Timestamp(at))
                .execute(c)
                .await
                .map(drop))?;
        }
        run!(tx, |c| sqlx::query(WRITE_ANEW)
            .bind(Timestamp(self.now()))
            .execute(c)
            .await
            .map(drop))?;
        Ok(tx.commit().await?)
    }
}

/// Copies into a restored database what only the replaced one has: rows of its connections, and the
/// newest stamps. All or nothing.
pub async fn take_over(restored: &Path, replaced: &Path) -> Result<(), StoreError> {
    let mut c = connect(restored).await?;
    let taken = take_over_on(&mut c, replaced).await;
    sqlx::Connection::close(c).await?;
    taken
}

async fn take_over_on(c: &mut SqliteConnection, replaced: &Path) -> Result<(), StoreError> {
    const STAMPS: &str = "
        UPDATE change_feeds SET last_stamp_ms = MAX(last_stamp_ms, COALESCE(
            (SELECT it.last_stamp_ms FROM replaced.change_feeds it
             WHERE it.connection_id = change_feeds.connection_id), 0))";
    // Another version may store rows differently.
    const SAME_VERSION: &str = "
        SELECT (SELECT MAX(version) FROM main._sqlx_migrations)
             = (SELECT MAX(version) FROM replaced._sqlx_migrations)";
    sqlx::query("ATTACH DATABASE $1 AS replaced")
        .bind(replaced.to_string_lossy().into_owned())
        .execute(&mut *c)
        .await?;
    let same: bool = sqlx::query_scalar(SAME_VERSION).fetch_one(&mut *c).await?;
    if !same {
        return Err(StoreError::Unusable(
            "it is from another version of Syncline".to_owned(),
        ));
    }
    sqlx::query("BEGIN IMMEDIATE").execute(&mut *c).await?;
    for object in Object::ALL {
        take_over_rows(c, object.table()).await?;
    }
    sqlx::query(STAMPS).execute(&mut *c).await?;
    sqlx::query("COMMIT").execute(&mut *c).await?;
    Ok(())
}

async fn take_over_rows(c: &mut SqliteConnection, table: &str) -> Result<(), StoreError> {
    const COLUMNS: &str = "SELECT name FROM pragma_table_info($1, 'main')";
    let columns: Vec<String> = sqlx::query_scalar(COLUMNS)
        .bind(table)
        .fetch_all(&mut *c)
        .await?;
    let columns = columns.join(", ");
    let sql = format!(
        "INSERT INTO main.{table} ({columns})
         SELECT {columns} FROM replaced.{table}
         WHERE connection_id IN (SELECT id FROM main.connections)
         ON CONFLICT DO NOTHING"
    );
    sqlx::query(AssertSqlSafe(sql)).execute(c).await?;
    Ok(())
}
