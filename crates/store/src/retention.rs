//! Retention: what would grow without limit is kept for a time and then purged in small batches.
//!
//! A batch is one short transaction over a bounded number of rows, found by an index: an embedded
//! database has only one writer, and other writes run between two batches. Each batch returns a
//! cursor for the next one, so that rows that stay are read once per round and not in every batch.

use syncline_model::{Time, first_id_of};

use crate::{
    Store, StoreError,
    db::{Tx, run},
    timestamp::at,
};

/// The maximum number of rows that a batch examines, and that it deletes per table.
pub const PURGE_BATCH: i64 = 200;

const ANSWERS: &str = "
    DELETE FROM idempotency_keys WHERE (connection_id, idempotency_key) IN (
        SELECT connection_id, idempotency_key FROM idempotency_keys
        WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)";
const WRITE_LOCKS: &str = "
    DELETE FROM write_locks WHERE (connection_id, name) IN (
        SELECT connection_id, name FROM write_locks
        WHERE forgotten_at <= $1 ORDER BY forgotten_at LIMIT $2)";
const AUTHORIZATIONS: &str = "
    DELETE FROM oauth_authorizations WHERE state_digest IN (
        SELECT state_digest FROM oauth_authorizations
        WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)";
const CONSOLE_SESSIONS: &str = "
    DELETE FROM console_sessions WHERE digest IN (
        SELECT digest FROM console_sessions
        WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)";
const APPROVALS: &str = "
    DELETE FROM approvals WHERE id IN (
        SELECT id FROM approvals WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)";
const AGENT_CREDITS: &str = "
    DELETE FROM agent_credits WHERE id IN (
        SELECT id FROM agent_credits WHERE reserved_at <= $1 ORDER BY reserved_at LIMIT $2)";
const KEY_CREDITS: &str = "
    DELETE FROM enrichment_batches WHERE id IN (
        SELECT id FROM enrichment_batches WHERE job_id IS NULL AND sent_at <= $1
        ORDER BY sent_at LIMIT $2)";
/// Answers that no job shows any more.
const ENRICHMENT_ANSWERS: &str = "
    DELETE FROM enrichment_answers WHERE id IN (
        SELECT id FROM enrichment_answers a WHERE asked_at <= $1
          AND NOT EXISTS (SELECT 1 FROM enrichment_items i WHERE i.answer_id = a.id)
        ORDER BY asked_at LIMIT $2)";
const REQUEST_COUNTS: &str = "
    DELETE FROM request_counts WHERE (account_id, hour, endpoint, sent_by) IN (
        SELECT account_id, hour, endpoint, sent_by FROM request_counts
        WHERE hour <= $1 ORDER BY hour LIMIT $2)";

/// What is purged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expired {
    /// Finished runs with their pages, except for each sync's last run, which shows the sync's
    /// current state, and for runs with held deletions, which may still be applied.
    Runs,
    /// Webhook messages, with their deliveries and attempts.
    Messages,
    AuditLog,
    /// The history of a record's presence before its last return.
    History,
    /// Budgets of provider accounts that no connection uses.
    Accounts,
    /// Magic links, by when they expired.
    MagicLinks,
    /// Webhook secrets, by when they stopped signing.
    Secrets,
    /// Responses to requests with an idempotency key, by when they expired.
    Answers,
    /// Locks of writes, by when they were last used.
    WriteLocks,
    /// Deliveries to endpoints that were deleted.
    Deliveries,
    /// OAuth authorizations from which nobody came back, by when they expired.
    Authorizations,
    /// Console sessions and sign-in links, by when they expired.
    ConsoleSessions,
    /// Calls of agents that waited for approval, by when they expired.
    Approvals,
    /// What agents spent.
    AgentCredits,
    /// What callers requested of providers, by hour.
    RequestCounts,
    /// Addresses for late answers, by when they expired.
    Callbacks,
    /// What was spent with keys by callers' own requests.
    KeyCredits,
    /// Enrichment jobs with their items, by when they ended.
    EnrichmentJobs,
    /// What was paid for, once it serves no job.
    EnrichmentAnswers,
}

