//! API keys, stored as hashes. A key belongs to one application.

use sha2::{Digest, Sha256};

use crate::{Store, StoreError, db::run};

impl Store {
    pub async fn has_api_keys(&self) -> Result<bool, StoreError> {
        const SQL: &str = "SELECT count(*) FROM (SELECT 1 FROM api_keys LIMIT 1) AS newest";
        let mut reader = self.db.read().await?;
        let count: i64 = run!(reader, |c| sqlx::query_scalar(SQL).fetch_one(c).await)?;
        Ok(count > 0)
    }

    /// Adds a key to an application; a key that is there already stays as it is.
    pub async fn add_api_key(
        &self,
        application_id: &str,
        name: &str,
        key: &str,
    ) -> Result<(), StoreError> {
        const SQL: &str = "
            INSERT INTO api_keys (id, application_id, name, key_hash, created_at)
            VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (key_hash) DO NOTHING";
        let mut tx = self.db.begin().await?;
        let (id, now) = (self.new_id(), self.now());
        run!(tx, |c| sqlx::query(SQL)
            .bind(&id)
            .bind(application_id)
            .bind(name)
            .bind(key_hash(key))
            .bind(now)
            .execute(c)
            .await
            .map(drop))?;
        Ok(tx.commit().await?)
    }

    /// The id of the application that `key` belongs to.
    ///
    /// The lookup is by the key's hash: how long it takes tells nothing about a key.
    pub async fn application_of_key(&self, key: &str) -> Result<Option<String>, StoreError> {
        const SQL: &str = "SELECT application_id FROM api_keys WHERE key_hash = $1";
        let mut reader = self.db.read().await?;
        Ok(run!(reader, |c| sqlx::query_scalar(SQL)
            .bind(key_hash(key))
            .fetch_optional(c)
            .await)?)
    }
}

pub(crate) fn key_hash(key: &str) -> String {
    hex::encode(Sha256::digest(key.as_bytes()))
}
