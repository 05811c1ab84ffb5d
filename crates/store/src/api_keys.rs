//! API keys: who may call, and what they may do. A key belongs to one application and is stored as
//! a hash.
//!
//! A presented key is looked up by the first digits of its hash, and the whole hash is compared in
//! constant time, so response times reveal nothing about the stored keys. The hash is a plain SHA-256:
//! a generated key is 32 random bytes, for which a slow hash adds nothing.

use std::sync::Arc;

use sqlx::types::Json;
use sqlx_macros::FromRow;
use subtle::ConstantTimeEq;
use syncline_model::{ApiKey, Grants, Ids, Policy, Role, Time};

use crate::{
    PageRequest, Store, StoreError, Tenant, Total,
    db::run,
    digest::digest,
    tenant::{Scoped, scoped},
    timestamp::{Timestamp, at},
};

/// How many digits of the hash are indexed.
const PREFIX: usize = 16;

/// The columns of a [`KeyRow`]; the table is called `k`.
macro_rules! key_columns {
    () => {
        "k.id AS key_id, k.application_id AS key_application_id, k.name AS key_name, k.key_hash,
         k.role, k.policy, k.grants, k.created_at AS key_created_at, k.expires_at, k.revoked_at,
         k.last_used_at"
    };
}
pub(crate) use key_columns;

/// The look-up condition for a presented key; the index `api_keys_by_prefix` has the same
/// expression.
macro_rules! key_prefix_is {
    ($parameter:literal) => {
        concat!("substr(k.key_hash, 1, 16) = ", $parameter)
    };
}
pub(crate) use key_prefix_is;

#[derive(FromRow)]
pub(crate) struct KeyRow {
    key_id: String,
    key_application_id: String,
    key_name: String,
    key_hash: String,
    role: String,
    policy: Option<Json<Policy>>,
    grants: Option<Json<Grants>>,
    key_created_at: Timestamp,
    expires_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
    last_used_at: Option<Timestamp>,
}

impl TryFrom<KeyRow> for ApiKey {
    type Error = StoreError;

    fn try_from(row: KeyRow) -> Result<Self, StoreError> {
        let role = row.role.parse().map_err(|_| StoreError::Inconsistent {
            table: "api_keys",
            column: "role",
            row: row.key_id.clone(),
            reason: row.role,
        })?;
        Ok(Self {
            id: row.key_id,
            application_id: row.key_application_id,
            name: row.key_name,
            role,
            policy: row.policy.map(|policy| policy.0),
            grants: row.grants.map(|grants| grants.0),
            created_at: row.key_created_at.into(),
            expires_at: row.expires_at.map(Into::into),
            revoked_at: row.revoked_at.map(Into::into),
            last_used_at: row.last_used_at.map(Into::into),
        })
    }
}

/// A key as a caller presents it: its hash, in hex.
pub(crate) struct Presented(String);

impl Presented {
    pub(crate) fn new(key: &str) -> Self {
        Self(digest(key))
    }

    pub(crate) fn digest(&self) -> &str {
        &self.0
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.0[..PREFIX]
    }

    fn is(&self, row: &KeyRow) -> bool {
        self.0.as_bytes().ct_eq(row.key_hash.as_bytes()).into()
    }

    /// Whether it matches the row, and the key is neither revoked nor expired.
    pub(crate) fn opens(&self, row: &KeyRow, now: Time) -> bool {
        self.is(row) && row.revoked_at.is_none() && row.expires_at.is_none_or(|end| now < end.0)
    }
}

impl Store {
    /// The key as the database has it now, or had it less than a second ago; `None` if it is unknown,
    /// revoked or expired.
    pub(crate) async fn find_key(
        &self,
        key: &Presented,
    ) -> Result<Option<Arc<ApiKey>>, StoreError> {
        let rows = self.keys_like(key).await?;
        let row = rows.into_iter().find(|row| key.opens(row, self.now()));
        Ok(row.map(ApiKey::try_from).transpose()?.map(Arc::new))
    }

    /// The key's details even if it was revoked or has expired. Grants no access.
    pub async fn former_key(&self, key: &str) -> Result<Option<ApiKey>, StoreError> {
        let key = Presented::new(key);
        let rows = self.keys_like(&key).await?;
        let row = rows.into_iter().find(|row| key.is(row));
        row.map(ApiKey::try_from).transpose()
    }

    async fn keys_like(&self, key: &Presented) -> Result<Vec<KeyRow>, StoreError> {
        const SQL: &str = concat!(
            "SELECT ",
            key_columns!(),
            " FROM api_keys k WHERE ",
            key_prefix_is!("$1")
        );
        let mut reader = self.db.read().await?;
        Ok(run!(reader, |c| sqlx::query_as(SQL)
            .bind(key.prefix())
            .fetch_all(c)
            .await)?)
    }

    pub async fn has_api_keys(&self) -> Result<bool, StoreError> {
        const SQL: &str = "SELECT count(*) FROM (SELECT 1 FROM api_keys LIMIT 1) AS newest";
        let mut reader = self.db.read().await?;
        let count: i64 = run!(reader, |c| sqlx::query_scalar(SQL).fetch_one(c).await)?;
        Ok(count > 0)
    }

    /// Adds a key that may do everything in an application. A key that exists already, even a
    /// revoked one, is left unchanged.
    pub async fn add_api_key(
        &self,
        application_id: &str,
        name: &str,
        key: &str,
    ) -> Result<(), StoreError> {
        let new = NewApiKey {
            name,
            key,
            role: Role::Admin,
            policy: None,
            grants: None,
            expires_at: None,
        };
        self.tenant(application_id).insert_api_key(&new).await?;
        Ok(())
    }

