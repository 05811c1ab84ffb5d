//! Holds an agent's call until somebody decides.

use chrono::TimeDelta;
use serde_json::Value;
use syncline_model::{
    ApiKey,
    event::{APPROVAL_REQUESTED, ApprovalRequested},
};

use super::{Approval, ApprovalStatus, INPUT, KeyName, Row, select};
use crate::{
    Connection, StoreError, Tenant,
    db::{Tx, run},
    retry::with_retry,
    tenant::{Scope, Scoped, scoped},
    timestamp::at,
};

/// How long a call waits for somebody who decides.
const EXPIRES_AFTER: TimeDelta = TimeDelta::hours(24);
/// How many calls of an agent may wait.
const MOST_PENDING: usize = 100;

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
