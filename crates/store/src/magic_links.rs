//! Magic links: URLs under which customers connect their own account, usable once and until they
//! expire.

use sqlx_macros::FromRow;
use syncline_model::{ProviderName, Time};

use crate::{
    ConfiguredProvider, Store, StoreError, Tenant,
    batch::{self, Batch},
    db::{Tx, run},
    providers::parse_provider,
    retry::with_retry,
    tenant::{Scoped, scoped},
    timestamp::{Timestamp, at},
};

/// Not `Debug`: the token grants the use of the link.
#[derive(Clone)]
pub struct MagicLink {
    pub id: String,
    pub application_id: String,
    pub customer_id: String,
    pub provider_id: String,
    pub provider: ProviderName,
    /// The secret part of its URL.
    pub token: String,
    pub return_url: String,
    pub expires_at: Time,
    pub consumed_at: Option<Time>,
}

pub struct NewMagicLink<'a> {
    pub customer_id: &'a str,
    pub provider: &'a ConfiguredProvider,
    pub return_url: &'a str,
    pub expires_at: Time,
}

#[derive(FromRow)]
struct MagicLinkRow {
    id: String,
    application_id: String,
    customer_id: String,
    provider_id: String,
    provider_name: String,
    token: String,
    return_url: String,
    expires_at: Timestamp,
    consumed_at: Option<Timestamp>,
}

impl TryFrom<MagicLinkRow> for MagicLink {
    type Error = StoreError;

    fn try_from(row: MagicLinkRow) -> Result<Self, StoreError> {
        Ok(Self {
            provider: parse_provider("magic_links", &row.id, &row.provider_name)?,
            id: row.id,
            application_id: row.application_id,
            customer_id: row.customer_id,
            provider_id: row.provider_id,
            token: row.token,
            return_url: row.return_url,
            expires_at: row.expires_at.into(),
            consumed_at: row.consumed_at.map(Into::into),
        })
    }
}

impl Tenant {
    /// Ordered by id, oldest first, starting after `after`.
    pub async fn list_magic_links(&self, after: &str) -> Result<Batch<MagicLink>, StoreError> {
        const SQL: Scoped = scoped(
            "SELECT id, application_id, customer_id, provider_id, provider_name, token, return_url,
                    expires_at, consumed_at
             FROM magic_links WHERE application_id = $1 AND id > $2 ORDER BY id LIMIT $3",
        );
        fn weigh(row: &MagicLinkRow) -> usize {
            row.return_url.len()
        }
        let mut reader = self.read().await?;
        let batch = run!(reader, query_as(SQL), |q, c| {
            batch::take(q.bind(after).bind(batch::ROWS + 1).fetch(c), weigh).await
        })?;
        batch.try_map(TryInto::try_into)
    }

    pub async fn create_magic_link(&self, new: &NewMagicLink<'_>) -> Result<MagicLink, StoreError> {
        with_retry(|| self.create_magic_link_once(new)).await
    }

    async fn create_magic_link_once(
        &self,
        new: &NewMagicLink<'_>,
    ) -> Result<MagicLink, StoreError> {
        const SQL: Scoped = scoped(
            "INSERT INTO magic_links
                (application_id, id, customer_id, provider_id, provider_name, token, return_url,
                 created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        );
        let store = self.store();
        let now = store.now();
        let link = MagicLink {
            id: store.new_id(),
            application_id: self.application_id().to_owned(),
            customer_id: new.customer_id.to_owned(),
            provider_id: new.provider.id.clone(),
            provider: new.provider.name,
            token: hex::encode(store.ids.bytes::<32>()),
            return_url: new.return_url.to_owned(),
            expires_at: new.expires_at,
            consumed_at: None,
        };
        let mut tx = self.begin().await?;
        if !self.lock_customer(&mut tx, &link.customer_id).await? {
            return Err(StoreError::Missing("the customer"));
        }
        run!(tx, query(SQL), |q, c| q
            .bind(&link.id)
            .bind(&link.customer_id)
            .bind(&link.provider_id)
            .bind(link.provider.as_str())
            .bind(&link.token)
            .bind(&link.return_url)
            .bind(at(now))
            .bind(at(link.expires_at))
            .execute(c)
            .await
            .map(drop))
        .map_err(|error| StoreError::from(error).or_missing("the provider"))?;
        tx.commit().await?;
        Ok(link)
    }

    /// `false` if the application has no such link.
    pub async fn delete_magic_link(&self, id: &str) -> Result<bool, StoreError> {
        const SQL: Scoped = scoped("DELETE FROM magic_links WHERE application_id = $1 AND id = $2");
        let mut tx = self.begin().await?;
        let deleted = run!(tx, query(SQL), |q, c| q
            .bind(id)
            .execute(c)
            .await?
            .rows_affected());
        tx.commit().await?;
        Ok(deleted == 1)
    }
}

impl Store {
    /// The link with this token, of any application.
    pub async fn magic_link_of(&self, token: &str) -> Result<Option<MagicLink>, StoreError> {
        const SQL: &str = "
            SELECT id, application_id, customer_id, provider_id, provider_name, token, return_url,
                   expires_at, consumed_at
            FROM magic_links WHERE token = $1";
        let mut reader = self.db.read().await?;
        let row: Option<MagicLinkRow> = run!(reader, |c| sqlx::query_as(SQL)
            .bind(token)
            .fetch_optional(c)
            .await)?;
        row.map(TryInto::try_into).transpose()
    }

    /// The link is used up by the transaction that stores its connection's credentials. An error if
    /// somebody else used it meanwhile.
    pub(crate) async fn consume_magic_link(&self, tx: &mut Tx, id: &str) -> Result<(), StoreError> {
        const SQL: &str = "
            UPDATE magic_links SET consumed_at = $2 WHERE id = $1 AND consumed_at IS NULL";
        let consumed = run!(tx, |c| sqlx::query(SQL)
            .bind(id)
            .bind(at(self.now()))
            .execute(c)
            .await?
            .rows_affected());
        if consumed == 0 {
            return Err(StoreError::Missing("an unused magic link"));
        }
        Ok(())
    }
}
