//! `Idempotency-Key`: a write of the engagement API that is sent again with the same key is carried
//! out once; for 24 hours, repeats get the first answer.
//!
//! A key that is in use is not given to a second request, even if the first request's process
//! crashed and its result is unknown. Every answer is stored after which the provider may have made
//! the write, whatever its status. An error that surely changed nothing (a limit, an unavailable
//! database) releases the key. `guard/admission.rs` makes sure that a write runs to completion,
//! with or without a key.

use std::{collections::HashSet, sync::Arc};

use axum::{
    body::{Body, to_bytes},
    extract::{FromRequestParts, MatchedPath, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use chrono::TimeDelta;
use sha2::{Digest, Sha256};
use syncline_store::{Connection, IdempotencyClaim, IdempotentRequest, StoredResponse};
use utoipa::openapi::{
    ObjectBuilder, OpenApi, RefOr, Required,
    path::{ParameterBuilder, ParameterIn},
    schema::Type,
};

use crate::{
    AppState,
    access::posts_only_read,
    error::{ApiError, ApiResult, MAX_BODY_BYTES},
    extract::ConnectionCaller,
    guard::{RequestId, RequestSlot, read_body},
};

const HEADER: &str = "idempotency-key";
const LONGEST_KEY: usize = 255;
const KEPT_FOR: TimeDelta = TimeDelta::hours(24);
/// The header that marks a stored answer.
const REPLAYED: &str = "idempotency-replayed";

/// The state of the layer around an API: which of its operations are writes.
#[derive(Clone)]
pub(crate) struct Once {
    state: AppState,
    /// By method and path.
    writes: Arc<HashSet<(Method, String)>>,
}

impl Once {
    /// `prefix` is the path under which the API is served.
    pub(crate) fn of(state: &AppState, document: &OpenApi, prefix: &str) -> Self {
        let mut writes = HashSet::new();
        for (path, item) in &document.paths.paths {
            let path = format!("{prefix}{path}");
            if item.post.is_some() && !posts_only_read(&path) {
                writes.insert((Method::POST, path.clone()));
            }
            if item.patch.is_some() {
                writes.insert((Method::PATCH, path));
            }
        }
        Self {
            state: state.clone(),
            writes: Arc::new(writes),
        }
    }

    fn is_write(&self, request: &Request) -> bool {
        let path = request.extensions().get::<MatchedPath>();
        path.is_some_and(|path| {
            let operation = (request.method().clone(), path.as_str().to_owned());
            self.writes.contains(&operation)
        })
    }
}

pub(crate) async fn once(State(layer): State<Once>, request: Request, next: Next) -> Response {
    if !layer.is_write(&request) {
        return next.run(request).await;
    }
    if !request.headers().contains_key(HEADER) {
        return next.run(request).await;
    }
    // In a box: few requests have the header, and the future of every write would have room for it.
    let carried_out = Box::pin(carry_out_once(&layer.state, request, next)).await;
    carried_out.unwrap_or_else(IntoResponse::into_response)
}

/// Documents the header in every operation that supports it.
pub(crate) fn describe(document: &mut OpenApi) {
    let schema = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(LONGEST_KEY))
        .pattern(Some("^[!-~]+$"))
        .build();
    let header = ParameterBuilder::new()
        .name(HEADER)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(
            "The same request with the same key is carried out once; for 24 hours, repeats get the \
             first answer",
        ))
        .schema(Some(schema))
        .build();
    for (path, item) in &mut document.paths.paths {
        if posts_only_read(path) {
            continue;
        }
        for operation in [&mut item.post, &mut item.patch].into_iter().flatten() {
            let parameters = operation.parameters.get_or_insert_default();
            parameters.push(RefOr::T(header.clone()));
        }
    }
}

