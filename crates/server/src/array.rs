//! Lists whose published form is a bare array without pages. They are written part by part, so that
//! only one part is in memory, however many rows there are.

use axum::{
    Json,
    body::{Body, Bytes},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use futures::stream;
use serde::Serialize;

use crate::error::{ApiError, ApiResult};

pub(crate) struct Part<T> {
    pub(crate) items: Vec<T>,
    /// Where the next part begins; `None` for the last.
    pub(crate) after: Option<String>,
}

/// `part_after` returns the part that begins there; the first begins at the empty string.
pub(crate) async fn respond<T, F, Fut>(part_after: F) -> ApiResult<Response>
where
    T: Serialize + Send + 'static,
    F: Fn(String) -> Fut + Send + 'static,
    Fut: Future<Output = ApiResult<Part<T>>> + Send + 'static,
{
    let first = part_after(String::new()).await?;
    let Some(after) = first.after else {
        return Ok(Json(first.items).into_response());
    };
    let head = bytes_of("[", &first.items, "")?;
    let begun = !first.items.is_empty();
    let rest = stream::try_unfold((Some(after), begun), move |(after, begun)| {
        let part = after.map(&part_after);
        async move {
            let Some(part) = part else {
                return Ok(None);
            };
            // The caller sees that the answer was cut off.
            let part = part.await.map_err(|error| error.title())?;
            let some = !part.items.is_empty();
            let comma = if begun && some { "," } else { "" };
            let end = if part.after.is_some() { "" } else { "]" };
            let bytes = bytes_of(comma, &part.items, end).map_err(|error| error.title())?;
            Ok::<_, String>(Some((bytes, (part.after, begun || some))))
        }
    });
    let whole = futures::StreamExt::chain(stream::once(async { Ok(head) }), rest);
    let mut response = Body::from_stream(whole).into_response();
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    Ok(response)
}

/// The items with commas between them.
fn bytes_of<T: Serialize>(begin: &str, items: &[T], end: &str) -> ApiResult<Bytes> {
    let mut bytes = begin.as_bytes().to_vec();
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            bytes.push(b',');
        }
        serde_json::to_writer(&mut bytes, item)
            .map_err(|error| ApiError::Internal(error.to_string()))?;
    }
    bytes.extend_from_slice(end.as_bytes());
    Ok(bytes.into())
}
