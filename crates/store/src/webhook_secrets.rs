//! The encrypted secrets that sign webhooks. After a rotation the old secret keeps signing for a
//! while besides the new one, so that receivers can switch without losing an event.

use base64::{Engine, prelude::BASE64_STANDARD};
use secrecy::SecretString;
use sqlx_macros::FromRow;
use syncline_model::webhook::SECRETS_OVERLAP;

use crate::{
    Store, StoreError,
    db::{Tx, run},
    sealing::SealedColumn,
    timestamp::at,
};

/// The prefix of secrets in Standard Webhooks.
const PREFIX: &str = "whsec_";
/// The maximum number of secrets that sign at once: each makes the header longer.
const MOST: i64 = 10;

pub(crate) const WEBHOOK_SECRET: SealedColumn = SealedColumn {
    table: "webhook_secrets",
    column: "secret",
    key: "id",
};

#[derive(FromRow)]
struct SecretRow {
    id: String,
    secret: String,
}

impl Store {
    /// The secrets that sign, newest first.
    pub(crate) async fn signing_secrets(
        &self,
        endpoint_id: &str,
    ) -> Result<Vec<SecretString>, StoreError> {
        const SQL: &str = "
            SELECT id, secret FROM webhook_secrets
            WHERE endpoint_id = $1 AND (expires_at IS NULL OR expires_at > $2)
            ORDER BY id DESC";
        let now = self.now();
        let mut reader = self.db.read().await?;
        let rows: Vec<SecretRow> = run!(reader, |c| sqlx::query_as(SQL)
            .bind(endpoint_id)
            .bind(at(now))
            .fetch_all(c)
            .await)?;
        rows.iter()
            .map(|row| self.unseal(&WEBHOOK_SECRET, &row.id, &row.secret))
            .collect()
    }

    /// Creates a secret for an endpoint. It is returned only once, because it can sign in our name.
    pub(crate) async fn new_signing_secret(
        &self,
        tx: &mut Tx,
        endpoint_id: &str,
    ) -> Result<SecretString, StoreError> {
        const RETIRE: &str = "
            UPDATE webhook_secrets SET expires_at = $2
            WHERE endpoint_id = $1 AND expires_at IS NULL";
        const SIGNING: &str = "
            SELECT count(*) FROM webhook_secrets
            WHERE endpoint_id = $1 AND (expires_at IS NULL OR expires_at > $2)";
        const INSERT: &str = "
            INSERT INTO webhook_secrets (id, endpoint_id, secret, created_at)
            VALUES ($1, $2, $3, $4)";
        let now = self.now();
        run!(tx, |c| sqlx::query(RETIRE)
            .bind(endpoint_id)
            .bind(at(now + SECRETS_OVERLAP))
            .execute(c)
            .await
            .map(drop))?;
        let signing: i64 = run!(tx, |c| sqlx::query_scalar(SIGNING)
            .bind(endpoint_id)
            .bind(at(now))
            .fetch_one(c)
            .await)?;
        if signing >= MOST {
            return Err(StoreError::Conflict(format!(
                "{MOST} secrets of this endpoint still sign; each stops {} hours after its rotation",
                SECRETS_OVERLAP.num_hours()
            )));
        }
        let id = self.new_id();
        let secret = format!("{PREFIX}{}", BASE64_STANDARD.encode(self.ids.bytes::<32>()));
        let secret = SecretString::from(secret);
        let sealed = self.seal(&WEBHOOK_SECRET, &id, &secret);
        run!(tx, |c| sqlx::query(INSERT)
            .bind(&id)
            .bind(endpoint_id)
            .bind(&sealed)
            .bind(at(now))
            .execute(c)
            .await
            .map(drop))?;
        Ok(secret)
    }
}
