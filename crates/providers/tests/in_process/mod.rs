//! The simulator as a transport, in the process of the test.

#![expect(
    clippy::unwrap_used,
    reason = "a test's helpers may panic as its tests do"
)]

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use syncline_providers::{Outgoing, ProviderError, Response, Transport, http::HeaderMap};
use syncline_sim::{SimRequest, Simulator};

/// The simulator as a transport.
pub(crate) struct InProcess {
    pub(crate) sim: Simulator,
    pub(crate) now: DateTime<Utc>,
}

#[async_trait]
impl Transport for InProcess {
    async fn send(&self, request: Outgoing) -> Result<Response, ProviderError> {
        let request = SimRequest {
            method: request.method,
            path: request.url.path().to_owned(),
            query: request.url.query().map(str::to_owned),
            headers: request.headers,
            body: request.body.unwrap_or_default(),
        };
        let reply = self.sim.respond(self.now, &request);
        let mut headers = HeaderMap::new();
        for (name, value) in &reply.headers {
            let name: reqwest::header::HeaderName = name.parse().unwrap();
            headers.append(name, value.parse().unwrap());
        }
        Ok(Response {
            status: reply.status,
            headers,
            body: reply.body,
        })
    }
}
