//! OAuth 2.0: where customers consent, and how a code or a refresh token becomes tokens.
//!
//! This is written by hand over [`Transport`], because the crate `oauth2` brings another reqwest and
//! encodes every request as a form, which one of our providers doesn't accept. What differs between
//! providers is data: [`Rules`].

use std::{fmt, sync::Arc};

use bytes::Bytes;
use chrono::TimeDelta;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use syncline_model::{OAuthClient, OAuthTokens, ProviderName, Time};
use url::Url;

use crate::{
    error::{ErrorKind, ProviderError, SetupError, without_secrets},
    http::{self, Method, Outgoing, Response, Transport},
};

/// How a provider does OAuth 2.0.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Where customers consent, unless something else is set.
    pub authorize_url: &'static str,
    /// Where codes and refresh tokens are exchanged, unless something else is set.
    pub token_url: &'static str,
    pub body: TokenBody,
    /// Whether a code can be bound to us by a proof key (PKCE, S256).
    pub takes_proof_key: bool,
    /// Whether the authorize URL names the scopes; otherwise they belong to the OAuth application.
    pub names_scopes: bool,
    /// The scopes that everything which Syncline does needs.
    pub scopes: &'static [&'static str],
    /// How long an access token is valid if the answer doesn't say.
    pub access_token_life: TimeDelta,
    /// How long a refresh token is valid that nobody uses; `None`: not documented.
    pub refresh_token_life: Option<TimeDelta>,
}

/// The form of a request to the token endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenBody {
    Form,
    Json,
}

/// What is set for a provider's OAuth server; `None`: as in its [`Rules`].
#[derive(Debug, Clone, Default)]
pub struct OAuthConfig {
    pub authorize_url: Option<String>,
    pub token_url: Option<String>,
    /// The client for applications that use the managed one.
    pub managed_client: Option<OAuthClient>,
}

/// A provider's OAuth server.
#[derive(Clone)]
pub struct OAuthServer {
    rules: &'static Rules,
    transport: Arc<dyn Transport>,
    authorize_url: Url,
    token_url: Url,
    managed_client: Option<OAuthClient>,
}

/// What a customer is sent to the provider with.
#[derive(Debug, Clone, Copy)]
pub struct Authorization<'a> {
    pub client_id: &'a str,
    pub redirect_uri: &'a str,
    pub scopes: &'a [String],
    pub state: &'a str,
    /// The digest of the proof key; ignored where the provider takes none.
    pub challenge: Option<&'a str>,
}

/// A code that a provider returned a customer with.
#[derive(Debug, Clone, Copy)]
pub struct Code<'a> {
    pub code: &'a SecretString,
    /// The same as in the [`Authorization`].
    pub redirect_uri: &'a str,
    /// The proof key whose digest was sent; ignored where the provider takes none.
    pub verifier: Option<&'a SecretString>,
}

/// The token endpoint gave no tokens.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct TokenError {
    pub kind: TokenErrorKind,
    pub reason: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenErrorKind {
    /// The code or the refresh token is not valid, and never will be again.
    InvalidGrant,
    /// The provider doesn't accept our request: the OAuth application is not set up as it should be.
    Misconfigured,
    /// Worth another try later.
    Temporary,
    /// 429: it gives no more tokens for a while.
    RateLimited,
    /// The request may have arrived, and its answer was lost: the provider may have replaced the
    /// refresh token.
    Unknown,
}

