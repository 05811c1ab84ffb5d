//! Requests and answers: an HTTP exchange without a socket.

use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::Value;

/// A request as the API sees it.
#[derive(Debug, Clone)]
pub struct SimRequest {
    pub method: Method,
    /// The path without the query, beginning with `/`.
    pub path: String,
    /// The query after the `?`, undecoded.
    pub query: Option<String>,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl SimRequest {
    /// A request without a body. `target` may carry a query string.
    pub fn new(method: Method, target: &str) -> Self {
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (target, None),
        };
        Self {
            method,
            path: path.to_owned(),
            query,
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }

    pub fn get(target: &str) -> Self {
        Self::new(Method::GET, target)
    }

    pub fn post(target: &str, body: &Value) -> Self {
        Self::new(Method::POST, target).json(body)
    }

    pub fn patch(target: &str, body: &Value) -> Self {
        Self::new(Method::PATCH, target).json(body)
    }

    pub fn delete(target: &str) -> Self {
        Self::new(Method::DELETE, target)
    }

    pub fn json(mut self, body: &Value) -> Self {
        self.body = Bytes::from(body.to_string());
        self.header("content-type", "application/json")
    }

    /// Adds an API key, in the only header that Apollo accepts.
    pub fn key(self, key: &str) -> Self {
        self.header("x-api-key", key)
    }

    /// Adds a header; a name or value that HTTP does not allow is left out.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            self.headers.insert(name, value);
        }
        self
    }

    /// The token in the `authorization` header.
    pub(crate) fn bearer(&self) -> Option<&str> {
        let text = self.header_text("authorization")?;
        let (scheme, token) = text.split_once(' ')?;
        scheme
            .eq_ignore_ascii_case("bearer")
            .then_some(token.trim())
    }

    pub(crate) fn header_text(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// The answer to a [`SimRequest`].
#[derive(Debug, Clone)]
pub struct SimReply {
    pub status: u16,
    /// Lower-case names, in the order sent.
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    /// The fault on the wire, if any. The server has to carry it out.
    pub wire: Option<WireFault>,
}

impl SimReply {
    /// An answer with a date, a content type unless it is a 204, and more headers.
    pub(crate) fn new(
        now: DateTime<Utc>,
        status: u16,
        content_type: &str,
        body: Bytes,
        more: Vec<(String, String)>,
    ) -> Self {
        let mut headers = vec![date(now)];
        if status != 204 {
            headers.push(("content-type".to_owned(), content_type.to_owned()));
        }
        headers.extend(more);
        Self {
            status,
            headers,
            body,
            wire: None,
        }
    }

    /// The first header of that (lower-case) name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(header, _)| header == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as JSON, `null` where it is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A failure of the connection rather than of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WireFault {
    /// The answer is sent this much later.
    Delay(Duration),
    /// The connection is closed before a byte of the answer is sent. The request has been carried out.
    Reset,
    /// `content-length` announces the whole body, half of it is sent, and the connection is closed.
    Truncate,
    /// The body is slow: `chunk` bytes at a time with a delay before each.
    SlowBody { chunk: usize, delay: Duration },
    /// The headers and half of the body are sent, then nothing more; the connection stays open.
    Hang,
    /// Nothing is sent, and the connection stays open. The request has been carried out.
    Silence,
}

/// The `date` header, `Mon, 16 Feb 2026 12:00:00 GMT`: the provider's clock, to the second.
pub(crate) fn date(now: DateTime<Utc>) -> (String, String) {
    let text = now.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    ("date".to_owned(), text)
}
