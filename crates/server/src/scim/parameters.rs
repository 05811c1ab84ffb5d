//! Query parameters as SCIM wants them taken: those that are not known are ignored.

use axum::{extract::FromRequestParts, http::request::Parts};
use serde::de::DeserializeOwned;

use crate::{
    AppState,
    error::{ApiError, ApiResult},
};

pub(crate) struct Parameters<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<AppState> for Parameters<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> ApiResult<Self> {
        let query = parts.uri.query().unwrap_or_default();
        let parsed = serde_urlencoded::from_str(query);
        let parsed = parsed.map_err(|error| ApiError::validation("query", error.to_string()))?;
        Ok(Self(parsed))
    }
}
