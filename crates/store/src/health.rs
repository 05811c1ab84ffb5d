//! Which syncs are behind, failing or paused. This is stored with the sync when its runs end, so
//! that it can be read without their history.

use std::collections::BTreeMap;

use sqlx_macros::FromRow;
use syncline_model::{
    RunState, Time,
    health::{Health, SyncHealth},
};

use crate::{
    Connection, Ending, Store, StoreError, Tenant,
    connections::parse_status,
    db::{Tx, run},
    key_set::KeySet,
    syncs::parse_object,
    tenant::{Scoped, scoped},
    timestamp::{Timestamp, at},
};

/// When a sync is behind, in milliseconds since 1970: two periods after its last success (or its
/// creation), and at least an hour. Must match the expression of the index `syncs_behind`.
macro_rules! behind_at_ms {
    ($syncs:literal) => {
        concat!(
            "(",
            $syncs,
            "fresh_ms + CASE WHEN ",
            $syncs,
            "period_ms < 1800000 THEN 3600000 ELSE 2 * ",
            $syncs,
            "period_ms END)"
        )
    };
}
pub(crate) use behind_at_ms;

/// By connection, the syncs with something to report.
type Noted = BTreeMap<String, Vec<SyncHealth>>;

#[derive(FromRow)]
struct SyncRow {
    id: String,
    connection_id: String,
    object: String,
    paused: bool,
    paused_cause: Option<String>,
    paused_reason: Option<String>,
    last_succeeded_at: Option<Timestamp>,
    is_behind: bool,
    failing_since: Option<Timestamp>,
    failing_reason: Option<String>,
    holds_deletions: bool,
}

impl SyncRow {
    fn health(self) -> Result<SyncHealth, StoreError> {
        Ok(SyncHealth {
            object: parse_object("syncs", &self.id, &self.object)?,
            // A pause that a user asked for is not a fault.
            forbidden: (self.paused && self.paused_cause.as_deref() == Some("forbidden"))
                .then(|| self.paused_reason.unwrap_or_default()),
            paused: self.paused,
            last_succeeded_at: self.last_succeeded_at.map(Into::into),
            behind: self.is_behind && !self.paused,
            failing: self.failing_since.map(|since| {
                let reason = self.failing_reason.unwrap_or_default();
                (since.into(), reason)
            }),
            holds_deletions: self.holds_deletions,
        })
    }
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT s.id, s.connection_id, s.object, s.paused, s.paused_cause, s.paused_reason,
                s.last_succeeded_at, ",
            behind_at_ms!("s."),
            " <= $2 AS is_behind, s.failing_since, s.failing_reason,
                EXISTS (SELECT 1 FROM missing_records m
                        WHERE m.connection_id = s.connection_id AND m.object = s.object
                          AND m.held_since IS NOT NULL) AS holds_deletions
             FROM syncs s WHERE s.application_id = $1 ",
            $rest
        )
    };
}

const SYNCS_OF_CONNECTIONS: Scoped = scoped(select!(
    "AND s.connection_id IN (SELECT key FROM json_each($3)) ORDER BY s.connection_id, s.id"
));

impl Tenant {
    /// The health of these connections, by id, in one query.
    pub async fn health_of(
        &self,
        connections: &[Connection],
    ) -> Result<BTreeMap<String, Health>, StoreError> {
        if connections.is_empty() {
            return Ok(BTreeMap::new());
        }
        let ids: Vec<&str> = connections.iter().map(|it| it.id.as_str()).collect();
        let now = self.store().now();
        let mut reader = self.read().await?;
        let rows: Vec<SyncRow> = run!(reader, query_as(SYNCS_OF_CONNECTIONS), |q, c| q
            .bind(now.timestamp_millis())
            .bind(KeySet::new(&ids))
            .fetch_all(c)
            .await)?;
        let mut noted = grouped(rows)?;
        let of = |connection: &Connection| {
            let syncs = noted.remove(&connection.id).unwrap_or_default();
            let (status, synced) = (connection.status, connection.last_synced_at);
            (
                connection.id.clone(),
                Health::of_connection(status, synced, &syncs),
            )
        };
        Ok(connections.iter().map(of).collect())
    }
}

#[derive(FromRow)]
struct ConnectionRow {
    id: String,
    customer_id: String,
    status: String,
    last_synced_at: Option<Timestamp>,
}

