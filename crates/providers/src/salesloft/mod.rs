//! Salesloft: what it supports, and how it is read.
//!
//! `api.rs` has the endpoints, `walk.rs` the way through a list, `page.rs` the list responses,
//! `lookup.rs` look-ups by id, `live.rs` what callers read, `steps.rs` a cadence's steps;
//! `mapping.rs` maps records, `error.rs` classifies errors, `usage.rs` reads the usage headers,
//! `cost.rs` says what requests cost. The rest of the workspace sees only [`Provider`].

mod api;
mod contact;
mod cost;
mod error;
mod forward;
mod hash;
mod live;
mod lookup;
mod mapping;
mod page;
mod sequence;
mod steps;
mod usage;
mod walk;

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use chrono::TimeDelta;
use reqwest::header::{HeaderName, HeaderValue};
use serde_json::value::RawValue;
use syncline_model::{AuthType, Credentials, Object, ProviderName, VolumeLimits};

use crate::{
    capabilities::Capabilities,
    error::{ErrorKind, ProviderError, SetupError},
    http::{self, Http, Response},
    oauth::{OAuthServer, Rules, TokenBody},
    passthrough::Passthrough,
    provider::{Call, KeyCheck, ListRequest, Lookup, Page, Provider, Support},
    registry::{BuiltIn, ProviderConfig},
    session::Session,
};

pub const NAME: ProviderName = ProviderName::literal("salesloft");

/// The name in sentences.
const PROVIDER: &str = "Salesloft";

/// The scopes belong to the OAuth application: the authorize URL names none.
const RULES: Rules = Rules {
    authorize_url: "https://accounts.salesloft.com/oauth/authorize",
    token_url: "https://accounts.salesloft.com/oauth/token",
    body: TokenBody::Form,
    takes_proof_key: false,
    names_scopes: false,
    scopes: &[],
    access_token_life: TimeDelta::seconds(7_200),
    refresh_token_life: None,
};

pub(crate) const BUILT_IN: BuiltIn = BuiltIn {
    name: NAME,
    base_url: "https://api.salesloft.com",
    limits: VolumeLimits::NONE,
    oauth: Some(&RULES),
    make: |config| Ok(Arc::new(Salesloft::new(config)?)),
};

/// A caller waits for the result, so the check has a deadline of its own.
const CHECK_TIMEOUT: Duration = Duration::from_secs(5);

/// Salesloft, reached with the tokens of an OAuth application.
#[derive(Debug)]
pub struct Salesloft {
    http: Http,
    oauth: OAuthServer,
    passthrough: Passthrough,
}

impl Salesloft {
    pub fn new(config: ProviderConfig) -> Result<Self, SetupError> {
        let ProviderConfig {
            base_url,
            transport,
            oauth,
        } = config;
        let provider = "salesloft";
        let passthrough = Passthrough::new(provider, &base_url, authorization)?;
        let oauth = OAuthServer::new(NAME, &RULES, oauth, transport.clone())?;
        let http = match transport {
            Some(transport) => Http::over(provider, &base_url, authorization, transport)?,
            None => Http::new(provider, &base_url, authorization)?,
        };
        Ok(Self {
            http,
            oauth,
            passthrough,
        })
    }

    async fn ask_about_token(&self, session: &Session<'_>) -> KeyCheck {
        match self.me(session).await {
            Ok(account) => KeyCheck::Valid { account },
            Err(error) => verdict_of_failure(error),
        }
    }
}

/// Access tokens and the API keys of Salesloft's own customers are sent in the same way.
fn authorization(credentials: &Credentials) -> Result<(HeaderName, HeaderValue), ProviderError> {
    http::bearer(credentials.sent_secret())
}

/// What a failed request says about the token.
fn verdict_of_failure(error: ProviderError) -> KeyCheck {
    let reason = error.message;
    match error.kind {
        ErrorKind::Unauthorized => KeyCheck::Rejected { reason },
        // Salesloft knows the token and only denies this endpoint.
        ErrorKind::Forbidden(_) => KeyCheck::Valid { account: None },
        _ => KeyCheck::Unclear { reason },
    }
}

#[async_trait]
impl Provider for Salesloft {
    fn name(&self) -> ProviderName {
        NAME
    }

    fn auth_types(&self) -> &'static [AuthType] {
        &[AuthType::OAuth2]
    }

    fn oauth(&self) -> Option<&OAuthServer> {
        Some(&self.oauth)
    }

    fn support(&self, object: Object) -> Support {
        api::support(object)
    }

    fn endpoint(&self, _call: Call) -> &'static str {
        api::COUNTED_AS
    }

    async fn reach(&self) -> Result<Response, ProviderError> {
        let asking = tokio::time::timeout(CHECK_TIMEOUT, self.http.reach());
        asking.await.unwrap_or_else(|_| {
            let message = format!("no response within {} s", CHECK_TIMEOUT.as_secs());
            Err(ProviderError::new(ErrorKind::Timeout, None, &message))
        })
    }

    async fn check(&self, credentials: &Credentials) -> KeyCheck {
        let session = Session::unmetered(credentials);
        let asking = self.ask_about_token(&session);
        let answered = tokio::time::timeout(CHECK_TIMEOUT, asking).await;
        answered.unwrap_or_else(|_| KeyCheck::Unclear {
            reason: format!(
                "Salesloft did not answer within {} s",
                CHECK_TIMEOUT.as_secs()
            ),
        })
    }

    async fn account(&self, credentials: &Credentials) -> Result<Option<String>, ProviderError> {
        match self.me(&Session::unmetered(credentials)).await {
            Err(error) if matches!(error.kind, ErrorKind::Forbidden(_)) => Ok(None),
            answered => answered,
        }
    }

    async fn list(
        &self,
        credentials: &Credentials,
        object: Object,
        request: ListRequest<'_>,
    ) -> Result<Page, ProviderError> {
        let session = Session::unmetered(credentials);
        self.read_page(&session, (object, &[]), request, api::PER_PAGE)
            .await
    }

    async fn get(
        &self,
        credentials: &Credentials,
        object: Object,
        id: &str,
    ) -> Result<Lookup, ProviderError> {
        self.look_up(&Session::unmetered(credentials), object, id)
            .await
    }

    fn capabilities(&self) -> Capabilities<'_> {
        Capabilities {
            live_reads: Some(self),
            forwards: Some(self),
            ..Capabilities::none(NAME)
        }
    }

    /// Salesloft has no statistics that it shows as pending.
    fn settle(&self, _page: &mut Page, _known: &HashMap<String, Box<RawValue>>) {}
}
