//! How much is stored of the results of enrichment: of people what the sync config says of contacts,
//! of companies what it says of accounts.
//!
//! Whoever stores a result reads the policy under a lock of the config, so that a change of it waits
//! and finds the result when it is carried out.

use sqlx::types::Json;
use sqlx_macros::FromRow;
use syncline_model::{
    Object, StoreLevel, StorePolicy, SyncConfigData, Time,
    enrichment::{Enriched, Kind},
};

use crate::{
    Store, StoreError,
    db::{Db, Tx, run},
    retention::PURGE_BATCH,
    store_policy::{Next, Task},
    timestamp::{Timestamp, at},
};

/// How long the results of a job can be read after its end where nothing is to be stored.
const READABLE_FOR: chrono::TimeDelta = chrono::TimeDelta::minutes(30);

/// A task about results begins with answers, and goes on with jobs.
const JOBS: &str = "jobs";

#[derive(FromRow)]
struct StoredAnswer {
    id: String,
    asked_at: Timestamp,
    enriched: Json<Enriched>,
    has_raw_data: bool,
}

impl Store {
    pub(super) async fn policy_of_results(
        &self,
        tx: &mut Tx,
        job_id: &str,
    ) -> Result<StorePolicy, StoreError> {
        macro_rules! sql {
            ($lock:literal) => {
                concat!(
                    "SELECT j.kind, f.config FROM enrichment_jobs j
                     JOIN sync_configs f ON f.application_id = j.application_id
                        AND f.provider_name = j.provider_name
                     WHERE j.id = $1",
                    $lock
                )
            };
        }
        let sql = match &self.db {
            Db::Pg(_) => sql!(" FOR SHARE OF f"),
            Db::Lite { .. } => sql!(""),
        };
        let found: Option<(String, Json<SyncConfigData>)> = run!(tx, |c| sqlx::query_as(sql)
            .bind(job_id)
            .fetch_optional(c)
            .await)?;
        let Some((kind, config)) = found else {
            return Ok(StorePolicy::default());
        };
        let object = match Kind::parse(&kind) {
            Some(Kind::Companies) => Object::Account,
            _ => Object::Contact,
        };
        Ok(config.0.store_policy(object))
    }

    /// A step of bringing the results of a provider in line with a policy.
    pub(crate) async fn step_of_results(
        &self,
        tx: &mut Tx,
        task: &Task,
    ) -> Result<Next, StoreError> {
        if task.is_at(JOBS) {
            return self.empty_job(tx, task).await;
        }
        self.go_through_answers(tx, task).await
    }

    async fn go_through_answers(&self, tx: &mut Tx, task: &Task) -> Result<Next, StoreError> {
        const ANSWERS: &str = "
            SELECT id, asked_at, enriched, raw_data IS NOT NULL AS has_raw_data
            FROM enrichment_answers
            WHERE application_id = $1 AND provider_name = $2 AND id > $3 AND enriched IS NOT NULL
            ORDER BY id LIMIT $4";
        let answers: Vec<StoredAnswer> = run!(tx, |c| sqlx::query_as(ANSWERS)
            .bind(&task.application_id)
            .bind(&task.provider_name)
            .bind(&task.position)
            .bind(PURGE_BATCH)
            .fetch_all(c)
            .await)?;
        let removed_before = self.removed_before(&task.policy);
        for answer in answers.iter().filter(|it| task.is_about(&it.enriched.0)) {
            match removed_before {
                Some(before) if answer.asked_at.0 < before => {
                    self.remove_answer(tx, &answer.id, before).await?;
                }
                _ => self.clear_answer(tx, &task.policy, answer).await?,
            }
        }
        Ok(match answers.last() {
            Some(last) if answers.len() as u64 == PURGE_BATCH.unsigned_abs() => {
                Next::At(last.id.clone())
            }
            _ if removed_before.is_some() => Next::Stage(JOBS),
            _ => Next::Done,
        })
    }

    /// Results of jobs that ended earlier are removed.
    fn removed_before(&self, policy: &StorePolicy) -> Option<Time> {
        let now = self.now();
        match policy.level {
            StoreLevel::None => now.checked_sub_signed(READABLE_FOR),
            _ => policy.stored_since(now),
        }
    }

