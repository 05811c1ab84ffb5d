//! Approvals: calls of agents that wait for a person. What was asked for is sealed, and is what runs.
//!
//! An approved call runs once: a process takes it by setting `running_until`. One whose process died
//! meanwhile has failed, because nobody knows how far it came.

use chrono::TimeDelta;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use sqlx_macros::FromRow;
use syncline_model::{
    ApiKey, ProviderName, Time,
    event::{APPROVAL_REQUESTED, ApprovalRequested},
};

use crate::{
    Connection, PageRequest, Store, StoreError, Tenant, Total,
    db::{Tx, run},
    retry::with_retry,
    sealing::SealedColumn,
    tenant::{Scope, Scoped, scoped},
    timestamp::{Timestamp, at},
    totals::{Counted, total_sql},
};

pub(crate) const INPUT: SealedColumn = SealedColumn {
    table: "approvals",
    column: "input",
    key: "id",
};

pub(crate) const RESULT: SealedColumn = SealedColumn {
    table: "approvals",
    column: "result",
    key: "id",
};

/// How long a call waits for somebody who decides.
const EXPIRES_AFTER: TimeDelta = TimeDelta::hours(24);
/// How long a call may run. Then its process is taken to be dead.
const RUNS_FOR: TimeDelta = TimeDelta::minutes(5);
/// An approved call that no process has begun after this time is begun by another.
const BEGUN_WITHIN: TimeDelta = TimeDelta::seconds(2);
/// How many calls of an agent may wait.
const MOST_PENDING: usize = 100;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApprovalStatus {
    Pending,
    /// It runs, or will in a moment.
    Approved,
    Denied,
    Expired,
    /// It ran, and did what was asked for.
    Done,
    Failed,
}

impl ApprovalStatus {
    pub const ALL: &'static [Self] = &[
        Self::Pending,
        Self::Approved,
        Self::Denied,
        Self::Expired,
        Self::Done,
        Self::Failed,
    ];

    fn read(text: &str) -> Option<Self> {
        let mut all = Self::ALL.iter().copied();
        all.find(|status| status.as_str() == text)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }
}

/// An API key, as it was called then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyName {
    pub id: String,
    pub name: String,
}

/// A call that waits, or waited, for a person.
#[derive(Debug, Clone)]
pub struct Approval {
    pub id: String,
    pub application_id: String,
    pub action: String,
    pub connection_id: String,
    pub customer_id: String,
    pub provider: ProviderName,
    pub input: Value,
    pub requested_by: KeyName,
    pub requested_at: Time,
    pub expires_at: Time,
    pub status: ApprovalStatus,
    pub decided_by: Option<KeyName>,
    pub decided_at: Option<Time>,
    /// What came of it, once it ran.
    pub result: Option<Value>,
}

/// What an agent's call became.
#[derive(Debug)]
pub enum Asked {
    /// It waits, and somebody is asked.
    New(Approval),
    /// The same call waits already, or was decided and the agent doesn't know it yet.
    Same(Approval),
    /// Too many of the agent's calls wait.
    TooMany,
}

/// What deciding came to.
#[derive(Debug)]
pub enum Decided {
    Now(Approval),
    /// It was decided or has expired before.
    Before(Approval),
    Unknown,
}

#[derive(FromRow)]
struct Row {
    id: String,
    application_id: String,
    api_key_id: String,
    requested_by: String,
    action: String,
    connection_id: String,
    customer_id: String,
    provider_name: String,
    input: String,
    result: Option<String>,
    status: String,
    requested_at: Timestamp,
    expires_at: Timestamp,
    decided_by: Option<String>,
    decided_by_name: Option<String>,
    decided_at: Option<Timestamp>,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, application_id, api_key_id, requested_by, action, connection_id,
                    customer_id, provider_name, input, result, status, requested_at, expires_at,
                    decided_by, decided_by_name, decided_at
             FROM approvals WHERE ",
            $rest
        )
    };
}

