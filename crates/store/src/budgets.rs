//! What provider accounts may still spend: one row per account, shared by every process.
//!
//! The arithmetic is `model::Budget`'s; this file only makes it atomic. A budget is written over the
//! version that it was made of, so of two writers one reads again. A version is a random number: one
//! that counts would come again after a failover that lost some, and its writer would overwrite what
//! it never saw. A worker carries the version that it wrote last, and so most changes are one
//! statement. Records are reserved before the request
//! and settled in the transaction of the page that brought them; a reservation that nobody settles
//! counts in full.

use chrono::TimeDelta;
use sqlx::types::Json;
use sqlx_macros::FromRow;
use syncline_model::{
    Budget, RequestWindow, Time, VolumeLimits, WindowUsage,
    budget::{Ask, Refusal},
    mutation::{self, Mutation},
};

use crate::{
    Store, StoreError,
    connections::Account,
    db::{Tx, run},
};

/// A request that somebody wants to send.
#[derive(Debug, Clone)]
pub struct RequestAsk<'a> {
    pub endpoint: &'a str,
    /// The most records that its answer may have.
    pub records: i64,
    pub limits: VolumeLimits,
    /// A person or a program waits for it; it may use the share that syncs leave.
    pub interactive: bool,
    /// The longest that it can take.
    pub answer_within: TimeDelta,
}

/// The right to send one request.
#[derive(Debug, Clone)]
pub struct Permit {
    id: String,
    /// It must be sent before this; later its answer might come after the time it was reserved for.
    pub send_by: Time,
    budget: Versioned,
}

#[derive(Debug, Clone)]
pub enum Grant {
    Permit(Permit),
    Refused(Refusal),
}

/// What became of a permit.
#[derive(Debug, Clone)]
pub struct Spending<'a> {
    pub permit: Permit,
    /// Records in the answer; `None` when nobody knows how many the provider sent.
    pub records: Option<i64>,
    /// When the answer came.
    pub at: Time,
    pub endpoint: &'a str,
    /// What it said of the request windows.
    pub usage: &'a [WindowUsage],
    /// A 429: which window, and when to ask again.
    pub refused: Option<(RequestWindow, Time)>,
}

/// What an answer told of its endpoint's request windows.
#[derive(Debug, Clone)]
pub struct RateLimitUpdate {
    pub endpoint: String,
    pub usage: Vec<WindowUsage>,
    pub at: Time,
    /// A 429: which window, and when to ask again.
    pub refused: Option<(RequestWindow, Time)>,
}

/// A budget as it was in this version of its row.
#[derive(Debug, Clone, FromRow)]
struct Versioned {
    #[sqlx(rename = "id")]
    account_id: String,
    version: i64,
    budget: Json<Budget>,
    moved_to: Option<String>,
}

const READ: &str = "SELECT id, version, budget, moved_to FROM provider_accounts WHERE id = $1";

/// How long a permit may lie before its request leaves.
const SEND_WITHIN: TimeDelta = TimeDelta::seconds(10);

impl Store {
    /// Reserves for one request, or says when to ask again.
    pub async fn reserve(
        &self,
        account_id: &str,
        ask: &RequestAsk<'_>,
    ) -> Result<Grant, StoreError> {
        let mut tx = self.db.begin().await?;
        let grant = self.reserve_in(&mut tx, account_id, ask).await?;
        tx.commit().await?;
        Ok(grant)
    }

    /// Counts what a request brought, outside of any page: it failed, or its page can't commit.
    pub async fn settle(&self, spending: &Spending<'_>) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        self.settle_in(&mut tx, spending, None).await?;
        Ok(tx.commit().await?)
    }

    /// Takes in what answers told of the request windows, and gives back what is known now.
    pub async fn learn(
        &self,
        account_id: &str,
        updates: &[RateLimitUpdate],
    ) -> Result<Budget, StoreError> {
        let mut tx = self.db.begin().await?;
        loop {
            let mut changed = self.read_budget(&mut tx, account_id).await?;
            let budget = &mut changed.budget.0;
            budget.take_back(self.now());
            for update in updates {
                budget.learn(&update.endpoint, &update.usage, update.at);
                if let Some((window, until)) = update.refused {
                    budget.refused(&update.endpoint, window, until, update.at);
                }
            }
            if self.write_budget(&mut tx, &mut changed).await? {
                tx.commit().await?;
                return Ok(changed.budget.0);
            }
        }
    }

