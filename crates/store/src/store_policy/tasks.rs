//! What is left to do after a policy became stricter, and what retention does every hour: a row for
//! each connection and object, and for the results of enrichment of each provider.

use sqlx::types::Json;
use sqlx_macros::FromRow;
use syncline_model::{Object, StoreLevel, StorePolicy, SyncConfigData, Time};

use super::carry_out::FIRST_STAGE;
use crate::{
    Connection, Store, StoreError, Tenant,
    db::{Tx, run},
    sync_configs::SyncConfig,
    syncs::parse_object,
    tenant::{Scoped, scoped},
    timestamp::{Timestamp, at},
};

/// A stricter policy that is not yet carried out everywhere.
#[derive(Debug, Clone)]
pub struct PendingPolicy {
    pub provider_name: String,
    pub object: Object,
    /// The connections on which it isn't; the results of enrichment count as one.
    pub pending: i64,
    pub since: Time,
}

#[derive(FromRow)]
struct PendingRow {
    provider_name: String,
    object: String,
    pending: i64,
    since: Timestamp,
}

/// The objects whose policy decides about the results of enrichment: of people and of companies.
pub(crate) const ENRICHED: [Object; 2] = [Object::Contact, Object::Account];

impl Store {
    /// Sets the policies of a config for what is stored already. What becomes stricter is due at
    /// once. Before the config: `before`.
    pub(crate) async fn set_policies(
        &self,
        tx: &mut Tx,
        config: &SyncConfig,
        before: Option<&SyncConfigData>,
    ) -> Result<(), StoreError> {
        for entry in &config.config.common_objects {
            let Ok(object) = entry.object.parse::<Object>() else {
                continue;
            };
            let policy = config.config.store_policy(object);
            let was_configured = before.filter(|before| {
                let mut entries = before.common_objects.iter();
                entries.any(|it| it.object == object.as_str())
            });
            let former = was_configured.map(|before| before.store_policy(object));
            if former.as_ref() == Some(&policy) || (former.is_none() && policy.is_full()) {
                continue;
            }
            let former = former.unwrap_or_default();
            self.write_tasks(tx, config, object, &policy, &former)
                .await?;
            self.change_policy(tx, config, object, &policy, &former)
                .await?;
        }
        Ok(())
    }

    /// The tasks' rows are locked before runs and syncs, as a step does.
    async fn write_tasks(
        &self,
        tx: &mut Tx,
        config: &SyncConfig,
        object: Object,
        policy: &StorePolicy,
        former: &StorePolicy,
    ) -> Result<(), StoreError> {
        const NOTHING_LEFT: &str = "
            DELETE FROM store_tasks
            WHERE application_id = $1 AND provider_name = $2 AND object = $3";
        macro_rules! upsert {
            ($select:literal) => {
                concat!(
                    "INSERT INTO store_tasks
                        (id, application_id, provider_name, connection_id, object, policy,
                         pending_since, due_at, stage, position) ",
                    $select,
                    " ON CONFLICT (id) DO UPDATE
                     SET policy = excluded.policy, due_at = excluded.due_at,
                         pending_since = COALESCE(
                            store_tasks.pending_since, excluded.pending_since),
                         stage = excluded.stage, position = excluded.position"
                )
            };
        }
        const OF_CONNECTIONS: &str = upsert!(
            "SELECT c.id || '/' || $3, $1, $2, c.id, $3, $4, $5, $6, $7, ''
             FROM connections c WHERE c.application_id = $1 AND c.provider_name = $2"
        );
        const OF_ENRICHMENT: &str =
            upsert!("VALUES ($1 || '/' || $2 || '/' || $3, $1, $2, NULL, $3, $4, $5, $6, $7, '')");
        if policy.is_full() {
            return Ok(run!(tx, |c| sqlx::query(NOTHING_LEFT)
                .bind(&config.application_id)
                .bind(config.provider.as_str())
                .bind(object.as_str())
                .execute(c)
                .await
                .map(drop))?);
        }
        let now = self.now();
        let stricter = former.stores_more_than(policy);
        let mut statements = vec![OF_CONNECTIONS];
        if ENRICHED.contains(&object) {
            statements.push(OF_ENRICHMENT);
        }
        for sql in statements {
            run!(tx, |c| sqlx::query(sql)
                .bind(&config.application_id)
                .bind(config.provider.as_str())
                .bind(object.as_str())
                .bind(Json(policy))
                .bind(at(stricter.then_some(now)))
                .bind(at(now))
                .bind(FIRST_STAGE)
                .execute(c)
                .await
                .map(drop))?;
        }
        Ok(())
    }

