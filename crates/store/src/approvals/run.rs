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
        Ok(self.readable(rows))
    }

    /// With the view of their application. A row of another version's is left to that version.
    fn readable(&self, rows: Vec<Row>) -> Vec<(Tenant, Approval)> {
        let read = |row| match self.approval(row) {
            Ok(approval) => Some((self.tenant(&approval.application_id), approval)),
            Err(error) => {
                tracing::warn!("an approved call is left alone: {error}");
                None
            }
        };
        rows.into_iter().filter_map(read).collect()
    }

    /// Marks calls as expired that nobody decided on.
    pub async fn expire_approvals(&self) -> Result<(), StoreError> {
        const FIND: &str = "
            SELECT id FROM approvals WHERE status = 'pending' AND expires_at <= $1 LIMIT 1";
        const SQL: &str = "
            UPDATE approvals SET status = 'expired' WHERE status = 'pending' AND expires_at <= $1";
        let now = self.now();
        let mut reader = self.db.read().await?;
        let found: Option<String> = run!(reader, |c| sqlx::query_scalar(FIND)
            .bind(at(now))
            .fetch_optional(c)
            .await)?;
        drop(reader);
        if found.is_none() {
            return Ok(());
        }
        let mut tx = self.db.begin().await?;
        run!(tx, |c| sqlx::query(SQL)
            .bind(at(now))
            .execute(c)
            .await
            .map(drop))?;
        Ok(tx.commit().await?)
    }

    /// Marks calls as failed whose process died while they ran, and returns those.
    pub async fn fail_abandoned_calls(
        &self,
        result: &Value,
    ) -> Result<Vec<(Tenant, Approval)>, StoreError> {
        const FIND: &str = select!("status = 'approved' AND running_until < $1 LIMIT 20");
        const FAIL: &str = "
            UPDATE approvals SET status = 'failed', result = $3
            WHERE id = $1 AND status = 'approved' AND running_until < $2";
        let now = self.now();
        let mut reader = self.db.read().await?;
        let rows: Vec<Row> = run!(reader, |c| sqlx::query_as(FIND)
            .bind(at(now))
            .fetch_all(c)
            .await)?;
        drop(reader);
        let mut failed = Vec::new();
        for (tenant, approval) in self.readable(rows) {
            let result = self.sealed_json(&RESULT, &approval.id, result);
            let mut tx = self.db.begin().await?;
            let rows = run!(tx, |c| sqlx::query(FAIL)
                .bind(&approval.id)
                .bind(at(now))
                .bind(&result)
                .execute(c)
                .await?
                .rows_affected());
            tx.commit().await?;
            if rows == 1 {
                failed.push((tenant, approval));
            }
        }
        Ok(failed)
    }
}
