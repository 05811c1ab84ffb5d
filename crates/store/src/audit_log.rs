//! The audit log: who did what. Rows are only added and read; the database itself refuses to change
//! a row, or to delete one that is younger than a day.

use sqlx::QueryBuilder;
use sqlx_macros::FromRow;
use syncline_model::{ApiKey, AuditResult, Time, first_id_of, line};

use crate::{
    PageRequest, Store, StoreError, Tenant, Total,
    db::run,
    tenant::{Scoped, scoped},
    timestamp::{Timestamp, at},
    totals::{Counted, total_sql},
};

/// Rows per statement; SQLite allows 32766 parameters.
const BATCH: usize = 500;
/// The maximum length of a text column, in bytes. Most texts of an entry come from callers.
const LONGEST_TEXT: usize = 512;
const LONGEST_MESSAGE: usize = 1024;

/// An action, as it is logged.
#[derive(Debug, Clone)]
pub struct AuditEntry {
    pub application_id: String,
    pub at: Time,
    pub actor: Actor,
    /// Such as `connection.create`.
    pub action: String,
    pub method: Option<String>,
    pub route: Option<String>,
    pub customer_id: Option<String>,
    pub connection_id: Option<String>,
    pub provider_name: Option<String>,
    /// Method and path of the request to the provider, without a query.
    pub provider_request: Option<String>,
    pub result: AuditResult,
    /// The HTTP status of the response.
    pub status: Option<u16>,
    pub request_id: Option<String>,
    /// One line of plain English.
    pub message: String,
}

#[derive(Debug, Clone)]
pub enum Actor {
    Key {
        id: String,
        name: String,
    },
    /// Someone who runs commands on the machine.
    Cli,
}

impl AuditEntry {
    /// With each text reduced to one line of limited length.
    fn bounded(&self) -> Self {
        let text = |text: &Option<String>| text.as_deref().map(|text| line(text, LONGEST_TEXT));
        Self {
            application_id: self.application_id.clone(),
            at: self.at,
            actor: match &self.actor {
                Actor::Key { id, name } => Actor::Key {
                    id: id.clone(),
                    name: line(name, LONGEST_TEXT),
                },
                Actor::Cli => Actor::Cli,
            },
            action: line(&self.action, LONGEST_TEXT),
            method: text(&self.method),
            route: text(&self.route),
            customer_id: text(&self.customer_id),
            connection_id: self.connection_id.clone(),
            provider_name: self.provider_name.clone(),
            provider_request: text(&self.provider_request),
            result: self.result,
            status: self.status,
            request_id: self.request_id.clone(),
            message: line(&self.message, LONGEST_MESSAGE),
        }
    }
}

impl From<&ApiKey> for Actor {
    fn from(key: &ApiKey) -> Self {
        Self::Key {
            id: key.id.clone(),
            name: key.name.clone(),
        }
    }
}

impl Actor {
    fn kind(&self) -> &'static str {
        match self {
            Self::Key { .. } => "api_key",
            Self::Cli => "cli",
        }
    }

    fn key(&self) -> (Option<&str>, Option<&str>) {
        match self {
            Self::Key { id, name } => (Some(id), Some(name)),
            Self::Cli => (None, None),
        }
    }
}

/// A row for display.
#[derive(Debug, Clone, FromRow)]
pub struct AuditRow {
    pub id: String,
    pub at: Timestamp,
    pub actor: String,
    pub key_id: Option<String>,
    pub key_name: Option<String>,
    pub action: String,
    pub method: Option<String>,
    pub route: Option<String>,
    pub customer_id: Option<String>,
    pub connection_id: Option<String>,
    pub provider_name: Option<String>,
    pub provider_request: Option<String>,
    pub result: String,
    pub status: Option<i64>,
    pub request_id: Option<String>,
    pub message: String,
}

#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    pub key_id: Option<String>,
    pub action: Option<String>,
    pub customer_id: Option<String>,
    pub connection_id: Option<String>,
    pub result: Option<AuditResult>,
    /// At this time or later.
    pub from: Option<Time>,
    /// Before this time.
    pub to: Option<Time>,
}

macro_rules! columns {
    () => {
        "id, at, actor, key_id, key_name, action, method, route, customer_id, connection_id,
         provider_name, provider_request, result, status, request_id, message"
    };
}

