//! Any request to a provider, streamed through as it is.

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use syncline_providers::{
    Forward, Forwarded, ProviderError, RateLimitInfo, Response as Answered, Target, counted,
    http::Method as Verb,
};

use super::retry::{RETRY_FOR, RetryDeadline};
use crate::{
    AppState,
    access::{self, Forwarding},
    error::{ApiError, ApiResult, FromProvider},
    extract::ConnectionCaller,
    guard::{Place, read_body},
    remote::Remote,
};

/// The prefix inside of the API.
const PREFIX: &str = "/proxy/";

/// Those that make sense here, without TRACE.
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// The most that is kept of a request, so that it can be sent again.
const MOST_KEPT: usize = 64 * 1024;

/// Sends any request to the provider, and its answer back, both as they are.
///
/// Method, query, headers and body are passed on without being read or kept; of the headers only
/// those that are between you and Syncline, or of one connection, are left out, and the connection's
/// credential is added. Status, headers and body of the answer are the provider's own, without its
/// cookies. HEAD and OPTIONS work as well.
#[utoipa::path(method(get, post, put, patch, delete), path = "/proxy/{path}", tag = "Proxy",
    operation_id = "proxyRequest",
    params(
        ("path" = String, Path, description = "The path at the provider, with its slashes"),
        ("x-customer-id" = String, Header, description = "Your id for the customer"),
        ("x-provider-name" = String, Header, description = "The provider's name"),
        ("x-syncline-retry-for" = Option<u64>, Header, minimum = 0, maximum = 60,
            description = "How many seconds a request that is refused with 429 may be tried again; \
                its body may have 64 KB then"),
    ),
    responses((status = "default", description = "Whatever the provider answers, of any status and \
        form. What Syncline itself refuses has the form of all its errors.")))]
pub(crate) async fn proxy(
    caller: ConnectionCaller,
    State(state): State<AppState>,
    request: Request,
) -> ApiResult<Response> {
    // It would send the credential back in the answer's body.
    if request.method() == Method::TRACE {
        let allowed = [(header::ALLOW, METHODS)];
        return Ok((allowed, ApiError::MethodNotAllowed).into_response());
    }
    let remote = Remote::of(&state, &caller.connection)?;
    let target = target_of(&remote, request.uri())?;
    let deadline = RetryDeadline::of(request.headers())?;
    let (parts, body) = request.into_parts();
    let mut forward_request = ForwardRequest {
        endpoint: remote.provider().endpoint_of(&parts.method, &target.path),
        remote,
        method: parts.method,
        target,
        headers: parts.headers,
        place: Place::of(&parts.extensions),
    };
    let call = &caller.caller.call;
    call.set_provider_request(&forward_request.method, &forward_request.target);
    let body = (!body.is_end_stream()).then_some(body);
    let forwarding = Forwarding {
        method: &forward_request.method,
        target: &forward_request.target,
        headers: &forward_request.headers,
        has_body: body.is_some(),
    };
    access::check_forward(&caller.caller, &forward_request.remote, &forwarding)?;
    access::restrict_headers(&caller.caller, &mut forward_request.headers);
    let answer = match deadline {
        None => forward_request.run(body).await?.0,
        Some(deadline) => forward_request.run_within(&deadline, body).await?,
    };
    Ok(as_it_is(answer))
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
    let target = remote.provider().passthrough().target(&path, []);
    target.map_err(|reason| ApiError::validation("path", reason))
}

/// A request that may be sent more than once.
struct ForwardRequest {
    remote: Remote,
    endpoint: String,
    method: Verb,
    target: Target,
    headers: HeaderMap,
    place: Place,
}

impl ForwardRequest {
    /// Sends it once, counted. Its answer is learned from before its body has come.
    async fn run(&self, body: Option<Body>) -> Result<(Forwarded, RateLimitInfo), ProviderError> {
        let remote = &self.remote;
        let permit = remote.permit(&self.endpoint).await?;
        let forward = Forward {
            method: self.method.clone(),
            target: self.target.clone(),
            headers: self.headers.clone(),
            body,
        };
        let way = remote.provider().passthrough();
        let (answer, repeated) = counted(way.send(remote.credentials(), forward)).await;
        match answer {
            Ok(answer) => {
                let limits = remote.provider().rate_limit_info(&Answered {
                    status: answer.status,
                    headers: answer.headers.clone(),
                    body: Bytes::new(),
                });
                let refusal = limits.refusal.as_ref();
                remote
                    .settle(permit, repeated, &limits.usage, refusal)
                    .await;
                Ok((answer, limits))
            }
            Err(error) => {
                remote.settle(permit, repeated, &[], Some(&error)).await;
                Err(error)
            }
        }
    }

    async fn keep(&self, body: Body) -> ApiResult<Bytes> {
        let kept = read_body(self.remote.guard(), &self.place, body, MOST_KEPT).await;
        kept.map_err(|error| match error {
            ApiError::TooLarge => {
                let reason = format!("a request with it may have a body of {MOST_KEPT} bytes");
                ApiError::validation(RETRY_FOR, reason)
            }
            other => other,
        })
    }

    /// Sends it until it isn't refused, as long as the caller waits.
    async fn run_within(
        &self,
        deadline: &RetryDeadline,
        body: Option<Body>,
    ) -> ApiResult<Forwarded> {
        let kept = match body {
            Some(body) => Some(self.keep(body).await?),
            None => None,
        };
        loop {
            let next = match self.run(kept.clone().map(Body::from)).await {
                Ok((answer, limits)) => {
                    let next = limits
                        .refusal
                        .and_then(|refusal| deadline.next_try(&refusal));
                    match next {
                        Some(next) => next,
                        None => return Ok(answer),
                    }
                }
                Err(error) => deadline.next_try(&error).ok_or(error)?,
            };
            tokio::time::sleep_until(next).await;
        }
    }
}

fn as_it_is(answer: Forwarded) -> Response {
    let mut response = Response::new(Body::new(answer.body));
    // It was a status when it came.
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_GATEWAY);
    *response.headers_mut() = answer.headers;
    response.extensions_mut().insert(FromProvider);
    response
}
