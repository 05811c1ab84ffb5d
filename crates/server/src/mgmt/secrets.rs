//! What a connection is made with: an API key, or an OAuth authorization that was made elsewhere.

use secrecy::SecretString;
use syncline_engine::NoFirstTokens;
use syncline_model::{AuthType, Credentials, ProviderName};
use syncline_providers::TokenErrorKind;
use syncline_store::ConfiguredProvider;

use super::providers::check_auth_type;
use crate::{
    AppState,
    error::{ApiError, ApiResult},
    provider_errors::ProviderFailure,
};

/// The longest accepted secret, in bytes: every provider accepts headers of that size.
const MAX_BYTES: usize = 4096;

/// The secrets in a connection's body.
pub(super) struct Secrets {
    pub(super) api_key: Option<String>,
    pub(super) refresh_token: Option<String>,
}

/// A secret that fits the way of connecting.
pub(super) enum Secret {
    ApiKey(SecretString),
    RefreshToken(SecretString),
}

impl Secrets {
    pub(super) fn are_absent(&self) -> bool {
        self.api_key.is_none() && self.refresh_token.is_none()
    }

    /// The way that is named, or the only one that fits the secrets, or the provider's usual one.
    pub(super) fn auth_type(
        &self,
        state: &AppState,
        provider: ProviderName,
        named: Option<&str>,
    ) -> ApiResult<AuthType> {
        let provider = state.providers.get(provider)?;
        check_auth_type("type", named, &**provider)?;
        if let Some(named) = named.and_then(AuthType::parse) {
            return Ok(named);
        }
        let ways = provider.auth_types();
        let implied = match (&self.api_key, &self.refresh_token) {
            (None, Some(_)) => Some(AuthType::OAuth2),
            (Some(_), None) => Some(AuthType::ApiKey),
            _ => None,
        };
        let implied = implied.filter(|implied| ways.contains(implied));
        let usual = ways.first().copied().unwrap_or(AuthType::ApiKey);
        Ok(implied.unwrap_or(usual))
    }

    pub(super) fn of(&self, auth_type: AuthType) -> ApiResult<Secret> {
        let (needed, other) = match auth_type {
            AuthType::ApiKey => ("api_key", ("refresh_token", &self.refresh_token)),
            AuthType::OAuth2 => ("refresh_token", ("api_key", &self.api_key)),
        };
        if other.1.is_some() {
            return Err(ApiError::validation(
                other.0,
                format!("must be left out for the type '{}'", auth_type.as_str()),
            ));
        }
        match auth_type {
            AuthType::ApiKey => Ok(Secret::ApiKey(required(needed, self.api_key.as_deref())?)),
            AuthType::OAuth2 => {
                let token = required(needed, self.refresh_token.as_deref())?;
                Ok(Secret::RefreshToken(token))
            }
        }
    }
}

/// A key that a person has typed or pasted, or what is wrong with it in a sentence for that person.
pub(crate) fn check_api_key(key: &str) -> Result<SecretString, String> {
    let key = key.trim();
    if key.is_empty() {
        return Err("Enter the key.".to_owned());
    }
    let fits = key.bytes().all(|byte| byte.is_ascii_graphic()) && key.len() <= MAX_BYTES;
    if !fits {
        return Err(
            "This is not a key: keys have no spaces and no special letters. Copy it once more."
                .to_owned(),
        );
    }
    Ok(SecretString::from(key))
}

/// It is sent in a header or a form, so it must be visible ASCII.
pub(super) fn required(field: &str, secret: Option<&str>) -> ApiResult<SecretString> {
    let secret = secret.ok_or_else(|| ApiError::validation(field, "this field is required"))?;
    let secret = secret.trim();
    if secret.is_empty() {
        return Err(ApiError::validation(field, "must not be empty"));
    }
    if !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(ApiError::validation(
            field,
            "must consist of visible ASCII characters",
        ));
    }
    if secret.len() > MAX_BYTES {
        return Err(ApiError::validation(
            field,
            format!("must not be longer than {MAX_BYTES} bytes"),
        ));
    }
    Ok(SecretString::from(secret))
}

/// The credentials to connect with; an imported authorization is refreshed for them.
pub(super) async fn credentials_of(
    state: &AppState,
    provider: &ConfiguredProvider,
    secret: Secret,
) -> ApiResult<Credentials> {
    match secret {
        Secret::ApiKey(key) => Ok(Credentials::ApiKey(key)),
        Secret::RefreshToken(token) => {
            let imported = state.tokens.import(provider, &token).await;
            imported.map_err(|none| without_tokens(provider.name, none))
        }
    }
}

pub(crate) fn without_tokens(provider: ProviderName, none: NoFirstTokens) -> ApiError {
    match none {
        NoFirstTokens::NoServer(_) => ApiError::validation("type", none.to_string()),
        NoFirstTokens::NoClient(reason) => ApiError::Conflict(reason),
        NoFirstTokens::Store(error) => error.into(),
        NoFirstTokens::Refused(error) => match error.kind {
            TokenErrorKind::InvalidGrant => ApiError::Provider(
                ProviderFailure::rejected_credentials(provider, &error.reason),
            ),
            TokenErrorKind::Misconfigured => ApiError::Conflict(format!(
                "{provider} does not accept the OAuth application that is set for it: {}",
                error.reason
            )),
            TokenErrorKind::Temporary | TokenErrorKind::RateLimited | TokenErrorKind::Unknown => {
                ApiError::Unavailable(format!(
                    "{provider} gave no tokens, try again: {}",
                    error.reason
                ))
            }
        },
    }
}
