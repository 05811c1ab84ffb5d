//! Checks whether an embedded database can be written: reading doesn't reveal a full disk, or a
//! lock held by another process.

use std::{sync::Arc, time::Duration};

use sqlx::AssertSqlSafe;
use syncline_model::Time;
use tokio::{sync::Mutex, time::Instant};

use crate::{
    StoreError,
    db::{Db, run},
};

/// How long a successful write is trusted. Anyone may request the check, and each write costs an
/// fsync.
const PROVES_FOR: Duration = Duration::from_secs(1);

/// The time of the last successful check.
#[derive(Clone, Default)]
pub(crate) struct Writable(Arc<Mutex<Option<Instant>>>);

impl Writable {
    /// Writes the time of this check to the file header's field for applications; writing an
    /// unchanged row would not touch the disk. Concurrent callers wait for one check and share its
    /// result.
    pub(crate) async fn check(&self, db: &Db, now: Time) -> Result<(), StoreError> {
        let mut last = self.0.lock().await;
        if last.is_some_and(|last| last.elapsed() < PROVES_FOR) {
            return Ok(());
        }
        *last = None;
        let seconds = now.timestamp().rem_euclid(i64::from(i32::MAX));
        let sql = AssertSqlSafe(format!("PRAGMA user_version = {seconds}"));
        let mut tx = db.begin().await?;
        run!(tx, |c| sqlx::query(sql).execute(c).await.map(drop))?;
        tx.commit().await?;
        *last = Some(Instant::now());
        Ok(())
    }
}
