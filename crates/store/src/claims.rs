//! Which due scans a worker gets, and the data that it needs for them.
//!
//! The cost of a claim depends on what it takes, not on the length of the queue. It looks at the
//! scans that have been due for longest, and at the other scans of *their* customers only: a
//! customer has few scans at a time, since a sync has at most one active run.

use std::collections::HashMap;

use chrono::TimeDelta;
use sqlx::types::Json;
use sqlx_macros::FromRow;
use syncline_model::{
    Checkpoint, Coverage, Lease, LimitOverrides, ProviderName, Time, Watermark,
    event::ConnectionRef,
};

use crate::{
    Scan, ScanAccount, ScanRun, Store, StoreError,
    db::{Db, Tx, run},
    key_set::KeySet,
    providers::parse_provider,
    timestamp::{Timestamp, at},
};

/// How many customers are considered per wanted scan, so that processes that claim at the same
/// time, and skip each other's locked rows, all find some.
const CUSTOMERS_PER_SCAN: i64 = 2;
/// How many due scans of one customer are considered before those of other customers.
const SCANS_PER_CUSTOMER: i64 = 5;

/// A scan that belongs to a command in the foreground, which has not claimed it for this long, may be
/// claimed by any process: the command was killed.
const FOREGROUND_ABANDONED_AFTER: TimeDelta = TimeDelta::minutes(5);

#[derive(FromRow)]
struct ClaimedRow {
    id: String,
    scan_id: String,
    sync_id: String,
    object: String,
    carried_in: Option<String>,
    fence: i64,
    checkpoint: Json<Checkpoint>,
    started_at: Timestamp,
    application_id: String,
    customer_id: String,
    connection_id: String,
    provider_name: String,
}

/// The data of the connection, and of the sync whose run leads the scan.
#[derive(FromRow)]
struct LeaderRow {
    sync_id: String,
    provider_id: String,
    credentials: String,
    account_id: String,
    account_known: bool,
    limits: Option<Json<LimitOverrides>>,
    last_coverage: Option<Json<Coverage>>,
    watermark: Option<String>,
    incrementals: i64,
    most_incrementals: Option<i64>,
}

impl LeaderRow {
    /// Where its next read may begin, unless that has to be a full one.
    fn since(&self) -> Option<Watermark> {
        let may_be_incremental = self
            .most_incrementals
            .is_some_and(|most| self.incrementals < most);
        let watermark = self.watermark.clone().filter(|_| may_be_incremental);
        watermark.map(Watermark)
    }
}

/// Due scans in the order in which they are served. Customers take turns: a scan's turn is its
/// position among its customer's due scans plus the number of that customer's running scans. Within
/// a connection small objects come first, so that a limited budget is not spent on the largest one:
/// a scan waits while a scan of a smaller object of the connection is due or running.
///
/// `$customers` selects the customers whose scans are considered, `$scans` how these are found.
///
/// The texts leave planners no choice, because their statistics may be from a quiet moment:
/// look-ups of one value can't be turned into joins, `IS TRUE` keeps a time from using an index of
/// times, "neither queued nor waiting" keeps running scans from using the index of leases, and rows
/// found by id use no index of active runs.
macro_rules! claim_sql {
    ($customers:literal, $scans:literal, $lock:literal) => {
        concat!(
            "WITH customers AS MATERIALIZED (",
            $customers,
            ")
            SELECT scan_id FROM sync_runs JOIN (
                SELECT due.id AS due_id, due.due_at AS due_since,
                    (SELECT count(*) FROM sync_runs busy
                     WHERE busy.application_id = due.application_id
                       AND busy.customer_id = due.customer_id AND busy.id = busy.scan_id
                       AND busy.state IN ('queued', 'running', 'waiting')
                       AND busy.state NOT IN ('queued', 'waiting') AND busy.due_at > $1)
                    + row_number() OVER (
                        PARTITION BY due.application_id, due.customer_id
                        ORDER BY due.due_at, due.id) AS turn
                FROM customers ",
            $scans,
            " WHERE (CAST($2 AS text) IS NULL OR due.connection_id = $2)
                  AND (NOT due.foreground OR due.due_at <= $6)
                  AND (SELECT 1 FROM sync_runs smaller
                       WHERE smaller.connection_id = due.connection_id
                         AND smaller.scan_rank < due.scan_rank AND smaller.id = smaller.scan_id
                         AND smaller.state IN ('queued', 'running', 'waiting')
                         AND (smaller.state <> 'waiting' OR smaller.due_at <= $1) LIMIT 1) IS NULL
                ) AS turns ON due_id = id
             WHERE due_at <= $1 AND state NOT IN ('succeeded', 'failed', 'stalled', 'cancelled')
             ORDER BY turn, due_since, id LIMIT $3 ",
            $lock
        )
    };
}