impl Store {
    fn approval(&self, row: Row) -> Result<Approval, StoreError> {
        let wrong = |column, reason: String| StoreError::Inconsistent {
            table: "approvals",
            column,
            row: row.id.clone(),
            reason,
        };
        let open = |column: &'static SealedColumn, sealed: &str| {
            let text = self.unseal(column, &row.id, sealed)?;
            serde_json::from_str(text.expose_secret())
                .map_err(|error| wrong(column.column, error.to_string()))
        };
        let status = ApprovalStatus::read(&row.status);
        let status = status.ok_or_else(|| wrong("status", row.status.clone()))?;
        let has_expired = row.expires_at.0 <= self.now();
        let status = match status {
            ApprovalStatus::Pending if has_expired => ApprovalStatus::Expired,
            status => status,
        };
        let provider = row.provider_name.parse();
        let provider = provider.map_err(|_| wrong("provider_name", row.provider_name.clone()))?;
        let result = row
            .result
            .as_deref()
            .map(|it| open(&RESULT, it))
            .transpose()?;
        let decided_by = row.decided_by.clone().zip(row.decided_by_name.clone());
        Ok(Approval {
            input: open(&INPUT, &row.input)?,
            id: row.id,
            application_id: row.application_id,
            action: row.action,
            connection_id: row.connection_id,
            customer_id: row.customer_id,
            provider,
            requested_by: KeyName {
                id: row.api_key_id,
                name: row.requested_by,
            },
            requested_at: row.requested_at.into(),
            expires_at: row.expires_at.into(),
            status,
            decided_by: decided_by.map(|(id, name)| KeyName { id, name }),
            decided_at: row.decided_at.map(Into::into),
            result,
        })
    }

    fn sealed_json(&self, column: &SealedColumn, id: &str, value: &Value) -> String {
        self.seal(column, id, &SecretString::from(value.to_string()))
    }

    /// Takes an approved call, so that no other process runs it. `None` if one has taken it already.
    pub async fn begin_approved(&self, id: &str) -> Result<bool, StoreError> {
        const SQL: &str = "
            UPDATE approvals SET running_until = $2
            WHERE id = $1 AND status = 'approved' AND running_until IS NULL";
        let until = self.now() + RUNS_FOR;
        let mut tx = self.db.begin().await?;
        let taken = run!(tx, |c| sqlx::query(SQL)
            .bind(id)
            .bind(at(until))
            .execute(c)
            .await?
            .rows_affected());
        tx.commit().await?;
        Ok(taken == 1)
    }

    /// Stores what came of a call that this process began.
    pub async fn end_approved(
        &self,
        id: &str,
        done: bool,
        result: &Value,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE approvals SET status = $2, result = $3, running_until = NULL
            WHERE id = $1 AND status = 'approved'";
        let status = if done { "done" } else { "failed" };
        with_retry(|| async {
            let result = self.sealed_json(&RESULT, id, result);
            let mut tx = self.db.begin().await?;
            run!(tx, |c| sqlx::query(SQL)
                .bind(id)
                .bind(status)
                .bind(&result)
                .execute(c)
                .await
                .map(drop))?;
            Ok(tx.commit().await?)
        })
        .await
    }

    /// Calls that were approved and that no process has begun, with the view of their application.
    pub async fn approved_and_not_begun(&self) -> Result<Vec<(Tenant, Approval)>, StoreError> {
        const SQL: &str = select!(
            "status = 'approved' AND running_until IS NULL AND decided_at < $1
             ORDER BY decided_at LIMIT 20"
        );
        let before = self.now() - BEGUN_WITHIN;
        let mut reader = self.db.read().await?;
        let rows: Vec<Row> = run!(reader, |c| sqlx::query_as(SQL)
            .bind(at(before))
            .fetch_all(c)
            .await)?;
        let all = rows.into_iter().map(|row| {
            let approval = self.approval(row)?;
            Ok((self.tenant(&approval.application_id), approval))
        });
        all.collect()
    }

    /// Marks calls as expired that nobody decided on.
    pub async fn expire_approvals(&self) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE approvals SET status = 'expired' WHERE status = 'pending' AND expires_at <= $1";
        let now = self.now();
        let mut tx = self.db.begin().await?;
        run!(tx, |c| sqlx::query(SQL)
            .bind(at(now))
            .execute(c)
            .await
            .map(drop))?;
        Ok(tx.commit().await?)
    }

    /// Marks calls as failed whose process died while they ran, and returns how many.
    pub async fn fail_abandoned_calls(&self, result: &Value) -> Result<u64, StoreError> {
        const FIND: &str = "
            SELECT id FROM approvals WHERE status = 'approved' AND running_until < $1 LIMIT 20";
        const FAIL: &str = "
            UPDATE approvals SET status = 'failed', result = $3
            WHERE id = $1 AND status = 'approved' AND running_until < $2";
        let now = self.now();
        let mut reader = self.db.read().await?;
        let ids: Vec<String> = run!(reader, |c| sqlx::query_scalar(FIND)
            .bind(at(now))
            .fetch_all(c)
            .await)?;
        drop(reader);
        let mut failed = 0;
        for id in ids {
            let result = self.sealed_json(&RESULT, &id, result);
            let mut tx = self.db.begin().await?;
            failed += run!(tx, |c| sqlx::query(FAIL)
                .bind(&id)
                .bind(at(now))
                .bind(&result)
                .execute(c)
                .await?
                .rows_affected());
            tx.commit().await?;
        }
        Ok(failed)
    }
}