    /// Records that a key was just used.
    pub async fn note_key_use(&self, id: &str, now: Time) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE api_keys SET last_used_at = $2
            WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2)";
        let mut tx = self.db.begin().await?;
        run!(tx, |c| sqlx::query(SQL)
            .bind(id)
            .bind(at(now))
            .execute(c)
            .await
            .map(drop))?;
        Ok(tx.commit().await?)
    }
}

/// A key to create.
pub struct NewApiKey<'a> {
    pub name: &'a str,
    /// The key itself; only its hash is stored.
    pub key: &'a str,
    pub role: Role,
    pub policy: Option<&'a Policy>,
    /// For an agent.
    pub grants: Option<&'a Grants>,
    pub expires_at: Option<Time>,
}

impl Tenant {
    /// `None` if the key exists already, in any application.
    pub async fn create_api_key(&self, new: &NewApiKey<'_>) -> Result<Option<ApiKey>, StoreError> {
        match self.insert_api_key(new).await? {
            Some(id) => self.get_api_key(&id).await,
            None => Ok(None),
        }
    }

    async fn insert_api_key(&self, new: &NewApiKey<'_>) -> Result<Option<String>, StoreError> {
        const SQL: Scoped = scoped(
            "INSERT INTO api_keys
                (application_id, id, name, key_hash, role, policy, grants, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
             ON CONFLICT (key_hash) DO NOTHING",
        );
        let store = self.store();
        let (id, now) = (store.new_id(), store.now());
        let mut tx = self.begin().await?;
        let inserted = run!(tx, query(SQL), |q, c| q
            .bind(&id)
            .bind(new.name)
            .bind(digest(new.key))
            .bind(new.role.as_str())
            .bind(new.policy.map(Json))
            .bind(new.grants.map(Json))
            .bind(at(now))
            .bind(at(new.expires_at))
            .execute(c)
            .await?
            .rows_affected());
        tx.commit().await?;
        Ok((inserted == 1).then_some(id))
    }

    /// Newest first, including revoked and expired keys.
    pub async fn list_api_keys(&self, page: &PageRequest) -> Result<Vec<ApiKey>, StoreError> {
        const FORWARD: Scoped = scoped(concat!(
            "SELECT ",
            key_columns!(),
            " FROM api_keys k WHERE k.application_id = $1
              AND (CAST($2 AS text) IS NULL OR k.id < $2) ORDER BY k.id DESC LIMIT $3"
        ));
        const BACKWARD: Scoped = scoped(concat!(
            "SELECT ",
            key_columns!(),
            " FROM api_keys k WHERE k.application_id = $1
              AND (CAST($2 AS text) IS NULL OR k.id > $2) ORDER BY k.id ASC LIMIT $3"
        ));
        let sql = if page.reverse { BACKWARD } else { FORWARD };
        let mut reader = self.read().await?;
        let rows: Vec<KeyRow> = run!(reader, query_as(sql), |q, c| q
            .bind(&page.cursor)
            .bind(page.limit)
            .fetch_all(c)
            .await)?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    pub async fn count_api_keys(&self) -> Result<Total, StoreError> {
        const SQL: Scoped = scoped("SELECT count(*) FROM api_keys WHERE application_id = $1");
        let mut reader = self.read().await?;
        let count = run!(reader, query_scalar(SQL), |q, c| q.fetch_one(c).await)?;
        Ok(Total::exactly(count))
    }

    pub async fn get_api_key(&self, id: &str) -> Result<Option<ApiKey>, StoreError> {
        const SQL: Scoped = scoped(concat!(
            "SELECT ",
            key_columns!(),
            " FROM api_keys k WHERE k.application_id = $1 AND k.id = $2"
        ));
        let mut reader = self.read().await?;
        let row: Option<KeyRow> = run!(reader, query_as(SQL), |q, c| q
            .bind(id)
            .fetch_optional(c)
            .await)?;
        row.map(TryInto::try_into).transpose()
    }

    /// Replaces what an agent may do: at once in this process, within a second in others. `false` if
    /// the application has no such agent.
    pub async fn set_grants(&self, id: &str, grants: &Grants) -> Result<bool, StoreError> {
        const SQL: Scoped = scoped(
            "UPDATE api_keys SET grants = $3
             WHERE application_id = $1 AND id = $2 AND role = 'agent'",
        );
        let mut tx = self.begin().await?;
        self.store().forget_callers(tx.unscoped());
        let found = run!(tx, query(SQL), |q, c| q
            .bind(id)
            .bind(Json(grants))
            .execute(c)
            .await?
            .rows_affected());
        tx.commit().await?;
        Ok(found == 1)
    }

    /// Revokes a key: at once in this process, within a second in others. Idempotent. `false` if the
    /// application has no such key.
    pub async fn revoke_api_key(&self, id: &str) -> Result<bool, StoreError> {
        const SQL: Scoped = scoped(
            "UPDATE api_keys SET revoked_at = COALESCE(revoked_at, $3)
             WHERE application_id = $1 AND id = $2",
        );
        let now = self.store().now();
        let mut tx = self.begin().await?;
        self.store().forget_callers(tx.unscoped());
        let found = run!(tx, query(SQL), |q, c| q
            .bind(id)
            .bind(at(now))
            .execute(c)
            .await?
            .rows_affected());
        tx.commit().await?;
        Ok(found == 1)
    }
}

/// A new key: `sl_` and 32 random bytes in hex.
pub fn new_api_key(ids: &Ids) -> String {
    format!("sl_{}", hex::encode(ids.bytes::<32>()))
}
