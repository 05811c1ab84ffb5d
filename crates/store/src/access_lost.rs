//! What a scan's end means for its connection when the provider rejects the credentials: pauses, one
//! attempt a day, and what the connection shows of it.

use chrono::TimeDelta;
use sqlx::types::Json;
use syncline_model::{Capabilities, Capability, ConnectionStatus, Denial};

use crate::{
    Store, StoreError,
    db::{Tx, run},
    endings::Ending,
    scans::Scan,
    sealing::same_value,
    sync_control::{CREDENTIALS_CAUSE, FORBIDDEN_CAUSE},
    timestamp::at,
};

/// What is paused when the provider rejects a run's credentials.
#[derive(Debug, Clone)]
pub enum Pause {
    /// The credentials are rejected: every sync of the connection is paused.
    Connection { reason: String },
    /// The credentials may not read this object: its syncs are paused, except for one attempt a
    /// day.
    Object { denial: Denial, reason: String },
}

/// How often a sync that is paused because the credentials may not read its object is retried.
pub(crate) const PROBE_EVERY: TimeDelta = TimeDelta::hours(24);

impl Store {
    /// Resumes a sync that was paused because its object could not be read, now that it has been
    /// read.
    pub(crate) async fn resume_after_probe(
        &self,
        tx: &mut Tx,
        sync_id: &str,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE syncs
            SET paused = false, paused_reason = NULL, paused_cause = NULL, next_run_at = $3
            WHERE id = $1 AND paused_cause = $2";
        const PERIOD: &str = "SELECT period_ms FROM syncs WHERE id = $1";
        let period: i64 = run!(tx, |c| sqlx::query_scalar(PERIOD)
            .bind(sync_id)
            .fetch_one(c)
            .await)?;
        let next = self.now() + TimeDelta::milliseconds(period);
        run!(tx, |c| sqlx::query(SQL)
            .bind(sync_id)
            .bind(FORBIDDEN_CAUSE)
            .bind(at(next))
            .execute(c)
            .await
            .map(drop))?;
        Ok(())
    }

    async fn probe_later(&self, tx: &mut Tx, sync_id: &str) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE syncs SET next_run_at = $2 WHERE id = $1 AND paused_cause = $3";
        let next = self.now() + PROBE_EVERY;
        run!(tx, |c| sqlx::query(SQL)
            .bind(sync_id)
            .bind(at(next))
            .bind(FORBIDDEN_CAUSE)
            .execute(c)
            .await
            .map(drop))?;
        Ok(())
    }

    /// Lock order: syncs, then their connection.
    pub(crate) async fn pause_after(
        &self,
        tx: &mut Tx,
        scan: &Scan,
        endings: &[Ending],
        pause: &Pause,
    ) -> Result<(), StoreError> {
        const LOCK: &str = "
            UPDATE connections SET status = status WHERE id = $1 RETURNING credentials";
        let connection_id = &scan.connection.connection_id;
        let syncs = self.lock_syncs(tx, connection_id).await?;
        let sealed: String = run!(tx, |c| sqlx::query_scalar(LOCK)
            .bind(connection_id)
            .fetch_one(c)
            .await)?;
        if !same_value(&sealed, &scan.sealed) {
            // The rejection of the old credentials says nothing about the new ones: try those.
            return self.run_again(tx, endings).await;
        }
        let (Pause::Connection { reason } | Pause::Object { reason, .. }) = pause;
        let cause = match pause {
            Pause::Connection { .. } => CREDENTIALS_CAUSE,
            Pause::Object { .. } => FORBIDDEN_CAUSE,
        };
        for sync in syncs {
            let affected = match pause {
                Pause::Connection { .. } => true,
                Pause::Object { .. } => sync.carried_in.unwrap_or(sync.object) == scan.object,
            };
            if affected {
                let of = &scan.connection;
                self.pause_sync_in(tx, &sync.id, sync.object, of, reason, cause)
                    .await?;
                self.probe_later(tx, &sync.id).await?;
            }
        }
        match pause {
            Pause::Connection { .. } => self.note_unauthorized(tx, scan).await,
            Pause::Object { denial, reason } => {
                let capability = Capability::unreadable(*denial, reason);
                self.note_capability(tx, scan, endings, &capability).await
            }
        }
    }

    async fn run_again(&self, tx: &mut Tx, endings: &[Ending]) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE syncs SET triggered_at = $2 WHERE id = $1";
        let now = self.now();
        for ending in endings {
            run!(tx, |c| sqlx::query(SQL)
                .bind(&ending.run.sync_id)
                .bind(at(now))
                .execute(c)
                .await
                .map(drop))?;
        }
        Ok(())
    }

    async fn note_unauthorized(&self, tx: &mut Tx, scan: &Scan) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE connections SET status = 'unauthorized' WHERE id = $1";
        self.forget_callers(tx);
        run!(tx, |c| sqlx::query(SQL)
            .bind(&scan.connection.connection_id)
            .execute(c)
            .await
            .map(drop))?;
        Ok(())
    }

    /// Stores what a run showed about the key: that it can read the run's object, or why not. A key
    /// that can't read every object makes its connection `limited`.
    pub(crate) async fn note_capability(
        &self,
        tx: &mut Tx,
        scan: &Scan,
        endings: &[Ending],
        capability: &Capability,
    ) -> Result<(), StoreError> {
        const LOCK: &str = "
            UPDATE connections SET status = status WHERE id = $1 RETURNING capabilities";
        // The status `unauthorized` is only cleared by new credentials.
        const SQL: &str = "
            UPDATE connections
            SET capabilities = $2,
                status = CASE WHEN status = 'unauthorized' THEN status ELSE $3 END
            WHERE id = $1";
        self.forget_callers(tx);
        let connection_id = &scan.connection.connection_id;
        let known: Json<Capabilities> = run!(tx, |c| sqlx::query_scalar(LOCK)
            .bind(connection_id)
            .fetch_one(c)
            .await)?;
        let mut capabilities = known.0;
        for ending in endings {
            capabilities.insert(ending.run.object, capability.clone());
        }
        let status = if capabilities.values().all(|capability| capability.readable) {
            ConnectionStatus::Healthy
        } else {
            ConnectionStatus::Limited
        };
        run!(tx, |c| sqlx::query(SQL)
            .bind(connection_id)
            .bind(Json(&capabilities))
            .bind(status.as_str())
            .execute(c)
            .await
            .map(drop))?;
        Ok(())
    }
}
