//! The worker's half of the queue: extending, releasing and postponing leased scans (`claims.rs`
//! leases them).
//!
//! A scan is one reading of an object's pages; the runs that it serves share its lease. Every
//! statement that changes a scan names the fence of its lease, so a worker that lost the lease
//! changes nothing.

use chrono::TimeDelta;
use sqlx::types::Json;
use syncline_model::{
    Checkpoint, Coverage, Credentials, Lease, LimitOverrides, Object, RunState, Time, Watermark,
    event::ConnectionRef,
    mutation::{self, Mutation},
};

use crate::{Store, StoreError, db::run, syncs::parse_object, timestamp::at};

/// A leased scan, with everything that a worker needs to continue it.
#[derive(Debug, Clone)]
pub struct Scan {
    pub id: String,
    pub connection: ConnectionRef,
    /// The decrypted credentials, or why they can't be used.
    pub credentials: Result<Credentials, String>,
    /// The stored form of the credentials, to detect that they were replaced.
    pub(crate) sealed: String,
    /// The object whose pages are read.
    pub object: Object,
    pub lease: Lease,
    pub checkpoint: Checkpoint,
    pub started_at: Time,
    pub account: ScanAccount,
    /// The connection's limits, where they differ from the configuration.
    pub limits: LimitOverrides,
    /// Of the sync's last successful run.
    pub last_coverage: Option<Coverage>,
    /// Where an incremental read would begin; `None`: everything has to be read.
    pub since: Option<Watermark>,
    /// The runs that it served when the lease was taken.
    pub runs: Vec<ScanRun>,
}

/// The provider account whose budget a scan uses.
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
    /// The scanned object, where this one's records come inside that one's.
    pub carried_in: Option<Object>,
}

impl ScanRun {
    pub(crate) fn of_row(
        id: String,
        sync_id: String,
        object: &str,
        carried_in: Option<&str>,
    ) -> Result<Self, StoreError> {
        let parse = |object| parse_object("sync_runs", &id, object);
        Ok(Self {
            object: parse(object)?,
            carried_in: carried_in.map(parse).transpose()?,
            id,
            sync_id,
        })
    }

    /// Whether its records come inside those of another object.
    pub fn is_carried(&self) -> bool {
        self.carried_in.is_some()
    }
}

impl Store {
    /// Extends the lease of a scan. `false` if another worker has leased it by now.
    pub async fn extend_lease(&self, scan: &Scan, lease: TimeDelta) -> Result<bool, StoreError> {
        let until = self.now() + lease;
        self.move_due(scan, until).await
    }

    /// Releases a scan, so that another worker can continue it at once.
    pub async fn release_scan(&self, scan: &Scan) -> Result<bool, StoreError> {
        let now = self.now();
        self.move_due(scan, now).await
    }

    /// Releases leases left by earlier processes of this kind. Only for a process that is known to
    /// be alone, such as `serve` on an embedded database: it need not wait for the leases to
    /// expire.
    pub async fn free_leases_of(&self, owner_prefix: &str) -> Result<u64, StoreError> {
        const SQL: &str = "
            UPDATE sync_runs SET due_at = $1
            WHERE sync_id IS NOT NULL AND state IN ('queued', 'running', 'waiting')
              AND state = 'running'
              AND substr(lease_owner, 1, length($2)) = $2";
        let mut tx = self.db.begin().await?;
        let now = self.now();
        let freed = run!(tx, |c| sqlx::query(SQL)
            .bind(at(now))
            .bind(owner_prefix)
            .execute(c)
            .await?
            .rows_affected());
        let jobs = self
            .free_enrichment_leases_of(&mut tx, owner_prefix)
            .await?;
        tx.commit().await?;
        Ok(freed + jobs)
    }

    /// Whether a scan of another customer is due.
    pub async fn others_are_due(&self, scan: &Scan) -> Result<bool, StoreError> {
        const SQL: &str = "
            SELECT EXISTS (
                SELECT 1 FROM sync_runs
                WHERE id = scan_id AND due_at <= $1 AND state IN ('queued', 'running', 'waiting')
                  AND NOT (application_id = $2 AND customer_id = $3))";
        let now = self.now();
        let mut reader = self.db.read().await?;
        Ok(run!(reader, |c| sqlx::query_scalar(SQL)
            .bind(at(now))
            .bind(&scan.connection.application_id)
            .bind(&scan.connection.customer_id)
            .fetch_one(c)
            .await)?)
    }

    /// The current limits of the scan's connection, where they differ from the configuration.
    pub async fn limits_of(&self, scan: &Scan) -> Result<LimitOverrides, StoreError> {
        const SQL: &str = "SELECT limits FROM connections WHERE id = $1";
        let mut reader = self.db.read().await?;
        let limits: Option<Option<Json<LimitOverrides>>> =
            run!(reader, |c| sqlx::query_scalar(SQL)
                .bind(&scan.connection.connection_id)
                .fetch_optional(c)
                .await)?;
        Ok(limits.flatten().map(|limits| limits.0).unwrap_or_default())
    }

    /// Assigns a leased scan's connection to the account that its key belongs to.
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
            .bind(at(due_at))
            .execute(c)
            .await?
            .rows_affected());
        tx.commit().await?;
        Ok(moved > 0)
    }

    /// Postpones a scan. It occupies no worker meanwhile, and continues from its checkpoint.
    pub async fn save_waiting(
        &self,
        scan: &Scan,
        state: &RunState,
        requests: i64,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE sync_runs
            SET state = 'waiting', due_at = $3, waiting_reason = $4, lease_owner = NULL,
                requests_made = requests_made + $5, checkpoint = $6, put_off_at = $7
            WHERE scan_id = $1 AND fence = $2 AND state = 'running'";
        let RunState::Waiting { until, reason } = state else {
            return Ok(());
        };
        let checkpoint = if mutation::on(Mutation::CheckpointIgnoredAfterWait) {
            Checkpoint::default()
        } else {
            scan.checkpoint.clone()
        };
        let now = self.now();
        let mut tx = self.db.begin().await?;
        let moved = run!(tx, |c| sqlx::query(SQL)
            .bind(&scan.id)
            .bind(scan.lease.fence)
            .bind(at(*until))
            .bind(reason.as_str())
            .bind(requests)
            .bind(Json(&checkpoint))
            .bind(at(now))
            .execute(c)
            .await?
            .rows_affected());
        if moved == 0 {
            return Err(lease_lost(scan));
        }
        Ok(tx.commit().await?)
    }

    /// The scan's current runs: one may have joined since the lease was taken.
    pub async fn runs_of(&self, scan: &Scan) -> Result<Vec<ScanRun>, StoreError> {
        const SQL: &str = "
            SELECT id, sync_id, object, carried_in FROM sync_runs
            WHERE scan_id = $1 AND fence = $2 AND state = 'running' ORDER BY id";
        let mut reader = self.db.read().await?;
        let rows: Vec<(String, String, String, Option<String>)> =
            run!(reader, |c| sqlx::query_as(SQL)
                .bind(&scan.id)
                .bind(scan.lease.fence)
                .fetch_all(c)
                .await)?;
        if rows.is_empty() {
            return Err(lease_lost(scan));
        }
        rows.into_iter()
            .map(|(id, sync_id, object, carried_in)| {
                ScanRun::of_row(id, sync_id, &object, carried_in.as_deref())
            })
            .collect()
    }
}

pub(crate) fn lease_lost(scan: &Scan) -> StoreError {
    StoreError::LeaseLost {
        scan_id: scan.id.clone(),
    }
}