/// The times are compared with the id, which sorts by time.
macro_rules! filter {
    () => {
        "application_id = $1
         AND (CAST($2 AS text) IS NULL OR key_id = $2)
         AND (CAST($3 AS text) IS NULL OR action = $3)
         AND (CAST($4 AS text) IS NULL OR customer_id = $4)
         AND (CAST($5 AS text) IS NULL OR connection_id = $5)
         AND (CAST($6 AS text) IS NULL OR result = $6)
         AND (CAST($7 AS text) IS NULL OR id >= $7)
         AND (CAST($8 AS text) IS NULL OR id < $8)"
    };
}

macro_rules! bind_filter {
    ($query:expr, $filter:expr) => {
        $query
            .bind(&$filter.key_id)
            .bind(&$filter.action)
            .bind(&$filter.customer_id)
            .bind(&$filter.connection_id)
            .bind($filter.result.map(AuditResult::as_str))
            .bind($filter.from.map(first_id_of))
            .bind($filter.to.map(first_id_of))
    };
}

/// The statement that inserts entries, for the database that `execute` is called on.
macro_rules! insert {
    ($rows:expr) => {{
        let head = concat!("INSERT INTO audit_log (application_id, ", columns!(), ") ");
        let mut sql = QueryBuilder::new(head);
        sql.push_values($rows, |mut row, (id, entry): &(String, AuditEntry)| {
            let (key_id, key_name) = entry.actor.key();
            row.push_bind(&entry.application_id)
                .push_bind(id)
                .push_bind(at(entry.at))
                .push_bind(entry.actor.kind())
                .push_bind(key_id)
                .push_bind(key_name)
                .push_bind(&entry.action)
                .push_bind(&entry.method)
                .push_bind(&entry.route)
                .push_bind(&entry.customer_id)
                .push_bind(&entry.connection_id)
                .push_bind(&entry.provider_name)
                .push_bind(&entry.provider_request)
                .push_bind(entry.result.as_str())
                .push_bind(entry.status.map(i64::from))
                .push_bind(&entry.request_id)
                .push_bind(&entry.message);
        });
        sql
    }};
}

impl Store {
    /// Inserts entries in one transaction.
    pub async fn write_audit_log(&self, entries: &[AuditEntry]) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        for batch in entries.chunks(BATCH) {
            let rows = batch
                .iter()
                .map(|entry| (self.ids.id(entry.at), entry.bounded()));
            let rows: Vec<(String, AuditEntry)> = rows.collect();
            run!(tx, |c| insert!(&rows).build().execute(c).await.map(drop))?;
        }
        Ok(tx.commit().await?)
    }

    /// Logs an action that concerns all applications.
    pub async fn write_audit_log_of_all(
        &self,
        entry: impl Fn(String) -> AuditEntry,
    ) -> Result<(), StoreError> {
        const SQL: &str = "SELECT id FROM applications ORDER BY id";
        let mut reader = self.db.read().await?;
        let applications: Vec<String> =
            run!(reader, |c| sqlx::query_scalar(SQL).fetch_all(c).await)?;
        drop(reader);
        let entries: Vec<_> = applications.into_iter().map(entry).collect();
        self.write_audit_log(&entries).await
    }
}

impl Tenant {
    /// Newest first.
    pub async fn list_audit_log(
        &self,
        filter: &AuditFilter,
        page: &PageRequest,
    ) -> Result<Vec<AuditRow>, StoreError> {
        const FORWARD: Scoped = scoped(concat!(
            "SELECT ",
            columns!(),
            " FROM audit_log WHERE ",
            filter!(),
            " AND (CAST($9 AS text) IS NULL OR id < $9) ORDER BY id DESC LIMIT $10"
        ));
        const BACKWARD: Scoped = scoped(concat!(
            "SELECT ",
            columns!(),
            " FROM audit_log WHERE ",
            filter!(),
            " AND (CAST($9 AS text) IS NULL OR id > $9) ORDER BY id ASC LIMIT $10"
        ));
        let sql = if page.reverse { BACKWARD } else { FORWARD };
        let mut reader = self.read().await?;
        Ok(run!(reader, query_as(sql), |q, c| bind_filter!(q, filter)
            .bind(&page.cursor)
            .bind(page.limit)
            .fetch_all(c)
            .await)?)
    }

    pub async fn count_audit_log(&self, filter: &AuditFilter) -> Result<Total, StoreError> {
        const SQL: Scoped = scoped(total_sql!(
            "audit_log",
            "application_id, id, key_id, action, customer_id, connection_id, result",
            "application_id = $1",
            filter!()
        ));
        let mut reader = self.read().await?;
        let counted: Counted = run!(reader, query_as(SQL), |q, c| {
            bind_filter!(q, filter).fetch_one(c).await
        })?;
        Ok(counted.into())
    }
}