    /// Unless a job has it that is still to be read.
    async fn remove_answer(&self, tx: &mut Tx, id: &str, before: Time) -> Result<(), StoreError> {
        const IS_READ: &str = "
            SELECT EXISTS (
                SELECT 1 FROM enrichment_items i JOIN enrichment_jobs j ON j.id = i.job_id
                WHERE i.answer_id = $1 AND (j.finished_at IS NULL OR j.finished_at >= $2))";
        const UNLINK: &str = "UPDATE enrichment_items SET answer_id = NULL WHERE answer_id = $1";
        const DELETE: &str = "DELETE FROM enrichment_answers WHERE id = $1";
        let is_read: bool = run!(tx, |c| sqlx::query_scalar(IS_READ)
            .bind(id)
            .bind(at(before))
            .fetch_one(c)
            .await)?;
        if is_read {
            return Ok(());
        }
        for sql in [UNLINK, DELETE] {
            run!(tx, |c| sqlx::query(sql).bind(id).execute(c).await.map(drop))?;
        }
        Ok(())
    }

    async fn clear_answer(
        &self,
        tx: &mut Tx,
        policy: &StorePolicy,
        answer: &StoredAnswer,
    ) -> Result<(), StoreError> {
        const CLEAR: &str = "
            UPDATE enrichment_answers SET enriched = $2, raw_data = NULL WHERE id = $1";
        let stored = policy.stored_result(&answer.enriched.0);
        let is_stored = stored == answer.enriched.0;
        if policy.keeps_raw_data() || (is_stored && !answer.has_raw_data) {
            return Ok(());
        }
        Ok(run!(tx, |c| sqlx::query(CLEAR)
            .bind(&answer.id)
            .bind(Json(&stored))
            .execute(c)
            .await
            .map(drop))?)
    }

    /// Removes the entries of a job that ended long enough ago, and what else it has of the list.
    /// What it cost and how many it found stays.
    async fn empty_job(&self, tx: &mut Tx, task: &Task) -> Result<Next, StoreError> {
        const FULL: &str = "
            SELECT j.id FROM enrichment_jobs j
            WHERE j.application_id = $1 AND j.id > $2 AND j.provider_name = $3 AND j.kind = $4
              AND j.finished_at < $5
              AND EXISTS (SELECT 1 FROM enrichment_items i WHERE i.job_id = j.id)
            ORDER BY j.id LIMIT 1";
        const ITEMS: &str = "
            DELETE FROM enrichment_items WHERE job_id = $1 AND position IN (
                SELECT position FROM enrichment_items WHERE job_id = $1
                ORDER BY position LIMIT $2)";
        const EARLY: &str = "
            DELETE FROM enrichment_early
            WHERE batch_id IN (SELECT id FROM enrichment_batches WHERE job_id = $1)";
        const JOB: &str = "
            UPDATE enrichment_jobs SET columns = NULL, fingerprint = NULL WHERE id = $1";
        let Some(before) = self.removed_before(&task.policy) else {
            return Ok(Next::Done);
        };
        let job: Option<String> = run!(tx, |c| sqlx::query_scalar(FULL)
            .bind(&task.application_id)
            .bind(&task.position)
            .bind(&task.provider_name)
            .bind(task.kind().as_str())
            .bind(at(before))
            .fetch_optional(c)
            .await)?;
        let Some(job) = job else {
            return Ok(Next::Done);
        };
        let items = run!(tx, |c| sqlx::query(ITEMS)
            .bind(&job)
            .bind(PURGE_BATCH)
            .execute(c)
            .await?
            .rows_affected());
        if items == PURGE_BATCH.unsigned_abs() {
            return Ok(Next::At(task.position.clone()));
        }
        for sql in [EARLY, JOB] {
            run!(tx, |c| sqlx::query(sql)
                .bind(&job)
                .execute(c)
                .await
                .map(drop))?;
        }
        Ok(Next::At(job))
    }
}

impl Task {
    fn kind(&self) -> Kind {
        match self.object {
            Object::Account => Kind::Companies,
            _ => Kind::People,
        }
    }

    fn is_about(&self, result: &Enriched) -> bool {
        let kind = match result {
            Enriched::Person(_) => Kind::People,
            Enriched::Company(_) => Kind::Companies,
        };
        kind == self.kind()
    }
}
