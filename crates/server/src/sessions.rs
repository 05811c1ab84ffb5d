//! Signing in to the console: an API key, or a link that works once, for a session that may do what the
//! key may.

use std::sync::Arc;

use axum::http::{Extensions, Method};
use chrono::TimeDelta;
use syncline_model::{ApiKey, Role};
use syncline_store::{SessionKind, StoreError, Tenant};

use crate::{AppState, access, error::ApiError};

/// How long a session is valid.
pub const SESSION_HOURS: i64 = 12;

/// Who is signed in. In the extensions of a request, it stands for the API key.
#[derive(Clone)]
pub struct SignedIn {
    pub(crate) tenant: Tenant,
    pub key: Arc<ApiKey>,
}

impl SignedIn {
    /// Whether the key may make this call of the API, so that pages offer only what is allowed.
    #[must_use]
    pub fn may(&self, method: &Method, path: &str) -> bool {
        access::check_call(&self.key, method, path, path).is_ok()
    }
}

/// Why nobody was signed in, in words for a person.
pub enum NotSignedIn {
    /// The key is unknown, revoked or expired.
    WrongKey,
    /// It is an agent's, which may call actions and nothing else.
    Agent,
    /// Too many wrong keys came from this address.
    TooMany,
    Unavailable,
}

/// Begins a session with an API key, and returns its token. `of` are the request's extensions, which
/// have the address that it came from.
pub async fn sign_in(state: &AppState, key: &str, of: &Extensions) -> Result<String, NotSignedIn> {
    let presented = state.guard.check_throttle(key, of);
    let presented = presented.map_err(|_: ApiError| NotSignedIn::TooMany)?;
    let Some((tenant, key)) = state.store.authenticate(key).await? else {
        state.guard.record_wrong_key(presented);
        return Err(NotSignedIn::WrongKey);
    };
    if key.role == Role::Agent {
        return Err(NotSignedIn::Agent);
    }
    Ok(begin(state, &tenant, &key).await?)
}

/// Begins a session with a sign-in link, which is used up.
pub async fn sign_in_by_link(state: &AppState, token: &str) -> Result<String, NotSignedIn> {
    let key = state.store.take_sign_in_link(token).await?;
    let (tenant, key) = key.ok_or(NotSignedIn::WrongKey)?;
    Ok(begin(state, &tenant, &key).await?)
}

async fn begin(state: &AppState, tenant: &Tenant, key: &ApiKey) -> Result<String, StoreError> {
    let expires_at = state.clock.now() + TimeDelta::hours(SESSION_HOURS);
    let kind = SessionKind::Session;
    tenant.begin_session(&key.id, kind, expires_at).await
}

/// Who the session belongs to; `None` if it has ended, or its key is no longer valid.
pub async fn signed_in(state: &AppState, token: &str) -> Result<Option<SignedIn>, NotSignedIn> {
    let found = state.store.key_of_session(token).await?;
    Ok(found.map(|(tenant, key)| SignedIn {
        tenant,
        key: Arc::new(key),
    }))
}

pub async fn sign_out(state: &AppState, token: &str) -> Result<(), NotSignedIn> {
    Ok(state.store.end_session(token).await?)
}

impl From<StoreError> for NotSignedIn {
    fn from(error: StoreError) -> Self {
        tracing::error!("a session could not be looked up: {error}");
        Self::Unavailable
    }
}
