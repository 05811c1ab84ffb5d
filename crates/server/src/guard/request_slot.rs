//! What one request holds while it is in progress: its slot, and the memory of its body.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::Extensions;
use syncline_model::ApiKey;

use super::{
    Guard,
    shares::{Share, Shares},
};
use crate::error::{ApiError, ApiResult};

/// Memory for bodies is shared out in pieces of this size; a body holds one from its first byte on.
pub(super) const BODY_PIECE: usize = 128 * 1024;

/// Kept in the request's extensions; released when the last clone is dropped.
#[derive(Clone, Default)]
pub(crate) struct RequestSlot(Arc<Mutex<Held>>);

#[derive(Default)]
struct Held {
    key: Option<Arc<ApiKey>>,
    slot: Option<Share>,
    body: Option<Share>,
}

impl RequestSlot {
    /// For a request whose key is not known yet.
    pub(super) fn take(slots: &Arc<Shares>) -> Option<Self> {
        let held = Held {
            slot: Some(slots.take(None)?),
            ..Held::default()
        };
        Some(Self(Arc::new(Mutex::new(held))))
    }

    pub(crate) fn of(extensions: &Extensions) -> Self {
        extensions.get::<Self>().cloned().unwrap_or_default()
    }

    /// Counts it for this key, unless the key has too many already.
    pub(super) fn give_to(&self, key: &Arc<ApiKey>) -> ApiResult<()> {
        let mut held = self.held();
        if held.key.is_some() {
            return Ok(());
        }
        held.key = Some(key.clone());
        let taken = held.slot.as_mut().map(|slot| slot.give_to(key.clone()));
        or_overloaded(taken.unwrap_or(true))
    }

    /// Gives the slot up while the body is arriving.
    pub(super) fn free(&self) {
        self.held().slot = None;
    }

    pub(super) fn take_again(&self, guard: &Guard) -> ApiResult<()> {
        let mut held = self.held();
        held.slot = guard.slots.take(held.key.clone());
        or_overloaded(held.slot.is_some())
    }

    /// Reserves memory for a body of this many bytes, until the request is over.
    pub(super) fn make_room(&self, guard: &Guard, bytes: usize) -> ApiResult<()> {
        let pieces = bytes.div_ceil(BODY_PIECE).max(1);
        let mut held = self.held();
        if held.body.is_none() {
            held.body = guard.bodies.take(held.key.clone());
        }
        let enough = held.body.as_mut().is_some_and(|body| {
            let missing = pieces.saturating_sub(body.units());
            missing == 0 || body.grow(missing)
        });
        or_overloaded(enough)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn or_overloaded(free: bool) -> ApiResult<()> {
    if free {
        return Ok(());
    }
    metrics::counter!("syncline_http_requests_shed_total").increment(1);
    Err(ApiError::Overloaded)
}
