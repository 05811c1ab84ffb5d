//! Syncs: one per connection and object, with its schedule and pauses.

use sqlx_macros::FromRow;
use syncline_model::{Object, ProviderName, Time};

use crate::{
    Connection, PageRequest, Store, StoreError, Tenant, Total,
    db::{Tx, run},
    providers::parse_provider,
    sync_control::FORBIDDEN_CAUSE,
    tenant::{Scoped, scoped},
    timestamp::Timestamp,
};

#[derive(Debug, Clone)]
pub struct Sync {
    pub id: String,
    pub connection_id: String,
    pub sync_config_id: String,
    pub object: Object,
    pub paused: bool,
    pub paused_reason: Option<String>,
    /// Paused except for one attempt a day, because its object could not be read.
    pub probes: bool,
    pub next_run_at: Time,
    /// When a run was requested that hasn't started yet.
    pub triggered_at: Option<Time>,
    /// Until when a run of its provider account waits for records; other runs of the account don't
    /// start before.
    pub account_waits_until: Option<Time>,
    pub customer_id: String,
    pub provider: ProviderName,
}

/// Which syncs a list shows.
#[derive(Debug, Clone, Default)]
pub struct SyncFilter {
    pub customer_id: Option<String>,
    pub provider_name: Option<String>,
    pub object: Option<String>,
    pub runs: RunsOfSync,
}

/// Filters syncs by the state of their runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RunsOfSync {
    #[default]
    Any,
    /// A run is active: in this state, or in any of `queued`, `running` and `waiting`.
    Active(Option<&'static str>),
    /// No run is active, and none will start by itself.
    Paused,
    /// No run is active; the next one will start by itself.
    Idle,
    /// No run is active, and the newest one succeeded.
    Succeeded,
    /// No run is active, and the newest one failed.
    Failed,
}

#[derive(FromRow)]
struct SyncRow {
    id: String,
    connection_id: String,
    sync_config_id: String,
    object: String,
    paused: bool,
    paused_reason: Option<String>,
    paused_cause: Option<String>,
    next_run_at: Timestamp,
    triggered_at: Option<Timestamp>,
    account_waits_until: Option<Timestamp>,
    customer_id: String,
    provider_name: String,
}

impl TryFrom<SyncRow> for Sync {
    type Error = StoreError;

    fn try_from(row: SyncRow) -> Result<Self, StoreError> {
        Ok(Self {
            object: parse_object("syncs", &row.id, &row.object)?,
            provider: parse_provider("connections", &row.connection_id, &row.provider_name)?,
            id: row.id,
            connection_id: row.connection_id,
            sync_config_id: row.sync_config_id,
            paused: row.paused,
            paused_reason: row.paused_reason,
            probes: row.paused && row.paused_cause.as_deref() == Some(FORBIDDEN_CAUSE),
            next_run_at: row.next_run_at.into(),
            triggered_at: row.triggered_at.map(Into::into),
            account_waits_until: row.account_waits_until.map(Into::into),
            customer_id: row.customer_id,
        })
    }
}

/// Syncs with their connection, and until when their account waits (`schedule.rs`).
macro_rules! select {
    () => {
        "SELECT s.id, s.connection_id, s.sync_config_id, s.object, s.paused, s.paused_reason,
                s.paused_cause, s.next_run_at, s.triggered_at, waits.until AS account_waits_until,
                c.customer_id, c.provider_name
         FROM syncs s JOIN connections c ON c.id = s.connection_id
         LEFT JOIN (
            SELECT sharing.account_id, COALESCE(CAST(sharing.limits AS text), '') AS limits,
                   max(w.due_at) AS until
            FROM sync_runs w JOIN connections sharing ON sharing.id = w.connection_id
            WHERE w.put_off_at IS NOT NULL AND w.id = w.scan_id AND w.state = 'waiting'
              AND w.waiting_reason IN ('records_per_hour', 'records_per_day')
            GROUP BY sharing.account_id, COALESCE(CAST(sharing.limits AS text), '')) waits ON waits.account_id = c.account_id
            AND waits.limits = COALESCE(CAST(c.limits AS text), '')
         WHERE s.application_id = $1 "
    };
}

/// The statement texts of one kind of list.
struct ListStatements {
    forward: Scoped,
    backward: Scoped,
    count: Scoped,
}

macro_rules! filtered {
    ($runs:literal) => {
        concat!(
            "AND (CAST($2 AS text) IS NULL OR c.customer_id = $2)
             AND (CAST($3 AS text) IS NULL OR c.provider_name = $3)
             AND (CAST($4 AS text) IS NULL OR s.object = $4) ",
            $runs
        )
    };
}

/// The list of syncs that match `$runs`, which may use a state as `$5`. Each has a separate text,
/// so that each uses its own index.
macro_rules! list_of {
    ($runs:literal) => {
        ListStatements {
            forward: scoped(concat!(
                select!(),
                filtered!($runs),
                " AND (CAST($6 AS text) IS NULL OR s.id > $6) ORDER BY s.id ASC LIMIT $7"
            )),
            backward: scoped(concat!(
                select!(),
                filtered!($runs),
                " AND (CAST($6 AS text) IS NULL OR s.id < $6) ORDER BY s.id DESC LIMIT $7"
            )),
            count: scoped(concat!(
                "SELECT count(*) FROM syncs s JOIN connections c ON c.id = s.connection_id
                 WHERE s.application_id = $1 ",
                filtered!($runs)
            )),
        }
    };
}

