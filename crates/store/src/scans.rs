//! The worker's half of the queue: scans are leased, kept and put off.
//!
//! A scan is one reading of an object's pages; the runs that it serves share its lease. Every
//! statement that moves a scan names the fence it was leased under, so a worker that was overtaken
//! changes nothing.

use chrono::TimeDelta;
use secrecy::SecretString;
use sqlx::types::Json;
use sqlx_macros::FromRow;
use syncline_model::{
    Checkpoint, Coverage, Lease, LimitOverrides, Object, ProviderName, RunState, Time,
    event::ConnectionRef,
    mutation::{self, Mutation},
};

use crate::{
    Store, StoreError,
    connections::CREDENTIALS,
    db::{Db, KeySet, Tx, run},
    providers::parse_provider,
    syncs::parse_object,
};

/// A leased scan: all that a worker needs to go on with it.
#[derive(Debug, Clone)]
pub struct Scan {
    pub id: String,
    pub connection: ConnectionRef,
    /// Or why the stored ones can't be used.
    pub credentials: Result<SecretString, String>,
    /// The credentials as they are stored: tells whether they were replaced meanwhile.
    pub(crate) sealed: String,
    /// The object whose pages are read.
    pub object: Object,
    pub lease: Lease,
    pub checkpoint: Checkpoint,
    pub started_at: Time,
    pub account: ScanAccount,
    /// What the connection may read, where it differs from the configuration.
    pub limits: LimitOverrides,
    /// The provider's total as the sync's last run knew it.
    pub last_reported: Option<i64>,
    /// The runs that it serves, as they were when the lease was taken.
    pub runs: Vec<ScanRun>,
}

/// The provider account whose budget a scan draws from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScanAccount {
    pub id: String,
    /// Whether the provider was asked for the team behind the key.
    pub known: bool,
}

#[derive(Debug, Clone)]
pub struct ScanRun {
    pub id: String,
    pub sync_id: String,
    pub object: Object,
}

#[derive(FromRow)]
struct ClaimedRow {
    id: String,
    scan_id: String,
    sync_id: String,
    object: String,
    fence: i64,
    checkpoint: Json<Checkpoint>,
    started_at: Time,
    application_id: String,
    customer_id: String,
    connection_id: String,
    provider_name: String,
}

/// What a worker needs to know of the connection.
#[derive(FromRow)]
struct ConnectionRow {
    provider_id: String,
    credentials: String,
    account_id: String,
    account_known: bool,
    limits: Option<Json<LimitOverrides>>,
    last_coverage: Option<Json<Coverage>>,
}

/// A scan that nobody has taken up for so long after it was due is anybody's.
const GONE_AFTER: TimeDelta = TimeDelta::minutes(5);

/// Due scans in the order in which they are served. Customers take turns: a customer's scans come
/// after as many of each other's as it has at work. Within a connection the small objects come
/// first, so that a budget that doesn't last for everything is not spent on the largest: a scan
/// waits while a smaller one of the connection is due or at work.
macro_rules! due_sql {
    ($lock:literal) => {
        concat!(
            "SELECT scan_id FROM sync_runs JOIN (
                SELECT due.id AS due_id, due.due_at AS due_since,
                    (SELECT count(*) FROM sync_runs busy
                     WHERE busy.state = 'running' AND busy.due_at > $1 AND busy.id = busy.scan_id
                       AND busy.application_id = due.application_id
                       AND busy.customer_id = due.customer_id)
                    + row_number() OVER (
                        PARTITION BY due.application_id, due.customer_id
                        ORDER BY due.due_at, due.id) AS turn
                FROM sync_runs due
                WHERE due.id = due.scan_id AND due.due_at <= $1
                  AND due.state IN ('queued', 'running', 'waiting')
                  AND (CAST($2 AS text) IS NULL OR due.connection_id = $2)
                  AND (NOT due.foreground OR due.due_at <= $4)
                  AND NOT EXISTS (
                    SELECT 1 FROM sync_runs smaller
                    WHERE smaller.connection_id = due.connection_id
                      AND smaller.id = smaller.scan_id AND smaller.scan_rank < due.scan_rank
                      AND (smaller.state IN ('queued', 'running')
                           OR (smaller.state = 'waiting' AND smaller.due_at <= $1)))
                ) AS turns ON due_id = id
             WHERE due_at <= $1 AND state IN ('queued', 'running', 'waiting')
             ORDER BY turn, due_since, id LIMIT $3 ",
            $lock
        )
    };
}

impl Store {
    /// Leases at most `limit` scans that are due, of one connection where it is named: new ones,
    /// ones whose window opened, and ones whose worker went silent. Those of a command in the
    /// foreground are its own, unless it is gone.
    pub async fn claim_scans(
        &self,
        owner: &str,
        lease: TimeDelta,
        limit: i64,
        connection_id: Option<&str>,
    ) -> Result<Vec<Scan>, StoreError> {
        // SQLite has one writer and needs no lock.
        let due = match &self.db {
            Db::Pg(_) => due_sql!("FOR UPDATE OF sync_runs SKIP LOCKED"),
            Db::Lite { .. } => due_sql!(""),
        };
        let now = self.now();
        let mut tx = self.db.begin().await?;
        let leaders: Vec<String> = run!(tx, |c| sqlx::query_scalar(due)
            .bind(now)
            .bind(connection_id)
            .bind(limit)
            .bind(now - GONE_AFTER)
            .fetch_all(c)
            .await)?;
        let scans = self.lease_scans(&mut tx, &leaders, owner, lease).await?;
        if !scans.is_empty() {
            tx.commit().await?;
        }
        Ok(scans)
    }

