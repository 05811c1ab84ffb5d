//! A caller's session with a provider: the credentials, and the meter that counts its requests.
//!
//! A call of the unified API may need several requests, and only the provider's module knows how
//! many and to which endpoints. So each of them goes through the session's meter, which refuses it
//! if the endpoint's limit is used up, and learns from its response. Syncs count their requests
//! themselves, page by page, and use no meter.

use std::{
    future::Future,
    pin::Pin,
    sync::{Mutex, PoisonError},
};

use async_trait::async_trait;
use syncline_model::{Credentials, WindowUsage};

use crate::{
    error::{ErrorKind, ProviderError},
    http::{self, Http, Response},
};

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
    /// Sends the request, or returns an error if the endpoint's limit is used up; `counted_as` is the
    /// endpoint, and what the request takes of its windows.
    async fn count(
        &self,
        counted_as: (&str, i64),
        request: Request<'_>,
    ) -> Result<Answered, ProviderError>;

    /// Credentials to use instead of these, which the provider rejected; `None` if there are none.
    async fn replace(&self, rejected: &Credentials) -> Option<Credentials>;
}

pub struct Session<'s> {
    credentials: Mutex<Credentials>,
    meter: Option<&'s dyn Meter>,
}

impl<'s> Session<'s> {
    pub fn metered(credentials: &Credentials, meter: &'s dyn Meter) -> Self {
        Self {
            credentials: Mutex::new(credentials.clone()),
            meter: Some(meter),
        }
    }

    /// For callers that count requests and replace credentials themselves.
    pub fn unmetered(credentials: &Credentials) -> Self {
        Self {
            credentials: Mutex::new(credentials.clone()),
            meter: None,
        }
    }

    /// Those of the next request.
    pub(crate) fn credentials(&self) -> Credentials {
        self.credentials
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Sends a request that the provider counts as `endpoint`. A status other than success is an error.
    /// It is sent once more with other credentials, if the provider rejects the first ones and there
    /// are others.
    pub(crate) async fn call(
        &self,
        http: &Http,
        endpoint: &str,
        request: &http::Request<'_>,
        judge: &Judge,
    ) -> Result<Response, ProviderError> {
        let credentials = self.credentials();
        let counted_as = (endpoint, (judge.cost)(request));
        let first = judge.ask(http, request, &credentials);
        let answer = self.send(counted_as, Box::pin(first)).await;
        let is_rejected = matches!(&answer, Err(error) if error.kind == ErrorKind::Unauthorized);
        let Some(meter) = self.meter.filter(|_| is_rejected) else {
            return answer;
        };
        let Some(newer) = meter.replace(&credentials).await else {
            return answer;
        };
        *self
            .credentials
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = newer.clone();
        let second = judge.ask(http, request, &newer);
        self.send(counted_as, Box::pin(second)).await
    }

    async fn send(
        &self,
        counted_as: (&str, i64),
        request: Request<'_>,
    ) -> Result<Response, ProviderError> {
        let answered = match self.meter {
            Some(meter) => meter.count(counted_as, request).await?,
            None => request.await?,
        };
        Ok(answered.response)
    }
}

/// What a provider's requests cost, and what its responses mean.
pub(crate) struct Judge {
    /// What a request takes of its endpoint's windows.
    pub(crate) cost: fn(&http::Request<'_>) -> i64,
    pub(crate) usage: fn(&Response) -> Vec<WindowUsage>,
    pub(crate) classify: fn(&Response) -> ProviderError,
}

impl Judge {
    async fn ask(
        &self,
        http: &Http,
        request: &http::Request<'_>,
        credentials: &Credentials,
    ) -> Result<Answered, ProviderError> {
        let response = http.send(request, credentials).await?;
        if response.is_success() {
            let usage = (self.usage)(&response);
            return Ok(Answered { response, usage });
        }
        Err((self.classify)(&response).without_secret(credentials.sent_secret()))
    }
}
