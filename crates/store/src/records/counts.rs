//! How many rows customers have of an object, of many customers at once.

use std::collections::BTreeMap;

use syncline_model::{Object, ProviderName};

use crate::{
    StoreError, Tenant,
    db::run,
    key_set::KeySet,
    tenant::{Scoped, scoped},
};

impl Tenant {
    /// The number of rows that are not deleted, by customer; those who have none are left out.
    pub async fn count_rows(
        &self,
        object: Object,
        provider: ProviderName,
        customer_ids: &[&str],
    ) -> Result<BTreeMap<String, i64>, StoreError> {
        let mut reader = self.read().await?;
        let rows: Vec<(String, i64)> = run!(reader, query_as(statement(object)), |q, c| q
            .bind(provider.as_str())
            .bind(KeySet::new(customer_ids))
            .fetch_all(c)
            .await)?;
        Ok(rows.into_iter().collect())
    }
}

/// `$2` is the provider, and `$3` are the customers.
const fn statement(object: Object) -> Scoped {
    macro_rules! count {
        ($table:literal) => {
            scoped(concat!(
                "SELECT customer_id, count(*) FROM ",
                $table,
                " WHERE application_id = $1 AND provider_name = $2
                    AND customer_id IN (SELECT key FROM json_each($3)) AND NOT is_deleted
                  GROUP BY customer_id"
            ))
        };
    }
    match object {
        Object::User => count!("engagement_users"),
        Object::Mailbox => count!("engagement_mailboxes"),
        Object::Sequence => count!("engagement_sequences"),
        Object::Account => count!("engagement_accounts"),
        Object::Contact => count!("engagement_contacts"),
        Object::SequenceState => count!("engagement_sequence_states"),
    }
}
