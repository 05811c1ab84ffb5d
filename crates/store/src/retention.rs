//! Finished runs are kept for a time, and then go with their pages.
//!
//! The newest run of each sync stays, because it says what the sync last did, and so does a run that
//! holds deletions, because somebody may still apply them.

use syncline_model::{Time, first_id_of};

use crate::{Store, StoreError, db::run};

/// Runs of one transaction.
const BATCH: i64 = 500;

impl Store {
    /// Forgets the runs that ended before that time, and tells how many.
    pub async fn forget_runs(&self, ended_before: Time) -> Result<u64, StoreError> {
        // Ids sort by age, so this looks at old runs alone.
        const SQL: &str = "
            DELETE FROM sync_runs WHERE id IN (
                SELECT r.id FROM sync_runs r
                WHERE r.id < $1 AND r.finished_at < $2
                  AND EXISTS (SELECT 1 FROM sync_runs n WHERE n.sync_id = r.sync_id AND n.id > r.id)
                  AND NOT EXISTS (
                    SELECT 1 FROM missing_records m
                    WHERE m.connection_id = r.connection_id AND m.held_since = r.id)
                ORDER BY r.id LIMIT $3)";
        let mut forgotten = 0;
        loop {
            let mut tx = self.db.begin().await?;
            let batch = run!(tx, |c| sqlx::query(SQL)
                .bind(first_id_of(ended_before))
                .bind(ended_before)
                .bind(BATCH)
                .execute(c)
                .await?
                .rows_affected());
            tx.commit().await?;
            forgotten += batch;
            if batch == 0 {
                return Ok(forgotten);
            }
        }
    }
}
