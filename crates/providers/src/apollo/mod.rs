//! Apollo: what it can do, and how a page is read from it.
//!
//! `api.rs` has the endpoints and their envelopes, `mapping.rs` makes common records of Apollo's,
//! `error.rs` classifies its failures. Everything else in the workspace sees only [`Provider`].

mod api;
mod contact;
mod error;
mod hash;
mod mapping;
mod sequence;

use std::{collections::HashMap, time::Duration};

use async_trait::async_trait;
use serde_json::value::RawValue;
use syncline_model::{Object, ProviderName};

use crate::{
    error::{ErrorKind, ProviderError, SetupError},
    http::Http,
    provider::{Credentials, KeyCheck, Page, Provider, Support},
};

/// A caller waits for this answer, so it comes in time even when Apollo's doesn't.
const CHECK_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug, Clone)]
pub struct ApolloConfig {
    /// Without `/api/v1`: `https://api.apollo.io`.
    pub base_url: String,
}

/// Apollo, reached with an API key.
#[derive(Debug)]
pub struct Apollo {
    http: Http,
}

impl Apollo {
    pub fn new(config: ApolloConfig) -> Result<Self, SetupError> {
        let ApolloConfig { base_url } = config;
        Ok(Self {
            http: Http::new(ProviderName::Apollo.as_str(), &base_url)?,
        })
    }

    async fn ask_about_key(&self, credentials: &Credentials) -> KeyCheck {
        // The health endpoint costs nothing and says the most, but its answer to a bad key is not
        // documented; the profile's is.
        let health = match self.health(credentials).await {
            Ok(Some(true)) => return KeyCheck::Valid,
            Ok(Some(false)) => {
                return KeyCheck::Rejected {
                    reason: "Apollo does not accept the API key".to_owned(),
                };
            }
            Ok(None) => None,
            Err(error) => Some(error),
        };
        if let Some(verdict) = health.as_ref().and_then(verdict_of_failure) {
            return verdict;
        }
        match self.profile(credentials).await {
            Ok(()) => KeyCheck::Valid,
            Err(error) => verdict_of_failure(&error).unwrap_or(KeyCheck::Unclear {
                reason: error.message,
            }),
        }
    }
}

/// What a failed request says about the key, if anything.
fn verdict_of_failure(error: &ProviderError) -> Option<KeyCheck> {
    match error.kind {
        ErrorKind::Unauthorized => Some(KeyCheck::Rejected {
            reason: error.message.clone(),
        }),
        // Apollo knows the key and only keeps it from this endpoint.
        ErrorKind::Forbidden => Some(KeyCheck::Valid),
        _ => None,
    }
}

#[async_trait]
impl Provider for Apollo {
    fn name(&self) -> ProviderName {
        ProviderName::Apollo
    }

    fn support(&self, object: Object) -> Support {
        api::support(object)
    }

    async fn check(&self, credentials: &Credentials) -> KeyCheck {
        tokio::time::timeout(CHECK_TIMEOUT, self.ask_about_key(credentials))
            .await
            .unwrap_or_else(|_| KeyCheck::Unclear {
                reason: format!("Apollo did not answer within {} s", CHECK_TIMEOUT.as_secs()),
            })
    }

    async fn list(
        &self,
        credentials: &Credentials,
        object: Object,
        page: u32,
    ) -> Result<Page, ProviderError> {
        self.read_page(credentials, object.scanned_as(), page).await
    }

    fn settle(&self, page: &mut Page, known: &HashMap<String, Box<RawValue>>) {
        sequence::settle(page, known);
    }
}
