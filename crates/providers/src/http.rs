//! Sends all requests to providers that this program creates itself; callers' own requests are sent
//! by `passthrough`.
//!
//! [`Transport::send`] is one function from request to response: the network in production, and a
//! substitute in tests and simulations. Nothing here is specific to a provider: a response with any
//! status is a [`Response`], and only a request without a complete response is an error. The
//! credential is sent in one header, and only to the configured host.

use std::{error::Error as _, fmt, fmt::Write as _, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use reqwest::{
    ClientBuilder,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue},
    redirect,
};
pub use reqwest::{Method, Url, header::HeaderMap};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use syncline_model::{
    Credentials, Time,
    http_time::{parse_http_date, retry_after},
};

use crate::{
    error::{ErrorKind, ProviderError, SetupError},
    kept::Clients,
};

/// The maximum time of a request, from connecting to the last byte of the response.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(30);

pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const IDLE_CONNECTION_TIMEOUT: Duration = Duration::from_mins(1);
const IDLE_CONNECTIONS_PER_HOST: usize = 32;
/// A page has some hundred kilobytes; a larger body than this is not a page.
const MAX_BODY_BYTES: usize = 64 * 1024 * 1024;
pub(crate) const USER_AGENT: &str = concat!("syncline/", env!("CARGO_PKG_VERSION"));

/// Sends requests to a provider. It is responsible for timeouts: callers set no timers around it.
#[async_trait]
pub trait Transport: Send + Sync {
    async fn send(&self, request: Outgoing) -> Result<Response, ProviderError>;
}

/// A request, ready to send.
pub struct Outgoing {
    pub method: Method,
    pub url: Url,
    /// Including the credential.
    pub headers: HeaderMap,
    pub body: Option<Bytes>,
}

/// Omits the headers, which contain the key, and the body, which may contain personal data.
impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing")
            .field("method", &self.method)
            .field("url", &self.url.as_str())
            .finish_non_exhaustive()
    }
}

/// A complete response with any status.
#[derive(Debug, Clone)]
pub struct Response {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Response {
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// A header's value, if present and readable as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok().map(str::trim)
    }

    /// The provider's time, from the `Date` header.
    pub fn date(&self) -> Option<Time> {
        parse_http_date(self.header("date")?)
    }

    /// How long the provider asks to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        retry_after(self.header("retry-after")?, self.header("date"))
    }
}

/// A request to the configured host.
#[derive(Debug)]
pub struct Request<'a> {
    pub method: Method,
    /// Below the base URL, without a leading slash.
    pub path: &'a str,
    pub query: Vec<(&'static str, String)>,
    pub body: Option<Value>,
}

/// A transport with a provider's base URL.
#[derive(Clone)]
pub struct Http {
    transport: Arc<dyn Transport>,
    base: Url,
    authorization: Authorization,
    media_type: MediaType,
}

/// The form of a provider's bodies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaType {
    Json,
    /// JSON:API, which a request names as its own form even without a body.
    JsonApi,
}

impl MediaType {
    fn header(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Json => "application/json",
            Self::JsonApi => "application/vnd.api+json",
        })
    }
}

/// The header that a provider's requests are authenticated by.
pub type Authorization = fn(&Credentials) -> Result<(HeaderName, HeaderValue), ProviderError>;

impl Http {
    /// `transport` is the network if it is `None`.
    pub fn new(
        provider: &'static str,
        base_url: &str,
        authorization: Authorization,
        transport: Option<Arc<dyn Transport>>,
    ) -> Result<Self, SetupError> {
        let base =
            checked_base(base_url).map_err(|reason| SetupError::BaseUrl { provider, reason })?;
        Ok(Self {
            transport: or_network(transport),
            base,
            authorization,
            media_type: MediaType::Json,
        })
    }

    /// For a provider whose bodies are not plain JSON.
    pub fn speaking(self, media_type: MediaType) -> Self {
        Self { media_type, ..self }
    }

    /// Sends one request. Errors never contain the key.
    pub async fn send(
        &self,
        request: &Request<'_>,
        credentials: &Credentials,
    ) -> Result<Response, ProviderError> {
        let secret = credentials.sent_secret();
        self.transport
            .send(self.outgoing(request, credentials)?)
            .await
            .map_err(|error| error.without_secret(secret))
    }

    /// The response of the base URL itself, without credentials.
    pub async fn reach(&self) -> Result<Response, ProviderError> {
        let request = Outgoing {
            method: Method::GET,
            url: self.base.clone(),
            headers: HeaderMap::new(),
            body: None,
        };
        self.transport.send(request).await
    }

    fn outgoing(
        &self,
        request: &Request<'_>,
        credentials: &Credentials,
    ) -> Result<Outgoing, ProviderError> {
        let mut url = self.url(request.path);
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&request.query);
        }
        let media_type = self.media_type.header();
        let mut headers = HeaderMap::from_iter([(ACCEPT, media_type.clone())]);
        let (name, value) = (self.authorization)(credentials)?;
        headers.insert(name, value);
        let body = request
            .body
            .as_ref()
            .map(|body| Bytes::from(body.to_string()));
        if body.is_some() || self.media_type == MediaType::JsonApi {
            headers.insert(CONTENT_TYPE, media_type);
        }
        Ok(Outgoing {
            method: request.method.clone(),
            url,
            headers,
            body,
        })
    }

    /// Only replaces the path, so the origin is always the configured one.
    fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!(
            "{}/{path}",
            self.base.path().trim_end_matches('/')
        ));
        url
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http")
            .field("base", &self.base.as_str())
            .finish_non_exhaustive()
    }
}

