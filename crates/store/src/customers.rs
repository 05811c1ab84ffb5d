//! Customers: whose data a connection reads.

use sqlx::FromRow;

use crate::{
    Store, StoreError,
    db::{Tx, run},
};

#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Customer {
    pub application_id: String,
    pub customer_id: String,
    pub name: String,
    pub email: String,
}

impl Store {
    pub async fn list_customers(&self, application_id: &str) -> Result<Vec<Customer>, StoreError> {
        const SQL: &str = "
            SELECT application_id, customer_id, name, email FROM customers
            WHERE application_id = $1 ORDER BY customer_id";
        let mut reader = self.db.read().await?;
        Ok(run!(reader, |c| sqlx::query_as(SQL)
            .bind(application_id)
            .fetch_all(c)
            .await)?)
    }

    pub async fn get_customer(
        &self,
        application_id: &str,
        customer_id: &str,
    ) -> Result<Option<Customer>, StoreError> {
        const SQL: &str = "
            SELECT application_id, customer_id, name, email FROM customers
            WHERE application_id = $1 AND customer_id = $2";
        let mut reader = self.db.read().await?;
        Ok(run!(reader, |c| sqlx::query_as(SQL)
            .bind(application_id)
            .bind(customer_id)
            .fetch_optional(c)
            .await)?)
    }

    pub async fn upsert_customer(&self, customer: &Customer) -> Result<(), StoreError> {
        const SQL: &str = "
            INSERT INTO customers (application_id, customer_id, name, email, created_at)
            VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (application_id, customer_id)
            DO UPDATE SET name = excluded.name, email = excluded.email";
        let mut tx = self.db.begin().await?;
        let now = self.now();
        run!(tx, |c| sqlx::query(SQL)
            .bind(&customer.application_id)
            .bind(&customer.customer_id)
            .bind(&customer.name)
            .bind(&customer.email)
            .bind(now)
            .execute(c)
            .await
            .map(drop))?;
        Ok(tx.commit().await?)
    }

    /// Deletes a customer with its connections, their rows included, in one transaction. `false`
    /// when there is no such customer.
    pub async fn delete_customer(
        &self,
        application_id: &str,
        customer_id: &str,
    ) -> Result<bool, StoreError> {
        const DELETE: &str = "DELETE FROM customers WHERE application_id = $1 AND customer_id = $2";
        let mut tx = self.db.begin().await?;
        if !self
            .lock_customer(&mut tx, application_id, customer_id)
            .await?
        {
            return Ok(false);
        }
        let connections = self
            .list_connections_in(&mut tx, application_id, customer_id)
            .await?;
        for connection in &connections {
            self.delete_connection_in(&mut tx, connection).await?;
        }
        run!(tx, |c| sqlx::query(DELETE)
            .bind(application_id)
            .bind(customer_id)
            .execute(c)
            .await
            .map(drop))?;
        tx.commit().await?;
        Ok(true)
    }

    /// Holds the customer until the transaction ends: its connections are neither created nor
    /// deleted by anybody else meanwhile. `false` when there is no such customer.
    pub(crate) async fn lock_customer(
        &self,
        tx: &mut Tx,
        application_id: &str,
        customer_id: &str,
    ) -> Result<bool, StoreError> {
        const SQL: &str = "
            UPDATE customers SET name = name WHERE application_id = $1 AND customer_id = $2";
        let locked = run!(tx, |c| sqlx::query(SQL)
            .bind(application_id)
            .bind(customer_id)
            .execute(c)
            .await?
            .rows_affected());
        Ok(locked == 1)
    }
}
