//! What is judged alike in the answers of all providers: a success that can't be used, and an error
//! without a text.

use chrono::{SecondsFormat, TimeDelta};
use syncline_model::{
    Watermark,
    mutation::{self, Mutation},
};

use crate::{
    error::{ErrorKind, ProviderError},
    http::Response,
};

/// Why a response is not a valid page.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unusable {
    Unreadable(String),
    /// It has more records than requested. They were not reserved, and with a wrong page size it is
    /// unknown where the next page begins.
    Oversized {
        returned: usize,
        asked: u32,
    },
}

impl Unusable {
    /// `provider` is its name in sentences: `Apollo`.
    pub(crate) fn into_error(self, provider: &str, response: &Response) -> ProviderError {
        match self {
            Self::Unreadable(reason) => unreadable(provider, response, &reason),
            Self::Oversized { returned, asked } => ProviderError::new(
                ErrorKind::Oversized,
                Some(response.status),
                &format!("{provider} answered with {returned} records, but {asked} were requested"),
            )
            .with_records(i64::try_from(returned).unwrap_or(i64::MAX)),
        }
    }
}

/// Whether a page has at most as many records as requested.
pub(crate) fn page_size_kept(returned: usize, asked: u32) -> Result<(), Unusable> {
    let is_kept = u32::try_from(returned).is_ok_and(|returned| returned <= asked);
    if is_kept || mutation::on(Mutation::OversizedIsStored) {
        Ok(())
    } else {
        Err(Unusable::Oversized { returned, asked })
    }
}

/// How much earlier an incremental read begins than the read before it did: providers may show a
/// change late, and the clocks of their servers differ.
const OVERLAP: TimeDelta = TimeDelta::minutes(5);

/// Where an incremental read begins that follows the read that begins with this response, by the
/// provider's own time; `None` if it says none, and then the next read is a full one.
pub(crate) fn watermark_of(response: &Response) -> Option<Watermark> {
    let from = response.date()?.checked_sub_signed(OVERLAP)?;
    Some(Watermark(from.to_rfc3339_opts(SecondsFormat::Secs, true)))
}

/// Doesn't include the body, because even part of a page contains personal data.
pub(crate) fn unreadable(provider: &str, response: &Response, reason: &str) -> ProviderError {
    ProviderError::new(
        ErrorKind::InvalidResponse,
        Some(response.status),
        &format!("{provider}'s answer can't be read: {reason}"),
    )
}

/// Whether the body is a proxy's page for browsers.
pub(crate) fn is_html(response: &Response, body: &str) -> bool {
    body.starts_with('<')
        || response
            .header("content-type")
            .is_some_and(|kind| kind.starts_with("text/html"))
}

/// The message for an error response without a text of the provider's own.
pub(crate) fn without_text(provider: &str, response: &Response) -> String {
    let status = response.status;
    match response.header("location") {
        Some(target) => {
            format!("{provider} answered {status} with a redirect to {target}; check the base URL")
        }
        None => format!("{provider} answered {status} without a text"),
    }
}
