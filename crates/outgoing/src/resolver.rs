//! A resolver for reqwest that gives addresses on the public internet only.
//!
//! What it removes can't be connected to, whatever the name is changed to between two lookups: the
//! connection goes to the addresses that were checked.

use std::{net::SocketAddr, sync::Arc};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::address::is_global;

/// Resolves a host's name to addresses.
pub trait Lookup: Send + Sync + 'static {
    fn lookup(&self, host: String)
    -> impl Future<Output = std::io::Result<Vec<SocketAddr>>> + Send;
}

/// Uses the system's resolver.
pub struct SystemLookup;

impl Lookup for SystemLookup {
    async fn lookup(&self, host: String) -> std::io::Result<Vec<SocketAddr>> {
        // reqwest replaces the port with that of the URL.
        Ok(tokio::net::lookup_host((host, 0)).await?.collect())
    }
}

/// A resolver that removes addresses that are not on the public internet.
pub struct PublicOnly<L> {
    lookup: Arc<L>,
    allow_private: bool,
}

/// Why nothing was sent to a host.
#[derive(Debug, thiserror::Error)]
#[error("{host} has no address on the public internet")]
pub struct NoPublicAddress {
    pub host: String,
}

impl<L: Lookup> PublicOnly<L> {
    /// With `allow_private` nothing is removed.
    pub fn new(lookup: L, allow_private: bool) -> Self {
        Self {
            lookup: Arc::new(lookup),
            allow_private,
        }
    }
}

impl<L: Lookup> Resolve for PublicOnly<L> {
    fn resolve(&self, name: Name) -> Resolving {
        let (lookup, allow_private) = (self.lookup.clone(), self.allow_private);
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let mut addresses = lookup.lookup(host.clone()).await?;
            addresses.retain(|address| allow_private || is_global(address.ip()));
            if addresses.is_empty() {
                return Err(NoPublicAddress { host }.into());
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}
