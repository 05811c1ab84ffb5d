//! The worker's half of the queue: scans are leased, kept and put off.
//!
//! A scan is one reading of an object's pages; the runs that it serves share its lease. Every
//! statement that moves a scan names the fence it was leased under, so a worker that was overtaken
//! changes nothing.

use chrono::TimeDelta;
use secrecy::SecretString;
use sqlx::{FromRow, types::Json};
use syncline_model::{
    Checkpoint, Lease, Object, ProviderName, RunState, Time, event::ConnectionRef,
};

use crate::{
    Store, StoreError,
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
    /// The runs that it serves, as they were when the lease was taken.
    pub runs: Vec<ScanRun>,
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
    application_id: String,
    customer_id: String,
    connection_id: String,
    provider_name: String,
}

macro_rules! due_sql {
    ($lock:literal) => {
        concat!(
            "SELECT scan_id FROM sync_runs
             WHERE id = scan_id AND due_at <= $1
               AND state IN ('queued', 'running', 'waiting')
               AND (CAST($2 AS text) IS NULL OR connection_id = $2)
             ORDER BY due_at, id LIMIT $3 ",
            $lock
        )
    };
}

impl Store {
    /// Leases at most `limit` scans that are due, of one connection where it is named: new ones,
    /// ones whose window opened, and ones whose worker went silent.
    pub async fn claim_scans(
        &self,
        owner: &str,
        lease: TimeDelta,
        limit: i64,
        connection_id: Option<&str>,
    ) -> Result<Vec<Scan>, StoreError> {
        const LEASE: &str = "
            UPDATE sync_runs
            SET state = 'running', fence = fence + 1, lease_owner = $2, due_at = $3,
                waiting_reason = NULL, started_at = COALESCE(started_at, $1)
            WHERE scan_id IN (SELECT key FROM json_each($4))
              AND state IN ('queued', 'running', 'waiting')
            RETURNING id, scan_id, sync_id, object, fence, checkpoint, application_id,
                      customer_id, connection_id, provider_name";
        // SQLite has one writer and needs no lock.
        let due = match &self.db {
            Db::Pg(_) => due_sql!("FOR UPDATE SKIP LOCKED"),
            Db::Lite { .. } => due_sql!(""),
        };
        let now = self.now();
        let expires_at = now + lease;
        let mut tx = self.db.begin().await?;
        let leaders: Vec<String> = run!(tx, |c| sqlx::query_scalar(due)
            .bind(now)
            .bind(connection_id)
            .bind(limit)
            .fetch_all(c)
            .await)?;
        if leaders.is_empty() {
            return Ok(Vec::new());
        }
        // A statement of its own: it sees whoever joined before the leaders were locked.
        let rows: Vec<ClaimedRow> = run!(tx, |c| sqlx::query_as(LEASE)
            .bind(now)
            .bind(owner)
            .bind(expires_at)
            .bind(KeySet::new(&leaders))
            .fetch_all(c)
            .await)?;
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
            let scan = self
                .leased_scan(&mut tx, row, run, owner, expires_at)
                .await?;
            scans.push(scan);
        }
        tx.commit().await?;
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
        const PROVIDER: &str = "SELECT provider_id FROM connections WHERE id = $1";
        let provider: ProviderName = parse_provider("sync_runs", &row.scan_id, &row.provider_name)?;
        let provider_id: String = run!(tx, |c| sqlx::query_scalar(PROVIDER)
            .bind(&row.connection_id)
            .fetch_one(c)
            .await)?;
        let sealed = self.sealed_credentials(tx, &row.connection_id).await?;
        Ok(Scan {
            // One connection's damage must not keep the others from being leased.
            credentials: self
                .open_credentials(&row.connection_id, &sealed)
                .map_err(|error| error.to_string()),
            sealed,
            id: row.scan_id,
            connection: ConnectionRef {
                application_id: row.application_id,
                connection_id: row.connection_id,
                customer_id: row.customer_id,
                provider_id,
                provider,
            },
            object: run.object.scanned_as(),
            lease: Lease {
                owner: owner.to_owned(),
                expires_at,
                fence: row.fence,
            },
            checkpoint: row.checkpoint.0,
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
                requests_made = requests_made + $5
            WHERE scan_id = $1 AND fence = $2 AND state = 'running'";
        let RunState::Waiting { until, reason } = state else {
            return Ok(());
        };
        let mut tx = self.db.begin().await?;
        let moved = run!(tx, |c| sqlx::query(SQL)
            .bind(&scan.id)
            .bind(scan.lease.fence)
            .bind(*until)
            .bind(reason.as_str())
            .bind(requests)
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
