//! Customers: the owners of connections.

use sqlx_macros::FromRow;

use crate::{
    StoreError, Tenant,
    batch::{self, Batch},
    db::{Tx, run},
    key_set::KeySet,
    retry::with_retry,
    tenant::{Scope, Scoped, scoped},
    timestamp::at,
};

#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Customer {
    pub application_id: String,
    pub customer_id: String,
    pub name: String,
    pub email: String,
}

/// The data of a customer to create or update.
#[derive(Debug, Clone, Copy)]
pub struct NewCustomer<'a> {
    pub customer_id: &'a str,
    pub name: &'a str,
    pub email: &'a str,
}

impl Tenant {
    /// Ordered by id, starting after `after`; the empty id sorts first. With `search`, only those whose
    /// id, name or e-mail address contains it, whatever the case.
    pub async fn list_customers(
        &self,
        after: &str,
        search: Option<&str>,
    ) -> Result<Batch<Customer>, StoreError> {
        const SQL: Scoped = scoped(
            "SELECT application_id, customer_id, name, email FROM customers
             WHERE application_id = $1 AND customer_id > $2 ORDER BY customer_id LIMIT $3",
        );
        const SEARCH: Scoped = scoped(
            r"SELECT application_id, customer_id, name, email FROM customers
              WHERE application_id = $1 AND customer_id > $2
                AND (lower(customer_id) LIKE $4 ESCAPE '\' OR lower(name) LIKE $4 ESCAPE '\'
                     OR lower(email) LIKE $4 ESCAPE '\')
              ORDER BY customer_id LIMIT $3",
        );
        fn weigh(row: &Customer) -> usize {
            row.customer_id.len() + row.name.len() + row.email.len()
        }
        let mut reader = self.read().await?;
        let rows = match search {
            None => run!(reader, query_as(SQL), |q, c| {
                batch::take(q.bind(after).bind(batch::ROWS + 1).fetch(c), weigh).await
            })?,
            Some(search) => run!(reader, query_as(SEARCH), |q, c| {
                let q = q.bind(after).bind(batch::ROWS + 1);
                batch::take(q.bind(containing(search)).fetch(c), weigh).await
            })?,
        };
        Ok(rows)
    }

    /// Those of these ids that are there, by id.
    pub async fn customers_named(&self, ids: &[&str]) -> Result<Vec<Customer>, StoreError> {
        const SQL: Scoped = scoped(
            "SELECT application_id, customer_id, name, email FROM customers
             WHERE application_id = $1 AND customer_id IN (SELECT key FROM json_each($2))
             ORDER BY customer_id",
        );
        let mut reader = self.read().await?;
        Ok(run!(reader, query_as(SQL), |q, c| q
            .bind(KeySet::new(ids))
            .fetch_all(c)
            .await)?)
    }

    pub async fn get_customer(&self, customer_id: &str) -> Result<Option<Customer>, StoreError> {
        const SQL: Scoped = scoped(
            "SELECT application_id, customer_id, name, email FROM customers
             WHERE application_id = $1 AND customer_id = $2",
        );
        let mut reader = self.read().await?;
        Ok(run!(reader, query_as(SQL), |q, c| q
            .bind(customer_id)
            .fetch_optional(c)
            .await)?)
    }

    pub async fn upsert_customer(&self, new: &NewCustomer<'_>) -> Result<Customer, StoreError> {
        with_retry(|| self.upsert_customer_once(new)).await
    }

    async fn upsert_customer_once(&self, new: &NewCustomer<'_>) -> Result<Customer, StoreError> {
        const SQL: Scoped = scoped(
            "INSERT INTO customers (application_id, customer_id, name, email, created_at)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (application_id, customer_id)
             DO UPDATE SET name = excluded.name, email = excluded.email
             RETURNING application_id, customer_id, name, email",
        );
        let now = self.store().now();
        let mut tx = self.begin().await?;
        let customer = run!(tx, query_as(SQL), |q, c| q
            .bind(new.customer_id)
            .bind(new.name)
            .bind(new.email)
            .bind(at(now))
            .fetch_one(c)
            .await)?;
        tx.commit().await?;
        Ok(customer)
    }

    /// Deletes a customer with its connections and their rows, in one transaction. `false` if there
    /// is no such customer.
    pub async fn delete_customer(&self, customer_id: &str) -> Result<bool, StoreError> {
        with_retry(|| self.delete_customer_once(customer_id)).await
    }

    async fn delete_customer_once(&self, customer_id: &str) -> Result<bool, StoreError> {
        const DELETE: Scoped =
            scoped("DELETE FROM customers WHERE application_id = $1 AND customer_id = $2");
        let mut tx = self.begin().await?;
        if !self.lock_customer(&mut tx, customer_id).await? {
            return Ok(false);
        }
        for connection in self.list_connections_in(&mut tx, customer_id).await? {
            self.store()
                .delete_connection_in(tx.unscoped(), &connection)
                .await?;
        }
        run!(tx, query(DELETE), |q, c| q
            .bind(customer_id)
            .execute(c)
            .await
            .map(drop))?;
        tx.commit().await?;
        Ok(true)
    }

    /// Locks the customer until the transaction ends, so that no one else creates or deletes its
    /// connections meanwhile. `false` if there is no such customer.
    pub(crate) async fn lock_customer(
        &self,
        tx: &mut Scope<Tx>,
        customer_id: &str,
    ) -> Result<bool, StoreError> {
        const SQL: Scoped = scoped(
            "UPDATE customers SET name = name WHERE application_id = $1 AND customer_id = $2",
        );
        let locked = run!(tx, query(SQL), |q, c| q
            .bind(customer_id)
            .execute(c)
            .await?
            .rows_affected());
        Ok(locked == 1)
    }
}

/// A pattern for `LIKE … ESCAPE '\'` that finds the text anywhere.
fn containing(text: &str) -> String {
    let mut pattern = String::from("%");
    for it in text.to_lowercase().chars() {
        if matches!(it, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(it);
    }
    pattern.push('%');
    pattern
}