impl RunsOfSync {
    fn state(self) -> Option<&'static str> {
        match self {
            Self::Active(state) => state,
            _ => None,
        }
    }

    fn statements(self) -> ListStatements {
        const ANY: ListStatements = list_of!("AND CAST($5 AS text) IS NULL");
        const ACTIVE: ListStatements = list_of!(
            "AND s.id IN (
                SELECT active.sync_id FROM sync_runs active
                WHERE active.sync_id IS NOT NULL
                  AND active.state IN ('queued', 'running', 'waiting')
                  AND (CAST($5 AS text) IS NULL OR active.state = $5))"
        );
        const PAUSED: ListStatements = list_of!(
            "AND s.paused AND CAST($5 AS text) IS NULL
             AND NOT EXISTS (SELECT 1 FROM sync_runs active WHERE active.sync_id = s.id
                AND active.state IN ('queued', 'running', 'waiting'))"
        );
        const IDLE: ListStatements = list_of!(
            "AND NOT s.paused AND CAST($5 AS text) IS NULL
             AND NOT EXISTS (SELECT 1 FROM sync_runs active WHERE active.sync_id = s.id
                AND active.state IN ('queued', 'running', 'waiting'))"
        );
        const SUCCEEDED: ListStatements = list_of!(
            "AND s.failing_since IS NULL AND s.last_succeeded_at IS NOT NULL
             AND CAST($5 AS text) IS NULL
             AND NOT EXISTS (SELECT 1 FROM sync_runs active WHERE active.sync_id = s.id
                AND active.state IN ('queued', 'running', 'waiting'))"
        );
        const FAILED: ListStatements = list_of!(
            "AND s.failing_since IS NOT NULL AND CAST($5 AS text) IS NULL
             AND NOT EXISTS (SELECT 1 FROM sync_runs active WHERE active.sync_id = s.id
                AND active.state IN ('queued', 'running', 'waiting'))"
        );
        match self {
            Self::Any => ANY,
            Self::Active(_) => ACTIVE,
            Self::Paused => PAUSED,
            Self::Idle => IDLE,
            Self::Succeeded => SUCCEEDED,
            Self::Failed => FAILED,
        }
    }
}

/// A sync, locked with the others of its connection.
pub(crate) struct SyncOfConnection {
    pub(crate) id: String,
    pub(crate) object: Object,
    /// The object whose records contain this one's.
    pub(crate) carried_in: Option<Object>,
}

impl Tenant {
    pub async fn list_syncs(
        &self,
        filter: &SyncFilter,
        page: &PageRequest,
    ) -> Result<Vec<Sync>, StoreError> {
        let statements = filter.runs.statements();
        let sql = if page.reverse {
            statements.backward
        } else {
            statements.forward
        };
        let mut reader = self.read().await?;
        let rows: Vec<SyncRow> = run!(reader, query_as(sql), |q, c| q
            .bind(&filter.customer_id)
            .bind(&filter.provider_name)
            .bind(&filter.object)
            .bind(filter.runs.state())
            .bind(&page.cursor)
            .bind(page.limit)
            .fetch_all(c)
            .await)?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    pub async fn count_syncs(&self, filter: &SyncFilter) -> Result<Total, StoreError> {
        let sql = filter.runs.statements().count;
        let mut reader = self.read().await?;
        let count = run!(reader, query_scalar(sql), |q, c| q
            .bind(&filter.customer_id)
            .bind(&filter.provider_name)
            .bind(&filter.object)
            .bind(filter.runs.state())
            .fetch_one(c)
            .await)?;
        Ok(Total::exactly(count))
    }

    pub async fn find_sync(
        &self,
        connection: &Connection,
        object: Object,
    ) -> Result<Option<Sync>, StoreError> {
        const SQL: Scoped = scoped(concat!(
            select!(),
            "AND s.connection_id = $2 AND s.object = $3"
        ));
        let mut reader = self.read().await?;
        let row: Option<SyncRow> = run!(reader, query_as(SQL), |q, c| q
            .bind(&connection.id)
            .bind(object.as_str())
            .fetch_optional(c)
            .await)?;
        row.map(TryInto::try_into).transpose()
    }
}

impl Store {
    /// Locks a connection's syncs until the transaction ends.
    pub(crate) async fn lock_syncs(
        &self,
        tx: &mut Tx,
        connection_id: &str,
    ) -> Result<Vec<SyncOfConnection>, StoreError> {
        const SQL: &str = "
            UPDATE syncs SET paused = paused WHERE connection_id = $1
            RETURNING id, object, carried_in";
        let rows: Vec<(String, String, Option<String>)> = run!(tx, |c| sqlx::query_as(SQL)
            .bind(connection_id)
            .fetch_all(c)
            .await)?;
        rows.into_iter()
            .map(|(id, object, carried_in)| {
                let parse = |object: &str| parse_object("syncs", &id, object);
                Ok(SyncOfConnection {
                    object: parse(&object)?,
                    carried_in: carried_in.as_deref().map(parse).transpose()?,
                    id,
                })
            })
            .collect()
    }
}

pub(crate) fn parse_object(
    table: &'static str,
    row: &str,
    name: &str,
) -> Result<Object, StoreError> {
    name.parse().map_err(|error| StoreError::Inconsistent {
        table,
        column: "object",
        row: row.to_owned(),
        reason: format!("{error}"),
    })
}
