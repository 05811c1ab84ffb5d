//! Whether an embedded database can be written: a disk that is full, or a lock that somebody else
//! holds, is not seen by reading.

use std::{sync::Arc, time::Duration};

use sqlx::AssertSqlSafe;
use syncline_model::Time;
use tokio::{sync::Mutex, time::Instant};

use crate::{
    StoreError,
    db::{Db, run},
};

/// How long a write proves that the next one works, too. Anybody may ask, and a write costs a sync of
/// the disk.
const PROVES_FOR: Duration = Duration::from_secs(1);

/// When it was written last for the sake of knowing.
#[derive(Clone, Default)]
pub(crate) struct Writable(Arc<Mutex<Option<Instant>>>);

impl Writable {
    /// Writes into the file's header, to a field that is the program's own, the time of this check: a
    /// row that stays as it is would not be written. One at a time: those who ask meanwhile wait for
    /// its answer.
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