/// The result of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PurgeBatch {
    /// The number of purged entries, not counting rows that belong to them.
    pub purged: u64,
    /// The cursor of the next batch; `None` at the end of the round.
    pub next: Option<String>,
}

/// A range of a table in key order, and the age from which its rows are deleted.
struct KeyRange {
    after: String,
    until: String,
    before: Time,
    /// No rows follow it.
    is_last: bool,
}

impl KeyRange {
    /// The range is done.
    fn batch(self, purged: u64) -> PurgeBatch {
        PurgeBatch {
            purged,
            next: (!self.is_last).then_some(self.until),
        }
    }

    /// More dependent rows of the range have to be deleted first.
    fn again(self) -> PurgeBatch {
        PurgeBatch {
            purged: 0,
            next: Some(self.after),
        }
    }
}

/// Deletes in a range and returns the number of rows. `$1` and `$2` are its bounds, `$3` is the
/// time or the limit; with both, the limit is `$4`.
macro_rules! delete {
    ($tx:expr, $sql:expr, $range:expr) => {
        run!($tx, |c| sqlx::query($sql)
            .bind(&$range.after)
            .bind(&$range.until)
            .bind(at($range.before))
            .execute(c)
            .await?
            .rows_affected())
    };
    ($tx:expr, $sql:expr, $range:expr, $limit:expr) => {
        run!($tx, |c| sqlx::query($sql)
            .bind(&$range.after)
            .bind(&$range.until)
            .bind($limit)
            .execute(c)
            .await?
            .rows_affected())
    };
}

impl Store {
    /// Deletes one batch of what is older than `before`. A round begins with an empty `after` and
    /// continues with the cursor of the previous batch.
    pub async fn purge(
        &self,
        old: Expired,
        before: Time,
        after: &str,
    ) -> Result<PurgeBatch, StoreError> {
        match old {
            Expired::Runs => self.purge_runs(before, after).await,
            Expired::Messages => self.purge_messages(before, after).await,
            Expired::AuditLog => self.purge_audit_log(before, after).await,
            Expired::History => self.purge_history(before, after).await,
            Expired::Accounts => self.purge_accounts(before, after).await,
            Expired::MagicLinks => self.purge_magic_links(before, after).await,
            Expired::Secrets => self.purge_secrets(before, after).await,
            Expired::Answers => self.purge_until(ANSWERS, before).await,
            Expired::WriteLocks => self.purge_until(WRITE_LOCKS, before).await,
            Expired::Authorizations => self.purge_until(AUTHORIZATIONS, before).await,
            Expired::ConsoleSessions => self.purge_until(CONSOLE_SESSIONS, before).await,
            Expired::Deliveries => self.purge_deliveries(after).await,
            Expired::Approvals => self.purge_until(APPROVALS, before).await,
            Expired::AgentCredits => self.purge_until(AGENT_CREDITS, before).await,
            Expired::RequestCounts => self.purge_until(REQUEST_COUNTS, before).await,
            Expired::Callbacks => self.purge_callbacks(before).await,
            Expired::KeyCredits => self.purge_until(KEY_CREDITS, before).await,
            Expired::EnrichmentJobs => self.purge_enrichment_jobs(before).await,
            Expired::EnrichmentAnswers => self.purge_until(ENRICHMENT_ANSWERS, before).await,
        }
    }

    /// Ids sort by age, so `sql` reads only old rows: from `$1` to `$2`, at most `$3` of them.
    async fn range(
        &self,
        sql: &'static str,
        before: Time,
        after: &str,
    ) -> Result<Option<KeyRange>, StoreError> {
        let mut reader = self.db.read().await?;
        let ids: Vec<String> = run!(reader, |c| sqlx::query_scalar(sql)
            .bind(after)
            .bind(first_id_of(before))
            .bind(PURGE_BATCH)
            .fetch_all(c)
            .await)?;
        let is_last = ids.len() < usize::try_from(PURGE_BATCH).unwrap_or(usize::MAX);
        Ok(ids.into_iter().next_back().map(|until| KeyRange {
            after: after.to_owned(),
            until,
            before,
            is_last,
        }))
    }

