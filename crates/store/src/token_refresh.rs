//! Whose turn it is to refresh a connection's OAuth tokens, and the tokens that a refresh brought.
//!
//! A process leases the refresh, asks the provider outside of any transaction, and stores the new
//! pair before anybody uses it. The lease names the version of the credentials that it was made for,
//! so a refresh never overwrites credentials that somebody replaced meanwhile.

use chrono::TimeDelta;
use sqlx_macros::FromRow;
use syncline_model::{
    Credentials, OAuthTokens, ProviderName, Time,
    mutation::{self, Mutation},
};

use crate::{
    Store, StoreError,
    credentials::CREDENTIALS,
    db::run,
    providers::parse_provider,
    retry::with_retry,
    scans::Scan,
    timestamp::{Timestamp, at},
};

/// A connection's credentials as they are stored now.
#[derive(Debug, Clone)]
pub struct StoredCredentials {
    pub connection_id: String,
    pub provider_id: String,
    pub provider: ProviderName,
    pub credentials: Credentials,
    version: i64,
    sealed: String,
    /// Why the last refresh failed, and when the next one may begin.
    pub failed: Option<FailedRefresh>,
    /// When they have to be refreshed even if nobody uses them.
    pub refresh_due_at: Option<Time>,
}

#[derive(Debug, Clone)]
pub struct FailedRefresh {
    pub reason: String,
    pub retry_at: Time,
}

/// The right to refresh a connection's tokens once.
#[derive(Debug, Clone)]
pub struct RefreshLease {
    connection_id: String,
    version: i64,
    fence: i64,
}

#[derive(FromRow)]
struct StoredRow {
    provider_id: String,
    provider_name: String,
    credentials: String,
    credentials_version: i64,
    refresh_until: Option<Timestamp>,
    refresh_error: Option<String>,
    refresh_due_at: Option<Timestamp>,
}

impl StoredCredentials {
    /// Whether these are the credentials that `other` was read from, or that it was sealed anew
    /// from.
    pub fn is_version_of(&self, other: &Self) -> bool {
        self.version == other.version
    }

    /// Whether they have to be refreshed although nobody uses them, see [`Store::refreshes_due`].
    pub fn is_refresh_due(&self, now: Time, latest: Time) -> bool {
        self.refresh_due_at
            .is_some_and(|due| due <= now || due > latest)
    }
}

impl Scan {
    /// Goes on with newer credentials of its connection.
    pub fn use_credentials(&mut self, stored: StoredCredentials) {
        self.credentials = Ok(stored.credentials);
        self.sealed = stored.sealed;
    }
}

impl Store {
    /// The credentials of a connection; `None` if it was deleted.
    pub async fn stored_credentials(
        &self,
        connection_id: &str,
    ) -> Result<Option<StoredCredentials>, StoreError> {
        const SQL: &str = "
            SELECT provider_id, provider_name, credentials, credentials_version, refresh_until,
                   refresh_error, refresh_due_at
            FROM connections WHERE id = $1";
        let mut reader = self.db.read().await?;
        let row: Option<StoredRow> = run!(reader, |c| sqlx::query_as(SQL)
            .bind(connection_id)
            .fetch_optional(c)
            .await)?;
        let Some(row) = row else { return Ok(None) };
        let failed = row.refresh_error.zip(row.refresh_until);
        Ok(Some(StoredCredentials {
            connection_id: connection_id.to_owned(),
            provider: parse_provider("connections", connection_id, &row.provider_name)?,
            provider_id: row.provider_id,
            credentials: self.open_credentials(connection_id, &row.credentials)?,
            version: row.credentials_version,
            sealed: row.credentials,
            refresh_due_at: row.refresh_due_at.map(Into::into),
            failed: failed.map(|(reason, until)| FailedRefresh {
                reason,
                retry_at: until.into(),
            }),
        }))
    }

    /// Takes the right to refresh these tokens for `length`; `None` if another process has it, a
    /// refresh failed a moment ago, or the tokens were replaced.
    pub async fn lease_refresh(
        &self,
        stored: &StoredCredentials,
        length: TimeDelta,
    ) -> Result<Option<RefreshLease>, StoreError> {
        // A time that is too far ahead was written by a clock that was.
        const SQL: &str = "
            UPDATE connections
            SET refresh_fence = refresh_fence + 1, refresh_until = $4, refresh_error = NULL
            WHERE id = $1 AND credentials_version = $2
              AND (refresh_until IS NULL OR refresh_until <= $3 OR refresh_until > $5)
            RETURNING refresh_fence";
        let now = self.now();
        let latest = if mutation::on(Mutation::TwoRefreshes) {
            now
        } else {
            now + length * 2
        };
        let mut tx = self.db.begin().await?;
        let fence: Option<i64> = run!(tx, |c| sqlx::query_scalar(SQL)
            .bind(&stored.connection_id)
            .bind(stored.version)
            .bind(at(now))
            .bind(at(now + length))
            .bind(at(latest))
            .fetch_optional(c)
            .await)?;
        tx.commit().await?;
        Ok(fence.map(|fence| RefreshLease {
            connection_id: stored.connection_id.clone(),
            version: stored.version,
            fence,
        }))
    }

