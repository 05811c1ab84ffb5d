//! Applications: the tenants. Everything else belongs to one of them.

use sqlx_macros::FromRow;
use syncline_model::{AuthType, ProviderName, SyncConfigData};

use crate::{
    Store, StoreError, Tenant,
    db::{Tx, run},
    destinations::BUILT_IN_DESTINATION,
    tenant::Scope,
    timestamp::at,
};

#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Application {
    pub id: String,
    pub name: String,
}

impl Store {
    /// All applications, by name; for operators of the service.
    pub async fn list_applications(&self) -> Result<Vec<Application>, StoreError> {
        const SQL: &str = "SELECT id, name FROM applications ORDER BY name";
        let mut reader = self.db.read().await?;
        Ok(run!(reader, |c| sqlx::query_as(SQL).fetch_all(c).await)?)
    }

    pub async fn application_name(&self, id: &str) -> Result<Option<String>, StoreError> {
        const SQL: &str = "SELECT name FROM applications WHERE id = $1";
        let mut reader = self.db.read().await?;
        Ok(run!(reader, |c| sqlx::query_scalar(SQL)
            .bind(id)
            .fetch_optional(c)
            .await)?)
    }

    /// Finds or creates the application of that name. A new one has these providers enabled, each with
    /// a sync config, so that connections sync without further set-up.
    pub async fn find_or_create_application(
        &self,
        name: &str,
        enabled: &[(ProviderName, SyncConfigData)],
    ) -> Result<Application, StoreError> {
        const INSERT: &str = "
            INSERT INTO applications (id, name, created_at) VALUES ($1, $2, $3)
            ON CONFLICT (name) DO NOTHING";
        const FIND: &str = "SELECT id, name FROM applications WHERE name = $1";
        let mut tx = self.db.begin().await?;
        let (id, now) = (self.new_id(), self.now());
        let inserted = run!(tx, |c| sqlx::query(INSERT)
            .bind(&id)
            .bind(name)
            .bind(at(now))
            .execute(c)
            .await?
            .rows_affected());
        let application: Application =
            run!(tx, |c| sqlx::query_as(FIND).bind(name).fetch_one(c).await)?;
        if inserted == 1 {
            let tenant = self.tenant(&application.id);
            let mut tx = tenant.scope(tx);
            for (provider, config) in enabled {
                tenant.enable_provider(&mut tx, *provider, config).await?;
            }
            tx.commit().await?;
        } else {
            tx.commit().await?;
        }
        Ok(application)
    }
}

impl Tenant {
    async fn enable_provider(
        &self,
        tx: &mut Scope<Tx>,
        provider: ProviderName,
        config: &SyncConfigData,
    ) -> Result<(), StoreError> {
        self.insert_provider(tx, provider, AuthType::ApiKey).await?;
        self.insert_sync_config(tx, provider, BUILT_IN_DESTINATION, config)
            .await?;
        Ok(())
    }
}
