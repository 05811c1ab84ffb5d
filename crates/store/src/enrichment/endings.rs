//! Ends a job, cancels one, and continues one that stopped.

use syncline_model::{
    enrichment::JobState,
    event::{ENRICHMENT_COMPLETE, EnrichmentComplete},
};

use super::{
    EnrichmentJob,
    lost::ANSWERED_WITHIN,
    settle::{CountChanges, lock_job},
};
use crate::{
    Store, StoreError, Tenant,
    db::{Tx, run},
    retry::with_retry,
    timestamp::at,
};

/// What a continued job may spend, with what it has spent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum NewCeiling {
    #[default]
    Unchanged,
    Unlimited,
    At(i64),
}

/// How a job is to be continued.
#[derive(Debug, Clone, Copy, Default)]
pub struct ContinueJob {
    pub max_credits: NewCeiling,
    /// Ask again what may have been paid for.
    pub retry_uncertain: bool,
}

/// What continuing a job came to.
#[derive(Debug)]
pub enum Continued {
    Now(Box<EnrichmentJob>),
    /// It has not ended.
    Active,
    /// A request that was sent before it ended is still under way.
    InFlight,
    /// Nothing is left to be asked about.
    NothingLeft,
    Unknown,
}

/// What becomes of a job that is to be continued and has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ActiveJob {
    IsLeft,
    IsChanged,
}

impl Store {
    /// Counts an entry that was erased as failed, in the place of what came of it.
    pub(crate) async fn count_erased(
        &self,
        tx: &mut Tx,
        job_id: &str,
        status: &str,
    ) -> Result<(), StoreError> {
        let was = |word: &str| -i64::from(status == word);
        let changes = CountChanges {
            matched: was("matched"),
            not_matched: was("not_matched"),
            uncertain: was("uncertain"),
            failed: 1 + was("failed"),
            ..CountChanges::default()
        };
        self.change_counts(tx, job_id, &changes).await
    }

    /// Ends a leased job, with its event. Nothing happens if the lease is lost.
    pub async fn end_enrichment_job(
        &self,
        job: &EnrichmentJob,
        error: Option<&str>,
    ) -> Result<bool, StoreError> {
        let state = match error {
            None => JobState::Succeeded,
            Some(_) => JobState::Failed,
        };
        with_retry(|| async {
            let mut tx = self.db.begin().await?;
            let now = lock_job(&mut tx, &job.id).await?;
            if now.state != JobState::Running || now.fence != job.fence {
                return Ok(false);
            }
            self.end_in(&mut tx, &now, state, error).await?;
            tx.commit().await?;
            Ok(true)
        })
        .await
    }

    async fn end_in(
        &self,
        tx: &mut Tx,
        job: &EnrichmentJob,
        state: JobState,
        error: Option<&str>,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE enrichment_jobs
            SET state = $2, error = $3, finished_at = $4, fence = fence + 1, waiting_reason = NULL,
                lease_owner = NULL
            WHERE id = $1";
        let now = self.now();
        run!(tx, |c| sqlx::query(SQL)
            .bind(&job.id)
            .bind(state.as_str())
            .bind(error)
            .bind(at(now))
            .execute(c)
            .await
            .map(drop))?;
        let payload = EnrichmentComplete::payload(
            &job.id,
            (&job.connection_id, &job.customer_id, job.provider),
            (state, error),
            job.counts,
        );
        self.tell(tx, &job.application_id, ENRICHMENT_COMPLETE, payload)
            .await
    }
}

impl Tenant {
    /// Stops a job. What is being asked at this moment is still paid for and stored. `None`: there is
    /// no such job; `Some(false)`: it has ended before.
    pub async fn cancel_enrichment_job(
        &self,
        connection_id: &str,
        id: &str,
    ) -> Result<Option<bool>, StoreError> {
        let Some(found) = self.get_enrichment_job(connection_id, id).await? else {
            return Ok(None);
        };
        with_retry(|| async {
            let mut tx = self.store().db.begin().await?;
            let job = lock_job(&mut tx, &found.id).await?;
            if job.state.has_ended() {
                return Ok(Some(false));
            }
            self.store()
                .end_in(&mut tx, &job, JobState::Cancelled, None)
                .await?;
            tx.commit().await?;
            Ok(Some(true))
        })
        .await
    }

