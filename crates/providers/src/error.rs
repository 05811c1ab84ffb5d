//! What can go wrong with a provider, classified once at the edge.
//!
//! Each provider's `error.rs` turns its own statuses and texts into a [`ProviderError`]; everyone
//! else only looks at the kind or asks [`ProviderError::is_temporary`].

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use syncline_model::{Denial, RequestWindow, WindowUsage};

/// How much of a provider's text is kept.
const MAX_MESSAGE_CHARS: usize = 500;
const MAX_BODY_CHARS: usize = 4_000;

/// However short or long the provider says that it should be left alone.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_hours(24);

/// A request that did not end in a readable success.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ProviderError {
    pub kind: ErrorKind,
    /// The HTTP status, when there was an answer.
    pub status: Option<u16>,
    /// The provider's own words where it had some.
    pub message: String,
    /// How long the provider asked to be left alone.
    pub retry_after: Option<Duration>,
    /// What the answer told of the endpoint's request windows.
    pub usage: Vec<WindowUsage>,
    /// The beginning of the answer's body.
    pub body: Option<String>,
    /// How many records the request brought, where that is certain: none if it never left.
    pub records: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// 401: the key is not accepted.
    Unauthorized,
    /// 403: the key is good, but not for this.
    Forbidden(Denial),
    NotFound,
    /// What the request would cost is used up.
    OutOfCredits,
    /// The provider understood the request and won't do it; any other 4xx.
    Rejected,
    /// 429.
    RateLimited(Window),
    /// 5xx.
    Unavailable,
    Timeout,
    Connection,
    /// A success that can't be read.
    Garbage,
    /// A list with more records than were asked for.
    Oversized,
}

/// Which limit a 429 speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    Minute,
    Hour,
    Day,
    /// No quota: the provider is still busy with an equal request, and a short wait is enough.
    AlreadyProcessing,
    Unknown,
}

impl Window {
    /// The provider's quota that is used up, if it is one of those that are counted.
    pub fn request_window(self) -> Option<RequestWindow> {
        match self {
            Self::Minute => Some(RequestWindow::Minute),
            Self::Hour => Some(RequestWindow::Hour),
            Self::Day => Some(RequestWindow::Day),
            Self::AlreadyProcessing | Self::Unknown => None,
        }
    }
}

impl From<RequestWindow> for Window {
    fn from(window: RequestWindow) -> Self {
        match window {
            RequestWindow::Minute => Self::Minute,
            RequestWindow::Hour => Self::Hour,
            RequestWindow::Day => Self::Day,
        }
    }
}

impl ProviderError {
    pub fn new(kind: ErrorKind, status: Option<u16>, message: &str) -> Self {
        Self {
            kind,
            status,
            message: message.to_owned(),
            retry_after: None,
            usage: Vec::new(),
            body: None,
            records: None,
        }
    }

    pub fn with_records(mut self, records: i64) -> Self {
        self.records = Some(records);
        self
    }

    pub fn with_usage(mut self, usage: Vec<WindowUsage>) -> Self {
        self.usage = usage;
        self
    }

    pub fn with_body(mut self, body: &str) -> Self {
        if !body.is_empty() {
            self.body = Some(body.to_owned());
        }
        self
    }

    /// Whether the same request may well succeed a little later. A rate limit is not meant: it has a
    /// time of its own.
    pub fn is_temporary(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::Unavailable
                | ErrorKind::Timeout
                | ErrorKind::Connection
                | ErrorKind::Garbage
        )
    }

    /// The same failure, seen as another kind.
    pub fn as_kind(self, kind: ErrorKind) -> Self {
        Self { kind, ..self }
    }

    /// When to ask again after a 429, and for how long at least and at most: where the provider
    /// doesn't say, its window does.
    pub fn refused_for(&self, window: Window) -> Duration {
        let told = self.retry_after.unwrap_or(match window {
            Window::AlreadyProcessing => Duration::from_secs(5),
            Window::Minute | Window::Unknown => Duration::from_mins(1),
            Window::Hour => Duration::from_mins(15),
            Window::Day => Duration::from_hours(1),
        });
        told.clamp(SHORTEST_WAIT, LONGEST_WAIT)
    }

    /// Takes the key out of whatever the provider echoed, and shortens the rest: messages are
    /// stored, logged and shown. In this order, or a cut could leave half a key behind.
    pub fn without_secret(mut self, secret: &SecretString) -> Self {
        let secret = secret.expose_secret();
        let redact = |text: String| match secret {
            "" => text,
            secret => text.replace(secret, "[redacted]"),
        };
        self.message = shortened(&redact(self.message), MAX_MESSAGE_CHARS);
        self.body = self
            .body
            .map(|body| shortened(&redact(body), MAX_BODY_CHARS));
        self
    }
}

/// A provider's client could not be made from its configuration.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    #[error("the base URL of {provider} is not usable: {reason}")]
    BaseUrl {
        provider: &'static str,
        reason: String,
    },
    #[error("failed to set up the HTTP client")]
    Client(#[source] reqwest::Error),
}

fn shortened(text: &str, max_chars: usize) -> String {
    let mut chars = text.chars();
    let mut short: String = chars.by_ref().take(max_chars).collect();
    if chars.next().is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_echoed_key_is_taken_out_of_message_and_body() {
        let error = ProviderError::new(ErrorKind::Rejected, Some(422), "bad key k-123")
            .with_body(r#"{"error":"bad key k-123"}"#)
            .without_secret(&SecretString::from("k-123"));
        assert_eq!(error.message, "bad key [redacted]");
        assert_eq!(
            error.body.as_deref(),
            Some(r#"{"error":"bad key [redacted]"}"#)
        );
    }

    #[test]
    fn a_cut_leaves_no_half_of_a_key() {
        let echoed = format!("{}secret-key", "x".repeat(MAX_MESSAGE_CHARS - 6));
        let error = ProviderError::new(ErrorKind::Rejected, Some(422), &echoed)
            .without_secret(&SecretString::from("secret-key"));
        assert!(!error.message.contains("secret"), "{}", error.message);
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let error = ProviderError::new(ErrorKind::Rejected, None, &"ü".repeat(600))
            .without_secret(&SecretString::from("k"));
        assert_eq!(error.message.chars().count(), MAX_MESSAGE_CHARS + 1);
    }
}
