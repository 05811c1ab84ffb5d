//! Who an agent is, for protocols other than the API's own: the key that it presents.

use std::sync::Arc;

use axum::http::Extensions;
use syncline_model::{ApiKey, Role};
use syncline_store::{StoreError, Tenant};

use crate::{AppState, call::CallContext, error::ApiError, guard::RequestSlot, sessions::SignedIn};

/// Looks agents up by their keys.
pub struct Agents(AppState);

/// Why a key is no agent's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotAnAgent {
    /// Unknown, revoked or expired.
    WrongKey,
    /// A valid key of another role.
    OtherRole,
    /// Too many wrong keys came from this address.
    TooMany,
    /// The key has sent too many requests in this minute.
    OverRate,
    /// The key has too many requests in progress.
    Overloaded,
    Unavailable,
}

impl Agents {
    #[must_use]
    pub fn new(state: &AppState) -> Self {
        Self(state.clone())
    }

    /// The agent of a key. Wrong ones are throttled by the address in the request's extensions; the request
    /// of a right one counts for that key, as one of the APIs does.
    pub async fn find_for(&self, key: &str, of: &Extensions) -> Result<SignedIn, NotAnAgent> {
        let Self(state) = self;
        let presented = state.guard.check_throttle(key, of);
        let presented = presented.map_err(|_: ApiError| NotAnAgent::TooMany)?;
        let Some(known) = state.store.authenticate(key).await? else {
            state.guard.record_wrong_key(presented);
            return Err(NotAnAgent::WrongKey);
        };
        let agent = agent(known)?;
        let call = CallContext::of(of);
        call.set_key(agent.key.clone());
        let admitted = state
            .guard
            .admit(Some(presented), &call, &RequestSlot::of(of));
        admitted.map_err(|error| match error {
            ApiError::TooMany { .. } => NotAnAgent::OverRate,
            _ => NotAnAgent::Overloaded,
        })?;
        Ok(agent)
    }

    /// The agent of a key that this process was started with.
    pub async fn find(&self, key: &str) -> Result<SignedIn, NotAnAgent> {
        let known = self.0.store.authenticate(key).await?;
        agent(known.ok_or(NotAnAgent::WrongKey)?)
    }
}

fn agent((tenant, key): (Tenant, Arc<ApiKey>)) -> Result<SignedIn, NotAnAgent> {
    if key.role == Role::Agent {
        Ok(SignedIn { tenant, key })
    } else {
        Err(NotAnAgent::OtherRole)
    }
}

impl NotAnAgent {
    /// What is wrong, and what to do.
    #[must_use]
    pub fn in_words(self) -> &'static str {
        match self {
            Self::WrongKey => "this API key is unknown, revoked or expired",
            Self::OtherRole => {
                "this API key is not an agent's: make one with the role agent, whose grants say what it \
                 may do"
            }
            Self::TooMany => "too many wrong API keys came from this address: wait a minute",
            Self::OverRate => "this key has sent its requests of this minute: wait a minute",
            Self::Overloaded => {
                "too many requests of this key are in progress: try again in a moment"
            }
            Self::Unavailable => "the database can't be reached: try again in a moment",
        }
    }
}

impl From<StoreError> for NotAnAgent {
    fn from(error: StoreError) -> Self {
        tracing::error!("an agent's key could not be looked up: {error}");
        Self::Unavailable
    }
}
