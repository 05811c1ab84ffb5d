//! Leases due jobs to workers, and extends, postpones and releases the leases. Whatever moves a job
//! names the fence of its lease, so a worker that lost it changes nothing.

use chrono::TimeDelta;
use syncline_model::{
    Time,
    enrichment::JobWait,
    mutation::{self, Mutation},
};

use super::{EnrichmentJob, JobRow, job_columns};
use crate::{
    Store, StoreError,
    db::{Db, Tx, run},
    retry::with_retry,
    timestamp::at,
};

/// Jobs of commands in the foreground are left to them, also those of a command that was stopped: only
/// who runs it again spends more. A connection's jobs are worked on one after the other, in turns: they share its keys anyway, and no
/// customer keeps others from being served.
macro_rules! due_sql {
    ($lock:literal) => {
        concat!(
            "SELECT id FROM enrichment_jobs due
             WHERE due.state IN ('queued', 'running', 'waiting') AND due.due_at <= $1
               AND NOT due.foreground
               AND NOT EXISTS (
                   SELECT 1 FROM enrichment_jobs busy
                   WHERE busy.connection_id = due.connection_id AND busy.state = 'running'
                     AND busy.due_at > $1)
             ORDER BY due.due_at, due.id LIMIT $2",
            $lock
        )
    };
}

impl Store {
    /// Makes jobs that wait for keys look again, because something about the keys has changed.
    pub(crate) async fn recheck_waiting_jobs(
        &self,
        tx: &mut Tx,
        connection_id: &str,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE enrichment_jobs SET due_at = $2
            WHERE connection_id = $1 AND state = 'waiting' AND due_at > $2
              AND waiting_reason IN ('provider_rate_limit', 'credits_per_day')";
        let now = self.now();
        Ok(run!(tx, |c| sqlx::query(SQL)
            .bind(connection_id)
            .bind(at(now))
            .execute(c)
            .await
            .map(drop))?)
    }

    /// Leases up to `limit` due jobs: new ones, those whose wait is over, and those whose worker died.
    /// Batches of an earlier worker that were sent and not settled are uncertain from now on.
    pub async fn claim_enrichment_jobs(
        &self,
        owner: &str,
        lease: TimeDelta,
        limit: i64,
    ) -> Result<Vec<EnrichmentJob>, StoreError> {
        self.lose_abandoned_batches().await?;
        let now = self.now();
        let mut reader = self.db.read().await?;
        let due: Option<String> = run!(reader, |c| sqlx::query_scalar(due_sql!(""))
            .bind(at(now))
            .bind(1_i64)
            .fetch_optional(c)
            .await)?;
        drop(reader);
        if due.is_none() {
            return Ok(Vec::new());
        }
        with_retry(|| async {
            let mut tx = self.db.begin().await?;
            let sql = match self.db {
                Db::Pg(_) => due_sql!(" FOR UPDATE SKIP LOCKED"),
                Db::Lite { .. } => due_sql!(""),
            };
            let due: Vec<String> = run!(tx, |c| sqlx::query_scalar(sql)
                .bind(at(now))
                .bind(limit)
                .fetch_all(c)
                .await)?;
            let mut jobs = Vec::with_capacity(due.len());
            for id in due {
                jobs.push(
                    self.lease_enrichment_job(&mut tx, &id, owner, lease)
                        .await?,
                );
            }
            tx.commit().await?;
            Ok(jobs)
        })
        .await
    }

    /// Leases one job for a command in the foreground, unless another process works on it.
    pub async fn claim_enrichment_job(
        &self,
        id: &str,
        owner: &str,
        lease: TimeDelta,
    ) -> Result<Option<EnrichmentJob>, StoreError> {
        const DUE: &str = "
            UPDATE enrichment_jobs SET due_at = due_at
            WHERE id = $1 AND state IN ('queued', 'running', 'waiting')
              AND (state <> 'running' OR due_at <= $2)
            RETURNING id";
        // Other jobs' questions may be among this one's.
        self.lose_abandoned_batches().await?;
        let now = self.now();
        let mut tx = self.db.begin().await?;
        let due: Option<String> = run!(tx, |c| sqlx::query_scalar(DUE)
            .bind(id)
            .bind(at(now))
            .fetch_optional(c)
            .await)?;
        if due.is_none() {
            tx.rollback().await?;
            return Ok(None);
        }
        let job = self.lease_enrichment_job(&mut tx, id, owner, lease).await?;
        tx.commit().await?;
        Ok(Some(job))
    }

    async fn lease_enrichment_job(
        &self,
        tx: &mut Tx,
        id: &str,
        owner: &str,
        lease: TimeDelta,
    ) -> Result<EnrichmentJob, StoreError> {
        const SQL: &str = "
            UPDATE enrichment_jobs
            SET state = 'running', fence = fence + 1, lease_owner = $2, due_at = $3,
                waiting_reason = NULL, started_at = COALESCE(started_at, $4)
            WHERE id = $1";
        const READ: &str = concat!(
            "SELECT ",
            job_columns!(),
            " FROM enrichment_jobs WHERE id = $1"
        );
        let now = self.now();
        run!(tx, |c| sqlx::query(SQL)
            .bind(id)
            .bind(owner)
            .bind(at(now + lease))
            .bind(at(now))
            .execute(c)
            .await
            .map(drop))?;
        self.lose_batches_of(tx, id).await?;
        let row: JobRow = run!(tx, |c| sqlx::query_as(READ).bind(id).fetch_one(c).await)?;
        row.try_into()
    }

