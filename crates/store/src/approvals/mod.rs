//! Approvals: calls of agents that wait for a person. What was asked for is sealed, and is what runs.
//!
//! Here is what is stored of one, and how it is listed and decided; `ask` holds a call, `run` makes one
//! that was approved.

mod ask;
mod run;

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use sqlx_macros::FromRow;
use syncline_model::{ApiKey, ProviderName, Time};

pub use self::ask::Asked;
use crate::{
    PageRequest, Store, StoreError, Tenant, Total,
    db::run,
    sealing::SealedColumn,
    tenant::{Scoped, scoped},
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
    /// An object; null if what is stored can't be read.
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
use select;

impl Store {
    fn approval(&self, row: Row) -> Result<Approval, StoreError> {
        let wrong = |column, reason: String| StoreError::Inconsistent {
            table: "approvals",
            column,
            row: row.id.clone(),
            reason,
        };
        // One that can't be read must not keep the others from being shown and made.
        let open = |column: &'static SealedColumn, sealed: &str| {
            let text = self.unseal(column, &row.id, sealed);
            let value = text.and_then(|text| {
                serde_json::from_str(text.expose_secret())
                    .map_err(|error| wrong(column.column, error.to_string()))
            });
            value.unwrap_or_else(|error| {
                tracing::error!(
                    "the {} of approval {} can't be read: {error}",
                    column.column,
                    row.id
                );
                Value::Null
            })
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
        let result = row.result.as_deref().map(|it| open(&RESULT, it));
        let decided_by = row.decided_by.clone().zip(row.decided_by_name.clone());
        Ok(Approval {
            input: open(&INPUT, &row.input),
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
}

impl Tenant {
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
}
