//! What provider accounts may still spend: one row per account, shared by all processes.
//!
//! The arithmetic is `model::Budget`'s; this file makes it atomic. A budget is written by
//! compare-and-swap on its version, so that of two concurrent writers one retries. A version is a
//! random number: a counter could repeat after a failover that lost some writes, and a writer could
//! overwrite a change that it never saw. A worker keeps the version that it wrote last, so most
//! changes are one statement. Records are reserved before the request and settled in the
//! transaction of the page that brought them; an unsettled reservation counts in full.

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

/// A request that is to be sent.
#[derive(Debug, Clone)]
pub struct PermitRequest<'a> {
    pub endpoint: &'a str,
    /// The most records that its response can bring.
    pub records: i64,
    /// What it takes of its endpoint's request windows.
    pub cost: i64,
    pub limits: VolumeLimits,
    /// A person or a program waits for it, so it may use the share that syncs leave free.
    pub interactive: bool,
    /// The longest that it can take.
    pub answer_within: TimeDelta,
}

/// Permission to send one request.
#[derive(Debug, Clone)]
pub struct Permit {
    id: String,
    /// The request must be sent before this, or its response might come later than reserved for.
    pub send_by: Time,
    budget: Versioned,
}

impl Permit {
    /// The same permit with what another one, which was reserved later, knows of the budget: it is
    /// settled in one statement, and not after a comparison that fails.
    #[must_use]
    pub fn known_since(self, later: &Self) -> Self {
        if self.budget.account_id != later.budget.account_id {
            return self;
        }
        Self {
            budget: later.budget.clone(),
            ..self
        }
    }
}

#[derive(Debug, Clone)]
pub enum PermitDecision {
    Permit(Permit),
    Refused(Refusal),
}

/// What became of a request with a permit.
#[derive(Debug, Clone)]
pub struct Spending<'a> {
    pub permit: Permit,
    /// Records in the response; `None` if it is unknown how many the provider sent.
    pub records: Option<i64>,
    /// When the response came.
    pub at: Time,
    pub endpoint: &'a str,
    /// What the response said of the request windows.
    pub usage: &'a [WindowUsage],
    /// A 429: the window, and when to retry.
    pub refused: Option<(RequestWindow, Time)>,
}

/// What a response said of its endpoint's request windows.
#[derive(Debug, Clone)]
pub struct RateLimitUpdate {
    pub endpoint: String,
    pub usage: Vec<WindowUsage>,
    pub at: Time,
    /// A 429: the window, and when to retry.
    pub refused: Option<(RequestWindow, Time)>,
}

/// A budget and the version of its row that it was read from.
#[derive(Debug, Clone, FromRow)]
struct Versioned {
    #[sqlx(rename = "id")]
    account_id: String,
    version: i64,
    budget: Json<Budget>,
    moved_to: Option<String>,
}

const READ: &str = "SELECT id, version, budget, moved_to FROM provider_accounts WHERE id = $1";

/// How long a request may be delayed after its permit.
const SEND_WITHIN: TimeDelta = TimeDelta::seconds(10);

impl Store {
    /// Reserves for one request, or returns when to retry.
    pub async fn reserve(
        &self,
        account_id: &str,
        ask: &PermitRequest<'_>,
    ) -> Result<PermitDecision, StoreError> {
        let mut tx = self.db.begin().await?;
        let decision = self.reserve_in(&mut tx, account_id, ask).await?;
        tx.commit().await?;
        Ok(decision)
    }

    /// Settles a request outside of a page's transaction: it failed, or its page can't be
    /// committed.
    pub async fn settle(&self, spending: &Spending<'_>) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        self.settle_in(&mut tx, spending, None).await?;
        Ok(tx.commit().await?)
    }

