//! A request to a provider and its answer, each wrapped in JSON.

use std::{borrow::Cow, collections::BTreeMap};

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
    Credentials, ErrorKind, Forwarded, ProviderError, Response, Target, http::Method,
    passthrough::without_secret,
};
use utoipa::ToSchema;

use super::{
    forward::{Answer, ForwardRequest},
    retry::RetryDeadline,
};
use crate::{
    AppState,
    error::{ApiError, ApiResult},
    extract::{ConnectionCaller, Json},
    remote::{Remote, Sender},
};

/// The largest body of an answer, which is held in memory.
const MOST_ANSWERED: usize = 25 * 1024 * 1024;

#[derive(Deserialize, ToSchema)]
#[schema(as = passthrough_request)]
pub(crate) struct PassthroughRequest {
    /// The path at the provider, without the host.
    #[schema(example = "/api/v1/users/search")]
    path: String,
    method: PassthroughMethod,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    query: BTreeMap<String, String>,
    /// A string, which is sent unchanged, or an object or an array, which is sent as JSON.
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
    /// The URL that the request went to. It contains no credential.
    url: String,
    /// The provider's status.
    status: u16,
    headers: BTreeMap<String, String>,
    /// JSON if the provider says so, otherwise a string. Absent if there is no body.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    body: Option<Box<RawValue>>,
}

/// Sends a request to the provider.
///
/// The answer is 200 whenever the provider answered, with whatever status. A body of more than 25
/// MB doesn't fit here; the proxy has no such limit.
#[utoipa::path(post, path = "/passthrough", tag = "Passthrough",
    operation_id = "sendPassthroughRequest",
    params(
        ("x-customer-id" = String, Header, description = "Your id for the customer"),
        ("x-provider-name" = String, Header, description = "The provider's name"),
        ("x-syncline-retry-for" = Option<u64>, Header, minimum = 0, maximum = 60,
            description = "For how many seconds a request that is refused with 429 may be retried"),
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
    let remote = Remote::of(&state, &caller.connection).await?;
    let remote = remote.sent_by(Sender::Passthrough);
    let deadline = RetryDeadline::of(&headers)?;
    let target = target_of(&remote, &request)?;
    let body = body_of(request.body.as_deref())?;
    let headers = headers_of(&request.headers, body.is_some())?;
    let method = request.method.into();
    let has_body = body.is_some();
    let forward =
        ForwardRequest::allowed(&caller.caller, &remote, method, target, headers, has_body)?;
    let body = || body.clone().map(Body::from);
    let answer: Response = forward.send(deadline.as_ref(), body).await?;
    Ok(JsonBody(PassthroughResponse {
        url: forward.target().url.to_string(),
        status: answer.status,
        headers: answered_headers(&answer),
        body: answered_body(&answer, &remote.credentials()),
    }))
}

fn target_of(remote: &Remote, request: &PassthroughRequest) -> ApiResult<Target> {
    let query = request.query.iter();
    let query = query.map(|(name, value)| (name.as_str(), value.as_str()));
    let target = remote
        .capabilities()
        .forwards()?
        .passthrough()
        .target(&request.path, query);
    target.map_err(|reason| ApiError::validation("path", reason))
}

/// Read as a whole, because it goes into a JSON field.
impl Answer for Response {
    async fn read(answer: Forwarded) -> Result<Self, ProviderError> {
        let body = answer.body.read_up_to(MOST_ANSWERED).await?;
        let body = body.ok_or_else(|| {
            let message = format!(
                "the answer is larger than {MOST_ANSWERED} bytes; /actions/v2/proxy streams it"
            );
            ProviderError::new(ErrorKind::InvalidResponse, None, &message)
        })?;
        Ok(Self {
            status: answer.status,
            headers: answer.headers,
            body,
        })
    }

    fn status(&self) -> u16 {
        self.status
    }

    fn for_limits(&self) -> Cow<'_, Response> {
        Cow::Borrowed(self)
    }
}

fn answered_headers(answer: &Response) -> BTreeMap<String, String> {
    let mut headers: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in &answer.headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        headers
            .entry(name.as_str().to_owned())
            .and_modify(|known| *known = format!("{known}, {value}"))
            .or_insert_with(|| value.into_owned());
    }
    headers
}

/// The given headers, except those that describe the body that we write, and with `Accept-Encoding`
/// set so that the answer can be shown in JSON.
fn headers_of(given: &BTreeMap<String, String>, has_body: bool) -> ApiResult<HeaderMap> {
    let mut headers = HeaderMap::with_capacity(given.len());
    for (name, value) in given {
        let wrong = |reason: &str| ApiError::validation(format!("headers.{name}"), reason);
        let parsed: HeaderName = name
            .parse()
            .map_err(|_| wrong("this is not a valid header name"))?;
        let value =
            HeaderValue::from_str(value).map_err(|_| wrong("this is not a valid header value"))?;
        if parsed != header::CONTENT_LENGTH {
            headers.append(parsed, value);
        }
    }
    headers.insert(
        header::ACCEPT_ENCODING,
        HeaderValue::from_static("identity"),
    );
    if has_body {
        let json = HeaderValue::from_static("application/json");
        headers.entry(header::CONTENT_TYPE).or_insert(json);
    }
    Ok(headers)
}

fn body_of(body: Option<&RawValue>) -> ApiResult<Option<Bytes>> {
    let Some(body) = body else {
        return Ok(None);
    };
    match body.get().as_bytes().first() {
        // Unparsed, so that numbers keep all of their digits.
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
    // The lossy reading looks at every byte by itself.
    let text = std::str::from_utf8(&answer.body)
        .map_or_else(|_| String::from_utf8_lossy(&answer.body), Cow::Borrowed);
    let written = says_json(answer)
        .then(|| serde_json::from_str::<&RawValue>(&text).ok())
        .flatten();
    let Some(written) = written else {
        let text = Value::String(text.into_owned());
        return serde_json::value::to_raw_value(&without_secret(text, credentials)).ok();
    };
    // Unparsed, so that numbers keep all of their digits.
    if !may_name(&text, credentials) {
        return Some(written.to_owned());
    }
    // Nested too deeply to parse: it is shown as text.
    let value: Value = serde_json::from_str(written.get())
        .unwrap_or_else(|_| Value::String(written.get().to_owned()));
    let clean = without_secret(value.clone(), credentials);
    if clean == value && !value.is_string() {
        return Some(written.to_owned());
    }
    serde_json::value::to_raw_value(&clean).ok()
}

/// Whether the key may be in a text, possibly written with escapes.
fn may_name(text: &str, credentials: &Credentials) -> bool {
    text.contains("\\u") || text.contains(credentials.sent_secret().expose_secret())
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
