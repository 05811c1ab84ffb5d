//! The audit log: who did what, with whose credentials, and what was denied.
//!
//! The layer ([`record_audit`]) is around all handlers of the APIs. It records every write of the
//! management API, every use of a connection's credential other than reads (engagement writes,
//! enrichment, passthrough, proxy), and every call that a key was denied. `words` describes the
//! call in English, `recorder` writes entries to the database, and `repeats` limits how many
//! denials of one key are written.

mod recorder;
mod repeats;
pub(crate) mod words;

use axum::{
    extract::{MatchedPath, Request, State},
    http::{Method, StatusCode},
    middleware::Next,
    response::Response,
};
use syncline_model::{ApiKey, AuditResult};
use syncline_store::{Actor, AuditEntry};

pub use self::recorder::Recorder;
use self::words::AuditedRequest;
use crate::{
    AppState,
    call::CallContext,
    error::{ApiError, FromProvider},
    guard::RequestId,
};

/// How urgently an entry has to be written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Urgency {
    /// Written to the database before the caller gets the answer.
    Before,
    Soon,
    /// Written before the answer too, but nothing was done: only the first of each minute are
    /// written one by one.
    Sampled,
}

/// The layer around the handlers.
pub(crate) async fn record_audit(
    State(state): State<AppState>,
    path: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response {
    let Some(audited) = path
        .as_ref()
        .map(|path| AuditedRequest::of(request.method(), path.as_str()))
    else {
        return next.run(request).await;
    };
    let (call, id) = (
        CallContext::of(request.extensions()),
        RequestId::of(&request),
    );
    let method = request.method().clone();
    let at = state.clock.now();
    let response = next.run(request).await;
    let Some((key, result, urgency)) = judge(&audited, &method, &call, &response) else {
        return response;
    };
    let reason = response.extensions().get::<ApiError>().map(ApiError::title);
    let entry = AuditEntry {
        application_id: key.application_id.clone(),
        at,
        actor: Actor::from(key),
        action: call
            .action()
            .map_or_else(|| audited.action(), |it| it.name.clone()),
        message: audited.message(key, &call, result, response.status(), reason.as_deref()),
        method: Some(method.to_string()),
        route: path.map(|path| path.as_str().to_owned()),
        customer_id: call.customer_id().map(str::to_owned),
        connection_id: call.connection_id().map(str::to_owned),
        provider_name: call.provider().map(|it| it.as_str().to_owned()),
        provider_request: call.provider_request().map(str::to_owned),
        result,
        status: Some(response.status().as_u16()),
        request_id: Some(id.as_str().to_owned()),
    };
    match urgency {
        Urgency::Before => state.recorder.write_now(entry).await,
        Urgency::Soon => state.recorder.write_soon(entry).await,
        Urgency::Sampled => state.recorder.write_refusal(entry).await,
    }
    response
}

/// The key, the result, and how urgent the entry is; `None` if nothing is recorded.
fn judge<'c>(
    audited: &AuditedRequest,
    method: &Method,
    call: &'c CallContext,
    response: &Response,
) -> Option<(&'c ApiKey, AuditResult, Urgency)> {
    let ours = response.extensions().get::<FromProvider>().is_none();
    let error = response.extensions().get::<ApiError>().filter(|_| ours);
    // Rate-limited calls must not fill the log.
    if matches!(error, Some(ApiError::TooMany { .. } | ApiError::Overloaded)) {
        return None;
    }
    if let Some(former) = call.former_key() {
        return Some((former, AuditResult::Denied, Urgency::Sampled));
    }
    let key = call.key()?;
    if call.denied().is_some() {
        return Some((key, AuditResult::Denied, Urgency::Sampled));
    }
    // A call to a path or method that doesn't exist did nothing.
    if !audited.counts(method) || response.status() == StatusCode::METHOD_NOT_ALLOWED {
        return None;
    }
    let result = match error {
        Some(_) => AuditResult::Failed,
        None if response.status().is_client_error() || response.status().is_server_error() => {
            AuditResult::Failed
        }
        None => AuditResult::Ok,
    };
    let urgency = match error {
        Some(error) if error.changed_nothing() && error.is_ours() => Urgency::Sampled,
        _ if audited.is_management() => Urgency::Before,
        _ => Urgency::Soon,
    };
    Some((key, result, urgency))
}