impl Tenant {
    /// Holds an agent's call until somebody decides. The same call again is the same approval, until the
    /// agent knows what came of it.
    pub async fn ask_for_approval(
        &self,
        agent: &ApiKey,
        connection: &Connection,
        (action, input): (&str, &Value),
    ) -> Result<Asked, StoreError> {
        with_retry(|| self.ask_for_approval_once(agent, connection, (action, input))).await
    }

    async fn ask_for_approval_once(
        &self,
        agent: &ApiKey,
        connection: &Connection,
        (action, input): (&str, &Value),
    ) -> Result<Asked, StoreError> {
        let mut tx = self.begin().await?;
        self.lock_api_key(&mut tx, &agent.id).await?;
        let open = self
            .open_approvals(&mut tx, agent, connection, action)
            .await?;
        let now = self.store().now();
        if let Some(same) = open.iter().find(|it| it.input == *input) {
            return Ok(Asked::Same(same.clone()));
        }
        if self.count_pending(&mut tx, agent).await? >= MOST_PENDING {
            return Ok(Asked::TooMany);
        }
        let id = self.store().new_id();
        self.insert_approval(&mut tx, &id, agent, connection, (action, input))
            .await?;
        let approval = Approval {
            id,
            application_id: self.application_id().to_owned(),
            action: action.to_owned(),
            connection_id: connection.id.clone(),
            customer_id: connection.customer_id.clone(),
            provider: connection.provider,
            input: input.clone(),
            requested_by: KeyName {
                id: agent.id.clone(),
                name: agent.name.clone(),
            },
            requested_at: now,
            expires_at: now + EXPIRES_AFTER,
            status: ApprovalStatus::Pending,
            decided_by: None,
            decided_at: None,
            result: None,
        };
        let payload = ApprovalRequested::payload(
            &approval.id,
            (action, &agent.name),
            (&connection.customer_id, connection.provider),
            approval.expires_at,
        );
        self.store()
            .tell(
                tx.unscoped(),
                self.application_id(),
                APPROVAL_REQUESTED,
                payload,
            )
            .await?;
        tx.commit().await?;
        Ok(Asked::New(approval))
    }

    /// Those that the same call would join, newest first.
    async fn open_approvals(
        &self,
        tx: &mut Scope<Tx>,
        agent: &ApiKey,
        connection: &Connection,
        action: &str,
    ) -> Result<Vec<Approval>, StoreError> {
        const SQL: Scoped = scoped(select!(
            "application_id = $1 AND api_key_id = $2 AND action = $3 AND customer_id = $4
             AND connection_id = $5 AND collected_at IS NULL AND expires_at > $6
             ORDER BY id DESC LIMIT 200"
        ));
        let now = self.store().now();
        let rows: Vec<Row> = run!(tx, query_as(SQL), |q, c| q
            .bind(&agent.id)
            .bind(action)
            .bind(&connection.customer_id)
            .bind(&connection.id)
            .bind(at(now))
            .fetch_all(c)
            .await)?;
        let all = rows.into_iter().map(|row| self.store().approval(row));
        all.collect()
    }

    async fn count_pending(&self, tx: &mut Scope<Tx>, agent: &ApiKey) -> Result<usize, StoreError> {
        const SQL: Scoped = scoped(
            "SELECT count(*) FROM approvals
             WHERE application_id = $1 AND api_key_id = $2 AND status = 'pending'
               AND collected_at IS NULL AND expires_at > $3",
        );
        let now = self.store().now();
        let count: i64 = run!(tx, query_scalar(SQL), |q, c| q
            .bind(&agent.id)
            .bind(at(now))
            .fetch_one(c)
            .await)?;
        Ok(usize::try_from(count).unwrap_or(usize::MAX))
    }

