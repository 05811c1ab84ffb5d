//! The connection that `syncline sync` reads, and that `syncline enrich` asks with.

use secrecy::{ExposeSecret, SecretString};
use syncline_engine::{CheckedCredentials, Connect, Engine};
use syncline_model::{AuthType, ConnectionStatus, Credentials, LimitOverrides, SyncConfigData};
use syncline_providers::Provider;
use syncline_store::{
    ClientSecret, ConfiguredProvider, Connection, NewCustomer, ProviderSettings, Start, Store,
    Tenant,
};

use super::secret::Secret;
use crate::compose::{DEFAULT_APPLICATION, Parts};

/// Whose account is connected.
pub(in crate::commands) struct Account<'a> {
    pub(in crate::commands) customer_id: &'a str,
    pub(in crate::commands) provider: &'a dyn Provider,
}

/// The customer's connection, with this key or with tokens for this refresh token. A new one has no
/// schedule: only this command reads it, until its syncs are resumed.
pub(in crate::commands) async fn connect(
    parts: &Parts,
    engine: &Engine,
    account: &Account<'_>,
    secret: &Secret,
) -> anyhow::Result<Connection> {
    match secret {
        Secret::ApiKey(key) => with_key(parts, account, key).await,
        Secret::RefreshToken(token) => with_token(parts, engine, account, token).await,
    }
}

/// A rejected key leaves nothing behind.
async fn with_key(
    parts: &Parts,
    account: &Account<'_>,
    key: &SecretString,
) -> anyhow::Result<Connection> {
    let credentials = Credentials::ApiKey(key.clone());
    let checked = CheckedCredentials::check(account.provider, credentials).await?;
    let tenant = tenant(parts).await?;
    let found = account.connection(&tenant).await?;
    // With other credentials everything is read again; with the same ones, runs continue from
    // their checkpoints.
    if let Some(connection) = &found
        && has_key(&parts.store, connection, key)
    {
        return Ok(connection.clone());
    }
    let enabled = account.enabled(&tenant, AuthType::ApiKey).await?;
    account
        .store(parts, &tenant, (found, &enabled), &checked)
        .await
}

/// The refresh token is used only where there is no authorization yet: it may be worth nothing after
/// that, and what replaced it is stored with the connection.
async fn with_token(
    parts: &Parts,
    engine: &Engine,
    account: &Account<'_>,
    token: &SecretString,
) -> anyhow::Result<Connection> {
    let tenant = tenant(parts).await?;
    let found = account.connection(&tenant).await?;
    if let Some(connection) = &found
        && is_authorized(&parts.store, connection)
    {
        return Ok(connection.clone());
    }
    let enabled = account.enabled(&tenant, AuthType::OAuth2).await?;
    let credentials = engine.tokens().import(&enabled, token).await?;
    let checked = CheckedCredentials::check(account.provider, credentials).await?;
    account
        .store(parts, &tenant, (found, &enabled), &checked)
        .await
}

async fn tenant(parts: &Parts) -> anyhow::Result<Tenant> {
    let application = parts
        .store
        .find_or_create_application(DEFAULT_APPLICATION, &parts.providers.enabled_at_first())
        .await?;
    Ok(parts.store.tenant(&application.id))
}

/// Whether the connection is healthy and has this key.
fn has_key(store: &Store, connection: &Connection, key: &SecretString) -> bool {
    let stored = store.credentials_of(connection);
    connection.status == ConnectionStatus::Healthy
        && stored.is_ok_and(|stored| stored.sent_secret().expose_secret() == key.expose_secret())
}

/// Whether the connection has tokens of an authorization that has not ended.
fn is_authorized(store: &Store, connection: &Connection) -> bool {
    let stored = store.credentials_of(connection);
    connection.status != ConnectionStatus::Unauthorized
        && matches!(stored, Ok(Credentials::OAuth(_)))
}

impl Account<'_> {
    async fn connection(&self, tenant: &Tenant) -> anyhow::Result<Option<Connection>> {
        let found = tenant.get_connection(self.customer_id, self.provider.name());
        Ok(found.await?)
    }

    /// The provider in the application. One that isn't there is enabled with all of its objects, as
    /// Apollo is at first.
    async fn enabled(
        &self,
        tenant: &Tenant,
        auth_type: AuthType,
    ) -> anyhow::Result<ConfiguredProvider> {
        let name = self.provider.name();
        let providers = tenant.list_providers().await?;
        if let Some(enabled) = providers.into_iter().find(|it| it.name == name) {
            return Ok(enabled);
        }
        let settings = ProviderSettings::usual(auth_type);
        let enabled = tenant
            .create_provider(name, &settings, ClientSecret::None)
            .await?;
        let config = SyncConfigData::hourly(&self.provider.objects());
        let destination = tenant.store().built_in_destination();
        tenant
            .create_sync_config(name, destination, &config)
            .await?;
        Ok(enabled)
    }

    /// Makes the connection, or gives the one that is there these credentials.
    async fn store(
        &self,
        parts: &Parts,
        tenant: &Tenant,
        (found, enabled): (Option<Connection>, &ConfiguredProvider),
        checked: &CheckedCredentials,
    ) -> anyhow::Result<Connection> {
        if found.is_none() {
            let customer = NewCustomer {
                customer_id: self.customer_id,
                name: self.customer_id,
                email: "",
            };
            tenant.upsert_customer(&customer).await?;
        }
        let connect = Connect {
            customer_id: self.customer_id,
            provider_id: &enabled.id,
            limits: LimitOverrides::default(),
            start: Start::InForeground,
            magic_link_id: None,
        };
        Ok(checked
            .connect_or_reconnect(&parts.store, tenant, &connect)
            .await?)
    }
}
