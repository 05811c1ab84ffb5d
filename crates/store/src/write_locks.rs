//! Locks for upserts that search first: two callers that upsert the same record take turns, across
//! all processes.
//!
//! A lock is a row with an expiry, not a database lock: it is held during requests to the provider,
//! and no transaction should stay open that long. It also passes on the id that its last holder
//! wrote, because the provider's search may not show that record yet.

use chrono::TimeDelta;
use sqlx_macros::FromRow;
use syncline_model::CLOCKS_DIFFER_BY;

use crate::{Connection, Store, StoreError, db::run, records::INDEX_LAG, timestamp::at};

/// A held lock; it is released automatically when it expires.
#[derive(Debug, FromRow)]
pub struct WriteLock {
    connection_id: String,
    name: String,
    owner: String,
    /// The record that was last written under this lock, within the last two minutes.
    pub record_id: Option<String>,
}

impl Store {
    /// `None` while another caller holds it.
    pub async fn lock_write(
        &self,
        connection: &Connection,
        name: &str,
        expires_in: TimeDelta,
    ) -> Result<Option<WriteLock>, StoreError> {
        // Other unused locks are deleted by maintenance.
        const FORGET: &str = "
            DELETE FROM write_locks
            WHERE connection_id = $1 AND name = $2 AND forgotten_at <= $3";
        const TAKE: &str = "
            INSERT INTO write_locks (connection_id, name, owner, expires_at, forgotten_at)
            VALUES ($1, $2, $3, $4, $4)
            ON CONFLICT (connection_id, name) DO UPDATE
            SET owner = excluded.owner, expires_at = excluded.expires_at,
                forgotten_at = excluded.forgotten_at
            WHERE write_locks.expires_at <= $5 OR write_locks.expires_at > $6
            RETURNING connection_id, name, owner, record_id";
        let now = self.now();
        let owner = self.new_id();
        let mut tx = self.db.begin().await?;
        run!(tx, |c| sqlx::query(FORGET)
            .bind(&connection.id)
            .bind(name)
            .bind(at(now))
            .execute(c)
            .await
            .map(drop))?;
        let lock = run!(tx, |c| sqlx::query_as(TAKE)
            .bind(&connection.id)
            .bind(name)
            .bind(&owner)
            .bind(at(now + expires_in))
            .bind(at(now))
            // A lock that ends later than this was made by a clock that was ahead.
            .bind(at(now + expires_in + CLOCKS_DIFFER_BY))
            .fetch_optional(c)
            .await)?;
        tx.commit().await?;
        Ok(lock)
    }

    /// Releases the lock, and stores which record was written.
    pub async fn unlock_write(
        &self,
        lock: WriteLock,
        record_id: Option<&str>,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE write_locks SET expires_at = $4, record_id = $5, forgotten_at = $6
            WHERE connection_id = $1 AND name = $2 AND owner = $3";
        let now = self.now();
        let mut tx = self.db.begin().await?;
        run!(tx, |c| sqlx::query(SQL)
            .bind(&lock.connection_id)
            .bind(&lock.name)
            .bind(&lock.owner)
            .bind(at(now))
            .bind(record_id.or(lock.record_id.as_deref()))
            .bind(at(now + INDEX_LAG))
            .execute(c)
            .await
            .map(drop))?;
        Ok(tx.commit().await?)
    }
}
