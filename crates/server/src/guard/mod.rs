//! The limits between a connection and the handlers, so that no request uses more than its share:
//! an id for each request (`request_id`), a slot for each (`admission`, `request_slot`), shared out among
//! keys (`shares`), a limit for its body (`body`), a rate limit for each key (`rates`), a limit of
//! wrong keys (`auth_throttle`), an answer when a handler panics (`panics`), and security headers
//! (`shield`).

mod admission;
mod auth_throttle;
mod body;
mod panics;
mod rates;
mod request_id;
mod request_slot;
mod shares;
mod shield;

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use axum::http::Extensions;
use syncline_model::ApiKey;

use self::{auth_throttle::AuthThrottle, rates::Rates, request_slot::BODY_PIECE, shares::Shares};
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
    rates::{Share, add_rate_limit_headers},
    request_id::{RequestId, known},
    request_slot::RequestSlot,
    shield::shield,
};

/// A request's place among those that wait.
pub(crate) struct WaitShare(#[expect(dead_code, reason = "it is held")] shares::Share);

/// The limits of requests. The defaults are for production.
#[derive(Debug, Clone, Copy)]
pub struct RequestLimits {
    /// Concurrent requests of the APIs in this process.
    pub concurrent_requests: usize,
    /// This process's memory for request bodies, in bytes.
    pub body_memory: usize,
    /// Requests of this process that wait for changes at the same time.
    pub waiting_requests: usize,
    /// Requests that a key may send per minute; `None`: unlimited.
    pub requests_per_minute: Option<NonZeroU32>,
    /// Wrong keys that an address may try per minute.
    pub wrong_keys_per_minute: u32,
    /// How long a body that is kept may take to arrive. A streamed body has only an idle timeout.
    pub body_within: Duration,
    /// The longest time until a caller is answered. A streamed exchange has no such limit.
    pub answer_within: Duration,
}

impl Default for RequestLimits {
    fn default() -> Self {
        Self {
            concurrent_requests: 512,
            body_memory: 256 * 1024 * 1024,
            waiting_requests: 4096,
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
    slots: Arc<Shares>,
    bodies: Arc<Shares>,
    waits: Arc<Shares>,
    rates: Option<Arc<Rates>>,
    auth_throttle: Arc<AuthThrottle>,
}

impl Guard {
    pub fn new(limits: RequestLimits) -> Self {
        Self {
            slots: Shares::new(limits.concurrent_requests),
            bodies: Shares::new(limits.body_memory / BODY_PIECE),
            waits: Shares::new(limits.waiting_requests),
            rates: limits
                .requests_per_minute
                .map(|it| Arc::new(Rates::new(it))),
            auth_throttle: Arc::new(AuthThrottle::new(limits.wrong_keys_per_minute)),
            limits,
        }
    }

    /// Resolves when no request is in progress, including those whose caller has disconnected.
    pub async fn finished(&self) {
        self.slots.all_free().await;
    }

    /// Counts a request that waits for changes, and lets it give up the slot with which it would work.
    pub(crate) fn wait_instead(
        &self,
        slot: Option<&RequestSlot>,
        key: &Arc<ApiKey>,
    ) -> ApiResult<WaitShare> {
        let share = self.wait(key)?;
        if let Some(slot) = slot {
            slot.free();
        }
        Ok(share)
    }

    /// Counts a stream that waits for changes.
    pub(crate) fn wait(&self, key: &Arc<ApiKey>) -> ApiResult<WaitShare> {
        let share = self.waits.take(Some(key.clone()));
        share.map(WaitShare).ok_or(ApiError::Overloaded)
    }

    /// Whether a presented key may be looked up; the address it came from is in the request's
    /// extensions.
    pub(crate) fn check_throttle(&self, key: &str, of: &Extensions) -> ApiResult<Presented> {
        self.auth_throttle.check(key, of)
    }

    /// The key doesn't exist.
    pub(crate) fn record_wrong_key(&self, presented: Presented) {
        self.auth_throttle.record_wrong(presented);
    }

    /// The key of this call is valid. Counts the call, once; an error if the key has sent too many,
    /// or has too many in progress. Nothing was presented by whoever is signed in.
    pub(crate) fn admit(
        &self,
        presented: Option<Presented>,
        call: &CallContext,
        slot: &RequestSlot,
    ) -> ApiResult<()> {
        if let Some(presented) = presented {
            self.auth_throttle.record_right(presented);
        }
        let Some(key) = call.key() else {
            return Ok(());
        };
        self.count(call, key)?;
        slot.give_to(key)
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