    /// Queues a job that has ended for what is left of it.
    pub async fn continue_enrichment_job(
        &self,
        connection_id: &str,
        id: &str,
        how: ContinueJob,
    ) -> Result<Continued, StoreError> {
        self.continue_job(connection_id, id, how, ActiveJob::IsLeft)
            .await
    }

    /// The same for a command that takes its job up again, which may not have ended.
    pub async fn take_up_enrichment_job(
        &self,
        connection_id: &str,
        id: &str,
        how: ContinueJob,
    ) -> Result<Continued, StoreError> {
        self.continue_job(connection_id, id, how, ActiveJob::IsChanged)
            .await
    }

    async fn continue_job(
        &self,
        connection_id: &str,
        id: &str,
        how: ContinueJob,
        active: ActiveJob,
    ) -> Result<Continued, StoreError> {
        let Some(found) = self.get_enrichment_job(connection_id, id).await? else {
            return Ok(Continued::Unknown);
        };
        let continued = with_retry(|| self.store().continue_once(&found.id, how, active)).await?;
        match continued {
            None => {
                let job = self.get_enrichment_job(connection_id, id).await?;
                Ok(job.map_or(Continued::Unknown, |job| Continued::Now(Box::new(job))))
            }
            Some(not) => Ok(not),
        }
    }
}

impl Store {
    async fn continue_once(
        &self,
        id: &str,
        how: ContinueJob,
        active: ActiveJob,
    ) -> Result<Option<Continued>, StoreError> {
        const IN_FLIGHT: &str = "
            SELECT EXISTS (SELECT 1 FROM enrichment_batches
                WHERE job_id = $1 AND state = 'sent' AND sent_at >= $2)";
        const UNCERTAIN: &str = "
            UPDATE enrichment_items SET status = 'pending', error = NULL, batch_id = NULL
            WHERE job_id = $1 AND status = 'uncertain'";
        const LEFT: &str = "
            SELECT EXISTS (SELECT 1 FROM enrichment_items
                WHERE job_id = $1 AND status = 'pending' AND same_as IS NULL)";
        const SQL: &str = "
            UPDATE enrichment_jobs
            SET state = CASE WHEN finished_at IS NULL THEN state ELSE 'queued' END,
                due_at = CASE WHEN finished_at IS NULL THEN due_at ELSE $2 END,
                error = NULL, finished_at = NULL, failures = 0, max_credits = $3, retry_uncertain = retry_uncertain OR $4, uncertain = uncertain - $5
            WHERE id = $1";
        let now = self.now();
        let mut tx = self.db.begin().await?;
        tx.wakes(&self.enrichment_due);
        let job = lock_job(&mut tx, id).await?;
        let has_ended = job.state.has_ended();
        if !has_ended && active == ActiveJob::IsLeft {
            return Ok(Some(Continued::Active));
        }
        if has_ended {
            let is_in_flight: bool = run!(tx, |c| sqlx::query_scalar(IN_FLIGHT)
                .bind(id)
                .bind(at(now - ANSWERED_WITHIN))
                .fetch_one(c)
                .await)?;
            if is_in_flight {
                return Ok(Some(Continued::InFlight));
            }
            self.lose_batches_of(&mut tx, id).await?;
        }
        let again = if how.retry_uncertain {
            let rows = run!(tx, |c| sqlx::query(UNCERTAIN)
                .bind(id)
                .execute(c)
                .await?
                .rows_affected());
            i64::try_from(rows).unwrap_or(i64::MAX)
        } else {
            0
        };
        let is_left: bool = run!(tx, |c| sqlx::query_scalar(LEFT).bind(id).fetch_one(c).await)?;
        if has_ended && !is_left {
            return Ok(Some(Continued::NothingLeft));
        }
        run!(tx, |c| sqlx::query(SQL)
            .bind(id)
            .bind(at(now))
            .bind(match how.max_credits {
                NewCeiling::Unchanged => job.max_credits,
                NewCeiling::Unlimited => None,
                NewCeiling::At(most) => Some(most),
            })
            .bind(how.retry_uncertain)
            .bind(again)
            .execute(c)
            .await
            .map(drop))?;
        tx.commit().await?;
        Ok(None)
    }
}
