//! Sync configs: what an application syncs from a provider, and the resulting syncs.

use std::collections::BTreeMap;

use sqlx::types::Json;
use sqlx_macros::FromRow;
use syncline_model::{Object, ProviderName, StoreLevel, SyncConfigData};

use crate::{
    Store, StoreError, Tenant,
    db::{Tx, run},
    destinations::BUILT_IN_DESTINATION,
    providers::parse_provider,
    retry::with_retry,
    tenant::{Scope, Scoped, scoped},
    timestamp::at,
};

#[derive(Debug, Clone)]
pub struct SyncConfig {
    pub id: String,
    pub application_id: String,
    pub provider: ProviderName,
    pub destination_name: String,
    pub config: SyncConfigData,
}

#[derive(FromRow)]
struct SyncConfigRow {
    id: String,
    application_id: String,
    provider_name: String,
    destination_name: String,
    config: Json<SyncConfigData>,
}

impl TryFrom<SyncConfigRow> for SyncConfig {
    type Error = StoreError;

    fn try_from(row: SyncConfigRow) -> Result<Self, StoreError> {
        Ok(Self {
            provider: parse_provider("sync_configs", &row.id, &row.provider_name)?,
            id: row.id,
            application_id: row.application_id,
            destination_name: row.destination_name,
            config: row.config.0,
        })
    }
}

impl Tenant {
    pub async fn list_sync_configs(&self) -> Result<Vec<SyncConfig>, StoreError> {
        const SQL: Scoped = scoped(
            "SELECT id, application_id, provider_name, destination_name, config
             FROM sync_configs WHERE application_id = $1 ORDER BY provider_name",
        );
        let mut reader = self.read().await?;
        let rows: Vec<SyncConfigRow> = run!(reader, query_as(SQL), |q, c| q.fetch_all(c).await)?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    pub async fn get_sync_config(&self, id: &str) -> Result<Option<SyncConfig>, StoreError> {
        Ok(self
            .list_sync_configs()
            .await?
            .into_iter()
            .find(|config| config.id == id))
    }

    /// Creates a provider's config, and the syncs of existing connections.
    pub async fn create_sync_config(
        &self,
        provider: ProviderName,
        destination_name: &str,
        config: &SyncConfigData,
    ) -> Result<SyncConfig, StoreError> {
        with_retry(|| self.create_sync_config_once(provider, destination_name, config)).await
    }

    async fn create_sync_config_once(
        &self,
        provider: ProviderName,
        destination_name: &str,
        config: &SyncConfigData,
    ) -> Result<SyncConfig, StoreError> {
        const DESTINATION: Scoped =
            scoped("UPDATE destinations SET name = name WHERE application_id = $1 AND name = $2");
        let mut tx = self.begin().await?;
        if destination_name != BUILT_IN_DESTINATION {
            // Locked, so that it isn't deleted meanwhile.
            let there = run!(tx, query(DESTINATION), |q, c| q
                .bind(destination_name)
                .execute(c)
                .await?
                .rows_affected());
            if there == 0 {
                return Err(StoreError::Missing("the destination"));
            }
        }
        if !self.lock_provider(&mut tx, provider).await? {
            return Err(StoreError::Missing("the provider"));
        }
        let id = self
            .insert_sync_config(&mut tx, provider, destination_name, config)
            .await?;
        let created = SyncConfig {
            id,
            application_id: self.application_id().to_owned(),
            provider,
            destination_name: destination_name.to_owned(),
            config: config.clone(),
        };
        let found = tx.unscoped();
        self.store().set_policies(found, &created, None).await?;
        self.store().follow_config(found, &created).await?;
        tx.commit().await?;
        Ok(created)
    }

    pub(crate) async fn insert_sync_config(
        &self,
        tx: &mut Scope<Tx>,
        provider: ProviderName,
        destination: &str,
        config: &SyncConfigData,
    ) -> Result<String, StoreError> {
        const SQL: Scoped = scoped(
            "INSERT INTO sync_configs
                (application_id, id, provider_name, destination_name, config, created_at)
             VALUES ($1, $2, $3, $4, $5, $6)",
        );
        let (id, now) = (self.store().new_id(), self.store().now());
        run!(tx, query(SQL), |q, c| q
            .bind(&id)
            .bind(provider.as_str())
            .bind(destination)
            .bind(Json(config))
            .bind(at(now))
            .execute(c)
            .await
            .map(drop))
        .map_err(|error| StoreError::or_duplicate(error, "a sync config for this provider"))?;
        Ok(id)
    }

    /// The provider's config, for the syncs of a new connection.
    pub(crate) async fn sync_config_of(
        &self,
        tx: &mut Scope<Tx>,
        provider: ProviderName,
    ) -> Result<Option<SyncConfig>, StoreError> {
        const SQL: Scoped = scoped(
            "SELECT id, application_id, provider_name, destination_name, config
             FROM sync_configs WHERE application_id = $1 AND provider_name = $2",
        );
        let row: Option<SyncConfigRow> = run!(tx, query_as(SQL), |q, c| q
            .bind(provider.as_str())
            .fetch_optional(c)
            .await)?;
        row.map(TryInto::try_into).transpose()
    }
}

impl Store {
    /// Replaces the config's body and updates its syncs. Syncs of objects that it no longer
    /// contains are deleted only with `force`; otherwise nothing changes and the error says how
    /// many there are. Those of which nothing is to be stored are deleted as the config says.
    pub async fn update_sync_config(
        &self,
        current: &SyncConfig,
        config: &SyncConfigData,
        force: bool,
    ) -> Result<SyncConfig, StoreError> {
        with_retry(|| self.update_sync_config_once(current, config, force)).await
    }

