//! Syncs are paused, resumed and triggered.

use syncline_model::{
    Object,
    event::{ConnectionRef, Event},
};

use crate::{
    Store, StoreError,
    db::{Tx, run},
    retry::with_retry,
    syncs::Sync,
    timestamp::at,
};

/// The cause of a pause that ends with new credentials.
pub(crate) const CREDENTIALS_CAUSE: &str = "credentials";
/// The cause of a pause that ends with new credentials, or when one of the daily attempts succeeds.
pub(crate) const FORBIDDEN_CAUSE: &str = "forbidden";

impl Store {
    /// Stops a sync from starting runs. An active run continues. Idempotent: the event is written
    /// only once.
    pub async fn pause_sync(
        &self,
        sync: &Sync,
        connection: &ConnectionRef,
        reason: &str,
    ) -> Result<(), StoreError> {
        with_retry(|| self.pause_sync_once(sync, connection, reason)).await
    }

    async fn pause_sync_once(
        &self,
        sync: &Sync,
        connection: &ConnectionRef,
        reason: &str,
    ) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        self.pause_sync_in(&mut tx, &sync.id, sync.object, connection, reason, "manual")
            .await?;
        Ok(tx.commit().await?)
    }

    pub(crate) async fn pause_sync_in(
        &self,
        tx: &mut Tx,
        sync_id: &str,
        object: Object,
        connection: &ConnectionRef,
        reason: &str,
        cause: &str,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE syncs SET paused = true, paused_reason = $2, paused_cause = $3
            WHERE id = $1 AND NOT paused";
        // A pause by a user replaces an automatic one, so that it doesn't end automatically.
        const BY_HAND: &str = "
            UPDATE syncs SET paused_reason = $2, paused_cause = $3
            WHERE id = $1 AND paused AND $3 = 'manual'";
        run!(tx, |c| sqlx::query(BY_HAND)
            .bind(sync_id)
            .bind(reason)
            .bind(cause)
            .execute(c)
            .await
            .map(drop))?;
        let paused = run!(tx, |c| sqlx::query(SQL)
            .bind(sync_id)
            .bind(reason)
            .bind(cause)
            .execute(c)
            .await?
            .rows_affected());
        if paused == 1 {
            let event = Event::SyncPaused {
                object,
                reason: reason.to_owned(),
            };
            self.write_event(tx, connection, &event).await?;
        }
        Ok(())
    }

    /// Resumes a sync at its next due time, at most one period from now.
    pub async fn resume_sync(&self, sync: &Sync) -> Result<(), StoreError> {
        with_retry(|| self.resume_sync_once(sync)).await
    }

    async fn resume_sync_once(&self, sync: &Sync) -> Result<(), StoreError> {
        const PERIOD: &str = "SELECT period_ms FROM syncs WHERE id = $1";
        const SQL: &str = "
            UPDATE syncs
            SET paused = false, paused_reason = NULL, paused_cause = NULL,
                next_run_at = CASE WHEN next_run_at > $2 THEN $2 ELSE next_run_at END
            WHERE id = $1";
        let mut tx = self.db.begin().await?;
        let period: i64 = run!(tx, |c| sqlx::query_scalar(PERIOD)
            .bind(&sync.id)
            .fetch_one(c)
            .await)?;
        let latest = self.now() + chrono::TimeDelta::milliseconds(period);
        run!(tx, |c| sqlx::query(SQL)
            .bind(&sync.id)
            .bind(at(latest))
            .execute(c)
            .await
            .map(drop))?;
        Ok(tx.commit().await?)
    }

    /// Requests a run as soon as none is active; also while the sync is paused. A requested full
    /// refresh stays requested until a run starts with it.
    pub async fn trigger_sync(&self, sync: &Sync, full_refresh: bool) -> Result<(), StoreError> {
        with_retry(|| self.trigger_sync_once(sync, full_refresh)).await
    }

    async fn trigger_sync_once(&self, sync: &Sync, full_refresh: bool) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE syncs
            SET triggered_at = $2, full_refresh = (full_refresh OR $3),
                watermark = CASE WHEN $3 THEN NULL ELSE watermark END
            WHERE id = $1";
        let mut tx = self.db.begin().await?;
        let now = self.now();
        run!(tx, |c| sqlx::query(SQL)
            .bind(&sync.id)
            .bind(at(now))
            .bind(full_refresh)
            .execute(c)
            .await
            .map(drop))?;
        Ok(tx.commit().await?)
    }

    pub(crate) async fn resume_after_new_credentials(
        &self,
        tx: &mut Tx,
        connection_id: &str,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE syncs
            SET paused = false, paused_reason = NULL, paused_cause = NULL, next_run_at = $3
            WHERE connection_id = $1 AND paused AND paused_cause IN ($2, $4)";
        let now = self.now();
        run!(tx, |c| sqlx::query(SQL)
            .bind(connection_id)
            .bind(CREDENTIALS_CAUSE)
            .bind(at(now))
            .bind(FORBIDDEN_CAUSE)
            .execute(c)
            .await
            .map(drop))?;
        Ok(())
    }
}
