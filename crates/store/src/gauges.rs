//! Metrics from the database: what is late, waiting, failing or held.
//!
//! They are queried often, so every statement reads only active rows or an index of problems, never
//! history. Counts that could still be large are capped.

use std::time::Duration;

use sqlx::types::Json;
use sqlx_macros::FromRow;
use syncline_model::{
    Budget, ConnectionStatus, LimitOverrides, Object, ProviderName, StateName, Time, WaitReason,
};
use tokio::time::Instant;

use crate::{
    Store, StoreError,
    db::{PoolUse, Reader, run},
    health::behind_at_ms,
    key_set::KeySet,
    providers::parse_provider,
    runs::parse_state,
    timestamp::{Timestamp, at},
};

/// Counts stop at this number.
pub const COUNTED_TO: i64 = 100_000;

/// The results of one collection.
#[derive(Debug, Clone)]
pub struct Gauges {
    pub at: Time,
    /// How long a trivial statement took, including the wait for a connection.
    pub round_trip: Duration,
    pub pools: Vec<PoolUse>,
    /// Since when the run or sync that has waited longest could have been processed; `None` if none
    /// waits for a worker.
    pub due_since: Option<Time>,
    pub runs: Vec<ActiveRuns>,
    pub syncs: Vec<ObjectSyncs>,
    /// Syncs whose newest run failed.
    pub failing: i64,
    pub connections: Vec<(ConnectionStatus, i64)>,
    /// Of recently used accounts.
    pub budgets: Vec<AccountBudget>,
    pub held_deletions: i64,
    pub webhooks: WebhookBacklog,
    pub destinations: DestinationBacklog,
}

/// Runs that have not ended.
#[derive(Debug, Clone)]
pub struct ActiveRuns {
    pub state: StateName,
    pub waiting_reason: Option<WaitReason>,
    pub runs: i64,
}

/// The syncs of an object that are not paused.
#[derive(Debug, Clone)]
pub struct ObjectSyncs {
    pub object: Object,
    /// Without a success for two periods.
    pub behind: i64,
    /// Of the sync that is, or will first be, the furthest behind: its last success, or its
    /// creation.
    pub oldest_success: Option<Time>,
}

#[derive(Debug, Clone)]
pub struct AccountBudget {
    /// A customer that uses the account.
    pub customer_id: String,
    pub provider: ProviderName,
    pub limits: LimitOverrides,
    pub budget: Budget,
}

/// Undelivered messages of enabled endpoints, and how many endpoints are disabled because of
/// failures.
#[derive(Debug, Clone, Default)]
pub struct WebhookBacklog {
    pub messages: i64,
    pub oldest: Option<Time>,
    pub disabled_endpoints: i64,
}

/// What destinations don't have yet.
#[derive(Debug, Clone)]
pub struct DestinationBacklog {
    pub failing: i64,
    /// Of the one that fails longest.
    pub failing_since: Option<Time>,
    pub connections_behind: i64,
}

#[derive(FromRow)]
struct AccountRow {
    account_id: String,
    customer_id: String,
    provider_name: String,
    limits: Option<Json<LimitOverrides>>,
}

impl Store {
    /// Collects all of them.
    pub async fn gauges(&self) -> Result<Gauges, StoreError> {
        let began = Instant::now();
        let mut reader = self.db.read().await?;
        run!(reader, |c| sqlx::query("SELECT 1")
            .execute(c)
            .await
            .map(drop))?;
        let round_trip = began.elapsed();
        Ok(Gauges {
            at: self.now(),
            round_trip,
            pools: self.db.pools(),
            due_since: self.due_since(&mut reader).await?,
            runs: active_runs(&mut reader).await?,
            syncs: self.syncs_by_object(&mut reader).await?,
            failing: failing_syncs(&mut reader).await?,
            connections: connections_by_status(&mut reader).await?,
            budgets: recent_budgets(&mut reader).await?,
            held_deletions: held_deletions(&mut reader).await?,
            webhooks: webhook_backlog(&mut reader).await?,
            destinations: destination_backlog(&mut reader).await?,
        })
    }

