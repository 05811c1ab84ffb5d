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
    digest::digest,
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
        let call = call_digest(&connection.id, (action, input));
        let mut tx = self.begin().await?;
        self.lock_api_key(&mut tx, &agent.id).await?;
        let same = self.open_approval(&mut tx, agent, &call).await?;
        let now = self.store().now();
        if let Some(same) = same {
            return Ok(Asked::Same(self.store().approval(same)?));
        }
        if self.count_pending(&mut tx, agent).await? >= MOST_PENDING {
            return Ok(Asked::TooMany);
        }
        let id = self.store().new_id();
        self.insert_approval(&mut tx, &id, agent, connection, (action, input, &call))
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

    /// The newest that the same call joins.
    async fn open_approval(
        &self,
        tx: &mut Scope<Tx>,
        agent: &ApiKey,
        call_digest: &str,
    ) -> Result<Option<Row>, StoreError> {
        const SQL: Scoped = scoped(select!(
            "application_id = $1 AND api_key_id = $2 AND call_digest = $3
             AND collected_at IS NULL AND expires_at > $4
             ORDER BY id DESC LIMIT 1"
        ));
        let now = self.store().now();
        Ok(run!(tx, query_as(SQL), |q, c| q
            .bind(&agent.id)
            .bind(call_digest)
            .bind(at(now))
            .fetch_optional(c)
            .await)?)
    }

    async fn count_pending(&self, tx: &mut Scope<Tx>, agent: &ApiKey) -> Result<usize, StoreError> {
        const SQL: Scoped = scoped(
            "SELECT count(*) FROM approvals
             WHERE application_id = $1 AND api_key_id = $2 AND status = 'pending'
               AND expires_at > $3",
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
        (action, input, call_digest): (&str, &Value, &str),
    ) -> Result<(), StoreError> {
        const SQL: Scoped = scoped(
            "INSERT INTO approvals (application_id, id, api_key_id, requested_by, action,
                connection_id, customer_id, provider_name, input, call_digest, status, requested_at,
                expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'pending', $11, $12)",
        );
        let now = self.store().now();
        let input = self.store().sealed_json(&INPUT, id, input);
        Ok(run!(tx, query(SQL), |q, c| q
            .bind(id)
            .bind(&agent.id)
            .bind(&agent.name)
            .bind(action)
            .bind(&connection.id)
            .bind(&connection.customer_id)
            .bind(connection.provider.as_str())
            .bind(&input)
            .bind(call_digest)
            .bind(at(now))
            .bind(at(now + EXPIRES_AFTER))
            .execute(c)
            .await
            .map(drop))?)
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

/// The same for the same call, whatever the order of its input's fields: `serde_json` keeps them sorted.
fn call_digest(connection_id: &str, (action, input): (&str, &Value)) -> String {
    digest(&format!("{action} {connection_id} {input}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_the_same_whatever_the_order_of_its_fields() {
        let of = |action, input: &str| {
            call_digest("c1", (action, &serde_json::from_str(input).unwrap()))
        };
        let one = of("contacts.create", r#"{"a": {"x": 1, "y": [2]}, "b": null}"#);
        let other = of("contacts.create", r#"{"b": null, "a": {"y": [2], "x": 1}}"#);
        assert_eq!(one, other);
        assert_ne!(
            one,
            of("contacts.update", r#"{"a": {"x": 1, "y": [2]}, "b": null}"#)
        );
        assert_ne!(
            one,
            of("contacts.create", r#"{"a": {"x": 1, "y": [2]}, "b": 0}"#)
        );
    }
}
