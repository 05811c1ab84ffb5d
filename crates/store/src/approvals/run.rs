//! Makes approved calls once: a process takes one by setting `running_until`. One whose process died
//! meanwhile has failed, because nobody knows how far it came.

use chrono::TimeDelta;
use serde_json::Value;

use super::{Approval, RESULT, Row, select};
use crate::{Store, StoreError, Tenant, db::run, retry::with_retry, timestamp::at};

/// How long a call may run. Then its process is taken to be dead.
const RUNS_FOR: TimeDelta = TimeDelta::minutes(5);
/// An approved call that no process has begun after this time is begun by another.
const BEGUN_WITHIN: TimeDelta = TimeDelta::seconds(2);

impl Store {
    /// Takes an approved call, so that no other process runs it. `None` if one has taken it already.
    pub async fn begin_approved(&self, id: &str) -> Result<bool, StoreError> {
        const SQL: &str = "
            UPDATE approvals SET running_until = $2
            WHERE id = $1 AND status = 'approved' AND running_until IS NULL";
        let until = self.now() + RUNS_FOR;
        let mut tx = self.db.begin().await?;
        let taken = run!(tx, |c| sqlx::query(SQL)
            .bind(id)
            .bind(at(until))
            .execute(c)
            .await?
            .rows_affected());
        tx.commit().await?;
        Ok(taken == 1)
    }

    /// Stores what came of a call that this process began.
    pub async fn end_approved(
        &self,
        id: &str,
        done: bool,
        result: &Value,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE approvals SET status = $2, result = $3, running_until = NULL
            WHERE id = $1 AND status = 'approved'";
        let status = if done { "done" } else { "failed" };
        with_retry(|| async {
            let result = self.sealed_json(&RESULT, id, result);
            let mut tx = self.db.begin().await?;
            run!(tx, |c| sqlx::query(SQL)
                .bind(id)
                .bind(status)
                .bind(&result)
                .execute(c)
                .await
                .map(drop))?;
            Ok(tx.commit().await?)
        })
        .await
    }

    /// Calls that were approved and that no process has begun, with the view of their application.
    pub async fn approved_and_not_begun(&self) -> Result<Vec<(Tenant, Approval)>, StoreError> {
        const SQL: &str = select!(
            "status = 'approved' AND running_until IS NULL AND decided_at < $1
             ORDER BY decided_at LIMIT 20"
        );
        let before = self.now() - BEGUN_WITHIN;
        let mut reader = self.db.read().await?;
        let rows: Vec<Row> = run!(reader, |c| sqlx::query_as(SQL)
            .bind(at(before))
            .fetch_all(c)
            .await)?;
        let all = rows.into_iter().map(|row| {
            let approval = self.approval(row)?;
            Ok((self.tenant(&approval.application_id), approval))
        });
        all.collect()
    }

    /// Marks calls as expired that nobody decided on.
    pub async fn expire_approvals(&self) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE approvals SET status = 'expired' WHERE status = 'pending' AND expires_at <= $1";
        let now = self.now();
        let mut tx = self.db.begin().await?;
        run!(tx, |c| sqlx::query(SQL)
            .bind(at(now))
            .execute(c)
            .await
            .map(drop))?;
        Ok(tx.commit().await?)
    }

    /// Marks calls as failed whose process died while they ran, and returns how many.
    pub async fn fail_abandoned_calls(&self, result: &Value) -> Result<u64, StoreError> {
        const FIND: &str = "
            SELECT id FROM approvals WHERE status = 'approved' AND running_until < $1 LIMIT 20";
        const FAIL: &str = "
            UPDATE approvals SET status = 'failed', result = $3
            WHERE id = $1 AND status = 'approved' AND running_until < $2";
        let now = self.now();
        let mut reader = self.db.read().await?;
        let ids: Vec<String> = run!(reader, |c| sqlx::query_scalar(FIND)
            .bind(at(now))
            .fetch_all(c)
            .await)?;
        drop(reader);
        let mut failed = 0;
        for id in ids {
            let result = self.sealed_json(&RESULT, &id, result);
            let mut tx = self.db.begin().await?;
            failed += run!(tx, |c| sqlx::query(FAIL)
                .bind(&id)
                .bind(at(now))
                .bind(&result)
                .execute(c)
                .await?
                .rows_affected());
            tx.commit().await?;
        }
        Ok(failed)
    }
}
