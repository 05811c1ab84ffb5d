//! The providers that an application has enabled.

use sqlx::FromRow;
use syncline_model::ProviderName;

use crate::{
    Store, StoreError,
    db::{Tx, run},
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

impl Store {
    pub async fn list_providers(
        &self,
        application_id: &str,
    ) -> Result<Vec<ConfiguredProvider>, StoreError> {
        const SQL: &str = "
            SELECT id, application_id, name FROM providers
            WHERE application_id = $1 ORDER BY name";
        let mut reader = self.db.read().await?;
        let rows: Vec<ProviderRow> = run!(reader, |c| sqlx::query_as(SQL)
            .bind(application_id)
            .fetch_all(c)
            .await)?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    pub async fn get_provider(
        &self,
        application_id: &str,
        id: &str,
    ) -> Result<Option<ConfiguredProvider>, StoreError> {
        Ok(self
            .list_providers(application_id)
            .await?
            .into_iter()
            .find(|provider| provider.id == id))
    }

    /// Enables a provider for an application. It has no sync config until one is created.
    pub async fn create_provider(
        &self,
        application_id: &str,
        name: ProviderName,
    ) -> Result<ConfiguredProvider, StoreError> {
        let mut tx = self.db.begin().await?;
        let id = self.insert_provider(&mut tx, application_id, name).await?;
        tx.commit().await?;
        Ok(ConfiguredProvider {
            id,
            application_id: application_id.to_owned(),
            name,
        })
    }

    /// Deletes a provider that has neither a sync config nor connections.
    pub async fn delete_provider(&self, provider: &ConfiguredProvider) -> Result<(), StoreError> {
        const CONFIGS: &str = "
            SELECT count(*) FROM sync_configs WHERE application_id = $1 AND provider_name = $2";
        const DELETE: &str = "DELETE FROM providers WHERE id = $1";
        let mut tx = self.db.begin().await?;
        let name = provider.name;
        if !self
            .lock_provider(&mut tx, &provider.application_id, name)
            .await?
        {
            return Err(StoreError::Missing("the provider"));
        }
        let configs: i64 = run!(tx, |c| sqlx::query_scalar(CONFIGS)
            .bind(&provider.application_id)
            .bind(name.as_str())
            .fetch_one(c)
            .await)?;
        if configs > 0 {
            return Err(StoreError::InUse(format!(
                "Can't delete provider with id: {} as it has syncConfigs",
                provider.id
            )));
        }
        // The connections' foreign key says so, also of one that is being created now.
        run!(tx, |c| sqlx::query(DELETE)
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

    /// Holds the provider until the transaction ends, so that nobody deletes it meanwhile. `false`
    /// when the application has not enabled it.
    pub(crate) async fn lock_provider(
        &self,
        tx: &mut Tx,
        application_id: &str,
        name: ProviderName,
    ) -> Result<bool, StoreError> {
        const SQL: &str = "
            UPDATE providers SET name = name WHERE application_id = $1 AND name = $2";
        let locked = run!(tx, |c| sqlx::query(SQL)
            .bind(application_id)
            .bind(name.as_str())
            .execute(c)
            .await?
            .rows_affected());
        Ok(locked == 1)
    }

    pub(crate) async fn insert_provider(
        &self,
        tx: &mut Tx,
        application_id: &str,
        name: ProviderName,
    ) -> Result<String, StoreError> {
        const SQL: &str = "
            INSERT INTO providers (id, application_id, name, created_at) VALUES ($1, $2, $3, $4)";
        let (id, now) = (self.new_id(), self.now());
        run!(tx, |c| sqlx::query(SQL)
            .bind(&id)
            .bind(application_id)
            .bind(name.as_str())
            .bind(now)
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
