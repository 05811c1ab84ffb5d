//! What a connection authenticates with at its provider, and the form in which it is sealed.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::Time;

/// Zeroized when dropped, and never printed.
#[derive(Debug, Clone)]
pub enum Credentials {
    ApiKey(SecretString),
    OAuth(OAuthTokens),
}

/// The tokens of an OAuth 2.0 authorization.
#[derive(Debug, Clone)]
pub struct OAuthTokens {
    pub access_token: SecretString,
    pub refresh_token: SecretString,
    /// Of the access token.
    pub expires_at: Time,
}

impl OAuthTokens {
    pub fn has_access_token_of(&self, other: &Self) -> bool {
        self.access_token.expose_secret() == other.access_token.expose_secret()
    }
}

/// An application that is registered at a provider, which customers authorize.
#[derive(Debug, Clone)]
pub struct OAuthClient {
    pub id: String,
    pub secret: SecretString,
}

/// What was unsealed is none of the known forms.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the stored credentials have an unknown form: a newer version of Syncline wrote them")]
pub struct UnknownCredentials;

/// The sealed text of what is more than an API key: JSON with a version, so that a later form can be
/// told from this one.
#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum Sealed {
    ApiKey {
        v: u8,
        api_key: String,
    },
    Oauth2 {
        v: u8,
        access_token: String,
        refresh_token: String,
        #[serde(with = "crate::time::millis")]
        expires_at: Time,
    },
}

const VERSION: u8 = 1;

/// How JSON of `Sealed` begins.
const JSON_BEGINS: &str = "{\"type\":";

impl Credentials {
    pub fn api_key(key: impl Into<String>) -> Self {
        Self::ApiKey(SecretString::from(key.into()))
    }

    /// The secret that requests carry: the key, or the access token.
    pub fn sent_secret(&self) -> &SecretString {
        match self {
            Self::ApiKey(key) => key,
            Self::OAuth(tokens) => &tokens.access_token,
        }
    }

    /// The text to be sealed. An API key stands bare: an older process on the same database reads
    /// nothing else.
    pub fn to_text(&self) -> SecretString {
        let secret = |secret: &SecretString| secret.expose_secret().to_owned();
        let sealed = match self {
            Self::ApiKey(key) if !key.expose_secret().starts_with(JSON_BEGINS) => {
                return key.clone();
            }
            Self::ApiKey(key) => Sealed::ApiKey {
                v: VERSION,
                api_key: secret(key),
            },
            Self::OAuth(tokens) => Sealed::Oauth2 {
                v: VERSION,
                access_token: secret(&tokens.access_token),
                refresh_token: secret(&tokens.refresh_token),
                expires_at: tokens.expires_at,
            },
        };
        let text = serde_json::to_string(&sealed).expect("texts and a time are JSON");
        SecretString::from(text)
    }

    /// The other way.
    pub fn of_text(text: &SecretString) -> Result<Self, UnknownCredentials> {
        let text = text.expose_secret();
        if !text.starts_with(JSON_BEGINS) {
            return Ok(Self::api_key(text));
        }
        match serde_json::from_str(text) {
            Ok(Sealed::ApiKey {
                v: VERSION,
                api_key,
            }) => Ok(Self::api_key(api_key)),
            Ok(Sealed::Oauth2 {
                v: VERSION,
                access_token,
                refresh_token,
                expires_at,
            }) => Ok(Self::OAuth(OAuthTokens {
                access_token: access_token.into(),
                refresh_token: refresh_token.into(),
                expires_at,
            })),
            _ => Err(UnknownCredentials),
        }
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oauth() -> Credentials {
        Credentials::OAuth(OAuthTokens {
            access_token: "access-1".to_owned().into(),
            refresh_token: "refresh-1".to_owned().into(),
            expires_at: Time::from_timestamp_millis(1_800_000_000_123).unwrap(),
        })
    }

    #[test]
    fn printing_shows_no_secret() {
        for credentials in [Credentials::api_key("sk-very-secret"), oauth()] {
            let shown = format!("{credentials:?}");
            for secret in ["very-secret", "access-1", "refresh-1"] {
                assert!(!shown.contains(secret), "{shown}");
            }
        }
    }

    #[test]
    fn what_is_sealed_is_read_back() {
        for key in ["k \"1\"", r#"{"type":"api_key","v":1,"api_key":"k"}"#] {
            let read = Credentials::of_text(&Credentials::api_key(key).to_text()).unwrap();
            assert_eq!(read.sent_secret().expose_secret(), key);
        }
        let Ok(Credentials::OAuth(tokens)) = Credentials::of_text(&oauth().to_text()) else {
            panic!("they are OAuth tokens");
        };
        assert_eq!(tokens.access_token.expose_secret(), "access-1");
        assert_eq!(tokens.refresh_token.expose_secret(), "refresh-1");
        assert_eq!(tokens.expires_at.timestamp_millis(), 1_800_000_000_123);
    }

    #[test]
    fn an_api_key_is_sealed_bare_as_older_processes_read_it() {
        let text = Credentials::api_key("bare-key").to_text();
        assert_eq!(text.expose_secret(), "bare-key");
        let key = Credentials::of_text(&text).unwrap();
        assert!(matches!(key, Credentials::ApiKey(key) if key.expose_secret() == "bare-key"));
    }

    #[test]
    fn a_later_form_is_refused() {
        for text in [
            r#"{"type":"api_key","v":2,"api_key":"k"}"#,
            r#"{"type":"mutual_tls","v":1}"#,
            r#"{"type":"api_key","v":1,"api_key":"k","scope":"all"}"#,
        ] {
            let refused = Credentials::of_text(&SecretString::from(text.to_owned()));
            assert_eq!(refused.unwrap_err(), UnknownCredentials, "{text}");
        }
    }
}
