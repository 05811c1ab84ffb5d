//! Any request to a provider, streamed through unchanged.

use std::borrow::Cow;

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::{Request, State},
    http::{Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use syncline_providers::{Forwarded, ProviderError, Response as Answered, Target};

use super::{
    forward::{Answer, ForwardRequest},
    retry::{RETRY_FOR, RetryDeadline},
};
use crate::{
    AppState,
    error::{ApiError, ApiResult, FromProvider},
    extract::ConnectionCaller,
    guard::{RequestSlot, read_body},
    remote::{Remote, Sender},
};

/// The path prefix within the API.
const PREFIX: &str = "/proxy/";

/// The methods that are forwarded: all but TRACE.
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// The largest part of a request that is kept for a retry.
const MOST_KEPT: usize = 64 * 1024;

/// Sends any request to the provider, and returns its answer, both unchanged.
///
/// Method, query, headers and body are forwarded without being read or stored. Headers that are
/// meant for Syncline or for one connection only are left out, and the connection's credential is
/// added. Status, headers and body of the answer are the provider's own, without its cookies. HEAD
/// and OPTIONS work as well.
#[utoipa::path(method(get, post, put, patch, delete), path = "/proxy/{path}", tag = "Proxy",
    operation_id = "proxyRequest",
    params(
        ("path" = String, Path, description = "The path at the provider, with its slashes"),
        ("x-customer-id" = String, Header, description = "Your id for the customer"),
        ("x-provider-name" = String, Header, description = "The provider's name"),
        ("x-syncline-retry-for" = Option<u64>, Header, minimum = 0, maximum = 60,
            description = "For how many seconds a request that is refused with 429 may be retried; \
                its body may then have at most 64 KB"),
    ),
    responses((status = "default", description = "Whatever the provider answers, of any status and \
        form. What Syncline itself refuses has the form of all its errors.")))]
pub(crate) async fn proxy(
    caller: ConnectionCaller,
    State(state): State<AppState>,
    request: Request,
) -> ApiResult<Response> {
    // TRACE would return the credential in the answer's body.
    if request.method() == Method::TRACE {
        let allowed = [(header::ALLOW, METHODS)];
        return Ok((allowed, ApiError::MethodNotAllowed).into_response());
    }
    let remote = Remote::of(&state, &caller.connection).await?;
    let remote = remote.sent_by(Sender::Passthrough);
    let target = target_of(&remote, request.uri())?;
    let deadline = RetryDeadline::of(request.headers())?;
    let (parts, body) = request.into_parts();
    let body = (!body.is_end_stream()).then_some(body);
    let has_body = body.is_some();
    let (caller, method) = (&caller.caller, parts.method);
    let forward =
        ForwardRequest::allowed(caller, &remote, method, target, parts.headers, has_body)?;
    let slot = RequestSlot::of(&parts.extensions);
    let mut body = match (body, &deadline) {
        (Some(body), Some(_)) => ProxyBody::Kept(keep(&remote, &slot, body).await?),
        (body, _) => ProxyBody::Streamed(body),
    };
    let answer: Forwarded = forward.send(deadline.as_ref(), || body.next_try()).await?;
    Ok(as_it_is(answer))
}

/// A body that is streamed once, or kept so that it can be sent again.
enum ProxyBody {
    Streamed(Option<Body>),
    Kept(Bytes),
}

impl ProxyBody {
    fn next_try(&mut self) -> Option<Body> {
        match self {
            Self::Streamed(body) => body.take(),
            Self::Kept(body) => Some(Body::from(body.clone())),
        }
    }
}

async fn keep(remote: &Remote, slot: &RequestSlot, body: Body) -> ApiResult<Bytes> {
    let kept = read_body(remote.guard(), slot, body, MOST_KEPT).await;
    kept.map_err(|error| match error {
        ApiError::TooLarge => {
            let reason = format!("with it a body may have at most {MOST_KEPT} bytes");
            ApiError::validation(RETRY_FOR, reason)
        }
        other => other,
    })
}

/// The body is streamed, so the limits are read from the headers.
impl Answer for Forwarded {
    async fn read(answer: Forwarded) -> Result<Self, ProviderError> {
        Ok(answer)
    }

    fn status(&self) -> u16 {
        self.status
    }

    fn for_limits(&self) -> Cow<'_, Answered> {
        Cow::Owned(Answered {
            status: self.status,
            headers: self.headers.clone(),
            body: Bytes::new(),
        })
    }
}

fn target_of(remote: &Remote, uri: &axum::http::Uri) -> ApiResult<Target> {
    let path = uri.path().strip_prefix(PREFIX).unwrap_or_default();
    if path.starts_with('/') {
        let reason = "must not begin with a second slash";
        return Err(ApiError::validation("path", reason));
    }
    let path = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let target = remote
        .capabilities()
        .forwards()?
        .passthrough()
        .target(&path, []);
    target.map_err(|reason| ApiError::validation("path", reason))
}

fn as_it_is(answer: Forwarded) -> Response {
    let mut response = Response::new(Body::new(answer.body));
    // It was a valid status when it was received.
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_GATEWAY);
    *response.headers_mut() = answer.headers;
    response.extensions_mut().insert(FromProvider);
    response
}