    async fn insert_approval(
        &self,
        tx: &mut Scope<Tx>,
        id: &str,
        agent: &ApiKey,
        connection: &Connection,
        (action, input): (&str, &Value),
    ) -> Result<(), StoreError> {
        const SQL: Scoped = scoped(
            "INSERT INTO approvals (application_id, id, api_key_id, requested_by, action,
                connection_id, customer_id, provider_name, input, status, requested_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'pending', $10, $11)",
        );
        let now = self.store().now();
        let input = self.store().sealed_json(&INPUT, id, input);
        run!(tx, query(SQL), |q, c| q
            .bind(id)
            .bind(&agent.id)
            .bind(&agent.name)
            .bind(action)
            .bind(&connection.id)
            .bind(&connection.customer_id)
            .bind(connection.provider.as_str())
            .bind(&input)
            .bind(at(now))
            .bind(at(now + EXPIRES_AFTER))
            .execute(c)
            .await
            .map(drop))
        .map_err(|error| StoreError::from(error).or_missing("the connection"))
    }

    /// Newest first.
    pub async fn list_approvals(
        &self,
        status: Option<ApprovalStatus>,
        page: &PageRequest,
    ) -> Result<Vec<Approval>, StoreError> {
        const ALL: [Scoped; 2] = [
            scoped(select!(
                "application_id = $1 AND CAST($2 AS text) IS NULL
                 AND (CAST($3 AS text) IS NULL OR id < $3) ORDER BY id DESC LIMIT $4"
            )),
            scoped(select!(
                "application_id = $1 AND CAST($2 AS text) IS NULL
                 AND (CAST($3 AS text) IS NULL OR id > $3) ORDER BY id ASC LIMIT $4"
            )),
        ];
        const OF_STATUS: [Scoped; 2] = [
            scoped(select!(
                "application_id = $1 AND status = $2
                 AND (CAST($3 AS text) IS NULL OR id < $3) ORDER BY id DESC LIMIT $4"
            )),
            scoped(select!(
                "application_id = $1 AND status = $2
                 AND (CAST($3 AS text) IS NULL OR id > $3) ORDER BY id ASC LIMIT $4"
            )),
        ];
        let texts = if status.is_some() { OF_STATUS } else { ALL };
        let mut reader = self.read().await?;
        let rows: Vec<Row> = run!(
            reader,
            query_as(texts[usize::from(page.reverse)]),
            |q, c| q
                .bind(status.map(ApprovalStatus::as_str))
                .bind(&page.cursor)
                .bind(page.limit)
                .fetch_all(c)
                .await
        )?;
        let all = rows.into_iter().map(|row| self.store().approval(row));
        all.collect()
    }

    pub async fn count_approvals(
        &self,
        status: Option<ApprovalStatus>,
    ) -> Result<Total, StoreError> {
        const SQL: Scoped = scoped(total_sql!(
            "approvals",
            "application_id, id, status",
            "application_id = $1",
            "application_id = $1 AND (CAST($2 AS text) IS NULL OR status = $2)"
        ));
        let mut reader = self.read().await?;
        let counted: Counted = run!(reader, query_as(SQL), |q, c| q
            .bind(status.map(ApprovalStatus::as_str))
            .fetch_one(c)
            .await)?;
        Ok(counted.into())
    }

    pub async fn get_approval(&self, id: &str) -> Result<Option<Approval>, StoreError> {
        const SQL: Scoped = scoped(select!("application_id = $1 AND id = $2"));
        let mut reader = self.read().await?;
        let row: Option<Row> = run!(reader, query_as(SQL), |q, c| q
            .bind(id)
            .fetch_optional(c)
            .await)?;
        row.map(|row| self.store().approval(row)).transpose()
    }

    /// Approves or denies a call that waits.
    pub async fn decide_approval(
        &self,
        id: &str,
        approve: bool,
        by: &ApiKey,
    ) -> Result<Decided, StoreError> {
        const SQL: Scoped = scoped(
            "UPDATE approvals SET status = $3, decided_by = $4, decided_by_name = $5, decided_at = $6
             WHERE application_id = $1 AND id = $2 AND status = 'pending' AND expires_at > $6",
        );
        let status = if approve { "approved" } else { "denied" };
        let now = self.store().now();
        let mut tx = self.begin().await?;
        let decided = run!(tx, query(SQL), |q, c| q
            .bind(id)
            .bind(status)
            .bind(&by.id)
            .bind(&by.name)
            .bind(at(now))
            .execute(c)
            .await?
            .rows_affected());
        tx.commit().await?;
        Ok(match self.get_approval(id).await? {
            Some(approval) if decided == 1 => Decided::Now(approval),
            Some(approval) => Decided::Before(approval),
            None => Decided::Unknown,
        })
    }

    /// Notes that the agent knows what came of its call, so that the same call is a new one.
    pub async fn collect_approval(&self, id: &str) -> Result<(), StoreError> {
        const SQL: Scoped = scoped(
            "UPDATE approvals SET collected_at = $3
             WHERE application_id = $1 AND id = $2 AND status IN ('done', 'failed')",
        );
        let now = self.store().now();
        let mut tx = self.begin().await?;
        run!(tx, query(SQL), |q, c| q
            .bind(id)
            .bind(at(now))
            .execute(c)
            .await
            .map(drop))?;
        Ok(tx.commit().await?)
    }

    /// Locks the key's row until the transaction ends, so that calls of one agent are counted one after
    /// the other.
    pub(crate) async fn lock_api_key(
        &self,
        tx: &mut Scope<Tx>,
        id: &str,
    ) -> Result<(), StoreError> {
        const SQL: Scoped =
            scoped("UPDATE api_keys SET name = name WHERE application_id = $1 AND id = $2");
        Ok(run!(tx, query(SQL), |q, c| q
            .bind(id)
            .execute(c)
            .await
            .map(drop))?)
    }
}