    /// The account's budget as it is now.
    pub async fn budget(&self, account_id: &str) -> Result<Budget, StoreError> {
        let mut id = account_id.to_owned();
        let mut reader = self.db.read().await?;
        loop {
            let row: Option<Versioned> = run!(reader, |c| sqlx::query_as(READ)
                .bind(&id)
                .fetch_optional(c)
                .await)?;
            match row {
                Some(Versioned {
                    moved_to: Some(moved_to),
                    ..
                }) => id = moved_to,
                row => {
                    let mut budget = row.map(|row| row.budget.0).unwrap_or_default();
                    budget.take_back(self.now());
                    return Ok(budget);
                }
            }
        }
    }

    /// Counts what a request brought, and reserves for the next one where one is asked for. Comes
    /// last in a transaction: it holds the account's row, which other scans need too.
    pub(crate) async fn settle_in(
        &self,
        tx: &mut Tx,
        spending: &Spending<'_>,
        next: Option<&RequestAsk<'_>>,
    ) -> Result<Option<Grant>, StoreError> {
        let Spending { permit, .. } = spending;
        let mut known = Some(permit.budget.clone());
        loop {
            let mut changed = match known.take() {
                Some(known) => known,
                None => self.read_budget(tx, &permit.budget.account_id).await?,
            };
            changed.budget.0.take_back(self.now());
            take_in(&mut changed.budget.0, spending);
            let reserved = next.map(|ask| self.try_reserve(&mut changed.budget.0, ask));
            if self.write_budget(tx, &mut changed).await? {
                return Ok(reserved.map(|reserved| self.granted(reserved, changed)));
            }
        }
    }

    async fn reserve_in(
        &self,
        tx: &mut Tx,
        account_id: &str,
        ask: &RequestAsk<'_>,
    ) -> Result<Grant, StoreError> {
        loop {
            let mut changed = self.read_budget(tx, account_id).await?;
            let taken_back = changed.budget.0.take_back(self.now());
            let reserved = self.try_reserve(&mut changed.budget.0, ask);
            let is_as_it_was = reserved.is_err() && !taken_back;
            if is_as_it_was || self.write_budget(tx, &mut changed).await? {
                return Ok(self.granted(reserved, changed));
            }
        }
    }

    fn try_reserve(&self, budget: &mut Budget, ask: &RequestAsk<'_>) -> Result<String, Refusal> {
        let id = self.new_id();
        budget
            .reserve(
                &Ask {
                    id: &id,
                    endpoint: ask.endpoint,
                    records: ask.records,
                    limits: &ask.limits,
                    interactive: ask.interactive,
                    answer_within: SEND_WITHIN + ask.answer_within,
                },
                self.now(),
            )
            .map(|()| id)
    }

    fn granted(&self, reserved: Result<String, Refusal>, budget: Versioned) -> Grant {
        match reserved {
            Ok(id) => Grant::Permit(Permit {
                id,
                send_by: self.now() + SEND_WITHIN,
                budget,
            }),
            Err(refusal) => Grant::Refused(refusal),
        }
    }

    /// The account's row, or that of the account it turned out to be. Makes it where it is missing,
    /// so that whoever writes it next writes over a version.
    async fn read_budget(&self, tx: &mut Tx, account_id: &str) -> Result<Versioned, StoreError> {
        const MAKE: &str = "
            INSERT INTO provider_accounts (id, version, budget) VALUES ($1, 0, $2)
            ON CONFLICT (id) DO NOTHING";
        let mut id = account_id.to_owned();
        loop {
            let row: Option<Versioned> = run!(tx, |c| sqlx::query_as(READ)
                .bind(&id)
                .fetch_optional(c)
                .await)?;
            match row {
                Some(Versioned {
                    moved_to: Some(moved_to),
                    ..
                }) => id = moved_to,
                Some(row) => return Ok(row),
                None => {
                    run!(tx, |c| sqlx::query(MAKE)
                        .bind(&id)
                        .bind(Json(Budget::default()))
                        .execute(c)
                        .await
                        .map(drop))?;
                }
            }
        }
    }

