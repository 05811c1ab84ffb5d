//! The data of `status`: what is running and what is wrong, with owners. It covers all
//! applications, for operators with access to the database.

use sqlx_macros::FromRow;
use syncline_model::{
    Object, ProviderName, StateName, Time, WaitReason,
    health::{HealthStatus, SyncHealth},
};

use crate::{
    Store, StoreError, Tenant, db::run, health::behind_at_ms, providers::parse_provider,
    runs::parse_state, syncs::parse_object, timestamp::Timestamp,
};

/// The owner of something.
#[derive(Debug, Clone)]
pub struct SyncOwner {
    pub application: String,
    pub customer_id: String,
    pub provider: ProviderName,
}

#[derive(Debug, Clone)]
pub struct RunAtWork {
    pub whose: SyncOwner,
    pub object: Object,
    pub run_id: String,
    pub state: StateName,
    /// When a waiting run continues.
    pub until: Option<Time>,
    pub waiting_reason: Option<WaitReason>,
    pub records_read: i64,
}

/// A sync that fails or is behind.
#[derive(Debug, Clone)]
pub struct TroubledSync {
    pub whose: SyncOwner,
    pub object: Object,
    pub status: HealthStatus,
    pub reason: String,
    pub last_succeeded_at: Option<Time>,
}

#[derive(Debug, Clone)]
pub struct HeldDeletions {
    pub whose: SyncOwner,
    pub object: Object,
    pub records: i64,
    /// The newest run that held them; its deletions can be applied.
    pub run_id: String,
}

#[derive(FromRow)]
struct WhoseRow {
    application: String,
    customer_id: String,
    provider_name: String,
}

#[derive(FromRow)]
struct RunRow {
    #[sqlx(flatten)]
    whose: WhoseRow,
    id: String,
    object: String,
    state: String,
    due_at: Timestamp,
    waiting_reason: Option<String>,
    records_read: i64,
}

#[derive(FromRow)]
struct SyncRow {
    #[sqlx(flatten)]
    whose: WhoseRow,
    id: String,
    object: String,
    is_behind: bool,
    last_succeeded_at: Option<Timestamp>,
    failing_since: Option<Timestamp>,
    failing_reason: Option<String>,
}

#[derive(FromRow)]
struct HeldRow {
    #[sqlx(flatten)]
    whose: WhoseRow,
    object: String,
    records: i64,
    run_id: String,
}

impl WhoseRow {
    fn parsed(self) -> Result<SyncOwner, StoreError> {
        Ok(SyncOwner {
            provider: parse_provider("connections", &self.customer_id, &self.provider_name)?,
            application: self.application,
            customer_id: self.customer_id,
        })
    }
}

impl Store {
    /// Runs that have not ended, running ones first; at most `limit`.
    pub async fn runs_at_work(&self, limit: i64) -> Result<Vec<RunAtWork>, StoreError> {
        const SQL: &str = "
            SELECT a.name AS application, r.customer_id, r.provider_name, r.id, r.object, r.state,
                   r.due_at, r.waiting_reason, r.records_read
            FROM sync_runs r JOIN applications a ON a.id = r.application_id
            WHERE r.sync_id IS NOT NULL AND r.state IN ('queued', 'running', 'waiting')
            ORDER BY CASE r.state WHEN 'running' THEN 0 WHEN 'waiting' THEN 1 ELSE 2 END, r.due_at
            LIMIT $1";
        let mut reader = self.db.read().await?;
        let rows: Vec<RunRow> = run!(reader, |c| sqlx::query_as(SQL)
            .bind(limit)
            .fetch_all(c)
            .await)?;
        let run = |row: RunRow| {
            let state = parse_state(&row.id, &row.state)?;
            Ok(RunAtWork {
                whose: row.whose.parsed()?,
                object: parse_object("sync_runs", &row.id, &row.object)?,
                until: (state == StateName::Waiting).then_some(row.due_at.into()),
                waiting_reason: row.waiting_reason.as_deref().and_then(WaitReason::parse),
                run_id: row.id,
                state,
                records_read: row.records_read,
            })
        };
        rows.into_iter().map(run).collect()
    }