    /// Runs are changed before and after their syncs: a run that was being started meanwhile has
    /// the former policy, and its start is waited for at the sync.
    async fn change_policy(
        &self,
        tx: &mut Tx,
        config: &SyncConfig,
        object: Object,
        policy: &StorePolicy,
        former: &StorePolicy,
    ) -> Result<(), StoreError> {
        const RUNS: &str = "
            UPDATE sync_runs SET store_policy = $3
            WHERE sync_id IN (SELECT id FROM syncs WHERE sync_config_id = $1 AND object = $2)
              AND sync_id IS NOT NULL AND state IN ('queued', 'running', 'waiting')";
        // Only a full read brings back what was not stored before.
        const SYNCS: &str = "
            UPDATE syncs SET store_policy = $3,
                full_refresh = CASE WHEN $4 THEN true ELSE full_refresh END
            WHERE sync_config_id = $1 AND object = $2";
        if policy.level == StoreLevel::None {
            return Ok(());
        }
        let stored = (!policy.is_full()).then_some(Json(policy));
        let wider = policy.stores_more_than(former);
        for sql in [RUNS, SYNCS, RUNS] {
            run!(tx, |c| {
                let query = sqlx::query(sql)
                    .bind(&config.id)
                    .bind(object.as_str())
                    .bind(stored.as_ref());
                let query = if sql == SYNCS {
                    query.bind(wider)
                } else {
                    query
                };
                query.execute(c).await.map(drop)
            })?;
        }
        Ok(())
    }

    /// Retention on a new connection.
    pub(crate) async fn begin_retention(
        &self,
        tx: &mut Tx,
        connection: &Connection,
        config: &SyncConfig,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            INSERT INTO store_tasks
                (id, application_id, provider_name, connection_id, object, policy, due_at, stage,
                 position)
            VALUES ($4 || '/' || $5, $1, $2, $4, $5, $6, $3, $7, '')
            ON CONFLICT (id) DO NOTHING";
        let due = self.now() + super::carry_out::RETENTION_EVERY;
        for object in Object::ALL {
            let policy = config.config.store_policy(*object);
            if policy.retain_days.is_none() {
                continue;
            }
            run!(tx, |c| sqlx::query(SQL)
                .bind(&connection.application_id)
                .bind(connection.provider.as_str())
                .bind(at(due))
                .bind(&connection.id)
                .bind(object.as_str())
                .bind(Json(&policy))
                .bind(FIRST_STAGE)
                .execute(c)
                .await
                .map(drop))?;
        }
        Ok(())
    }
}

impl Tenant {
    /// Stricter policies that are not yet carried out.
    pub async fn pending_policies(&self) -> Result<Vec<PendingPolicy>, StoreError> {
        const SQL: Scoped = scoped(
            "SELECT provider_name, object, count(*) AS pending, min(pending_since) AS since
             FROM store_tasks WHERE application_id = $1 AND pending_since IS NOT NULL
             GROUP BY provider_name, object ORDER BY provider_name, object",
        );
        let mut reader = self.read().await?;
        let rows: Vec<PendingRow> = run!(reader, query_as(SQL), |q, c| q.fetch_all(c).await)?;
        rows.into_iter().map(PendingPolicy::try_from).collect()
    }
}

impl TryFrom<PendingRow> for PendingPolicy {
    type Error = StoreError;

    fn try_from(row: PendingRow) -> Result<Self, StoreError> {
        Ok(Self {
            object: parse_object("store_tasks", &row.provider_name, &row.object)?,
            provider_name: row.provider_name,
            pending: row.pending,
            since: row.since.into(),
        })
    }
}
