//! A connection's provider for a caller's requests: with the connection's credentials and under its
//! request limits, which it shares with the syncs.
//!
//! Callers may use what syncs leave. When a window is used up, the request is refused with
//! `Retry-After` before anything is sent.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicI64, Ordering},
};

use async_trait::async_trait;
use chrono::TimeDelta;
use syncline_model::{ApiKey, RequestWindow, Role, Time, WindowUsage, budget::Refusal};
use syncline_providers::{
    Answered, Capabilities, Credentials, ErrorKind, Meter, Provider, ProviderError, Request,
    Session, Window, counted,
};
use syncline_store::{Connection, ConnectionKey, RateLimitUpdate, StoreError};

use crate::{AppState, Guard, error::ApiResult, request_gate::RequestPermit};

/// For whom requests are counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Sender {
    Api,
    Passthrough,
    /// The id of the agent's key.
    Agent(String),
}

impl Sender {
    pub(crate) fn of(key: &ApiKey) -> Self {
        match key.role {
            Role::Agent => Self::Agent(key.id.clone()),
            _ => Self::Api,
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Api => "api",
            Self::Passthrough => "passthrough",
            Self::Agent(id) => id,
        }
    }
}

pub(crate) struct Remote {
    state: AppState,
    connection: Connection,
    sender: Sender,
    provider: Arc<dyn Provider>,
    /// The newest ones that it knows.
    credentials: Mutex<Credentials>,
    /// When its newest request was sent, in milliseconds.
    asked_at: AtomicI64,
}

impl Remote {
    pub(crate) async fn of(state: &AppState, connection: &Connection) -> ApiResult<Self> {
        let stored = state.store.credentials_of(connection)?;
        let newer = state.tokens.newer(&connection.id, &stored).await?;
        Ok(Self {
            state: state.clone(),
            connection: connection.clone(),
            sender: Sender::Api,
            provider: state.providers.get(connection.provider)?.clone(),
            credentials: Mutex::new(newer.map_or(stored, |newer| newer.credentials)),
            asked_at: AtomicI64::new(state.clock.now().timestamp_millis()),
        })
    }

    /// With one of the connection's keys, under the limits of that key's account.
    pub(crate) async fn with_key(
        state: &AppState,
        connection: &Connection,
        key: &ConnectionKey,
    ) -> ApiResult<Self> {
        if key.is_main {
            return Self::of(state, connection).await;
        }
        let mut connection = connection.clone();
        connection.account_id.clone_from(&key.account_id);
        Ok(Self {
            state: state.clone(),
            sender: Sender::Api,
            provider: state.providers.get(connection.provider)?.clone(),
            credentials: Mutex::new(state.store.credentials_of_key(key)?),
            asked_at: AtomicI64::new(state.clock.now().timestamp_millis()),
            connection,
        })
    }

    /// Requests are counted for this sender, and not for the API's other callers.
    pub(crate) fn sent_by(self, sender: Sender) -> Self {
        Self { sender, ..self }
    }

    /// What its provider can do.
    pub(crate) fn capabilities(&self) -> Capabilities<'_> {
        self.provider.capabilities()
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(crate) fn credentials(&self) -> Credentials {
        self.newest().clone()
    }

    fn newest(&self) -> MutexGuard<'_, Credentials> {
        self.credentials
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn guard(&self) -> &Guard {
        &self.state.guard
    }

