//! Sessions of people in the console. A session acts with the API key that it was begun with, for as
//! long as that key is valid; only a digest of its token is stored.
//!
//! A sign-in link is a token that can be exchanged for a session once.

use sqlx_macros::FromRow;
use syncline_model::{ApiKey, Time};

use crate::{
    Store, StoreError, Tenant,
    api_keys::{KeyRow, key_columns},
    db::run,
    digest::digest,
    tenant::{Scoped, scoped},
    timestamp::{Timestamp, at},
};

/// What a token is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionKind {
    /// It is a browser's cookie.
    Session,
    /// It can be exchanged for a session once.
    Link,
}

impl SessionKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Link => "link",
        }
    }
}

#[derive(FromRow)]
struct SessionRow {
    #[sqlx(flatten)]
    key: KeyRow,
    session_expires_at: Timestamp,
}

impl Tenant {
    /// Begins a session or makes a sign-in link, and returns its token, which is not stored.
    pub async fn begin_session(
        &self,
        api_key_id: &str,
        kind: SessionKind,
        expires_at: Time,
    ) -> Result<String, StoreError> {
        const SQL: Scoped = scoped(
            "INSERT INTO console_sessions
                (application_id, digest, api_key_id, kind, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6)",
        );
        let store = self.store();
        let token = hex::encode(store.ids.bytes::<32>());
        let mut tx = self.begin().await?;
        run!(tx, query(SQL), |q, c| q
            .bind(digest(&token))
            .bind(api_key_id)
            .bind(kind.as_str())
            .bind(at(store.now()))
            .bind(at(expires_at))
            .execute(c)
            .await
            .map(drop))
        .map_err(|error| StoreError::from(error).or_missing("the API key"))?;
        tx.commit().await?;
        Ok(token)
    }
}

impl Store {
    /// The key of a session; `None` if the session or its key is no longer valid.
    pub async fn key_of_session(
        &self,
        token: &str,
    ) -> Result<Option<(Tenant, ApiKey)>, StoreError> {
        const SQL: &str = concat!(
            "SELECT ",
            key_columns!(),
            ", s.expires_at AS session_expires_at
             FROM console_sessions s JOIN api_keys k ON k.id = s.api_key_id
             WHERE s.digest = $1 AND s.kind = 'session'"
        );
        let mut reader = self.db.read().await?;
        let row: Option<SessionRow> = run!(reader, |c| sqlx::query_as(SQL)
            .bind(digest(token))
            .fetch_optional(c)
            .await)?;
        self.valid(row)
    }

    /// Uses a sign-in link up and returns its key.
    pub async fn take_sign_in_link(
        &self,
        token: &str,
    ) -> Result<Option<(Tenant, ApiKey)>, StoreError> {
        const TAKE: &str = "
            DELETE FROM console_sessions WHERE digest = $1 AND kind = 'link'
            RETURNING api_key_id, expires_at";
        const KEY: &str = concat!(
            "SELECT ",
            key_columns!(),
            " FROM api_keys k WHERE k.id = $1"
        );
        let mut tx = self.db.begin().await?;
        let link: Option<(String, Timestamp)> = run!(tx, |c| sqlx::query_as(TAKE)
            .bind(digest(token))
            .fetch_optional(c)
            .await)?;
        let row: Option<KeyRow> = match &link {
            Some((id, _)) => run!(tx, |c| sqlx::query_as(KEY).bind(id).fetch_optional(c).await)?,
            None => None,
        };
        tx.commit().await?;
        let row = row
            .zip(link)
            .map(|(key, (_, session_expires_at))| SessionRow {
                key,
                session_expires_at,
            });
        self.valid(row)
    }

    /// Does nothing if there is no such session.
    pub async fn end_session(&self, token: &str) -> Result<(), StoreError> {
        const SQL: &str = "DELETE FROM console_sessions WHERE digest = $1";
        let mut tx = self.db.begin().await?;
        run!(tx, |c| sqlx::query(SQL)
            .bind(digest(token))
            .execute(c)
            .await
            .map(drop))?;
        Ok(tx.commit().await?)
    }

    fn valid(&self, row: Option<SessionRow>) -> Result<Option<(Tenant, ApiKey)>, StoreError> {
        let now = self.now();
        let Some(row) = row.filter(|row| now < row.session_expires_at.0) else {
            return Ok(None);
        };
        let key = ApiKey::try_from(row.key)?;
        let key = Some(key).filter(|key| key.is_valid(now));
        Ok(key.map(|key| (self.tenant(&key.application_id), key)))
    }
}
