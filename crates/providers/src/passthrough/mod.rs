//! Forwards callers' own requests to a provider's address, with a connection's credential.
//!
//! What is forwarded is not interpreted: bodies are streamed in both directions, and redirects and
//! all statuses are returned to the caller. `target.rs` restricts requests to the configured
//! address, `headers.rs` separates both sides' credentials, `body.rs` streams the bodies.

mod body;
mod headers;
mod target;

use std::{fmt, time::Duration};

use bytes::Bytes;
use http_body::Body;
use reqwest::{
    ClientBuilder,
    header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, USER_AGENT},
    redirect,
};
use serde_json::Value;
use syncline_model::Credentials;
use url::Url;

use self::body::{BoxError, Exchange, Upload};
pub use self::{body::Answer, target::Target};
use crate::{
    error::{ErrorKind, ProviderError, SetupError},
    http::{self, Method},
    kept::Clients,
};

/// How long there may be no data in either direction.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Makes the header with a connection's credential.
pub type Credential = fn(&Credentials) -> Result<(HeaderName, HeaderValue), ProviderError>;

/// Forwards requests to one provider.
pub struct Passthrough {
    base: Url,
    credential: Credential,
    idle: Duration,
    clients: Clients,
}

/// A request to forward.
pub struct Forward<B> {
    pub method: Method,
    pub target: Target,
    /// As the caller sent them; headers that must not be forwarded are removed later.
    pub headers: HeaderMap,
    pub body: Option<B>,
}

/// A response with any status, whose body is still to be read.
pub struct Forwarded {
    pub status: u16,
    /// Without headers that the caller must not see.
    pub headers: HeaderMap,
    pub body: Answer,
}

impl Passthrough {
    pub fn new(
        provider: &'static str,
        base_url: &str,
        credential: Credential,
    ) -> Result<Self, SetupError> {
        let base = http::checked_base(base_url)
            .map_err(|reason| SetupError::BaseUrl { provider, reason })?;
        Ok(Self {
            base,
            credential,
            idle: IDLE_TIMEOUT,
            clients: Clients::of(client),
        })
    }

    #[cfg(test)]
    fn with_idle_timeout(mut self, idle: Duration) -> Self {
        self.idle = idle;
        self
    }

    /// Joins a path, with these query parameters added to its own; an error says why it is refused.
    pub fn target<'q>(
        &self,
        path: &str,
        query: impl IntoIterator<Item = (&'q str, &'q str)>,
    ) -> Result<Target, String> {
        target::join(&self.base, path, query)
    }

    /// Sends the request and returns when the response begins. Dropping the future, or the
    /// response's body, ends the exchange.
    pub async fn send<B>(
        &self,
        credentials: &Credentials,
        forward: Forward<B>,
    ) -> Result<Forwarded, ProviderError>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let (name, value) = (self.credential)(credentials)?;
        let mut headers = headers::to_provider(&forward.headers);
        headers.insert(name, value);
        if !headers.contains_key(USER_AGENT) {
            headers.insert(USER_AGENT, HeaderValue::from_static(http::USER_AGENT));
        }
        let exchange = Exchange::begin(self.idle);
        let request = self.clients.request(forward.method, forward.target.url);
        let mut request = request.map_err(http::no_answer)?;
        if let Some(body) = forward.body {
            request = request.body(reqwest::Body::wrap(Upload::new(body, exchange.clone())));
        } else {
            headers.remove(CONTENT_LENGTH);
        }
        let request = request.headers(headers).build().map_err(http::no_answer)?;
        let response = answer_of(self.clients.send(request, None), &exchange)
            .await
            .map_err(|error| {
                exchange.end();
                error.without_secret(credentials.sent_secret())
            })?;
        let status = response.status();
        if status.is_informational() {
            let message = format!("the provider answered {status}, which is not a final response");
            return Err(ProviderError::new(
                ErrorKind::InvalidResponse,
                None,
                &message,
            ));
        }
        Ok(Forwarded {
            status: status.as_u16(),
            headers: headers::to_caller(response.headers(), credentials.sent_secret()),
            body: Answer::new(response.into(), exchange),
        })
    }
}

fn client() -> ClientBuilder {
    ClientBuilder::new()
        .connect_timeout(http::CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        // The body is passed through unchanged.
        .gzip(false)
        // Following a redirect would send the key to another address.
        .redirect(redirect::Policy::none())
        .referer(false)
}

impl fmt::Debug for Passthrough {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passthrough")
            .field("base", &self.base.as_str())
            .finish_non_exhaustive()
    }
}

async fn answer_of(
    sending: impl Future<Output = Result<reqwest::Response, reqwest::Error>>,
    exchange: &Exchange,
) -> Result<reqwest::Response, ProviderError> {
    let mut sending = std::pin::pin!(sending);
    loop {
        tokio::select! {
            answer = &mut sending => return answer.map_err(http::no_answer),
            () = tokio::time::sleep_until(exchange.deadline()) => {
                if exchange.is_idle() {
                    return Err(exchange.given_up());
                }
            }
        }
    }
}

/// Removes the credential from a text, or from all texts of a JSON value.
pub fn without_secret(value: Value, credentials: &Credentials) -> Value {
    use secrecy::ExposeSecret;
    match credentials.sent_secret().expose_secret() {
        "" => value,
        secret => redacted(value, secret),
    }
}

fn redacted(value: Value, secret: &str) -> Value {
    let clean = |text: String| {
        if text.contains(secret) {
            text.replace(secret, headers::REDACTED)
        } else {
            text
        }
    };
    match value {
        Value::String(text) => Value::String(clean(text)),
        Value::Array(items) => {
            let items = items.into_iter().map(|item| redacted(item, secret));
            Value::Array(items.collect())
        }
        Value::Object(fields) => {
            let fields = fields.into_iter();
            let fields = fields.map(|(name, field)| (clean(name), redacted(field, secret)));
            Value::Object(fields.collect())
        }
        other => other,
    }
}

#[cfg(test)]
#[path = "../passthrough_tests.rs"]
mod tests;