    /// Syncs that fail or are behind, failing ones first; at most `limit`.
    pub async fn troubled_syncs(&self, limit: i64) -> Result<Vec<TroubledSync>, StoreError> {
        const SQL: &str = concat!(
            "SELECT a.name AS application, c.customer_id, c.provider_name, s.id, s.object, ",
            behind_at_ms!("s."),
            " <= $1 AS is_behind, s.last_succeeded_at, s.failing_since, s.failing_reason
             FROM syncs s
             JOIN connections c ON c.id = s.connection_id
             JOIN applications a ON a.id = s.application_id
             WHERE NOT s.paused AND s.id IN (
                SELECT failing.id FROM (
                    SELECT id FROM syncs WHERE failing_since IS NOT NULL LIMIT 1000) failing
                UNION
                SELECT behind.id FROM (
                    SELECT id FROM syncs
                    WHERE object IN ('user', 'mailbox', 'sequence', 'account', 'contact',
                                     'sequence_state')
                      AND NOT paused AND ",
            behind_at_ms!(""),
            " <= $1 LIMIT 1000) behind)
             ORDER BY CASE WHEN s.failing_since IS NULL THEN 1 ELSE 0 END, s.fresh_ms, s.id LIMIT $2"
        );
        let now = self.now().timestamp_millis();
        let mut reader = self.db.read().await?;
        let rows: Vec<SyncRow> = run!(reader, |c| sqlx::query_as(SQL)
            .bind(now)
            .bind(limit)
            .fetch_all(c)
            .await)?;
        let troubled = |row: SyncRow| {
            let health = SyncHealth {
                object: parse_object("syncs", &row.id, &row.object)?,
                paused: false,
                forbidden: None,
                last_succeeded_at: row.last_succeeded_at.map(Into::into),
                behind: row.is_behind,
                failing: row.failing_since.map(Into::into).zip(row.failing_reason),
                holds_deletions: false,
            };
            let (status, reason) = health.judge();
            Ok(TroubledSync {
                whose: row.whose.parsed()?,
                object: health.object,
                status,
                reason: reason.unwrap_or_default(),
                last_succeeded_at: health.last_succeeded_at,
            })
        };
        rows.into_iter().map(troubled).collect()
    }

    /// Connections whose key is rejected; at most `limit`.
    pub async fn rejected_keys(&self, limit: i64) -> Result<Vec<SyncOwner>, StoreError> {
        const SQL: &str = "
            SELECT a.name AS application, c.customer_id, c.provider_name
            FROM connections c JOIN applications a ON a.id = c.application_id
            WHERE c.status = 'unauthorized' ORDER BY c.id LIMIT $1";
        let mut reader = self.db.read().await?;
        let rows: Vec<WhoseRow> = run!(reader, |c| sqlx::query_as(SQL)
            .bind(limit)
            .fetch_all(c)
            .await)?;
        rows.into_iter().map(WhoseRow::parsed).collect()
    }

    /// Deletions that wait for approval, by connection and object; at most `limit`.
    pub async fn held_deletions(&self, limit: i64) -> Result<Vec<HeldDeletions>, StoreError> {
        const SQL: &str = "
            SELECT a.name AS application, c.customer_id, c.provider_name, m.object,
                   count(*) AS records, max(m.last_missed_by) AS run_id
            FROM missing_records m
            JOIN connections c ON c.id = m.connection_id
            JOIN applications a ON a.id = c.application_id
            WHERE m.held_since IS NOT NULL
            GROUP BY a.name, c.customer_id, c.provider_name, m.object
            ORDER BY records DESC LIMIT $1";
        let mut reader = self.db.read().await?;
        let rows: Vec<HeldRow> = run!(reader, |c| sqlx::query_as(SQL)
            .bind(limit)
            .fetch_all(c)
            .await)?;
        let held = |row: HeldRow| {
            Ok(HeldDeletions {
                object: parse_object("missing_records", &row.run_id, &row.object)?,
                whose: row.whose.parsed()?,
                records: row.records,
                run_id: row.run_id,
            })
        };
        rows.into_iter().map(held).collect()
    }

    /// The applications that have this customer, by name, with their tenants.
    pub async fn applications_of_customer(
        &self,
        customer_id: &str,
    ) -> Result<Vec<(String, Tenant)>, StoreError> {
        const SQL: &str = "
            SELECT a.name, a.id FROM applications a
            WHERE EXISTS (SELECT 1 FROM customers c
                          WHERE c.application_id = a.id AND c.customer_id = $1)
            ORDER BY a.name";
        let mut reader = self.db.read().await?;
        let rows: Vec<(String, String)> = run!(reader, |c| sqlx::query_as(SQL)
            .bind(customer_id)
            .fetch_all(c)
            .await)?;
        let tenant = |(name, id): (String, String)| (name, self.tenant(&id));
        Ok(rows.into_iter().map(tenant).collect())
    }
}