    /// Takes in what responses said of the request windows, and returns the resulting budget.
    pub async fn learn(
        &self,
        account_id: &str,
        updates: &[RateLimitUpdate],
    ) -> Result<Budget, StoreError> {
        let mut tx = self.db.begin().await?;
        loop {
            let mut changed = self.read_budget(&mut tx, account_id).await?;
            let budget = &mut changed.budget.0;
            budget.clamp_future(self.now());
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

    /// The account's current budget.
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
                    budget.clamp_future(self.now());
                    return Ok(budget);
                }
            }
        }
    }

    /// Settles a request, and reserves for the next one if there is one. Must come last in a
    /// transaction: it locks the account's row, which other scans need too.
    pub(crate) async fn settle_in(
        &self,
        tx: &mut Tx,
        spending: &Spending<'_>,
        next: Option<&PermitRequest<'_>>,
    ) -> Result<Option<PermitDecision>, StoreError> {
        let Spending { permit, .. } = spending;
        let mut known = Some(permit.budget.clone());
        loop {
            let mut changed = match known.take() {
                Some(known) => known,
                None => self.read_budget(tx, &permit.budget.account_id).await?,
            };
            changed.budget.0.clamp_future(self.now());
            take_in(&mut changed.budget.0, spending);
            let reserved = next.map(|ask| self.try_reserve(&mut changed.budget.0, ask));
            if self.write_budget(tx, &mut changed).await? {
                return Ok(reserved.map(|reserved| self.decision(reserved, changed)));
            }
        }
    }

    pub(crate) async fn reserve_in(
        &self,
        tx: &mut Tx,
        account_id: &str,
        ask: &PermitRequest<'_>,
    ) -> Result<PermitDecision, StoreError> {
        loop {
            let mut changed = self.read_budget(tx, account_id).await?;
            let taken_back = changed.budget.0.clamp_future(self.now());
            let reserved = self.try_reserve(&mut changed.budget.0, ask);
            let is_as_it_was = reserved.is_err() && !taken_back;
            if is_as_it_was || self.write_budget(tx, &mut changed).await? {
                return Ok(self.decision(reserved, changed));
            }
        }
    }

    fn try_reserve(&self, budget: &mut Budget, ask: &PermitRequest<'_>) -> Result<String, Refusal> {
        let id = self.new_id();
        budget
            .reserve(
                &Ask {
                    id: &id,
                    endpoint: ask.endpoint,
                    records: ask.records,
                    cost: ask.cost,
                    limits: &ask.limits,
                    interactive: ask.interactive,
                    answer_within: SEND_WITHIN + ask.answer_within,
                },
                self.now(),
            )
            .map(|()| id)
    }

    fn decision(&self, reserved: Result<String, Refusal>, budget: Versioned) -> PermitDecision {
        match reserved {
            Ok(id) => PermitDecision::Permit(Permit {
                id,
                send_by: self.now() + SEND_WITHIN,
                budget,
            }),
            Err(refusal) => PermitDecision::Refused(refusal),
        }
    }

    /// The account's row, or that of the account it was merged into. Inserts a missing row, so that
    /// every write has a version to compare.
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

    /// `false` if another writer was faster.
    async fn write_budget(&self, tx: &mut Tx, changed: &mut Versioned) -> Result<bool, StoreError> {
        const SQL: &str = "
            UPDATE provider_accounts SET budget = $3, version = $4
            WHERE id = $1 AND version = $2 AND moved_to IS NULL";
        // Without comparing the version.
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

    /// Two names turned out to be the same account. Connections of the old one are moved, what both
    /// spent is added up, and the old row forwards to the new one.
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
        const MOVE_KEYS: &str = "
            UPDATE connection_keys SET account_id = $2 WHERE account_id = $1";
        self.forget_callers(tx);
        for sql in [MOVE, MOVE_KEYS] {
            run!(tx, |c| sqlx::query(sql)
                .bind(old)
                .bind(account_id)
                .execute(c)
                .await
                .map(drop))?;
        }
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

    /// A connection got credentials of another account. What the old account spent counts for the
    /// new one too, so that new credentials don't start with an unused budget.
    pub(crate) async fn change_account(
        &self,
        tx: &mut Tx,
        connection_id: &str,
        account: &Account<'_>,
    ) -> Result<(), StoreError> {
        const OLD: &str = "SELECT account_id FROM connections WHERE id = $1";
        const MOVE: &str = "
            UPDATE connections SET account_id = $2, account_known = $3 WHERE id = $1";
        self.forget_callers(tx);
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
                current.budget.0.take_over_spending(&spent.budget.0);
                self.write_budget(tx, &mut current).await?;
            }
        }
        self.learn_of_key(tx, account).await
    }

    /// Once a key's team is known, what was spent under the key's own name counts for the team.
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

    /// Both budgets, locked in the order of their names to avoid a deadlock with another such pair.
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
