//! The extractors: who calls, which connection is meant, and inputs whose errors say what is wrong.

use std::sync::Arc;

use axum::{
    extract::{FromRequest, FromRequestParts, MatchedPath, OriginalUri, RawPathParams, Request},
    http::{Extensions, HeaderMap, header, request::Parts},
};
use serde::de::DeserializeOwned;
use syncline_model::{ApiKey, ProviderName};
use syncline_store::{CallerConnection, Connection, Tenant};

use crate::{
    AppState, access, bearer,
    call::CallContext,
    error::{ApiError, ApiResult, MAX_BODY_BYTES},
    guard::{Presented, RequestSlot, read_body},
    scim,
    sessions::SignedIn,
    texts::{NO_NUL, check_json},
};

/// Who calls. Comes first in every handler: the key is checked before anything else.
pub(crate) struct Caller {
    /// The application that the key belongs to: all that the caller can see or change.
    pub(crate) tenant: Tenant,
    pub(crate) key: Arc<ApiKey>,
    /// Holds the key, and passes what the handler finds to the layers around it.
    pub(crate) call: CallContext,
}

impl Caller {
    /// Every valid key passes through here and is checked for this call.
    fn admit(
        parts: &Parts,
        state: &AppState,
        presented: Option<Presented>,
        (tenant, key): (Tenant, Arc<ApiKey>),
    ) -> ApiResult<Self> {
        let call = CallContext::of(&parts.extensions);
        let caller = Self {
            key: call.set_key(key),
            tenant,
            call,
        };
        let slot = RequestSlot::of(&parts.extensions);
        state.guard.admit(presented, &caller.call, &slot)?;
        state.key_uses.note(state, &caller.key);
        match access::check(&caller.key, parts) {
            Ok(()) => Ok(caller),
            Err(reason) => Err(caller.refuse(reason)),
        }
    }

    /// The error for a call that the key may not make.
    pub(crate) fn refuse(&self, reason: String) -> ApiError {
        self.call.set_denied(&reason);
        ApiError::Forbidden(reason)
    }
}

impl FromRequestParts<AppState> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> ApiResult<Self> {
        let (presented, known) = who_calls(parts, state).await?;
        let call = CallContext::of(&parts.extensions);
        if let Ok(path) = RawPathParams::from_request_parts(parts, state).await
            && let Some((_, customer_id)) = path.iter().find(|(name, _)| *name == "customer_id")
        {
            call.set_customer(customer_id);
        }
        Self::admit(parts, state, presented, known)
    }
}

/// The key of the request's header, or the one that somebody is signed in with. Wrong keys are throttled
/// by `guard/auth_throttle.rs`.
async fn who_calls(
    parts: &Parts,
    state: &AppState,
) -> ApiResult<(Option<Presented>, (Tenant, Arc<ApiKey>))> {
    if let Some(SignedIn { tenant, key }) = parts.extensions.get() {
        return Ok((None, (tenant.clone(), key.clone())));
    }
    let unknown = ApiError::Unauthorized("Can't find application by api key");
    let key = header(&parts.headers, "x-api-key").map_err(|_| unknown.clone())?;
    let key = match key {
        None if is_scim(parts) => bearer::token(&parts.headers).ok_or(ApiError::Unauthorized(
            "the header Authorization: Bearer must be set, with an API key",
        ))?,
        None => return Err(ApiError::Unauthorized("x-api-key header must be set")),
        Some(key) => key,
    };
    let presented = state.guard.check_throttle(key, &parts.extensions)?;
    let Some(known) = state.store.authenticate(key).await? else {
        state.guard.record_wrong_key(presented);
        // In a box, because it is rare, and the future of every call would have room for it.
        if let Some(former) = Box::pin(state.store.former_key(key)).await? {
            CallContext::of(&parts.extensions).set_former_key(former);
        }
        return Err(unknown);
    };
    Ok((Some(presented), known))
}

/// SCIM's clients send their key as a bearer token. Elsewhere that header may be the provider's.
fn is_scim(parts: &Parts) -> bool {
    let route = parts.extensions.get::<MatchedPath>();
    route.is_some_and(|route| scim::is_at(route.as_str()))
}

