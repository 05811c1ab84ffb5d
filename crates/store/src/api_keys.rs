//! API keys: who may call, and what for. A key belongs to one application and is stored as a hash.
//!
//! A presented key is found by the first digits of its hash, and its whole hash is compared in constant
//! time: how long an answer takes tells nothing about the keys that are there.

use sha2::{Digest, Sha256};
use sqlx::{FromRow, types::Json};
use subtle::ConstantTimeEq;
use syncline_model::{ApiKey, Policy, Time};

use crate::{Store, StoreError, Tenant, db::run};

/// How many digits of the hash the index has.
const PREFIX: usize = 16;

/// The columns of a [`KeyRow`]; the table is called `k`.
macro_rules! key_columns {
    () => {
        "k.id AS key_id, k.application_id AS key_application_id, k.name AS key_name, k.key_hash,
         k.role, k.policy, k.created_at AS key_created_at, k.expires_at, k.revoked_at,
         k.last_used_at"
    };
}
pub(crate) use key_columns;

/// What a presented key is looked up by; the index `api_keys_by_prefix` has the same expression.
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
    key_created_at: Time,
    expires_at: Option<Time>,
    revoked_at: Option<Time>,
    last_used_at: Option<Time>,
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
            created_at: row.key_created_at,
            expires_at: row.expires_at,
            revoked_at: row.revoked_at,
            last_used_at: row.last_used_at,
        })
    }
}

/// A key as a caller presents it: its hash, in hex.
pub(crate) struct Presented(String);

impl Presented {
    pub(crate) fn new(key: &str) -> Self {
        Self(key_hash(key))
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.0[..PREFIX]
    }

    /// Whether it is that key, and the key may be used still.
    pub(crate) fn opens(&self, row: &KeyRow, now: Time) -> bool {
        let is_it: bool = self.0.as_bytes().ct_eq(row.key_hash.as_bytes()).into();
        is_it && row.revoked_at.is_none() && row.expires_at.is_none_or(|end| now < end)
    }
}

impl Store {
    /// Whose key it is. One that was revoked or has expired is nobody's.
    pub async fn authenticate(&self, key: &str) -> Result<Option<(Tenant, ApiKey)>, StoreError> {
        const SQL: &str = concat!(
            "SELECT ",
            key_columns!(),
            " FROM api_keys k WHERE ",
            key_prefix_is!("$1")
        );
        let key = Presented::new(key);
        let mut reader = self.db.read().await?;
        let rows: Vec<KeyRow> = run!(reader, |c| sqlx::query_as(SQL)
            .bind(key.prefix())
            .fetch_all(c)
            .await)?;
        let now = self.now();
        let Some(row) = rows.into_iter().find(|row| key.opens(row, now)) else {
            return Ok(None);
        };
        let key = ApiKey::try_from(row)?;
        Ok(Some((self.tenant(&key.application_id), key)))
    }

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
}

fn key_hash(key: &str) -> String {
    hex::encode(Sha256::digest(key.as_bytes()))
}