impl OAuthServer {
    pub fn new(
        provider: ProviderName,
        rules: &'static Rules,
        config: OAuthConfig,
        transport: Option<Arc<dyn Transport>>,
    ) -> Result<Self, SetupError> {
        let checked = |set: Option<String>, usual: &str, setting: &'static str| {
            let url = set.as_deref().unwrap_or(usual);
            http::checked_url(url).map_err(|reason| SetupError::OAuthUrl {
                provider,
                setting,
                reason,
            })
        };
        Ok(Self {
            rules,
            transport: http::or_network(transport),
            authorize_url: checked(config.authorize_url, rules.authorize_url, "authorize_url")?,
            token_url: checked(config.token_url, rules.token_url, "token_url")?,
            managed_client: config.managed_client,
        })
    }

    pub fn rules(&self) -> &'static Rules {
        self.rules
    }

    /// The client of this installation, if one is set.
    pub fn managed_client(&self) -> Option<&OAuthClient> {
        self.managed_client.as_ref()
    }

    /// Whether this is where customers consent.
    pub fn is_login_url(&self, url: &Url) -> bool {
        *url == self.authorize_url
    }

    /// Where to send a customer.
    pub fn authorize_url(&self, authorization: &Authorization<'_>) -> Url {
        let mut pairs = vec![
            ("response_type", "code".to_owned()),
            ("client_id", authorization.client_id.to_owned()),
            ("redirect_uri", authorization.redirect_uri.to_owned()),
            ("state", authorization.state.to_owned()),
        ];
        if self.rules.names_scopes {
            pairs.push(("scope", authorization.scopes.join(" ")));
        }
        if let Some(challenge) = authorization
            .challenge
            .filter(|_| self.rules.takes_proof_key)
        {
            pairs.push(("code_challenge", challenge.to_owned()));
            pairs.push(("code_challenge_method", "S256".to_owned()));
        }
        let mut url = self.authorize_url.clone();
        // A page that is an application of its own has its query behind the `#`.
        if let Some(fragment) = self.authorize_url.fragment() {
            let query = serde_urlencoded::to_string(pairs).unwrap_or_default();
            let separator = if fragment.contains('?') { '&' } else { '?' };
            url.set_fragment(Some(&format!("{fragment}{separator}{query}")));
        } else {
            url.query_pairs_mut().extend_pairs(pairs);
        }
        url
    }

    /// Exchanges a code for the first tokens. `now` is when the request is sent.
    pub async fn exchange(
        &self,
        client: &OAuthClient,
        code: Code<'_>,
        now: Time,
    ) -> Result<OAuthTokens, TokenError> {
        let request = TokenRequest {
            grant_type: "authorization_code",
            code: Some(code.code.expose_secret()),
            redirect_uri: Some(code.redirect_uri),
            code_verifier: code
                .verifier
                .filter(|_| self.rules.takes_proof_key)
                .map(ExposeSecret::expose_secret),
            ..TokenRequest::of(client)
        };
        self.ask(request, now, None).await
    }

    /// Exchanges a refresh token for new tokens. `now` is when the request is sent.
    pub async fn refresh(
        &self,
        client: &OAuthClient,
        refresh_token: &SecretString,
        now: Time,
    ) -> Result<OAuthTokens, TokenError> {
        let request = TokenRequest {
            grant_type: "refresh_token",
            refresh_token: Some(refresh_token.expose_secret()),
            ..TokenRequest::of(client)
        };
        self.ask(request, now, Some(refresh_token)).await
    }

    async fn ask(
        &self,
        request: TokenRequest<'_>,
        now: Time,
        refresh_token: Option<&SecretString>,
    ) -> Result<OAuthTokens, TokenError> {
        let secrets = request.secrets();
        let sent = self.transport.send(self.outgoing(&request)).await;
        let answer = match sent {
            Ok(response) if response.is_success() => self.tokens_of(&response, now, refresh_token),
            Ok(response) => Err(refusal(&response)),
            Err(error) => Err(no_answer(&error)),
        };
        answer.map_err(|error| error.without(&secrets))
    }

    fn outgoing(&self, request: &TokenRequest<'_>) -> Outgoing {
        let (content_type, body) = match self.rules.body {
            TokenBody::Form => (
                "application/x-www-form-urlencoded",
                serde_urlencoded::to_string(request).unwrap_or_default(),
            ),
            TokenBody::Json => (
                "application/json",
                serde_json::to_string(request).unwrap_or_default(),
            ),
        };
        Outgoing {
            method: Method::POST,
            url: self.token_url.clone(),
            headers: HeaderMap::from_iter([
                (ACCEPT, HeaderValue::from_static("application/json")),
                (CONTENT_TYPE, HeaderValue::from_static(content_type)),
            ]),
            body: Some(Bytes::from(body)),
        }
    }

    fn tokens_of(
        &self,
        response: &Response,
        now: Time,
        refresh_token: Option<&SecretString>,
    ) -> Result<OAuthTokens, TokenError> {
        let unusable = |reason: &str| TokenError {
            kind: TokenErrorKind::Unknown,
            reason: format!("the token endpoint's answer can't be used: {reason}"),
        };
        let answer: TokenAnswer = serde_json::from_slice(&response.body)
            .map_err(|_| unusable("it is not the expected JSON"))?;
        let fits_a_header = |token: &str| !token.is_empty() && http::secret_header(token).is_ok();
        if !fits_a_header(&answer.access_token) {
            return Err(unusable("its `access_token` can't be sent in a header"));
        }
        // Some servers keep the refresh token and don't repeat it.
        let refresh_token = answer
            .refresh_token
            .filter(|token| !token.is_empty())
            .map(SecretString::from)
            .or_else(|| refresh_token.cloned())
            .ok_or_else(|| unusable("it has no `refresh_token`"))?;
        let life = answer.expires_in.and_then(TimeDelta::try_seconds);
        let life = life.filter(|life| *life > TimeDelta::zero());
        let expires_at = now
            .checked_add_signed(life.unwrap_or(self.rules.access_token_life))
            .unwrap_or(now);
        Ok(OAuthTokens {
            access_token: answer.access_token.into(),
            refresh_token,
            expires_at,
        })
    }
}