    /// Runs that may be leased, and syncs that should have a run. A sync is not late while its
    /// account's limits or an active run hold it up. At most the first thousand due syncs are
    /// checked.
    async fn due_since(&self, reader: &mut Reader) -> Result<Option<Time>, StoreError> {
        const RUN: &str = "
            SELECT min(due_at) FROM sync_runs
            WHERE due_at IS NOT NULL AND id = scan_id
              AND state IN ('queued', 'running', 'waiting') AND due_at <= $1";
        macro_rules! sync {
            ($due:literal) => {
                concat!(
                    "SELECT min(due.since) FROM (",
                    $due,
                    " LIMIT 1000) due
                     WHERE NOT EXISTS (
                        SELECT 1 FROM sync_runs r
                        WHERE r.sync_id = due.id AND r.state IN ('queued', 'running', 'waiting'))
                     AND NOT EXISTS (
                        SELECT 1 FROM connections c
                        JOIN connections sharing ON sharing.account_id = c.account_id
                        JOIN sync_runs w ON w.connection_id = sharing.id
                        WHERE c.id = due.connection_id AND w.id = w.scan_id
                          AND w.state IN ('queued', 'running', 'waiting') AND w.state = 'waiting'
                          AND w.waiting_reason IN ('records_per_hour', 'records_per_day'))"
                )
            };
        }
        const PERIODIC: &str = sync!(
            "SELECT s.id, s.connection_id, s.next_run_at AS since FROM syncs s
             WHERE NOT s.paused AND s.next_run_at <= $1 ORDER BY s.next_run_at"
        );
        const TRIGGERED: &str = sync!(
            "SELECT s.id, s.connection_id, s.triggered_at AS since FROM syncs s
             WHERE s.triggered_at IS NOT NULL AND s.triggered_at <= $1 ORDER BY s.triggered_at"
        );
        let now = self.now();
        let mut oldest: Option<Time> = None;
        for sql in [RUN, PERIODIC, TRIGGERED] {
            let since: Option<Timestamp> = run!(reader, |c| sqlx::query_scalar(sql)
                .bind(at(now))
                .fetch_one(c)
                .await)?;
            oldest = oldest.into_iter().chain(since.map(Into::into)).min();
        }
        Ok(oldest)
    }

    async fn syncs_by_object(&self, reader: &mut Reader) -> Result<Vec<ObjectSyncs>, StoreError> {
        const BEHIND: &str = concat!(
            "SELECT count(*) FROM (SELECT 1 FROM syncs WHERE object = $1 AND NOT paused AND ",
            behind_at_ms!(""),
            " <= $2 LIMIT 100000) behind"
        );
        const OLDEST: &str = concat!(
            "SELECT fresh_ms FROM syncs WHERE object = $1 AND NOT paused ORDER BY ",
            behind_at_ms!(""),
            " LIMIT 1"
        );
        let now = self.now().timestamp_millis();
        let mut syncs = Vec::new();
        for object in Object::ALL {
            let behind: i64 = run!(reader, |c| sqlx::query_scalar(BEHIND)
                .bind(object.as_str())
                .bind(now)
                .fetch_one(c)
                .await)?;
            let oldest: Option<i64> = run!(reader, |c| sqlx::query_scalar(OLDEST)
                .bind(object.as_str())
                .fetch_optional(c)
                .await)?;
            syncs.push(ObjectSyncs {
                object: *object,
                behind,
                oldest_success: oldest.and_then(Time::from_timestamp_millis),
            });
        }
        Ok(syncs)
    }
}

async fn active_runs(reader: &mut Reader) -> Result<Vec<ActiveRuns>, StoreError> {
    const SQL: &str = "
        SELECT state, waiting_reason, count(*) AS runs FROM sync_runs
        WHERE sync_id IS NOT NULL AND state IN ('queued', 'running', 'waiting')
        GROUP BY state, waiting_reason";
    let rows: Vec<(String, Option<String>, i64)> =
        run!(reader, |c| sqlx::query_as(SQL).fetch_all(c).await)?;
    let active = |(state, reason, runs): (String, Option<String>, i64)| {
        Ok(ActiveRuns {
            state: parse_state("a group of runs", &state)?,
            waiting_reason: reason.as_deref().and_then(WaitReason::parse),
            runs,
        })
    };
    rows.into_iter().map(active).collect()
}

async fn failing_syncs(reader: &mut Reader) -> Result<i64, StoreError> {
    const SQL: &str = "
        SELECT count(*) FROM (
            SELECT 1 FROM syncs WHERE failing_since IS NOT NULL LIMIT 100000) failing";
    Ok(run!(reader, |c| sqlx::query_scalar(SQL)
        .fetch_one(c)
        .await)?)
}

async fn connections_by_status(
    reader: &mut Reader,
) -> Result<Vec<(ConnectionStatus, i64)>, StoreError> {
    const SQL: &str = "SELECT status, count(*) FROM connections GROUP BY status";
    let rows: Vec<(String, i64)> = run!(reader, |c| sqlx::query_as(SQL).fetch_all(c).await)?;
    let known = |(status, count): (String, i64)| Some((ConnectionStatus::parse(&status)?, count));
    Ok(rows.into_iter().filter_map(known).collect())
}

