//! Concurrency limit: each request of the APIs takes a slot. A request without a free slot is
//! refused at once with `Retry-After` instead of waiting, and each answer has a time limit. The
//! slot travels with the request (`request_slot`), and is counted for its key as soon as the key is
//! known.
//!
//! A write keeps its slot until it is done, even if its caller disconnects: half a write would
//! hold locks and be in no table. A read is cancelled when its caller disconnects.

use axum::{
    extract::{Request, State},
    http::Method,
    middleware::Next,
    response::{IntoResponse, Response},
};
use tokio::time::timeout;
use tracing::Instrument;

use super::RequestSlot;
use crate::{AppState, error::ApiError};

/// Streamed requests, which may take any time.
const STREAMED: &str = "/actions/v2/proxy/";

pub(crate) async fn admit(
    State(state): State<AppState>,
    mut request: Request,
    next: Next,
) -> Response {
    let guard = &state.guard;
    let Some(slot) = RequestSlot::take(&guard.slots) else {
        metrics::counter!("syncline_http_requests_shed_total").increment(1);
        return ApiError::Overloaded.into_response();
    };
    request.extensions_mut().insert(slot.clone());
    let within = guard.limits.answer_within;
    let streamed = request.uri().path().starts_with(STREAMED);
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let answer = async move {
        let response = next.run(request).await;
        // The extensions are dropped with the last extractor, before there is an answer.
        drop(slot);
        response
    };
    if streamed {
        return answer.await;
    }
    if reads {
        return timeout(within, answer)
            .await
            .unwrap_or_else(|_| ApiError::TooLate("nothing was changed").into_response());
    }
    match timeout(within, state.tasks.spawn(answer.in_current_span())).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Ok(Err(error)) => {
            ApiError::Internal(format!("a write ended early: {error}")).into_response()
        }
        Err(_) => {
            let told = "the write runs to completion: check its result before you send it again";
            ApiError::TooLate(told).into_response()
        }
    }
}