    async fn update_sync_config_once(
        &self,
        current: &SyncConfig,
        config: &SyncConfigData,
        force: bool,
    ) -> Result<SyncConfig, StoreError> {
        const SQL: &str = "UPDATE sync_configs SET config = $2 WHERE id = $1";
        let updated = SyncConfig {
            config: config.clone(),
            ..current.clone()
        };
        let mut tx = self.db.begin().await?;
        self.set_policies(&mut tx, &updated, Some(&current.config))
            .await?;
        let removed = self
            .delete_syncs_outside(&mut tx, &current.id, &wanted(config), &unstored(config))
            .await?;
        if removed > 0 && !force {
            return Err(StoreError::InUse(format!(
                "This SyncConfig update operation will delete ~{removed} syncs. \
                 If you are sure you want to do this, set force_delete_syncs to true."
            )));
        }
        run!(tx, |c| sqlx::query(SQL)
            .bind(&current.id)
            .bind(Json(config))
            .execute(c)
            .await
            .map(drop))?;
        self.follow_config(&mut tx, &updated).await?;
        tx.commit().await?;
        Ok(updated)
    }

    pub async fn delete_sync_config(
        &self,
        config: &SyncConfig,
        force: bool,
    ) -> Result<(), StoreError> {
        with_retry(|| self.delete_sync_config_once(config, force)).await
    }

    async fn delete_sync_config_once(
        &self,
        config: &SyncConfig,
        force: bool,
    ) -> Result<(), StoreError> {
        const SQL: &str = "DELETE FROM sync_configs WHERE id = $1";
        let mut tx = self.db.begin().await?;
        let removed = self
            .delete_syncs_outside(&mut tx, &config.id, &BTreeMap::new(), &[])
            .await?;
        if removed > 0 && !force {
            return Err(StoreError::InUse(format!(
                "Deleting this syncConfig will delete ~{removed} syncs. \
                 If you are sure you want to do this, set force_delete_syncs to true."
            )));
        }
        self.stop_feeding(&mut tx, config).await?;
        run!(tx, |c| sqlx::query(SQL)
            .bind(&config.id)
            .execute(c)
            .await
            .map(drop))?;
        Ok(tx.commit().await?)
    }
}

/// The objects of which the config says that nothing is stored.
fn unstored(config: &SyncConfigData) -> Vec<Object> {
    let mut objects = Object::ALL.to_vec();
    objects.retain(|object| config.store_policy(*object).level == StoreLevel::None);
    objects
}

/// The config's objects with their periods. Stored configs are already validated.
pub(crate) fn wanted(config: &SyncConfigData) -> BTreeMap<Object, i64> {
    config.objects().unwrap_or_default().into_iter().collect()
}