    async fn purge_runs(&self, before: Time, after: &str) -> Result<PurgeBatch, StoreError> {
        const IDS: &str = "SELECT id FROM sync_runs WHERE id > $1 AND id < $2 ORDER BY id LIMIT $3";
        macro_rules! old_runs {
            () => {
                "SELECT r.id FROM sync_runs r
                 WHERE r.id > $1 AND r.id <= $2 AND r.finished_at < $3
                   AND NOT EXISTS (
                    SELECT 1 FROM syncs s WHERE s.id = r.sync_id AND s.last_run_id = r.id)
                   AND NOT EXISTS (
                    SELECT 1 FROM missing_records m
                    WHERE m.held_since IS NOT NULL AND m.held_since = r.id
                      AND m.connection_id = r.connection_id)"
            };
        }
        const PAGES: &str = concat!(
            "DELETE FROM sync_run_pages WHERE (run_id, pass, page) IN (
                SELECT run_id, pass, page FROM sync_run_pages
                WHERE run_id > $1 AND run_id <= $2 AND run_id IN (",
            old_runs!(),
            ") LIMIT $4)"
        );
        const RUNS: &str = concat!("DELETE FROM sync_runs WHERE id IN (", old_runs!(), ")");
        let Some(range) = self.range(IDS, before, after).await? else {
            return Ok(PurgeBatch::nothing());
        };
        let mut tx = self.db.begin().await?;
        let pages = run!(tx, |c| sqlx::query(PAGES)
            .bind(&range.after)
            .bind(&range.until)
            .bind(at(before))
            .bind(PURGE_BATCH)
            .execute(c)
            .await?
            .rows_affected());
        if is_full(pages) {
            tx.commit().await?;
            return Ok(range.again());
        }
        let purged = delete!(tx, RUNS, range);
        tx.commit().await?;
        Ok(range.batch(purged))
    }

    async fn purge_messages(&self, before: Time, after: &str) -> Result<PurgeBatch, StoreError> {
        const IDS: &str = "SELECT id FROM outbox WHERE id > $1 AND id < $2 ORDER BY id LIMIT $3";
        const ATTEMPTS: &str = "
            DELETE FROM webhook_attempts WHERE id IN (
                SELECT id FROM webhook_attempts WHERE message_id > $1 AND message_id <= $2
                LIMIT $3)";
        const DELIVERIES: &str = "
            DELETE FROM webhook_deliveries WHERE id IN (
                SELECT id FROM webhook_deliveries WHERE message_id > $1 AND message_id <= $2
                LIMIT $3)";
        const MESSAGES: &str = "DELETE FROM outbox WHERE id > $1 AND id <= $2";
        let Some(range) = self.range(IDS, before, after).await? else {
            return Ok(PurgeBatch::nothing());
        };
        for sql in [ATTEMPTS, DELIVERIES] {
            let mut tx = self.db.begin().await?;
            let deleted = delete!(tx, sql, range, PURGE_BATCH);
            tx.commit().await?;
            if is_full(deleted) {
                return Ok(range.again());
            }
        }
        let mut tx = self.db.begin().await?;
        let purged = run!(tx, |c| sqlx::query(MESSAGES)
            .bind(&range.after)
            .bind(&range.until)
            .execute(c)
            .await?
            .rows_affected());
        tx.commit().await?;
        Ok(range.batch(purged))
    }

    async fn purge_audit_log(&self, before: Time, after: &str) -> Result<PurgeBatch, StoreError> {
        const IDS: &str = "SELECT id FROM audit_log WHERE id > $1 AND id < $2 ORDER BY id LIMIT $3";
        const ENTRIES: &str = "DELETE FROM audit_log WHERE id > $1 AND id <= $2 AND at < $3";
        self.purge_range(IDS, ENTRIES, before, after).await
    }

    async fn purge_magic_links(&self, before: Time, after: &str) -> Result<PurgeBatch, StoreError> {
        const IDS: &str =
            "SELECT id FROM magic_links WHERE id > $1 AND id < $2 ORDER BY id LIMIT $3";
        const LINKS: &str = "
            DELETE FROM magic_links WHERE id > $1 AND id <= $2 AND expires_at < $3";
        self.purge_range(IDS, LINKS, before, after).await
    }

    async fn purge_secrets(&self, before: Time, after: &str) -> Result<PurgeBatch, StoreError> {
        const IDS: &str =
            "SELECT id FROM webhook_secrets WHERE id > $1 AND id < $2 ORDER BY id LIMIT $3";
        const SECRETS: &str = "
            DELETE FROM webhook_secrets WHERE id > $1 AND id <= $2 AND expires_at <= $3";
        self.purge_range(IDS, SECRETS, before, after).await
    }

    /// Entries that explain the current state stay, however old: the last return, and what came
    /// after it.
    ///
    /// Each old entry counts the later returns of its record by the index. PostgreSQL would turn an
    /// EXISTS into a join with all returns.
    async fn purge_history(&self, before: Time, after: &str) -> Result<PurgeBatch, StoreError> {
        const IDS: &str =
            "SELECT id FROM record_history WHERE id > $1 AND id < $2 ORDER BY id LIMIT $3";
        const ENTRIES: &str = "
            DELETE FROM record_history WHERE id IN (
                SELECT h.id FROM record_history h
                WHERE h.id > $1 AND h.id <= $2 AND h.recorded_at < $3
                  AND (
                    SELECT count(*) FROM record_history n
                    WHERE n.connection_id = h.connection_id AND n.object = h.object
                      AND n.record_id = h.record_id AND n.id > h.id
                      AND n.event IN ('seen_again', 'restored') AND n.recorded_at < $3) > 0)";
        self.purge_range(IDS, ENTRIES, before, after).await
    }

    /// Runs one statement on a range of a table whose ids sort by age.
    async fn purge_range(
        &self,
        ids: &'static str,
        delete: &'static str,
        before: Time,
        after: &str,
    ) -> Result<PurgeBatch, StoreError> {
        let Some(range) = self.range(ids, before, after).await? else {
            return Ok(PurgeBatch::nothing());
        };
        let mut tx = self.db.begin().await?;
        let purged = delete!(tx, delete, range);
        tx.commit().await?;
        Ok(range.batch(purged))
    }

    /// Deletes accounts that no connection has used for that time. Until then their spending
    /// counts, in case they are connected again.
    async fn purge_accounts(&self, before: Time, after: &str) -> Result<PurgeBatch, StoreError> {
        const IDS: &str = "
            SELECT id FROM provider_accounts WHERE id > $1 ORDER BY id LIMIT $2";
        const USED: &str = "
            UPDATE provider_accounts SET unused_since = NULL
            WHERE id > $1 AND id <= $2 AND unused_since IS NOT NULL
              AND (EXISTS (SELECT 1 FROM connections c WHERE c.account_id = provider_accounts.id)
                OR EXISTS (
                    SELECT 1 FROM connection_keys k WHERE k.account_id = provider_accounts.id))";
        const UNUSED: &str = "
            UPDATE provider_accounts SET unused_since = $3
            WHERE id > $1 AND id <= $2 AND unused_since IS NULL
              AND NOT EXISTS (
                SELECT 1 FROM connections c WHERE c.account_id = provider_accounts.id)
              AND NOT EXISTS (
                SELECT 1 FROM connection_keys k WHERE k.account_id = provider_accounts.id)";
        const ACCOUNTS: &str = "
            DELETE FROM provider_accounts
            WHERE id > $1 AND id <= $2 AND unused_since < $3
              AND NOT EXISTS (
                SELECT 1 FROM connections c WHERE c.account_id = provider_accounts.id)
              AND NOT EXISTS (
                SELECT 1 FROM connection_keys k WHERE k.account_id = provider_accounts.id)
              AND (moved_to IS NULL OR NOT EXISTS (
                SELECT 1 FROM provider_accounts a WHERE a.id = provider_accounts.moved_to))";
        let mut reader = self.db.read().await?;
        let ids: Vec<String> = run!(reader, |c| sqlx::query_scalar(IDS)
            .bind(after)
            .bind(PURGE_BATCH)
            .fetch_all(c)
            .await)?;
        drop(reader);
        let Some(until) = ids.last() else {
            return Ok(PurgeBatch::nothing());
        };
        let now = self.now();
        let mut tx = self.db.begin().await?;
        run!(tx, |c| sqlx::query(USED)
            .bind(after)
            .bind(until)
            .execute(c)
            .await
            .map(drop))?;
        run!(tx, |c| sqlx::query(UNUSED)
            .bind(after)
            .bind(until)
            .bind(at(now))
            .execute(c)
            .await
            .map(drop))?;
        let purged = run!(tx, |c| sqlx::query(ACCOUNTS)
            .bind(after)
            .bind(until)
            .bind(at(before))
            .execute(c)
            .await?
            .rows_affected());
        tx.commit().await?;
        let is_last = !is_full(ids.len() as u64);
        Ok(PurgeBatch {
            purged,
            next: (!is_last).then(|| until.clone()),
        })
    }

    /// Purges a table by its expiry time, without exceptions. `$1` of the statement is the time, `$2` the limit.
    async fn purge_until(&self, sql: &'static str, before: Time) -> Result<PurgeBatch, StoreError> {
        let mut tx = self.db.begin().await?;
        let purged = run!(tx, |c| sqlx::query(sql)
            .bind(at(before))
            .bind(PURGE_BATCH)
            .execute(c)
            .await?
            .rows_affected());
        tx.commit().await?;
        Ok(PurgeBatch {
            purged,
            next: is_full(purged).then(String::new),
        })
    }

    /// Goes from endpoint to endpoint; `after` is the last one that was examined.
    async fn purge_deliveries(&self, after: &str) -> Result<PurgeBatch, StoreError> {
        const NEXT: &str = "
            SELECT d.endpoint_id,
                   EXISTS (SELECT 1 FROM webhook_endpoints e WHERE e.id = d.endpoint_id) AS there
            FROM webhook_deliveries d WHERE d.endpoint_id > $1 ORDER BY d.endpoint_id LIMIT 1";
        let mut reader = self.db.read().await?;
        let next: Option<(String, bool)> = run!(reader, |c| sqlx::query_as(NEXT)
            .bind(after)
            .fetch_optional(c)
            .await)?;
        drop(reader);
        let Some((endpoint_id, there)) = next else {
            return Ok(PurgeBatch::nothing());
        };
        if there {
            return Ok(PurgeBatch {
                purged: 0,
                next: Some(endpoint_id),
            });
        }
        let mut tx = self.db.begin().await?;
        let purged = delete_deliveries_to(&mut tx, &endpoint_id).await?;
        tx.commit().await?;
        let next = if is_full(purged) {
            after.to_owned()
        } else {
            endpoint_id
        };
        Ok(PurgeBatch {
            purged,
            next: Some(next),
        })
    }
}

impl PurgeBatch {
    pub(crate) fn nothing() -> Self {
        Self {
            purged: 0,
            next: None,
        }
    }
}

/// Deletes one batch of an endpoint's deliveries.
pub(crate) async fn delete_deliveries_to(
    tx: &mut Tx,
    endpoint_id: &str,
) -> Result<u64, StoreError> {
    const SQL: &str = "
        DELETE FROM webhook_deliveries WHERE id IN (
            SELECT id FROM webhook_deliveries WHERE endpoint_id = $1 LIMIT $2)";
    Ok(run!(tx, |c| sqlx::query(SQL)
        .bind(endpoint_id)
        .bind(PURGE_BATCH)
        .execute(c)
        .await?
        .rows_affected()))
}

/// Whether the batch was full, so that there may be more rows.
fn is_full(rows: u64) -> bool {
    rows >= PURGE_BATCH.unsigned_abs()
}
