//! Lets a due sync join a scan of its pages that has not committed any of them.

use sqlx::types::Json;
use syncline_model::Checkpoint;

use crate::{
    Store, StoreError,
    db::{Tx, run},
    schedule::{Due, LockedSync},
    timestamp::at,
};

impl Store {
    /// Adds a run for a due sync to the active scan of the pages that contain its object, if that
    /// scan has not committed its first page yet.
    ///
    /// Lock order as for a page: the leading run, then the sync. So a page commits either before
    /// this, or after it and then sees the run that joined.
    pub(crate) async fn join_scan(&self, due: &Due) -> Result<usize, StoreError> {
        if !self.may_be_joined(due).await? {
            return Ok(0);
        }
        let mut tx = self.db.begin().await?;
        let joined = self.join_in(&mut tx, due).await?;
        // Don't leave the leading run locked: the scan may be claimed right now.
        if joined {
            tx.commit().await?;
        } else {
            tx.rollback().await?;
        }
        Ok(usize::from(joined))
    }

    /// Checks without a lock: most scans have begun, and syncs that wait for them check every
    /// second.
    async fn may_be_joined(&self, due: &Due) -> Result<bool, StoreError> {
        const SQL: &str = "
            SELECT checkpoint FROM sync_runs
            WHERE connection_id = $1 AND COALESCE(carried_in, object) = $2 AND id = scan_id
              AND state IN ('queued', 'running', 'waiting')";
        let mut reader = self.db.read().await?;
        let checkpoint: Option<Json<Checkpoint>> = run!(reader, |c| sqlx::query_scalar(SQL)
            .bind(&due.connection_id)
            .bind(&due.scan_object)
            .fetch_optional(c)
            .await)?;
        Ok(checkpoint.is_some_and(|checkpoint| is_fresh(&checkpoint)))
    }

    async fn join_in(&self, tx: &mut Tx, due: &Due) -> Result<bool, StoreError> {
        const LEADER: &str = "
            UPDATE sync_runs SET due_at = due_at
            WHERE connection_id = $1 AND COALESCE(carried_in, object) = $2 AND id = scan_id
              AND state IN ('queued', 'running', 'waiting')
            RETURNING scan_id, checkpoint";
        // Writing nothing new locks the row on both databases.
        const SYNC: &str = "
            UPDATE syncs SET paused = paused WHERE id = $1
            RETURNING id, connection_id, object, COALESCE(carried_in, object) AS scan_object, period_ms, paused, paused_cause, next_run_at,
                triggered_at, full_refresh";
        const ACTIVE: &str = "
            SELECT EXISTS (
                SELECT 1 FROM sync_runs
                WHERE sync_id = $1 AND state IN ('queued', 'running', 'waiting'))";
        let leader: Option<(String, Json<Checkpoint>)> = run!(tx, |c| sqlx::query_as(LEADER)
            .bind(&due.connection_id)
            .bind(&due.scan_object)
            .fetch_optional(c)
            .await)?;
        let Some((scan_id, checkpoint)) = leader else {
            return Ok(false);
        };
        let sync: Option<LockedSync> = run!(tx, |c| sqlx::query_as(SYNC)
            .bind(&due.id)
            .fetch_optional(c)
            .await)?;
        let is_active: bool = run!(tx, |c| sqlx::query_scalar(ACTIVE)
            .bind(&due.id)
            .fetch_one(c)
            .await)?;
        let now = self.now();
        let Some(sync) = sync.filter(|sync| sync.is_due(now)) else {
            return Ok(false);
        };
        if is_active || !is_fresh(&checkpoint) {
            return Ok(false);
        }
        self.insert_joining_run(tx, &scan_id, &sync).await?;
        Ok(true)
    }

    async fn insert_joining_run(
        &self,
        tx: &mut Tx,
        scan_id: &str,
        sync: &LockedSync,
    ) -> Result<(), StoreError> {
        const RUN: &str = "
            INSERT INTO sync_runs
                (id, scan_id, application_id, customer_id, provider_name, connection_id, sync_id,
                 object, carried_in, state, due_at, waiting_reason, put_off_at, lease_owner, fence,
                 full_refresh, checkpoint, records_read, records_created, records_updated,
                 records_unchanged, records_deleted, records_rejected, requests_made, scan_rank,
                 created_at, started_at, keeps_pages, foreground,
                 began_after_ms, store_policy)
            SELECT $1, l.scan_id, l.application_id, l.customer_id, l.provider_name,
                   l.connection_id, s.id, s.object, s.carried_in, l.state, l.due_at, l.waiting_reason,
                   l.put_off_at, l.lease_owner, l.fence, s.full_refresh, l.checkpoint,
                   0, 0, 0, 0, 0, 0, 0, l.scan_rank, $4, l.started_at, true, l.foreground,
                   l.began_after_ms, s.store_policy
            FROM sync_runs l JOIN syncs s ON s.id = $3 WHERE l.id = $2";
        const NEXT: &str = "
            UPDATE syncs
            SET next_run_at = $2, last_run_id = $3, triggered_at = NULL, full_refresh = false
            WHERE id = $1";
        let (run_id, now) = (self.new_id(), self.now());
        run!(tx, |c| sqlx::query(RUN)
            .bind(&run_id)
            .bind(scan_id)
            .bind(&sync.id)
            .bind(at(now))
            .execute(c)
            .await
            .map(drop))?;
        run!(tx, |c| sqlx::query(NEXT)
            .bind(&sync.id)
            .bind(at(sync.next_run_after(now)))
            .bind(&run_id)
            .execute(c)
            .await
            .map(drop))?;
        Ok(())
    }
}

fn is_fresh(checkpoint: &Checkpoint) -> bool {
    checkpoint.next_page <= 1 && checkpoint.pass <= 1
}
