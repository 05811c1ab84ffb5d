//! For operators: liveness, readiness and metrics.

use axum::{extract::State, http::header, response::IntoResponse};

use crate::{
    AppState,
    error::{ApiError, ApiResult},
};

/// The process is up.
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// The database can be reached, has this program's schema, and can be written if it is embedded.
pub(crate) async fn readyz(State(state): State<AppState>) -> ApiResult<&'static str> {
    match state.store.ready().await {
        Ok(()) => Ok("ready\n"),
        Err(error) if error.is_unavailable() => Err(error.into()),
        Err(error) => Err(ApiError::Unavailable(error.to_string())),
    }
}

/// The metrics in Prometheus's text format.
pub(crate) async fn metrics(State(state): State<AppState>) -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4")],
        state.metrics.text(&state).await,
    )
}
