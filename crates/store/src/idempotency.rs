//! Stored responses for idempotency keys: a write that is repeated with the same key is carried out
//! once.
//!
//! The key is stored before the write, and its response afterwards. If the process dies in between,
//! the key stays without a response until it expires: it is unknown whether the write was carried
//! out, and it must not be carried out twice.

use chrono::TimeDelta;
use sqlx_macros::FromRow;

use crate::{Connection, Store, StoreError, db::run, timestamp::at};

/// A request with an idempotency key.
#[derive(Debug, Clone, Copy)]
pub struct IdempotentRequest<'a> {
    pub key: &'a str,
    /// A hash over everything that identifies the request.
    pub request_hash: &'a str,
}

/// The stored response to the first request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredResponse {
    pub status: u16,
    pub body: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdempotencyClaim {
    /// The key is new: carry the request out.
    New,
    /// It was carried out already.
    Completed(StoredResponse),
    /// It is being carried out, or it is unknown whether it was.
    InProgress,
    /// The key was used for a different request.
    KeyReused,
}

#[derive(FromRow)]
struct KeyRow {
    request_hash: String,
    status: Option<i64>,
    body: Option<String>,
}

impl Store {
    /// Stores the key for that time, or returns the state of the earlier request with the same key.
    pub async fn begin_idempotent(
        &self,
        connection: &Connection,
        request: IdempotentRequest<'_>,
        for_time: TimeDelta,
    ) -> Result<IdempotencyClaim, StoreError> {
        // Other expired keys are deleted by maintenance.
        const FORGET: &str = "
            DELETE FROM idempotency_keys
            WHERE connection_id = $1 AND idempotency_key = $2 AND expires_at <= $3";
        const TAKE: &str = "
            INSERT INTO idempotency_keys
                (connection_id, idempotency_key, request_hash, expires_at)
            VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
        const READ: &str = "
            SELECT request_hash, status, body FROM idempotency_keys
            WHERE connection_id = $1 AND idempotency_key = $2";
        let now = self.now();
        let mut tx = self.db.begin().await?;
        run!(tx, |c| sqlx::query(FORGET)
            .bind(&connection.id)
            .bind(request.key)
            .bind(at(now))
            .execute(c)
            .await
            .map(drop))?;
        let taken = run!(tx, |c| sqlx::query(TAKE)
            .bind(&connection.id)
            .bind(request.key)
            .bind(request.request_hash)
            .bind(at(now + for_time))
            .execute(c)
            .await?
            .rows_affected());
        let known: Option<KeyRow> = match taken {
            0 => run!(tx, |c| sqlx::query_as(READ)
                .bind(&connection.id)
                .bind(request.key)
                .fetch_optional(c)
                .await)?,
            _ => None,
        };
        tx.commit().await?;
        Ok(match known {
            None if taken == 0 => IdempotencyClaim::InProgress,
            None => IdempotencyClaim::New,
            Some(row) if row.request_hash != request.request_hash => IdempotencyClaim::KeyReused,
            Some(row) => match (row.status.and_then(|it| u16::try_from(it).ok()), row.body) {
                (Some(status), Some(body)) => {
                    IdempotencyClaim::Completed(StoredResponse { status, body })
                }
                _ => IdempotencyClaim::InProgress,
            },
        })
    }

    /// Stores the response for that time.
    pub async fn keep_answer(
        &self,
        connection: &Connection,
        key: &str,
        answer: &StoredResponse,
        for_time: TimeDelta,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE idempotency_keys SET status = $3, body = $4, expires_at = $5
            WHERE connection_id = $1 AND idempotency_key = $2";
        let until = self.now() + for_time;
        let mut tx = self.db.begin().await?;
        run!(tx, |c| sqlx::query(SQL)
            .bind(&connection.id)
            .bind(key)
            .bind(i64::from(answer.status))
            .bind(&answer.body)
            .bind(at(until))
            .execute(c)
            .await
            .map(drop))?;
        Ok(tx.commit().await?)
    }

    /// Deletes the key, because nothing was carried out.
    pub async fn release_repeatable(
        &self,
        connection: &Connection,
        key: &str,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            DELETE FROM idempotency_keys
            WHERE connection_id = $1 AND idempotency_key = $2 AND status IS NULL";
        let mut tx = self.db.begin().await?;
        run!(tx, |c| sqlx::query(SQL)
            .bind(&connection.id)
            .bind(key)
            .execute(c)
            .await
            .map(drop))?;
        Ok(tx.commit().await?)
    }
}
