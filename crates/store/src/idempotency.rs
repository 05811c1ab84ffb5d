//! Answers that are given again: a write that is repeated with the same idempotency key is carried
//! out once.
//!
//! The key is taken before the write and gets its answer afterwards. A process that dies in between
//! leaves it taken and without an answer, for as long as answers are kept: nobody knows whether the
//! write was carried out, and it must not be carried out twice.

use chrono::TimeDelta;
use sqlx_macros::FromRow;

use crate::{Connection, Store, StoreError, db::run, timestamp::at};

/// A request that may come again.
#[derive(Debug, Clone, Copy)]
pub struct Repeatable<'a> {
    pub key: &'a str,
    /// Over everything that makes it this request.
    pub request_hash: &'a str,
}

/// An answer as it was given the first time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    pub status: u16,
    pub body: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// Nobody has sent it before: carry it out.
    First,
    /// It was carried out.
    Again(Kept),
    /// It is being carried out, or nobody is left to say whether it was.
    Unanswered,
    /// The key belongs to another request.
    OfAnother,
}

#[derive(FromRow)]
struct KeyRow {
    request_hash: String,
    status: Option<i64>,
    body: Option<String>,
}

impl Store {
    /// Takes the key for that time, or tells what became of the request that has it.
    pub async fn begin_repeatable(
        &self,
        connection: &Connection,
        request: Repeatable<'_>,
        for_time: TimeDelta,
    ) -> Result<Begun, StoreError> {
        // The others that have expired are maintenance's.
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
            None if taken == 0 => Begun::Unanswered,
            None => Begun::First,
            Some(row) if row.request_hash != request.request_hash => Begun::OfAnother,
            Some(row) => match (row.status.and_then(|it| u16::try_from(it).ok()), row.body) {
                (Some(status), Some(body)) => Begun::Again(Kept { status, body }),
                _ => Begun::Unanswered,
            },
        })
    }

    /// Keeps the answer for that time.
    pub async fn keep_answer(
        &self,
        connection: &Connection,
        key: &str,
        answer: &Kept,
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

    /// Gives the key back: nothing was carried out.
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