impl Tenant {
    /// The health of every customer that has a connection, by the customer's id. Reads only the
    /// syncs with something to report, using one index for each kind of problem.
    pub async fn health_of_customers(&self) -> Result<BTreeMap<String, Health>, StoreError> {
        const CONNECTIONS: Scoped = scoped(
            "SELECT id, customer_id, status, last_synced_at FROM connections
             WHERE application_id = $1",
        );
        const SYNCS: Scoped = scoped(concat!(
            select!(
                "AND s.id IN (
                    SELECT id FROM syncs WHERE application_id = $1 AND failing_since IS NOT NULL
                    UNION
                    SELECT id FROM syncs WHERE application_id = $1 AND paused
                    UNION
                    SELECT id FROM syncs WHERE application_id = $1 AND NOT paused
                      AND object IN ('user', 'mailbox', 'sequence', 'account', 'contact',
                                     'sequence_state')
                      AND "
            ),
            behind_at_ms!(""),
            " <= $2
                    UNION
                    SELECT holding.id FROM missing_records m
                    JOIN syncs holding
                      ON holding.connection_id = m.connection_id AND holding.object = m.object
                    WHERE m.held_since IS NOT NULL)"
        ));
        let now = self.store().now();
        let mut reader = self.read().await?;
        let connections: Vec<ConnectionRow> =
            run!(reader, query_as(CONNECTIONS), |q, c| q.fetch_all(c).await)?;
        let rows: Vec<SyncRow> = run!(reader, query_as(SYNCS), |q, c| q
            .bind(now.timestamp_millis())
            .fetch_all(c)
            .await)?;
        worst_by_customer(connections, grouped(rows)?)
    }

    /// The same for some customers, at a price that depends on their connections alone.
    pub async fn health_of_some(
        &self,
        customer_ids: &[&str],
    ) -> Result<BTreeMap<String, Health>, StoreError> {
        const CONNECTIONS: Scoped = scoped(
            "SELECT id, customer_id, status, last_synced_at FROM connections
             WHERE application_id = $1 AND customer_id IN (SELECT key FROM json_each($2))",
        );
        let now = self.store().now();
        let mut reader = self.read().await?;
        let connections: Vec<ConnectionRow> = run!(reader, query_as(CONNECTIONS), |q, c| q
            .bind(KeySet::new(customer_ids))
            .fetch_all(c)
            .await)?;
        let ids: Vec<&str> = connections.iter().map(|it| it.id.as_str()).collect();
        let rows: Vec<SyncRow> = run!(reader, query_as(SYNCS_OF_CONNECTIONS), |q, c| q
            .bind(now.timestamp_millis())
            .bind(KeySet::new(&ids))
            .fetch_all(c)
            .await)?;
        worst_by_customer(connections, grouped(rows)?)
    }
}

fn worst_by_customer(
    connections: Vec<ConnectionRow>,
    mut noted: Noted,
) -> Result<BTreeMap<String, Health>, StoreError> {
    let mut customers: BTreeMap<String, Health> = BTreeMap::new();
    for row in connections {
        let syncs = noted.remove(&row.id).unwrap_or_default();
        let status = parse_status(&row.id, row.status)?;
        let health = Health::of_connection(status, row.last_synced_at.map(Into::into), &syncs);
        let known = customers.remove(&row.customer_id);
        let worst = Health::worst(known.iter().chain([&health])).unwrap_or(health);
        customers.insert(row.customer_id, worst);
    }
    Ok(customers)
}

fn grouped(rows: Vec<SyncRow>) -> Result<Noted, StoreError> {
    let mut noted = Noted::new();
    for row in rows {
        let of = noted.entry(row.connection_id.clone()).or_default();
        of.push(row.health()?);
    }
    // Makes the choice between equally bad ones deterministic.
    for syncs in noted.values_mut() {
        syncs.sort_by_key(|sync| sync.object);
    }
    Ok(noted)
}

impl Store {
    /// Stores the outcome of each run with its sync. Call it before their connection is locked.
    pub(crate) async fn note_outcomes(
        &self,
        tx: &mut Tx,
        endings: &[Ending],
    ) -> Result<(), StoreError> {
        for Ending { run, state, .. } in endings {
            match state {
                RunState::Succeeded { finished_at, .. } => {
                    self.note_outcome(tx, &run.sync_id, *finished_at, None)
                        .await?;
                }
                RunState::Failed {
                    finished_at, error, ..
                }
                | RunState::Stalled {
                    finished_at, error, ..
                } => {
                    self.note_outcome(tx, &run.sync_id, *finished_at, Some(error))
                        .await?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    async fn note_outcome(
        &self,
        tx: &mut Tx,
        sync_id: &str,
        finished_at: Time,
        error: Option<&str>,
    ) -> Result<(), StoreError> {
        const SUCCEEDED: &str = "
            UPDATE syncs
            SET last_succeeded_at = $2, fresh_ms = $3, failing_since = NULL, failing_reason = NULL
            WHERE id = $1";
        const FAILED: &str = "
            UPDATE syncs
            SET failing_since = COALESCE(failing_since, $2), failing_reason = $3 WHERE id = $1";
        match error {
            None => run!(tx, |c| sqlx::query(SUCCEEDED)
                .bind(sync_id)
                .bind(at(finished_at))
                .bind(finished_at.timestamp_millis())
                .execute(c)
                .await
                .map(drop))?,
            Some(error) => run!(tx, |c| sqlx::query(FAILED)
                .bind(sync_id)
                .bind(at(finished_at))
                .bind(error)
                .execute(c)
                .await
                .map(drop))?,
        }
        Ok(())
    }
}
