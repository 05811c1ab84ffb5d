//! Who calls, and for which connection: the look-ups that nearly every call begins with.
//!
//! Both are remembered for a second (`recent.rs`), the connection with its opened credentials. So
//! revoking a key, changing its grants, and changing or deleting a connection take effect at once in the
//! process that did it, and within a second in others. Those statements call
//! [`Store::forget_callers`].

use std::sync::Arc;

use syncline_model::{ApiKey, ProviderName};

use crate::{Connection, Store, StoreError, Tenant, api_keys::Presented, db::Tx, recent::Recent};

/// What is remembered of callers.
#[derive(Clone, Default)]
pub(crate) struct Callers {
    /// By the digest of the key.
    keys: Recent<String, Arc<ApiKey>>,
    connections: Recent<Selected, (Arc<ApiKey>, Arc<Connection>)>,
}

/// What selects a connection.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Selected {
    key_digest: String,
    customer_id: String,
    provider: ProviderName,
}

/// A caller, and the connection that it selects.
pub struct CallerConnection {
    pub tenant: Tenant,
    pub key: Arc<ApiKey>,
    pub connection: Arc<Connection>,
}

impl Store {
    /// The key's application and details; `None` if it is unknown, revoked or expired.
    pub async fn authenticate(
        &self,
        key: &str,
    ) -> Result<Option<(Tenant, Arc<ApiKey>)>, StoreError> {
        let key = Presented::new(key);
        let digest = key.digest().to_owned();
        let query = || self.find_key(&key);
        let found = self.callers.keys.get(digest, query).await?;
        let known = found.filter(|key| !self.is_over(key));
        Ok(known.map(|key| (self.tenant(&key.application_id), key)))
    }

    /// The connection selected by a caller's key and headers, with the key. `None` doesn't say which
    /// of the three is wrong.
    pub async fn connection_of_key(
        &self,
        key: &str,
        customer_id: &str,
        provider: ProviderName,
    ) -> Result<Option<CallerConnection>, StoreError> {
        let key = Presented::new(key);
        let name = Selected {
            key_digest: key.digest().to_owned(),
            customer_id: customer_id.to_owned(),
            provider,
        };
        let query = || self.find_connection_of_key(&key, customer_id, provider);
        let found = self.callers.connections.get(name, query).await?;
        let known = found.filter(|(key, _)| !self.is_over(key));
        Ok(known.map(|(key, connection)| CallerConnection {
            tenant: self.tenant(&key.application_id),
            key,
            connection,
        }))
    }

    /// A remembered key may have expired since.
    fn is_over(&self, key: &ApiKey) -> bool {
        key.expires_at.is_some_and(|end| end <= self.now())
    }

    /// Has this process look callers up again after this transaction, which changes a key or a
    /// connection.
    pub(crate) fn forget_callers(&self, tx: &mut Tx) {
        tx.forgets(ForgetCallers(self.callers.clone()));
    }
}

/// Forgets all callers when it is dropped, so however a transaction ends.
pub(crate) struct ForgetCallers(Callers);

impl Drop for ForgetCallers {
    fn drop(&mut self) {
        let Self(Callers { keys, connections }) = self;
        keys.forget_all();
        connections.forget_all();
    }
}