/// Encodes any text as one path segment; `None` if that is impossible. In URLs dot segments are
/// navigation even when encoded, and an empty segment is none.
pub fn segment(text: &str) -> Option<String> {
    if matches!(text, "" | "." | "..") {
        return None;
    }
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(byte.into());
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    Some(encoded)
}

/// The transport, or else the network.
pub(crate) fn or_network(transport: Option<Arc<dyn Transport>>) -> Arc<dyn Transport> {
    transport.unwrap_or_else(|| Arc::new(Network::new(ANSWER_WITHIN)))
}

/// The network, with connections that are kept alive.
struct Network {
    clients: Clients,
    answer_within: Duration,
}

impl Network {
    fn new(answer_within: Duration) -> Self {
        let builder = move || {
            ClientBuilder::new()
                .user_agent(USER_AGENT)
                // For the whole exchange, so that a slow or stalled body times out too.
                .timeout(answer_within)
                .connect_timeout(CONNECT_TIMEOUT)
                .pool_idle_timeout(IDLE_CONNECTION_TIMEOUT)
                .pool_max_idle_per_host(IDLE_CONNECTIONS_PER_HOST)
                .tcp_nodelay(true)
                .gzip(true)
                // Following a redirect would send the key to another address.
                .redirect(redirect::Policy::none())
                .referer(false)
        };
        Self {
            clients: Clients::of(builder),
            answer_within,
        }
    }
}

#[async_trait]
impl Transport for Network {
    async fn send(&self, request: Outgoing) -> Result<Response, ProviderError> {
        let mut builder = self
            .clients
            .request(request.method, request.url)
            .map_err(no_answer)?
            .headers(request.headers);
        if let Some(body) = request.body {
            builder = builder.body(body);
        }
        let request = builder.build().map_err(no_answer)?;
        let sent = self.clients.send(request, Some(self.answer_within));
        let mut response = sent.await.map_err(no_answer)?;
        let body = read_body(&mut response).await?;
        Ok(Response {
            status: response.status().as_u16(),
            headers: std::mem::take(response.headers_mut()),
            body,
        })
    }
}

async fn read_body(response: &mut reqwest::Response) -> Result<Bytes, ProviderError> {
    let too_large = || {
        ProviderError::new(
            ErrorKind::InvalidResponse,
            None,
            &format!("the answer is larger than {MAX_BODY_BYTES} bytes"),
        )
    };
    let announced = response.content_length().unwrap_or(0);
    let announced = usize::try_from(announced).unwrap_or(usize::MAX);
    if announced > MAX_BODY_BYTES {
        return Err(too_large());
    }
    let mut body = Vec::with_capacity(announced);
    while let Some(chunk) = response.chunk().await.map_err(no_answer)? {
        if body.len() + chunk.len() > MAX_BODY_BYTES {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.into())
}

/// A header's value that is never printed. A secret that can't be one is not accepted anywhere.
pub(crate) fn secret_header(value: &str) -> Result<HeaderValue, ProviderError> {
    let mut value = HeaderValue::from_str(value).map_err(|_| {
        ProviderError::new(
            ErrorKind::Unauthorized,
            None,
            "the credentials have characters that can't be sent in a header",
        )
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// `Authorization: Bearer …`.
pub(crate) fn bearer(token: &SecretString) -> Result<(HeaderName, HeaderValue), ProviderError> {
    let value = secret_header(&format!("Bearer {}", token.expose_secret()))?;
    Ok((AUTHORIZATION, value))
}

/// A base URL, to which paths are added.
pub(crate) fn checked_base(base_url: &str) -> Result<Url, String> {
    let url = checked_url(base_url)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err("it must not have a query or a fragment".to_owned());
    }
    Ok(url)
}

pub(crate) fn checked_url(url: &str) -> Result<Url, String> {
    let url = match Url::parse(url.trim()) {
        Err(url::ParseError::RelativeUrlWithoutBase) => {
            return Err("it must begin with http:// or https://".to_owned());
        }
        parsed => parsed.map_err(|error| error.to_string())?,
    };
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!(
            "it must begin with http:// or https://, not {}:",
            url.scheme()
        ));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err("it names no host".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it must not contain credentials".to_owned());
    }
    Ok(url)
}

/// The whole chain of causes in one line, because reqwest's own message only says that sending
/// failed. Without a connection (DNS failure, refused, TLS failure) nothing was sent, so no records
/// came.
pub(crate) fn no_answer(error: reqwest::Error) -> ProviderError {
    // A body that breaks off is a connection error, although reqwest reports it as a decoding
    // error.
    let kind = if error.is_timeout() {
        ErrorKind::Timeout
    } else {
        ErrorKind::Connection
    };
    let never_left = error.is_connect();
    let error = error.without_url();
    let mut message = format!("the request to the provider failed: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        let _ = write!(message, ": {cause}");
        source = cause.source();
    }
    let error = ProviderError::new(kind, None, &message);
    if never_left {
        error.with_records(0)
    } else {
        error
    }
}

#[cfg(test)]
#[path = "http_tests.rs"]
mod tests;
