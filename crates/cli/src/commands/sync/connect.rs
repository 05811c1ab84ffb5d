//! The connection that `syncline sync` reads.

use anyhow::Context;
use secrecy::{ExposeSecret, SecretString};
use syncline_engine::{CheckedCredentials, Connect};
use syncline_model::{ConnectionStatus, Credentials, LimitOverrides, ProviderName};
use syncline_store::{Connection, NewCustomer, Start, Store};

use crate::compose::{DEFAULT_APPLICATION, Parts};

/// Whether the connection is healthy and has this key.
fn is_in_use(store: &Store, connection: &Connection, api_key: &SecretString) -> bool {
    let stored = store.credentials_of(connection);
    connection.status == ConnectionStatus::Healthy
        && stored
            .is_ok_and(|stored| stored.sent_secret().expose_secret() == api_key.expose_secret())
}

/// The customer's connection, with this key. A new one has no schedule: only this command reads it,
/// until its syncs are resumed.
pub(super) async fn connect(
    parts: &Parts,
    customer_id: &str,
    provider: ProviderName,
    api_key: &SecretString,
) -> anyhow::Result<Connection> {
    let store = &parts.store;
    let asked = parts.providers.get(provider)?;
    let credentials = Credentials::ApiKey(api_key.clone());
    let checked = CheckedCredentials::check(&**asked, credentials).await?;
    let application = store
        .find_or_create_application(DEFAULT_APPLICATION, &parts.providers.enabled_at_first())
        .await?;
    let tenant = store.tenant(&application.id);
    if let Some(connection) = tenant.get_connection(customer_id, provider).await? {
        // With other credentials everything is read again; with the same ones, runs continue from
        // their checkpoints.
        if !is_in_use(store, &connection, api_key) {
            checked.reconnect(store, &connection, None, None).await?;
        }
        return Ok(connection);
    }
    let customer = NewCustomer {
        customer_id,
        name: customer_id,
        email: "",
    };
    tenant.upsert_customer(&customer).await?;
    let providers = tenant.list_providers().await?;
    let provider_id = providers
        .into_iter()
        .find(|configured| configured.name == provider)
        .map(|configured| configured.id)
        .with_context(|| format!("{provider} is not enabled"))?;
    let connect = Connect {
        customer_id,
        provider_id: &provider_id,
        limits: LimitOverrides::default(),
        start: Start::InForeground,
        magic_link_id: None,
    };
    Ok(checked.connect(&tenant, &connect).await?)
}