/// The customers whose scans have been due for longest: first among customers without a running
/// scan, then among all, except for scans that wait for a running smaller one. So a claim skips no
/// more than the few scans of customers that have one running.
macro_rules! claim_from_all_sql {
    ($scans:literal, $lock:literal) => {
        claim_sql!(
            "SELECT * FROM (
                SELECT application_id, customer_id FROM (
                    SELECT application_id, customer_id, due_at, id FROM sync_runs due
                    WHERE due.id = due.scan_id AND due.state IN ('queued', 'running', 'waiting')
                      AND due.due_at <= $1 AND (NOT due.foreground OR due.due_at <= $6)
                      AND (SELECT 1 FROM sync_runs busy
                           WHERE busy.application_id = due.application_id
                             AND busy.customer_id = due.customer_id AND busy.id = busy.scan_id
                             AND busy.state IN ('queued', 'running', 'waiting')
                             AND busy.state NOT IN ('queued', 'waiting') AND busy.due_at > $1 LIMIT 1) IS NULL
                    ORDER BY due.due_at, due.id LIMIT $5) oldest
                GROUP BY application_id, customer_id
                ORDER BY min(due_at), min(id) LIMIT $4) at_rest
             UNION
             SELECT * FROM (
                SELECT application_id, customer_id FROM (
                    SELECT application_id, customer_id, due_at, id FROM sync_runs due
                    WHERE due.id = due.scan_id AND due.state IN ('queued', 'running', 'waiting')
                      AND due.due_at <= $1 AND (NOT due.foreground OR due.due_at <= $6)
                      AND (SELECT 1 FROM sync_runs smaller
                           WHERE smaller.connection_id = due.connection_id
                             AND smaller.scan_rank < due.scan_rank AND smaller.id = smaller.scan_id
                             AND smaller.state IN ('queued', 'running', 'waiting')
                             AND smaller.state NOT IN ('queued', 'waiting')
                             AND (smaller.due_at > $1) IS TRUE
                           LIMIT 1) IS NULL
                    ORDER BY due.due_at, due.id LIMIT $5) oldest
                GROUP BY application_id, customer_id
                ORDER BY min(due_at), min(id) LIMIT $4) of_all",
            $scans,
            $lock
        )
    };
}

macro_rules! claim_from_one_sql {
    ($scans:literal, $lock:literal) => {
        claim_sql!(
            "SELECT application_id, customer_id FROM connections
             WHERE id = $2 AND $4 > 0 AND $5 > 0",
            $scans,
            $lock
        )
    };
}

macro_rules! on_postgres {
    ($claim:ident) => {
        $claim!(
            "CROSS JOIN LATERAL (
                SELECT * FROM sync_runs scans
                WHERE scans.application_id = customers.application_id
                  AND scans.customer_id = customers.customer_id AND scans.due_at <= $1
                  AND scans.id = scans.scan_id
                  AND scans.state IN ('queued', 'running', 'waiting') OFFSET 0) due",
            "FOR UPDATE OF sync_runs SKIP LOCKED"
        )
    };
}

/// SQLite has one writer, so it needs no lock.
macro_rules! on_sqlite {
    ($claim:ident) => {
        $claim!(
            "CROSS JOIN sync_runs due ON due.application_id = customers.application_id
                AND due.customer_id = customers.customer_id AND due.due_at <= $1
                AND due.id = due.scan_id
                AND due.state IN ('queued', 'running', 'waiting')",
            ""
        )
    };
}

/// Which scans are wanted.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    limit: i64,
    connection_id: Option<&'a str>,
    now: Time,
}

/// Queries the ids of due scans.
macro_rules! due_scans {
    ($on:expr, $sql:expr, $wanted:expr) => {
        run!($on, |c| sqlx::query_scalar($sql)
            .bind(at($wanted.now))
            .bind($wanted.connection_id)
            .bind($wanted.limit)
            .bind($wanted.limit * CUSTOMERS_PER_SCAN)
            .bind($wanted.limit * CUSTOMERS_PER_SCAN * SCANS_PER_CUSTOMER)
            .bind(at($wanted.now - FOREGROUND_ABANDONED_AFTER))
            .fetch_all(c)
            .await)
    };
}

