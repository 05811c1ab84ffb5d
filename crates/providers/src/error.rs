//! Errors of providers, classified in one place.
//!
//! Each provider's `error.rs` turns its statuses and messages into a [`ProviderError`]; other code
//! only uses the kind or [`ProviderError::is_temporary`].

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use syncline_model::{Denial, ProviderName, RequestWindow, WindowUsage};

/// How much of a provider's text is kept.
const MAX_MESSAGE_CHARS: usize = 500;
const MAX_BODY_CHARS: usize = 4_000;

/// Bounds for the wait that a provider asks for.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_hours(24);

/// A request that did not result in a readable success.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ProviderError {
    pub kind: ErrorKind,
    /// The HTTP status, if there was a response.
    pub status: Option<u16>,
    /// The provider's own message, if it sent one.
    pub message: String,
    /// How long the provider asked to wait.
    pub retry_after: Option<Duration>,
    /// The usage of the endpoint's request windows, from the response's headers.
    pub usage: Vec<WindowUsage>,
    /// The beginning of the response's body.
    pub body: Option<String>,
    /// How many records the provider sent, if that is certain: none if the request was never sent.
    pub records: Option<i64>,
    /// What an [`ErrorKind::Invalid`] is about. Boxed, because every result is as large as its error.
    pub field: Option<Box<FieldPath>>,
}

/// A field of the caller's record: `owner_id`, `steps[1].date`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldPath(pub String);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// 401: the key is not accepted.
    Unauthorized,
    /// 403: the key is valid, but not for this.
    Forbidden(Denial),
    NotFound,
    /// The account has no credits left for the request.
    OutOfCredits,
    /// The provider understood the request and refuses it; any other 4xx.
    Rejected,
    /// A field of the caller's record has a value that the provider has no place for. Nothing was
    /// written.
    Invalid,
    /// 429.
    RateLimited(Window),
    /// 5xx.
    Unavailable,
    Timeout,
    Connection,
    /// A success whose body can't be parsed.
    InvalidResponse,
    /// A list with more records than requested.
    Oversized,
}

/// The limit that a 429 is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    Minute,
    Hour,
    Day,
    /// Not a rate limit: the provider is still processing an identical request, and a short wait is
    /// enough.
    AlreadyProcessing,
    Unknown,
}

impl Window {
    /// The rate limit window that is used up, if it is one of those that are counted.
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
            field: None,
        }
    }

    /// The refusal of a field of the caller's record. `reason` says what would be right.
    pub(crate) fn invalid(field: &str, reason: &str) -> Self {
        let mut error = Self::new(ErrorKind::Invalid, None, reason).with_records(0);
        error.field = Some(Box::new(FieldPath(field.to_owned())));
        error
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

    /// Whether a retry may succeed soon. Rate limits are excluded: they have their own wait.
    pub fn is_temporary(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::Unavailable
                | ErrorKind::Timeout
                | ErrorKind::Connection
                | ErrorKind::InvalidResponse
        )
    }

    /// The same error with another kind.
    pub fn as_kind(self, kind: ErrorKind) -> Self {
        Self { kind, ..self }
    }

    /// How long to wait after a 429, within bounds: what the provider asks for, or else a default
    /// for the window.
    pub fn refused_for(&self, window: Window) -> Duration {
        let told = self.retry_after.unwrap_or(match window {
            Window::AlreadyProcessing => Duration::from_secs(5),
            Window::Minute | Window::Unknown => Duration::from_mins(1),
            Window::Hour => Duration::from_mins(15),
            Window::Day => Duration::from_hours(1),
        });
        told.clamp(SHORTEST_WAIT, LONGEST_WAIT)
    }

    /// Removes the key from everything that the provider echoed, and then truncates the texts,
    /// since messages are stored, logged and shown. In this order, because truncating first could
    /// leave part of a key.
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

/// A provider's client could not be created from its configuration.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    #[error("the base URL of {provider} is not usable: {reason}")]
    BaseUrl {
        provider: &'static str,
        reason: String,
    },
    #[error("the {setting} of {provider} is not usable: {reason}")]
    OAuthUrl {
        provider: ProviderName,
        setting: &'static str,
        reason: String,
    },
}

/// A message without these secrets, and short enough to be stored.
pub(crate) fn without_secrets(message: String, secrets: &[SecretString]) -> String {
    let secrets = secrets.iter().map(ExposeSecret::expose_secret);
    let redacted = secrets
        .filter(|secret| !secret.is_empty())
        .fold(message, |message, secret| {
            message.replace(secret, "[redacted]")
        });
    shortened(&redacted, MAX_MESSAGE_CHARS)
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
