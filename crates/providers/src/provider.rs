//! What the engine may ask of a provider, and the registry in which it finds one.
//!
//! No method has a default body: a provider that forgets one does not compile. What a provider can
//! do is data ([`Support`]), so "not supported" is answered by the caller from a table and never by
//! trying.

use std::{collections::HashMap, fmt, sync::Arc};

use async_trait::async_trait;
use secrecy::SecretString;
use serde_json::value::RawValue;
use syncline_model::{Object, ProviderName, Records, Rejected};

use crate::{
    apollo::{Apollo, ApolloConfig},
    error::{ProviderError, SetupError},
};

/// What a connection proves itself with. Wiped from memory when dropped, and never printed.
#[derive(Debug, Clone)]
pub struct Credentials {
    pub api_key: SecretString,
}

impl Credentials {
    pub fn api_key(key: impl Into<String>) -> Self {
        Self {
            api_key: SecretString::from(key.into()),
        }
    }
}

#[async_trait]
pub trait Provider: Send + Sync {
    fn name(&self) -> ProviderName;

    fn support(&self, object: Object) -> Support;

    /// Whether the provider accepts the credentials; answers within five seconds.
    async fn check(&self, credentials: &Credentials) -> KeyCheck;

    /// One page of an object, the first being 1. One request, never repeated here.
    async fn list(
        &self,
        credentials: &Credentials,
        object: Object,
        page: u32,
    ) -> Result<Page, ProviderError>;

    /// Puts known statistics in place of those that the provider was still computing; `known` holds
    /// the stored raw JSON of the records in [`Page::loading`], by id.
    fn settle(&self, page: &mut Page, known: &HashMap<String, Box<RawValue>>);
}

/// What a provider can do with an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Support {
    pub list: bool,
    /// Records of a full page; `None` where the provider answers with everything at once.
    pub page_size: Option<u32>,
    /// Whether a read can be limited to what changed.
    pub incremental: bool,
}

/// What a provider thinks of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyCheck {
    Valid,
    Rejected {
        reason: String,
    },
    /// The provider could not be asked, or answered with something else.
    Unclear {
        reason: String,
    },
}

/// One page as read, already in the common form.
#[derive(Debug, Clone)]
pub struct Page {
    pub records: Records,
    pub rejected: Vec<Rejected>,
    /// The page to ask for next; `None` at the end.
    pub next: Option<u32>,
    /// The provider's own total, where it tells one.
    pub reported_total: Option<i64>,
    /// Records that the provider returned, rejected ones included. Sequence states come inside their
    /// contacts and are not counted.
    pub returned: i64,
    /// Ids of the records that have a statistic which the provider was still computing.
    pub loading: Vec<String>,
}

/// The providers of this process, one of each.
#[derive(Clone)]
pub struct Providers {
    apollo: Arc<dyn Provider>,
}

impl Providers {
    pub fn new(apollo: ApolloConfig) -> Result<Self, SetupError> {
        Ok(Self {
            apollo: Arc::new(Apollo::new(apollo)?),
        })
    }

    pub fn get(&self, name: ProviderName) -> &Arc<dyn Provider> {
        match name {
            ProviderName::Apollo => &self.apollo,
        }
    }
}

impl fmt::Debug for Providers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(ProviderName::ALL).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printing_credentials_shows_no_key() {
        let credentials = Credentials::api_key("sk-very-secret");
        assert!(!format!("{credentials:?}").contains("very-secret"));
    }
}
