//! Outreach: what it supports, and how it is read and written.
//!
//! `api.rs` has the endpoints, `page.rs` the list responses, `lookup.rs` look-ups by id, `live.rs` what
//! callers read, `steps.rs` a sequence's steps; `resource.rs` takes JSON:API records apart, `mapping.rs`
//! maps them. `document.rs` builds the bodies of writes, `creation.rs` creates nothing twice; `write.rs`
//! has accounts and prospects, with `emails.rs` and `phones.rs`; `sequence_write.rs` and `step_write.rs`
//! have sequences, `enrol.rs` and `leave.rs` who is in them, `tasks.rs` tasks. `error.rs` classifies
//! errors, `usage.rs` reads the usage headers, `oauth.rs` says how customers consent. The rest of the
//! workspace sees only [`Provider`].

pub(crate) mod actions;
mod api;
mod creation;
mod document;
mod emails;
mod enrol;
mod error;
mod forward;
mod hash;
mod leave;
mod live;
mod lookup;
mod mapping;
mod members;
mod oauth;
mod page;
mod part;
mod phones;
mod prospect;
mod resource;
mod sequence;
mod sequence_write;
mod step_write;
mod steps;
mod tasks;
mod usage;
mod write;

use std::sync::Arc;

use async_trait::async_trait;
use reqwest::header::{HeaderName, HeaderValue};
use syncline_model::{AuthType, Credentials, Object, ProviderName, VolumeLimits};

use crate::{
    capabilities::Capabilities,
    check,
    error::{ErrorKind, ProviderError, SetupError},
    http::{self, Http, MediaType, Response},
    oauth::OAuthServer,
    passthrough::Passthrough,
    provider::{Call, KeyCheck, ListRequest, Lookup, Page, Provider, Support},
    registry::{BuiltIn, ProviderConfig},
    session::Session,
};
use api::PAGE_SIZE;

pub const NAME: ProviderName = ProviderName::literal("outreach");

pub(crate) const BUILT_IN: BuiltIn = BuiltIn {
    name: NAME,
    base_url: "https://api.outreach.io",
    limits: VolumeLimits::NONE,
    make: |config| Ok(Arc::new(Outreach::new(config)?)),
};

/// The name in sentences.
const PROVIDER: &str = "Outreach";

/// Outreach, reached with a user's OAuth tokens.
#[derive(Debug)]
pub struct Outreach {
    http: Http,
    oauth: OAuthServer,
    passthrough: Passthrough,
}

impl Outreach {
    pub fn new(config: ProviderConfig) -> Result<Self, SetupError> {
        let ProviderConfig {
            base_url,
            transport,
            oauth,
        } = config;
        let provider = "outreach";
        let passthrough = Passthrough::new(provider, &base_url, authorization)?;
        let oauth = OAuthServer::new(NAME, &oauth::RULES, oauth, transport.clone())?;
        let http = Http::new(provider, &base_url, authorization, transport)?;
        Ok(Self {
            http: http.speaking(MediaType::JsonApi),
            oauth,
            passthrough,
        })
    }
}

fn authorization(credentials: &Credentials) -> Result<(HeaderName, HeaderValue), ProviderError> {
    match credentials {
        Credentials::OAuth(tokens) => http::bearer(&tokens.access_token),
        Credentials::ApiKey(_) => Err(ProviderError::new(
            ErrorKind::Unauthorized,
            None,
            "Outreach has no API keys: its customers connect by OAuth",
        )
        .with_records(0)),
    }
}

#[async_trait]
impl Provider for Outreach {
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

    fn support(&self, _object: Object) -> Support {
        api::SUPPORT
    }

    /// Outreach counts all requests of a user together.
    fn endpoint(&self, _call: Call) -> &'static str {
        api::REQUESTS
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
        self.caller(&Session::unmetered(credentials)).await
    }

    async fn list(
        &self,
        credentials: &Credentials,
        object: Object,
        request: ListRequest<'_>,
    ) -> Result<Page, ProviderError> {
        let session = Session::unmetered(credentials);
        self.read_page(&session, (object, &[]), request, PAGE_SIZE)
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