    /// `false` when somebody else wrote it meanwhile.
    async fn write_budget(&self, tx: &mut Tx, changed: &mut Versioned) -> Result<bool, StoreError> {
        const SQL: &str = "
            UPDATE provider_accounts SET budget = $3, version = $4
            WHERE id = $1 AND version = $2 AND moved_to IS NULL";
        // Whatever version it has.
        const UNCOMPARED: &str = "
            UPDATE provider_accounts SET budget = $3, version = $4
            WHERE id = $1 AND ($2 = $2) AND moved_to IS NULL";
        let sql = if mutation::on(Mutation::BudgetNotCompared) {
            UNCOMPARED
        } else {
            SQL
        };
        let version = i64::from_be_bytes(self.ids.bytes());
        let written = run!(tx, |c| sqlx::query(sql)
            .bind(&changed.account_id)
            .bind(changed.version)
            .bind(&changed.budget)
            .bind(version)
            .execute(c)
            .await?
            .rows_affected());
        changed.version = version;
        Ok(written == 1)
    }

    /// Two names turned out to be one account: everybody who draws from the one goes on with the
    /// other, and what both spent counts together. Who still knows the old name is led on.
    pub(crate) async fn merge_accounts(
        &self,
        tx: &mut Tx,
        old: &str,
        account_id: &str,
    ) -> Result<(), StoreError> {
        const MOVE: &str = "
            UPDATE connections SET account_id = $2, account_known = true WHERE account_id = $1";
        const FORWARD: &str = "
            UPDATE provider_accounts SET moved_to = $2 WHERE id = $1";
        run!(tx, |c| sqlx::query(MOVE)
            .bind(old)
            .bind(account_id)
            .execute(c)
            .await
            .map(drop))?;
        let (spent, mut account) = self.lock_budgets(tx, old, account_id).await?;
        if spent.account_id == account.account_id {
            return Ok(());
        }
        account.budget.0.merge(spent.budget.0);
        self.write_budget(tx, &mut account).await?;
        run!(tx, |c| sqlx::query(FORWARD)
            .bind(&spent.account_id)
            .bind(&account.account_id)
            .execute(c)
            .await
            .map(drop))?;
        Ok(())
    }

    /// A connection got credentials of another account. What it can have spent with the old ones
    /// counts there too, so that new credentials don't start afresh.
    pub(crate) async fn change_account(
        &self,
        tx: &mut Tx,
        connection_id: &str,
        account: &Account<'_>,
    ) -> Result<(), StoreError> {
        const OLD: &str = "SELECT account_id FROM connections WHERE id = $1";
        const MOVE: &str = "
            UPDATE connections SET account_id = $2, account_known = $3 WHERE id = $1";
        let old: Option<String> = run!(tx, |c| sqlx::query_scalar(OLD)
            .bind(connection_id)
            .fetch_optional(c)
            .await)?;
        run!(tx, |c| sqlx::query(MOVE)
            .bind(connection_id)
            .bind(account.id)
            .bind(account.known)
            .execute(c)
            .await
            .map(drop))?;
        if let Some(old) = old.filter(|old| old != account.id) {
            let (spent, mut current) = self.lock_budgets(tx, &old, account.id).await?;
            if spent.account_id != current.account_id {
                current.budget.0.inherit(&spent.budget.0);
                self.write_budget(tx, &mut current).await?;
            }
        }
        self.learn_of_key(tx, account).await
    }

    /// As soon as a key's team is known, what was spent in the key's own name is the team's.
    pub(crate) async fn learn_of_key(
        &self,
        tx: &mut Tx,
        account: &Account<'_>,
    ) -> Result<(), StoreError> {
        if account.known && account.key != account.id {
            self.merge_accounts(tx, account.key, account.id).await?;
        }
        Ok(())
    }

    /// Both budgets, locked in the order of their names, so that two such pairs can't wait for each
    /// other.
    async fn lock_budgets(
        &self,
        tx: &mut Tx,
        one: &str,
        other: &str,
    ) -> Result<(Versioned, Versioned), StoreError> {
        self.lock_budget(tx, one.min(other)).await?;
        self.lock_budget(tx, one.max(other)).await?;
        Ok((
            self.read_budget(tx, one).await?,
            self.read_budget(tx, other).await?,
        ))
    }

    async fn lock_budget(&self, tx: &mut Tx, account_id: &str) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE provider_accounts SET version = version WHERE id = $1";
        self.read_budget(tx, account_id).await?;
        run!(tx, |c| sqlx::query(SQL)
            .bind(account_id)
            .execute(c)
            .await
            .map(drop))?;
        Ok(())
    }
}

fn take_in(budget: &mut Budget, spending: &Spending<'_>) {
    if let Some(records) = spending.records {
        budget.settle(&spending.permit.id, records, spending.at);
    }
    budget.learn(spending.endpoint, spending.usage, spending.at);
    if let Some((window, until)) = spending.refused {
        budget.refused(spending.endpoint, window, until, spending.at);
    }
}
