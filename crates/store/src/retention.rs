//! What would grow for ever is kept for a time.
//!
//! Finished runs go with their pages, webhook messages with their deliveries and attempts. The newest
//! run of each sync stays, because it says what the sync last did, and so does a run that holds
//! deletions, because somebody may still apply them.

use syncline_model::{Time, first_id_of};

use crate::{Store, StoreError, db::run};

/// Rows of one transaction.
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

    /// Forgets the webhook messages that were written before that time, and tells how many; secrets
    /// that no longer sign go along.
    pub async fn forget_messages(&self, written_before: Time) -> Result<u64, StoreError> {
        const MESSAGES: &str = "
            DELETE FROM outbox WHERE id IN (
                SELECT id FROM outbox WHERE id < $1 ORDER BY id LIMIT $2)";
        const SECRETS: &str = "DELETE FROM webhook_secrets WHERE expires_at <= $1";
        let now = self.now();
        let mut tx = self.db.begin().await?;
        run!(tx, |c| sqlx::query(SECRETS)
            .bind(now)
            .execute(c)
            .await
            .map(drop))?;
        tx.commit().await?;
        let mut forgotten = 0;
        loop {
            let mut tx = self.db.begin().await?;
            let batch = run!(tx, |c| sqlx::query(MESSAGES)
                .bind(first_id_of(written_before))
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
