//! The worker's half of the queue: what was leased (`claims.rs`) is kept, given back and put off.
//!
//! A scan is one reading of an object's pages; the runs that it serves share its lease. Every
//! statement that moves a scan names the fence it was leased under, so a worker that was overtaken
//! changes nothing.

use chrono::TimeDelta;
use secrecy::SecretString;
use sqlx::types::Json;
use syncline_model::{
    Checkpoint, Coverage, Lease, LimitOverrides, Object, RunState, Time,
    event::ConnectionRef,
    mutation::{self, Mutation},
};

use crate::{Store, StoreError, db::run, syncs::parse_object, timestamp::at};

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
    /// Of the sync's last run that came to its end.
    pub last_coverage: Option<Coverage>,
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

impl Store {
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
            .bind(at(now))
            .bind(&scan.connection.application_id)
            .bind(&scan.connection.customer_id)
            .fetch_one(c)
            .await)?)
    }

    /// What the scan's connection may read by now, where it differs from the configuration.
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
            .bind(at(due_at))
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
