//! SQLite's write-ahead log, which has what was removed until it is emptied.

use std::sync::atomic::Ordering;

use crate::{
    Store, StoreError,
    db::{Db, run},
};

impl Store {
    /// Writes everything into the database file and empties the log. `false` while somebody reads
    /// from the log; then [`empty_log_later`](Self::empty_log_later) does it. PostgreSQL has no such
    /// file of ours.
    pub(crate) async fn empty_log(&self) -> Result<bool, StoreError> {
        // Nobody waits for readers: a writer that waits keeps all others waiting.
        const DONT_WAIT: &str = "PRAGMA busy_timeout = 0";
        const TRUNCATE: &str = "PRAGMA wal_checkpoint(TRUNCATE)";
        const WAIT: &str = "PRAGMA busy_timeout = 5000";
        if let Db::Pg(_) = self.db {
            return Ok(true);
        }
        self.log_is_full.store(true, Ordering::Relaxed);
        let mut writer = self.db.writer().await?;
        run!(writer, |c| sqlx::query(DONT_WAIT)
            .execute(c)
            .await
            .map(drop))?;
        let emptied: Result<(i64, i64, i64), sqlx::Error> =
            run!(writer, |c| sqlx::query_as(TRUNCATE).fetch_one(c).await);
        run!(writer, |c| sqlx::query(WAIT).execute(c).await.map(drop))?;
        let (busy, _, _) = emptied?;
        self.log_is_full.store(busy != 0, Ordering::Relaxed);
        Ok(busy == 0)
    }

    /// Empties the log if that is still to be done.
    pub async fn empty_log_later(&self) -> Result<(), StoreError> {
        if self.log_is_full.load(Ordering::Relaxed) {
            self.empty_log().await?;
        }
        Ok(())
    }
}