/// The caller and the connection that `x-customer-id` and `x-provider-name` select.
pub(crate) struct ConnectionCaller {
    pub(crate) connection: Arc<Connection>,
    pub(crate) caller: Caller,
}

impl FromRequestParts<AppState> for ConnectionCaller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> ApiResult<Self> {
        if let Some((presented, selected)) = selected(parts, state).await? {
            // Set before the check, so that a denied call is recorded with its connection.
            CallContext::of(&parts.extensions).set_connection(&selected.connection);
            let known = (selected.tenant, selected.key);
            let caller = Caller::admit(parts, state, Some(presented), known)?;
            let connection = selected.connection;
            return Ok(Self { connection, caller });
        }
        // In a box for the same reason.
        Box::pin(Self::of_each_name(parts, state)).await
    }
}

impl ConnectionCaller {
    /// Finds out which of the key and the two names is wrong, in their order.
    async fn of_each_name(parts: &mut Parts, state: &AppState) -> ApiResult<Self> {
        let caller = Caller::from_request_parts(parts, state).await?;
        let (customer_id, provider) = connection_names(&parts.headers)?;
        let connection = find_connection(&caller, customer_id, provider).await?;
        let connection = Arc::new(connection);
        Ok(Self { connection, caller })
    }
}

/// The connection, if key and headers are present and match.
async fn selected(
    parts: &Parts,
    state: &AppState,
) -> ApiResult<Option<(Presented, CallerConnection)>> {
    let given = |name| header(&parts.headers, name).ok().flatten();
    let (Some(key), Some(customer_id), Some(provider)) = (
        given("x-api-key"),
        given("x-customer-id"),
        given("x-provider-name").and_then(|name| name.parse().ok()),
    ) else {
        return Ok(None);
    };
    let presented = state.guard.check_throttle(key, &parts.extensions)?;
    let found = state.store.connection_of_key(key, customer_id, provider);
    Ok(found.await?.map(|found| (presented, found)))
}

/// The same for the management API, where missing headers are a validation error.
pub(crate) struct ManagedConnection {
    pub(crate) connection: Connection,
    pub(crate) caller: Caller,
}

impl FromRequestParts<AppState> for ManagedConnection {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> ApiResult<Self> {
        let caller = Caller::from_request_parts(parts, state).await?;
        let required = |name| {
            header(&parts.headers, name)?
                .ok_or_else(|| ApiError::validation(name, "this header must be set"))
        };
        let (customer_id, provider) = (required("x-customer-id")?, required("x-provider-name")?);
        let connection = find_connection(&caller, customer_id, provider).await?;
        Ok(Self { connection, caller })
    }
}

/// The customer and the provider that the headers name.
pub(crate) fn connection_names(headers: &HeaderMap) -> ApiResult<(&str, &str)> {
    let (customer_id, provider) = (
        header(headers, "x-customer-id")?,
        header(headers, "x-provider-name")?,
    );
    customer_id.zip(provider).ok_or(ApiError::Unauthorized(
        "x-customer-id and x-provider-name headers must be set",
    ))
}

pub(crate) async fn find_connection(
    caller: &Caller,
    customer_id: &str,
    provider: &str,
) -> ApiResult<Connection> {
    let missing = || {
        ApiError::NotFound(format!(
            "Connection not found for customer: {customer_id} and provider: {provider}"
        ))
    };
    caller.call.set_customer(customer_id);
    let provider: ProviderName = provider.parse().map_err(|_| missing())?;
    let found = caller.tenant.get_connection(customer_id, provider);
    let connection = found.await?.ok_or_else(missing)?;
    caller.call.set_connection(&connection);
    Ok(connection)
}

/// A header's text; `None` if it is missing or empty.
pub(crate) fn header<'h>(headers: &'h HeaderMap, name: &str) -> ApiResult<Option<&'h str>> {
    let Some(value) = headers.get(name).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    std::str::from_utf8(value.as_bytes())
        .map(Some)
        .map_err(|_| ApiError::validation(name, "this header is not UTF-8"))
}

/// The values of the path's placeholders.
pub(crate) struct Path<T>(pub(crate) T);

