//! Connecting a customer's account: its provider checks the credentials and says whose account it is,
//! and only then they are stored. The API, `syncline sync` and the simulation all connect by this.

use crate::tokens;
use chrono::TimeDelta;
use futures::{FutureExt as _, future::BoxFuture};
use syncline_model::{ConnectionStatus, Credentials, LimitOverrides, ProviderName};
use syncline_providers::{KeyCheck, Provider, account_id};
use syncline_store::{
    Account, Connection, CredentialsUpdate, NewConnection, Start, Store, StoreError, Tenant,
};

/// Credentials that their provider did not reject.
pub struct CheckedCredentials {
    provider: ProviderName,
    credentials: Credentials,
    status: ConnectionStatus,
    account_id: String,
    /// The account's name while it is unknown whose it is.
    own_account_id: String,
    account_known: bool,
    keep_alive: Option<TimeDelta>,
}

/// The provider does not accept the credentials, so nothing is stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{provider} rejects the credentials: {reason}")]
pub struct CredentialsRejected {
    pub provider: ProviderName,
    pub reason: String,
}

/// A connection to be made.
pub struct Connect<'a> {
    pub customer_id: &'a str,
    /// The id of the application's provider.
    pub provider_id: &'a str,
    pub limits: LimitOverrides,
    pub start: Start,
    /// The magic link that it is made with.
    pub magic_link_id: Option<&'a str>,
}

impl CheckedCredentials {
    /// Asks the provider. If it can't say, the credentials are taken as unverified, and the first scan
    /// asks for the account again.
    pub fn check(
        provider: &dyn Provider,
        credentials: Credentials,
    ) -> BoxFuture<'_, Result<Self, CredentialsRejected>> {
        async move {
            let name = provider.name();
            let (status, account) = match provider.check(&credentials).await {
                KeyCheck::Valid { account } => (ConnectionStatus::Healthy, account),
                KeyCheck::Unclear { reason } => {
                    tracing::warn!(
                        "could not check new credentials with {name}; \
                         they are stored as unverified: {reason}"
                    );
                    (ConnectionStatus::Unverified, None)
                }
                KeyCheck::Rejected { reason } => {
                    return Err(CredentialsRejected {
                        provider: name,
                        reason,
                    });
                }
            };
            Ok(Self {
                provider: name,
                status,
                account_id: account_id(name, account.as_deref(), &credentials),
                own_account_id: account_id(name, None, &credentials),
                account_known: account.is_some(),
                keep_alive: match &credentials {
                    Credentials::OAuth(_) => provider.oauth().map(tokens::keep_alive),
                    Credentials::ApiKey(_) => None,
                },
                credentials,
            })
        }
        .boxed()
    }

    /// Whether the provider accepted them; otherwise it could not say.
    pub fn are_verified(&self) -> bool {
        self.status == ConnectionStatus::Healthy
    }

    /// The provider account whose limits they use, and the name that stands for it while it is unknown.
    pub fn account_ids(&self) -> (&str, &str) {
        (&self.account_id, &self.own_account_id)
    }

    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Creates a connection, with the syncs that its provider's sync config asks for.
    pub fn connect<'a>(
        &'a self,
        tenant: &'a Tenant,
        connect: &'a Connect<'a>,
    ) -> BoxFuture<'a, Result<Connection, StoreError>> {
        async move {
            let new = NewConnection {
                customer_id: connect.customer_id,
                provider_id: connect.provider_id,
                provider: self.provider,
                credentials: &self.credentials,
                status: self.status,
                account: self.account(),
                limits: connect.limits,
                start: connect.start,
                magic_link_id: connect.magic_link_id,
                keep_alive: self.keep_alive,
            };
            tenant.create_connection(&new).await
        }
        .boxed()
    }

    /// Creates the customer's connection, or gives the one that is there these credentials.
    pub fn connect_or_reconnect<'a>(
        &'a self,
        store: &'a Store,
        tenant: &'a Tenant,
        connect: &'a Connect<'a>,
    ) -> BoxFuture<'a, Result<Connection, StoreError>> {
        async move {
            let found = tenant.get_connection(connect.customer_id, self.provider);
            match found.await? {
                Some(connection) => {
                    self.reconnect(store, &connection, None, connect.magic_link_id)
                        .await?;
                    Ok(connection)
                }
                None => self.connect(tenant, connect).await,
            }
        }
        .boxed()
    }

    /// Replaces a connection's credentials, and its limits if they are given; uses up the magic link that
    /// brought them.
    pub fn reconnect<'a>(
        &'a self,
        store: &'a Store,
        connection: &'a Connection,
        limits: Option<LimitOverrides>,
        magic_link_id: Option<&'a str>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        async move {
            let update = CredentialsUpdate {
                credentials: &self.credentials,
                status: self.status,
                account: self.account(),
                limits,
                keep_alive: self.keep_alive,
                magic_link_id,
            };
            store.update_credentials(connection, &update).await
        }
        .boxed()
    }

    fn account(&self) -> Account<'_> {
        Account {
            id: &self.account_id,
            key: &self.own_account_id,
            known: self.account_known,
        }
    }
}