async fn carry_out_once(state: &AppState, request: Request, next: Next) -> ApiResult<Response> {
    let (mut parts, body) = request.into_parts();
    // The caller is checked before anything else.
    let ConnectionCaller { connection, .. } =
        ConnectionCaller::from_request_parts(&mut parts, state).await?;
    let key = key_of(&parts.headers)?;
    let slot = RequestSlot::of(&parts.extensions);
    let body = read_body(&state.guard, &slot, body, MAX_BODY_BYTES).await?;
    let request_hash = hash_of(&parts, &body);
    let repeatable = IdempotentRequest {
        key: &key,
        request_hash: &request_hash,
    };
    match state
        .store
        .begin_idempotent(&connection, repeatable, KEPT_FOR)
        .await?
    {
        IdempotencyClaim::New => {}
        IdempotencyClaim::Completed(kept) => return Ok(again(&kept)),
        IdempotencyClaim::InProgress => {
            return Err(ApiError::Conflict(format!(
                "a request with this {HEADER} is in progress, or its process ended before it could \
                 answer: check whether it was carried out before you send it with another key"
            )));
        }
        IdempotencyClaim::KeyReused => {
            return Err(ApiError::Unprocessable(format!(
                "this {HEADER} was sent with another request; use a new one"
            )));
        }
    }
    let id = RequestId::of_parts(&parts);
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    Ok(keep(state, &connection, &key, &id, response).await)
}

/// Stores the answer, or releases the key if nothing was carried out.
async fn keep(
    state: &AppState,
    connection: &Connection,
    key: &str,
    id: &RequestId,
    mut response: Response,
) -> Response {
    // An error gets its body here, so that the stored answer is the one that was sent.
    if let Some(error) = response.extensions_mut().remove::<ApiError>() {
        if error.changed_nothing() {
            if let Err(error) = state.store.release_repeatable(connection, key).await {
                tracing::warn!(
                    "could not release an idempotency key; it is in use until it expires: {error}"
                );
            }
            response.extensions_mut().insert(error);
            return response;
        }
        response = error.rendered(id);
    }
    let (parts, body) = response.into_parts();
    let Ok(body) = to_bytes(body, usize::MAX).await else {
        return ApiError::Internal("an answer has no body".to_owned()).into_response();
    };
    let kept = StoredResponse {
        status: parts.status.as_u16(),
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    let saved = state.store.keep_answer(connection, key, &kept, KEPT_FOR);
    if let Err(error) = saved.await {
        tracing::error!("could not store the answer to an idempotent write: {error}");
    }
    Response::from_parts(parts, Body::from(body))
}

/// In the place of an answer that was about a person who was erased. The key stays in use.
pub(crate) fn erased_answer() -> StoredResponse {
    let error = ApiError::Gone(
        "this request was carried out, and its answer was erased with the person that it was about"
            .to_owned(),
    );
    StoredResponse {
        status: error.status().as_u16(),
        body: error.text("erased"),
    }
}

fn again(kept: &StoredResponse) -> Response {
    let mut response = Response::new(Body::from(kept.body.clone()));
    *response.status_mut() = StatusCode::from_u16(kept.status).unwrap_or(StatusCode::OK);
    let headers = response.headers_mut();
    let json = HeaderValue::from_static("application/json");
    headers.insert(header::CONTENT_TYPE, json);
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    response
}

fn key_of(headers: &HeaderMap) -> ApiResult<String> {
    let key = headers.get(HEADER).and_then(|key| key.to_str().ok());
    let key = key.map(str::trim).filter(|key| {
        !key.is_empty() && key.len() <= LONGEST_KEY && key.bytes().all(|it| it.is_ascii_graphic())
    });
    key.map(str::to_owned).ok_or_else(|| {
        let reason = format!("must be 1 to {LONGEST_KEY} visible ASCII characters without spaces");
        ApiError::validation("Idempotency-Key", reason)
    })
}

fn hash_of(parts: &Parts, body: &[u8]) -> String {
    let mut hash = Sha256::new();
    for part in [
        parts.method.as_str().as_bytes(),
        parts.uri.to_string().as_bytes(),
        body,
    ] {
        hash.update(part);
        hash.update([0]);
    }
    hex::encode(hash.finalize())
}