impl Store {
    /// Leases up to `limit` due scans, optionally of one connection: new ones, those whose window
    /// has opened, and those whose lease expired. Scans of a foreground command are left to it,
    /// unless it seems to have died.
    pub async fn claim_scans(
        &self,
        owner: &str,
        lease: TimeDelta,
        limit: i64,
        connection_id: Option<&str>,
    ) -> Result<Vec<Scan>, StoreError> {
        let now = self.now();
        let wanted = Wanted {
            limit,
            connection_id,
            now,
        };
        if !self.is_worth_a_lock(wanted).await? {
            return Ok(Vec::new());
        }
        let mut tx = self.db.begin().await?;
        tx.limit_statement_time().await?;
        let leaders = self.lock_due(&mut tx, wanted).await?;
        if leaders.is_empty() {
            tx.rollback().await?;
            return Ok(Vec::new());
        }
        let scans = self.lease_scans(&mut tx, &leaders, owner, lease).await?;
        tx.commit().await?;
        Ok(scans)
    }

    /// Leases a scan for a foreground command that reads this connection: one that it started and
    /// that is due, or one of the service that has been abandoned. With `waiting_too` instead one
    /// of its own that waits, because the command can't wait until it is due.
    pub async fn claim_foreground_scan(
        &self,
        owner: &str,
        lease: TimeDelta,
        connection_id: &str,
        waiting_too: bool,
    ) -> Result<Option<Scan>, StoreError> {
        // Writing nothing new locks the row on both databases.
        const DUE: &str = "
            UPDATE sync_runs SET due_at = due_at
            WHERE connection_id = $1 AND id = scan_id
              AND state IN ('queued', 'running', 'waiting')
              AND (due_at <= $2 OR ($3 AND state = 'waiting'))
              AND (foreground OR (NOT $3 AND due_at <= $4))
            RETURNING id";
        let now = self.now();
        let mut tx = self.db.begin().await?;
        let mut due: Vec<String> = run!(tx, |c| sqlx::query_scalar(DUE)
            .bind(connection_id)
            .bind(at(now))
            .bind(waiting_too)
            .bind(at(now - FOREGROUND_ABANDONED_AFTER))
            .fetch_all(c)
            .await)?;
        if due.is_empty() {
            tx.rollback().await?;
            return Ok(None);
        }
        due.sort_unstable();
        due.truncate(1);
        let leased = self.lease_scans(&mut tx, &due, owner, lease).await?.pop();
        tx.commit().await?;
        Ok(leased)
    }

    /// Leases the scans led by these runs, which were found due in the same transaction.
    async fn lease_scans(
        &self,
        tx: &mut Tx,
        leaders: &[String],
        owner: &str,
        lease: TimeDelta,
    ) -> Result<Vec<Scan>, StoreError> {
        let now = self.now();
        let lease = Lease {
            owner: owner.to_owned(),
            expires_at: now + lease,
            fence: 0,
        };
        let rows = self.lease(tx, leaders, &lease, now).await?;
        self.leased_scans(tx, rows, &lease).await
    }

    /// SQLite has one writer, so a claim that finds nothing must not block it.
    async fn is_worth_a_lock(&self, wanted: Wanted<'_>) -> Result<bool, StoreError> {
        if matches!(self.db, Db::Pg(_)) {
            return Ok(true);
        }
        let sql = match wanted.connection_id {
            None => on_sqlite!(claim_from_all_sql),
            Some(_) => on_sqlite!(claim_from_one_sql),
        };
        let mut reader = self.db.read().await?;
        let due: Vec<String> = due_scans!(reader, sql, wanted)?;
        Ok(!due.is_empty())
    }

    async fn lock_due(&self, tx: &mut Tx, wanted: Wanted<'_>) -> Result<Vec<String>, StoreError> {
        let sql = match (&self.db, wanted.connection_id) {
            (Db::Pg(_), None) => on_postgres!(claim_from_all_sql),
            (Db::Pg(_), Some(_)) => on_postgres!(claim_from_one_sql),
            (Db::Lite { .. }, None) => on_sqlite!(claim_from_all_sql),
            (Db::Lite { .. }, Some(_)) => on_sqlite!(claim_from_one_sql),
        };
        Ok(due_scans!(tx, sql, wanted)?)
    }

