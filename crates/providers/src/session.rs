//! A caller's session with a provider: the credentials, and the meter that counts its requests.
//!
//! A call of the unified API may need several requests, and only the provider's module knows how
//! many and to which endpoints. So each of them goes through the session's meter, which refuses it
//! if the endpoint's limit is used up, and learns from its response. Syncs count their requests
//! themselves, page by page, and use no meter.

use std::{future::Future, pin::Pin};

use async_trait::async_trait;
use syncline_model::{Credentials, WindowUsage};

use crate::{error::ProviderError, http::Response};

/// A successful response, and the usage of the endpoint's request windows.
#[derive(Debug)]
pub struct Answered {
    pub response: Response,
    pub usage: Vec<WindowUsage>,
}

/// A request that is sent when it is polled.
pub type Request<'r> = Pin<Box<dyn Future<Output = Result<Answered, ProviderError>> + Send + 'r>>;

/// Counts a session's requests against the provider's limits.
#[async_trait]
pub trait Meter: Send + Sync {
    /// Sends the request, or returns an error if the endpoint's limit is used up.
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

    /// For callers that count requests themselves.
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
