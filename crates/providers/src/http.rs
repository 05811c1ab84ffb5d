//! The only place from which a request to a provider starts.
//!
//! [`Http::send`] is one function from request to response, so that another transport can stand in
//! its place. It knows nothing of any provider: an answer of any status is a [`Response`], and only
//! a request that got no whole answer is an error. The credential travels in one header, and the
//! only host that a request can name is the configured one.

use std::{error::Error as _, fmt::Write as _, time::Duration};

use bytes::Bytes;
use reqwest::{
    Client, ClientBuilder, Url,
    header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue},
    redirect,
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::error::{ErrorKind, ProviderError, SetupError};

const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const IDLE_CONNECTION_TIMEOUT: Duration = Duration::from_mins(1);
const IDLE_CONNECTIONS_PER_HOST: usize = 32;
/// A page is some hundred kilobytes; a body beyond this is no page.
const MAX_BODY_BYTES: usize = 64 * 1024 * 1024;
const USER_AGENT: &str = concat!("syncline/", env!("CARGO_PKG_VERSION"));
const API_KEY_HEADER: &str = "x-api-key";

/// A request to the configured host.
#[derive(Debug)]
pub struct Request<'a> {
    /// Below the base URL, without a leading slash.
    pub path: &'a str,
    pub query: Vec<(&'static str, String)>,
    /// A request with a body is a POST, one without is a GET.
    pub body: Option<Value>,
    pub api_key: &'a SecretString,
}

/// An answer of any status, read to its end.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Response {
    /// A header's text, if it is there and has one.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// One pooled client, bound to a provider's base URL.
#[derive(Debug, Clone)]
pub struct Http {
    client: Client,
    base: Url,
}

impl Http {
    pub fn new(provider: &'static str, base_url: &str) -> Result<Self, SetupError> {
        let base =
            checked_base(base_url).map_err(|reason| SetupError::BaseUrl { provider, reason })?;
        // The binary installs it first; a test or a tool that doesn't gets the same one here. The
        // error only says that there is one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = ClientBuilder::new()
            .user_agent(USER_AGENT)
            .timeout(REQUEST_TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_CONNECTION_TIMEOUT)
            .pool_max_idle_per_host(IDLE_CONNECTIONS_PER_HOST)
            .tcp_nodelay(true)
            .gzip(true)
            // Following one would carry the key to wherever the answer points.
            .redirect(redirect::Policy::none())
            .referer(false)
            .build()
            .map_err(SetupError::Client)?;
        Ok(Self { client, base })
    }

    /// One function from request to response.
    pub async fn send(&self, request: Request<'_>) -> Result<Response, ProviderError> {
        let mut key = HeaderValue::from_str(request.api_key.expose_secret()).map_err(|_| {
            ProviderError::new(
                ErrorKind::Unauthorized,
                None,
                "the API key has characters that can't be sent in a header",
            )
        })?;
        key.set_sensitive(true);
        let url = self.url(request.path);
        let builder = match &request.body {
            Some(body) => self
                .client
                .post(url)
                .header(CONTENT_TYPE, "application/json")
                .body(body.to_string()),
            None => self.client.get(url),
        };
        let mut response = builder
            .query(&request.query)
            .header(ACCEPT, "application/json")
            .header(API_KEY_HEADER, key)
            .send()
            .await
            .map_err(no_answer)?;
        let body = read_body(&mut response).await?;
        Ok(Response {
            status: response.status().as_u16(),
            headers: std::mem::take(response.headers_mut()),
            body,
        })
    }

    /// Only the path changes, whatever it looks like, so the origin is always the configured one.
    fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!(
            "{}/{path}",
            self.base.path().trim_end_matches('/')
        ));
        url
    }
}

async fn read_body(response: &mut reqwest::Response) -> Result<Bytes, ProviderError> {
    let too_large = || {
        ProviderError::new(
            ErrorKind::Garbage,
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

fn checked_base(base_url: &str) -> Result<Url, String> {
    let url = Url::parse(base_url.trim()).map_err(|error| error.to_string())?;
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
    if url.query().is_some() || url.fragment().is_some() {
        return Err("it must not have a query or a fragment".to_owned());
    }
    Ok(url)
}

/// The whole chain in one line: reqwest's own text only says that sending failed.
fn no_answer(error: reqwest::Error) -> ProviderError {
    // A body that breaks off is a connection's fault as well, though reqwest calls it undecodable.
    let kind = if error.is_timeout() {
        ErrorKind::Timeout
    } else {
        ErrorKind::Connection
    };
    let error = error.without_url();
    let mut message = format!("the provider could not be asked: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        let _ = write!(message, ": {cause}");
        source = cause.source();
    }
    ProviderError::new(kind, None, &message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_that_is_no_plain_http_address_is_refused_with_a_reason() {
        for (base, word) in [
            ("api.apollo.io", "relative"),
            ("ftp://api.apollo.io", "http://"),
            ("https://user:pass@api.apollo.io", "credentials"),
            ("https://api.apollo.io?api_key=1", "query"),
        ] {
            let error = Http::new("apollo", base).unwrap_err().to_string();
            assert!(error.contains(word), "{base}: {error}");
            assert!(!error.contains("pass@"), "{error}");
        }
    }

    #[test]
    fn no_path_can_lead_to_another_host() {
        let http = Http::new("apollo", "https://api.apollo.io/base/").unwrap();
        for path in [
            "//evil.test/x",
            "https://evil.test",
            "../../x",
            "@evil.test",
        ] {
            assert_eq!(http.url(path).host_str(), Some("api.apollo.io"), "{path}");
        }
        assert_eq!(
            http.url("api/v1/users").as_str(),
            "https://api.apollo.io/base/api/v1/users"
        );
    }
}