    /// Stores the tokens that a refresh brought; they have to be refreshed every `keep_alive` even if
    /// nobody uses them. `false` if the credentials were replaced, or the lease expired and another
    /// process has it.
    pub async fn save_tokens(
        &self,
        lease: &RefreshLease,
        tokens: &OAuthTokens,
        keep_alive: TimeDelta,
    ) -> Result<bool, StoreError> {
        with_retry(|| self.save_tokens_once(lease, tokens, keep_alive)).await
    }

    async fn save_tokens_once(
        &self,
        lease: &RefreshLease,
        tokens: &OAuthTokens,
        keep_alive: TimeDelta,
    ) -> Result<bool, StoreError> {
        const SQL: &str = "
            UPDATE connections
            SET credentials = $4, credentials_version = credentials_version + 1,
                refresh_until = NULL, refresh_error = NULL, refresh_due_at = $5
            WHERE id = $1 AND credentials_version = $2 AND refresh_fence = $3";
        let text = Credentials::OAuth(tokens.clone()).to_text();
        let sealed = self.seal(&CREDENTIALS, &lease.connection_id, &text);
        let mut tx = self.db.begin().await?;
        self.forget_callers(&mut tx);
        let saved = run!(tx, |c| sqlx::query(SQL)
            .bind(&lease.connection_id)
            .bind(lease.version)
            .bind(lease.fence)
            .bind(&sealed)
            .bind(self.in_future(Some(keep_alive)))
            .execute(c)
            .await?
            .rows_affected());
        tx.commit().await?;
        Ok(saved == 1)
    }

    /// Notes that a refresh failed, and when the next one may begin.
    pub async fn fail_refresh(
        &self,
        lease: &RefreshLease,
        failed: &FailedRefresh,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE connections
            SET refresh_until = $4, refresh_error = $5,
                refresh_due_at = CASE WHEN refresh_due_at < $4 THEN $4 ELSE refresh_due_at END
            WHERE id = $1 AND credentials_version = $2 AND refresh_fence = $3";
        let mut tx = self.db.begin().await?;
        run!(tx, |c| sqlx::query(SQL)
            .bind(&lease.connection_id)
            .bind(lease.version)
            .bind(lease.fence)
            .bind(at(failed.retry_at))
            .bind(&failed.reason)
            .execute(c)
            .await
            .map(drop))?;
        Ok(tx.commit().await?)
    }

    /// The provider accepts the refresh token no more: somebody has to authorize again. `false` if
    /// the credentials were replaced meanwhile.
    pub async fn note_authorization_lost(&self, lease: &RefreshLease) -> Result<bool, StoreError> {
        const SQL: &str = "
            UPDATE connections
            SET status = 'unauthorized', refresh_until = NULL, refresh_error = NULL,
                refresh_due_at = NULL
            WHERE id = $1 AND credentials_version = $2 AND refresh_fence = $3";
        let mut tx = self.db.begin().await?;
        self.forget_callers(&mut tx);
        let noted = run!(tx, |c| sqlx::query(SQL)
            .bind(&lease.connection_id)
            .bind(lease.version)
            .bind(lease.fence)
            .execute(c)
            .await?
            .rows_affected());
        tx.commit().await?;
        Ok(noted == 1)
    }

    /// Connections whose tokens have to be refreshed although nobody uses them. A time after `latest`
    /// was written by a clock that was ahead, so it is due as well.
    pub async fn refreshes_due(&self, latest: Time, most: i64) -> Result<Vec<String>, StoreError> {
        // Two ranges of the index: an OR would read all of it in order.
        const SQL: &str = "
            SELECT id FROM (
                SELECT id FROM connections
                WHERE refresh_due_at IS NOT NULL AND refresh_due_at <= $1
                ORDER BY refresh_due_at LIMIT $3) due
            UNION ALL SELECT id FROM (
                SELECT id FROM connections
                WHERE refresh_due_at IS NOT NULL AND refresh_due_at > $2
                ORDER BY refresh_due_at LIMIT $3) of_the_future";
        let mut reader = self.db.read().await?;
        Ok(run!(reader, |c| sqlx::query_scalar(SQL)
            .bind(at(self.now()))
            .bind(at(latest))
            .bind(most)
            .fetch_all(c)
            .await)?)
    }
}
