//! Salesloft: what it supports, and how it is read and written.
//!
//! `api.rs` has the endpoints, `walk.rs` the way through a list, `page.rs` the list responses,
//! `lookup.rs` look-ups by id, `live.rs` what callers read, `steps.rs` a cadence's steps,
//! `step_counts.rs` how many each cadence has;
//! `mapping.rs` maps records. `fields.rs` builds the bodies of writes, `creation.rs` creates nothing
//! twice; `write.rs` has accounts and people, with `person.rs`; `sequence_write.rs` and
//! `steps_import.rs` have cadences, `enrol.rs` who is on them, `tasks.rs` tasks. `error.rs` classifies
//! errors, `usage.rs` reads the usage headers, `cost.rs` says what requests cost. The rest of the
//! workspace sees only [`Provider`].

pub(crate) mod actions;
mod api;
mod contact;
mod cost;
mod creation;
mod enrol;
mod error;
mod fields;
mod forward;
mod hash;
mod live;
mod lookup;
mod mapping;
mod page;
mod person;
mod sequence;
mod sequence_write;
mod step_counts;
mod steps;
mod steps_import;
mod tasks;
mod usage;
mod walk;
mod write;

use std::sync::Arc;

use async_trait::async_trait;
use chrono::TimeDelta;
use reqwest::header::{HeaderName, HeaderValue};
use syncline_model::{AuthType, Credentials, Object, ProviderName, VolumeLimits};

use crate::{
    capabilities::Capabilities,
    check,
    error::{ErrorKind, ProviderError, SetupError},
    http::{self, Http, Response},
    oauth::{OAuthServer, Rules, TokenBody},
    passthrough::Passthrough,
    provider::{Call, KeyCheck, ListRequest, Lookup, Page, Provider, Support},
    registry::{BuiltIn, ProviderConfig},
    session::Session,
};
use walk::PagePosition;

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
    make: |config| Ok(Arc::new(Salesloft::new(config)?)),
};

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
        let http = Http::new(provider, &base_url, authorization, transport)?;
        Ok(Self {
            http,
            oauth,
            passthrough,
        })
    }
}

/// Access tokens and the API keys of Salesloft's own customers are sent in the same way.
fn authorization(credentials: &Credentials) -> Result<(HeaderName, HeaderValue), ProviderError> {
    http::bearer(credentials.sent_secret())
}

#[async_trait]
impl Provider for Salesloft {
    fn name(&self) -> ProviderName {
        NAME
    }

    fn title(&self) -> &'static str {
        PROVIDER
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

    fn cost_of_page(&self, object: Object, request: ListRequest<'_>) -> i64 {
        if object == Object::Sequence {
            return step_counts::points_of_scan(request).into();
        }
        let position = PagePosition::of(request, api::PER_PAGE);
        position.map_or(1, |position| cost::points_of_page(position.page).into())
    }

    async fn reach(&self) -> Result<Response, ProviderError> {
        check::reach(&self.http).await
    }

    async fn check(&self, credentials: &Credentials) -> KeyCheck {
        match check::in_time(self.account(credentials)).await {
            Some(Ok(account)) => KeyCheck::Valid { account },
            Some(Err(error)) => check::verdict_of_failure(error),
            None => check::unanswered(PROVIDER),
        }
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
        if object == Object::Sequence {
            return self.scan_cadences(&session, request).await;
        }
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
            record_writes: Some(self),
            sequence_writes: Some(self),
            enrolments: Some(self),
            tasks: Some(self),
            forwards: Some(self),
            actions: Some(self),
            ..Capabilities::none(NAME)
        }
    }
}
