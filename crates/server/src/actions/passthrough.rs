//! A request to a provider and its answer, each in an envelope.

use std::collections::BTreeMap;

use axum::{
    Json as JsonBody,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, header},
};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};
use syncline_providers::{
    Credentials, ErrorKind, Forward, Forwarded, ProviderError, Response, Target, counted,
    http::Method, passthrough::without_secret,
};
use utoipa::ToSchema;

use super::retry::RetryDeadline;
use crate::{
    AppState,
    access::{self, Forwarding},
    error::{ApiError, ApiResult},
    extract::{Caller, ConnectionCaller, Json},
    remote::Remote,
};

/// The most that an answer's body may have; it is kept in memory.
const MOST_ANSWERED: usize = 25 * 1024 * 1024;

#[derive(Deserialize, ToSchema)]
#[schema(as = passthrough_request)]
pub(crate) struct PassthroughRequest {
    /// At the provider, without its address.
    #[schema(example = "/api/v1/users/search")]
    path: String,
    method: PassthroughMethod,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    query: BTreeMap<String, String>,
    /// A string, which is sent as it is, or an object or an array, which is sent as JSON.
    #[schema(value_type = Option<Value>)]
    body: Option<Box<RawValue>>,
}

#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
#[schema(as = passthrough_method)]
enum PassthroughMethod {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

#[derive(Serialize, ToSchema)]
#[schema(as = passthrough_response)]
pub(crate) struct PassthroughResponse {
    /// Where the request went. No credential is in it.
    url: String,
    /// The provider's.
    status: u16,
    headers: BTreeMap<String, String>,
    /// JSON where the provider says that it is, else a string. Left out where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    body: Option<Box<RawValue>>,
}

/// Sends a request to the provider.
///
/// The answer is 200 whenever the provider answered, whatever it did. A body of more than 25 MB
/// doesn't fit into the envelope; the proxy has no such bound.
#[utoipa::path(post, path = "/passthrough", tag = "Passthrough",
    operation_id = "sendPassthroughRequest",
    params(
        ("x-customer-id" = String, Header, description = "Your id for the customer"),
        ("x-provider-name" = String, Header, description = "The provider's name"),
        ("x-syncline-retry-for" = Option<u64>, Header, minimum = 0, maximum = 60,
            description = "How many seconds a request that is refused with 429 may be tried again"),
    ),
    request_body = PassthroughRequest,
    responses((status = 200, description = "What the provider answered",
        body = PassthroughResponse)))]
pub(crate) async fn send_passthrough_request(
    caller: ConnectionCaller,
    State(state): State<AppState>,
    headers: HeaderMap,
    Json(request): Json<PassthroughRequest>,
) -> ApiResult<JsonBody<PassthroughResponse>> {
    let remote = Remote::of(&state, &caller.connection)?;
    let deadline = RetryDeadline::of(&headers)?;
    let mut forward_request = ForwardRequest::of(&remote, &request)?;
    let call = &caller.caller.call;
    call.set_provider_request(&forward_request.method, &forward_request.target);
    forward_request.check(&caller.caller)?;
    access::restrict_headers(&caller.caller, &mut forward_request.headers);
    loop {
        let (refusal, result) = match forward_request.run().await {
            Ok((answer, refusal)) => (refusal, Ok(answer)),
            Err(error) => (Some(error.clone()), Err(error)),
        };
        let next = deadline
            .as_ref()
            .zip(refusal.as_ref())
            .and_then(|(deadline, refusal)| deadline.next_try(refusal));
        match next {
            Some(next) => tokio::time::sleep_until(next).await,
            None => return Ok(JsonBody(forward_request.in_envelope(&result?))),
        }
    }
}

/// A request that may be sent more than once.
struct ForwardRequest<'r> {
    remote: &'r Remote,
    endpoint: String,
    method: Method,
    target: Target,
    headers: HeaderMap,
    body: Option<Bytes>,
}

impl<'r> ForwardRequest<'r> {
    fn of(remote: &'r Remote, request: &PassthroughRequest) -> ApiResult<Self> {
        let query = request.query.iter();
        let query = query.map(|(name, value)| (name.as_str(), value.as_str()));
        let way = remote.provider().passthrough();
        let target = way
            .target(&request.path, query)
            .map_err(|reason| ApiError::validation("path", reason))?;
        let mut headers = headers_of(&request.headers)?;
        let body = body_of(request.body.as_deref())?;
        if body.is_some() {
            let json = HeaderValue::from_static("application/json");
            headers.entry(header::CONTENT_TYPE).or_insert(json);
        }
        let method = request.method.into();
        Ok(Self {
            endpoint: remote.provider().endpoint_of(&method, &target.path),
            remote,
            method,
            target,
            headers,
            body,
        })
    }

    /// Whether the caller's key lets it pass.
    fn check(&self, caller: &Caller) -> ApiResult<()> {
        let forwarding = Forwarding {
            method: &self.method,
            target: &self.target,
            headers: &self.headers,
            has_body: self.body.is_some(),
        };
        access::check_forward(caller, self.remote, &forwarding)
    }