impl<T: DeserializeOwned + Send> FromRequestParts<AppState> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> ApiResult<Self> {
        // The whole path: below an address with placeholders, `uri` has only the rest of it.
        let original = parts.extensions.get::<OriginalUri>();
        let uri = original.map_or(&parts.uri, |original| &original.0);
        if uri.path().contains("%00") {
            return Err(ApiError::validation("path", NO_NUL));
        }
        let axum::extract::Path(values) = axum::extract::Path::from_request_parts(parts, state)
            .await
            .map_err(|rejection| ApiError::validation("path", rejection.body_text()))?;
        Ok(Self(values))
    }
}

/// The longest text in a body of the management API, in bytes. Most fields have a lower limit.
const LONGEST_TEXT: usize = 4096;

/// A JSON body. An error names the path of the wrong field.
pub(crate) struct Json<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<AppState> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &AppState) -> ApiResult<Self> {
        let content_type = header(request.headers(), header::CONTENT_TYPE.as_str())?;
        if content_type.is_some_and(|content_type| !is_json(content_type)) {
            let right = "application/json".to_owned();
            return Err(ApiError::UnsupportedMediaType(right));
        }
        let slot = RequestSlot::of(request.extensions());
        let longest = longest_text(request.extensions());
        let body = read_body(&state.guard, &slot, request.into_body(), MAX_BODY_BYTES).await?;
        check_object(&body, longest)?;
        let mut json = serde_json::Deserializer::from_slice(&body);
        let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
            let path = error.path().to_string();
            invalid(&path, error.inner())
        })?;
        json.end()
            .map_err(|error| ApiError::validation("body", error.to_string()))?;
        Ok(Self(value))
    }
}

/// Checks what serde accepts: an array in place of an object, and texts that can't be stored.
fn check_object(body: &[u8], longest_text: usize) -> ApiResult<()> {
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    if first.is_some_and(|byte| *byte != b'{') {
        return Err(ApiError::validation("body", "must be a JSON object"));
    }
    check_json(body, longest_text)
}

/// Bodies of the management API are stored. The other APIs' bodies are checked by the provider.
fn longest_text(extensions: &Extensions) -> usize {
    let route = extensions.get::<MatchedPath>().map(MatchedPath::as_str);
    match route {
        Some(route) if route.starts_with("/mgmt/") => LONGEST_TEXT,
        _ => usize::MAX,
    }
}

fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json") || essence.ends_with("+json")
}

/// Query parameters. An error names unknown and empty ones.
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<AppState> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> ApiResult<Self> {
        let query = parts.uri.query().unwrap_or_default();
        let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query)
            .map_err(|error| ApiError::validation("query", error.to_string()))?;
        if let Some((name, _)) = pairs.iter().find(|(_, value)| value.contains('\0')) {
            return Err(ApiError::validation(name, NO_NUL));
        }
        if let Some((name, _)) = pairs.iter().find(|(_, value)| value.is_empty()) {
            return Err(ApiError::validation(
                name,
                format!("Empty value found for query parameter '{name}'"),
            ));
        }
        let deserializer = serde_urlencoded::Deserializer::new(form_pairs(query));
        serde_path_to_error::deserialize(deserializer)
            .map(Self)
            .map_err(|error| {
                let path = error.path().to_string();
                match unknown_field(&error.inner().to_string()) {
                    Some(name) => {
                        ApiError::validation(&name, format!("Unknown query parameter '{name}'"))
                    }
                    None => invalid(&path, error.inner()),
                }
            })
    }
}

fn form_pairs(query: &str) -> form_urlencoded::Parse<'_> {
    form_urlencoded::parse(query.as_bytes())
}

/// serde's error for the field at `path`; without a path, the field's name is taken from the
/// message.
fn invalid(path: &str, error: &impl std::fmt::Display) -> ApiError {
    let reason = error.to_string();
    let missing = reason
        .strip_prefix("missing field `")
        .and_then(|rest| rest.split('`').next());
    let field = match (missing, path) {
        (Some(name), "." | "") => name.to_owned(),
        (Some(name), path) => format!("{path}.{name}"),
        (None, "." | "") => "body".to_owned(),
        (None, path) => path.to_owned(),
    };
    let reason = if missing.is_some() {
        "this field is required".to_owned()
    } else {
        reason
    };
    ApiError::Validation { field, reason }
}

fn unknown_field(message: &str) -> Option<String> {
    let rest = message.strip_prefix("unknown field `")?;
    Some(rest.split('`').next()?.to_owned())
}
