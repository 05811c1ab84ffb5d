//! What stands between a connection and the handlers, so that no request costs more than its share:
//! an id for each (`request_id`), a place for each (`admission`, `place`), of which each key has a share
//! (`shares`), a bound for its body (`body`), a rate for each key (`rates`), a limit of wrong
//! keys (`auth_throttle`), an answer when a handler panics (`panics`), and what browsers must not make of
//! any answer (`shield`).

mod admission;
mod auth_throttle;
mod body;
mod panics;
mod place;
mod rates;
mod request_id;
mod shares;
mod shield;

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use axum::http::Extensions;
use syncline_model::ApiKey;

use self::{auth_throttle::AuthThrottle, place::BODY_PIECE, rates::Rates, shares::Shares};
use crate::{
    call::CallContext,
    error::{ApiError, ApiResult},
};

pub use panics::report_panics;
pub(crate) use {
    admission::admit,
    auth_throttle::Presented,
    body::read_body,
    panics::answer_panics,
    place::Place,
    rates::{Share, tell_share},
    request_id::{RequestId, identify, known},
    shield::shield,
};

/// What requests may cost. The defaults are for production.
#[derive(Debug, Clone, Copy)]
pub struct RequestLimits {
    /// Requests of the APIs at work at once in this process.
    pub concurrent_requests: usize,
    /// What bodies may take of this process's memory at once, in bytes.
    pub body_memory: usize,
    /// Requests that a key may send a minute; `None`: as many as it likes.
    pub requests_per_minute: Option<NonZeroU32>,
    /// Wrong keys that an address may try a minute.
    pub wrong_keys_per_minute: u32,
    /// How long a body that is kept may take to arrive. One that is streamed through has no such
    /// bound; of it only silence is measured.
    pub body_within: Duration,
    /// When a caller is answered at the latest. A streamed exchange has no such bound.
    pub answer_within: Duration,
}

impl Default for RequestLimits {
    fn default() -> Self {
        Self {
            concurrent_requests: 512,
            body_memory: 256 * 1024 * 1024,
            requests_per_minute: NonZeroU32::new(60_000),
            wrong_keys_per_minute: 100,
            body_within: Duration::from_mins(1),
            answer_within: Duration::from_secs(100),
        }
    }
}

/// The limits of one process and what is used of them. Cheap to clone.
#[derive(Clone)]
pub struct Guard {
    limits: RequestLimits,
    places: Arc<Shares>,
    bodies: Arc<Shares>,
    rates: Option<Arc<Rates>>,
    auth_throttle: Arc<AuthThrottle>,
}

impl Guard {
    pub fn new(limits: RequestLimits) -> Self {
        Self {
            places: Shares::new(limits.concurrent_requests),
            bodies: Shares::new(limits.body_memory / BODY_PIECE),
            rates: limits
                .requests_per_minute
                .map(|it| Arc::new(Rates::new(it))),
            auth_throttle: Arc::new(AuthThrottle::new(limits.wrong_keys_per_minute)),
            limits,
        }
    }

    /// Resolves when no request is at work any more, also none whose caller has left.
    pub async fn finished(&self) {
        self.places.all_free().await;
    }

    /// Whether a presented key may be looked up; who presents it is in the request's extensions.
    pub(crate) fn check_throttle(&self, key: &str, of: &Extensions) -> ApiResult<Presented> {
        self.auth_throttle.check(key, of)
    }

    /// Nobody has this key.
    pub(crate) fn record_wrong_key(&self, presented: Presented) {
        self.auth_throttle.record_wrong(presented);
    }

    /// The key of this call is known. Counts the call, once; an error where the key has sent too many,
    /// or has too many at work.
    pub(crate) fn admit(
        &self,
        presented: Presented,
        call: &CallContext,
        place: &Place,
    ) -> ApiResult<()> {
        self.auth_throttle.record_right(presented);
        let Some(key) = call.key() else {
            return Ok(());
        };
        self.count(call, key)?;
        place.give_to(key)
    }

    fn count(&self, call: &CallContext, key: &ApiKey) -> ApiResult<()> {
        let (Some(rates), None) = (&self.rates, call.share()) else {
            return Ok(());
        };
        let (share, taken) = rates.take(&key.id);
        call.set_share(share);
        taken.inspect_err(|_: &ApiError| {
            metrics::counter!("syncline_http_requests_over_rate_total").increment(1);
        })
    }
}
