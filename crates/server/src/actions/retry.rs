//! How long a caller lets a refused request be retried: `x-syncline-retry-for`.

use std::time::Duration;

use axum::http::HeaderMap;
use syncline_providers::{ErrorKind, ProviderError, Window};
use tokio::time::Instant;

use crate::error::{ApiError, ApiResult};

pub(super) const RETRY_FOR: &str = "x-syncline-retry-for";
const MOST_SECONDS: u64 = 60;
/// For a provider that is only busy and doesn't say for how long.
const SHORT_WAIT: Duration = Duration::from_secs(1);

/// Until when a caller waits.
pub(super) struct RetryDeadline {
    until: Instant,
}

impl RetryDeadline {
    /// `None` if the caller asks for no retries.
    pub(super) fn of(headers: &HeaderMap) -> ApiResult<Option<Self>> {
        let Some(value) = headers.get(RETRY_FOR) else {
            return Ok(None);
        };
        let seconds = value.to_str().ok().and_then(|text| text.parse().ok());
        let seconds = seconds.filter(|seconds| *seconds <= MOST_SECONDS);
        let seconds = seconds.ok_or_else(|| {
            let reason = format!("must be a number of seconds from 0 to {MOST_SECONDS}");
            ApiError::validation(RETRY_FOR, reason)
        })?;
        Ok(Some(Self {
            until: Instant::now() + Duration::from_secs(seconds),
        }))
    }

    /// When to retry after this refusal, if that is before the deadline.
    pub(super) fn next_try(&self, refusal: &ProviderError) -> Option<Instant> {
        let wait = match refusal.kind {
            ErrorKind::RateLimited(Window::AlreadyProcessing) => {
                refusal.retry_after.unwrap_or(SHORT_WAIT)
            }
            // An earlier try would be throttled here.
            ErrorKind::RateLimited(window) => refusal.refused_for(window),
            _ => return None,
        };
        let next = Instant::now() + wait;
        (next <= self.until).then_some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deadline(value: &'static str) -> ApiResult<Option<RetryDeadline>> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_FOR, value.parse().unwrap());
        RetryDeadline::of(&headers)
    }

    fn refusal(window: Window, seconds: Option<u64>) -> ProviderError {
        let mut error = ProviderError::new(ErrorKind::RateLimited(window), Some(429), "no");
        error.retry_after = seconds.map(Duration::from_secs);
        error
    }

    #[tokio::test(start_paused = true)]
    async fn a_try_waits_as_long_as_it_was_told_and_no_longer_than_it_may() {
        let deadline = deadline("10").unwrap().unwrap();
        let now = Instant::now();
        for (window, limits, waits) in [
            (Window::Minute, Some(3), Some(3)),
            (Window::Minute, Some(10), Some(10)),
            (Window::Minute, Some(11), None),
            (Window::Minute, None, None),
            (Window::AlreadyProcessing, None, Some(1)),
            (Window::AlreadyProcessing, Some(2), Some(2)),
        ] {
            let next = deadline.next_try(&refusal(window, limits));
            let waited = next.map(|next| (next - now).as_secs());
            assert_eq!(waited, waits, "{window:?} {limits:?}");
        }
        let other = ProviderError::new(ErrorKind::Unavailable, Some(503), "no");
        assert!(deadline.next_try(&other).is_none());
    }

    #[tokio::test]
    async fn a_time_that_is_none_is_refused_by_name() {
        for value in ["", "61", "-1", "1.5", "soon", "1s"] {
            let Err(ApiError::Validation { field, .. }) = deadline(value) else {
                panic!("{value} was taken");
            };
            assert_eq!(field, RETRY_FOR);
        }
        assert!(RetryDeadline::of(&HeaderMap::new()).unwrap().is_none());
    }
}
