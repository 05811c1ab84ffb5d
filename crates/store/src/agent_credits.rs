//! The credits that agents spend: reserved before a call, and settled by what it cost. A reservation that
//! nobody settles counts in full, as with records.

use chrono::TimeDelta;
use syncline_model::{ApiKey, Time};

use crate::{
    Connection, Store, StoreError, Tenant,
    db::run,
    retry::with_retry,
    tenant::{Scoped, scoped},
    timestamp::{Timestamp, at},
};

const DAY: TimeDelta = TimeDelta::hours(24);

/// Credits that are counted for a call.
#[derive(Debug)]
pub struct CreditReservation {
    id: String,
}

/// The ceiling of an agent's credits doesn't leave enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CreditsUsedUp {
    pub spent: u32,
    pub most: u32,
    /// When credits that were spent stop counting; `None` if there never is room for so many.
    pub until: Option<Time>,
}

impl Tenant {
    /// Counts the most that a call may cost, if the agent's ceiling for 24 hours has room for it.
    pub async fn reserve_credits(
        &self,
        agent: &ApiKey,
        connection: &Connection,
        credits: u32,
        per_day: Option<u32>,
    ) -> Result<Result<CreditReservation, CreditsUsedUp>, StoreError> {
        with_retry(|| self.reserve_credits_once(agent, connection, credits, per_day)).await
    }

    async fn reserve_credits_once(
        &self,
        agent: &ApiKey,
        connection: &Connection,
        credits: u32,
        per_day: Option<u32>,
    ) -> Result<Result<CreditReservation, CreditsUsedUp>, StoreError> {
        const SPENT: Scoped = scoped(
            "SELECT CAST(COALESCE(SUM(credits), 0) AS bigint) FROM agent_credits
             WHERE application_id = $1 AND api_key_id = $2 AND reserved_at > $3",
        );
        const OLDEST: Scoped = scoped(
            "SELECT MIN(reserved_at) FROM agent_credits
             WHERE application_id = $1 AND api_key_id = $2 AND reserved_at > $3 AND credits > 0",
        );
        const RESERVE: Scoped = scoped(
            "INSERT INTO agent_credits
                (application_id, id, api_key_id, connection_id, reserved_at, credits, settled)
             VALUES ($1, $2, $3, $4, $5, $6, FALSE)",
        );
        let (id, now) = (self.store().new_id(), self.store().now());
        let mut tx = self.begin().await?;
        self.lock_api_key(&mut tx, &agent.id).await?;
        let spent: i64 = run!(tx, query_scalar(SPENT), |q, c| q
            .bind(&agent.id)
            .bind(at(now - DAY))
            .fetch_one(c)
            .await)?;
        let spent = u32::try_from(spent).unwrap_or(u32::MAX);
        if let Some(most) = per_day
            && spent.saturating_add(credits) > most
        {
            let oldest: Option<Timestamp> = run!(tx, query_scalar(OLDEST), |q, c| q
                .bind(&agent.id)
                .bind(at(now - DAY))
                .fetch_one(c)
                .await)?;
            let until = oldest.map(|at| at.0 + DAY).filter(|_| credits <= most);
            return Ok(Err(CreditsUsedUp { spent, most, until }));
        }
        run!(tx, query(RESERVE), |q, c| q
            .bind(&id)
            .bind(&agent.id)
            .bind(&connection.id)
            .bind(at(now))
            .bind(i64::from(credits))
            .execute(c)
            .await
            .map(drop))?;
        tx.commit().await?;
        Ok(Ok(CreditReservation { id }))
    }
}

impl Store {
    /// Replaces what was reserved by what was spent.
    pub async fn settle_credits(
        &self,
        reservation: &CreditReservation,
        spent: u32,
    ) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE agent_credits SET credits = $2, settled = TRUE WHERE id = $1";
        with_retry(|| async {
            let mut tx = self.db.begin().await?;
            run!(tx, |c| sqlx::query(SQL)
                .bind(&reservation.id)
                .bind(i64::from(spent))
                .execute(c)
                .await
                .map(drop))?;
            Ok(tx.commit().await?)
        })
        .await
    }
}
