//! Apollo: what it supports, and how it is read and written.
//!
//! `api.rs` has the endpoints, `page.rs` the list responses, `lookup.rs` look-ups by id;
//! `mapping.rs` maps records, `error.rs` classifies errors, `usage.rs` reads the usage headers,
//! `oauth.rs` says how partners' customers consent. The rest of the workspace sees only [`Provider`].

mod action;
pub(crate) mod actions;
mod api;
mod contact;
pub(crate) mod credits;
mod detail;
mod enrich;
mod enrich_batch;
mod enrol;
mod error;
mod forward;
mod hash;
mod live;
mod lookup;
mod mapping;
mod oauth;
mod page;
mod sequence;
mod steps;
mod tasks;
mod usage;
mod write;

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use reqwest::header::{HeaderName, HeaderValue};
use secrecy::ExposeSecret;
use serde_json::value::RawValue;
use syncline_model::{AuthType, Credentials, Object, ProviderName, VolumeLimits};

use crate::{
    capabilities::Capabilities,
    check,
    error::{ProviderError, SetupError},
    http::{self, Http, Response},
    oauth::OAuthServer,
    passthrough::Passthrough,
    provider::{Call, KeyCheck, ListRequest, Lookup, Page, Provider, Support},
    registry::{BuiltIn, ProviderConfig},
    session::Session,
};
use api::PER_PAGE;

pub const NAME: ProviderName = ProviderName::literal("apollo");

pub(crate) const BUILT_IN: BuiltIn = BuiltIn {
    name: NAME,
    base_url: "https://api.apollo.io",
    limits: VolumeLimits {
        records_per_object: Some(10_000),
        records_per_hour: Some(10_000),
        records_per_day: Some(50_000),
    },
    make: |config| Ok(Arc::new(Apollo::new(config)?)),
};

const API_KEY_HEADER: &str = "x-api-key";

/// The name in sentences.
const PROVIDER: &str = "Apollo";

/// Apollo, reached with an API key or with the tokens of a partner's OAuth application.
#[derive(Debug)]
pub struct Apollo {
    http: Http,
    oauth: OAuthServer,
    passthrough: Passthrough,
}

impl Apollo {
    pub fn new(config: ProviderConfig) -> Result<Self, SetupError> {
        let ProviderConfig {
            base_url,
            transport,
            oauth,
        } = config;
        let provider = "apollo";
        let passthrough = Passthrough::new(provider, &base_url, authorization)?;
        let oauth = OAuthServer::new(NAME, &oauth::RULES, oauth, transport.clone())?;
        let http = Http::new(provider, &base_url, authorization, transport)?;
        Ok(Self {
            http,
            oauth,
            passthrough,
        })
    }

    /// Updates `verdict` with every result, so that a timeout returns what is known so far.
    async fn ask_about_key(&self, session: &Session<'_>, verdict: &mut KeyCheck) {
        // The health endpoint costs nothing and says the most, but its response to an invalid key
        // is not documented; the profile's is, and it includes the team.
        match self.health(session).await {
            Ok(Some(true)) => *verdict = KeyCheck::Valid { account: None },
            Ok(Some(false)) => {
                *verdict = KeyCheck::Rejected {
                    reason: "Apollo does not accept the credentials".to_owned(),
                }
            }
            Ok(None) => {}
            Err(error) => *verdict = check::verdict_of_failure(error),
        }
        if matches!(verdict, KeyCheck::Rejected { .. }) {
            return;
        }
        let profile = match self.team(session).await {
            Ok(account) => KeyCheck::Valid { account },
            Err(error) => check::verdict_of_failure(error),
        };
        // A key that is known to be valid stays valid, even if the profile can't be read.
        if matches!(profile, KeyCheck::Valid { .. }) || !matches!(verdict, KeyCheck::Valid { .. }) {
            *verdict = profile;
        }
    }
}

/// Apollo takes a key in a header of its own, and the token of a partner's OAuth application as others
/// do. In a URL they would be logged on the way.
fn authorization(credentials: &Credentials) -> Result<(HeaderName, HeaderValue), ProviderError> {
    match credentials {
        Credentials::ApiKey(key) => {
            let name = HeaderName::from_static(API_KEY_HEADER);
            Ok((name, http::secret_header(key.expose_secret())?))
        }
        Credentials::OAuth(tokens) => http::bearer(&tokens.access_token),
    }
}

#[async_trait]
impl Provider for Apollo {
    fn name(&self) -> ProviderName {
        NAME
    }

    fn title(&self) -> &'static str {
        PROVIDER
    }

    fn key_help(&self) -> &'static str {
        "In Apollo: Settings, Integrations, API, API Keys. Create a key there and set it as a master \
         key; any other key reads only what its scope allows."
    }

    fn auth_types(&self) -> &'static [AuthType] {
        &[AuthType::ApiKey, AuthType::OAuth2]
    }

    fn oauth(&self) -> Option<&OAuthServer> {
        Some(&self.oauth)
    }

    fn support(&self, object: Object) -> Support {
        api::support(object)
    }

    fn endpoint(&self, call: Call) -> &'static str {
        api::counted_as(call)
    }

    async fn reach(&self) -> Result<Response, ProviderError> {
        check::reach(&self.http).await
    }

    async fn check(&self, credentials: &Credentials) -> KeyCheck {
        let mut verdict = check::unanswered(PROVIDER);
        let session = Session::unmetered(credentials);
        let asking = self.ask_about_key(&session, &mut verdict);
        // Even after a timeout the verdict has what was found out.
        let _ = check::in_time(asking).await;
        verdict
    }

    async fn account(&self, credentials: &Credentials) -> Result<Option<String>, ProviderError> {
        self.team(&Session::unmetered(credentials)).await
    }

    async fn list(
        &self,
        credentials: &Credentials,
        object: Object,
        request: ListRequest<'_>,
    ) -> Result<Page, ProviderError> {
        let session = Session::unmetered(credentials);
        self.read_page(&session, object, request, PER_PAGE).await
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
            provider: NAME,
            live_reads: Some(self),
            record_writes: Some(self),
            sequence_writes: Some(self),
            enrolments: Some(self),
            tasks: Some(self),
            enrichments: Some(self),
            batch_enrichments: Some(self),
            forwards: Some(self),
            actions: Some(self),
        }
    }

    fn settle(&self, page: &mut Page, known: &HashMap<String, Box<RawValue>>) {
        sequence::settle(page, known);
    }
}
