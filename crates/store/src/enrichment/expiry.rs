//! What ends by time: callbacks to which nothing came, and old jobs and answers.

use syncline_model::Time;

use super::settle::{CountChanges, lock_job};
use crate::{
    Store, StoreError,
    db::run,
    retention::{PURGE_BATCH, PurgeBatch},
    retry::with_retry,
    timestamp::at,
};

impl Store {
    /// Callbacks whose time is over: what was reserved for late answers was not taken.
    pub(crate) async fn purge_callbacks(&self, before: Time) -> Result<PurgeBatch, StoreError> {
        const OVER: &str = "
            SELECT id, job_id, state, credits_reserved FROM enrichment_batches
            WHERE callback IS NOT NULL AND callback_until <= $1 ORDER BY callback_until LIMIT $2";
        const BATCH: &str = "
            UPDATE enrichment_batches SET callback = NULL, credits_reserved = credits_reserved - $2
            WHERE id = $1";
        const ANSWERS: &str = "
            UPDATE enrichment_answers SET awaited = FALSE WHERE batch_id = $1 AND awaited";
        const NOT_DUE: &str = "
            UPDATE enrichment_answers SET late_due = FALSE WHERE batch_id = $1 AND late_due";
        let mut reader = self.db.read().await?;
        let over: Vec<(String, String, String, i64)> = run!(reader, |c| sqlx::query_as(OVER)
            .bind(at(before))
            .bind(PURGE_BATCH)
            .fetch_all(c)
            .await)?;
        drop(reader);
        let purged = u64::try_from(over.len()).unwrap_or(u64::MAX);
        for (id, job_id, state, reserved) in over {
            with_retry(|| async {
                let mut tx = self.db.begin().await?;
                lock_job(&mut tx, &job_id).await?;
                // What a lost batch cost stays unknown.
                let freed = if state == "answered" { reserved } else { 0 };
                run!(tx, |c| sqlx::query(BATCH)
                    .bind(&id)
                    .bind(freed)
                    .execute(c)
                    .await
                    .map(drop))?;
                run!(tx, |c| sqlx::query(NOT_DUE)
                    .bind(&id)
                    .execute(c)
                    .await
                    .map(drop))?;
                let awaited = run!(tx, |c| sqlx::query(ANSWERS)
                    .bind(&id)
                    .execute(c)
                    .await?
                    .rows_affected());
                let changes = CountChanges {
                    credits_reserved: -freed,
                    awaited: -i64::try_from(awaited).unwrap_or(i64::MAX),
                    ..CountChanges::default()
                };
                self.change_counts(&mut tx, &job_id, &changes).await?;
                Ok(tx.commit().await?)
            })
            .await?;
        }
        Ok(PurgeBatch {
            purged,
            next: (purged == u64::try_from(PURGE_BATCH).unwrap_or(u64::MAX)).then(String::new),
        })
    }

    /// Old jobs, the items of one after the other.
    pub(crate) async fn purge_enrichment_jobs(
        &self,
        before: Time,
    ) -> Result<PurgeBatch, StoreError> {
        const OLDEST: &str = "
            SELECT id FROM enrichment_jobs WHERE finished_at <= $1 ORDER BY finished_at LIMIT 1";
        const ITEMS: &str = "
            DELETE FROM enrichment_items WHERE job_id = $1 AND position IN (
                SELECT position FROM enrichment_items WHERE job_id = $1 ORDER BY position LIMIT $2)";
        const JOB: &str = "DELETE FROM enrichment_jobs WHERE id = $1 AND finished_at <= $2";
        let mut reader = self.db.read().await?;
        let oldest: Option<String> = run!(reader, |c| sqlx::query_scalar(OLDEST)
            .bind(at(before))
            .fetch_optional(c)
            .await)?;
        drop(reader);
        let Some(id) = oldest else {
            return Ok(PurgeBatch::nothing());
        };
        let mut tx = self.db.begin().await?;
        let items = run!(tx, |c| sqlx::query(ITEMS)
            .bind(&id)
            .bind(PURGE_BATCH)
            .execute(c)
            .await?
            .rows_affected());
        let purged = if items < u64::try_from(PURGE_BATCH).unwrap_or(u64::MAX) {
            run!(tx, |c| sqlx::query(JOB)
                .bind(&id)
                .bind(at(before))
                .execute(c)
                .await?
                .rows_affected())
        } else {
            0
        };
        tx.commit().await?;
        Ok(PurgeBatch {
            purged,
            next: Some(String::new()),
        })
    }
}
