//! Customers: whose data a connection reads.

use sqlx::FromRow;

use crate::{Store, StoreError, db::run};

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
        let connections = self.list_connections(application_id, customer_id).await?;
        let mut tx = self.db.begin().await?;
        for connection in &connections {
            self.delete_connection_in(&mut tx, connection).await?;
        }
        let deleted = run!(tx, |c| sqlx::query(DELETE)
            .bind(application_id)
            .bind(customer_id)
            .execute(c)
            .await?
            .rows_affected());
        tx.commit().await?;
        Ok(deleted == 1)
    }
}
