//! The credentials of connections: stored sealed, opened for requests, and replaced.

use chrono::TimeDelta;
use sqlx::types::Json;
use syncline_model::{
    Capabilities, Checkpoint, ConnectionStatus, Credentials, LimitOverrides, Order,
};

use crate::{
    Store, StoreError,
    connections::{Account, Connection},
    db::{Tx, run},
    retry::with_retry,
    sealing::SealedColumn,
    timestamp::{Timestamp, at},
};

/// The API key, or the OAuth tokens.
pub(crate) const CREDENTIALS: SealedColumn = SealedColumn {
    table: "connections",
    column: "credentials",
    key: "id",
};

/// New credentials for an existing connection.
pub struct CredentialsUpdate<'a> {
    pub credentials: &'a Credentials,
    pub status: ConnectionStatus,
    pub account: Account<'a>,
    /// `None` leaves the limits unchanged.
    pub limits: Option<LimitOverrides>,
    /// How often they have to be refreshed even if nobody uses them.
    pub keep_alive: Option<TimeDelta>,
    /// The magic link that brought them, which this uses up.
    pub magic_link_id: Option<&'a str>,
}

impl Store {
    /// Replaces the credentials and resumes the syncs that were paused because of the old ones.
    pub async fn update_credentials(
        &self,
        connection: &Connection,
        update: &CredentialsUpdate<'_>,
    ) -> Result<(), StoreError> {
        with_retry(|| self.update_credentials_once(connection, update)).await
    }

    async fn update_credentials_once(
        &self,
        connection: &Connection,
        update: &CredentialsUpdate<'_>,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE connections
            SET credentials = $2, status = $3, capabilities = $4, limits = COALESCE($5, limits),
                credentials_version = credentials_version + 1, refresh_until = NULL,
                refresh_error = NULL, refresh_due_at = $6
            WHERE id = $1";
        // Serializes with scans that are ending: each ends either before this or after it.
        const LOCK_SCANS: &str = "
            UPDATE sync_runs SET due_at = due_at
            WHERE connection_id = $1 AND id = scan_id
              AND state IN ('queued', 'running', 'waiting')";
        // What the old credentials read may differ from what the new ones read.
        const READ_ALL: &str = "UPDATE syncs SET watermark = NULL WHERE connection_id = $1";
        const FORGET: &str = "
            UPDATE sync_runs SET resumable = false
            WHERE resumable AND id IN (SELECT last_run_id FROM syncs WHERE connection_id = $1)";
        let sealed = self.seal(&CREDENTIALS, &connection.id, &update.credentials.to_text());
        let mut tx = self.db.begin().await?;
        self.forget_callers(&mut tx);
        run!(tx, |c| sqlx::query(LOCK_SCANS)
            .bind(&connection.id)
            .execute(c)
            .await
            .map(drop))?;
        run!(tx, |c| sqlx::query(FORGET)
            .bind(&connection.id)
            .execute(c)
            .await
            .map(drop))?;
        if update.limits.is_some() {
            self.recheck_waiting_runs(&mut tx, &connection.id).await?;
        }
        if connection.account_id != update.account.id {
            self.restart_scans(&mut tx, &connection.id).await?;
        }
        self.lock_syncs(&mut tx, &connection.id).await?;
        run!(tx, |c| sqlx::query(READ_ALL)
            .bind(&connection.id)
            .execute(c)
            .await
            .map(drop))?;
        self.resume_after_new_credentials(&mut tx, &connection.id)
            .await?;
        self.check_main_key(&mut tx, &connection.id, update.credentials)
            .await?;
        run!(tx, |c| sqlx::query(SQL)
            .bind(&connection.id)
            .bind(&sealed)
            .bind(update.status.as_str())
            .bind(Json(Capabilities::new()))
            .bind(update.limits.map(Json))
            .bind(self.in_future(update.keep_alive))
            .execute(c)
            .await
            .map(drop))?;
        self.change_account(&mut tx, &connection.id, &update.account)
            .await?;
        self.forget_main_key(&mut tx, &connection.id).await?;
        self.recheck_waiting_jobs(&mut tx, &connection.id).await?;
        if let Some(id) = update.magic_link_id {
            self.consume_magic_link(&mut tx, id).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Restarts active scans with another pass, because what they read belongs to another account.
    /// The fence is raised, so a page in flight doesn't commit.
    async fn restart_scans(&self, tx: &mut Tx, connection_id: &str) -> Result<(), StoreError> {
        const SCANS: &str = "
            SELECT scan_id, checkpoint FROM sync_runs
            WHERE connection_id = $1 AND id = scan_id
              AND state IN ('queued', 'running', 'waiting')";
        const RESTART: &str = "
            UPDATE sync_runs
            SET checkpoint = $2, fence = fence + 1,
                due_at = CASE WHEN state = 'running' THEN $3 ELSE due_at END
            WHERE scan_id = $1 AND state IN ('queued', 'running', 'waiting')";
        let now = self.now();
        let scans: Vec<(String, Json<Checkpoint>)> = run!(tx, |c| sqlx::query_as(SCANS)
            .bind(connection_id)
            .fetch_all(c)
            .await)?;
        for (scan_id, checkpoint) in scans {
            let checkpoint = match checkpoint.0 {
                fresh if fresh == Checkpoint::default() => fresh,
                read => read.again(Order::default()),
            };
            run!(tx, |c| sqlx::query(RESTART)
                .bind(&scan_id)
                .bind(Json(&checkpoint))
                .bind(at(now))
                .execute(c)
                .await
                .map(drop))?;
        }
        Ok(())
    }

    /// This long after now.
    pub(crate) fn in_future(&self, delay: Option<TimeDelta>) -> Option<Timestamp> {
        at(delay.map(|delay| self.now() + delay))
    }

    /// The decrypted credentials of a connection.
    pub fn credentials_of(&self, connection: &Connection) -> Result<Credentials, StoreError> {
        if let Some(opened) = connection.opened.get() {
            return Ok(opened.clone());
        }
        let opened = self.open_credentials(&connection.id, &connection.credentials.0)?;
        Ok(connection.opened.get_or_init(|| opened).clone())
    }

    pub(crate) fn open_credentials(
        &self,
        connection_id: &str,
        sealed: &str,
    ) -> Result<Credentials, StoreError> {
        let text = self.unseal(&CREDENTIALS, connection_id, sealed)?;
        Credentials::of_text(&text).map_err(|unknown| StoreError::Inconsistent {
            table: "connections",
            column: "credentials",
            row: connection_id.to_owned(),
            reason: unknown.to_string(),
        })
    }
}
