//! What may be spent with a key in 24 hours. What is reserved counts in full until it is settled.

use std::collections::HashMap;

use chrono::TimeDelta;
use syncline_model::Time;

use crate::{
    ConnectionKey, Store, StoreError,
    db::{Tx, run},
    retry::with_retry,
    timestamp::{Timestamp, at},
};

const DAY: TimeDelta = TimeDelta::hours(24);

/// What a key may still spend today.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyCreditsLeft {
    pub credits: i64,
    /// When some of what was spent stops counting.
    pub until: Time,
}

/// Credits of a key that are counted for a caller's request.
#[derive(Debug)]
pub struct KeyReservation {
    /// `None`: the key has no ceiling.
    batch_id: Option<String>,
}

impl Store {
    /// What may still be spent today with each of a connection's keys that has a ceiling, by its id.
    pub async fn credits_left_by_key(
        &self,
        connection_id: &str,
    ) -> Result<HashMap<String, i64>, StoreError> {
        const SQL: &str = "
            SELECT id, max_credits_per_day - (
                SELECT CAST(COALESCE(SUM(credits_spent + credits_reserved), 0) AS bigint)
                FROM enrichment_batches WHERE key_id = connection_keys.id AND sent_at > $2)
            FROM connection_keys WHERE connection_id = $1 AND max_credits_per_day IS NOT NULL";
        let since = self.now() - DAY;
        let mut reader = self.db.read().await?;
        let left: Vec<(String, i64)> = run!(reader, |c| sqlx::query_as(SQL)
            .bind(connection_id)
            .bind(at(since))
            .fetch_all(c)
            .await)?;
        Ok(left.into_iter().collect())
    }

    /// What a key with this ceiling may still spend. Locks the key's row until the transaction ends, so
    /// that two requests don't count on the same credits.
    pub(crate) async fn key_credits_left(
        &self,
        tx: &mut Tx,
        key_id: &str,
        per_day: i64,
    ) -> Result<KeyCreditsLeft, StoreError> {
        const LOCK: &str = "UPDATE connection_keys SET label = label WHERE id = $1";
        const SPENT: &str = "
            SELECT CAST(COALESCE(SUM(credits_spent + credits_reserved), 0) AS bigint), MIN(sent_at)
            FROM enrichment_batches WHERE key_id = $1 AND sent_at > $2";
        run!(tx, |c| sqlx::query(LOCK)
            .bind(key_id)
            .execute(c)
            .await
            .map(drop))?;
        let now = self.now();
        let (spent, oldest): (i64, Option<Timestamp>) = run!(tx, |c| sqlx::query_as(SPENT)
            .bind(key_id)
            .bind(at(now - DAY))
            .fetch_one(c)
            .await)?;
        Ok(KeyCreditsLeft {
            credits: per_day - spent,
            until: oldest.map_or(now, |oldest| oldest.0) + DAY,
        })
    }

    /// Counts the most that a caller's request may cost, if the key's ceiling has room for it.
    pub async fn reserve_key_credits(
        &self,
        application_id: &str,
        key: &ConnectionKey,
        credits: i64,
    ) -> Result<Result<KeyReservation, KeyCreditsLeft>, StoreError> {
        const SQL: &str = "
            INSERT INTO enrichment_batches (id, application_id, key_id, state, fence, sent_at,
                credits_spent, credits_reserved)
            VALUES ($1, $2, $3, 'answered', 0, $4, 0, $5)";
        let Some(per_day) = key.max_credits_per_day else {
            return Ok(Ok(KeyReservation { batch_id: None }));
        };
        with_retry(|| async {
            let (id, now) = (self.new_id(), self.now());
            let mut tx = self.db.begin().await?;
            let left = self.key_credits_left(&mut tx, &key.id, per_day).await?;
            if left.credits < credits {
                return Ok(Err(left));
            }
            run!(tx, |c| sqlx::query(SQL)
                .bind(&id)
                .bind(application_id)
                .bind(&key.id)
                .bind(at(now))
                .bind(credits)
                .execute(c)
                .await
                .map(drop))?;
            tx.commit().await?;
            let batch_id = Some(id);
            Ok(Ok(KeyReservation { batch_id }))
        })
        .await
    }

    /// Replaces what was reserved by what was spent.
    pub async fn settle_key_credits(
        &self,
        reservation: &KeyReservation,
        spent: i64,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE enrichment_batches SET credits_spent = $2, credits_reserved = 0 WHERE id = $1";
        let Some(id) = &reservation.batch_id else {
            return Ok(());
        };
        with_retry(|| async {
            let mut tx = self.db.begin().await?;
            run!(tx, |c| sqlx::query(SQL)
                .bind(id)
                .bind(spent)
                .execute(c)
                .await
                .map(drop))?;
            Ok(tx.commit().await?)
        })
        .await
    }
}