    /// Extends a job's lease. `false` if another worker has it, or it has ended.
    pub async fn extend_enrichment_lease(
        &self,
        job: &EnrichmentJob,
        lease: TimeDelta,
    ) -> Result<bool, StoreError> {
        self.move_enrichment_job(job, "running", self.now() + lease, None)
            .await
    }

    /// Lets another worker take the job at once.
    pub async fn release_enrichment_job(&self, job: &EnrichmentJob) -> Result<bool, StoreError> {
        self.move_enrichment_job(job, "running", self.now(), None)
            .await
    }

    /// Postpones a job. It occupies no worker meanwhile.
    pub async fn postpone_enrichment_job(
        &self,
        job: &EnrichmentJob,
        until: Time,
        reason: JobWait,
    ) -> Result<bool, StoreError> {
        self.move_enrichment_job(job, "waiting", until, Some(reason))
            .await
    }

    async fn move_enrichment_job(
        &self,
        job: &EnrichmentJob,
        state: &str,
        due_at: Time,
        reason: Option<JobWait>,
    ) -> Result<bool, StoreError> {
        const SQL: &str = "
            UPDATE enrichment_jobs SET state = $3, due_at = $4, waiting_reason = $5
            WHERE id = $1 AND fence = $2 AND state = 'running'";
        let mut tx = self.db.begin().await?;
        let moved = run!(tx, |c| sqlx::query(SQL)
            .bind(&job.id)
            .bind(job.fence)
            .bind(state)
            .bind(at(due_at))
            .bind(reason.map(JobWait::as_str))
            .execute(c)
            .await?
            .rows_affected());
        tx.commit().await?;
        Ok(moved == 1)
    }

    /// Whether another job is due, which a job in the foreground does not make room for.
    pub async fn other_enrichment_jobs_are_due(
        &self,
        job: &EnrichmentJob,
    ) -> Result<bool, StoreError> {
        const SQL: &str = "
            SELECT EXISTS (
                SELECT 1 FROM enrichment_jobs
                WHERE state IN ('queued', 'running', 'waiting') AND due_at <= $1
                  AND NOT foreground AND id <> $2)
            AND NOT (SELECT foreground FROM enrichment_jobs WHERE id = $2)";
        let now = self.now();
        let mut reader = self.db.read().await?;
        Ok(run!(reader, |c| sqlx::query_scalar(SQL)
            .bind(at(now))
            .bind(&job.id)
            .fetch_one(c)
            .await)?)
    }

    /// How often in a row the provider has not answered.
    pub async fn enrichment_failures(&self, job: &EnrichmentJob) -> Result<i64, StoreError> {
        const SQL: &str = "SELECT failures FROM enrichment_jobs WHERE id = $1";
        let mut reader = self.db.read().await?;
        let failures: Option<i64> = run!(reader, |c| sqlx::query_scalar(SQL)
            .bind(&job.id)
            .fetch_optional(c)
            .await)?;
        Ok(failures.unwrap_or_default())
    }

    /// Releases leases left by earlier processes of this kind: see [`Store::free_leases_of`].
    pub(crate) async fn free_enrichment_leases_of(
        &self,
        tx: &mut Tx,
        owner_prefix: &str,
    ) -> Result<u64, StoreError> {
        const SQL: &str = "
            UPDATE enrichment_jobs SET due_at = $1
            WHERE state IN ('queued', 'running', 'waiting') AND state = 'running'
              AND substr(lease_owner, 1, length($2)) = $2";
        let now = self.now();
        Ok(run!(tx, |c| sqlx::query(SQL)
            .bind(at(now))
            .bind(owner_prefix)
            .execute(c)
            .await?
            .rows_affected()))
    }
}

/// Locks the job for a transaction of the worker that holds its lease.
pub(super) async fn lock_under_fence(
    tx: &mut Tx,
    job: &EnrichmentJob,
) -> Result<EnrichmentJob, StoreError> {
    const SQL: &str = concat!(
        "UPDATE enrichment_jobs SET due_at = due_at
         WHERE id = $1 AND (fence = $2 OR $3) AND state = 'running' RETURNING ",
        job_columns!()
    );
    let unchecked = mutation::on(Mutation::LeaseNotChecked);
    let row: Option<JobRow> = run!(tx, |c| sqlx::query_as(SQL)
        .bind(&job.id)
        .bind(job.fence)
        .bind(unchecked)
        .fetch_optional(c)
        .await)?;
    let Some(row) = row else {
        return Err(StoreError::LeaseLost {
            scan_id: job.id.clone(),
        });
    };
    row.try_into()
}
