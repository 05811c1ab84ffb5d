//! The providers that an application has enabled.

use sqlx_macros::FromRow;
use syncline_model::ProviderName;

use crate::{
    StoreError, Tenant,
    db::{Tx, run},
    retry::with_retry,
    tenant::{Scope, Scoped, scoped},
    timestamp::at,
};

#[derive(Debug, Clone)]
pub struct ConfiguredProvider {
    pub id: String,
    pub application_id: String,
    pub name: ProviderName,
}

#[derive(FromRow)]
struct ProviderRow {
    id: String,
    application_id: String,
    name: String,
}

impl TryFrom<ProviderRow> for ConfiguredProvider {
    type Error = StoreError;

    fn try_from(row: ProviderRow) -> Result<Self, StoreError> {
        Ok(Self {
            name: parse_provider("providers", &row.id, &row.name)?,
            id: row.id,
            application_id: row.application_id,
        })
    }
}

impl Tenant {
    pub async fn list_providers(&self) -> Result<Vec<ConfiguredProvider>, StoreError> {
        const SQL: Scoped = scoped(
            "SELECT id, application_id, name FROM providers
             WHERE application_id = $1 ORDER BY name",
        );
        let mut reader = self.read().await?;
        let rows: Vec<ProviderRow> = run!(reader, query_as(SQL), |q, c| q.fetch_all(c).await)?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    pub async fn get_provider(&self, id: &str) -> Result<Option<ConfiguredProvider>, StoreError> {
        Ok(self
            .list_providers()
            .await?
            .into_iter()
            .find(|provider| provider.id == id))
    }

    /// Enables a provider. It has no sync config until one is created.
    pub async fn create_provider(
        &self,
        name: ProviderName,
    ) -> Result<ConfiguredProvider, StoreError> {
        let mut tx = self.begin().await?;
        let id = self.insert_provider(&mut tx, name).await?;
        tx.commit().await?;
        Ok(ConfiguredProvider {
            id,
            application_id: self.application_id().to_owned(),
            name,
        })
    }

    /// Deletes a provider that has neither a sync config nor connections.
    pub async fn delete_provider(&self, provider: &ConfiguredProvider) -> Result<(), StoreError> {
        with_retry(|| self.delete_provider_once(provider)).await
    }

    async fn delete_provider_once(&self, provider: &ConfiguredProvider) -> Result<(), StoreError> {
        const CONFIGS: Scoped = scoped(
            "SELECT count(*) FROM sync_configs WHERE application_id = $1 AND provider_name = $2",
        );
        const DELETE: Scoped =
            scoped("DELETE FROM providers WHERE application_id = $1 AND id = $2");
        let mut tx = self.begin().await?;
        if !self.lock_provider(&mut tx, provider.name).await? {
            return Err(StoreError::Missing("the provider"));
        }
        let configs: i64 = run!(tx, query_scalar(CONFIGS), |q, c| q
            .bind(provider.name.as_str())
            .fetch_one(c)
            .await)?;
        if configs > 0 {
            return Err(StoreError::InUse(format!(
                "Can't delete provider with id: {} as it has syncConfigs",
                provider.id
            )));
        }
        // The connections' foreign key decides, which includes a connection that is being created
        // right now.
        run!(tx, query(DELETE), |q, c| q
            .bind(&provider.id)
            .execute(c)
            .await
            .map(drop))
        .map_err(|error| match StoreError::from(error) {
            error if error.breaks_reference() => StoreError::InUse(format!(
                "Can't delete provider with id: {} with active connections",
                provider.id
            )),
            error => error,
        })?;
        Ok(tx.commit().await?)
    }

    /// Locks the provider until the transaction ends, so that it can't be deleted meanwhile.
    /// `false` if the application has not enabled it.
    pub(crate) async fn lock_provider(
        &self,
        tx: &mut Scope<Tx>,
        name: ProviderName,
    ) -> Result<bool, StoreError> {
        const SQL: Scoped =
            scoped("UPDATE providers SET name = name WHERE application_id = $1 AND name = $2");
        let locked = run!(tx, query(SQL), |q, c| q
            .bind(name.as_str())
            .execute(c)
            .await?
            .rows_affected());
        Ok(locked == 1)
    }

    pub(crate) async fn insert_provider(
        &self,
        tx: &mut Scope<Tx>,
        name: ProviderName,
    ) -> Result<String, StoreError> {
        const SQL: Scoped = scoped(
            "INSERT INTO providers (application_id, id, name, created_at) VALUES ($1, $2, $3, $4)",
        );
        let (id, now) = (self.store().new_id(), self.store().now());
        run!(tx, query(SQL), |q, c| q
            .bind(&id)
            .bind(name.as_str())
            .bind(at(now))
            .execute(c)
            .await
            .map(drop))
        .map_err(|error| StoreError::or_duplicate(error, "the provider"))?;
        Ok(id)
    }
}

pub(crate) fn parse_provider(
    table: &'static str,
    row: &str,
    name: &str,
) -> Result<ProviderName, StoreError> {
    name.parse().map_err(|error| StoreError::Inconsistent {
        table,
        column: "provider_name",
        row: row.to_owned(),
        reason: format!("{error}"),
    })
}
