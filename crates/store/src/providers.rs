//! The providers that an application has enabled.

use secrecy::SecretString;
use sqlx::types::Json;
use sqlx_macros::FromRow;
use syncline_model::{AuthType, OAuthClient, ProviderName};

use crate::{
    Store, StoreError, Tenant,
    db::{Tx, run},
    retry::with_retry,
    sealing::SealedColumn,
    tenant::{Scope, Scoped, scoped},
    timestamp::at,
};

/// The secret of an application's OAuth client.
pub(crate) const OAUTH_CLIENT_SECRET: SealedColumn = SealedColumn {
    table: "providers",
    column: "oauth_client_secret",
    key: "id",
};

#[derive(Debug, Clone)]
pub struct ConfiguredProvider {
    pub id: String,
    pub application_id: String,
    pub name: ProviderName,
    pub settings: ProviderSettings,
}

/// How an application's customers connect to a provider. The client's secret is never read here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderSettings {
    pub auth_type: AuthType,
    /// The application's own OAuth client at the provider; `None`: that of the installation.
    pub oauth_client_id: Option<String>,
    /// The scopes to ask for; `None`: those that Syncline needs.
    pub oauth_scopes: Option<Vec<String>>,
    /// The application's own name for its client.
    pub provider_app_id: Option<String>,
}

impl ProviderSettings {
    /// Nothing but how customers connect.
    pub fn usual(auth_type: AuthType) -> Self {
        Self {
            auth_type,
            oauth_client_id: None,
            oauth_scopes: None,
            provider_app_id: None,
        }
    }
}

/// What happens to the secret of the OAuth client.
#[derive(Debug, Clone, Copy)]
pub enum ClientSecret<'a> {
    Keep,
    None,
    Set(&'a SecretString),
}

#[derive(FromRow)]
struct ProviderRow {
    id: String,
    application_id: String,
    name: String,
    auth_type: String,
    oauth_client_id: Option<String>,
    oauth_scopes: Option<Json<Vec<String>>>,
    provider_app_id: Option<String>,
}

impl TryFrom<ProviderRow> for ConfiguredProvider {
    type Error = StoreError;

    fn try_from(row: ProviderRow) -> Result<Self, StoreError> {
        let auth_type = AuthType::parse(&row.auth_type);
        Ok(Self {
            name: parse_provider("providers", &row.id, &row.name)?,
            settings: ProviderSettings {
                auth_type: auth_type.ok_or_else(|| StoreError::Inconsistent {
                    table: "providers",
                    column: "auth_type",
                    row: row.id.clone(),
                    reason: row.auth_type,
                })?,
                oauth_client_id: row.oauth_client_id,
                oauth_scopes: row.oauth_scopes.map(|scopes| scopes.0),
                provider_app_id: row.provider_app_id,
            },
            id: row.id,
            application_id: row.application_id,
        })
    }
}

impl Tenant {
    pub async fn list_providers(&self) -> Result<Vec<ConfiguredProvider>, StoreError> {
        const SQL: Scoped = scoped(
            "SELECT id, application_id, name, auth_type, oauth_client_id, oauth_scopes,
                    provider_app_id
             FROM providers WHERE application_id = $1 ORDER BY name",
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
        settings: &ProviderSettings,
        secret: ClientSecret<'_>,
    ) -> Result<ConfiguredProvider, StoreError> {
        let mut tx = self.begin().await?;
        let id = self
            .insert_provider(&mut tx, name, settings.auth_type)
            .await?;
        self.write_settings(&mut tx, &id, settings, secret).await?;
        tx.commit().await?;
        Ok(ConfiguredProvider {
            id,
            application_id: self.application_id().to_owned(),
            name,
            settings: settings.clone(),
        })
    }

    /// Replaces a provider's settings. Its connections refresh their tokens by the new ones.
    pub async fn update_provider(
        &self,
        provider: &ConfiguredProvider,
        settings: &ProviderSettings,
        secret: ClientSecret<'_>,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        self.write_settings(&mut tx, &provider.id, settings, secret)
            .await?;
        Ok(tx.commit().await?)
    }

    async fn write_settings(
        &self,
        tx: &mut Scope<Tx>,
        id: &str,
        settings: &ProviderSettings,
        secret: ClientSecret<'_>,
    ) -> Result<(), StoreError> {
        const SQL: Scoped = scoped(
            "UPDATE providers
             SET auth_type = $3, oauth_client_id = $4, oauth_scopes = $5, provider_app_id = $6,
                 oauth_client_secret = CASE WHEN $7 THEN oauth_client_secret ELSE $8 END
             WHERE application_id = $1 AND id = $2",
        );
        let sealed = match secret {
            ClientSecret::Set(secret) => Some(self.store().seal(&OAUTH_CLIENT_SECRET, id, secret)),
            ClientSecret::Keep | ClientSecret::None => None,
        };
        run!(tx, query(SQL), |q, c| q
            .bind(id)
            .bind(settings.auth_type.as_str())
            .bind(&settings.oauth_client_id)
            .bind(settings.oauth_scopes.as_ref().map(Json))
            .bind(&settings.provider_app_id)
            .bind(matches!(secret, ClientSecret::Keep))
            .bind(sealed)
            .execute(c)
            .await
            .map(drop))?;
        Ok(())
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
        auth_type: AuthType,
    ) -> Result<String, StoreError> {
        const SQL: Scoped = scoped(
            "INSERT INTO providers (application_id, id, name, created_at, auth_type)
             VALUES ($1, $2, $3, $4, $5)",
        );
        let (id, now) = (self.store().new_id(), self.store().now());
        run!(tx, query(SQL), |q, c| q
            .bind(&id)
            .bind(name.as_str())
            .bind(at(now))
            .bind(auth_type.as_str())
            .execute(c)
            .await
            .map(drop))
        .map_err(|error| StoreError::or_duplicate(error, "the provider"))?;
        Ok(id)
    }
}

impl Store {
    /// The providers that some application has enabled, except those that only a newer process on the
    /// same database knows.
    pub async fn enabled_providers(&self) -> Result<Vec<ProviderName>, StoreError> {
        const SQL: &str = "SELECT DISTINCT name FROM providers ORDER BY name";
        let mut reader = self.db.read().await?;
        let names: Vec<String> = run!(reader, |c| sqlx::query_scalar(SQL).fetch_all(c).await)?;
        Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
    }

    /// The application's own OAuth client at a provider, with its secret.
    pub async fn oauth_client_of(
        &self,
        provider_id: &str,
    ) -> Result<Option<OAuthClient>, StoreError> {
        const SQL: &str = "
            SELECT oauth_client_id, oauth_client_secret FROM providers
            WHERE id = $1 AND oauth_client_id IS NOT NULL AND oauth_client_secret IS NOT NULL";
        let mut reader = self.db.read().await?;
        let row: Option<(String, String)> = run!(reader, |c| sqlx::query_as(SQL)
            .bind(provider_id)
            .fetch_optional(c)
            .await)?;
        let Some((id, sealed)) = row else {
            return Ok(None);
        };
        let secret = self.unseal(&OAUTH_CLIENT_SECRET, provider_id, &sealed)?;
        Ok(Some(OAuthClient { id, secret }))
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
