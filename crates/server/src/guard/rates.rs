//! The rate limit of keys: a token bucket per key and process, as large as the limit, that refills
//! evenly within a minute. Every answer says how many requests the key has left.

use std::{num::NonZeroU32, time::Duration};

use axum::{http::HeaderName, response::Response};
use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::StateInformationMiddleware,
};

use crate::{call::CallContext, error::ApiError};

const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// The buckets of one process, by the key's id.
pub(super) struct Rates {
    per_minute: NonZeroU32,
    buckets: DefaultKeyedRateLimiter<String, StateInformationMiddleware>,
    clock: DefaultClock,
}

/// What a key has left.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Share {
    limit: u32,
    remaining: u32,
    /// Until the bucket is full again.
    reset: Duration,
}

impl Rates {
    pub(super) fn new(per_minute: NonZeroU32) -> Self {
        let quota = Quota::per_minute(per_minute);
        Self {
            per_minute,
            buckets: RateLimiter::keyed(quota).with_middleware(),
            clock: DefaultClock::default(),
        }
    }

    /// Counts a request of the key; an error if its bucket is empty.
    pub(super) fn take(&self, key_id: &str) -> (Share, Result<(), ApiError>) {
        match self.buckets.check_key(&key_id.to_owned()) {
            Ok(left) => (self.share(left.remaining_burst_capacity()), Ok(())),
            Err(empty) => {
                let retry_after = whole_seconds(empty.wait_time_from(self.clock.now()));
                let reason = format!("this key may send {} requests a minute", self.per_minute);
                let error = ApiError::TooMany {
                    reason,
                    retry_after,
                };
                (self.share(0), Err(error))
            }
        }
    }

    fn share(&self, remaining: u32) -> Share {
        let limit = self.per_minute.get();
        Share {
            limit,
            remaining,
            reset: Duration::from_mins(1) * (limit - remaining.min(limit)) / limit,
        }
    }
}

/// At least one, so that callers don't retry at once.
pub(super) fn whole_seconds(time: Duration) -> u64 {
    (time.as_secs() + u64::from(time.subsec_nanos() > 0)).max(1)
}

/// A provider's own headers are not changed.
pub(crate) fn add_rate_limit_headers(call: &CallContext, response: &mut Response) {
    if let Some(share) = call.share()
        && !response.headers().contains_key(LIMIT)
    {
        let headers = response.headers_mut();
        headers.insert(LIMIT, share.limit.into());
        headers.insert(REMAINING, share.remaining.into());
        headers.insert(RESET, whole_seconds(share.reset).into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_its_limit_at_once_and_then_waits() {
        let rates = Rates::new(NonZeroU32::new(2).unwrap());
        let (first, taken) = rates.take("a");
        assert!(taken.is_ok());
        assert_eq!((first.limit, first.remaining), (2, 1));
        assert!(rates.take("a").1.is_ok());
        let (none, refused) = rates.take("a");
        assert_eq!(none.remaining, 0);
        let Err(ApiError::TooMany { retry_after, .. }) = refused else {
            panic!("{refused:?}");
        };
        assert!((1..=30).contains(&retry_after), "{retry_after}");
        assert!(rates.take("b").1.is_ok(), "another key has its own");
    }
}
