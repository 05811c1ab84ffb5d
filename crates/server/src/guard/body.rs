//! Reads a whole request body, within the limits of size and time.
//!
//! A request whose body is still arriving does no work, so it gives up its slot until the body is
//! complete. Meanwhile it uses memory, of which each key has its own share.

use std::{pin::pin, task::Poll};

use axum::body::{Body, Bytes};
use http_body_util::BodyExt;
use tokio::time::timeout;

use super::{Guard, RequestSlot};
use crate::error::{ApiError, ApiResult};

pub(crate) async fn read_body(
    guard: &Guard,
    slot: &RequestSlot,
    body: Body,
    most: usize,
) -> ApiResult<Bytes> {
    let mut arriving = pin!(collect(guard, slot, body, most));
    // Most bodies arrive together with the headers.
    let first = std::future::poll_fn(|context| Poll::Ready(arriving.as_mut().poll(context)));
    if let Poll::Ready(whole) = first.await {
        return whole;
    }
    slot.free();
    let within = guard.limits.body_within;
    let whole = timeout(within, arriving)
        .await
        .map_err(|_| ApiError::BodyTooSlow(within))??;
    slot.take_again(guard)?;
    Ok(whole)
}

async fn collect(
    guard: &Guard,
    slot: &RequestSlot,
    mut body: Body,
    most: usize,
) -> ApiResult<Bytes> {
    slot.make_room(guard, 0)?;
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame
            .map_err(|error| ApiError::BadRequest(format!("the body ended early: {error}")))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        let length = whole.len() + data.len();
        if length > most {
            return Err(ApiError::TooLarge);
        }
        slot.make_room(guard, length)?;
        whole.extend_from_slice(&data);
    }
    Ok(whole.into())
}
