//! The check of a connection's credentials, and of the provider itself, as far as all providers do
//! it alike.

use std::time::Duration;

use tokio::time::timeout;

use crate::{
    error::{ErrorKind, ProviderError},
    http::{Http, Response},
    provider::KeyCheck,
};

/// A caller waits for the result, so a check has a deadline of its own.
const CHECK_TIMEOUT: Duration = Duration::from_secs(5);

/// Any response of the provider within the deadline.
pub(crate) async fn reach(http: &Http) -> Result<Response, ProviderError> {
    let asking = timeout(CHECK_TIMEOUT, http.reach());
    asking.await.unwrap_or_else(|_| {
        let message = format!("no response within {} s", CHECK_TIMEOUT.as_secs());
        Err(ProviderError::new(ErrorKind::Timeout, None, &message))
    })
}

/// Ends `asking` at the deadline; `None` if it was not done then.
pub(crate) async fn in_time<T>(asking: impl Future<Output = T>) -> Option<T> {
    timeout(CHECK_TIMEOUT, asking).await.ok()
}

/// The verdict at the deadline, if nothing is known by then.
pub(crate) fn unanswered(provider: &str) -> KeyCheck {
    let seconds = CHECK_TIMEOUT.as_secs();
    KeyCheck::Unclear {
        reason: format!("{provider} did not answer within {seconds} s"),
    }
}

/// What a failed request says about the credentials.
pub(crate) fn verdict_of_failure(error: ProviderError) -> KeyCheck {
    let reason = error.message;
    match error.kind {
        ErrorKind::Unauthorized => KeyCheck::Rejected { reason },
        // The provider knows them and only denies this endpoint.
        ErrorKind::Forbidden(_) => KeyCheck::Valid { account: None },
        _ => KeyCheck::Unclear { reason },
    }
}