    /// Sends it once, counted. The refusal is the provider's 429.
    async fn run(&self) -> Result<(Response, Option<ProviderError>), ProviderError> {
        let permit = self.remote.permit(&self.endpoint).await?;
        let (result, repeated) = counted(self.ask()).await;
        match &result {
            Ok(answer) => {
                let limits = self.remote.provider().rate_limit_info(answer);
                self.remote
                    .settle(permit, repeated, &limits.usage, limits.refusal.as_ref())
                    .await;
                result.map(|answer| (answer, limits.refusal))
            }
            Err(error) => {
                self.remote.settle(permit, repeated, &[], Some(error)).await;
                result.map(|answer| (answer, None))
            }
        }
    }

    async fn ask(&self) -> Result<Response, ProviderError> {
        let forward = Forward {
            method: self.method.clone(),
            target: self.target.clone(),
            headers: self.headers.clone(),
            body: self.body.clone().map(Body::from),
        };
        let way = self.remote.provider().passthrough();
        let Forwarded {
            status,
            headers,
            body,
        } = way.send(self.remote.credentials(), forward).await?;
        let body = body.read_up_to(MOST_ANSWERED).await?;
        let body = body.ok_or_else(|| {
            let message = format!(
                "the answer is larger than {MOST_ANSWERED} bytes; /actions/v2/proxy streams it"
            );
            ProviderError::new(ErrorKind::Garbage, None, &message)
        })?;
        Ok(Response {
            status,
            headers,
            body,
        })
    }

    fn in_envelope(&self, answer: &Response) -> PassthroughResponse {
        let mut headers: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in &answer.headers {
            let value = String::from_utf8_lossy(value.as_bytes());
            headers
                .entry(name.as_str().to_owned())
                .and_modify(|known| *known = format!("{known}, {value}"))
                .or_insert_with(|| value.into_owned());
        }
        PassthroughResponse {
            url: self.target.url.to_string(),
            status: answer.status,
            headers,
            body: answered_body(answer, self.remote.credentials()),
        }
    }
}

/// As they were given, but for what describes a body that is ours to write, or asks for one that can't
/// be shown in JSON.
fn headers_of(given: &BTreeMap<String, String>) -> ApiResult<HeaderMap> {
    let mut headers = HeaderMap::with_capacity(given.len());
    for (name, value) in given {
        let wrong = |reason: &str| ApiError::validation(format!("headers.{name}"), reason);
        let parsed: HeaderName = name
            .parse()
            .map_err(|_| wrong("this is no name of a header"))?;
        let value = HeaderValue::from_str(value)
            .map_err(|_| wrong("this can't be the value of a header"))?;
        if parsed != header::CONTENT_LENGTH {
            headers.append(parsed, value);
        }
    }
    headers.insert(
        header::ACCEPT_ENCODING,
        HeaderValue::from_static("identity"),
    );
    Ok(headers)
}

fn body_of(body: Option<&RawValue>) -> ApiResult<Option<Bytes>> {
    let Some(body) = body else {
        return Ok(None);
    };
    match body.get().as_bytes().first() {
        // As it was written: numbers keep all of their digits.
        Some(b'{' | b'[') => Ok(Some(Bytes::from(body.get().to_owned()))),
        Some(b'"') => serde_json::from_str(body.get())
            .map(|text: String| Some(text.into()))
            .map_err(|error| ApiError::validation("body", error.to_string())),
        _ => Err(ApiError::validation(
            "body",
            "must be a string, an object or an array",
        )),
    }
}

fn answered_body(answer: &Response, credentials: &Credentials) -> Option<Box<RawValue>> {
    if answer.body.is_empty() {
        return None;
    }
    let text = String::from_utf8_lossy(&answer.body);
    let written = says_json(answer)
        .then(|| serde_json::from_str::<&RawValue>(&text).ok())
        .flatten();
    let Some(written) = written else {
        let text = Value::String(text.into_owned());
        return serde_json::value::to_raw_value(&without_secret(text, credentials)).ok();
    };
    // As it was written: numbers keep all of their digits.
    if !may_name(&text, credentials) {
        return Some(written.to_owned());
    }
    // Too deep to look into: then it is shown as text.
    let value: Value = serde_json::from_str(written.get())
        .unwrap_or_else(|_| Value::String(written.get().to_owned()));
    let clean = without_secret(value.clone(), credentials);
    if clean == value && !value.is_string() {
        return Some(written.to_owned());
    }
    serde_json::value::to_raw_value(&clean).ok()
}

/// Whether the key may be in a text, also written with escapes.
fn may_name(text: &str, credentials: &Credentials) -> bool {
    text.contains("\\u") || text.contains(credentials.api_key.expose_secret())
}

fn says_json(answer: &Response) -> bool {
    let content_type = answer.header("content-type").unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let essence = essence.to_ascii_lowercase();
    essence == "application/json" || essence.ends_with("+json")
}

impl From<PassthroughMethod> for Method {
    fn from(method: PassthroughMethod) -> Self {
        match method {
            PassthroughMethod::Get => Self::GET,
            PassthroughMethod::Post => Self::POST,
            PassthroughMethod::Put => Self::PUT,
            PassthroughMethod::Patch => Self::PATCH,
            PassthroughMethod::Delete => Self::DELETE,
        }
    }
}
