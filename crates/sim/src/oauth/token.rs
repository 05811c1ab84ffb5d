//! The token endpoint: new pairs of tokens for codes and refresh tokens.

use chrono::{DateTime, Utc};

use super::{Client, issuer};
use crate::dialect::RequestContext;
use crate::grants::GrantError;
use crate::json::Object;
use crate::params::Params;
use crate::tokens::TokenPair;

const JSON: &str = "application/json; charset=utf-8";
const PLAIN: &str = "text/plain; charset=utf-8";

/// Why a request gets no tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenError {
    InvalidClient,
    /// The name of the parameter.
    Missing(&'static str),
    UnsupportedGrantType,
    Grant(GrantError),
}

/// Issues the pair that a request asks for.
pub(crate) fn pair_for(
    context: &mut RequestContext<'_>,
    params: &Params,
    client: Client<'_>,
) -> Result<TokenPair, TokenError> {
    let given = |name: &str| params.text(name).unwrap_or_default();
    if given("client_id") != client.id || given("client_secret") != client.secret {
        return Err(TokenError::InvalidClient);
    }
    let required = |name| params.text(name).ok_or(TokenError::Missing(name));
    let grant_type = required("grant_type")?;
    let now = context.now;
    let team = issuer(context.world, params);
    let team = team.and_then(|at| context.world.teams.get_mut(at));
    let pair = match grant_type.as_str() {
        "authorization_code" => {
            let (code, redirect_uri) = (required("code")?, required("redirect_uri")?);
            team.map(|team| team.grants.exchange(now, &team.id, &code, &redirect_uri))
        }
        "refresh_token" => {
            let token = required("refresh_token")?;
            team.map(|team| team.grants.refresh(now, &team.id, &token))
        }
        _ => return Err(TokenError::UnsupportedGrantType),
    };
    let pair = pair.unwrap_or(Err(GrantError::Invalid));
    pair.map_err(TokenError::Grant)
}

/// The body of an answer with a pair.
pub(crate) fn pair_body(
    now: DateTime<Utc>,
    pair: &TokenPair,
    token_type: &str,
    scopes: &[String],
) -> String {
    let mut o = Object::new();
    o.text("access_token", &pair.access)
        .text("token_type", token_type)
        .number("expires_in", pair.expires_in)
        .text("refresh_token", &pair.refresh)
        .text("scope", &scopes.join(" "))
        .number("created_at", now.timestamp());
    o.finish()
}

impl TokenError {
    /// The status of Doorkeeper, the OAuth server for Rails.
    pub(crate) const fn status(self) -> u16 {
        match self {
            Self::InvalidClient => 401,
            Self::Grant(GrantError::TooSoon) => 429,
            Self::Missing(_) | Self::UnsupportedGrantType | Self::Grant(GrantError::Invalid) => 400,
        }
    }

    /// The content type and the body of the answer.
    pub(crate) fn content(self) -> (&'static str, String) {
        let (error, description) = match self {
            Self::InvalidClient => ("invalid_client", INVALID_CLIENT.to_owned()),
            Self::Missing(name) => {
                let description = format!("Missing required parameter: {name}.");
                ("invalid_request", description)
            }
            Self::UnsupportedGrantType => ("unsupported_grant_type", UNSUPPORTED.to_owned()),
            Self::Grant(GrantError::Invalid) => ("invalid_grant", INVALID_GRANT.to_owned()),
            Self::Grant(GrantError::TooSoon) => return (PLAIN, "Retry later\n".to_owned()),
        };
        let mut o = Object::new();
        o.text("error", error)
            .text("error_description", &description);
        (JSON, o.finish())
    }
}

const INVALID_CLIENT: &str = concat!(
    "Client authentication failed due to unknown client, no client authentication included, ",
    "or unsupported authentication method."
);

const UNSUPPORTED: &str =
    "The authorization grant type is not supported by the authorization server.";

const INVALID_GRANT: &str = concat!(
    "The provided authorization grant is invalid, expired, revoked, does not match the redirection URI ",
    "used in the authorization request, or was issued to another client."
);
