//! An application's OAuth client at a provider, in Supaglue's published form.

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use syncline_model::AuthType;
use syncline_providers::OAuthServer;
use syncline_store::{ClientSecret, ConfiguredProvider, ProviderSettings};
use utoipa::ToSchema;

use crate::error::{ApiError, ApiResult};

/// The longest accepted text, in bytes.
const MAX_BYTES: usize = 4096;
const MAX_SCOPES: usize = 100;

#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = oauth_config)]
pub(crate) struct OAuthConfigBody {
    /// Your own name for the OAuth application.
    #[serde(default)]
    provider_app_id: String,
    /// Whether to use the OAuth application of this installation instead of one of your own.
    #[serde(default)]
    use_managed_oauth: bool,
    #[serde(default)]
    oauth: OAuthBody,
}

#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = oauth)]
struct OAuthBody {
    /// The scopes to ask customers for. Empty: those that Syncline needs.
    #[serde(default)]
    oauth_scopes: Vec<String>,
    credentials: Option<OAuthCredentialsBody>,
}

#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = oauth_credentials)]
struct OAuthCredentialsBody {
    oauth_client_id: String,
    /// Always empty in answers.
    oauth_client_secret: String,
}

/// Settings that fit the provider.
pub(super) struct CheckedSettings {
    pub(super) settings: ProviderSettings,
    secret: Option<SecretString>,
    keeps_secret: bool,
}

impl CheckedSettings {
    pub(super) fn of_api_key() -> Self {
        Self {
            settings: ProviderSettings::usual(AuthType::ApiKey),
            secret: None,
            keeps_secret: false,
        }
    }

    pub(super) fn secret(&self) -> ClientSecret<'_> {
        match &self.secret {
            _ if self.keeps_secret => ClientSecret::Keep,
            Some(secret) => ClientSecret::Set(secret),
            None => ClientSecret::None,
        }
    }
}

impl OAuthConfigBody {
    /// As it is shown: without the secret.
    pub(super) fn of(settings: &ProviderSettings) -> Option<Self> {
        if settings.auth_type != AuthType::OAuth2 {
            return None;
        }
        let client_id = settings.oauth_client_id.clone();
        Some(Self {
            provider_app_id: settings.provider_app_id.clone().unwrap_or_default(),
            use_managed_oauth: client_id.is_none(),
            oauth: OAuthBody {
                oauth_scopes: settings.oauth_scopes.clone().unwrap_or_default(),
                credentials: client_id.map(|oauth_client_id| OAuthCredentialsBody {
                    oauth_client_id,
                    oauth_client_secret: String::new(),
                }),
            },
        })
    }

    pub(super) fn checked(
        &self,
        server: &OAuthServer,
        known: Option<&ConfiguredProvider>,
    ) -> ApiResult<CheckedSettings> {
        let scopes = &self.oauth.oauth_scopes;
        check_scopes(scopes)?;
        check_length("config.provider_app_id", &self.provider_app_id)?;
        let mut checked = CheckedSettings {
            settings: ProviderSettings {
                auth_type: AuthType::OAuth2,
                oauth_client_id: None,
                oauth_scopes: (!scopes.is_empty()).then(|| scopes.clone()),
                provider_app_id: filled(&self.provider_app_id),
            },
            secret: None,
            keeps_secret: false,
        };
        if self.use_managed_oauth {
            self.check_managed(server)?;
            return Ok(checked);
        }
        let credentials = self.oauth.credentials.as_ref().ok_or_else(|| {
            ApiError::validation(
                "config.oauth.credentials",
                "this field is required unless config.use_managed_oauth is true",
            )
        })?;
        let id = &credentials.oauth_client_id;
        let secret = &credentials.oauth_client_secret;
        check_text("config.oauth.credentials.oauth_client_id", id)?;
        let stored = known.and_then(|known| known.settings.oauth_client_id.as_deref());
        checked.keeps_secret = secret.is_empty() && stored == Some(id);
        if !checked.keeps_secret {
            check_text("config.oauth.credentials.oauth_client_secret", secret)?;
            checked.secret = Some(SecretString::from(secret.as_str()));
        }
        checked.settings.oauth_client_id = Some(id.clone());
        Ok(checked)
    }

    fn check_managed(&self, server: &OAuthServer) -> ApiResult<()> {
        if self.oauth.credentials.is_some() {
            return Err(ApiError::validation(
                "config.oauth.credentials",
                "must be left out where config.use_managed_oauth is true",
            ));
        }
        if server.managed_client().is_none() {
            return Err(ApiError::validation(
                "config.use_managed_oauth",
                "this installation has no OAuth application for the provider: set \
                 SYNCLINE_PROVIDERS__<NAME>__OAUTH__CLIENT_ID and …__CLIENT_SECRET, or give \
                 config.oauth.credentials",
            ));
        }
        Ok(())
    }
}

fn filled(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn check_scopes(scopes: &[String]) -> ApiResult<()> {
    let field = "config.oauth.oauth_scopes";
    if scopes.len() > MAX_SCOPES {
        let reason = format!("must not have more than {MAX_SCOPES} scopes");
        return Err(ApiError::validation(field, reason));
    }
    scopes.iter().try_for_each(|scope| check_text(field, scope))
}

/// A text that is sent as one word.
fn check_text(field: &str, text: &str) -> ApiResult<()> {
    if text.is_empty() {
        return Err(ApiError::validation(field, "must not be empty"));
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        let reason = "must consist of visible ASCII characters";
        return Err(ApiError::validation(field, reason));
    }
    check_length(field, text)
}

fn check_length(field: &str, text: &str) -> ApiResult<()> {
    if text.len() > MAX_BYTES {
        let reason = format!("must not be longer than {MAX_BYTES} bytes");
        return Err(ApiError::validation(field, reason));
    }
    Ok(())
}
