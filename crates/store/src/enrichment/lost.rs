//! Batches whose answer nobody will store, because their process died: their items become uncertain.

use chrono::TimeDelta;
use syncline_model::mutation::{self, Mutation};

use super::{
    reserve::AskedItem,
    settle::{CountChanges, items_of, lock_job},
};
use crate::{
    Store, StoreError,
    db::{Tx, run},
    retry::with_retry,
    timestamp::at,
};

/// No answer takes longer: requests time out before.
pub(super) const ANSWERED_WITHIN: TimeDelta = TimeDelta::minutes(5);

impl Store {
    /// Batches that were sent by a process that died, of jobs that were cancelled meanwhile: nobody
    /// will claim those jobs, and other jobs may have the same questions.
    pub(super) async fn lose_abandoned_batches(&self) -> Result<(), StoreError> {
        const SENT: &str = "
            SELECT DISTINCT j.id FROM enrichment_batches b JOIN enrichment_jobs j ON j.id = b.job_id
            WHERE b.state = 'sent' AND b.sent_at < $1
              AND (j.state NOT IN ('queued', 'running', 'waiting')
                OR (j.foreground AND j.due_at < $1)) LIMIT 20";
        let before = self.now() - ANSWERED_WITHIN;
        let mut reader = self.db.read().await?;
        let jobs: Vec<String> = run!(reader, |c| sqlx::query_scalar(SENT)
            .bind(at(before))
            .fetch_all(c)
            .await)?;
        drop(reader);
        for id in jobs {
            with_retry(|| async {
                let mut tx = self.db.begin().await?;
                lock_job(&mut tx, &id).await?;
                self.lose_batches_of(&mut tx, &id).await?;
                Ok(tx.commit().await?)
            })
            .await?;
        }
        Ok(())
    }

    /// Batches of a job whose worker is gone: nobody knows whether they were carried out.
    pub(super) async fn lose_batches_of(
        &self,
        tx: &mut Tx,
        job_id: &str,
    ) -> Result<(), StoreError> {
        const SENT: &str = "
            SELECT id, credits_reserved FROM enrichment_batches WHERE job_id = $1 AND state = 'sent'";
        let sent: Vec<(String, i64)> =
            run!(tx, |c| sqlx::query_as(SENT).bind(job_id).fetch_all(c).await)?;
        for (batch_id, reserved) in sent {
            self.lose_batch(tx, job_id, &batch_id, reserved).await?;
        }
        Ok(())
    }

    async fn lose_batch(
        &self,
        tx: &mut Tx,
        job_id: &str,
        batch_id: &str,
        reserved: i64,
    ) -> Result<(), StoreError> {
        const ITEMS: &str = "
            SELECT position, lead, question,
                (SELECT count(*) FROM enrichment_items copy
                 WHERE copy.job_id = item.job_id AND copy.same_as = item.position) AS copies
            FROM enrichment_items item WHERE job_id = $1 AND batch_id = $2 AND status = 'asked'";
        const LOST: &str = "
            UPDATE enrichment_items SET status = $3, error = $4
            WHERE job_id = $1 AND batch_id = $2 AND status = 'asked'";
        const WORKER_DIED: &str = "the process stopped before the answer was stored: it may have been \
                                   paid for";
        let items: Vec<AskedItem> = run!(tx, |c| sqlx::query_as(ITEMS)
            .bind(job_id)
            .bind(batch_id)
            .fetch_all(c)
            .await)?;
        // What a program does that believes that nothing was paid before the answer is stored.
        if mutation::on(Mutation::LostBatchIsAskedAgain) {
            self.forget_questions(tx, batch_id).await?;
            run!(tx, |c| sqlx::query(LOST)
                .bind(job_id)
                .bind(batch_id)
                .bind("pending")
                .bind(None::<&str>)
                .execute(c)
                .await
                .map(drop))?;
            self.end_batch(tx, batch_id, "refused", 0, 0).await?;
            let changes = CountChanges {
                credits_reserved: -reserved,
                ..CountChanges::default()
            };
            return self.change_counts(tx, job_id, &changes).await;
        }
        self.lose_answers(tx, batch_id).await?;
        run!(tx, |c| sqlx::query(LOST)
            .bind(job_id)
            .bind(batch_id)
            .bind("uncertain")
            .bind(WORKER_DIED)
            .execute(c)
            .await
            .map(drop))?;
        self.copy_to_same(tx, job_id, &items).await?;
        self.end_batch(tx, batch_id, "uncertain", 0, reserved)
            .await?;
        let changes = CountChanges {
            uncertain: items_of(&items),
            ..CountChanges::default()
        };
        self.change_counts(tx, job_id, &changes).await
    }
}
