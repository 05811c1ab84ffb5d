//! The HTTP client for webhooks: one request to a webhook's target, and to nothing else.
//!
//! A host is resolved once per attempt, addresses that are not on the public internet are removed,
//! and the connection goes to one of the others without another lookup. Redirects are not followed,
//! proxy settings of the environment are ignored, connections are not reused for the next attempt,
//! and only the beginning of an answer is read.

use std::{error::Error, fmt::Write, sync::Arc, time::Duration};

use reqwest::{
    Client, Response, Url,
    header::{CONTENT_TYPE, DATE, HeaderMap, HeaderValue, RETRY_AFTER},
    redirect,
};

use syncline_model::http_time;
use syncline_outgoing::{Lookup, NoPublicAddress, PublicOnly, private_host};

/// The part of an answer's body that is read, in bytes.
const BODY_BYTES_READ: usize = 1024;
const USER_AGENT: &str = concat!("Syncline-Webhooks/", env!("CARGO_PKG_VERSION"));
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The parts of an answer that are needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
    /// The `Retry-After` of the answer.
    pub(crate) retry_after: Option<Duration>,
}

/// Sends to targets; cheap to clone.
#[derive(Clone)]
pub(crate) struct Targets {
    client: Client,
    within: Duration,
    allow_private: bool,
}

impl Targets {
    pub(crate) fn new(
        lookup: impl Lookup,
        within: Duration,
        allow_private: bool,
    ) -> Result<Self, reqwest::Error> {
        let client = Client::builder()
            .user_agent(USER_AGENT)
            .timeout(within)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .no_gzip()
            // Each attempt resolves the host again.
            .pool_max_idle_per_host(0)
            .dns_resolver(Arc::new(PublicOnly::new(lookup, allow_private)))
            .build()?;
        Ok(Self {
            client,
            within,
            allow_private,
        })
    }

    /// Sends one request. The error says in one line what went wrong, without the URL, whose path
    /// or query may be a secret.
    pub(crate) async fn post(
        &self,
        url: Url,
        headers: HeaderMap,
        body: String,
    ) -> Result<Answer, String> {
        // An IP address in the URL is never resolved, so it is checked here.
        if !self.allow_private
            && let Some(host) = private_host(&url)
        {
            return Err(NoPublicAddress { host }.to_string());
        }
        let request = self
            .client
            .post(url)
            .header(CONTENT_TYPE, JSON)
            .headers(headers)
            .body(body);
        let sent = request.send().await;
        let response = sent.map_err(|error| self.in_one_line(error))?;
        let status = response.status().as_u16();
        let retry_after = retry_after(response.headers());
        Ok(Answer {
            status,
            body: beginning_of_body(response).await,
            retry_after,
        })
    }

    fn in_one_line(&self, error: reqwest::Error) -> String {
        if error.is_timeout() {
            return format!("no answer within {} seconds", self.within.as_secs_f64());
        }
        let error = error.without_url();
        let mut line = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let _ = write!(line, ": {cause}");
            source = cause.source();
        }
        line
    }
}

/// As much of the body as can be read; the status counts even if that fails.
async fn beginning_of_body(mut response: Response) -> String {
    let mut body = Vec::new();
    while body.len() < BODY_BYTES_READ
        && let Ok(Some(chunk)) = response.chunk().await
    {
        body.extend_from_slice(&chunk);
    }
    body.truncate(BODY_BYTES_READ);
    // PostgreSQL's text type doesn't allow NUL.
    String::from_utf8_lossy(&body).replace('\0', "")
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name)?.to_str().ok().map(str::trim);
    http_time::retry_after(text(RETRY_AFTER)?, text(DATE))
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
