//! `GET /oauth/callback`: a customer comes back from the provider, and the account is connected.

use axum::{
    extract::{RawQuery, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use secrecy::SecretString;
use serde::Deserialize;
use syncline_engine::{CheckedCredentials, Connect, NoFirstTokens};
use syncline_providers::{TokenErrorKind, oauth::Code};
use syncline_store::{Authorization, ConfiguredProvider, Start};

use super::{browser, return_url::with_error, tenant_of};
use crate::{
    AppState,
    error::{ApiError, ApiResult},
};

/// The longest `error_description` that is passed on.
const MAX_DESCRIPTION: usize = 300;

#[derive(Default, Deserialize)]
pub(super) struct Parameters {
    state: Option<String>,
    code: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

/// Why the account is not connected; both parts go to the address to return to.
struct Failed {
    error: String,
    description: String,
}

pub(super) async fn callback(
    State(state): State<AppState>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> ApiResult<Response> {
    // Not the extractor of our API: what a provider sends may be empty, or more than is expected.
    let parameters = serde_urlencoded::from_str(query.as_deref().unwrap_or_default());
    let parameters: Parameters = parameters.unwrap_or_default();
    let browser = browser::cookie_of(&headers).unwrap_or_default().to_owned();
    // It goes on if the browser leaves: the code is used up, and the tokens would be lost.
    let finishing = finish(state.clone(), parameters, browser);
    match state.tasks.spawn(finishing).await {
        Ok(answer) => answer,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(error) => Err(ApiError::Internal(format!(
            "an authorization ended early: {error}"
        ))),
    }
}

async fn finish(state: AppState, parameters: Parameters, browser: String) -> ApiResult<Response> {
    let Some(secret) = parameters.state.as_deref() else {
        return Ok(unknown_state());
    };
    let taken = state.store.take_authorization(secret, &browser).await?;
    let Some(authorization) = taken else {
        return Ok(unknown_state());
    };
    let to = &authorization.return_url;
    match connect(&state, &authorization, parameters).await {
        Ok(()) => browser::redirect(to),
        Err(failed) => {
            tracing::warn!(
                customer.id = authorization.customer_id,
                "an authorization failed: {}: {}",
                failed.error,
                failed.description
            );
            browser::redirect(&with_error(to, &failed.error, &failed.description))
        }
    }
}

async fn connect(
    state: &AppState,
    authorization: &Authorization,
    parameters: Parameters,
) -> Result<(), Failed> {
    if let Some(error) = parameters.error {
        let description = parameters.error_description.unwrap_or_default();
        return Err(Failed {
            error: shortened(&error),
            description: shortened(&description),
        });
    }
    let code = parameters.code.ok_or_else(|| {
        Failed::new(
            "invalid_request",
            "the provider sent neither a code nor an error",
        )
    })?;
    let provider = provider_of(state, authorization).await?;
    let credentials = state
        .tokens
        .exchange(
            &provider,
            Code {
                code: &SecretString::from(code),
                redirect_uri: &authorization.redirect_uri,
                verifier: Some(&authorization.verifier),
            },
        )
        .await
        .map_err(|none| Failed::of_tokens(&none))?;
    let found = state.providers.get(provider.name);
    let found = found.map_err(|unknown| Failed::new("server_error", &unknown.to_string()))?;
    let checked = CheckedCredentials::check(&**found, credentials).await;
    let checked =
        checked.map_err(|rejected| Failed::new("access_denied", &rejected.to_string()))?;
    let stored = store(state, authorization, &provider, &checked).await;
    stored.map_err(|error| {
        tracing::error!("an authorized account could not be stored: {error}");
        Failed::new(
            "server_error",
            "the account could not be connected, try again",
        )
    })?;
    state.wake.wake();
    Ok(())
}

async fn provider_of(
    state: &AppState,
    authorization: &Authorization,
) -> Result<ConfiguredProvider, Failed> {
    let tenant = tenant_of(state, &authorization.application_id);
    let provider = tenant.get_provider(&authorization.provider_id).await;
    let provider = provider.map_err(|error| {
        tracing::error!("a provider could not be read: {error}");
        Failed::new("temporarily_unavailable", "try again")
    })?;
    provider.ok_or_else(|| Failed::new("server_error", "the provider was removed meanwhile"))
}

async fn store(
    state: &AppState,
    authorization: &Authorization,
    provider: &ConfiguredProvider,
    checked: &CheckedCredentials,
) -> Result<(), syncline_store::StoreError> {
    let tenant = tenant_of(state, &authorization.application_id);
    let connect = Connect {
        customer_id: &authorization.customer_id,
        provider_id: &provider.id,
        limits: syncline_model::LimitOverrides::default(),
        start: match authorization.auto_start {
            None => Start::AsConfigured,
            Some(true) => Start::AtOnce,
            Some(false) => Start::WhenResumed,
        },
        magic_link_id: authorization.magic_link_id.as_deref(),
    };
    checked
        .connect_or_reconnect(&state.store, &tenant, &connect)
        .await
        .map(drop)
}

impl Failed {
    fn new(error: &str, description: &str) -> Self {
        Self {
            error: error.to_owned(),
            description: shortened(description),
        }
    }

    fn of_tokens(none: &NoFirstTokens) -> Self {
        match none {
            NoFirstTokens::Refused(refused) => {
                let error = match refused.kind {
                    TokenErrorKind::InvalidGrant => "access_denied",
                    TokenErrorKind::Misconfigured => "server_error",
                    TokenErrorKind::Temporary
                    | TokenErrorKind::RateLimited
                    | TokenErrorKind::Unknown => "temporarily_unavailable",
                };
                Self::new(error, &refused.reason)
            }
            NoFirstTokens::Store(error) => {
                tracing::error!("an authorization could not be read: {error}");
                Self::new("server_error", "try again")
            }
            NoFirstTokens::NoServer(_) | NoFirstTokens::NoClient(_) => {
                Self::new("server_error", &none.to_string())
            }
        }
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(MAX_DESCRIPTION).collect()
}

/// Nothing is known of where this browser wants to go, so it gets a page.
fn unknown_state() -> Response {
    const PAGE: &str = "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
        <title>Not connected</title></head><body><h1>Not connected</h1>\
        <p>This page was opened too late, twice, or in another browser than the one you started \
        in. Go back to the application that you came from, and connect your account again.</p>\
        </body></html>\n";
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ];
    (StatusCode::BAD_REQUEST, headers, PAGE).into_response()
}
