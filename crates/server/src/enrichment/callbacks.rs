//! `/callbacks/enrichment/{secret}`: providers send phone numbers and the results of a waterfall here,
//! minutes or days after they were asked.
//!
//! A provider has no key. The secret in the address stands for one: it was made for one batch, is told to
//! nobody but the provider, and is good for a month. Whoever comes without one learns nothing, and what
//! is sent with one is taken only if it is about somebody who was asked about.

use axum::{
    Router,
    extract::{Path, Request, State},
    http::StatusCode,
    routing::post,
};
use syncline_store::LateOutcome;

use crate::{
    AppState,
    error::{ApiError, ApiResult},
    guard::{RequestSlot, read_body},
};

/// In bytes. A callback tells of ten people at most.
const LARGEST: usize = 1024 * 1024;

/// They are for providers, so they are in no OpenAPI document.
pub(crate) fn routes() -> Router<AppState> {
    Router::new().route("/callbacks/enrichment/{secret}", post(take))
}

async fn take(
    State(state): State<AppState>,
    Path(secret): Path<String>,
    request: Request,
) -> ApiResult<StatusCode> {
    let taken = take_late_answer(&state, &secret, request).await;
    let result = match &taken {
        Ok(_) => "taken",
        Err(ApiError::NotFound(_)) => "unknown",
        Err(ApiError::TooLarge) => "too_large",
        Err(ApiError::Validation { .. }) => "malformed",
        Err(ApiError::Unprocessable(_)) => "foreign",
        Err(_) => "failed",
    };
    metrics::counter!("syncline_enrichment_callbacks_total", "result" => result).increment(1);
    taken
}

async fn take_late_answer(
    state: &AppState,
    secret: &str,
    request: Request,
) -> ApiResult<StatusCode> {
    let batch = state.store.batch_of_callback(secret).await?;
    let batch = batch.ok_or_else(|| ApiError::NotFound("no such callback".to_owned()))?;
    let slot = RequestSlot::of(request.extensions());
    let body = read_body(&state.guard, &slot, request.into_body(), LARGEST).await?;
    let provider = state.providers.get(batch.provider)?;
    let answer = provider
        .capabilities()
        .batch_enrichments()?
        .late_answer(&body)
        .map_err(|reason| ApiError::validation("body", reason))?;
    match state.store.take_late_answer(&batch, &answer).await? {
        LateOutcome::Taken => Ok(StatusCode::OK),
        LateOutcome::Foreign => {
            tracing::warn!("a callback told of somebody who was not asked about, and was refused");
            Err(ApiError::Unprocessable(
                "tells of somebody who was not asked about".to_owned(),
            ))
        }
    }
}
