//! A caller's leave to ask a provider: whose credentials, and who counts the requests.
//!
//! A call of the unified API may take several requests, and only the provider's module knows how
//! many and to which endpoints. So every single one goes through the session's meter, which keeps it
//! back when the endpoint's limit is used up and learns from its answer. Syncs count for themselves,
//! page by page, and bring no meter.

use std::{future::Future, pin::Pin};

use async_trait::async_trait;
use syncline_model::WindowUsage;

use crate::{error::ProviderError, http::Response, provider::Credentials};

/// A successful answer, with what it told of the endpoint's request windows.
#[derive(Debug)]
pub struct Answered {
    pub response: Response,
    pub usage: Vec<WindowUsage>,
}

/// A request that leaves when it is polled.
pub type Request<'r> = Pin<Box<dyn Future<Output = Result<Answered, ProviderError>> + Send + 'r>>;

/// Whoever counts the requests of a session against the provider's limits.
#[async_trait]
pub trait Meter: Send + Sync {
    /// Lets the request leave, or answers in its place that the endpoint's limit is used up.
    async fn count(&self, endpoint: &str, request: Request<'_>) -> Result<Answered, ProviderError>;
}

pub struct Session<'s> {
    pub credentials: &'s Credentials,
    meter: Option<&'s dyn Meter>,
}

impl<'s> Session<'s> {
    pub fn metered(credentials: &'s Credentials, meter: &'s dyn Meter) -> Self {
        Self {
            credentials,
            meter: Some(meter),
        }
    }

    /// For a caller that counts by itself.
    pub fn unmetered(credentials: &'s Credentials) -> Self {
        Self {
            credentials,
            meter: None,
        }
    }

    pub(crate) async fn ask(
        &self,
        endpoint: &str,
        request: impl Future<Output = Result<Answered, ProviderError>> + Send,
    ) -> Result<Response, ProviderError> {
        let answered = match self.meter {
            Some(meter) => meter.count(endpoint, Box::pin(request)).await?,
            None => request.await?,
        };
        Ok(answered.response)
    }
}