    /// A separate statement, so that it sees runs that joined before the leaders were locked.
    async fn lease(
        &self,
        tx: &mut Tx,
        leaders: &[String],
        lease: &Lease,
        now: Time,
    ) -> Result<Vec<ClaimedRow>, StoreError> {
        const SQL: &str = "
            UPDATE sync_runs
            SET state = 'running', fence = fence + 1, lease_owner = $2, due_at = $3,
                waiting_reason = NULL, started_at = COALESCE(started_at, $1)
            WHERE scan_id IN (SELECT key FROM json_each($4))
              AND state NOT IN ('succeeded', 'failed', 'stalled', 'cancelled')
            RETURNING id, scan_id, sync_id, object, carried_in, fence, checkpoint, started_at, application_id,
                      customer_id, connection_id, provider_name";
        let mut rows: Vec<ClaimedRow> = run!(tx, |c| sqlx::query_as(SQL)
            .bind(at(now))
            .bind(&lease.owner)
            .bind(at(lease.expires_at))
            .bind(KeySet::new(leaders))
            .fetch_all(c)
            .await)?;
        // The rows come in any order. The scans keep the order of their turns; the scanned object's
        // run goes first, because only it gets a total from the provider.
        let turn: HashMap<&str, usize> = leaders
            .iter()
            .enumerate()
            .map(|(turn, id)| (id.as_str(), turn))
            .collect();
        rows.sort_by_key(|row| (turn.get(&*row.scan_id).copied(), row.carried_in.is_some()));
        Ok(rows)
    }

    async fn leased_scans(
        &self,
        tx: &mut Tx,
        rows: Vec<ClaimedRow>,
        lease: &Lease,
    ) -> Result<Vec<Scan>, StoreError> {
        const SQL: &str = "
            SELECT s.id AS sync_id, c.provider_id, c.credentials, c.account_id, c.account_known,
                   c.limits, s.last_coverage, s.watermark, s.incrementals,
                   s.most_incrementals
            FROM syncs s JOIN connections c ON c.id = s.connection_id
            WHERE s.id IN (SELECT key FROM json_each($1))";
        let sync_ids: Vec<&str> = rows.iter().map(|row| row.sync_id.as_str()).collect();
        let leaders: Vec<LeaderRow> = run!(tx, |c| sqlx::query_as(SQL)
            .bind(KeySet::new(&sync_ids))
            .fetch_all(c)
            .await)?;
        let mut leaders: HashMap<String, LeaderRow> = leaders
            .into_iter()
            .map(|row| (row.sync_id.clone(), row))
            .collect();
        let mut scans: Vec<Scan> = Vec::new();
        for row in rows {
            let run = ScanRun::of_row(
                row.id.clone(),
                row.sync_id.clone(),
                &row.object,
                row.carried_in.as_deref(),
            )?;
            if let Some(scan) = scans.iter_mut().find(|scan| scan.id == row.scan_id) {
                scan.runs.push(run);
                continue;
            }
            let leader = leaders
                .remove(&row.sync_id)
                .ok_or(sqlx::Error::RowNotFound)?;
            scans.push(self.leased_scan(row, run, leader, lease)?);
        }
        Ok(scans)
    }

    fn leased_scan(
        &self,
        row: ClaimedRow,
        run: ScanRun,
        leader: LeaderRow,
        lease: &Lease,
    ) -> Result<Scan, StoreError> {
        let provider: ProviderName = parse_provider("sync_runs", &row.scan_id, &row.provider_name)?;
        let since = leader.since();
        let sealed = leader.credentials;
        Ok(Scan {
            since,
            // Credentials that can't be decrypted must not keep other connections' scans from being
            // leased.
            credentials: self
                .open_credentials(&row.connection_id, &sealed)
                .map_err(|error| error.to_string()),
            sealed,
            account: ScanAccount {
                id: leader.account_id,
                known: leader.account_known,
            },
            limits: leader.limits.map(|limits| limits.0).unwrap_or_default(),
            last_coverage: leader.last_coverage.map(|coverage| coverage.0),
            id: row.scan_id,
            connection: ConnectionRef {
                application_id: row.application_id,
                connection_id: row.connection_id,
                customer_id: row.customer_id,
                provider_id: leader.provider_id,
                provider,
            },
            object: run.carried_in.unwrap_or(run.object),
            lease: Lease {
                fence: row.fence,
                ..lease.clone()
            },
            checkpoint: row.checkpoint.0,
            started_at: row.started_at.into(),
            runs: vec![run],
        })
    }
}