    pub(crate) fn session(&self) -> Session<'_> {
        Session::metered(&self.newest(), self)
    }

    /// When the request was sent whose answer came last.
    pub(crate) fn asked_at(&self) -> Time {
        let asked_at = self.asked_at.load(Ordering::Relaxed);
        Time::from_timestamp_millis(asked_at).unwrap_or_else(|| self.state.clock.now())
    }

    /// A permit for one request, or the refusal that the provider would give.
    pub(crate) async fn permit(
        &self,
        endpoint: &str,
        cost: i64,
    ) -> Result<RequestPermit, ProviderError> {
        let limits = self.state.limits_of(&self.connection);
        let gate = &self.state.request_gate;
        match gate
            .enter(&self.state, self.account(), (endpoint, cost), &limits)
            .await
        {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(refusal)) => Err(self.used_up(endpoint, &refusal)),
            Err(error) => Err(not_counted(&error)),
        }
    }

    /// Records what a request's answer, or refusal, says about the limits, and how often the
    /// request was sent again.
    pub(crate) async fn settle(
        &self,
        permit: RequestPermit,
        repeated: i64,
        usage: &[WindowUsage],
        failure: Option<&ProviderError>,
    ) {
        let now = self.state.clock.now();
        let gate = &self.state.request_gate;
        let sent = 1 + repeated;
        gate.count_sent(
            &self.state,
            self.account(),
            &permit.endpoint,
            &self.sender,
            sent,
        );
        let update = RateLimitUpdate {
            endpoint: permit.endpoint.clone(),
            usage: usage.to_vec(),
            at: now,
            refused: failure.and_then(|error| refused_until(error, now)),
        };
        let written = gate
            .record_answer(&self.state, self.account(), permit, repeated, update)
            .await;
        // The caller gets the provider's answer anyway; the next answer reports the limits again.
        if let Err(error) = written {
            tracing::warn!("could not record the request limits that a provider reported: {error}");
        }
    }

    fn account(&self) -> &str {
        &self.connection.account_id
    }

    fn used_up(&self, endpoint: &str, refusal: &Refusal) -> ProviderError {
        let wait = refusal.until - self.state.clock.now();
        let name = self.connection.provider;
        let mut error = ProviderError::new(
            ErrorKind::RateLimited(Window::Unknown),
            None,
            &format!("the request limit of {name} for {endpoint} is used up"),
        );
        error.retry_after = wait.to_std().ok();
        error
    }
}

#[async_trait]
impl Meter for Remote {
    async fn count(
        &self,
        (endpoint, cost): (&str, i64),
        request: Request<'_>,
    ) -> Result<Answered, ProviderError> {
        let permit = self.permit(endpoint, cost).await?;
        let now = self.state.clock.now().timestamp_millis();
        self.asked_at.store(now, Ordering::Relaxed);
        let (answered, repeated) = counted(request).await;
        let (usage, failure) = match &answered {
            Ok(answered) => (&answered.usage, None),
            Err(error) => (&error.usage, Some(error)),
        };
        self.settle(permit, repeated, usage, failure).await;
        answered
    }

    async fn replace(&self, rejected: &Credentials) -> Option<Credentials> {
        let Credentials::OAuth(tokens) = rejected else {
            return None;
        };
        let tokens = self.state.tokens.replacement(&self.connection.id, tokens);
        match tokens.await {
            Ok(stored) => {
                self.newest().clone_from(&stored.credentials);
                Some(stored.credentials)
            }
            Err(none) => {
                tracing::warn!("a rejected access token could not be replaced: {none}");
                None
            }
        }
    }
}

/// The window that a 429 is about, and until when the endpoint is not asked.
fn refused_until(error: &ProviderError, now: Time) -> Option<(RequestWindow, Time)> {
    let window = match error.kind {
        // Not a quota: only this one request has to wait.
        ErrorKind::RateLimited(Window::AlreadyProcessing) => return None,
        ErrorKind::RateLimited(window) => window,
        _ => return None,
    };
    let wait = TimeDelta::from_std(error.refused_for(window)).unwrap_or(TimeDelta::MAX);
    let counted = window.request_window().unwrap_or(RequestWindow::Minute);
    Some((counted, now + wait))
}

/// A request that can't be counted is not sent.
fn not_counted(error: &StoreError) -> ProviderError {
    tracing::error!("could not read the request limits: {error}");
    let message = "the request was not sent: the database can't be used";
    ProviderError::new(ErrorKind::Unavailable, None, message)
}