#[derive(Serialize)]
struct TokenRequest<'a> {
    grant_type: &'static str,
    client_id: &'a str,
    client_secret: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    redirect_uri: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code_verifier: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'a str>,
}

impl<'a> TokenRequest<'a> {
    fn of(client: &'a OAuthClient) -> Self {
        Self {
            grant_type: "",
            client_id: &client.id,
            client_secret: client.secret.expose_secret(),
            code: None,
            redirect_uri: None,
            code_verifier: None,
            refresh_token: None,
        }
    }

    fn secrets(&self) -> Vec<SecretString> {
        let optional = [self.code, self.code_verifier, self.refresh_token];
        optional
            .into_iter()
            .flatten()
            .chain([self.client_secret])
            .map(SecretString::from)
            .collect()
    }
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    refresh_token: Option<String>,
    expires_in: Option<i64>,
}

#[derive(Default, Deserialize)]
struct ErrorAnswer {
    #[serde(default)]
    error: String,
    error_description: Option<String>,
}

/// Only the word in the body counts: servers answer the same error with 400 or 401.
fn refusal(response: &Response) -> TokenError {
    let answer: ErrorAnswer = serde_json::from_slice(&response.body).unwrap_or_default();
    let kind = match answer.error.as_str() {
        "invalid_grant" => TokenErrorKind::InvalidGrant,
        "invalid_client"
        | "unauthorized_client"
        | "invalid_request"
        | "invalid_scope"
        | "unsupported_grant_type" => TokenErrorKind::Misconfigured,
        _ if response.status == 429 => TokenErrorKind::RateLimited,
        _ => TokenErrorKind::Temporary,
    };
    let said = match (answer.error.as_str(), answer.error_description) {
        ("", _) => String::from_utf8_lossy(&response.body).trim().to_owned(),
        (error, Some(description)) => format!("{error}: {description}"),
        (error, None) => error.to_owned(),
    };
    TokenError {
        kind,
        reason: format!("the token endpoint answered {} {said}", response.status),
    }
}

fn no_answer(error: &ProviderError) -> TokenError {
    // A request that can't be shown to have stayed here may have been carried out.
    let kind = match error.kind {
        ErrorKind::Connection if error.records == Some(0) => TokenErrorKind::Temporary,
        _ => TokenErrorKind::Unknown,
    };
    TokenError {
        kind,
        reason: error.message.clone(),
    }
}

impl TokenError {
    /// Without secrets that the server repeated, and short enough to be stored.
    fn without(self, secrets: &[SecretString]) -> Self {
        Self {
            reason: without_secrets(self.reason, secrets),
            ..self
        }
    }
}

impl fmt::Debug for OAuthServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuthServer")
            .field("authorize_url", &self.authorize_url.as_str())
            .field("token_url", &self.token_url.as_str())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "oauth_tests.rs"]
mod tests;