    /// Leases a scan for a command in the foreground that reads this connection: one that it started
    /// and that is due, or one of the service's that nobody works on any more. Where the command can't
    /// wait for what isn't due, one of its own that waits.
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
            .bind(now)
            .bind(waiting_too)
            .bind(now - GONE_AFTER)
            .fetch_all(c)
            .await)?;
        due.sort_unstable();
        due.truncate(1);
        let leased = self.lease_scans(&mut tx, &due, owner, lease).await?.pop();
        if leased.is_some() {
            tx.commit().await?;
        }
        Ok(leased)
    }

    /// Leases the scans that these runs lead and that were found due in the transaction.
    async fn lease_scans(
        &self,
        tx: &mut Tx,
        leaders: &[String],
        owner: &str,
        lease: TimeDelta,
    ) -> Result<Vec<Scan>, StoreError> {
        const LEASE: &str = "
            UPDATE sync_runs
            SET state = 'running', fence = fence + 1, lease_owner = $2, due_at = $3,
                waiting_reason = NULL, started_at = COALESCE(started_at, $1)
            WHERE scan_id IN (SELECT key FROM json_each($4))
              AND state IN ('queued', 'running', 'waiting')
            RETURNING id, scan_id, sync_id, object, fence, checkpoint, started_at, application_id,
                      customer_id, connection_id, provider_name";
        if leaders.is_empty() {
            return Ok(Vec::new());
        }
        let now = self.now();
        let expires_at = now + lease;
        // A statement of its own: it sees whoever joined before the leaders were locked.
        let mut rows: Vec<ClaimedRow> = run!(tx, |c| sqlx::query_as(LEASE)
            .bind(now)
            .bind(owner)
            .bind(expires_at)
            .bind(KeySet::new(leaders))
            .fetch_all(c)
            .await)?;
        // They come in any order. The scanned object's run goes first: only it was told a total.
        rows.sort_by_key(|row| {
            let object = row.object.parse::<Object>();
            object.is_ok_and(|object| object != object.scanned_as())
        });
        let mut scans: Vec<Scan> = Vec::new();
        for row in rows {
            let run = ScanRun {
                id: row.id.clone(),
                sync_id: row.sync_id.clone(),
                object: parse_object("sync_runs", &row.id, &row.object)?,
            };
            if let Some(scan) = scans.iter_mut().find(|scan| scan.id == row.scan_id) {
                scan.runs.push(run);
                continue;
            }
            let scan = self.leased_scan(tx, row, run, owner, expires_at).await?;
            scans.push(scan);
        }
        Ok(scans)
    }

    async fn leased_scan(
        &self,
        tx: &mut Tx,
        row: ClaimedRow,
        run: ScanRun,
        owner: &str,
        expires_at: Time,
    ) -> Result<Scan, StoreError> {
        const CONNECTION: &str = "
            SELECT provider_id, credentials, account_id, account_known, limits,
                (SELECT r.coverage FROM sync_runs r
                 WHERE r.sync_id = $2 AND r.state = 'succeeded' ORDER BY r.id DESC LIMIT 1)
                AS last_coverage
            FROM connections WHERE id = $1";
        let provider: ProviderName = parse_provider("sync_runs", &row.scan_id, &row.provider_name)?;
        let connection: ConnectionRow = run!(tx, |c| sqlx::query_as(CONNECTION)
            .bind(&row.connection_id)
            .bind(&row.sync_id)
            .fetch_one(c)
            .await)?;
        let sealed = connection.credentials;
        Ok(Scan {
            // One connection's damage must not keep the others from being leased.
            credentials: self
                .unseal(&CREDENTIALS, &row.connection_id, &sealed)
                .map_err(|error| error.to_string()),
            sealed,
            account: ScanAccount {
                id: connection.account_id,
                known: connection.account_known,
            },
            limits: connection.limits.map(|limits| limits.0).unwrap_or_default(),
            last_reported: connection
                .last_coverage
                .and_then(|coverage| coverage.0.records_reported),
            id: row.scan_id,
            connection: ConnectionRef {
                application_id: row.application_id,
                connection_id: row.connection_id,
                customer_id: row.customer_id,
                provider_id: connection.provider_id,
                provider,
            },
            object: run.object.scanned_as(),
            lease: Lease {
                owner: owner.to_owned(),
                expires_at,
                fence: row.fence,
            },
            checkpoint: row.checkpoint.0,
            started_at: row.started_at,
            runs: vec![run],
        })
    }

    /// Keeps a scan for another lease. `false` when it belongs to somebody else by now.
    pub async fn extend_lease(&self, scan: &Scan, lease: TimeDelta) -> Result<bool, StoreError> {
        let until = self.now() + lease;
        self.move_due(scan, until).await
    }

    /// Gives a scan back, so that another worker goes on with it at once.
    pub async fn release_scan(&self, scan: &Scan) -> Result<bool, StoreError> {
        let now = self.now();
        self.move_due(scan, now).await
    }

    /// Frees what earlier processes of this kind left leased. Only for one that knows that it is
    /// alone, as `serve` on an embedded database does: it need not wait for leases to expire.
    pub async fn free_leases_of(&self, owner_prefix: &str) -> Result<u64, StoreError> {
        const SQL: &str = "
            UPDATE sync_runs SET due_at = $1
            WHERE state = 'running' AND substr(lease_owner, 1, length($2)) = $2";
        let mut tx = self.db.begin().await?;
        let now = self.now();
        let freed = run!(tx, |c| sqlx::query(SQL)
            .bind(now)
            .bind(owner_prefix)
            .execute(c)
            .await?
            .rows_affected());
        tx.commit().await?;
        Ok(freed)
    }

    /// Whether somebody else's scan is due: one of another customer than this scan's.
    pub async fn others_are_due(&self, scan: &Scan) -> Result<bool, StoreError> {
        const SQL: &str = "
            SELECT EXISTS (
                SELECT 1 FROM sync_runs
                WHERE id = scan_id AND due_at <= $1 AND state IN ('queued', 'running', 'waiting')
                  AND NOT (application_id = $2 AND customer_id = $3))";
        let now = self.now();
        let mut reader = self.db.read().await?;
        Ok(run!(reader, |c| sqlx::query_scalar(SQL)
            .bind(now)
            .bind(&scan.connection.application_id)
            .bind(&scan.connection.customer_id)
            .fetch_one(c)
            .await)?)
    }

    /// Puts a leased scan's connection under the account that its key belongs to.
    pub async fn learn_account(
        &self,
        scan: &mut Scan,
        account_id: String,
    ) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        self.merge_accounts(&mut tx, &scan.account.id, &account_id)
            .await?;
        tx.commit().await?;
        scan.account = ScanAccount {
            id: account_id,
            known: true,
        };
        Ok(())
    }

    async fn move_due(&self, scan: &Scan, due_at: Time) -> Result<bool, StoreError> {
        const SQL: &str = "
            UPDATE sync_runs SET due_at = $3
            WHERE scan_id = $1 AND fence = $2 AND state = 'running'";
        let mut tx = self.db.begin().await?;
        let moved = run!(tx, |c| sqlx::query(SQL)
            .bind(&scan.id)
            .bind(scan.lease.fence)
            .bind(due_at)
            .execute(c)
            .await?
            .rows_affected());
        tx.commit().await?;
        Ok(moved > 0)
    }

    /// Puts a scan off. It holds no worker meanwhile and goes on from its checkpoint.
    pub async fn save_waiting(
        &self,
        scan: &Scan,
        state: &RunState,
        requests: i64,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE sync_runs
            SET state = 'waiting', due_at = $3, waiting_reason = $4, lease_owner = NULL,
                requests_made = requests_made + $5, checkpoint = $6
            WHERE scan_id = $1 AND fence = $2 AND state = 'running'";
        let RunState::Waiting { until, reason } = state else {
            return Ok(());
        };
        let checkpoint = if mutation::on(Mutation::CheckpointIgnoredAfterWait) {
            Checkpoint::default()
        } else {
            scan.checkpoint.clone()
        };
        let mut tx = self.db.begin().await?;
        let moved = run!(tx, |c| sqlx::query(SQL)
            .bind(&scan.id)
            .bind(scan.lease.fence)
            .bind(*until)
            .bind(reason.as_str())
            .bind(requests)
            .bind(Json(&checkpoint))
            .execute(c)
            .await?
            .rows_affected());
        if moved == 0 {
            return Err(lease_lost(scan));
        }
        Ok(tx.commit().await?)
    }

    /// The scan's runs as they are now: one may have joined since the lease was taken.
    pub async fn runs_of(&self, scan: &Scan) -> Result<Vec<ScanRun>, StoreError> {
        const SQL: &str = "
            SELECT id, sync_id, object FROM sync_runs
            WHERE scan_id = $1 AND fence = $2 AND state = 'running' ORDER BY id";
        let mut reader = self.db.read().await?;
        let rows: Vec<(String, String, String)> = run!(reader, |c| sqlx::query_as(SQL)
            .bind(&scan.id)
            .bind(scan.lease.fence)
            .fetch_all(c)
            .await)?;
        if rows.is_empty() {
            return Err(lease_lost(scan));
        }
        rows.into_iter()
            .map(|(id, sync_id, object)| {
                Ok(ScanRun {
                    object: parse_object("sync_runs", &id, &object)?,
                    id,
                    sync_id,
                })
            })
            .collect()
    }
}

pub(crate) fn lease_lost(scan: &Scan) -> StoreError {
    StoreError::LeaseLost {
        scan_id: scan.id.clone(),
    }
}
