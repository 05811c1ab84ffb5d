//! What one request holds while it is in progress: its place, and the memory of its body.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::Extensions;
use syncline_model::ApiKey;

use super::{
    Guard,
    shares::{Lease, Shares},
};
use crate::error::{ApiError, ApiResult};

/// Memory for bodies is shared out in pieces of this size; a body holds one from its first byte on.
pub(super) const BODY_PIECE: usize = 128 * 1024;

/// Kept in the request's extensions; released when the last clone is dropped.
#[derive(Clone, Default)]
pub(crate) struct Place(Arc<Mutex<Held>>);

#[derive(Default)]
struct Held {
    key: Option<Arc<ApiKey>>,
    place: Option<Lease>,
    body: Option<Lease>,
}

impl Place {
    /// For a request whose key is not known yet.
    pub(super) fn take(places: &Arc<Shares>) -> Option<Self> {
        let held = Held {
            place: Some(places.take(None)?),
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
        let taken = held.place.as_mut().map(|place| place.give_to(key.clone()));
        granted(taken.unwrap_or(true))
    }

    /// Gives the place up while the body is arriving.
    pub(super) fn leave(&self) {
        self.held().place = None;
    }

    pub(super) fn come_back(&self, guard: &Guard) -> ApiResult<()> {
        let mut held = self.held();
        held.place = guard.places.take(held.key.clone());
        granted(held.place.is_some())
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
        granted(enough)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn granted(granted: bool) -> ApiResult<()> {
    if granted {
        return Ok(());
    }
    metrics::counter!("syncline_http_requests_shed_total").increment(1);
    Err(ApiError::Overloaded)
}
