//! A request's body as a whole: no larger and no slower than is allowed.

use axum::body::{Body, Bytes};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::time::timeout;

use super::Guard;
use crate::error::{ApiError, ApiResult};

pub(crate) async fn read_body(guard: &Guard, body: Body, most: usize) -> ApiResult<Bytes> {
    let within = guard.limits.body_within;
    match timeout(within, Limited::new(body, most).collect()).await {
        Err(_) => Err(ApiError::BodyTooSlow(within)),
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(ApiError::TooLarge),
        Ok(Err(error)) => Err(ApiError::BadRequest(format!("the body broke off: {error}"))),
    }
}