/// The accounts of waiting and running runs and of the newest runs, a few hundred at most.
async fn recent_budgets(reader: &mut Reader) -> Result<Vec<AccountBudget>, StoreError> {
    const ACCOUNTS: &str = "
        SELECT c.account_id, c.customer_id, c.provider_name, c.limits FROM connections c WHERE c.id IN (
            SELECT waiting.connection_id FROM (
                SELECT connection_id FROM sync_runs
                WHERE connection_id IS NOT NULL AND id = scan_id
                  AND state IN ('queued', 'running', 'waiting')
                  AND state = 'waiting'
                LIMIT 200) waiting
            UNION
            SELECT working.connection_id FROM (
                SELECT connection_id FROM sync_runs
                WHERE connection_id IS NOT NULL AND id = scan_id
                  AND state IN ('queued', 'running', 'waiting')
                  AND state <> 'waiting'
                LIMIT 200) working
            UNION
            SELECT newest.connection_id FROM (
                SELECT connection_id FROM sync_runs ORDER BY id DESC LIMIT 200) newest)";
    const BUDGETS: &str = "
        SELECT id, budget FROM provider_accounts WHERE id IN (SELECT key FROM json_each($1))";
    let accounts: Vec<AccountRow> = run!(reader, |c| sqlx::query_as(ACCOUNTS).fetch_all(c).await)?;
    let ids: Vec<&str> = accounts.iter().map(|it| it.account_id.as_str()).collect();
    let budgets: Vec<(String, Json<Budget>)> = run!(reader, |c| sqlx::query_as(BUDGETS)
        .bind(KeySet::new(&ids))
        .fetch_all(c)
        .await)?;
    let mut found = Vec::new();
    for row in accounts {
        let Some((_, budget)) = budgets.iter().find(|(id, _)| *id == row.account_id) else {
            continue;
        };
        found.push(AccountBudget {
            provider: parse_provider("connections", &row.account_id, &row.provider_name)?,
            limits: row.limits.map(|limits| limits.0).unwrap_or_default(),
            budget: budget.0.clone(),
            customer_id: row.customer_id,
        });
    }
    Ok(found)
}

async fn held_deletions(reader: &mut Reader) -> Result<i64, StoreError> {
    const SQL: &str = "
        SELECT count(*) FROM (
            SELECT 1 FROM missing_records WHERE held_since IS NOT NULL LIMIT 100000) held";
    Ok(run!(reader, |c| sqlx::query_scalar(SQL)
        .fetch_one(c)
        .await)?)
}

/// The number of undelivered messages of enabled endpoints, and when the oldest was written. Ids
/// grow with time.
macro_rules! owed {
    ($which:literal) => {
        concat!(
            "SELECT
                (SELECT count(*) FROM (
                    SELECT 1 FROM webhook_endpoints e
                    JOIN webhook_deliveries d ON d.endpoint_id = e.id
                    WHERE e.enabled AND ",
            $which,
            " LIMIT 100000) pending) AS messages,
                (SELECT min(m.created_at) FROM (
                    SELECT (SELECT min(d.message_id) FROM webhook_deliveries d
                            WHERE d.endpoint_id = e.id AND ",
            $which,
            ") AS id
                    FROM webhook_endpoints e WHERE e.enabled) oldest
                 JOIN outbox m ON m.id = oldest.id) AS oldest"
        )
    };
}

async fn destination_backlog(reader: &mut Reader) -> Result<DestinationBacklog, StoreError> {
    const FAILING: &str = "
        SELECT count(*), min(failing_since) FROM destinations WHERE failing_since IS NOT NULL";
    const BEHIND: &str = "
        SELECT count(*) FROM (
            SELECT 1 FROM destination_feeds WHERE due_at IS NOT NULL LIMIT $1) AS behind";
    let (failing, failing_since): (i64, Option<Timestamp>) =
        run!(reader, |c| sqlx::query_as(FAILING).fetch_one(c).await)?;
    let connections_behind = run!(reader, |c| sqlx::query_scalar(BEHIND)
        .bind(COUNTED_TO)
        .fetch_one(c)
        .await)?;
    Ok(DestinationBacklog {
        failing,
        failing_since: failing_since.map(Into::into),
        connections_behind,
    })
}

async fn webhook_backlog(reader: &mut Reader) -> Result<WebhookBacklog, StoreError> {
    // Each uses its own index.
    const UNTRIED: &str = owed!("d.state = 'pending' AND d.attempts_made = 0");
    const RETRIED: &str = owed!("d.state = 'pending' AND d.attempts_made > 0");
    const DISABLED: &str = "
        SELECT count(*) FROM webhook_endpoints WHERE NOT enabled AND disabled_reason IS NOT NULL";
    let mut backlog = WebhookBacklog {
        disabled_endpoints: run!(reader, |c| sqlx::query_scalar(DISABLED).fetch_one(c).await)?,
        ..WebhookBacklog::default()
    };
    for sql in [UNTRIED, RETRIED] {
        let (messages, oldest): (i64, Option<Timestamp>) =
            run!(reader, |c| sqlx::query_as(sql).fetch_one(c).await)?;
        backlog.messages = (backlog.messages + messages).min(COUNTED_TO);
        backlog.oldest = backlog
            .oldest
            .into_iter()
            .chain(oldest.map(Into::into))
            .min();
    }
    Ok(backlog)
}
